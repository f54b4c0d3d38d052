//! What a watch's thread lets others see of itself.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The state of one watch after the last turn of its loop.
#[derive(Debug, Default)]
pub(super) struct Status {
    waiting: AtomicUsize,
    busy: AtomicBool,
    started: AtomicBool,
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

    pub(super) fn publish(&self, waiting: usize, busy: bool) {
        self.waiting.store(waiting, Ordering::Release);
        self.busy.store(busy, Ordering::Release);
    }

    /// There is nothing more that the start could bring.
    pub(super) fn started(&self) {
        self.started.store(true, Ordering::Release);
    }
}
