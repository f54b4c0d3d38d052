//! A sidecar that stayed when its video went follows it, once its content was sent to the platform.
//!
//! Runs on a thread that may block.

use super::files::{Trouble, cannot};
use super::task::{End, Task, Whereabouts};
use crate::beneath::{Error, Place};
use crate::config::{AfterUpload, TRASH, Watch};
use crate::queue::State;
use crate::queue::afterwards::{Action, Case, Went};
use crate::text;
use crate::watch::reach;

impl Task<'_> {
    /// The sidecar goes where its video went, if it says what was sent to the platform; killed on
    /// any line, the rest goes at the next attempt.
    pub(super) fn follow(&self, went: Went) -> Result<End, Trouble> {
        if !matches!(self.case.job.state, State::Done | State::Duplicate) {
            return Err(Trouble::Stopped);
        }
        let watch = self.watch.ok_or(Trouble::Stopped)?;
        let video = match reach::place(self.watch, &self.case.job.path) {
            Ok(video) => video,
            Err(Error::Absent(_)) => return Ok(self.followed(None, "")),
            Err(error) => return Err(cannot("reach its sidecar", error)),
        };
        if video.is_taken() {
            return Ok(self.followed(
                None,
                "; the sidecar beside it belongs to another file by now",
            ));
        }
        let left = match went {
            Went::Deleted if watch.afterwards.after_upload != AfterUpload::Delete => {
                return Ok(
                    self.followed(None, "; its sidecar stayed: files are not deleted any more")
                );
            }
            Went::Deleted => {
                (self.permit)(None)?;
                self.delete_companions(&video)
            }
            Went::Moved => {
                let there = self.beside_which(watch)?;
                (self.permit)(None)?;
                self.carry_companions((&video, &there)).0
            }
        };
        Ok(self.followed(left.has_sidecar.then_some(went), &left.words()))
    }

    /// Where its video is, or was before it was taken from there.
    fn beside_which(&self, watch: &Watch) -> Result<Place, Trouble> {
        let moved_to = self.case.row.moved_to.as_ref().ok_or(Trouble::Stopped)?;
        let trash = watch.path.join(TRASH);
        let mut targets = watch.afterwards.move_to.iter().chain([&trash]);
        if let Some(target) = targets.find(|target| moved_to.starts_with(target)) {
            (self.target)(target)?;
        }
        let place = reach::make_place_beneath(watch, moved_to);
        place.map_err(|error| cannot("move its sidecar", error))
    }

    fn followed(&self, sidecar_left: Option<Went>, words: &str) -> End {
        End {
            outcome: format!("{}{words}", so_far(self.case)),
            file: Whereabouts::Same,
            note: None,
            sidecar_left,
        }
    }
}

/// What became of the video itself.
pub(super) fn so_far(case: &Case) -> String {
    match (case.row.sidecar_left, &case.row.moved_to) {
        (Some(Went::Moved), Some(to)) if case.row.action == Action::Delete => {
            format!("moved to {}, not deleted", text::path(to))
        }
        (Some(Went::Moved), Some(to)) => format!("moved to {}", text::path(to)),
        _ => "deleted".to_owned(),
    }
}
