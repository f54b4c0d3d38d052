//! The settler: which files have stopped changing. A pure state machine, without clock or disk.
//!
//! It is told of sightings, says which paths it wants looked at ([`Settler::tick`]), and is given
//! the answers ([`Settler::answer`]). A file settles when two looks, at least `settle` apart, and
//! every look in between found the same identity and no writer. Both ends matter: a store through
//! an old memory map changes bytes without moving any time stamp, and only the open file gives it
//! away. Times are durations since the watch began, on a clock that never goes back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::candidates::{Candidate, Candidates};
use super::report::{SeenBy, Waiting};
use super::sighting::Sighting;
use super::writer::Writer;
use crate::identity::Identity;

/// A file that has stopped changing. Only the settler makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledFile {
    /// The watch's name.
    pub watch: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it was when it settled; compare before and after reading it.
    pub identity: Identity,
    /// How it was found.
    pub seen_by: SeenBy,
    _mark: MadeBySettler,
}

/// Nobody else can make one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MadeBySettler;

/// What a look at a path found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// The same file before and after its writers were asked for.
    Still(Identity, Writer),
    /// Another file, or another state of it, after than before.
    Moving(Identity),
    /// Nothing there, or no regular file any more.
    Gone,
    /// It cannot be said: the folder is offline, or access is refused.
    OutOfReach,
}

/// What the settler has to tell.
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
    settle: Duration,
    known: HashMap<Box<Path>, Known>,
    candidates: Candidates,
    /// The number of the present scan.
    pass: u32,
    /// The first scan of the present root folder. What was last seen before it lies on another
    /// disk or in another folder: that it is not here proves nothing.
    root_pass: u32,
}

/// A file that settled. There may be very many: keep it small.
#[derive(Debug)]
struct Known {
    identity: Identity,
    pass: u32,
}

/// Without leases, time alone must tell: this many settle times.
const UNKNOWN_WRITER_FACTOR: u32 = 3;
/// Bounds of the wait until a file that a program has open is looked at again. The end of writing
/// is usually announced by an event; this is for the events that get lost.
const BUSY_LOOK: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// The wait until an empty or unreachable file is looked at again.
const REST_LOOK: Duration = Duration::from_secs(10);

impl Settler {
    pub(super) fn new(watch: String, settle: Duration) -> Self {
        Self {
            watch,
            settle,
            known: HashMap::new(),
            candidates: Candidates::default(),
            pass: 0,
            root_pass: 0,
        }
    }

    /// Somebody saw a file.
    pub(super) fn see(&mut self, sighting: Sighting, now: Duration) {
        let Sighting { path, identity, by } = sighting;
        if let Some(known) = self.known.get_mut(path.as_path()) {
            if known.identity == identity {
                known.pass = self.pass;
                return;
            }
            self.known.remove(path.as_path());
        }
        let (path, mut candidate) = self.candidates.take(&path).unwrap_or_else(|| {
            (
                Arc::from(path),
                Candidate::new(identity, by, now, self.pass),
            )
        });
        candidate.pass = self.pass;
        if candidate.identity != identity {
            candidate.quiet = None;
        }
        // A look that is due anyway is early enough, unless there is news: a change, or perhaps
        // that a writer has closed the file.
        if candidate.due.is_none() || candidate.quiet.is_none() || candidate.open {
            candidate.due = Some(now);
            candidate.rests = false;
        }
        self.candidates.put(path, candidate);
    }

    /// The paths to look at now, at most `limit`; each wants an [`answer`](Self::answer).
    pub(super) fn tick(&mut self, now: Duration, limit: usize) -> Vec<Arc<Path>> {
        std::iter::from_fn(|| self.candidates.next(now))
            .take(limit)
            .collect()
    }

    /// What a look at a path found; `now` is the time after the look.
    pub(super) fn answer(&mut self, path: &Path, look: Look, now: Duration) -> Option<Finding> {
        let (path, candidate) = self.candidates.take(path)?;
        match look {
            Look::Still(identity, writer) => self.still(path, candidate, (identity, writer), now),
            Look::Moving(identity) => {
                let next = Candidate {
                    identity,
                    quiet: None,
                    open: false,
                    ..candidate
                };
                self.wait(path, next, Waiting::Changing, Some(now + self.busy_look()))
            }
            // It was here under another root: it may come back with it, and is seen then.
            Look::Gone if candidate.pass < self.root_pass => self.rest(path, candidate, None),
            Look::Gone => Some(Finding::Gone(path.to_path_buf())),
            Look::OutOfReach => self.rest(path, candidate, Some(now + REST_LOOK)),
        }
    }

    fn still(
        &mut self,
        path: Arc<Path>,
        mut candidate: Candidate,
        (identity, writer): (Identity, Writer),
        now: Duration,
    ) -> Option<Finding> {
        let first = candidate.told.is_none();
        let changed = candidate.identity != identity;
        let was_open = candidate.open;
        candidate.open = writer == Writer::Present;
        candidate.identity = identity;
        let since = match candidate.quiet {
            Some(since) if !changed && !was_open && !candidate.open => since,
            _ => now,
        };
        candidate.quiet = Some(since);
        let quiet = candidate.asked.saturating_sub(since);
        let need = match writer {
            Writer::Unknown(_) => self.settle * UNKNOWN_WRITER_FACTOR,
            Writer::None | Writer::Present => self.settle,
        };
        if candidate.open {
            return self.wait(
                path,
                candidate,
                Waiting::WriterOpen,
                Some(now + self.busy_look()),
            );
        }
        if identity.size == 0 {
            candidate.rests = quiet >= need;
            let due = if candidate.rests {
                now + REST_LOOK
            } else {
                since + need
            };
            return self.wait(path, candidate, Waiting::Empty, Some(due));
        }
        if quiet >= need {
            return Some(self.settled(&path, &candidate));
        }
        let why = match writer {
            _ if changed && !first => Waiting::Changing,
            Writer::Unknown(_) => Waiting::WriterUnknown,
            Writer::None | Writer::Present => Waiting::Quiet,
        };
        self.wait(path, candidate, why, Some(since + need))
    }

    fn settled(&mut self, path: &Path, candidate: &Candidate) -> Finding {
        let known = Known {
            identity: candidate.identity,
            pass: candidate.pass,
        };
        self.known.insert(Box::from(path), known);
        Finding::Settled(SettledFile {
            watch: self.watch.clone(),
            path: path.to_path_buf(),
            identity: candidate.identity,
            seen_by: candidate.seen_by,
            _mark: MadeBySettler,
        })
    }

    fn rest(
        &mut self,
        path: Arc<Path>,
        mut candidate: Candidate,
        due: Option<Duration>,
    ) -> Option<Finding> {
        candidate.quiet = None;
        candidate.rests = true;
        self.wait(path, candidate, Waiting::OutOfReach, due)
    }

    /// Keeps a candidate until its next look, and tells why it waits if that is news.
    fn wait(
        &mut self,
        path: Arc<Path>,
        mut candidate: Candidate,
        why: Waiting,
        due: Option<Duration>,
    ) -> Option<Finding> {
        let news = candidate.told.replace(why) != Some(why);
        candidate.due = due;
        let finding = Finding::Waiting {
            path: Arc::clone(&path),
            size: candidate.identity.bytes(),
            since: candidate.since,
            seen_by: candidate.seen_by,
            why,
        };
        self.candidates.put(path, candidate);
        news.then_some(finding)
    }

    /// A path is known to be empty now.
    pub(super) fn vanished(&mut self, path: &Path) -> Option<Finding> {
        self.known.remove(path);
        let (path, _) = self.candidates.take(path)?;
        Some(Finding::Gone(path.to_path_buf()))
    }

    /// Forgets all about a path, so that the next sighting begins anew.
    pub(super) fn forget(&mut self, path: &Path) {
        self.known.remove(path);
        self.candidates.take(path);
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

    /// The settled files of this root that the scan did not come across.
    pub(super) fn unseen(&self) -> Vec<PathBuf> {
        let unseen = |known: &Known| (self.root_pass..self.pass).contains(&known.pass);
        self.known
            .iter()
            .filter(|(_, k)| unseen(k))
            .map(|(path, _)| path.to_path_buf())
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

    fn busy_look(&self) -> Duration {
        self.settle.clamp(BUSY_LOOK.0, BUSY_LOOK.1)
    }
}

#[cfg(test)]
#[path = "tests/settle.rs"]
mod tests;
