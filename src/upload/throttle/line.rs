//! The arithmetic of the limit: who may send how much, and when. Pure: the time is an argument.
//!
//! A grant keeps the line busy for as long as its bytes take at the limit; the next one waits until
//! then. A line that was free for a while gives a moment of credit, so that late timers cost nothing.
//! Between files it is start-time fair queueing: the file that has had least is next. A file that
//! asks for nothing loses its turns, and gets no credit for them.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;
use std::task::Waker;
use std::time::Duration;

/// One limit, and all who wait for it. Times are since some common beginning.
#[derive(Debug, Default)]
pub(super) struct Line {
    limit: Option<NonZeroU64>,
    /// When the bytes granted so far have passed, at the limit.
    free_at: Duration,
    /// How much the file that was served last had had by then; a newcomer begins there.
    clock: u64,
    files: BTreeMap<FileId, Queue>,
    asks: BTreeMap<AskId, Ask>,
    next_id: u64,
    woken: Vec<Waker>,
}

/// A file that is being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(u64);

/// A connection's wish to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AskId(u64);

#[derive(Debug, Default)]
struct Queue {
    /// What it has had, on the line's clock.
    had: u64,
    /// Oldest first.
    waiting: VecDeque<AskId>,
}

#[derive(Debug)]
struct Ask {
    file: FileId,
    wanted: u64,
    granted: Option<u64>,
    waker: Waker,
}

/// What a connection hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// It may send so many bytes, and the ask is settled.
    Go(u64),
    /// Not yet; it must look again at this time, or when it is woken.
    Wait(Duration),
}

impl Line {
    /// From now on the limit is this, in bytes a second.
    pub(super) fn set(&mut self, limit: Option<NonZeroU64>, now: Duration) {
        if limit == self.limit {
            return;
        }
        self.advance(now);
        // Credit of the old limit is not worth the new one's bytes.
        self.free_at = self.free_at.max(now);
        self.limit = limit;
        self.advance(now);
        let all = self.asks.values().map(|ask| ask.waker.clone());
        self.woken.extend(all);
    }

    /// A file's transfer begins.
    pub(super) fn join(&mut self) -> FileId {
        let id = FileId(self.fresh());
        self.files.insert(id, Queue::default());
        id
    }

    /// A file's transfer is over.
    pub(super) fn leave(&mut self, file: FileId) {
        self.files.remove(&file);
    }

    /// One of the file's connections wants to send `wanted` bytes, at least one.
    pub(super) fn ask(&mut self, file: FileId, wanted: u64, waker: Waker) -> AskId {
        let id = AskId(self.fresh());
        let queue = self.files.entry(file).or_default();
        if queue.waiting.is_empty() {
            queue.had = queue.had.max(self.clock);
        }
        queue.waiting.push_back(id);
        let ask = Ask {
            file,
            wanted,
            granted: None,
            waker,
        };
        self.asks.insert(id, ask);
        id
    }

    /// What became of an ask; `waker` is who to wake when that changes.
    pub(super) fn look(&mut self, id: AskId, now: Duration, waker: &Waker) -> Word {
        self.advance(now);
        let first = self.first().map(|(_, first)| first);
        let Some(ask) = self.asks.get_mut(&id) else {
            return Word::Go(0);
        };
        if let Some(bytes) = ask.granted {
            self.asks.remove(&id);
            return Word::Go(bytes);
        }
        ask.waker.clone_from(waker);
        let patience = now + PATIENCE;
        Word::Wait(if first == Some(id) {
            self.free_at.min(patience)
        } else {
            patience
        })
    }

    /// The connection wants to send no more.
    pub(super) fn withdraw(&mut self, id: AskId) {
        let Some(ask) = self.asks.remove(&id) else {
            return;
        };
        if let Some(queue) = self.files.get_mut(&ask.file) {
            queue.waiting.retain(|waiting| *waiting != id);
        }
        self.wake_first();
    }

    /// Those whose turn may have come since the last call.
    pub(super) fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    /// Grants all that was due by now.
    fn advance(&mut self, now: Duration) {
        self.free_at = self.free_at.max(now.saturating_sub(CREDIT));
        let mut is_changed = false;
        while self.limit.is_none() || self.free_at <= now {
            let Some((file, ask)) = self.first() else {
                break;
            };
            self.grant(file, ask);
            is_changed = true;
        }
        if is_changed {
            self.wake_first();
        }
    }

    fn grant(&mut self, file: FileId, id: AskId) {
        let (Some(queue), Some(ask)) = (self.files.get_mut(&file), self.asks.get_mut(&id)) else {
            return;
        };
        let bytes = match self.limit {
            Some(limit) => {
                let bytes = ask.wanted.min((limit.get() / GRANTS_A_SECOND).max(1));
                self.free_at += length(bytes, limit);
                bytes
            }
            None => ask.wanted,
        };
        self.clock = queue.had;
        queue.had = queue.had.saturating_add(bytes);
        queue.waiting.pop_front();
        ask.granted = Some(bytes);
        self.woken.push(ask.waker.clone());
    }

    /// Whose turn is next: the oldest ask of the file that has had least.
    fn first(&self) -> Option<(FileId, AskId)> {
        let waiting =
            |(id, queue): (&FileId, &Queue)| Some((queue.had, *id, *queue.waiting.front()?));
        let next = self.files.iter().filter_map(waiting).min();
        next.map(|(_, file, ask)| (file, ask))
    }

    /// One waiter has to look when the line is free, and it is the one that will be served then.
    fn wake_first(&mut self) {
        let waker = self
            .first()
            .and_then(|(_, id)| self.asks.get(&id))
            .map(|ask| ask.waker.clone());
        self.woken.extend(waker);
    }

    fn fresh(&mut self) -> u64 {
        self.next_id = self.next_id.saturating_add(1);
        self.next_id
    }
}

/// How long so many bytes take.
fn length(bytes: u64, limit: NonZeroU64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(limit.get());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A grant is at most a twentieth of a second's worth: with the credit, no burst is above a tenth,
/// and a new limit is obeyed that soon.
const GRANTS_A_SECOND: u64 = 20;

/// How much of an unused past counts.
const CREDIT: Duration = Duration::from_millis(50);

/// A waiter looks at least this often. The one whose turn is next may sit on a thread that hangs in
/// the disk; and looking is what shows the watchdog that a wait for the limit is no stall.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);
