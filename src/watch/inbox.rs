//! What reaches a watch's thread: events, within bounds, and commands, always.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// A message to a watch's thread.
#[derive(Debug)]
pub(super) enum Message {
    /// Something came or went at this path.
    Changed(PathBuf),
    /// A file was closed after writing.
    Closed(PathBuf),
    /// Something came to this path by a rename.
    Renamed(PathBuf),
    /// Rights or times of this path changed.
    Attributes(PathBuf),
    /// Settle this path again.
    Recheck(PathBuf),
    /// Scan everything now.
    #[cfg(test)]
    Scan,
    /// Look at the flags.
    Wake,
}

/// How many events may wait before further ones are dropped in favour of a scan. As many as the
/// kernel's own queue holds by default.
const LIMIT: usize = 16_384;

/// The sending end.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    channel: mpsc::Sender<Message>,
    state: Arc<State>,
}

/// The receiving end.
#[derive(Debug)]
pub(super) struct Inbox {
    channel: mpsc::Receiver<Message>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Messages sent, whose work is not done.
    open: AtomicUsize,
    overflow: AtomicBool,
}

/// Makes the two ends.
pub(super) fn pair() -> (Sender, Inbox) {
    let (sender, receiver) = mpsc::channel();
    let state = Arc::new(State::default());
    (
        Sender {
            channel: sender,
            state: Arc::clone(&state),
        },
        Inbox {
            channel: receiver,
            state,
        },
    )
}

impl Sender {
    /// Sends an event, or notes that one was lost. Never waits.
    pub(super) fn announce(&self, event: Message) {
        if self.state.open.load(Ordering::Relaxed) < LIMIT {
            self.command(event);
        } else {
            // The code that processes the others will see it.
            self.state.overflow.store(true, Ordering::Release);
        }
    }

    /// Notes that events were lost.
    pub(super) fn overflowed(&self) {
        if !self.state.overflow.swap(true, Ordering::AcqRel) {
            self.command(Message::Wake);
        }
    }

    /// Sends a message, however many wait. Without effect once the thread has ended.
    pub(super) fn command(&self, message: Message) {
        self.state.open.fetch_add(1, Ordering::AcqRel);
        if self.channel.send(message).is_err() {
            self.state.open.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Whether no message is unworked and no event was lost.
    pub(super) fn is_idle(&self) -> bool {
        self.state.open.load(Ordering::Acquire) == 0 && !self.state.overflow.load(Ordering::Acquire)
    }
}

impl Inbox {
    /// Waits for messages, at most `patience`, and takes at most `limit` of those that are there.
    /// Say [`done`](Self::done) when their work is done.
    pub(super) fn take(&self, patience: Duration, limit: usize) -> Vec<Message> {
        let first = match self.channel.try_recv() {
            Ok(message) => Some(message),
            Err(_) if patience.is_zero() => None,
            Err(_) => self.channel.recv_timeout(patience).ok(),
        };
        first
            .into_iter()
            .chain(self.channel.try_iter())
            .take(limit)
            .collect()
    }

    /// The work of so many messages is done.
    pub(super) fn done(&self, count: usize) {
        self.state.open.fetch_sub(count, Ordering::AcqRel);
    }

    /// Whether events were lost since this was last asked.
    pub(super) fn take_overflow(&self) -> bool {
        self.state.overflow.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_beyond_the_limit_are_lost_and_commands_are_not() {
        let (sender, inbox) = pair();
        for number in 0..LIMIT + 5 {
            sender.announce(Message::Changed(PathBuf::from(number.to_string())));
        }
        sender.command(Message::Scan);
        assert!(!sender.is_idle());
        let messages = inbox.take(Duration::ZERO, usize::MAX);
        assert_eq!(messages.len(), LIMIT + 1);
        assert!(matches!(messages.last(), Some(Message::Scan)));
        inbox.done(messages.len());
        assert!(!sender.is_idle(), "the loss is not dealt with");
        assert!(inbox.take_overflow() && !inbox.take_overflow());
        assert!(sender.is_idle());
        sender.overflowed();
        assert_eq!(
            inbox.take(Duration::from_mins(1), 1).len(),
            1,
            "a loss wakes the thread"
        );
    }
}
