//! One limit for the bytes of all transfers of the process, shared fairly between files.
//!
//! A transfer's bodies ask before each frame and wait without blocking their thread, as each has
//! its own runtime (see `lane`). However many connections a file has, its share is one file's. Only
//! the bytes of files count: heads, and what goes around a file, are too few.

mod line;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use self::line::{AskId, FileId, Line, Word};

/// The limit of a process; cheap to clone, and without a limit until [`Throttle::set`].
#[derive(Clone)]
pub struct Throttle {
    inner: Arc<Inner>,
}

struct Inner {
    /// Whether there is a limit: all that is looked at while there is none.
    is_limited: AtomicBool,
    began: Instant,
    line: Mutex<Line>,
}

impl Throttle {
    /// From now on all transfers together send at most so many bytes a second; transfers in
    /// progress obey within a moment.
    pub fn set(&self, limit: Option<NonZeroU64>) {
        self.inner.with(|line, now| {
            self.inner
                .is_limited
                .store(limit.is_some(), Ordering::Release);
            line.set(limit, now);
        });
    }

    /// The share of one file, for as long as it is sent.
    pub(super) fn share(&self) -> Share {
        let inner = Arc::clone(&self.inner);
        let file = inner.with(|line, _| line.join());
        Share(Arc::new(Member { inner, file }))
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                is_limited: AtomicBool::new(false),
                began: Instant::now(),
                line: Mutex::default(),
            }),
        }
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").finish_non_exhaustive()
    }
}

impl Inner {
    fn with<R>(&self, act: impl FnOnce(&mut Line, Duration) -> R) -> R {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut line, self.began.elapsed());
        let woken = line.take_woken();
        drop(line);
        for waker in woken {
            waker.wake();
        }
        result
    }
}

/// One file's share; all connections of the file have clones of it.
#[derive(Clone)]
pub(super) struct Share(Arc<Member>);

struct Member {
    inner: Arc<Inner>,
    file: FileId,
}

impl Share {
    /// The place of one connection.
    pub(super) fn gate(&self) -> Gate {
        Gate {
            share: self.clone(),
            ask: None,
            timer: None,
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.inner.with(|line, _| line.leave(self.file));
    }
}

/// Where the body of one connection waits for its turns.
pub(super) struct Gate {
    share: Share,
    ask: Option<AskId>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Gate {
    /// How many of `wanted` bytes may be sent now, at least one.
    ///
    /// While it waits, it has itself polled several times a second.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, wanted: u64) -> Poll<u64> {
        let member = &*self.share.0;
        if self.ask.is_none() && !member.inner.is_limited.load(Ordering::Acquire) {
            return Poll::Ready(wanted);
        }
        let ask = &mut self.ask;
        let word = member.inner.with(|line, now| {
            let id = *ask.get_or_insert_with(|| line.ask(member.file, wanted, cx.waker().clone()));
            line.look(id, now, cx.waker())
        });
        match word {
            Word::Go(bytes) => {
                self.ask = None;
                Poll::Ready(bytes)
            }
            Word::Wait(until) => {
                let until = tokio::time::Instant::from_std(member.inner.began + until);
                let timer = self
                    .timer
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
                timer.as_mut().reset(until);
                ready!(timer.as_mut().poll(cx));
                // The time came between the two looks at the clock.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(ask) = self.ask {
            self.share.0.inner.with(|line, _| line.withdraw(ask));
        }
    }
}
