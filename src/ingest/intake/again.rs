//! Files that settled and could not be looked at: each settles again after a wait that grows, until it can. The same
//! for files that were touched while a worker was at their job.
//!
//! The watch knows a file once it has settled, and does not offer it again by itself. What is kept here ends
//! with the daemon: the first scan of the next one offers all files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock;
use crate::ingest::context::Context;
use crate::ingest::persist::persist;
use crate::queue::enqueue::NewJob;
use crate::queue::settling::{self, Settling};
use crate::queue::{Error, retry};
use crate::text;

/// A file that has not settled for so long after it was asked for is not there any more.
const FORGOTTEN: Duration = Duration::from_hours(24);

/// The files, and when each is asked for.
#[derive(Debug, Default)]
pub(super) struct Again {
    files: HashMap<PathBuf, Try>,
}

#[derive(Debug)]
struct Try {
    watch: String,
    count: i64,
    /// When the watch is asked for it, or was.
    at: Instant,
    is_asked: bool,
    why: String,
}

impl Again {
    /// A file could not be looked at, for this reason: said once, not at each attempt.
    pub(super) async fn put_off(
        &mut self,
        context: &Context,
        new: &NewJob,
        why: &str,
    ) -> Result<(), Error> {
        if context.stop.is_cancelled() {
            return Ok(());
        }
        let before = self.files.get(&new.path);
        let path = text::path(&new.path);
        if before.is_none_or(|before| before.why != why) {
            tracing::warn!("{path}: {why}; jw-ingest tries again by itself");
        }
        let settings = context.now_settings();
        let limits = &settings.config.retry;
        let count = before.map_or(0, |before| before.count) + 1;
        let wait = retry::delay(count, limits.first_delay, limits.max_delay, None);
        let next = Try {
            watch: new.watch.clone(),
            count,
            at: Instant::now() + wait,
            is_asked: false,
            why: why.to_owned(),
        };
        self.files.insert(new.path.clone(), next);
        let path = new.path.clone();
        let note = Settling {
            watch: new.watch.clone(),
            size: new.identity.size,
            since: clock::now(),
            seen_by: "reading its content".to_owned(),
            waiting_for: format!("{why}; jw-ingest tries again by itself"),
        };
        persist(context, move |db| settling::note_file(db, &path, &note)).await
    }

    /// A worker is at the job of a file that was touched. What it does not notice itself must show at a later look.
    pub(super) fn once_more(&mut self, context: &Context, new: &NewJob) {
        let wait = context.now_settings().config.retry.first_delay;
        let next = Try {
            watch: new.watch.clone(),
            count: 0,
            at: Instant::now() + wait,
            is_asked: false,
            why: String::new(),
        };
        self.files.insert(new.path.clone(), next);
    }

    /// A file was looked at, or is gone.
    pub(super) fn ended(&mut self, path: &Path) {
        self.files.remove(path);
    }

    /// Returns when a file is due; never where there is none.
    pub(super) async fn due(&self) {
        let waiting = self.files.values().filter(|file| !file.is_asked);
        match waiting.map(|file| file.at).min() {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Asks the watches for what is due. From now on the watch notes what it waits for.
    pub(super) async fn ask(&mut self, context: &Context) -> Result<(), Error> {
        let now = Instant::now();
        self.files
            .retain(|_, file| !file.is_asked || now < file.at + FORGOTTEN);
        let mut due = Vec::new();
        for (path, file) in &mut self.files {
            if !file.is_asked && file.at <= now {
                file.is_asked = true;
                due.push((file.watch.clone(), path.clone()));
            }
        }
        let noted = due.clone();
        persist(context, move |db| {
            let mut paths = noted.iter().map(|(_, path)| path);
            paths.try_for_each(|path| settling::forget_file(db, path))
        })
        .await?;
        for (watch, path) in due {
            context.settle_again(&watch, path);
        }
        Ok(())
    }
}
