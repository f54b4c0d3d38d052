//! Does with one file what was decided: looks at it, asks the platform, and then it goes. The order
//! is that of the module's head.
//!
//! Runs on a thread that may block.

use std::path::{Path, PathBuf};

use super::companions;
use super::copies;
use super::files::{self, Errand, Trouble};
use super::hiding;
use super::left::Left;
use super::look::{self, Known, Look};
use super::plan;
use super::still::Still;
use super::strays;
use super::traces::{self, Found};
use crate::beneath::Place;
use crate::config::{TRASH, Watch};
use crate::identity::Identity;
use crate::ingest::{identify, targets};
use crate::queue::State;
use crate::queue::afterwards::{Action, Case, Proof, Went};
use crate::watch::filesystem::may_be_stale;
use crate::watch::reach;
use crate::{clock, text};

/// What became of a file.
#[derive(Debug)]
pub(super) struct End {
    /// In words.
    pub(super) outcome: String,
    /// Where it is now.
    pub(super) file: Whereabouts,
    /// Where the note of its failure is now.
    pub(super) note: Option<PathBuf>,
    /// How it went, if a sidecar stayed that must follow it.
    pub(super) sidecar_left: Option<Went>,
}

/// Where a file is at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// As before.
    Same,
    /// Here, and which file it is there.
    Moved(PathBuf, Identity),
    /// Nowhere.
    Deleted,
}

/// What is written down in between, so that a later look is not misled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Note {
    /// The file has its hidden name, and is unlinked next: if it has neither name, it was deleted.
    Unlinks,
    /// The file has its own name: it got none that was noted.
    HasItsName,
    /// A copy is begun under this hidden name.
    Copies(PathBuf),
}

/// One file to be seen to.
pub(super) struct Task<'a> {
    /// Its job.
    pub(super) case: &'a Case,
    /// Its watch, if the configuration has it.
    pub(super) watch: Option<&'a Watch>,
    /// What to do.
    pub(super) action: Action,
    /// Whether to break off.
    pub(super) stopped: &'a dyn Fn() -> bool,
    /// Whether the file may get this name now, or what is left beside it may go (`None`): asked right before.
    pub(super) permit: &'a dyn Fn(Option<&Path>) -> Result<(), Trouble>,
    /// Whether the last yes still counts, and nothing has given this attempt up: asked right before something goes.
    pub(super) is_fresh: &'a dyn Fn() -> Result<(), Trouble>,
    /// Whether a folder that files are moved to is there, and the right one.
    pub(super) target: &'a dyn Fn(&Path) -> Result<(), Trouble>,
    /// Writes that down.
    pub(super) note: &'a dyn Fn(Note) -> Result<(), Trouble>,
}

impl Task<'_> {
    /// Does it. However it ends, the file has its own name, its new one, or none.
    pub(super) fn run(&self) -> Result<End, Trouble> {
        let outcome = self.attempt();
        match outcome {
            Ok(end) => Ok(end),
            Err(Trouble::NotUp(refused)) => {
                if let Err(trouble) = self.put_back() {
                    tracing::warn!("{}: {trouble:?}", text::path(&self.case.job.path));
                }
                Err(Trouble::NotUp(refused))
            }
            Err(trouble) => {
                self.put_back()?;
                Err(trouble)
            }
        }
    }

    /// The file gets its own name back. A name that was noted is forgotten then: should the file go away later, it is
    /// a person who took it.
    fn put_back(&self) -> Result<(), Trouble> {
        traces::put_back(self.case, self.watch)?;
        if traces::has_its_name(self.case, self.watch)
            && let Err(trouble) = (self.note)(Note::HasItsName)
        {
            tracing::debug!("{}: {trouble:?}", text::path(&self.case.job.path));
        }
        Ok(())
    }

    fn attempt(&self) -> Result<End, Trouble> {
        let job = &self.case.job;
        let found = traces::find(self.case, self.watch)?;
        self.put_back_strays(&found)?;
        let at = match found {
            Found::Arrived(to) => return self.end(&to, ""),
            Found::Deleted(own) => {
                (self.permit)(None)?;
                return Ok(self.was_deleted(own.filter(|own| !own.is_taken()).as_ref()));
            }
            Found::Nowhere => return self.gone(),
            Found::Unknown(why) => return Err(Trouble::Later(why)),
            Found::Here(at) => at,
        };
        if !matches!(job.state, State::Done | State::Duplicate | State::Failed) {
            // It was queued again, and must find its file where it is.
            return Err(Trouble::Stopped);
        }
        let which = (self.case, self.watch);
        match look::look(which, (&at, self.action), self.stopped)? {
            Some(look) => self.act(&at, &look),
            None => self.gone(),
        }
    }

    /// A kill may have left something hidden in a folder that has another path by now.
    fn put_back_strays(&self, found: &Found) -> Result<(), Trouble> {
        let is_away = || {
            let own = reach::place(self.watch, &self.case.job.path);
            own.is_err_and(|error| error.is_absence())
        };
        let may_be_away = match found {
            // The folder may have been made again, with another file of the same name.
            Found::Here(at) => traces::is_another_than_hidden(self.case, at),
            Found::Nowhere | Found::Deleted(_) | Found::Unknown(_) => true,
            Found::Arrived(_) => is_away(),
        };
        if may_be_away && strays::put_back(self.case, self.watch, self.stopped)? {
            let why = "its folder was renamed; it has its own name there";
            return Err(Trouble::Later(why.to_owned()));
        }
        if matches!(found, Found::Nowhere) {
            self.check_target()?;
        }
        Ok(())
    }

    /// Whether a file that was about to get a name at a target may be said to be nowhere: while that is offline it may be
    /// there.
    fn check_target(&self) -> Result<(), Trouble> {
        let (Some(watch), Some(to)) = (self.watch, &self.case.row.going_to) else {
            return Ok(());
        };
        match reach::root(self.watch, to) {
            Some(target) if target != watch.path => (self.target)(target),
            Some(_) | None => Ok(()),
        }
    }

    /// It goes.
    fn act(&self, at: &Place, look: &Look) -> Result<End, Trouble> {
        let job = &self.case.job;
        let kind = identify::kind(&job.path);
        let errand = Errand {
            from: at,
            held: &look.held,
            identity: look.identity,
            mark: &job.ingest_id,
            md5: look::md5(self.case),
            stopped: self.stopped,
            before: &|to| (self.permit)(Some(to)),
            copies: &|copy| (self.note)(Note::Copies(copy.to_path_buf())),
            still: Still {
                watch: self.watch,
                fingerprint: job.fingerprint.as_deref().map(|known| (known, kind)),
                may_be_stale: may_be_stale(&look.held),
                is_sent: &|file| look::is_sent(self.case, (file, &look.identity), self.stopped),
                is_fresh: self.is_fresh,
            },
        };
        let why = match (self.action, look.known, self.case.proof) {
            (Action::Delete, _, Proof::None) => {
                ", not deleted: no checksum proves that the platform has every byte"
            }
            (Action::Delete, Known::Untouched | Known::Seemingly, _) => {
                ", not deleted: the checksum of what was sent is not known"
            }
            (Action::Delete, Known::Compared, _) => {
                errand.take_away_after(&|| (self.note)(Note::Unlinks))?;
                let own = at.beside(job.path.file_name().unwrap_or_default());
                return Ok(self.was_deleted(Some(&own)));
            }
            _ => "",
        };
        let action = if self.action == Action::Delete {
            Action::Trash
        } else {
            self.action
        };
        let wanted = self.wanted(action)?;
        self.settle_copy(&wanted)?;
        let to = errand.go(&wanted)?;
        self.end(&to, why)
    }

    /// A copy that was begun in another folder is settled before the file goes elsewhere.
    fn settle_copy(&self, wanted: &Place) -> Result<(), Trouble> {
        let new = hiding::hidden(wanted, &self.case.job.ingest_id, "part");
        let noted = self.case.row.copy.as_deref();
        if noted.is_none_or(|noted| noted == new.path()) {
            return Ok(());
        }
        match copies::end((self.case, self.watch), false, self.stopped) {
            Err(Trouble::Stopped) => Err(Trouble::Stopped),
            fate => {
                tracing::debug!(job.id = self.case.job.id.0, "an earlier copy: {fate:?}");
                Ok(())
            }
        }
    }

    /// It was deleted; what is beside the name that it had goes too.
    fn was_deleted(&self, own: Option<&Place>) -> End {
        let left = own.map_or_else(Left::default, |own| self.delete_companions(own));
        End {
            outcome: format!("deleted{}", left.words()),
            file: Whereabouts::Deleted,
            note: None,
            sidecar_left: left.has_sidecar.then_some(Went::Deleted),
        }
    }

    /// It is not to go after all: what a kill left half done is brought to its end where the file has its
    /// new name or none, and taken back where it has its old one.
    pub(super) fn take_back(&self) -> Result<Option<End>, Trouble> {
        let found = traces::find(self.case, self.watch)?;
        self.put_back_strays(&found)?;
        // Without its watch nothing goes along.
        let goes_along = matches!(found, Found::Arrived(_)) && self.watch.is_some();
        let own = reach::place(self.watch, &self.case.job.path);
        if let (false, Ok(own)) = (goes_along, own) {
            companions::put_back(self.watch, self.case, &own);
        }
        match found {
            Found::Arrived(to) => self.end(&to, "").map(Some),
            Found::Deleted(_) => Ok(Some(self.was_deleted(None))),
            Found::Unknown(why) => Err(Trouble::Later(why)),
            Found::Here(_) | Found::Nowhere => {
                traces::put_back(self.case, self.watch).map(|()| None)
            }
        }
    }

    /// The companions go along; then it is done.
    fn end(&self, to: &Place, why: &str) -> Result<End, Trouble> {
        let meta = to.metadata();
        let meta = meta.map_err(|error| files::cannot("access it", error))?;
        let job = &self.case.job;
        files::forget_copy(to, &job.ingest_id);
        // Where its folder is not there any more, nothing is left beside it.
        let (left, note) = match reach::place(self.watch, &job.path) {
            Ok(from) => self.carry_companions((&from, to)),
            Err(_) => Default::default(),
        };
        let verb = match self.action {
            Action::Back => "moved back to",
            _ => "moved to",
        };
        Ok(End {
            outcome: format!("{verb} {}{why}{}", text::path(to.path()), left.words()),
            file: Whereabouts::Moved(to.path().to_path_buf(), Identity::of(&meta)),
            note,
            sidecar_left: left.has_sidecar.then_some(Went::Moved),
        })
    }

    /// What is beside it goes where it went.
    pub(super) fn carry_companions(&self, places: (&Place, &Place)) -> (Left, Option<PathBuf>) {
        let Some(watch) = self.watch else {
            return Default::default();
        };
        companions::carry(watch, self.case, places, |companion| {
            companion.with((self.watch, self.stopped), |errand| {
                errand.go(&companion.to)
            })
        })
    }

    /// What is beside it is deleted; a marker that is not empty goes to the trash. It cannot stay,
    /// since the next video of that name would count as complete at once.
    pub(super) fn delete_companions(&self, video: &Place) -> Left {
        let Some(watch) = self.watch else {
            return Left::default();
        };
        companions::delete(watch, self.case, video, |companion| {
            companion.with((self.watch, self.stopped), |errand| {
                if companion.is_told(&errand) {
                    return errand.take_away();
                }
                let trash = self.wanted(Action::Trash)?;
                errand.go(&trash.beside(companion.to.name())).map(drop)
            })
        })
    }

    /// Where it should be.
    fn wanted(&self, action: Action) -> Result<Place, Trouble> {
        let watch = self.watch.ok_or(Trouble::Stopped)?;
        let afterwards = &watch.afterwards;
        let below = plan::below(self.case, watch);
        let trash = watch.path.join(TRASH);
        let target = match action {
            Action::Move => afterwards.move_to.as_ref(),
            Action::FailedDir => afterwards.failed_dir.as_ref(),
            Action::Trash => Some(&trash),
            Action::Back => {
                let from = self.case.row.came_from.as_ref().ok_or(Trouble::Stopped)?;
                let place = reach::make_place(watch, from);
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
        if !target.starts_with(&watch.path) {
            targets::make(target).map_err(|error| files::cannot("make its folder", error))?;
        }
        let place = reach::make_place_beneath(watch, &base.join(below));
        place.map_err(|error| files::cannot("move it", error))
    }

    /// Not at its path; a rename may be about to be noticed, so it is looked for once more.
    fn gone(&self) -> Result<End, Trouble> {
        if self.case.row.attempts == 0 {
            return Err(Trouble::Later("the file is not at its place".to_owned()));
        }
        Ok(End {
            outcome: "left alone: the file is not there any more".to_owned(),
            file: Whereabouts::Same,
            note: None,
            sidecar_left: None,
        })
    }
}
