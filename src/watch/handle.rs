//! Starting, asking and stopping the watches.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Sender, WeakSender};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Error;
use super::folder::Folder;
use super::inbox::{self, Message};
use super::known::KnownFiles;
use super::lock::FolderLocks;
use super::outbox::Outbox;
use super::report::Report;
#[cfg(test)]
use super::status::State;
use super::status::Status;
use super::writer;
use crate::config;

/// All watches of the daemon. Dropping it stops them too, without waiting.
#[derive(Debug)]
pub(crate) struct Handle {
    watches: Vec<Running>,
    reports: WeakSender<Report>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Running {
    name: String,
    inbox: inbox::Sender,
    status: Arc<Status>,
    thread: JoinHandle<()>,
    /// Closed when the thread ends.
    ended: mpsc::Receiver<()>,
}

/// How long stopping waits for a thread. One that hangs in a dead network filesystem never ends,
/// and must not keep the daemon from ending.
const PATIENCE: Duration = Duration::from_secs(3);

/// Starts one thread for each watch. A folder that is missing is no error: it is waited for.
///
/// The files that `known` reports need not settle again. It is asked after this was called, so that
/// each later [`recheck`](Handle::recheck) overrules it. Each watch has its folder locked while it
/// is there.
///
/// # Errors
///
/// The system refuses a thread; those already started are stopped.
pub(crate) fn start_watching(
    watches: &[config::Watch],
    known: impl Fn(&config::Watch) -> KnownFiles,
    reports: Sender<Report>,
    locks: &FolderLocks,
) -> Result<Handle, Error> {
    writer::ignore_sigio();
    let mut handle = Handle {
        watches: Vec::with_capacity(watches.len()),
        reports: reports.downgrade(),
        stop: CancellationToken::new(),
    };
    for watch in watches {
        let channels = (reports.clone(), handle.stop.clone());
        let running = spawn(watch, known(watch), channels, locks.clone());
        let refused = |source| Error::Thread {
            watch: watch.name.clone(),
            source,
        };
        handle.watches.push(running.map_err(refused)?);
    }
    drop(reports);
    Ok(handle)
}

fn spawn(
    watch: &config::Watch,
    known: KnownFiles,
    (reports, stop): (Sender<Report>, CancellationToken),
    locks: FolderLocks,
) -> std::io::Result<Running> {
    let (sender, inbox) = inbox::pair();
    let status = Arc::new(Status::default());
    let outbox = Outbox::new(watch.name.clone(), reports, stop)?;
    let folder = Folder::new(
        watch.clone(),
        (sender.clone(), inbox),
        outbox,
        Arc::clone(&status),
        locks,
    );
    let (end, ended) = mpsc::channel();
    let thread = thread::Builder::new()
        .name(format!("watch {}", watch.name))
        .spawn(move || {
            let _end: mpsc::Sender<()> = end;
            folder.run(known);
        })?;
    Ok(Running {
        name: watch.name.clone(),
        inbox: sender,
        status,
        thread,
        ended,
    })
}

impl Handle {
    /// Settles this path again, also if it settled before with the very identity that it has.
    /// Without effect for an unknown watch, or a path that does not count.
    pub(crate) fn recheck(&self, watch: &str, path: PathBuf) {
        if let Some(running) = self.watches.iter().find(|running| running.name == watch) {
            running.inbox.command(Message::Recheck(path));
        }
    }

    /// Scans all watches now.
    #[cfg(test)]
    pub(crate) fn scan(&self) {
        for running in &self.watches {
            running.inbox.command(Message::Scan);
        }
    }

    /// How each watch finds its files.
    #[cfg(test)]
    pub(crate) fn states(&self) -> Vec<State> {
        let watches = self.watches.iter();
        watches
            .map(|running| running.status.state(&running.name))
            .collect()
    }

    /// Whether there is nothing to wait for: each watch has done its first scan (or is offline), no
    /// file waits, no message is unworked, and every report was received.
    pub(crate) fn idle(&self) -> bool {
        self.watches
            .iter()
            .all(|running| running.inbox.is_idle() && running.status.is_idle())
            && self
                .reports
                .upgrade()
                .is_none_or(|sender| sender.capacity() == sender.max_capacity())
    }

    /// Stops all watches, and waits until their threads have ended: at most three seconds.
    pub(crate) fn stop(mut self) {
        self.tell_all();
        let deadline = Instant::now() + PATIENCE;
        for running in self.watches.drain(..) {
            let left = deadline.saturating_duration_since(Instant::now());
            match running.ended.recv_timeout(left) {
                Err(RecvTimeoutError::Timeout) => {
                    warn!(watch.name = %running.name, "the watch is blocked in its folder; not \
                        waiting for it");
                }
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                    if running.thread.join().is_err() {
                        warn!(watch.name = %running.name, "the watch had ended by a panic");
                    }
                }
            }
        }
    }

    fn tell_all(&self) {
        self.stop.cancel();
        for running in &self.watches {
            running.inbox.command(Message::Wake);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.tell_all();
    }
}
