//! Does with one file what was decided, after a last look whether it is the one that was uploaded.
//!
//! Runs on a thread that may block.

use std::fs;
use std::path::{Path, PathBuf};

use super::companions::{self, Companion};
use super::files::{self, Errand, Trouble};
use super::plan;
use crate::config::Watch;
use crate::identity::Identity;
use crate::ingest::source::{Problem, Source};
use crate::queue::afterwards::{Action, Case, Proof};
use crate::queue::{Job, State};
use crate::{chain, clock, text};

/// What became of a file.
#[derive(Debug)]
pub(super) struct End {
    /// In words.
    pub(super) outcome: String,
    /// Where it lies now, and which file it is there, if it was moved.
    pub(super) moved_to: Option<(PathBuf, Identity)>,
    /// Where the note of its failure lies now.
    pub(super) note: Option<PathBuf>,
}

/// One file to be seen to.
pub(super) struct Task<'a> {
    /// Its job.
    pub(super) case: &'a Case,
    /// Its watch.
    pub(super) watch: &'a Watch,
    /// What is to be done.
    pub(super) action: Action,
    /// Whether to break off.
    pub(super) stopped: &'a dyn Fn() -> bool,
    /// Before a file gets this name.
    pub(super) before: &'a dyn Fn(&Path) -> Result<(), Trouble>,
}

/// Whether the file is the one that was uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// It is.
    Same,
    /// As far as `stat` tells: its ctime moved, and no checksum is known.
    Seemingly,
}

/// The folder for `"trash"`, at the top of the watch folder.
const TRASH: &str = ".trash";

impl Task<'_> {
    /// Does it.
    pub(super) fn run(&self) -> Result<End, Trouble> {
        if let Some(end) = self.arrived_before() {
            return Ok(end);
        }
        let job = &self.case.job;
        if !matches!(job.state, State::Done | State::Duplicate | State::Failed) {
            // It was queued again, and is to find its file where it is.
            return Err(Trouble::Stopped);
        }
        let at = files::place(&job.path, &job.ingest_id);
        let Some((identity, look)) = self.look(&at)? else {
            return self.gone();
        };
        let errand = Errand {
            from: &at,
            identity,
            mark: &job.ingest_id,
            md5: self.md5(),
            stopped: self.stopped,
            before: self.before,
        };
        let mut why = "";
        let action = match (self.action, look, self.case.proof) {
            (Action::Delete, _, Proof::None) => {
                why = ", not deleted: nothing proves that the platform has every byte";
                Action::Trash
            }
            (Action::Delete, Look::Seemingly, _) => {
                why = ", not deleted: something touched it since, and its checksum is not known";
                Action::Trash
            }
            (action, ..) => action,
        };
        if action == Action::Delete {
            errand.take_away()?;
            let left = companions::delete(self.watch, &job.path);
            return Ok(End {
                outcome: format!("deleted{}", left.words()),
                moved_to: None,
                note: None,
            });
        }
        let wanted = self.wanted(action)?;
        let to = errand.go(&wanted)?;
        self.end(&to, why)
            .ok_or_else(|| Trouble::Later(format!("{} cannot be looked at", text::path(&to))))
    }

    /// The companions go along; then it is done.
    fn end(&self, to: &Path, why: &str) -> Option<End> {
        let meta = fs::symlink_metadata(to).ok()?;
        let job = &self.case.job;
        let carry = |companion: &Companion| {
            let meta = fs::symlink_metadata(&companion.from).ok()?;
            let errand = Errand {
                from: &companion.from,
                identity: Identity::of(&meta),
                mark: &companion.mark,
                md5: None,
                stopped: self.stopped,
                before: &|_| Ok(()),
            };
            Some(errand.go(&companion.to))
        };
        let (left, note) = companions::carry(self.watch, (job, to), carry);
        let verb = match self.action {
            Action::Back => "moved back to",
            _ => "moved to",
        };
        Some(End {
            outcome: format!("{verb} {}{why}{}", text::path(to), left.words()),
            moved_to: Some((to.to_path_buf(), Identity::of(&meta))),
            note,
        })
    }

    /// It got its name before the last run ended, and nothing wrote that down.
    fn arrived_before(&self) -> Option<End> {
        let to = self.case.row.going_to.as_ref()?;
        let job = &self.case.job;
        let at = files::place(&job.path, &job.ingest_id);
        let is_at = fs::symlink_metadata(&at).is_ok_and(|meta| is_it(&Identity::of(&meta), job));
        let meta = fs::symlink_metadata(to).ok()?;
        if is_at || !is_it(&Identity::of(&meta), job) {
            return None;
        }
        self.end(to, "")
    }

    /// A last look. `None`: it is not there.
    fn look(&self, at: &Path) -> Result<Option<(Identity, Look)>, Trouble> {
        let root = self.root();
        let job = Job {
            path: at.to_path_buf(),
            ..self.case.job.clone()
        };
        let source = match Source::open(&job, Some(self.watch)) {
            Ok(source) => source,
            Err(Problem::Gone) => return Ok(None),
            Err(Problem::Changed) => return Err(changed()),
            // What cannot be read may have failed for just that.
            Err(Problem::Unreadable(_)) if self.action == Action::FailedDir => {
                let meta = fs::symlink_metadata(at);
                let meta = meta.map_err(|error| files::cannot("look at", at, &error))?;
                return Ok(Some((Identity::of(&meta), Look::Same)));
            }
            Err(other) => return Err(Trouble::Later(chain(&other))),
        };
        let folder = at.parent().unwrap_or(at);
        match folder.canonicalize() {
            Ok(real) if real.starts_with(root) => {}
            Ok(_) => {
                return Err(Trouble::Kept(
                    "a symbolic link leads from its folder to elsewhere".to_owned(),
                ));
            }
            Err(error) => return Err(files::cannot("reach", folder, &error)),
        }
        let meta = fs::symlink_metadata(at);
        let meta = meta.map_err(|error| files::cannot("look at", at, &error))?;
        let identity = Identity::of(&meta);
        if source.is_untouched_since(&job.identity) {
            return Ok(Some((identity, Look::Same)));
        }
        let Some(md5) = self.md5() else {
            return Ok(Some((identity, Look::Seemingly)));
        };
        match source.md5(self.stopped) {
            Ok(Some(now)) if now == md5 => Ok(Some((identity, Look::Same))),
            Ok(Some(_)) => Err(changed()),
            Ok(None) => Err(Trouble::Stopped),
            Err(error) => Err(files::cannot("read", at, &error)),
        }
    }

    /// The folder that the file lies below: its watch's, or the one for what failed.
    fn root(&self) -> &Path {
        let path = &self.case.job.path;
        let mut roots = self.watch.afterwards.folders().map(|(_, folder)| folder);
        if path.starts_with(&self.watch.path) {
            return &self.watch.path;
        }
        roots
            .find(|root| path.starts_with(root))
            .unwrap_or_else(|| path.parent().unwrap_or(path))
    }

    fn md5(&self) -> Option<&str> {
        let jobs = [&self.case.job, &self.case.original];
        jobs.into_iter().find_map(|job| job.md5.as_deref())
    }

    /// Where it is to lie.
    fn wanted(&self, action: Action) -> Result<PathBuf, Trouble> {
        let afterwards = &self.watch.afterwards;
        let below = plan::below(self.case, self.watch);
        let base = match action {
            Action::Move => afterwards.move_to.clone(),
            Action::FailedDir => afterwards.failed_dir.clone(),
            Action::Trash => {
                let day = clock::local().date().to_string();
                Some(self.watch.path.join(TRASH).join(day))
            }
            Action::Back => {
                let from = self.case.row.came_from.clone();
                return from.ok_or(Trouble::Stopped);
            }
            Action::Undecided | Action::None | Action::Keep | Action::Delete => None,
        };
        let base = base.ok_or(Trouble::Stopped)?;
        // One elsewhere may be on a share: made by us, it would lie beneath that.
        let is_ours = base.starts_with(&self.watch.path) && self.watch.path.is_dir();
        if !is_ours && !base.is_dir() {
            return Err(Trouble::Later(format!(
                "the folder {} is not there; is its disk or share mounted?",
                base.display()
            )));
        }
        Ok(base.join(below))
    }

    /// Not at its path; a rename may be about to be noticed, so it is looked for once more.
    fn gone(&self) -> Result<End, Trouble> {
        if self.case.row.attempts == 0 {
            return Err(Trouble::Later("the file is not at its place".to_owned()));
        }
        Ok(End {
            outcome: "left alone: the file is not there any more".to_owned(),
            moved_to: None,
            note: None,
        })
    }
}

fn changed() -> Trouble {
    Trouble::Kept("it changed after it was uploaded".to_owned())
}

/// Whether it is the job's file, or a copy with its times; some filesystems round them to two
/// seconds.
fn is_it(identity: &Identity, job: &Job) -> bool {
    let apart = identity.mtime_ns.abs_diff(job.identity.mtime_ns);
    identity.size == job.identity.size && apart <= 2_000_000_000
}
