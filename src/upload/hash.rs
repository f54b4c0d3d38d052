//! The MD5 of what is sent, computed beside the sending.
//!
//! MD5 costs more than the upload itself, so it runs on a thread of its own, over the very buffers
//! that go to the socket. It is a check against corruption, as S3 and the platform use it, and no
//! protection against an attacker.

use std::io;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use md5::{Digest, Md5};

use crate::hex;

/// Where the sender puts its buffers; dropping all clones of it ends the sum.
#[derive(Clone)]
pub(super) struct Feed {
    /// `None` once it was ended while a clone is still about.
    buffers: Arc<Mutex<Option<SyncSender<Buffer>>>>,
    /// Whether the other side can do without a buffer.
    is_lossy: bool,
}

/// A buffer, and where in the file it was read.
pub(super) type Buffer = (u64, Bytes);

/// The thread that sums up.
pub(super) struct Hasher(JoinHandle<String>);

/// Starts a hash thread that may be so many buffers behind.
pub(super) fn start(backlog: usize) -> io::Result<(Feed, Hasher)> {
    let (feed, buffers) = Feed::with_backlog(false, backlog);
    let thread = thread::Builder::new()
        .name("md5".to_owned())
        .spawn(move || {
            let mut sum = Md5::new();
            for (_, buffer) in buffers {
                sum.update(&buffer);
            }
            hex::lower(&sum.finalize())
        })?;
    Ok((feed, Hasher(thread)))
}

impl Feed {
    /// A feed and where its buffers come out, each with its place in the file.
    pub(super) fn new(is_lossy: bool) -> (Self, Receiver<Buffer>) {
        Self::with_backlog(is_lossy, BACKLOG)
    }

    fn with_backlog(is_lossy: bool, backlog: usize) -> (Self, Receiver<Buffer>) {
        let (buffers, receiver) = mpsc::sync_channel(backlog);
        let buffers = Arc::new(Mutex::new(Some(buffers)));
        (Self { buffers, is_lossy }, receiver)
    }

    /// Ends the sum, even if there are clones of this.
    pub(super) fn end(&self) {
        *self.buffers.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Adds the buffer that was read at `at`. While the thread is more than a few buffers behind,
    /// this waits, or lets the buffer go if the feed is a lossy one.
    pub(super) fn add(&self, at: u64, buffer: Bytes) {
        let buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(buffers) = &*buffers else { return };
        // A hash thread that is gone shows when it is asked for its result.
        if self.is_lossy {
            buffers.try_send((at, buffer)).ok();
        } else {
            buffers.send((at, buffer)).ok();
        }
    }
}

impl Hasher {
    /// The sum in lower-case hex, once the feed was dropped; `None` if the thread failed.
    pub(super) fn finish(self) -> Option<String> {
        self.0.join().ok()
    }
}

/// Buffers in wait: enough to ride out a hiccup, few enough for the memory.
pub(super) const BACKLOG: usize = 8;
/// The same for one of many connections, whose hiccups even out: MD5 is what many wait for, so that
/// all of these are full.
pub(super) const BACKLOG_OF_PART: usize = 3;
