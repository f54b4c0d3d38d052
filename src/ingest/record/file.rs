//! What becomes of a job whose file is not there as it settled: changed, being written, renamed,
//! gone, or out of reach. The file must never be lost over it, no matter which was faster: the
//! worker, or the watch that sees the new name.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::failure::{self, said};
use super::{give_back, write_under_lease};
use crate::disposition::Disposition;
use crate::ingest::attempt::Attempt;
use crate::ingest::end::Failure;
use crate::ingest::moments::later;
use crate::ingest::source::Problem;
use crate::queue::outcome::{self, Absence, Count, Report};
use crate::queue::{Advice, Error};
use crate::watch::select::{self, Verdict};
use crate::{chain, clock};

/// Decides, and writes it down.
pub(super) async fn settle_file(
    attempt: &Attempt,
    problem: Problem,
    bytes_sent: i64,
) -> Result<(), Error> {
    let report = Report {
        bytes_sent,
        ..Report::said(chain(&problem))
    };
    match problem {
        Problem::Changed | Problem::BeingWritten if is_watched(attempt) => {
            record_superseded(attempt, report).await
        }
        // Taken by hand against the rules of its folder, or from outside: no watch looks at it.
        Problem::BeingWritten => {
            let run_at = later(clock::now(), settle_time(attempt));
            give_back(attempt, run_at, ("being-written", report)).await
        }
        Problem::Changed => {
            let report = Report {
                message: Some(CHANGED_UNWATCHED.to_owned()),
                advice: Advice::InWords,
                ..report
            };
            record_vanished(attempt, report).await
        }
        Problem::Touched(ctime_ns) => {
            record_touched(attempt, ctime_ns, report.advising(Advice::Rest)).await
        }
        Problem::Gone => record_gone(attempt, report).await,
        Problem::Offline { .. }
        | Problem::OfflineByLink { .. }
        | Problem::Unreadable(_)
        | Problem::Linked(_)
        | Problem::Silent(_) => {
            let failure = Failure {
                disposition: Disposition::TRANSIENT,
                report,
            };
            failure::settle_failure(attempt, failure).await
        }
    }
}

const CHANGED_UNWATCHED: &str = "the file changed where no watch looks at it: when it is whole, move it into a watch folder, or run `jw-ingest add FILE`";

/// A renamed folder is seen under its new name only once its files have settled there.
const SETTLE_TIMES_OF_GRACE: u32 = 4;

fn is_watched(attempt: &Attempt) -> bool {
    let (settings, job) = (attempt.settings(), attempt.job());
    settings
        .watch(&job.watch)
        .is_some_and(|watch| select::verdict(watch, &job.path) == Verdict::Taken)
}

fn settle_time(attempt: &Attempt) -> Duration {
    let settings = attempt.settings();
    settings
        .watch(&attempt.job().watch)
        .map_or(Duration::ZERO, |watch| watch.settle)
}

/// It rests as long as a file that settles, counted from this look. The log says so once.
async fn record_touched(attempt: &Attempt, ctime_ns: i64, report: Report) -> Result<(), Error> {
    let now = clock::now();
    let rest = settle_time(attempt);
    let run_at = later(now, rest);
    let has_rested = attempt.job().advice == Some(Advice::Rest);
    let report = if has_rested {
        let at = Timestamp::from_nanosecond(ctime_ns.into()).unwrap_or(now);
        let message = format!(
            "a program touches the file again and again, last at {}; it is uploaded once it has rested for {rest:.0?}",
            clock::text(at)
        );
        Report {
            message: Some(message),
            ..report
        }
    } else {
        let path = attempt.path();
        tracing::info!(job.id = attempt.job().id.0, "{path}: {}", said(&report));
        report
    };
    write_under_lease(attempt, move |db, lease| {
        outcome::touched(db, lease, (ctime_ns, run_at), &report, now)
    })
    .await
}

/// Back to settling. The settler waits until the writer is done; what is on the platform is half.
async fn record_superseded(attempt: &Attempt, report: Report) -> Result<(), Error> {
    let now = clock::now();
    if write_under_lease(attempt, outcome::absence).await? == Absence::Renamed {
        // Another file has the old name by now; this one is tried under its new one.
        return give_back(attempt, now, ("renamed", report)).await;
    }
    let path = attempt.path();
    tracing::info!(job.id = attempt.job().id.0, "{path}: {}", said(&report));
    let renamed = write_under_lease(attempt, move |db, lease| {
        outcome::superseded(db, lease, &report, now)
    });
    settle_again(attempt, renamed.await?);
    Ok(())
}

fn settle_again(attempt: &Attempt, renamed: Option<(String, PathBuf)>) {
    let (context, job) = (&attempt.context, attempt.job());
    context.settle_again(&job.watch, job.path.clone());
    if let Some((watch, path)) = renamed {
        context.settle_again(&watch, path);
    }
    context.withdrawals.notify_one();
}

/// Not at its path: the watch may be about to find it under another name, so it is looked for once
/// more before it counts as gone.
async fn record_gone(attempt: &Attempt, report: Report) -> Result<(), Error> {
    let now = clock::now();
    let grace = settle_time(attempt) * SETTLE_TIMES_OF_GRACE;
    // A rename that was followed is no miss: it leaves the grace for a real one.
    let (word, run_at) = match write_under_lease(attempt, outcome::absence).await? {
        Absence::Renamed => ("renamed", now),
        Absence::First => ("gone", later(now, grace)),
        Absence::Again => return record_vanished(attempt, report).await,
    };
    write_under_lease(attempt, move |db, lease| {
        outcome::again(db, lease, (run_at, Count::No), (word, &report), now)
    })
    .await
}

/// It failed for good. Should the file be there again, it is a new job as soon as it settles.
async fn record_vanished(attempt: &Attempt, report: Report) -> Result<(), Error> {
    let path = attempt.path();
    tracing::error!(
        job.id = attempt.job().id.0,
        "{path}: failed: {}",
        said(&report)
    );
    let now = clock::now();
    let renamed = write_under_lease(attempt, move |db, lease| {
        outcome::vanished(db, lease, &report, now)
    });
    settle_again(attempt, renamed.await?);
    Ok(())
}
