//! The MD5 of a whole file of which only pieces pass by: some were sent by an earlier process, some
//! are sent twice.
//!
//! A thread of its own follows the transfer. Buffers that pass by at the place where it is it takes
//! as they are; everything else it reads itself. So the part that was not sent this time costs one
//! more reading of it, beside the sending (at the speed of the disk or of MD5, some 600 MB/s,
//! whichever is slower; a file resumed near its end may have to wait that long for its sum), and
//! the transfer never waits for the sum before its last byte. Where MD5 is slower than the network,
//! the buffers that it cannot take in time are read again, as a rule out of the page cache.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use md5::{Digest, Md5};
use tokio::sync::oneshot;

use super::body;
use super::flight::Flight;
use super::hash::Feed;
use crate::hex;

/// A sum that is being made; dropping it ends the thread.
pub(super) struct Trail {
    feed: Feed,
    sum: oneshot::Receiver<io::Result<String>>,
}

/// Starts the thread for the first `size` bytes of `file`.
pub(super) fn start(file: Arc<File>, size: u64, flight: Arc<Flight>) -> io::Result<Trail> {
    let (feed, buffers) = Feed::new(true);
    let (done, sum) = oneshot::channel();
    thread::Builder::new()
        .name("md5".to_owned())
        .spawn(move || {
            let mut follower = Follower {
                file,
                flight,
                done,
                sum: Md5::new(),
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
    Ok(Trail { feed, sum })
}

impl Trail {
    /// Where the buffers of a piece go.
    pub(super) fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// The sum in lower-case hex, once the thread has been through the whole file.
    ///
    /// # Errors
    /// The file could not be read, or has become shorter.
    pub(super) async fn finish(mut self) -> io::Result<String> {
        self.feed.end();
        (&mut self.sum)
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the thread ended without a result")))
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
    done: oneshot::Sender<io::Result<String>>,
    sum: Md5,
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
            if self.flight.is_released() || self.flight.sent() >= self.size {
                self.flight.pulse();
            }
        }
        Ok(())
    }

    fn add(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
        self.at = self
            .at
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    fn report(self, walked: io::Result<()>) {
        let sum = walked.map(|()| hex::lower(&self.sum.finalize()));
        // A transfer that failed wants no sum any more.
        self.done.send(sum).ok();
    }
}

/// As large as the frames that are sent.
const PIECE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The MD5 of `abcdefghijklmnopqrstuvwxyz` (RFC 1321).
    const ALPHABET: &str = "c3fcd3d76192e4007dfb496cca67e13b";

    fn trail(bytes: &[u8], size: u64) -> Trail {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let flight = Flight::new(Arc::default(), Box::new(|| Ok(())));
        start(Arc::new(file), size, Arc::new(flight)).unwrap()
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
            assert_eq!(trail.finish().await.unwrap(), ALPHABET, "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn shows_that_it_moves_once_nothing_else_does() {
        for is_released in [false, true] {
            let file = Arc::new(tempfile::tempfile().unwrap());
            file.set_len(26).unwrap();
            let flight = Arc::new(Flight::new(Arc::default(), Box::new(|| Ok(()))));
            flight.hand_out(0, is_released).unwrap();
            let before = flight.frames();
            let trail = start(file, 26, Arc::clone(&flight)).unwrap();
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
        let flight = Arc::new(Flight::new(Arc::default(), Box::new(|| Ok(()))));
        let trail = start(Arc::clone(&file), size, flight).unwrap();
        let deadline = std::time::Instant::now() + crate::platform::tests::stub::PATIENCE;
        trail.feed().add(size, Bytes::new());
        drop(trail);
        while Arc::strong_count(&file) > 1 {
            assert!(std::time::Instant::now() < deadline, "the thread continues");
            thread::yield_now();
        }
    }
}
