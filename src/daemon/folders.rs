//! Starting the watches: with their folders locked for this daemon, and with what the job table knows
//! of their files.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::config::{self, Config};
use crate::watch::{self, FolderLocks, Handle, KnownFiles, LockError, Report, Taken};
use crate::{chain, queue};

/// How long a start or a reload waits for the disks to answer; a folder that takes longer is offline, and
/// its watch locks it once it is there.
const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// Locks the folders of all watches, as far as they are there.
///
/// # Errors
/// The first one, in the order of the configuration, that another daemon has.
pub(super) async fn reserve(locks: &FolderLocks, config: &Config) -> Result<(), Taken> {
    let mut tries = JoinSet::new();
    for (at, watch) in config.watches.iter().enumerate() {
        let (locks, path) = (locks.clone(), watch.path.clone());
        tries.spawn_blocking(move || (at, locks.reserve(&path)));
    }
    let mut first: Option<(usize, Taken)> = None;
    let deadline = Instant::now() + LOCK_LIMIT;
    while let Ok(Some(tried)) = tokio::time::timeout_at(deadline, tries.join_next()).await {
        if let Ok((at, Err(LockError::Taken(taken)))) = tried
            && first.as_ref().is_none_or(|(before, _)| at < *before)
        {
            first = Some((at, taken));
        }
    }
    tries.detach_all();
    let Some((_, taken)) = first else {
        return Ok(());
    };
    locks.release_reserved();
    Err(taken)
}

/// Watches the folders; of the files whose jobs are over they know from the start.
pub(super) fn watch(
    config: &Config,
    reports: mpsc::Sender<Report>,
    locks: &FolderLocks,
) -> Result<Handle, watch::Error> {
    let known = |watch: &config::Watch| {
        let (database, watch) = (config.database.path.clone(), watch.name.clone());
        KnownFiles::told_by(move |tell| {
            let told = queue::open_for_reading(&database)
                .and_then(|db| queue::enqueue::finished(&db, &watch, tell));
            if let Err(error) = told {
                let error = chain(&error);
                tracing::warn!(
                    watch,
                    error,
                    "the job table cannot be read, so every file must settle again"
                );
            }
        })
    };
    watch::start_watching(&config.watches, known, reports, locks)
}
