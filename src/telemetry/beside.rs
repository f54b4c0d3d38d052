//! Lines of the log on their way to standard error, written by a thread of their own.
//!
//! A pipe whose reader hangs, or a terminal that was halted, takes no more lines and says nothing. What the daemon does
//! must not wait for that, so lines that are not taken are dropped and counted. Of what a `kill -9` cuts off, the last
//! lines may be missing.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that may wait; some hundred KiB.
const MOST: usize = 2048;

/// How long the end of the process waits for what is not written yet.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to the thread.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    to: SyncSender<Item>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    /// All before it is written.
    Mark(SyncSender<()>),
}

impl Lines {
    /// Starts the thread, which writes to `out`, and calls `tell` with the number of lines that were not taken.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        tell: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let (to, items) = mpsc::sync_channel(MOST);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&items, (&counted, &tell), out))?;
        Ok(Self { to, lost })
    }

    /// Waits until all lines so far are written, a moment at most.
    pub(super) fn flush(&self) {
        let until = Instant::now() + PATIENCE;
        let (done, is_done) = mpsc::sync_channel(1);
        let mut mark = Item::Mark(done);
        while let Err(TrySendError::Full(back)) = self.to.try_send(mark) {
            if Instant::now() >= until {
                return;
            }
            mark = back;
            // Nothing answers yet: the mark is here.
            is_done.recv_timeout(Duration::from_millis(5)).ok();
        }
        let left = until.saturating_duration_since(Instant::now());
        is_done.recv_timeout(left).ok();
    }
}

/// One call is one line. It never fails and never waits.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.to.try_send(Item::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line that cannot be written, as on a full disk, is lost; the next one may work.
fn write_all(
    items: &Receiver<Item>,
    (lost, tell): (&AtomicU64, &dyn Fn(u64)),
    mut out: impl Write,
) {
    for item in items {
        match item {
            Item::Line(line) => drop(out.write_all(&line)),
            Item::Mark(done) => drop(done.try_send(())),
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tell(lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;

    use super::*;

    /// Takes a line when it is told to, and fails at those that say so.
    struct Slow {
        go_on: Receiver<()>,
        written: Sender<String>,
    }

    impl Write for Slow {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.go_on.recv().ok();
            if line == b"fails\n" {
                return Err(io::ErrorKind::StorageFull.into());
            }
            drop(
                self.written
                    .send(String::from_utf8_lossy(line).into_owned()),
            );
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_are_not_taken_are_counted_and_none_is_waited_for() {
        let ((release, go_on), (written, lines)) = (mpsc::channel(), mpsc::channel());
        let (told, lost) = mpsc::channel();
        let tell = move |lines| told.send(lines).unwrap();
        let mut log = Lines::start(Slow { go_on, written }, tell).unwrap();
        let all = MOST + 10;
        log.write_all(b"fails\n").unwrap();
        for number in 0..all {
            log.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        log.flush();
        assert_eq!(lines.try_iter().count(), 0, "nothing is written yet");
        drop(release);
        log.flush();
        let lost: u64 = lost.try_iter().sum();
        let written = lines.try_iter().count();
        assert_eq!(written + usize::try_from(lost).unwrap(), all);
        // The thread may have taken the first line, and one may fail.
        assert!((9..=11).contains(&lost), "{lost}");
    }
}
