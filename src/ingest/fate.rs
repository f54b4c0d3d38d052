//! What becomes of a job after an attempt that did not work out: the only place where a failure
//! turns into a queue verb.

use std::time::Duration;

use jiff::Timestamp;

use super::context::Context;
use super::pause;
use super::persist::persist;
use crate::disposition::Disposition;
use crate::queue::accounts::Cause;
use crate::queue::outcome::{self, Count, Report};
use crate::queue::{Error, JobId, Lease, retry};
use crate::{chain, clock, config, text};

/// An attempt of a step that did not work out.
#[derive(Debug)]
pub(super) struct Failure {
    /// What that means for trying again.
    pub(super) disposition: Disposition,
    /// What to record.
    pub(super) report: Report,
}

impl Failure {
    /// From any error that knows its disposition.
    pub(super) fn new(error: &dyn std::error::Error, disposition: Disposition) -> Self {
        let report = Report {
            message: Some(chain(error)),
            ..Report::default()
        };
        Self {
            disposition,
            report,
        }
    }
}

/// Writes the failure down and decides about the next attempt.
pub(super) async fn settle(
    context: &Context,
    lease: &Lease,
    failure: Failure,
) -> Result<(), Error> {
    let now = clock::now();
    let Failure {
        disposition,
        report,
    } = failure;
    match disposition {
        Disposition::Transient { after } => {
            again(context, lease, ("transient", after), report, now).await
        }
        Disposition::Ambiguous => again(context, lease, ("ambiguous", None), report, now).await,
        Disposition::Permanent => fail(context, lease, report, now).await,
        Disposition::LinkExpired => start_over(context, lease, ("link-expired", report), now).await,
        Disposition::Blocked => pause::job(context, lease, (Cause::Refused, report), now).await,
        Disposition::Unreachable => {
            pause::job(context, lease, (Cause::Unreachable, report), now).await
        }
    }
}

/// Tries again later, unless the job has failed for too long.
async fn again(
    context: &Context,
    lease: &Lease,
    (word, after): (&'static str, Option<Duration>),
    report: Report,
    now: Timestamp,
) -> Result<(), Error> {
    let retry = &context.now_settings().config.retry;
    if let Some(last) = given_up((lease.job.id, lease.job.failing_since), retry, &report, now) {
        return fail(context, lease, last, now).await;
    }
    let wait = retry::delay(
        lease.job.attempts,
        retry.first_delay,
        retry.max_delay,
        after,
    );
    let run_at = later(now, wait);
    tracing::warn!(
        job.id = lease.job.id.0,
        job.attempts = lease.job.attempts,
        job.run_at = %clock::text(run_at),
        "{}: {}; the next attempt is in {wait:.0?}",
        text::path(&lease.job.path),
        said(&report),
    );
    let lease = lease.clone();
    persist(context, move |db| {
        outcome::again(db, &lease, (run_at, Count::Yes), (word, &report), now)
    })
    .await
}

/// The last report of a job that has failed for longer than `give-up-after`; `None`: it has not.
pub(super) fn given_up(
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
        ..report.clone()
    })
}

/// Fails the job for good.
pub(super) async fn fail(
    context: &Context,
    lease: &Lease,
    report: Report,
    now: Timestamp,
) -> Result<(), Error> {
    tracing::error!(
        job.id = lease.job.id.0,
        "{}: failed: {}",
        text::path(&lease.job.path),
        said(&report)
    );
    let lease = lease.clone();
    persist(context, move |db| outcome::failed(db, &lease, &report, now)).await?;
    context.withdrawals.notify_one();
    Ok(())
}

/// Withdraws the video that was begun and creates another one, with the usual wait.
pub(super) async fn start_over(
    context: &Context,
    lease: &Lease,
    (word, report): (&'static str, Report),
    now: Timestamp,
) -> Result<(), Error> {
    let retry = &context.now_settings().config.retry;
    if let Some(last) = given_up((lease.job.id, lease.job.failing_since), retry, &report, now) {
        return fail(context, lease, last, now).await;
    }
    // The first time a fresh video is made at once: nothing is wrong but the age of the old one.
    let run_at = if lease.job.failing_since.is_none() {
        now
    } else {
        later(
            now,
            retry::delay(lease.job.attempts, retry.first_delay, retry.max_delay, None),
        )
    };
    let then = if lease.job.replaces.is_some() {
        "its content is sent once more, and the video stays as it is until then"
    } else {
        "the video begun for it is withdrawn, and a new one made"
    };
    tracing::warn!(
        job.id = lease.job.id.0,
        "{}: {}; {then}",
        text::path(&lease.job.path),
        said(&report)
    );
    let lease = lease.clone();
    persist(context, move |db| {
        outcome::start_over(db, &lease, run_at, (word, &report), now)
    })
    .await?;
    context.ring_all();
    Ok(())
}

/// Gives the attempt back, to continue at `run_at`: the job is not at fault.
pub(super) async fn give_back(
    context: &Context,
    lease: &Lease,
    run_at: Timestamp,
    (word, report): (&'static str, Report),
) -> Result<(), Error> {
    let (lease, now) = (lease.clone(), clock::now());
    persist(context, move |db| {
        outcome::again(db, &lease, (run_at, Count::No), (word, &report), now)
    })
    .await
}

/// A moment after another; the end of time where that overflows.
pub(super) fn later(from: Timestamp, wait: Duration) -> Timestamp {
    from.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// The moment from which the age of something of `then` counts: not while the daemon was off, nor
/// before a jump of the clock. What ends for good by its age asks for this one.
pub(super) fn evenly(then: Timestamp) -> Timestamp {
    then.max(clock::even_since())
}

/// The moment from which a short wait since `then` counts: from a jump of the clock on, the time
/// before it is not known.
pub(super) fn since_a_jump(then: Timestamp) -> Timestamp {
    clock::last_jump().map_or(then, |jump| then.max(jump))
}

/// Whether less than `wait` has passed since `then`, however the clock jumped meanwhile.
pub(super) fn is_within(then: Timestamp, wait: Duration, now: Timestamp) -> bool {
    is_less_apart(since_a_jump(then), wait, now)
}

/// A `then` that is as far ahead was written by a clock that has been corrected since: nothing waits
/// until that comes.
fn is_less_apart(then: Timestamp, wait: Duration, now: Timestamp) -> bool {
    now.duration_since(then).unsigned_abs() < wait
}

/// What the operator is told.
pub(super) fn said(report: &Report) -> String {
    report
        .message
        .clone()
        .unwrap_or_else(|| "no reason was given".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_also_when_the_clock_was_put_back() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        for (now, expected) in [
            (0, true),
            (9, true),
            (10, false),
            (-9, true),
            (-10, false),
            (-31_536_000, false),
        ] {
            let within = is_less_apart(at(0), Duration::from_secs(10), at(now));
            assert_eq!(within, expected, "{now}");
        }
    }
}
