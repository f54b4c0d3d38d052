//! One worker: takes its job from the step where it is as far as it goes.

use super::context::Context;
use super::persist::persist;
use super::{create, fate, transfer};
use crate::queue::outcome::{self, Report};
use crate::queue::{Error, Lease, Step};
use crate::{chain, clock};

/// How a step ended for the worker.
#[derive(Debug)]
pub(super) enum Next {
    /// The job is at its next step, still held.
    GoOn(Box<Lease>),
    /// The job is not held any more: its outcome is written.
    Finished,
}

/// What a worker is given for one job.
#[derive(Clone)]
pub(super) struct Task {
    /// Everything shared.
    pub(super) context: Context,
    /// Cancelled when the work on this job must end: the daemon stops, or the lease is lost.
    pub(super) stop: tokio_util::sync::CancellationToken,
}

/// Works on a claimed job until its outcome is written.
///
/// # Errors
/// Errors of the database that waiting cannot fix.
pub(super) async fn work(context: Context, lease: Lease) -> Result<(), Error> {
    let stop = context.stop.child_token();
    let _registration = context.live.register(&lease, stop.clone());
    let task = Task { context, stop };
    let mut lease = lease;
    loop {
        let next = match lease.job.step {
            Step::Create => create::run(&task, &lease).await,
            Step::Transfer => transfer::run(&task, &lease).await,
            // The claim passes these over; the confirm loop has them.
            Step::Confirm => Ok(Next::Finished),
        };
        match next {
            Ok(Next::GoOn(on)) => lease = *on,
            Ok(Next::Finished) => return Ok(()),
            Err(Error::LeaseLost { job }) => {
                tracing::info!(job.id = job, "the job was cancelled; its upload has ended");
                task.context.withdrawals.notify_one();
                return Ok(());
            }
            Err(error @ Error::Marker { .. }) if lease.job.step == Step::Create => {
                return wait(&task, &lease, &error).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The job table cannot be told from an older one just now: nothing was asked of the platform, and the job waits.
async fn wait(task: &Task, lease: &Lease, error: &Error) -> Result<(), Error> {
    let (context, lease) = (&task.context, lease.clone());
    let none = lease.clone();
    persist(context, move |db| outcome::was_not_asked(db, &none)).await?;
    let first_delay = context.now_settings().config.retry.first_delay;
    let report = Report {
        message: Some(chain(error)),
        ..Report::default()
    };
    let run_at = fate::later(clock::now(), first_delay);
    fate::give_back(context, &lease, run_at, ("waits", report)).await
}
