//! The files that wait, and in which order they are due. It keeps three things in step: the files
//! by path, their due times in order, and how many of them count as waiting.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::evidence::{Ending, Evidence};
use super::report::{SeenBy, Waiting};
use super::writer::Writer;
use crate::identity::Identity;

/// A file that waits.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) identity: Identity,
    /// How much lay on the disk at the last look, in units of 512 bytes.
    pub(super) blocks: Option<u64>,
    pub(super) seen_by: SeenBy,
    /// How the end of its writing was noticed.
    pub(super) ending: Ending,
    /// When it was first seen.
    pub(super) since: Duration,
    /// Since when no look found a change or a writer; `None` before the first look.
    pub(super) quiet: Option<Duration>,
    /// The last look found a writer.
    pub(super) open: bool,
    /// The next look must examine the container, too.
    pub(super) examine: bool,
    /// When the last look was asked for.
    pub(super) asked: Duration,
    /// When to look next; `None` while a look is in progress or nothing is expected of one.
    pub(super) due: Option<Duration>,
    /// What was last reported.
    pub(super) told: Option<Waiting>,
    /// It may wait forever without anything happening.
    pub(super) rests: bool,
    /// The scan during which it was last seen.
    pub(super) pass: u32,
}

impl Candidate {
    pub(super) fn new(identity: Identity, seen_by: SeenBy, now: Duration, pass: u32) -> Self {
        Self {
            identity,
            blocks: None,
            seen_by,
            ending: Ending::Unseen,
            since: now,
            quiet: None,
            open: false,
            examine: false,
            asked: now,
            due: None,
            told: None,
            rests: false,
            pass,
        }
    }

    /// Takes in what a look found; answers since when it has been quiet.
    pub(super) fn take_in(&mut self, found: &Evidence, changed: bool, now: Duration) -> Duration {
        let was_open = self.open;
        self.open = found.writer == Writer::Present;
        if self.open || !self.identity.goes_on_as(&found.identity) {
            self.ending = Ending::Unseen;
        }
        self.identity = found.identity;
        self.blocks = Some(found.blocks);
        let since = match self.quiet {
            Some(since) if !changed && !was_open && !self.open => since,
            _ => now,
        };
        self.quiet = Some(since);
        since
    }
}

/// Room for so many files is kept when they have gone.
const ROOM: usize = 4096;

/// All files that wait.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    files: HashMap<Arc<Path>, Candidate>,
    /// The earliest comes first.
    due: BTreeSet<(Duration, Arc<Path>)>,
    /// How many do not rest.
    waiting: usize,
}

impl Candidates {
    /// Takes a file out, to [`put`](Self::put) it back changed, or not at all.
    pub(super) fn take(&mut self, path: &Path) -> Option<(Arc<Path>, Candidate)> {
        let (path, candidate) = self.files.remove_entry(path)?;
        if self.files.capacity() > ROOM && self.files.len() < self.files.capacity() / 8 {
            // A great many waited, such as at the first start.
            self.files.shrink_to(self.files.len() * 2);
        }
        self.waiting -= usize::from(!candidate.rests);
        let Some(due) = candidate.due else {
            return Some((path, candidate));
        };
        let key = (due, path);
        self.due.remove(&key);
        Some((key.1, candidate))
    }

    pub(super) fn put(&mut self, path: Arc<Path>, candidate: Candidate) {
        self.waiting += usize::from(!candidate.rests);
        if let Some(due) = candidate.due {
            self.due.insert((due, Arc::clone(&path)));
        }
        self.files.insert(path, candidate);
    }

    /// The next file that is due, and whether to examine its container; from now on a look at it is
    /// in progress.
    pub(super) fn next(&mut self, now: Duration) -> Option<(Arc<Path>, bool)> {
        if self.next_due()? > now {
            return None;
        }
        let (_, path) = self.due.pop_first()?;
        let candidate = self.files.get_mut(&path)?;
        candidate.due = None;
        candidate.asked = now;
        let examine = candidate.examine;
        Some((path, examine))
    }

    /// The files that were last seen during one of these scans.
    pub(super) fn last_seen(&self, scans: &Range<u32>) -> impl Iterator<Item = PathBuf> {
        let files = self.files.iter();
        files
            .filter(|(_, one)| scans.contains(&one.pass))
            .map(|(path, _)| path.to_path_buf())
    }

    pub(super) fn has(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// Makes all of these due now.
    pub(super) fn wake(&mut self, now: Duration, which: impl Fn(&Path, &Candidate) -> bool) {
        let all = self.files.iter().filter(|(path, one)| which(path, one));
        for path in all.map(|(path, _)| Arc::clone(path)).collect::<Vec<_>>() {
            if let Some((path, mut candidate)) = self.take(&path) {
                candidate.due = Some(now);
                candidate.rests = false;
                self.put(path, candidate);
            }
        }
    }

    /// When the next file is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// How many files wait for something that will come.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The files that wait; asserts that what is counted and ordered agrees with them.
    #[cfg(test)]
    pub(super) fn checked(&self) -> impl Iterator<Item = (&Arc<Path>, &Candidate)> {
        let due: BTreeSet<_> = self
            .files
            .iter()
            .filter_map(|(path, candidate)| Some((candidate.due?, Arc::clone(path))))
            .collect();
        assert_eq!(due, self.due);
        assert_eq!(
            self.files.values().filter(|one| !one.rests).count(),
            self.waiting
        );
        self.files.iter()
    }
}
