//! What the settler makes of a look.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::candidates::Candidate;
use super::super::container::Flaw;
use super::super::evidence::{Ending, Evidence, Weight};
use super::super::report::Waiting;
use super::{Finding, Known, Look, MadeBySettler, SettledFile, Settler};

/// Bounds of the wait until a file that a program has open is looked at again. The end of writing
/// is usually announced by an event; this is for the events that get lost.
const BUSY_LOOK: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// The wait until an empty or unreachable file is looked at again.
const REST_LOOK: Duration = Duration::from_secs(10);

impl Settler {
    /// What a look at a path found; `now` is the time after the look.
    pub(in crate::watch) fn answer(
        &mut self,
        path: &Path,
        look: Look,
        now: Duration,
    ) -> Option<Finding> {
        let (path, candidate) = self.candidates.take(path)?;
        match look {
            Look::Still(evidence) => self.still(path, candidate, &evidence, now),
            Look::Moving(identity) => {
                let next = Candidate {
                    identity,
                    quiet: None,
                    open: false,
                    ending: Ending::Unseen,
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
        evidence: &Evidence,
        now: Duration,
    ) -> Option<Finding> {
        let changed = candidate.identity != evidence.identity
            || candidate.blocks.is_some_and(|then| then != evidence.blocks);
        let news = (changed || candidate.quiet.is_none())
            && !matches!(candidate.told, None | Some(Waiting::OutOfReach));
        let since = candidate.take_in(evidence, changed, now);
        let quiet = candidate.asked.saturating_sub(since);
        let examined = std::mem::replace(&mut candidate.examine, true);
        candidate.rests = false;
        match evidence.weigh(candidate.ending, self.times) {
            Weight::Never(why) => {
                candidate.rests = match why {
                    Waiting::WriterOpen => false,
                    Waiting::Marker | Waiting::Control(_) => true,
                    _ => quiet >= self.times.settle,
                };
                let due = match why {
                    Waiting::WriterOpen => Some(now + self.busy_look()),
                    // That it comes, or goes, is announced, and a scan has it looked at too.
                    Waiting::Marker | Waiting::Control(_) => None,
                    _ if candidate.rests => Some(now + REST_LOOK),
                    _ => Some(since + self.times.settle),
                };
                self.wait(path, candidate, why, due)
            }
            Weight::After(need, Waiting::Companion) if quiet < need => {
                // It is whole: nothing happens but the waiting, which an arrival ends.
                candidate.rests = quiet >= self.times.settle;
                let next = if candidate.rests {
                    need
                } else {
                    self.times.settle.min(need)
                };
                self.wait(path, candidate, Waiting::Companion, Some(since + next))
            }
            Weight::After(need, why) if quiet < need => {
                if news {
                    // One look more in between, which says what is missing besides rest.
                    let next = need.min(self.busy_look());
                    return self.wait(path, candidate, Waiting::Changing, Some(since + next));
                }
                self.wait(path, candidate, why, Some(since + need))
            }
            // It settles by what the last look found, and that includes the container.
            Weight::After(_, why) if !examined => self.wait(path, candidate, why, Some(now)),
            Weight::After(..) => Some(self.settled(&path, &candidate, None)),
            Weight::FailsAfter(need, flaw) if quiet < need => {
                candidate.rests = quiet >= self.times.settle;
                let next = if candidate.rests {
                    need
                } else {
                    self.times.settle
                };
                let why = Waiting::Incomplete(flaw);
                self.wait(path, candidate, why, Some(since + next))
            }
            Weight::FailsAfter(_, flaw) => Some(self.settled(&path, &candidate, Some(flaw))),
        }
    }

    fn settled(&mut self, path: &Path, candidate: &Candidate, flaw: Option<Flaw>) -> Finding {
        let known = Known {
            identity: candidate.identity,
            pass: candidate.pass,
        };
        self.known.insert(Box::from(path.as_os_str()), known);
        Finding::Settled(SettledFile {
            watch: self.watch.clone(),
            path: path.to_path_buf(),
            identity: candidate.identity,
            seen_by: candidate.seen_by,
            flaw,
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

    /// Keeps a candidate until its next look, and says why it waits if that is news.
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

    fn busy_look(&self) -> Duration {
        self.times.settle.clamp(BUSY_LOOK.0, BUSY_LOOK.1)
    }
}
