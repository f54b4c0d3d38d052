//! Does with one file what was decided, after a last look whether it is the one that was uploaded.
//!
//! Runs on a thread that may block.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::companions::{self, Left};
use super::files::{self, Errand, Trouble};
use super::plan;
use crate::beneath::{Error, Place};
use crate::config::Watch;
use crate::identity::Identity;
use crate::ingest::identify::sums;
use crate::ingest::source::{self, Problem, Source};
use crate::ingest::targets::{self, TRASH};
use crate::queue::afterwards::{Action, Case, Proof, Went};
use crate::queue::{Job, State};
use crate::watch::reach;
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
    /// How it went, if a sidecar stayed that is to follow it.
    pub(super) sidecar_left: Option<Went>,
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
    /// Whether a folder that files are moved to is there, and the right one.
    pub(super) target: &'a dyn Fn(&Path) -> Result<(), Trouble>,
}

/// The file, as a last look found it.
struct Look {
    /// It, for as long as something is done to it.
    held: File,
    identity: Identity,
    known: Known,
}

/// How well it is known that the file is what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Its content was compared with what was sent.
    Compared,
    /// Nothing was written to it since.
    Untouched,
    /// As far as `stat` tells: its ctime moved, and no checksum is known.
    Seemingly,
}

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
        let Some(at) = self.place()? else {
            return self.gone();
        };
        let Some(look) = self.look(&at)? else {
            return self.gone();
        };
        let errand = Errand {
            from: &at,
            held: &look.held,
            identity: look.identity,
            mark: &job.ingest_id,
            md5: self.md5(),
            stopped: self.stopped,
            before: self.before,
        };
        let mut why = "";
        let action = match (self.action, look.known, self.case.proof) {
            (Action::Delete, _, Proof::None) => {
                why = ", not deleted: nothing proves that the platform has every byte";
                Action::Trash
            }
            (Action::Delete, Known::Untouched | Known::Seemingly, _) => {
                why = ", not deleted: the checksum of what was sent is not known";
                Action::Trash
            }
            (action, ..) => action,
        };
        if action == Action::Delete {
            errand.take_away()?;
            let left = self.delete_companions(&at.beside(name(&job.path)));
            return Ok(End {
                outcome: format!("deleted{}", left.words()),
                moved_to: None,
                note: None,
                sidecar_left: left.has_sidecar.then_some(Went::Deleted),
            });
        }
        let to = errand.go(&self.wanted(action)?)?;
        self.end(&to, why)
            .ok_or_else(|| Trouble::Later(format!("{} cannot be looked at", text::path(to.path()))))
    }

    /// It is not to go after all: what a kill left half done is brought to its end where the file has its
    /// new name, and taken back where it has not.
    pub(super) fn take_back(&self) -> Result<Option<End>, Trouble> {
        if let Some(end) = self.arrived_before() {
            return Ok(Some(end));
        }
        let job = &self.case.job;
        match reach::place(Some(self.watch), &job.path) {
            Ok(own) => files::put_back(&own, &job.ingest_id).map(|()| None),
            Err(Error::Absent(_)) => Ok(None),
            Err(error) => Err(files::cannot("reach it", error)),
        }
    }

    /// The companions go along; then it is done.
    fn end(&self, to: &Place, why: &str) -> Option<End> {
        let meta = to.metadata().ok()?;
        let job = &self.case.job;
        // Where its folder is not there any more, nothing is left beside it.
        let (left, note) = match reach::place(Some(self.watch), &job.path) {
            Ok(from) => self.carry_companions((&from, to)),
            Err(_) => Default::default(),
        };
        let verb = match self.action {
            Action::Back => "moved back to",
            _ => "moved to",
        };
        Some(End {
            outcome: format!("{verb} {}{why}{}", text::path(to.path()), left.words()),
            moved_to: Some((to.path().to_path_buf(), Identity::of(&meta))),
            note,
            sidecar_left: left.has_sidecar.then_some(Went::Moved),
        })
    }

    /// What lies beside it goes where it went.
    pub(super) fn carry_companions(&self, places: (&Place, &Place)) -> (Left, Option<PathBuf>) {
        companions::carry(self.watch, self.case, places, |companion| {
            companion.with(self.stopped, |errand| errand.go(&companion.to))
        })
    }

    /// What lies beside it is deleted; a marker that is not empty goes to the trash. It cannot stay, since
    /// the next video of that name would count as complete at once.
    pub(super) fn delete_companions(&self, video: &Place) -> Left {
        companions::delete(self.watch, self.case, video, |companion| {
            companion.with(self.stopped, |errand| {
                if companion.is_told(&errand) {
                    return errand.take_away();
                }
                let trash = self.wanted(Action::Trash)?;
                errand.go(&trash.beside(companion.to.name())).map(drop)
            })
        })
    }

    /// It got its name before the last run ended, and nothing wrote that down.
    fn arrived_before(&self) -> Option<End> {
        let to = self.case.row.going_to.as_ref()?;
        let to = reach::place(Some(self.watch), to).ok()?;
        let job = &self.case.job;
        let has_it = |place: &Place| {
            let meta = place.metadata();
            meta.is_ok_and(|meta| meta.is_file() && is_it(&Identity::of(&meta), job))
        };
        let stayed = self.place().ok()?.is_some_and(|at| has_it(&at));
        if stayed || !has_it(&to) {
            return None;
        }
        self.end(&to, "")
    }

    /// Where the file is, under its own name or the hidden one. `None`: its folder is not there.
    fn place(&self) -> Result<Option<Place>, Trouble> {
        let job = &self.case.job;
        match reach::place(Some(self.watch), &job.path) {
            Ok(place) => Ok(Some(files::place(&place, &job.ingest_id))),
            Err(Error::Absent(_)) => {
                let root = reach::root(Some(self.watch), &job.path);
                match source::absence((&job.path, &job.identity), root) {
                    Problem::Gone => Ok(None),
                    away => Err(Trouble::Later(chain(&away))),
                }
            }
            Err(error) => Err(files::cannot("reach it", error)),
        }
    }

    /// A last look. `None`: it is not there.
    fn look(&self, at: &Place) -> Result<Option<Look>, Trouble> {
        let job = &self.case.job;
        let root = reach::root(Some(self.watch), &job.path);
        let source = match Source::at(at.clone(), job, root) {
            Ok(source) => source,
            Err(Problem::Gone) => return Ok(None),
            Err(Problem::Changed) => return Err(changed()),
            // What cannot be read may have failed for just that.
            Err(Problem::Unreadable(_)) if self.action == Action::FailedDir => {
                let held = at
                    .hold()
                    .map_err(|error| files::cannot("look at it", error))?;
                return held_look(held, Known::Untouched).map(Some);
            }
            Err(other) => return Err(Trouble::Later(chain(&other))),
        };
        let file = source.file().map_err(unreadable)?;
        let is_untouched = source.is_untouched_since(&job.identity);
        // What is destroyed is read once more, whatever `stat` tells.
        if is_untouched && self.action != Action::Delete {
            return held_look(file, Known::Untouched).map(Some);
        }
        let look = held_look(file, Known::Compared)?;
        let known = match self.is_what_was_sent(&look)? {
            Some(true) => Known::Compared,
            Some(false) => return Err(changed()),
            None if is_untouched => Known::Untouched,
            None => Known::Seemingly,
        };
        Ok(Some(Look { known, ..look }))
    }

    /// Reads the file, and compares it with the sum of what was sent. `None`: there is none.
    fn is_what_was_sent(&self, look: &Look) -> Result<Option<bool>, Trouble> {
        let jobs = [&self.case.job, &self.case.original];
        let parts = jobs.into_iter().find_map(|job| job.parts_md5.as_deref());
        let sizes: BTreeSet<u64> = parts.and_then(sums::part_size).into_iter().collect();
        if self.md5().is_none() && sizes.is_empty() {
            return Ok(None);
        }
        let read = sums::read(&look.held, look.identity.bytes(), &sizes, self.stopped);
        let sums = read.map_err(unreadable)?.ok_or(Trouble::Stopped)?;
        Ok(match (self.md5(), parts) {
            (Some(md5), _) => Some(sums.md5.eq_ignore_ascii_case(md5)),
            (None, Some(parts)) => sums.has_parts(parts),
            (None, None) => None,
        })
    }

    fn md5(&self) -> Option<&str> {
        let jobs = [&self.case.job, &self.case.original];
        jobs.into_iter().find_map(|job| job.md5.as_deref())
    }

    /// Where it is to lie.
    fn wanted(&self, action: Action) -> Result<Place, Trouble> {
        let afterwards = &self.watch.afterwards;
        let below = plan::below(self.case, self.watch);
        let trash = self.watch.path.join(TRASH);
        let target = match action {
            Action::Move => afterwards.move_to.as_ref(),
            Action::FailedDir => afterwards.failed_dir.as_ref(),
            Action::Trash => Some(&trash),
            Action::Back => {
                let from = self.case.row.came_from.as_ref().ok_or(Trouble::Stopped)?;
                let place = reach::make_place(self.watch, from);
                return place.map_err(|error| files::cannot("move it back", error));
            }
            Action::Undecided | Action::None | Action::Keep | Action::Delete => None,
        };
        let target = target.ok_or(Trouble::Stopped)?;
        (self.target)(target)?;
        let base = if action == Action::Trash {
            target.join(clock::local().date().to_string())
        } else {
            target.clone()
        };
        // One in the watch folder is made there, below; that must be there itself.
        if !target.starts_with(&self.watch.path) {
            targets::make(target).map_err(|error| files::cannot("make its folder", error))?;
        }
        let place = reach::make_place_beneath(self.watch, &base.join(below));
        place.map_err(|error| files::cannot("move it", error))
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
            sidecar_left: None,
        })
    }
}

fn held_look(held: File, known: Known) -> Result<Look, Trouble> {
    let identity = Identity::of(&held.metadata().map_err(unreadable)?);
    Ok(Look {
        held,
        identity,
        known,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn unreadable(error: std::io::Error) -> Trouble {
    Trouble::Later(format!("cannot read it: {error}"))
}

fn name(path: &Path) -> &std::ffi::OsStr {
    path.file_name().unwrap_or_default()
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
