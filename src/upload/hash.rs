//! The MD5 of what is sent, computed beside the sending.
//!
//! MD5 costs more than the upload itself, so it runs on a thread of its own, over the very buffers
//! that go to the socket. It is a check against corruption, as S3 and the platform use it, and no
//! protection against an attacker.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use md5::{Digest, Md5};

use super::flight::{Flight, Summing};
use crate::hex;

/// Where the sender puts its buffers; dropping all clones of it ends the sum.
#[derive(Clone)]
pub(super) struct Feed {
    /// `None` once it was ended while a clone is still about.
    buffers: Arc<Mutex<Option<SyncSender<Buffer>>>>,
    /// Whether the other side reads by itself just now, and can do without a buffer.
    is_behind: Arc<AtomicBool>,
}

/// A buffer, and where in the file it was read.
pub(super) type Buffer = (u64, Bytes);

/// The thread that sums up, and then what it came to; `None` if it failed.
pub(super) struct Hasher(Mutex<Hashing>);

enum Hashing {
    Runs(JoinHandle<String>),
    Done(Option<String>),
}

/// Starts a hash thread that may be so many buffers behind.
pub(super) fn start_hashing(backlog: usize) -> io::Result<(Feed, Hasher)> {
    let (feed, buffers) = Feed::with_backlog(Arc::default(), backlog);
    let thread = thread::Builder::new()
        .name("md5".to_owned())
        .spawn(move || {
            let mut sum = Md5::new();
            for (_, buffer) in buffers {
                sum.update(&buffer);
            }
            hex::lower(&sum.finalize())
        })?;
    Ok((feed, Hasher(Mutex::new(Hashing::Runs(thread)))))
}

impl Feed {
    /// A feed and where its buffers come out, each with its place in the file.
    pub(super) fn new(is_behind: Arc<AtomicBool>) -> (Self, Receiver<Buffer>) {
        Self::with_backlog(is_behind, BACKLOG)
    }

    fn with_backlog(is_behind: Arc<AtomicBool>, backlog: usize) -> (Self, Receiver<Buffer>) {
        let (buffers, receiver) = mpsc::sync_channel(backlog);
        let buffers = Arc::new(Mutex::new(Some(buffers)));
        (Self { buffers, is_behind }, receiver)
    }

    /// Ends the sum, even if there are clones of this.
    pub(super) fn end(&self) {
        *self.buffers.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Adds the buffer that was read at `at`. While the thread is more than a few buffers behind,
    /// this waits, or lets the buffer go if the thread reads by itself.
    pub(super) fn add(&self, at: u64, buffer: Bytes) {
        let mut next = (at, buffer);
        loop {
            let buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
            // A hash thread that is gone shows when it is asked for its result.
            match buffers.as_ref().map(|buffers| buffers.try_send(next)) {
                Some(Err(TrySendError::Full(kept))) => next = kept,
                None | Some(Ok(()) | Err(TrySendError::Disconnected(_))) => return,
            }
            drop(buffers);
            if self.is_behind.load(Ordering::Relaxed) {
                return;
            }
            thread::park_timeout(PAUSE);
        }
    }
}

impl Hasher {
    /// The sum in lower-case hex, once the feed was dropped; `None` if the thread failed.
    pub(super) fn finish(&self) -> Option<String> {
        let mut hashing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = match std::mem::replace(&mut *hashing, Hashing::Done(None)) {
            Hashing::Runs(thread) => thread.join().ok(),
            Hashing::Done(sum) => sum,
        };
        *hashing = Hashing::Done(sum.clone());
        sum
    }
}

/// All that is sent passes by here, and the thread is a few buffers behind at most.
impl Summing for Hasher {
    fn md5(&self, _: &Flight, _: bool) -> Option<String> {
        self.finish()
    }
}

/// A buffer is summed up within half of that.
const PAUSE: Duration = Duration::from_micros(300);
/// Buffers in wait: enough to ride out a hiccup, few enough for the memory.
pub(super) const BACKLOG: usize = 8;
/// The same for one of many connections, whose hiccups even out: MD5 is what many wait for, so that
/// all of these are full.
pub(super) const BACKLOG_OF_PART: usize = 3;
