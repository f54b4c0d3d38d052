//! Claims due jobs, as many at once as the configuration allows, and watches over their workers.

use std::time::Duration;

use tokio::task::{JoinError, JoinSet};

use super::context::Context;
use super::worker;
use crate::clock;
use crate::queue::{Error, claim};

/// Looks at the table at least so often, whatever rings or does not: the clock may have jumped.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// After an error of the database, which the worker or the claim has reported.
const PAUSE: Duration = Duration::from_secs(2);

/// Runs until the daemon stops and all workers have put their jobs down.
pub(super) async fn run(context: Context) -> Result<(), Error> {
    let mut workers = JoinSet::new();
    let mut settings = context.settings.clone();
    let mut healthy = true;
    while !context.stop.is_cancelled() {
        let rest = match fill(&context, &mut workers).await {
            Ok(rest) => {
                healthy = true;
                rest
            }
            Err(error) if error.is_passing() => {
                if healthy {
                    tracing::error!(error = %crate::chain(&error), "the database cannot be used; trying again until it can");
                }
                healthy = false;
                PAUSE
            }
            Err(error) => return Err(error),
        };
        tokio::select! {
            () = context.stop.cancelled() => {}
            Some(ended) = workers.join_next() => note_end(ended)?,
            () = context.work.notified() => {}
            _ = settings.changed() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
    while let Some(ended) = workers.join_next().await {
        note_end(ended)?;
    }
    Ok(())
}

/// Claims until there is nothing due or no place; answers how long to rest.
async fn fill(
    context: &Context,
    workers: &mut JoinSet<Result<(), Error>>,
) -> Result<Duration, Error> {
    loop {
        let places = context.now_settings().config.upload.files_at_once;
        let full = u32::try_from(workers.len()).is_ok_and(|busy| busy >= places.get());
        if full || context.stop.is_cancelled() {
            return Ok(LONGEST_REST);
        }
        let now = clock::now();
        let claimed = context.queue.write(move |db| claim::claim(db, now)).await?;
        let Some(lease) = claimed else {
            let due = context.queue.jot(claim::next_due).await?;
            let wait = due.map_or(LONGEST_REST, |due| until(now, due));
            return Ok(wait.min(LONGEST_REST));
        };
        workers.spawn(worker::work(context.clone(), lease));
    }
}

/// How long from `now` to `then`; a moment at least, so that no loop spins on a due job that
/// nobody may claim.
pub(super) fn until(now: jiff::Timestamp, then: jiff::Timestamp) -> Duration {
    then.duration_since(now)
        .try_into()
        .unwrap_or(Duration::ZERO)
        .max(SHORTEST_REST)
}

const SHORTEST_REST: Duration = Duration::from_millis(20);

/// A worker's end: its outcome is in the table, unless the database or the worker itself broke.
fn note_end(ended: Result<Result<(), Error>, JoinError>) -> Result<(), Error> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.is_passing() => {
            tracing::error!(error = %crate::chain(&error), "an outcome could not be written; the job goes on from the step before");
            Ok(())
        }
        Ok(Err(error)) => Err(error),
        Err(error) => {
            // Its lease runs out, and the job is tried again.
            tracing::error!(%error, "a worker broke down");
            Ok(())
        }
    }
}
