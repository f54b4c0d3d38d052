//! When is there nothing left to do? For `run --until-idle`.

use jiff::Timestamp;

use crate::clock;
use crate::exit::Exit;
use crate::ingest::{Barriers, Context};
use crate::queue::{Error, query};

/// Looks whether all is done.
pub(super) struct Idle {
    started: Timestamp,
}

impl Idle {
    pub(super) fn new(started: Timestamp) -> Self {
        Self { started }
    }

    /// The exit code once the table shows nothing due, running, or waiting for `ready`: `Failed`
    /// when a job failed since the start or waits for a later attempt. The caller makes sure,
    /// before and after, that no folder has anything that settles.
    pub(super) async fn check(
        &self,
        context: &Context,
        barriers: &Barriers,
    ) -> Result<Option<Exit>, Error> {
        // What the folders reported may still be on its way into the table.
        barriers.pass().await;
        let (now, started) = (clock::now(), self.started);
        let left = context
            .queue
            .jot(move |db| query::left(db, now, started))
            .await?;
        if left.now > 0 || !context.live.is_idle() {
            return Ok(None);
        }
        Ok(Some(if left.later > 0 || left.failed > 0 {
            Exit::Failed
        } else {
            Exit::Done
        }))
    }
}
