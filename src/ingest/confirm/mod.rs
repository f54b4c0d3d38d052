//! Waits until the platform is done with what it has: one list call for all jobs of an account.

mod fetched;
mod keyless;
mod proof;
mod replaced;
mod seen;
mod verdict;

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use self::proof::Questions;
use self::verdict::Verdict;
use super::context::Context;
use super::duty::{Duty, until};
use super::moments::{evenly, later};
use super::pause;
use super::persist::persist;
use crate::disposition::{Disposition, Need};
use crate::platform::{self, Client, Video};
use crate::queue::accounts::Cause;
use crate::queue::confirm::{self, Facts, Waiting};
use crate::queue::outcome::{Count, Report};
use crate::queue::{Error, accounts, fetch, retry};
use crate::way::Way;
use crate::{chain, clock, text};

const LONGEST_REST: Duration = Duration::from_secs(30);

/// Runs until the daemon stops.
pub(super) async fn run(context: Context) -> Result<(), Error> {
    let duty = Duty::new(&context, "confirm", LONGEST_REST).woken_by(&context.confirms);
    while duty.round(look_at_due(&context)).await? {}
    Ok(())
}

/// Looks at all accounts that are due; answers how long to rest.
async fn look_at_due(context: &Context) -> Result<Duration, Error> {
    let mut rest = LONGEST_REST;
    for (account, due) in due_accounts(context).await? {
        let now = clock::now();
        if due > now {
            rest = rest.min(until(now, due));
            continue;
        }
        // Not at once: what was due and not asked for this time stays due.
        rest = rest.min(context.now_settings().config.confirm.poll_interval);
        look_at_account(context, &account).await?;
    }
    Ok(rest)
}

/// The accounts of which jobs wait, and when each must be looked at; never while it is paused.
async fn due_accounts(context: &Context) -> Result<Vec<(String, Timestamp)>, Error> {
    persist(context, |db| {
        let paused = accounts::paused(db)?;
        let closed = |account: &str| paused.iter().any(|p| p.account == account && !p.trying);
        let mut due = confirm::accounts_due(db)?;
        due.retain(|(account, _)| !closed(account));
        Ok(due)
    })
    .await
}

async fn look_at_account(context: &Context, account: &str) -> Result<(), Error> {
    let (settings, now) = (context.now_settings(), clock::now());
    let Some(client) = settings.client(account) else {
        let reason = "the configuration has no such account any more";
        return pause::account(
            context,
            account,
            (Cause::Refused(Need::Credentials), reason),
            now,
        )
        .await;
    };
    let name = account.to_owned();
    let waiting = persist(context, move |db| confirm::waiting(db, &name)).await?;
    keyless::look_for_keys(context, account, client).await?;
    if waiting.is_empty() {
        return Ok(());
    }
    match seen::seen(client, &waiting, now).await {
        // That a list call works is no proof that a paused account does: its plan may be used up.
        Ok(videos) => settle_asked(context, (account, client), waiting, &videos).await,
        Err(error) => put_off(context, account, (waiting, &error)).await,
    }
}

/// Writes down what follows for each job that was asked for.
async fn settle_asked(
    context: &Context,
    (account, client): (&str, &Client),
    waiting: Vec<Waiting>,
    videos: &HashMap<String, Option<Video>>,
) -> Result<(), Error> {
    let (settings, now) = (context.now_settings(), clock::now());
    let (mut waits, mut questions) = (Vec::new(), Questions::new(client, now));
    for job in waiting {
        let Some(video) = videos.get(&job.video_key) else {
            continue;
        };
        let video = match questions.ask(&job, video.as_ref()).await {
            Ok(Some(video)) => video,
            Ok(None) => continue,
            Err(error) => {
                put_off(context, account, (vec![job], &error)).await?;
                continue;
            }
        };
        let aged = Waiting {
            sent_at: evenly(job.sent_at),
            ..job.clone()
        };
        match verdict::judge_video(&aged, video.as_ref(), &settings.config.confirm, now) {
            Verdict::Ready(facts) => done(context, job, facts).await?,
            Verdict::Failed(facts, report) => fail(context, job, (facts, report)).await?,
            Verdict::NotFetched(facts, message) => {
                fetched::failed(context, job, (facts, message)).await?;
            }
            Verdict::NoRoom(message) => fetched::blocked(context, job, message).await?,
            Verdict::Unproven(facts) => fetched::unproven(context, job, facts).await?,
            Verdict::Differs(facts, message) => differs(context, job, (facts, message)).await?,
            Verdict::Wait(facts, run_at) => waits.push((job, facts, run_at)),
        }
    }
    if waits.is_empty() {
        return Ok(());
    }
    // Thousands may wait: one transaction, not one each.
    persist(context, move |db| {
        waits
            .iter()
            .try_for_each(|(job, facts, run_at)| confirm::later(db, job, Some(facts), *run_at))
    })
    .await
}

async fn done(context: &Context, job: Waiting, facts: Facts) -> Result<(), Error> {
    let (key, path, id) = (job.video_key.clone(), job.path.clone(), job.id);
    let (account, way) = (job.account.clone(), job.way);
    let changed = persist(context, move |db| {
        confirm::ready(db, &job, &facts, clock::now())
    })
    .await?;
    if changed {
        let path = text::path(&path);
        tracing::info!(job.id = id.0, video.key = %key, "{path}: ready as video {key}");
    }
    // A file that took the place of this one may have waited for it.
    context.work.notify_one();
    if way == Some(Way::Fetch) {
        // Only now is it certain that the account has room; its create call did not show it.
        pause::proven(context, &account).await?;
    }
    Ok(())
}

async fn fail(
    context: &Context,
    job: Waiting,
    (facts, report): (Facts, Report),
) -> Result<(), Error> {
    let path = text::path(&job.path);
    let message = report.message.as_deref().unwrap_or_default();
    tracing::error!(job.id = job.id.0, video.key = %job.video_key, "{path}: failed: {message}");
    persist(context, move |db| {
        confirm::failed(db, &job, &facts, (&report, clock::now()))
    })
    .await?;
    // Its duplicates are due now.
    context.work.notify_one();
    Ok(())
}

/// The platform holds something else than was sent: once more from the start, then a person's turn.
async fn differs(
    context: &Context,
    job: Waiting,
    (facts, message): (Facts, String),
) -> Result<(), Error> {
    let id = job.id;
    if keyless::let_go(context, &job, &message).await? {
        return Ok(());
    }
    if persist(context, move |db| confirm::mismatches(db, id)).await? > 0 {
        return fail(context, job, (facts, Report::said(message))).await;
    }
    let path = text::path(&job.path);
    tracing::warn!(job.id = id.0, "{path}: {message}; it is uploaded once more");
    persist(context, move |db| {
        let report = Report::said(&message);
        let (now, outcome) = (clock::now(), (fetch::MISMATCH, &report));
        confirm::start_over(db, &job, (now, Count::Yes), outcome, now)
    })
    .await?;
    context.ring_all();
    Ok(())
}

/// The look itself failed: all jobs of the account wait a little longer.
async fn put_off(
    context: &Context,
    account: &str,
    (waiting, error): (Vec<Waiting>, &platform::Error),
) -> Result<(), Error> {
    let now = clock::now();
    let message = chain(error);
    let after = match error.disposition() {
        Disposition::Blocked(need) => {
            return pause::account(context, account, (Cause::Refused(need), &message), now).await;
        }
        Disposition::Unreachable => {
            return pause::account(context, account, (Cause::Unreachable, &message), now).await;
        }
        Disposition::Transient { after } => after,
        Disposition::Permanent | Disposition::Ambiguous | Disposition::LinkExpired => None,
    };
    tracing::warn!(
        account,
        "cannot ask the platform how far the videos are: {message}"
    );
    let settings = context.now_settings();
    let retry = &settings.config.retry;
    let run_at = later(
        now,
        retry::delay(1, retry.first_delay, retry.max_delay, after),
    );
    persist(context, move |db| {
        waiting
            .iter()
            .filter(|job| job.run_at < run_at)
            .try_for_each(|job| confirm::later(db, job, None, run_at))
    })
    .await
}
