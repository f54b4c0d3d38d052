//! Watching: from something that happens in a folder to a file that has stopped changing.
//!
//! ```text
//! events ─┐
//!         ├─> Sighting ─> Settler ─(due)─> look ─(answer)─> Settler ─> Report::Settled
//! scan ───┘
//! ```
//!
//! One thread for each watch, so that a folder that hangs stops only itself: `folder` is its loop.
//! [`select`] says which paths count, `events` and `scan` bring sightings, `root` notices when the
//! folder itself goes or is another, [`means`] decides between events and polling, `look` with
//! [`writer`] and [`container`] examines one file, `evidence` weighs what that found, and `settle`
//! decides, without touching clock or disk. For people who ask, [`census`] reports everything that
//! is in a folder, and [`inspection`] what one look at a file finds. [`reach`] opens what is in a
//! watch without leaving it. It knows neither the queue nor the platform; what settled twice with
//! one identity is for the queue to tell.

mod ahead;
mod audit;
mod candidates;
pub(crate) mod census;
mod companions;
pub(crate) mod container;
pub(crate) mod control;
mod cost;
mod events;
mod evidence;
pub(crate) mod filesystem;
mod folder;
mod handle;
mod holes;
mod inbox;
pub(crate) mod inspection;
mod known;
pub(crate) mod links;
mod lock;
mod look;
pub(crate) mod means;
mod outbox;
pub(crate) mod place;
pub(crate) mod reach;
mod report;
mod root;
mod scan;
mod schedule;
pub(crate) mod select;
mod settle;
mod sighting;
mod status;
mod structures;
#[cfg(test)]
pub(crate) mod tests;
mod walks;
pub(crate) mod writer;

pub(crate) use handle::{Handle, start_watching};
pub(crate) use known::KnownFiles;
pub(crate) use lock::{FolderLocks, LockError, Locking, Taken, probe as probe_lock};
pub(crate) use look::verdict_on_disk;
pub(crate) use report::{Away, Missing, Report, RootState, Waiting};
#[cfg(test)]
pub(crate) use {report::SeenBy, settle::SettledFile};

/// Why watching could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The system refused a thread.
    #[error("starting the thread of watch {watch:?}")]
    Thread {
        /// The watch's name.
        watch: String,
        /// What the system said.
        source: std::io::Error,
    },
}
