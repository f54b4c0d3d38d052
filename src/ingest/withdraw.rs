//! Deletes videos that were begun and must not stay; tries until they are gone.
//!
//! What the table says about such a video was true once: a backup of the table may be older than
//! the upload, and a video that had failed may be ready since. So the platform is asked first. A
//! video that has content, and whose file is not in its folder any more, may be the only copy: its
//! job takes it back.

use std::time::Duration;

use super::context::Context;
use super::disk;
use super::duty::{Duty, until};
use super::moments::{is_within, later};
use super::persist::persist;
use super::source::{self, Problem};
use crate::beneath;
use crate::config::Watch;
use crate::identity::Identity;
use crate::platform::{self, Client, Status, VideoKey};
use crate::queue::withdraw::{self, TakenBack, Withdrawal};
use crate::queue::{Error, Job, operator, retry};
use crate::watch::reach;
use crate::{chain, clock};

const LONGEST_REST: Duration = Duration::from_mins(1);

/// How long a create call may still create its video after the wait for its answer has ended: our
/// own wait is one minute, and a proxy or a server that is overloaded may hold it for as long
/// again.
const LATE_CREATE: Duration = Duration::from_mins(2);

/// How one withdrawal went.
enum Outcome {
    /// Nothing of it is on the platform.
    Gone,
    /// Not found by its ingest id; the create call may still be on its way.
    NotYet,
    /// It may be the only copy of its file, and is the job's again.
    TakenBack(VideoKey),
    /// Whether it is the only copy cannot be known now, for this reason.
    Later(String),
}

/// Whether the file of a withdrawn video is there.
enum Local {
    /// It can be sent again.
    There,
    /// It is not in its folder any more.
    Gone,
    /// Its folder does not say.
    Unknown(String),
}

/// Runs until the daemon stops.
pub(super) async fn run(context: Context) -> Result<(), Error> {
    let duty = Duty::new(&context, "withdraw", LONGEST_REST).woken_by(&context.withdrawals);
    while duty.round(withdraw_due(&context)).await? {}
    Ok(())
}

/// Sees to the next one that is due; answers how long to rest.
async fn withdraw_due(context: &Context) -> Result<Duration, Error> {
    let now = clock::now();
    if let Some(withdrawal) = persist(context, move |db| withdraw::due(db, now)).await? {
        withdraw_video(context, &withdrawal).await?;
        return Ok(Duration::ZERO);
    }
    let next = persist(context, withdraw::next_due).await?;
    // One of a paused account is due and not answered by `due`: the probe rings when it works.
    Ok(next
        .filter(|at| *at > now)
        .map_or(LONGEST_REST, |at| until(now, at)))
}

async fn withdraw_video(context: &Context, withdrawal: &Withdrawal) -> Result<(), Error> {
    let settings = context.now_settings();
    let retry = &settings.config.retry;
    let (id, now) = (withdrawal.id, clock::now());
    let Some(client) = settings.client(&withdrawal.account) else {
        let run_at = later(now, retry.max_delay);
        let why = "its account is not configured any more";
        return persist(context, move |db| withdraw::again(db, id, run_at, why)).await;
    };
    let wait = || {
        let tries = withdrawal.attempts + 1;
        retry::delay(tries, retry.first_delay, retry.max_delay, None)
    };
    // What was made late enough is found later still where the search lags behind.
    let late = LATE_CREATE.saturating_add(client.patience());
    match delete_videos(context, client, withdrawal).await? {
        Ok(Outcome::Later(why)) => {
            let run_at = later(now, wait());
            persist(context, move |db| withdraw::again(db, id, run_at, &why)).await
        }
        Ok(Outcome::TakenBack(key)) => {
            tracing::warn!(
                job.id = withdrawal.job.0,
                video.key = %key,
                "video {key} should have been deleted, but it has content, and the file of job {} \
                 is not in its folder any more: it stays, and the job waits until it is ready",
                withdrawal.job
            );
            context.ring_all();
            Ok(())
        }
        Ok(Outcome::NotYet) if is_within(withdrawal.created_at, late, now) => {
            let (run_at, why) = (
                later(now, wait()),
                "it has not appeared on the platform yet",
            );
            persist(context, move |db| withdraw::again(db, id, run_at, why)).await
        }
        Ok(Outcome::Gone | Outcome::NotYet) => {
            tracing::info!(
                job.id = withdrawal.job.0,
                video.key = withdrawal.video_key.as_deref().unwrap_or("unknown"),
                "the unfinished video of job {} is deleted on the platform",
                withdrawal.job
            );
            persist(context, move |db| withdraw::finished(db, id, clock::now())).await
        }
        Err(error) => {
            let message = chain(&error);
            // No pause of the account: a key may be good for everything but deleting.
            let run_at = later(now, wait());
            tracing::warn!(
                job.id = withdrawal.job.0,
                "a video cannot be withdrawn yet: {message}"
            );
            persist(context, move |db| withdraw::again(db, id, run_at, &message)).await
        }
    }
}

/// Deletes what there is of it, unless it may be the only copy of its file.
async fn delete_videos(
    context: &Context,
    client: &Client,
    withdrawal: &Withdrawal,
) -> Result<Result<Outcome, platform::Error>, Error> {
    let found = match find_videos(client, withdrawal).await {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    if found.is_empty() {
        let is_known = withdrawal.video_key.is_some();
        let outcome = if is_known {
            Outcome::Gone
        } else {
            Outcome::NotYet
        };
        return Ok(Ok(outcome));
    }
    for (key, status) in found {
        if has_content(&status) {
            match only_copy(context, withdrawal, &key).await? {
                None => {}
                Some(kept) => return Ok(Ok(kept)),
            }
        }
        if let Err(error) = client.delete(&key).await {
            return Ok(Err(error));
        }
    }
    Ok(Ok(Outcome::Gone))
}

/// The videos that it may be, as they are now.
async fn find_videos(
    client: &Client,
    withdrawal: &Withdrawal,
) -> Result<Vec<(VideoKey, Status)>, platform::Error> {
    let Some(key) = &withdrawal.video_key else {
        let found = client.find_by_ingest_id(&withdrawal.ingest_id).await?;
        return Ok(found
            .into_iter()
            .map(|video| (video.key, video.status))
            .collect());
    };
    match client.show(&key.parse()?).await {
        Ok(video) => Ok(vec![(video.key, video.status)]),
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Whether the platform may have the bytes.
fn has_content(status: &Status) -> bool {
    match status {
        Status::Created | Status::Failed => false,
        Status::Ready | Status::Processing | Status::Updating | Status::Other(_) => true,
    }
}

/// What becomes of a video with content; `None`: its file is there, or it is another's: it goes.
async fn only_copy(
    context: &Context,
    withdrawal: &Withdrawal,
    key: &VideoKey,
) -> Result<Option<Outcome>, Error> {
    let id = withdrawal.job;
    let Some(job) = persist(context, move |db| operator::by_id(db, id)).await? else {
        return Ok(None);
    };
    let settings = context.now_settings();
    let watch = job.watch.clone();
    let looking = disk::within(context, &watch, move || {
        local(&job, settings.watch(&job.watch))
    });
    let local = looking.await;
    match local.unwrap_or_else(|| Local::Unknown("its disk does not answer".to_owned())) {
        Local::There => Ok(None),
        Local::Unknown(why) => Ok(Some(Outcome::Later(format!(
            "it has content, and whether its file is there is not known: {why}"
        )))),
        Local::Gone => {
            let (held, taken) = (withdrawal.clone(), key.to_string());
            let back = persist(context, move |db| {
                withdraw::take_back(db, &held, &taken, clock::now())
            });
            Ok(match back.await? {
                TakenBack::Yes => Some(Outcome::TakenBack(key.clone())),
                TakenBack::Later => Some(Outcome::Later(
                    "it has content, and its job is looking for its file".to_owned(),
                )),
                TakenBack::No => None,
            })
        }
    }
}

/// Looks for the job's file; blocks.
fn local(job: &Job, watch: Option<&Watch>) -> Local {
    match reach::place(watch, &job.path).and_then(|place| place.metadata()) {
        Ok(meta) if meta.is_file() && Identity::of(&meta).may_still_be(&job.identity) => {
            Local::There
        }
        // Another file has its name.
        Ok(_) | Err(beneath::Error::Link(_) | beneath::Error::NotAFile(_)) => Local::Gone,
        Err(beneath::Error::Absent(_)) => {
            let root = reach::root(watch, &job.path);
            match source::absence((&job.path, &job.identity), root) {
                Problem::Gone => Local::Gone,
                away => Local::Unknown(chain(&away)),
            }
        }
        Err(error) => Local::Unknown(chain(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::tests::ground::Ground;
    use crate::queue::JobId;

    #[tokio::test]
    async fn no_video_is_taken_for_the_only_copy_or_for_one_of_two_while_a_disk_hangs() {
        let ground = Ground::new();
        ground.enqueue(&ground.file("a.mp4")).await;
        let withdrawal = Withdrawal {
            id: 1,
            job: JobId(1),
            account: "main".to_owned(),
            ingest_id: "x".to_owned(),
            video_key: Some("tL17msiU".to_owned()),
            created_at: clock::now(),
            attempts: 0,
        };
        let _answer = ground.hang().await;
        let key = "tL17msiU".parse().unwrap();
        let outcome = only_copy(&ground.context, &withdrawal, &key).await;
        let Ok(Some(Outcome::Later(why))) = outcome else {
            panic!("it is not known");
        };
        assert!(why.contains("does not answer"), "{why}");
    }
}
