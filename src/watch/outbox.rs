//! The reports of one watch on their way out.
//!
//! A full channel holds the watch up, which is meant: the disk keeps what is not reported yet. But
//! nothing may keep it from stopping.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

use super::report::{Report, RootState};
use super::settle::Finding;
use crate::clock;

/// Reports are no longer wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

/// The way out.
#[derive(Debug)]
pub(super) struct Outbox {
    watch: String,
    reports: Sender<Report>,
    stop: CancellationToken,
    /// Only waits for the channel or the stop, whichever comes first; it has no I/O and no timers.
    runtime: Runtime,
}

impl Outbox {
    pub(super) fn new(
        watch: String,
        reports: Sender<Report>,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        Ok(Self {
            watch,
            reports,
            stop,
            runtime: Builder::new_current_thread().build()?,
        })
    }

    /// Whether the watch must stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Reports what the settler found; `now` is on the settler's clock.
    pub(super) fn finding(&self, finding: Finding, now: Duration) -> Result<(), Closed> {
        self.send(match finding {
            Finding::Settled(file) => Report::Settled(file),
            Finding::Gone(path) => Report::Gone {
                watch: self.watch.clone(),
                path,
            },
            Finding::Waiting {
                path,
                size,
                since,
                seen_by,
                why,
            } => Report::Waiting {
                watch: self.watch.clone(),
                path: path.to_path_buf(),
                size,
                since: clock::now() - now.saturating_sub(since),
                seen_by,
                why,
            },
        })
    }

    /// Reports that the watch begins.
    pub(super) fn started(&self) -> Result<(), Closed> {
        self.send(Report::Started {
            watch: self.watch.clone(),
        })
    }

    /// Reports how the watch folder is.
    pub(super) fn root(&self, state: RootState) -> Result<(), Closed> {
        self.send(Report::Root {
            watch: self.watch.clone(),
            state,
        })
    }

    /// Reports that a sidecar came or changed.
    pub(super) fn companion(&self, path: PathBuf) -> Result<(), Closed> {
        self.send(Report::Companion {
            watch: self.watch.clone(),
            path,
        })
    }

    /// Reports that a scan is done or the last waiting file is not waiting any more.
    pub(super) fn scanned(&self, waiting: usize) -> Result<(), Closed> {
        self.send(Report::Scanned {
            watch: self.watch.clone(),
            waiting,
        })
    }

    fn send(&self, report: Report) -> Result<(), Closed> {
        let report = match self.reports.try_send(report) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(Closed),
            Err(TrySendError::Full(report)) => report,
        };
        self.runtime.block_on(async {
            tokio::select! {
                sent = self.reports.send(report) => sent.map_err(|_| Closed),
                () = self.stop.cancelled() => Err(Closed),
            }
        })
    }
}
