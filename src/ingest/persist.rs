//! Writing outcomes until they are written: a full disk must not lose what the platform has done.

use std::time::Duration;

use rusqlite::Connection;

use super::context::Context;
use crate::queue::Error;

/// How long to wait before the database is asked again.
const PAUSE: Duration = Duration::from_secs(2);

/// After this many attempts a stop is obeyed; the restart finds out what the platform has.
const TRIES_WHILE_STOPPING: u32 = 3;

/// Runs `verb` in a transaction, again and again while the database is only passingly unable.
///
/// # Errors
/// [`Error::LeaseLost`] and every error that waiting cannot fix, at once; a passing error once the
/// daemon stops.
pub(super) async fn persist<R: Send + 'static>(
    context: &Context,
    verb: impl Fn(&Connection) -> Result<R, Error> + Clone + Send + 'static,
) -> Result<R, Error> {
    let mut tries: u32 = 0;
    loop {
        match context.queue.write(verb.clone()).await {
            // What should have been noted is, and must not be done: that is for the worker to say.
            Err(error @ Error::Marker { .. }) => return Err(error),
            Err(error) if error.is_passing() => {
                if tries == 0 {
                    tracing::error!(
                        error = %crate::chain(&error),
                        "the database cannot be written; uploads wait until it can: is its disk full?"
                    );
                }
                tries += 1;
                if context.stop.is_cancelled() && tries >= TRIES_WHILE_STOPPING {
                    return Err(error);
                }
                tokio::time::sleep(PAUSE).await;
            }
            answer => {
                if tries > 0 && answer.is_ok() {
                    tracing::info!("the database can be written again");
                }
                return answer;
            }
        }
    }
}
