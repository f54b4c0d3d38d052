//! The MD5 of a whole file of which only pieces pass by: some were sent by an earlier process, some
//! are sent twice.
//!
//! A thread of its own follows the transfer. Buffers that pass by at the place where it is it takes
//! as they are; everything else it reads itself. So the part that was not sent this time costs one
//! more reading of it, beside the sending (at the speed of the disk or of MD5, some 600 MB/s,
//! whichever is slower; a file resumed near its end may have to wait that long for its sum), and
//! the transfer waits for the sum before its last byte only where that is asked for. While the thread reads by itself,
//! the buffers that it cannot take in time are read again, as a rule out of the page cache.
//!
//! What it reads itself is what was sent only if the file was not written in between: so it counts as such while the
//! ctime of the file is what it was when the file was opened.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use md5::{Digest, Md5};
use tokio::sync::oneshot;

use super::body;
use super::flight::{Flight, Summing};
use super::hash::Feed;
use crate::hex;
use crate::identity::Identity;

/// A sum that is being made; dropping it ends the thread.
pub(super) struct Trail {
    feed: Feed,
    size: u64,
    sum: Mutex<Awaited>,
    walk: Arc<Walk>,
}

/// The sum of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    /// MD5, lower-case hex.
    pub(super) md5: String,
    /// Whether it is certainly that of what was sent, also of a file that was touched meanwhile.
    pub(super) is_of_what_was_sent: bool,
}

enum Awaited {
    Running(oneshot::Receiver<io::Result<Sum>>),
    Known(Sum),
    Failed,
}

/// How far the thread is, and whether the transfer waits for it.
#[derive(Default)]
struct Walk {
    at: AtomicU64,
    /// Whether it reads by itself, where it is behind the transfer: that does not wait for it.
    is_behind: Arc<AtomicBool>,
    is_awaited: AtomicBool,
}

/// A moment when the file was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen(i64);

impl Seen {
    /// The file as it is now.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn now(file: &File) -> io::Result<Self> {
        Ok(Self(Identity::now(file)?.ctime_ns))
    }
}

/// Starts the thread for the first `size` bytes of `file`, which was `seen` to be what is sent.
pub(super) fn start(
    file: Arc<File>,
    (size, seen): (u64, Option<Seen>),
    flight: Arc<Flight>,
) -> io::Result<Trail> {
    let walk = Arc::new(Walk::default());
    let (feed, buffers) = Feed::new(Arc::clone(&walk.is_behind));
    let (done, sum) = oneshot::channel();
    let of_thread = Arc::clone(&walk);
    thread::Builder::new()
        .name("md5".to_owned())
        .spawn(move || {
            let mut follower = Follower {
                file,
                flight,
                done,
                sum: Md5::new(),
                walk: of_thread,
                seen,
                is_of_what_was_sent: true,
                at: 0,
                size,
            };
            let mut walked = Ok(());
            for (at, buffer) in buffers {
                walked = walked.and_then(|()| follower.take(at, &buffer));
            }
            walked = walked.and_then(|()| follower.catch_up(size));
            follower.report(walked);
        })?;
    Ok(Trail {
        feed,
        size,
        sum: Mutex::new(Awaited::Running(sum)),
        walk,
    })
}

impl Trail {
    /// Where the buffers of a piece go.
    pub(super) fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// The sum, once the thread has been through the whole file.
    ///
    /// # Errors
    /// The file could not be read, or has become shorter.
    pub(super) async fn finish(&self) -> io::Result<Sum> {
        self.feed.end();
        let awaited = std::mem::replace(&mut *self.awaited(), Awaited::Failed);
        let failed = || io::Error::other("the thread ended without a result");
        let sum = match awaited {
            Awaited::Running(sum) => sum.await.unwrap_or_else(|_| Err(failed()))?,
            Awaited::Known(sum) => sum,
            Awaited::Failed => return Err(failed()),
        };
        *self.awaited() = Awaited::Known(sum.clone());
        Ok(sum)
    }

    fn awaited(&self) -> std::sync::MutexGuard<'_, Awaited> {
        self.sum.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Summing for Trail {
    fn md5(&self, flight: &Flight, waits: bool) -> Option<String> {
        let left = self.size - self.walk.at.load(Ordering::Relaxed);
        if !waits && left > SOON {
            return None;
        }
        // All was read, so nothing of the file passes by any more that is new.
        self.feed.end();
        self.walk.is_awaited.store(true, Ordering::Relaxed);
        let mut awaited = self.awaited();
        while let Awaited::Running(sum) = &mut *awaited {
            match sum.try_recv() {
                Ok(Ok(sum)) => *awaited = Awaited::Known(sum),
                Err(oneshot::error::TryRecvError::Empty) if flight.is_closed() => return None,
                Err(oneshot::error::TryRecvError::Empty) => thread::park_timeout(PAUSE),
                Ok(Err(_)) | Err(oneshot::error::TryRecvError::Closed) => {
                    *awaited = Awaited::Failed;
                }
            }
        }
        match &*awaited {
            Awaited::Known(sum) if sum.is_of_what_was_sent => Some(sum.md5.clone()),
            _ => None,
        }
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        // A connection that was left half-way may hold a clone for a while.
        self.feed.end();
    }
}

struct Follower {
    file: Arc<File>,
    flight: Arc<Flight>,
    done: oneshot::Sender<io::Result<Sum>>,
    sum: Md5,
    walk: Arc<Walk>,
    seen: Option<Seen>,
    is_of_what_was_sent: bool,
    at: u64,
    size: u64,
}

impl Follower {
    /// Takes what is new of a buffer that was read at `at`.
    fn take(&mut self, at: u64, buffer: &Bytes) -> io::Result<()> {
        self.catch_up(at)?;
        let known = usize::try_from(self.at.saturating_sub(at)).unwrap_or(usize::MAX);
        let fresh = buffer.get(known..).unwrap_or_default();
        self.add(fresh);
        Ok(())
    }

    /// Reads on by itself up to byte `to`.
    fn catch_up(&mut self, to: u64) -> io::Result<()> {
        if self.at >= to {
            return Ok(());
        }
        self.walk.is_behind.store(true, Ordering::Relaxed);
        let read = self.read_up_to(to);
        self.walk.is_behind.store(false, Ordering::Relaxed);
        read
    }

    fn read_up_to(&mut self, to: u64) -> io::Result<()> {
        let mut buffer = Vec::new();
        while self.at < to {
            if self.done.is_closed() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let wanted = usize::try_from(to - self.at).map_or(PIECE, |left| left.min(PIECE));
            buffer.resize(wanted, 0);
            if body::fill(&self.file, &mut buffer, self.at)? < wanted {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.add(&buffer);
            // Once all is sent, the sum is the only thing that still moves; until then it must not
            // hide a network that is stalled.
            let is_awaited = self.walk.is_awaited.load(Ordering::Relaxed);
            if is_awaited || self.flight.is_released() || self.flight.sent() >= self.size {
                self.flight.pulse();
            }
        }
        // After the reading: what was written before it would show.
        self.is_of_what_was_sent &= Some(Seen::now(&self.file)?) == self.seen;
        Ok(())
    }

    fn add(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
        self.at = self
            .at
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.walk.at.store(self.at, Ordering::Relaxed);
    }

    fn report(self, walked: io::Result<()>) {
        let sum = walked.map(|()| Sum {
            md5: hex::lower(&self.sum.finalize()),
            is_of_what_was_sent: self.is_of_what_was_sent,
        });
        // A transfer that failed wants no sum any more.
        self.done.send(sum).ok();
    }
}

/// As large as the frames that are sent.
const PIECE: usize = 256 * 1024;
/// Bytes that are summed up in a moment: no server minds the wait.
const SOON: u64 = 32 * 1024 * 1024;
const PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// The MD5 of `abcdefghijklmnopqrstuvwxyz` (RFC 1321).
    const ALPHABET: &str = "c3fcd3d76192e4007dfb496cca67e13b";

    fn trail(bytes: &[u8], size: u64) -> Trail {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let flight = Flight::new(Arc::default(), Box::new(|_| Ok(())));
        let seen = Some(Seen::now(&file).unwrap());
        start(Arc::new(file), (size, seen), Arc::new(flight)).unwrap()
    }

    #[tokio::test]
    async fn is_that_of_the_whole_file_whatever_passed_by() {
        let alphabet = Bytes::from("abcdefghijklmnopqrstuvwxyz");
        for pieces in [
            vec![],
            vec![(0, 26)],
            vec![(20, 26)],
            vec![(0, 2), (0, 10), (5, 12), (12, 26)],
            vec![(0, 2), (10, 20), (0, 2), (10, 20), (24, 26)],
        ] {
            let trail = trail(&alphabet, 26);
            for (from, to) in &pieces {
                let at = u64::try_from(*from).unwrap();
                trail.feed().add(at, alphabet.slice(*from..*to));
            }
            let sum = trail.finish().await.unwrap();
            assert_eq!(sum.md5, ALPHABET, "{pieces:?}");
            assert!(sum.is_of_what_was_sent, "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn of_a_touched_file_only_what_passed_by_is_what_was_sent() {
        let alphabet = Bytes::from("abcdefghijklmnopqrstuvwxyz");
        for (sent, is_of_what_was_sent) in [(vec![(0, 20), (20, 26)], true), (vec![(4, 26)], false)]
        {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&alphabet).unwrap();
            let seen = Seen::now(&file).unwrap();
            let mut mode = 0o600;
            // The clock of a filesystem is coarse.
            while Seen::now(&file).unwrap() == seen {
                mode ^= 0o040;
                file.set_permissions(std::fs::Permissions::from_mode(mode))
                    .unwrap();
                thread::park_timeout(PAUSE);
            }
            let flight = Arc::new(Flight::new(Arc::default(), Box::new(|_| Ok(()))));
            let trail = start(Arc::new(file), (26, Some(seen)), Arc::clone(&flight)).unwrap();
            for (from, to) in sent {
                let at = u64::try_from(from).unwrap();
                trail.feed().add(at, alphabet.slice(from..to));
            }
            let md5 = is_of_what_was_sent.then(|| ALPHABET.to_owned());
            assert_eq!(trail.md5(&flight, true), md5);
            let sum = trail.finish().await.unwrap();
            assert_eq!(sum.is_of_what_was_sent, is_of_what_was_sent);
        }
    }

    #[tokio::test]
    async fn shows_that_it_moves_once_nothing_else_does() {
        for is_released in [false, true] {
            let file = Arc::new(tempfile::tempfile().unwrap());
            file.set_len(26).unwrap();
            let flight = Arc::new(Flight::new(Arc::default(), Box::new(|_| Ok(()))));
            flight.hand_out(0, is_released).unwrap();
            let before = flight.frames();
            let seen = Some(Seen::now(&file).unwrap());
            let trail = start(file, (26, seen), Arc::clone(&flight)).unwrap();
            trail.finish().await.unwrap();
            assert_eq!(flight.frames() > before, is_released);
        }
    }

    #[tokio::test]
    async fn a_file_that_shrank_has_none() {
        let error = trail(b"abc", 26).finish().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_transfer_that_was_given_up_ends_the_reading() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let size = 1 << 50;
        file.set_len(1 << 42).unwrap();
        let flight = Arc::new(Flight::new(Arc::default(), Box::new(|_| Ok(()))));
        let seen = Some(Seen::now(&file).unwrap());
        let trail = start(Arc::clone(&file), (size, seen), flight).unwrap();
        let deadline = std::time::Instant::now() + crate::platform::tests::stub::PATIENCE;
        trail.feed().add(size, Bytes::new());
        drop(trail);
        while Arc::strong_count(&file) > 1 {
            assert!(std::time::Instant::now() < deadline, "the thread continues");
            thread::yield_now();
        }
    }
}
