//! What becomes of a job after an attempt that did not work out: tried again later, begun from the start,
//! failed for good, or put back while its account is paused.

use std::time::Duration;

use jiff::Timestamp;

use super::write_under_lease;
use crate::disposition::Disposition;
use crate::ingest::attempt::Attempt;
use crate::ingest::end::Failure;
use crate::ingest::moments::{evenly, later};
use crate::ingest::pause;
use crate::queue::accounts::Cause;
use crate::queue::outcome::{self, Count, Report};
use crate::queue::{Advice, Error, JobId, retry};
use crate::{clock, config};

/// Decides about the next attempt.
pub(super) async fn settle_failure(attempt: &Attempt, failure: Failure) -> Result<(), Error> {
    let now = clock::now();
    let Failure {
        disposition,
        report,
    } = failure;
    match disposition {
        Disposition::Transient { after } => {
            retry_later(attempt, ("transient", after), report, now).await
        }
        Disposition::Ambiguous => retry_later(attempt, ("ambiguous", None), report, now).await,
        Disposition::Permanent => fail_for_good(attempt, report, now).await,
        Disposition::LinkExpired => start_over(attempt, ("link-expired", report), now).await,
        Disposition::Blocked(need) => {
            return_blocked(attempt, (Cause::Refused(need), report), now).await
        }
        Disposition::Unreachable => {
            return_blocked(attempt, (Cause::Unreachable, report), now).await
        }
    }
}

/// Tries again later, unless the job has failed for too long.
async fn retry_later(
    attempt: &Attempt,
    (word, after): (&'static str, Option<Duration>),
    report: Report,
    now: Timestamp,
) -> Result<(), Error> {
    let job = attempt.job();
    let retry = &attempt.settings().config.retry;
    if let Some(last) = given_up((job.id, job.failing_since), retry, &report, now) {
        return fail_for_good(attempt, last, now).await;
    }
    let wait = retry::delay(job.attempts, retry.first_delay, retry.max_delay, after);
    let run_at = later(now, wait);
    tracing::warn!(
        job.id = job.id.0,
        job.attempts = job.attempts,
        job.run_at = %clock::text(run_at),
        "{}: {}; the next attempt is in {wait:.0?}",
        attempt.path(),
        said(&report),
    );
    write_under_lease(attempt, move |db, lease| {
        outcome::again(db, lease, (run_at, Count::Yes), (word, &report), now)
    })
    .await
}

/// The last report of a job that has failed for longer than `give-up-after`; `None`: it has not.
pub(in crate::ingest) fn given_up(
    (job, failing_since): (JobId, Option<Timestamp>),
    retry: &config::Retry,
    report: &Report,
    now: Timestamp,
) -> Option<Report> {
    let since = failing_since?;
    if later(evenly(since), retry.give_up_after) > now {
        return None;
    }
    let message = format!(
        "given up: every attempt since {} failed (give-up-after); the last one: {}; once the cause \
         is fixed: jw-ingest retry {}",
        clock::text(since),
        said(report),
        job
    );
    Some(Report {
        message: Some(message),
        advice: Advice::InWords,
        ..report.clone()
    })
}

/// Fails the job for good.
async fn fail_for_good(attempt: &Attempt, report: Report, now: Timestamp) -> Result<(), Error> {
    tracing::error!(
        job.id = attempt.job().id.0,
        "{}: failed: {}",
        attempt.path(),
        said(&report)
    );
    write_under_lease(attempt, move |db, lease| {
        outcome::failed(db, lease, &report, now)
    })
    .await?;
    attempt.context.withdrawals.notify_one();
    Ok(())
}

/// Withdraws the video that was begun and creates another one, with the usual wait.
pub(super) async fn start_over(
    attempt: &Attempt,
    (word, report): (&'static str, Report),
    now: Timestamp,
) -> Result<(), Error> {
    let job = attempt.job();
    let retry = &attempt.settings().config.retry;
    if let Some(last) = given_up((job.id, job.failing_since), retry, &report, now) {
        return fail_for_good(attempt, last, now).await;
    }
    // The first time a fresh video is made at once: nothing is wrong but the age of the old one.
    let run_at = if job.failing_since.is_none() {
        now
    } else {
        let wait = retry::delay(job.attempts, retry.first_delay, retry.max_delay, None);
        later(now, wait)
    };
    let then = if job.replaces.is_some() {
        "its content is sent once more, and the video stays as it is until then"
    } else {
        "the video begun for it is withdrawn, and a new one made"
    };
    tracing::warn!(
        job.id = job.id.0,
        "{}: {}; {then}",
        attempt.path(),
        said(&report)
    );
    write_under_lease(attempt, move |db, lease| {
        outcome::start_over(db, lease, run_at, (word, &report), now)
    })
    .await?;
    attempt.context.ring_all();
    Ok(())
}

/// Pauses the job's account, and puts the job back as if it had not been tried.
async fn return_blocked(
    attempt: &Attempt,
    (cause, report): (Cause, Report),
    now: Timestamp,
) -> Result<(), Error> {
    let account = &attempt.job().account;
    pause::account(&attempt.context, account, (cause, &said(&report)), now).await?;
    let message = format!("account {account} is paused: {}", said(&report));
    let report = Report {
        message: Some(message),
        advice: Advice::AccountPaused,
        ..report
    };
    write_under_lease(attempt, move |db, lease| {
        outcome::again(db, lease, (now, Count::No), ("blocked", &report), now)
    })
    .await
}

/// What the operator is told.
pub(super) fn said(report: &Report) -> String {
    report
        .message
        .clone()
        .unwrap_or_else(|| "no reason was given".to_owned())
}
