//! Watches that got another name in the configuration.

use crate::chain;
use crate::config::Config;
use crate::queue::watches::{self, Named};
use crate::queue::{Error, Queue};

/// As [`follow`]; what fails is done at the next start.
pub(super) async fn follow_now(queue: &Queue, config: &Config) {
    if let Err(error) = follow(queue, config).await {
        tracing::warn!(error = %chain(&error), "the jobs of a watch that was renamed follow it at the next start");
    }
}

/// Gives the jobs of watches that are not there any more to those that have their folders, and says so.
pub(super) async fn follow(queue: &Queue, config: &Config) -> Result<(), Error> {
    let watches = config.watches.iter().map(|watch| Named {
        name: watch.name.clone(),
        folder: watch.path.clone(),
    });
    let watches: Vec<Named> = watches.collect();
    let given = queue.write(move |db| watches::follow(db, &watches)).await?;
    for ((former, present), jobs) in given {
        tracing::info!(
            "watch {former} is not in the configuration any more; watch {present} has its folder and takes over {jobs} of \
             its jobs"
        );
    }
    Ok(())
}
