//! The sidecars of one watch: each is reported once after it came or changed, when it has been left
//! alone for a moment. Pure.
//!
//! What is in one, and whether a video waits for it, is not known here.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::identity::Identity;

/// How long one must be left alone: an editor that saves needs less.
const QUIET: Duration = Duration::from_secs(2);

/// All sidecars that were seen.
#[derive(Debug, Default)]
pub(super) struct Companions {
    /// Those that were reported. There may be very many: keep it small.
    known: HashMap<Box<Path>, Known>,
    /// Those that changed, and when each is looked at.
    waiting: HashMap<PathBuf, (Identity, Duration)>,
    /// The order of looks; an entry that does not agree with `waiting` is out of date.
    order: VecDeque<(Duration, PathBuf)>,
    /// The number of the present scan.
    pass: u32,
}

#[derive(Debug)]
struct Known {
    identity: Identity,
    pass: u32,
}

impl Companions {
    /// One was seen.
    pub(super) fn see(&mut self, path: PathBuf, identity: Identity, now: Duration) {
        if let Some(known) = self.known.get_mut(path.as_path()) {
            known.pass = self.pass;
            if known.identity == identity {
                self.waiting.remove(&path);
                return;
            }
        }
        if self
            .waiting
            .get(&path)
            .is_some_and(|(then, _)| *then == identity)
        {
            return;
        }
        let due = now.saturating_add(QUIET);
        self.waiting.insert(path.clone(), (identity, due));
        self.order.push_back((due, path));
    }

    /// The next one to be looked at now; it wants an [`answer`](Self::answer).
    pub(super) fn next(&mut self, now: Duration) -> Option<PathBuf> {
        while let Some((due, path)) = self.order.pop_front_if(|(due, _)| *due <= now) {
            let waits = self.waiting.get(&path);
            if waits.is_some_and(|(_, then)| *then == due) {
                return Some(path);
            }
        }
        None
    }

    /// What the look found; answers whether it must be reported.
    pub(super) fn answer(&mut self, path: &Path, found: Option<Identity>, now: Duration) -> bool {
        let Some((then, _)) = self.waiting.remove(path) else {
            return false;
        };
        match found {
            None => {
                self.known.remove(path);
                false
            }
            Some(identity) if identity == then => {
                let pass = self.pass;
                self.known.insert(Box::from(path), Known { identity, pass });
                true
            }
            Some(identity) => {
                self.see(path.to_path_buf(), identity, now);
                false
            }
        }
    }

    /// There is nothing at this path any more.
    pub(super) fn forget(&mut self, path: &Path) {
        self.known.remove(path);
        self.waiting.remove(path);
    }

    /// A full scan begins.
    pub(super) fn begin_pass(&mut self) {
        self.pass = self.pass.wrapping_add(1);
    }

    /// The scan came across all that are there: the others are forgotten.
    pub(super) fn end_pass(&mut self) {
        let pass = self.pass;
        self.known.retain(|_, known| known.pass == pass);
    }

    /// When the next look is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.order.front().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(stamp: i64) -> Identity {
        Identity {
            dev: 1,
            ino: 1,
            size: 10,
            mtime_ns: stamp,
            ctime_ns: stamp,
        }
    }

    const MOMENT: Duration = Duration::from_millis(100);

    #[test]
    fn each_change_is_told_once_when_it_was_left_alone() {
        let path = Path::new("/v/clip.json");
        let mut all = Companions::default();
        let mut now = Duration::ZERO;
        for stamp in [1, 2, 3] {
            now += MOMENT;
            all.see(path.into(), identity(stamp), now);
            assert_eq!(all.next(now), None);
        }
        assert_eq!(
            all.next(MOMENT + QUIET),
            None,
            "those before are out of date"
        );
        now += QUIET;
        assert_eq!(all.next(now).as_deref(), Some(path));
        assert!(
            !all.answer(path, Some(identity(4)), now),
            "it changed unseen"
        );
        assert_eq!(all.next_due(), Some(now + QUIET));
        now += QUIET;
        assert_eq!(all.next(now).as_deref(), Some(path));
        assert!(all.answer(path, Some(identity(4)), now));
        all.see(path.into(), identity(4), now);
        assert_eq!((all.next_due(), all.waiting.len()), (None, 0));
        all.see(path.into(), identity(5), now);
        assert!(all.next_due().is_some());
    }

    #[test]
    fn one_that_went_is_told_of_when_it_comes_back() {
        let path = Path::new("/v/clip.json");
        for scan in [false, true] {
            let mut all = Companions::default();
            all.see(path.into(), identity(1), Duration::ZERO);
            assert!(all.next(QUIET).is_some());
            assert!(all.answer(path, Some(identity(1)), QUIET));
            if scan {
                all.begin_pass();
                all.end_pass();
            } else {
                all.forget(path);
            }
            assert!(all.known.is_empty());
            all.see(path.into(), identity(1), QUIET);
            assert!(all.next(QUIET * 2).is_some());
            assert!(!all.answer(path, None, QUIET * 2), "and went again");
            assert!(all.known.is_empty() && all.waiting.is_empty());
        }
    }
}
