//! What a watch's thread lets others see of itself.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::means::Means;

/// What to report about a watch.
#[cfg(test)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// The watch's name.
    pub watch: String,
    /// By which means its files are found; `None` while its folder is offline.
    pub means: Option<Means>,
    /// How many files no event announced, since the daemon started.
    pub events_missed: usize,
}

/// The state of one watch after the last turn of its loop.
#[derive(Debug, Default)]
pub(super) struct Status {
    waiting: AtomicUsize,
    busy: AtomicBool,
    started: AtomicBool,
    means: Mutex<Option<Means>>,
    missed: AtomicUsize,
}

impl Status {
    /// How many files wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Whether the first scan is done (or the folder is offline), and nothing is scanned or waits.
    pub(super) fn is_idle(&self) -> bool {
        self.started.load(Ordering::Acquire)
            && !self.busy.load(Ordering::Acquire)
            && self.waiting() == 0
    }

    /// What to report.
    #[cfg(test)]
    pub(super) fn state(&self, watch: &str) -> State {
        State {
            watch: watch.to_owned(),
            means: self.means.lock().map_or(None, |means| *means),
            events_missed: self.missed.load(Ordering::Acquire),
        }
    }

    /// The means changed; `None`: the folder is offline.
    pub(super) fn found_by(&self, means: Option<Means>) {
        if let Ok(mut known) = self.means.lock() {
            *known = means;
        }
    }

    /// No event announced so many files.
    pub(super) fn missed(&self, files: usize) {
        self.missed.fetch_add(files, Ordering::AcqRel);
    }

    pub(super) fn publish(&self, waiting: usize, busy: bool) {
        self.waiting.store(waiting, Ordering::Release);
        self.busy.store(busy, Ordering::Release);
    }

    /// There is nothing more that the start could bring.
    pub(super) fn started(&self) {
        self.started.store(true, Ordering::Release);
    }
}
