//! The settler: which files have stopped changing. A pure state machine, without clock or disk.
//!
//! It is told of sightings, says which paths it wants looked at ([`Settler::tick`]), and is given
//! the answers ([`Settler::answer`]). A file settles when two looks, as far apart as the evidence
//! asks for (see `evidence`), and every look in between found the same identity and no writer. Both
//! ends matter: a store through an old memory map changes bytes without moving any time stamp, and
//! only the open file gives it away. Times are durations since the watch began, on a clock that
//! never goes back.

mod answer;

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::candidates::{Candidate, Candidates};
use super::container::Flaw;
use super::evidence::{Ending, Evidence, Times};
use super::known::Seeds;
use super::report::{SeenBy, Waiting};
use super::sighting::Sighting;
use crate::config::Marker;
use crate::identity::Identity;

/// A file that has stopped changing. Only the settler makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettledFile {
    /// The watch's name.
    pub watch: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it was when it settled; compare before and after reading it.
    pub identity: Identity,
    /// How it was found.
    pub seen_by: SeenBy,
    /// Its rest did not appear in time: it is not to be uploaded, unless a person says so.
    pub flaw: Option<Flaw>,
    _mark: MadeBySettler,
}

/// No other module can make one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MadeBySettler;

/// What a look at a path found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// The same file before and after its writers were asked for.
    Still(Evidence),
    /// Another file, or another state of it, after than before.
    Moving(Identity),
    /// Nothing there, or no regular file any more.
    Gone,
    /// It cannot be said: the folder is offline, or access is refused.
    OutOfReach,
}

/// What the settler has to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// It waits, for a reason not told before.
    Waiting {
        path: Arc<Path>,
        size: u64,
        since: Duration,
        seen_by: SeenBy,
        why: Waiting,
    },
    /// It settled.
    Settled(SettledFile),
    /// It vanished while it waited.
    Gone(PathBuf),
}

/// All files of one watch: those that wait, and those that settled.
#[derive(Debug)]
pub(super) struct Settler {
    watch: String,
    times: Times,
    /// By their paths, as bytes: that is cheaper to hash and to compare.
    known: HashMap<Box<OsStr>, Known>,
    /// What is known since an earlier run, until a scan has seen it.
    seeds: Seeds,
    candidates: Candidates,
    /// The number of the present scan.
    pass: u32,
    /// The first scan of the present root folder. What was last seen before it is on another disk
    /// or in another folder: that it is not here proves nothing.
    root_pass: u32,
}

/// A file that settled. There may be very many: keep it small.
#[derive(Debug)]
struct Known {
    identity: Identity,
    pass: u32,
}

impl Settler {
    pub(super) fn new(watch: String, times: Times) -> Self {
        Self {
            watch,
            times,
            known: HashMap::new(),
            seeds: Seeds::default(),
            candidates: Candidates::default(),
            pass: 0,
            root_pass: 0,
        }
    }

    /// These files need not settle again.
    pub(super) fn seed(&mut self, seeds: Seeds) {
        self.seeds = seeds;
    }

    /// All is seen by now that is there of the files that were known at the start.
    pub(super) fn end_seeding(&mut self) {
        self.seeds = Seeds::default();
    }

    /// A file was seen.
    pub(super) fn see(&mut self, sighting: Sighting, now: Duration) {
        let Sighting {
            path,
            identity,
            by,
            ending,
        } = sighting;
        if let Some(known) = self.known.get_mut(path.as_os_str()) {
            if known.identity == identity {
                known.pass = self.pass;
                return;
            }
            self.known.remove(path.as_os_str());
        } else if self.seeds.has(&path, &identity) && !self.candidates.has(&path) {
            let pass = self.pass;
            let known = Known { identity, pass };
            self.known
                .insert(path.into_os_string().into_boxed_os_str(), known);
            return;
        }
        let (path, mut candidate) = self.candidates.take(&path).unwrap_or_else(|| {
            (
                Arc::from(path),
                Candidate::new(identity, by, now, self.pass),
            )
        });
        candidate.pass = self.pass;
        if !candidate.identity.goes_on_as(&identity) {
            candidate.ending = Ending::Unseen;
        }
        if candidate.identity != identity {
            (candidate.identity, candidate.quiet) = (identity, None);
        }
        if candidate.ending < ending {
            candidate.ending = ending;
            candidate.examine = true;
            candidate.due = None;
        }
        // A look that is due anyway is early enough, unless there is news: a change, or perhaps
        // that a writer has closed the file.
        let awaits = candidate.told == Some(Waiting::Companion);
        if candidate.due.is_none() || candidate.quiet.is_none() || candidate.open || awaits {
            candidate.due = Some(now);
            candidate.rests = false;
        }
        self.candidates.put(path, candidate);
    }

    /// Whether nothing is known of a file.
    pub(super) fn is_new(&self, sighting: &Sighting) -> bool {
        let Sighting { path, identity, .. } = sighting;
        !self.known.contains_key(path.as_os_str())
            && !self.candidates.has(path)
            && !self.seeds.has(path, identity)
    }

    /// The paths to look at now, at most `limit`, and whether to examine the container; each wants
    /// an [`answer`](Self::answer).
    pub(super) fn tick(&mut self, now: Duration, limit: usize) -> Vec<(Arc<Path>, bool)> {
        std::iter::from_fn(|| self.candidates.next(now))
            .take(limit)
            .collect()
    }

    /// A path is known to be empty now.
    pub(super) fn vanished(&mut self, path: &Path) -> Option<Finding> {
        self.known.remove(path.as_os_str());
        let (path, _) = self.candidates.take(path)?;
        Some(Finding::Gone(path.to_path_buf()))
    }

    /// Forgets all about a path, so that the next sighting begins again. Until then it counts as
    /// gone: there may be none.
    pub(super) fn forget(&mut self, path: &Path) -> Option<Finding> {
        self.seeds.revoke(path);
        self.vanished(path)
    }

    /// These done-markers, or companions, came: a file that waits for one of them is looked at.
    pub(super) fn marked(&mut self, pattern: &Marker, came: &BTreeSet<PathBuf>, now: Duration) {
        let waits = |path: &Path, candidate: &Candidate| {
            matches!(candidate.told, Some(Waiting::Marker | Waiting::Companion))
                && pattern
                    .of(path)
                    .is_some_and(|marker| came.contains(&marker))
        };
        self.candidates.wake(now, waits);
    }

    /// These control files came or went: a file that waits for one of them to go is looked at.
    pub(super) fn controlled(&mut self, changed: &BTreeSet<PathBuf>, now: Duration) {
        let waits = |path: &Path, candidate: &Candidate| match candidate.told {
            Some(Waiting::Control(control)) => {
                control.of(path).is_some_and(|file| changed.contains(&file))
            }
            _ => false,
        };
        self.candidates.wake(now, waits);
    }

    /// A full scan begins.
    pub(super) fn begin_pass(&mut self) {
        self.pass = self.pass.saturating_add(1);
    }

    /// Another folder is at the root now. What was known stays known.
    pub(super) fn begin_root(&mut self) {
        self.begin_pass();
        self.root_pass = self.pass;
    }

    /// The files of this root that the scan did not come across, those that wait among them: of some
    /// no look is due.
    pub(super) fn unseen(&self) -> Vec<PathBuf> {
        let before = self.root_pass..self.pass;
        let settled = self.known.iter().filter(|(_, k)| before.contains(&k.pass));
        settled
            .map(|(path, _)| PathBuf::from(path))
            .chain(self.candidates.last_seen(&before))
            .collect()
    }

    /// When the next look is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.candidates.next_due()
    }

    /// How many files wait for something that will come: all but empty and unreachable ones.
    pub(super) fn waiting(&self) -> usize {
        self.candidates.waiting()
    }
}

#[cfg(test)]
mod tests;
