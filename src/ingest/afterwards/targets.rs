//! Looks at the folders that files are moved to, so that it is known which mount each is on before
//! the first file goes there, and which of them are offline.

use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, spawn_blocking};

use crate::chain;
use crate::ingest::context::Context;
use crate::ingest::targets::{self, Target};

/// How often.
const INTERVAL: Duration = Duration::from_secs(5);

/// The look in progress, and when the last one began.
#[derive(Debug, Default)]
pub(super) struct Looks {
    last: Option<(JoinHandle<()>, Instant)>,
}

impl Looks {
    /// Begins another look when it is time. A share that does not answer keeps one thread, and no file
    /// that goes elsewhere.
    pub(super) fn go_on(&mut self, context: &Context) {
        let is_busy = |(look, began): &(JoinHandle<()>, Instant)| {
            !look.is_finished() || began.elapsed() < INTERVAL
        };
        if self.last.as_ref().is_some_and(is_busy) {
            return;
        }
        let (settings, queue) = (context.now_settings(), context.queue.clone());
        let look = spawn_blocking(move || {
            let watches = settings.config.watches.iter();
            let all = watches.flat_map(|watch| {
                let folders = targets::of(watch).into_iter();
                folders.map(move |folder| Target::look(watch, &folder))
            });
            for target in all {
                if let Err(error) = queue.write_blocking(move |db| target.ask(db)) {
                    tracing::debug!(error = %chain(&error), "a target is checked later");
                }
            }
        });
        self.last = Some((look, Instant::now()));
    }
}
