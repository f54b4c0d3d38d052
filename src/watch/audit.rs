//! Did the kernel announce every file that a scan comes across? Pure.
//!
//! A file that a scan finds first is no miss yet: its event may be on its way. It is one when no
//! event has come for it some time later, although there was nothing else to work off.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files that a scan found, and no event announced as yet.
#[derive(Debug, Default)]
pub(super) struct Audit {
    suspects: BTreeMap<PathBuf, Duration>,
}

/// How long an event may take.
const GRACE: Duration = Duration::from_secs(2);
/// More need not be remembered: far fewer are enough to give events up.
const MOST: usize = 1000;

impl Audit {
    /// A scan came across a new file.
    pub(super) fn suspect(&mut self, path: &Path, now: Duration) {
        if self.suspects.len() < MOST {
            self.suspects.insert(path.to_path_buf(), now + GRACE);
        }
    }

    /// Something was announced of this path: of a folder, it may be about all that is in it.
    pub(super) fn announced(&mut self, path: &Path) {
        if self.suspects.is_empty() {
            return;
        }
        let from = (Bound::Included(path), Bound::Unbounded);
        let below = self.suspects.range::<Path, _>(from).map(|(at, _)| at);
        let below: Vec<_> = below
            .take_while(|at| at.starts_with(path))
            .cloned()
            .collect();
        for at in below {
            self.suspects.remove(&at);
        }
    }

    /// Events were lost, or the root is another: nothing can be held against them.
    pub(super) fn clear(&mut self) {
        self.suspects.clear();
    }

    /// The files for which no event came in time. To be asked when nothing is left to work off.
    pub(super) fn missed(&mut self, now: Duration) -> Vec<PathBuf> {
        let late = self.suspects.extract_if(.., |_, until| *until <= now);
        late.map(|(path, _)| path).collect()
    }

    /// When the next file is late.
    pub(super) fn next(&self) -> Option<Duration> {
        self.suspects.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_unannounced_is_missed() {
        let mut audit = Audit::default();
        for path in [
            "/v/a.mp4",
            "/v/in/b.mp4",
            "/v/in/deep/c.mp4",
            "/v/in2/d.mp4",
            "/v/e.mp4",
        ] {
            audit.suspect(Path::new(path), Duration::ZERO);
        }
        assert_eq!(audit.next(), Some(GRACE));
        assert!(audit.missed(GRACE / 2).is_empty());
        audit.announced(Path::new("/v/in"));
        audit.announced(Path::new("/v/e.mp4"));
        audit.announced(Path::new("/v/none"));
        let missed = ["/v/a.mp4", "/v/in2/d.mp4"].map(PathBuf::from);
        assert_eq!(audit.missed(GRACE), missed);
        assert!(audit.missed(GRACE).is_empty(), "told once");
        assert_eq!(audit.next(), None);
    }
}
