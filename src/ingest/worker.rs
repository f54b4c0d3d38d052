//! One worker: takes its job from the step where it is as far as it goes.

use std::sync::Arc;

use super::attempt::Attempt;
use super::context::Context;
use super::{create, record, transfer};
use crate::queue::{Error, Lease, Step};

/// Works on a claimed job until its outcome is written.
///
/// # Errors
/// Errors of the database that waiting cannot fix.
pub(super) async fn work(context: Context, lease: Lease) -> Result<(), Error> {
    let stop = context.stop.child_token();
    let _registration = context.live.register(&lease, stop.clone());
    let mut attempt = Attempt {
        context,
        lease: Arc::new(lease),
        stop,
    };
    loop {
        let current = attempt.job().step;
        let ended = match current {
            Step::Create => Box::pin(create::create_video(&mut attempt)).await,
            Step::Transfer => transfer::run(&attempt).await,
            // The claim passes these over; the confirm loop has them.
            Step::Confirm => return Ok(()),
        };
        match record::record(&mut attempt, ended).await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(Error::LeaseLost { job }) => {
                tracing::info!(job.id = job, "the job was cancelled; its upload has ended");
                attempt.context.withdrawals.notify_one();
                return Ok(());
            }
            Err(error @ Error::Marker { .. }) if current == Step::Create => {
                return record::was_not_asked(&attempt, &error).await;
            }
            Err(error) => return Err(error),
        }
    }
}
