//! What all sides know of one transfer in progress: how far it is, and who decides its end.
//!
//! A transfer is a whole file, or one part of a file of which other parts fly beside it.
//!
//! Three parties meet here: the body that hands bytes out, the watchdog that may give up, and the
//! caller who may cancel. The last byte is the border: before it nothing can have been stored, after
//! it only the platform knows. [`Flight::close`] and [`Flight::hand_out`] decide that race for good,
//! so that a transfer that was given up as harmless can never complete behind the caller's back.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::throttle::{Gate, Share, Throttle};

/// How far an upload is; any thread may look.
#[derive(Debug, Default)]
pub struct Progress {
    sent: AtomicU64,
    found: AtomicU64,
}

impl Progress {
    /// Bytes of the file that were handed to the network, a few MiB ahead of what has arrived.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Those of [`Progress::sent`] that an earlier transfer had brought there.
    pub fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// Back to nothing, before anything of a file is sent.
    pub(super) fn reset(&self) {
        self.sent.store(0, Ordering::Relaxed);
        self.found.store(0, Ordering::Relaxed);
    }

    /// Counts bytes that the server has already.
    pub(super) fn find(&self, bytes: u64) {
        self.found.fetch_add(bytes, Ordering::Relaxed);
        self.add(bytes);
    }

    fn add(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The write-ahead hook: it runs each time that the last byte is about to be handed out, and may block. By then all
/// bytes were read.
pub type BeforeLastByte = Box<dyn FnMut(&Sending<'_>) -> Result<(), String> + Send>;

/// What the hook may ask of the transfer.
pub struct Sending<'a>(&'a Flight);

impl Sending<'_> {
    /// MD5 of all that is sent, lower-case hex, where the sum is complete or will be in a moment.
    pub fn md5_by_now(&self) -> Option<String> {
        self.sum()?.md5(self.0, false)
    }

    /// The same, however long it takes; `None`: not all that is sent was summed up.
    pub fn md5(&self) -> Option<String> {
        self.sum()?.md5(self.0, true)
    }

    /// To be called now and then while the hook takes long, so that it is not taken for a stall.
    pub fn pulse(&self) {
        self.0.pulse();
    }

    fn sum(&self) -> Option<Arc<dyn Summing>> {
        lock(&self.0.sum).as_ref()?.upgrade()
    }
}

/// The sum that is made of a file beside its sending.
pub(super) trait Summing: Send + Sync {
    /// MD5 of all that is sent, once all was read. `waits`: also where that takes long.
    fn md5(&self, flight: &Flight, waits: bool) -> Option<String>;
}

/// Hears how many bytes from the start the server has for certain, each time that it has more; may
/// block.
pub type OnConfirmed = Box<dyn FnMut(u64) -> Result<(), String> + Send>;

/// One transfer in progress.
pub(super) struct Flight {
    progress: Arc<Progress>,
    /// Its own bytes among those in `progress`; `None` once it counts no more.
    counted: Mutex<Option<u64>>,
    state: AtomicU8,
    /// Frames handed out: the pulse that the watchdog feels.
    frames: AtomicU64,
    reading: AtomicBool,
    /// Whether a request is out as a whole, and its answer not in.
    waiting: AtomicBool,
    /// Which request it is: a body of an earlier one hands out nothing any more.
    turn: AtomicU64,
    hook: Mutex<Option<BeforeLastByte>>,
    /// The sum of what is being sent; it ends with its request, or its transfer.
    sum: Mutex<Option<Weak<dyn Summing>>>,
    on_confirmed: Mutex<Option<OnConfirmed>>,
    /// Its part of what all transfers together may send.
    share: Share,
    fault: Mutex<Option<Fault>>,
}

/// Why the body ended early.
#[derive(Debug)]
pub(super) enum Fault {
    /// Reading failed.
    Disk(io::Error),
    /// The file ended before its announced size.
    Shrank { missing: u64 },
    /// The write-ahead hook refused.
    NotRecorded(String),
    /// The transfer was given up.
    Closed,
}

impl Flight {
    /// The flight of a whole file.
    pub(super) fn new(progress: Arc<Progress>, hook: BeforeLastByte) -> Self {
        progress.reset();
        Self::of_part(progress, hook)
    }

    /// One of several flights that count together.
    pub(super) fn of_part(progress: Arc<Progress>, hook: BeforeLastByte) -> Self {
        Self {
            progress,
            counted: Mutex::new(Some(0)),
            state: AtomicU8::new(OPEN),
            frames: AtomicU64::new(0),
            reading: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            turn: AtomicU64::new(0),
            hook: Mutex::new(Some(hook)),
            sum: Mutex::new(None),
            on_confirmed: Mutex::new(None),
            share: Throttle::default().share(),
            fault: Mutex::new(None),
        }
    }

    /// The same with a listener for what the server confirms on the way.
    pub(super) fn confirming(self, on_confirmed: OnConfirmed) -> Self {
        *lock(&self.on_confirmed) = Some(on_confirmed);
        self
    }

    /// The same with a share of a limit; without one it goes as fast as it can.
    pub(super) fn sharing(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// Where one connection of the transfer waits while there is a limit.
    pub(super) fn gate(&self) -> Gate {
        self.share.gate()
    }

    /// Tells that the server has the first `bytes` bytes.
    pub(super) fn confirm(&self, bytes: u64) -> Result<(), Fault> {
        lock(&self.on_confirmed)
            .as_mut()
            .map_or(Ok(()), |hook| hook(bytes))
            .map_err(Fault::NotRecorded)
    }

    /// What is sent from here on is summed up by this.
    pub(super) fn is_summed_by(&self, sum: Weak<dyn Summing>) {
        *lock(&self.sum) = Some(sum);
    }

    /// Runs the hook. It may read all of the file: a disk that hangs meanwhile is the disk's stall.
    fn ask_hook(&self) -> Result<(), Fault> {
        let Some(mut hook) = lock(&self.hook).take() else {
            return Ok(());
        };
        self.set_reading(true);
        let agreed = hook(&Sending(self));
        self.set_reading(false);
        *lock(&self.hook) = Some(hook);
        agreed.map_err(Fault::NotRecorded)
    }

    /// Counts a frame out; the last one only after the hook agreed and the flight was not closed.
    pub(super) fn hand_out(&self, of_file: u64, is_last: bool) -> Result<(), Fault> {
        if self.is_closed() {
            return Err(Fault::Closed);
        }
        if is_last {
            self.ask_hook()?;
            self.state
                .compare_exchange(OPEN, RELEASED, Ordering::AcqRel, Ordering::Acquire)
                .map_err(|_| Fault::Closed)?;
        }
        let mut counted = self.counted();
        *counted = Some(counted.ok_or(Fault::Closed)?.saturating_add(of_file));
        self.progress.add(of_file);
        drop(counted);
        self.frames.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Gives the transfer up; true if that came before the last byte, so that nothing is stored.
    pub(super) fn close(&self) -> bool {
        self.state
            .compare_exchange(OPEN, CLOSED, Ordering::AcqRel, Ordering::Acquire)
            .map_or_else(|state| state == CLOSED, |_| true)
    }

    /// Starts over from byte `at`: for a server that sent the whole body elsewhere, or that still
    /// lacks some of it.
    pub(super) fn rewind(&self, at: u64) {
        self.end_turn();
        let mut counted = self.counted();
        if let Some(before) = *counted {
            // In one step each: an observer sees no value that never was.
            if at >= before {
                self.progress.add(at - before);
            } else {
                self.progress.sent.fetch_sub(before - at, Ordering::Relaxed);
            }
            *counted = Some(at);
        }
        drop(counted);
        self.waiting.store(false, Ordering::Relaxed);
        // A flight that was closed meanwhile stays closed, and that is all a failure can mean here.
        self.state
            .compare_exchange(RELEASED, OPEN, Ordering::AcqRel, Ordering::Acquire)
            .ok();
    }

    /// Takes its bytes back for good, because they will be sent again or not at all; code that
    /// still holds this flight hands out nothing any more.
    pub(super) fn take_back(&self) {
        if let Some(bytes) = self.counted().take() {
            self.progress.sent.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Whether it was given up.
    pub(super) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) == CLOSED
    }

    /// Whether the last byte is out.
    pub(super) fn is_released(&self) -> bool {
        self.state.load(Ordering::Acquire) == RELEASED
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Acquire)
    }

    /// Bytes handed out, of this flight alone.
    pub(super) fn sent(&self) -> u64 {
        self.counted().unwrap_or(0)
    }

    fn counted(&self) -> MutexGuard<'_, Option<u64>> {
        lock(&self.counted)
    }

    /// The request in progress; see [`Flight::end_turn`].
    pub(super) fn turn(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }

    /// Stops the body of the request that was answered: after an early answer the HTTP library may
    /// continue with it, and what that hands out would be counted, or even release the flight.
    pub(super) fn end_turn(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    /// Shows the watchdog that something happens, where no frame is handed out.
    pub(super) fn pulse(&self) {
        self.frames.fetch_add(1, Ordering::Release);
    }

    /// The last byte of a request is out.
    pub(super) fn wait_for_answer(&self) {
        self.waiting.store(true, Ordering::Relaxed);
    }

    /// Whether the last byte of a request is out, and its answer not in.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn set_reading(&self, reading: bool) {
        self.reading.store(reading, Ordering::Relaxed);
    }

    /// Whether the transfer waits for the disk just now.
    pub(super) fn is_reading(&self) -> bool {
        self.reading.load(Ordering::Relaxed)
    }

    pub(super) fn fail(&self, fault: Fault) {
        *lock(&self.fault) = Some(fault);
    }

    pub(super) fn take_fault(&self) -> Option<Fault> {
        lock(&self.fault).take()
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("progress", &self.progress)
            .field("released", &self.is_released())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes go out.
const OPEN: u8 = 0;
/// The last byte is out.
const RELEASED: u8 = 1;
/// Given up before the last byte.
const CLOSED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn part(progress: &Arc<Progress>) -> Flight {
        Flight::of_part(Arc::clone(progress), Box::new(|_| Ok(())))
    }

    #[test]
    fn parts_count_together_and_take_back_only_their_own() {
        let progress = Arc::new(Progress::default());
        let (first, second) = (part(&progress), part(&progress));
        first.hand_out(3, false).unwrap();
        second.hand_out(5, true).unwrap();
        assert_eq!((progress.sent(), first.sent(), second.sent()), (8, 3, 5));
        first.rewind(0);
        assert_eq!(progress.sent(), 5);
        first.hand_out(4, false).unwrap();
        first.take_back();
        first.take_back();
        assert!(first.hand_out(1, false).is_err(), "over for good");
        first.rewind(2);
        assert_eq!(progress.sent(), 5, "the other's bytes");
    }

    #[test]
    fn a_rewind_can_go_forward_too() {
        let progress = Arc::new(Progress::default());
        let flight = Flight::new(Arc::clone(&progress), Box::new(|_| Ok(())));
        flight.rewind(7);
        flight.hand_out(1, false).unwrap();
        assert_eq!((progress.sent(), flight.sent()), (8, 8));
    }
}
