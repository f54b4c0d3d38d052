//! What becomes of a job whose file is not there as it settled: changed, being written, renamed,
//! gone, or out of reach. The file must never be lost over it, no matter which was faster: the
//! worker, or the watch that sees the new name.

use std::path::PathBuf;
use std::time::Duration;

use super::context::Context;
use super::fate::{self, Failure, later, said};
use super::persist::persist;
use super::source::Problem;
use crate::disposition::Disposition;
use crate::queue::outcome::{self, Absence, Count, Report};
use crate::queue::{Error, Lease};
use crate::watch::select::{self, Verdict};
use crate::{chain, clock, text};

/// Decides, and writes it down.
pub(super) async fn settle(
    context: &Context,
    lease: &Lease,
    problem: Problem,
    bytes_sent: i64,
) -> Result<(), Error> {
    let report = Report {
        bytes_sent,
        message: Some(chain(&problem)),
        request_id: None,
    };
    match problem {
        Problem::Changed | Problem::BeingWritten if is_watched(context, lease) => {
            superseded(context, lease, report).await
        }
        // Taken by hand against the rules of its folder, or from outside: no watch looks at it.
        Problem::BeingWritten => {
            let run_at = later(clock::now(), settle_time(context, lease));
            fate::give_back(context, lease, run_at, ("being-written", report)).await
        }
        Problem::Changed => {
            let report = Report {
                message: Some(CHANGED_BY_HAND.to_owned()),
                ..report
            };
            vanished(context, lease, report).await
        }
        Problem::Touched(ctime_ns) => touched(context, lease, ctime_ns, report).await,
        Problem::Gone => gone(context, lease, report).await,
        Problem::Offline { .. }
        | Problem::OfflineByLink { .. }
        | Problem::Unreadable(_)
        | Problem::Linked(_)
        | Problem::Silent(_) => {
            let failure = Failure {
                disposition: Disposition::TRANSIENT,
                report,
            };
            fate::settle(context, lease, failure).await
        }
    }
}

const CHANGED_BY_HAND: &str =
    "the file changed after it was added by hand: when it is whole, run `jw-ingest add` again";

/// A renamed folder is seen under its new name only once its files have settled there.
const SETTLE_TIMES_OF_GRACE: u32 = 4;

fn is_watched(context: &Context, lease: &Lease) -> bool {
    let settings = context.now_settings();
    settings
        .watch(&lease.job.watch)
        .is_some_and(|watch| select::verdict(watch, &lease.job.path) == Verdict::Taken)
}

fn settle_time(context: &Context, lease: &Lease) -> Duration {
    let settings = context.now_settings();
    settings
        .watch(&lease.job.watch)
        .map_or(Duration::ZERO, |watch| watch.settle)
}

/// It rests as long as a file that settles, counted from this look.
async fn touched(
    context: &Context,
    lease: &Lease,
    ctime_ns: i64,
    report: Report,
) -> Result<(), Error> {
    let (lease, now) = (lease.clone(), clock::now());
    let run_at = later(now, settle_time(context, &lease));
    persist(context, move |db| {
        outcome::touched(db, &lease, (ctime_ns, run_at), &report, now)
    })
    .await
}

/// Back to settling. The settler waits until the writer is done; what is on the platform is half.
async fn superseded(context: &Context, lease: &Lease, report: Report) -> Result<(), Error> {
    let (held, now) = (lease.clone(), clock::now());
    let absence = persist(context, move |db| outcome::absence(db, &held)).await?;
    if absence == Absence::Renamed {
        // Another file has the old name by now; this one is tried under its new one.
        return fate::give_back(context, lease, now, ("renamed", report)).await;
    }
    let path = text::path(&lease.job.path);
    tracing::info!(job.id = lease.job.id.0, "{path}: {}", said(&report));
    let old = lease.clone();
    let renamed = persist(context, move |db| {
        outcome::superseded(db, &old, &report, now)
    })
    .await?;
    settle_anew(context, lease, renamed);
    Ok(())
}

fn settle_anew(context: &Context, lease: &Lease, renamed: Option<(String, PathBuf)>) {
    context.settle_again(&lease.job.watch, lease.job.path.clone());
    if let Some((watch, path)) = renamed {
        context.settle_again(&watch, path);
    }
    context.withdrawals.notify_one();
}

/// Not at its path: the watch may be about to find it under another name, so it is looked for once
/// more before it counts as gone.
async fn gone(context: &Context, lease: &Lease, report: Report) -> Result<(), Error> {
    let (held, now) = (lease.clone(), clock::now());
    let absence = persist(context, move |db| outcome::absence(db, &held)).await?;
    let grace = settle_time(context, lease) * SETTLE_TIMES_OF_GRACE;
    // A rename that was followed is no miss: it leaves the grace for a real one.
    let (word, run_at) = match absence {
        Absence::Renamed => ("renamed", now),
        Absence::First => ("gone", later(now, grace)),
        Absence::Again => return vanished(context, lease, report).await,
    };
    let lease = lease.clone();
    persist(context, move |db| {
        outcome::again(db, &lease, (run_at, Count::No), (word, &report), now)
    })
    .await
}

/// It failed for good. Should the file be there again, it is a new job as soon as it settles.
async fn vanished(context: &Context, lease: &Lease, report: Report) -> Result<(), Error> {
    let path = text::path(&lease.job.path);
    tracing::error!(job.id = lease.job.id.0, "{path}: failed: {}", said(&report));
    let (old, now) = (lease.clone(), clock::now());
    let renamed = persist(context, move |db| outcome::vanished(db, &old, &report, now)).await?;
    settle_anew(context, lease, renamed);
    Ok(())
}
