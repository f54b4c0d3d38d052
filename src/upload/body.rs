//! The request body: one file, read where it is sent, with what is before and after it.
//!
//! It reads inline with `pread` into buffers that are used again, because each hop to a pool of
//! blocking threads costs more than the read. So a slow disk stops the thread that sends, and only
//! that: each transfer has a thread of its own. The same buffers go to the hash thread, so that the
//! file is read once.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::buffers::Buffers;
use super::flight::{Fault, Flight};
use super::hash::Feed;
use super::throttle::Gate;

/// One request body; its length is known and kept to.
pub(super) struct FileBody {
    file: Arc<File>,
    at: u64,
    left: u64,
    before: Bytes,
    after: Bytes,
    buffers: Buffers,
    hash: Option<Feed>,
    flight: Arc<Flight>,
    /// Where it waits while there is a limit.
    gate: Gate,
    /// The flight's turn that this body belongs to.
    turn: u64,
    pause: Option<Pin<Box<Sleep>>>,
    is_flush_due: bool,
    /// Whether the server may act on the file once it has this body's last byte.
    is_completing: bool,
}

/// What goes around the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Wrapping {
    /// Sent before the file's bytes, in a frame of its own.
    pub(super) before: Bytes,
    /// Sent after the file's bytes, in a frame of its own.
    pub(super) after: Bytes,
}

impl FileBody {
    pub(super) fn new(
        file: Arc<File>,
        size: u64,
        wrapping: Wrapping,
        hash: Option<Feed>,
        flight: Arc<Flight>,
    ) -> Self {
        let Wrapping { before, after } = wrapping;
        let buffers = Buffers::default();
        let (turn, gate) = (flight.turn(), flight.gate());
        Self {
            file,
            at: 0,
            left: size,
            before,
            after,
            buffers,
            hash,
            flight,
            gate,
            turn,
            pause: None,
            is_flush_due: false,
            is_completing: true,
        }
    }

    /// A body with a piece of the file only; `is_completing` says whether it is the last that the
    /// server lacks.
    pub(super) fn piece(
        file: Arc<File>,
        (at, length): (u64, u64),
        is_completing: bool,
        hash: Option<Feed>,
        flight: Arc<Flight>,
    ) -> Self {
        Self {
            is_completing,
            ..Self::new(file, length, Wrapping::default(), hash, flight).from(at)
        }
    }

    /// The same from another byte of the file on.
    pub(super) fn from(self, at: u64) -> Self {
        Self { at, ..self }
    }

    /// Holds the first frame back for a while, so that the server can answer the bare head.
    pub(super) fn after(mut self, pause: Option<Duration>) -> Self {
        self.pause = pause.map(|pause| Box::pin(tokio::time::sleep(pause)));
        self
    }

    /// Bytes that are still to be handed out.
    fn rest(&self) -> u64 {
        self.left
            .saturating_add(length(&self.before))
            .saturating_add(length(&self.after))
    }

    /// Waits until the limit lets some of the file pass, and answers how many bytes.
    fn poll_gate(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        if !self.before.is_empty() || self.left == 0 {
            return Poll::Ready(FRAME);
        }
        let wanted = self.left.min(u64::try_from(FRAME).unwrap_or(u64::MAX));
        let Poll::Ready(granted) = self.gate.poll(cx, wanted) else {
            // To wait for the limit is no stall. Should the connection stand still meanwhile, the
            // library soon asks for no frame any more, and this pulse stops too.
            self.flight.pulse();
            return Poll::Pending;
        };
        Poll::Ready(usize::try_from(granted).unwrap_or(FRAME))
    }

    /// The next frame, with at most so many bytes of the file.
    fn next(&mut self, most: usize) -> Result<Option<Bytes>, Fault> {
        let (frame, of_file) = if !self.before.is_empty() {
            (std::mem::take(&mut self.before), 0)
        } else if self.left > 0 {
            let frame = self.read(most)?;
            let read = length(&frame);
            (frame, read)
        } else if !self.after.is_empty() {
            (std::mem::take(&mut self.after), 0)
        } else {
            return Ok(None);
        };
        // The last frame completes the request, and with it the server can act. For a form that is
        // the frame with the closing boundary: without it no server can tell where the file ends.
        let is_last = self.rest() == 0;
        self.flight
            .hand_out(of_file, is_last && self.is_completing)?;
        if is_last {
            self.flight.wait_for_answer();
        }
        // A frame that the limit made short is not to wait for the next one either.
        self.is_flush_due = frame.len() == FRAME || (of_file > 0 && self.left > 0);
        Ok(Some(frame))
    }

    fn read(&mut self, most: usize) -> Result<Bytes, Fault> {
        let most = most.clamp(1, FRAME);
        let wanted = usize::try_from(self.left).map_or(most, |left| left.min(most));
        let mut buffer = self.buffers.take(wanted);
        self.flight.set_reading(true);
        let read = fill(&self.file, &mut buffer, self.at);
        self.flight.set_reading(false);
        let read = read.map_err(Fault::Disk)?;
        if read < wanted {
            let missing = self.left.saturating_sub(u64::try_from(read).unwrap_or(0));
            return Err(Fault::Shrank { missing });
        }
        let frame = self.buffers.lend(buffer);
        let read = length(&frame);
        let at = self.at;
        self.at = self.at.saturating_add(read);
        self.left = self.left.saturating_sub(read);
        if let Some(hash) = &self.hash {
            // Waits while the hash thread is behind; that one does not wait, so this ends.
            hash.add(at, frame.clone());
        }
        if self.left == 0 {
            self.hash = None;
        }
        Ok(frame)
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = Stopped;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        let this = self.get_mut();
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(cx));
            this.pause = None;
        }
        // Left alone, the HTTP library collects two frames before it writes. One at a time keeps the
        // buffers in the processor's cache (measured: a tenth of the CPU), and lets the connection
        // look for an early answer after each.
        if std::mem::take(&mut this.is_flush_due) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.turn != this.flight.turn() {
            // Not an error of the upload: its request is over.
            this.hash = None;
            return Poll::Ready(Some(Err(Stopped)));
        }
        let most = ready!(this.poll_gate(cx));
        Poll::Ready(match this.next(most) {
            Ok(frame) => frame.map(|frame| Ok(Frame::data(frame))),
            Err(fault) => {
                // The HTTP library wraps what a body says; the flight keeps it as it was.
                this.flight.fail(fault);
                Some(Err(Stopped))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest())
    }
}

/// The body ended early; the [`Flight`] knows why.
#[derive(Debug, thiserror::Error)]
#[error("the body ended early")]
pub(super) struct Stopped;

/// Reads until the buffer is full or the file ends.
pub(super) fn fill(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut rest = buffer;
    let mut filled: usize = 0;
    while !rest.is_empty() {
        let offset = at.saturating_add(u64::try_from(filled).unwrap_or(0));
        match file.read_at(rest, offset) {
            Ok(0) => break,
            Ok(read) => {
                filled = filled.saturating_add(read);
                rest = rest.get_mut(read..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Measured: smaller frames cost CPU, larger ones bring nothing.
const FRAME: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::num::NonZeroU64;
    use std::sync::Mutex;

    use super::super::flight::Progress;
    use super::super::hash;
    use super::super::throttle::Throttle;
    use super::*;

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length)
            .map(|i| u8::try_from(i % 251).unwrap())
            .collect()
    }

    /// A body with its flight, and a log of what the write-ahead hook saw.
    fn body(bytes: &[u8], size: u64, wrapping: Wrapping) -> (FileBody, Arc<Flight>, Log) {
        let log = Log::default();
        let seen = log.clone();
        let progress = Arc::new(Progress::default());
        let counted = Arc::clone(&progress);
        let hook: super::super::flight::BeforeLastByte = Box::new(move |_| {
            seen.0.lock().unwrap().push(counted.sent());
            Ok(())
        });
        let flight = Arc::new(Flight::new(progress, hook));
        (
            FileBody::new(file(bytes), size, wrapping, None, Arc::clone(&flight)),
            flight,
            log,
        )
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u64>>>);

    fn read_all(body: &mut FileBody) -> Result<Vec<Bytes>, Fault> {
        std::iter::from_fn(|| body.next(FRAME).transpose()).collect()
    }

    #[test]
    fn hands_out_exactly_the_file_and_announces_its_length() {
        let size = 2 * FRAME + 5;
        let bytes = pattern(size);
        let wrapping = Wrapping {
            before: Bytes::from("<"),
            after: Bytes::from(">>"),
        };
        let (mut body, flight, log) = body(&bytes, size.try_into().unwrap(), wrapping);
        assert_eq!(
            body.size_hint().exact(),
            Some(u64::try_from(size + 3).unwrap())
        );
        let frames = read_all(&mut body).unwrap();
        let lengths: Vec<usize> = frames.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [1, FRAME, FRAME, 5, 2]);
        let expected = [b"<".as_slice(), &bytes, b">>"].concat();
        assert!(frames.concat() == expected, "the bytes in their order");
        assert!(body.is_end_stream() && flight.is_released());
        let whole = u64::try_from(size).unwrap();
        assert_eq!(
            *log.0.lock().unwrap(),
            [whole],
            "before the closing boundary, after the file"
        );
    }

    #[test]
    fn the_hook_runs_before_a_single_frame_too() {
        let (mut body, flight, log) = body(b"abc", 3, Wrapping::default());
        assert!(!flight.is_released());
        assert_eq!(read_all(&mut body).unwrap(), ["abc"]);
        assert_eq!(*log.0.lock().unwrap(), [0], "no byte was out when it ran");
    }

    #[test]
    fn a_hook_that_refuses_holds_the_last_frame_back() {
        let hook: super::super::flight::BeforeLastByte = Box::new(|_| Err("disk full".to_owned()));
        let flight = Arc::new(Flight::new(Arc::default(), hook));
        let flight_of_body = Arc::clone(&flight);
        let mut body = FileBody::new(file(b"abc"), 3, Wrapping::default(), None, flight_of_body);
        assert!(matches!(read_all(&mut body), Err(Fault::NotRecorded(why)) if why == "disk full"));
        assert!(!flight.is_released());
    }

    #[test]
    fn a_closed_flight_gives_nothing_out_any_more() {
        let (mut body, flight, log) = body(b"abc", 3, Wrapping::default());
        assert!(flight.close(), "closed in time");
        assert!(matches!(read_all(&mut body), Err(Fault::Closed)));
        assert!(log.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_file_that_shrank_is_told_from_a_disk_that_fails() {
        let (mut shrunk, _, _) = body(&pattern(FRAME + 10), 2_000_000, Wrapping::default());
        let missing = 2_000_000 - u64::try_from(FRAME + 10).unwrap();
        match read_all(&mut shrunk) {
            Err(Fault::Shrank { missing: found }) => assert_eq!(found, missing),
            other => panic!("{other:?}"),
        }
        let directory = Arc::new(File::open("/").unwrap());
        let flight = Arc::new(Flight::new(Arc::default(), Box::new(|_| Ok(()))));
        let mut broken = FileBody::new(directory, 3, Wrapping::default(), None, flight);
        assert!(matches!(read_all(&mut broken), Err(Fault::Disk(_))));
    }

    #[test]
    fn a_grown_file_is_sent_as_far_as_it_was_announced() {
        let (mut body, _, _) = body(b"abcdef", 3, Wrapping::default());
        assert_eq!(read_all(&mut body).unwrap(), ["abc"]);
    }

    #[test]
    fn a_piece_is_what_it_says_and_releases_only_the_last_one() {
        for (is_completing, hooks) in [(false, vec![]), (true, vec![0])] {
            let (whole, flight, log) = body(b"abcdefgh", 8, Wrapping::default());
            let file = Arc::clone(&whole.file);
            let flight_of_body = Arc::clone(&flight);
            let mut piece = FileBody::piece(file, (2, 3), is_completing, None, flight_of_body);
            assert_eq!(piece.size_hint().exact(), Some(3));
            assert_eq!(read_all(&mut piece).unwrap(), ["cde"]);
            assert_eq!(flight.is_released(), is_completing);
            assert_eq!(*log.0.lock().unwrap(), hooks);
        }
    }

    #[tokio::test]
    async fn a_body_that_waits_for_the_limit_shows_a_pulse_and_takes_what_it_is_granted() {
        let throttle = Throttle::default();
        throttle.set(NonZeroU64::new(8_000));
        let flight = Flight::new(Arc::default(), Box::new(|_| Ok(())));
        let flight = Arc::new(flight.sharing(throttle.share()));
        let bytes = pattern(2_000);
        let flight_of_body = Arc::clone(&flight);
        let mut body = FileBody::new(
            file(&bytes),
            2_000,
            Wrapping::default(),
            None,
            flight_of_body,
        );
        let mut waits = 0;
        let mut out = Vec::new();
        loop {
            let mut pulse = flight.frames();
            let next = std::future::poll_fn(|cx| {
                let polled = Pin::new(&mut body).poll_frame(cx);
                waits += u32::from(polled.is_pending() && flight.frames() > pulse);
                pulse = flight.frames();
                polled
            });
            let Some(frame) = next.await else { break };
            let frame = frame.unwrap().into_data().unwrap();
            assert!(frame.len() <= 400, "{} bytes at once", frame.len());
            out.extend_from_slice(&frame);
        }
        assert!(out == bytes && waits > 0, "{waits} waits");
    }

    #[test]
    fn the_hash_is_that_of_the_file_alone() {
        let (feed, hasher) = hash::start_hashing(hash::BACKLOG).unwrap();
        let flight = Arc::new(Flight::new(Arc::default(), Box::new(|_| Ok(()))));
        let wrapping = Wrapping {
            before: Bytes::from("<"),
            after: Bytes::from(">"),
        };
        let mut body = FileBody::new(file(b"abc"), 3, wrapping, Some(feed), flight);
        read_all(&mut body).unwrap();
        assert_eq!(
            hasher.finish().as_deref(),
            Some("900150983cd24fb0d6963f7d28e17f72")
        );
    }
}
