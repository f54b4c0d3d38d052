//! What all API calls of a worker have in common: a stop while one is in progress, and a failed
//! one.

use std::time::Duration;

use super::fate::{self, Failure};
use super::worker::{Next, Task};
use crate::platform;
use crate::queue::outcome::Report;
use crate::queue::{Error, Lease};
use crate::{address, chain, clock};

/// A stop waits so long for the answer to a call that is in progress: an answer that is not awaited
/// costs a look-up, and a draft to delete, at the next start.
const GRACE: Duration = Duration::from_secs(5);

/// A worker waits so long for room within its account's rate limit while another account may need its place.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits for the answer to a call; a stop lets it a moment, and a lost lease none. `None`: stopped.
pub(super) async fn until_stopped<T>(task: &Task, call: impl Future<Output = T>) -> Option<T> {
    let has_company = task.context.now_settings().clients().nth(1).is_some();
    let call = async {
        if has_company {
            platform::impatient(PATIENCE, call).await
        } else {
            call.await
        }
    };
    let stopped = async {
        task.stop.cancelled().await;
        if task.context.stop.is_cancelled() {
            tokio::time::sleep(GRACE).await;
        }
    };
    tokio::select! {
        biased;
        answer = call => Some(answer),
        () = stopped => None,
    }
}

/// Back into the queue as it is; the daemon stops.
pub(super) async fn park(task: &Task, lease: &Lease) -> Result<Next, Error> {
    fate::give_back(
        &task.context,
        lease,
        clock::now(),
        ("parked", Report::default()),
    )
    .await?;
    Ok(Next::Finished)
}

/// Writes down an API call that failed.
pub(super) async fn settle_call(
    task: &Task,
    lease: &Lease,
    error: &platform::Error,
) -> Result<(), Error> {
    if let platform::Error::NoRoom { wait, .. } = error {
        let report = Report {
            message: Some(chain(error)),
            ..Report::default()
        };
        let run_at = fate::later(clock::now(), *wait);
        return fate::give_back(&task.context, lease, run_at, ("waits", report)).await;
    }
    let report = Report {
        bytes_sent: 0,
        // A refusal may repeat the address that the platform should fetch from.
        message: Some(address::hosts_only(&chain(error))),
        request_id: error.request_id().map(str::to_owned),
    };
    let failure = Failure {
        disposition: error.disposition(),
        report,
    };
    fate::settle(&task.context, lease, failure).await
}
