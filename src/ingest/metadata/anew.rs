//! Tells the platform again what the sidecars of finished videos say, once they have changed.
//!
//! Only what a sidecar names is sent: everything else on the platform stays, and a
//! sidecar that was deleted changes nothing.

use std::path::PathBuf;
use std::time::Duration;

use super::super::context::Context;
use super::super::duty::{Duty, until};
use super::super::moments::{evenly, later};
use super::super::pause;
use super::super::persist::persist;
use super::{Gathered, beside, gather, own_change};
use crate::disposition::Disposition;
use crate::metadata::Metadata;
use crate::metadata::clean;
use crate::metadata::sidecar::Beside;
use crate::platform::{self, Client, Update};
use crate::queue::accounts::Cause;
use crate::queue::metadata::{self, Due};
use crate::queue::{Error, retry};
use crate::watch::reach;
use crate::{address, chain, clock, text};

/// Also how long one may wait whose video has got its last byte a moment ago.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// How many are read from the disk at once: at the start all sidecars are compared.
const AT_ONCE: usize = 100;

/// Runs until the daemon stops.
pub(in crate::ingest) async fn run(context: Context) -> Result<(), Error> {
    let duty = Duty::new(&context, "metadata", LONGEST_REST).woken_by(&context.sidecars);
    while duty.round(send_due(&context)).await? {}
    Ok(())
}

/// Works off those that are due; answers how long to rest.
async fn send_due(context: &Context) -> Result<Duration, Error> {
    let now = clock::now();
    let due = persist(context, move |db| metadata::due(db, now, AT_ONCE)).await?;
    if !due.is_empty() {
        work_off(context, due).await?;
        return Ok(Duration::ZERO);
    }
    let next = persist(context, metadata::next_due).await?;
    Ok(next
        .filter(|at| *at > now)
        .map_or(LONGEST_REST, |at| until(now, at)))
}

/// Compares, and says what is new.
async fn work_off(context: &Context, due: Vec<Due>) -> Result<(), Error> {
    let files = due.iter().map(|due| (due.watch.clone(), due.path.clone()));
    let files: Vec<(String, PathBuf)> = files.collect();
    let settings = context.now_settings();
    let limit = settings.config.upload.stall_timeout;
    let reading = tokio::task::spawn_blocking(move || {
        let all = files
            .iter()
            .map(|(watch, path)| beside(reach::place(settings.watch(watch), path)));
        all.collect::<Vec<_>>()
    });
    let Ok(Ok(found)) = tokio::time::timeout(limit, reading).await else {
        let wait = context.now_settings().config.retry.first_delay;
        for due in &due {
            again(context, due, ("its folder does not answer", wait)).await?;
        }
        return Ok(());
    };
    let (mut same, mut paused) = (Vec::new(), Vec::new());
    for (due, beside) in due.into_iter().zip(found) {
        if due.untold {
            if !paused.contains(&due.account) && send_first(context, &due).await? {
                paused.push(due.account);
            }
        } else if beside.digest.is_none()
            || beside.digest == due.digest
            || beside.sidecar.is_empty()
        {
            if let Some(fault) = &beside.fault {
                tracing::warn!(job.id = due.job.0, "{}: {fault}", text::path(&due.path));
            }
            same.push((due, beside));
        } else if !paused.contains(&due.account) && send_one(context, &due, beside).await? {
            paused.push(due.account);
        }
    }
    let now = clock::now();
    persist(context, move |db| {
        for (due, beside) in &same {
            let digest = beside.digest.as_deref().or(due.digest.as_deref());
            metadata::compared(db, due, (digest, beside.fault.as_deref()), now)?;
        }
        Ok(())
    })
    .await
}

/// Tells one; answers whether its account is paused now.
async fn send_one(context: &Context, due: &Due, beside: Beside) -> Result<bool, Error> {
    let settings = context.now_settings();
    let path = text::path(&due.path);
    let Some(client) = settings.client(&due.account) else {
        let why = "its account is not configured any more";
        return again(context, due, (why, settings.config.retry.max_delay)).await;
    };
    match call_update(context, client, due, &beside).await? {
        Ok(()) => {
            tracing::info!(
                job.id = due.job.0,
                video.key = %due.video_key,
                "{path}: its sidecar changed, and was sent to the platform"
            );
            compared(context, due, (beside.digest, None)).await
        }
        Err(error) => note_failure(context, due, &error).await,
    }
}

/// Tells all of a video whose bytes came without a call. The platform has called it by its file's name.
async fn send_first(context: &Context, due: &Due) -> Result<bool, Error> {
    let Gathered {
        described,
        digest,
        fault,
    } = gather(context, (&due.watch, &due.path), due.mtime_ns).await;
    let stem = due.path.file_stem().unwrap_or_default().to_string_lossy();
    let is_told = described.metadata == Metadata::NONE
        && clean::clean_line(&stem).is_some_and(|stem| stem == described.title);
    let settings = context.now_settings();
    let client = settings.client(&due.account).filter(|_| !is_told);
    if let Some(client) = client {
        let update = Update {
            title: Some(&described.title),
            metadata: &described.metadata,
            ingest_id: &due.ingest_id,
        };
        let video = (due.job, due.video_key.as_str());
        let answer = own_change::update(context, client, video, update).await?;
        if let Err(error) = answer {
            return note_failure(context, due, &error).await;
        }
    }
    compared(context, due, (digest, fault)).await
}

async fn call_update(
    context: &Context,
    client: &Client,
    due: &Due,
    beside: &Beside,
) -> Result<Result<(), platform::Error>, Error> {
    let title = beside.sidecar.title();
    let update = Update {
        title: title.as_deref(),
        metadata: &beside.sidecar.metadata(),
        ingest_id: &due.ingest_id,
    };
    own_change::update(context, client, (due.job, &due.video_key), update).await
}

/// What failed was not sent: the digest stays that of what was.
async fn note_failure(
    context: &Context,
    due: &Due,
    error: &platform::Error,
) -> Result<bool, Error> {
    let (path, said) = (text::path(&due.path), address::hosts_only(&chain(error)));
    let id = due.job.0;
    let retry = context.now_settings().config.retry.clone();
    let now = clock::now();
    let too_long = due
        .failing_since
        .is_some_and(|since| later(evenly(since), retry.give_up_after) <= now);
    let after = match error.disposition() {
        Disposition::Blocked(need) => {
            pause::account(context, &due.account, (Cause::Refused(need), &said), now).await?;
            return Ok(true);
        }
        Disposition::Unreachable => {
            pause::account(context, &due.account, (Cause::Unreachable, &said), now).await?;
            return Ok(true);
        }
        _ if error.is_not_found() => {
            let why = format!(
                "the video {} is not on the platform any more",
                due.video_key
            );
            return compared(context, due, (due.digest.clone(), Some(why))).await;
        }
        Disposition::Permanent => {
            let why = format!("the platform refused what the sidecar says: {said}");
            tracing::error!(job.id = id, "{path}: {why}");
            return compared(context, due, (due.digest.clone(), Some(why))).await;
        }
        _ if too_long => {
            let why = format!("the sidecar could not be sent; given up: {said}");
            tracing::error!(job.id = id, "{path}: {why}");
            return compared(context, due, (due.digest.clone(), Some(why))).await;
        }
        Disposition::Transient { after } => after,
        Disposition::Ambiguous | Disposition::LinkExpired => None,
    };
    let wait = retry::delay(due.attempts + 1, retry.first_delay, retry.max_delay, after);
    let why = format!("the sidecar is not sent yet: {said}");
    tracing::warn!(
        job.id = id,
        "{path}: {why}; the next attempt is in {wait:.0?}"
    );
    again(context, due, (&why, wait)).await
}

/// Nothing is tried again before the sidecar changes.
async fn compared(
    context: &Context,
    due: &Due,
    (digest, fault): (Option<String>, Option<String>),
) -> Result<bool, Error> {
    let (due, now) = (due.clone(), clock::now());
    persist(context, move |db| {
        metadata::compared(db, &due, (digest.as_deref(), fault.as_deref()), now)
    })
    .await?;
    Ok(false)
}

async fn again(context: &Context, due: &Due, (why, wait): (&str, Duration)) -> Result<bool, Error> {
    let (due, why, now) = (due.clone(), why.to_owned(), clock::now());
    let run_at = later(now, wait);
    persist(context, move |db| {
        metadata::again(db, &due, run_at, (&why, now))
    })
    .await?;
    Ok(false)
}
