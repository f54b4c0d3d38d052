//! What to do with the file of a job that has ended: pure.

use std::path::Path;

use crate::config::{AfterUpload, Watch};
use crate::platform::Status;
use crate::queue::afterwards::{Action, Case};
use crate::queue::{Arrival, Job, State};

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// This.
    Do(Action),
    /// Nothing, for this reason.
    Keep(&'static str),
    /// The job that this one is a copy of is not done, or another's content may be in its video.
    Wait,
}

/// Decides by the job and by what its watch says now.
pub(super) fn plan(case: &Case, watch: Option<&Watch>) -> Plan {
    let (job, Some(watch)) = (&case.job, watch) else {
        return Plan::Do(Action::None);
    };
    let is_inside = job.path.starts_with(&watch.path);
    let was_moved = case.row.came_from.is_some();
    // The job followed its file, which is where an earlier `after-upload` has put it.
    let is_moved = !was_moved && case.row.moved_to.as_ref() == Some(&job.path);
    match job.state {
        State::Failed if !is_tried_again(job) => Plan::Do(Action::None),
        State::Failed => match &watch.afterwards.failed_dir {
            Some(_) if is_inside && !was_moved => Plan::Do(Action::FailedDir),
            Some(_) | None => Plan::Do(Action::None),
        },
        State::Done | State::Duplicate if case.original.state != State::Done => Plan::Wait,
        State::Done | State::Duplicate if let Some(replaced) = case.original.replaced => {
            match replaced.arrival {
                Arrival::Certain => Plan::Keep("its video has the content of another file by now"),
                Arrival::Sending | Arrival::Perhaps => Plan::Wait,
            }
        }
        State::Done | State::Duplicate => {
            let action = match watch.afterwards.after_upload {
                AfterUpload::Keep if was_moved => Action::Back,
                AfterUpload::Keep => return Plan::Do(Action::None),
                AfterUpload::Move => Action::Move,
                AfterUpload::Trash => Action::Trash,
                AfterUpload::Delete => Action::Delete,
            };
            if !is_inside && !was_moved {
                Plan::Keep("it is outside the watch folder")
            } else if is_moved {
                Plan::Keep("it is where it was moved to before")
            } else if case.original.video_key.is_none() {
                Plan::Keep(
                    "its video was not found on the platform, so it is not known to be ready",
                )
            } else {
                Plan::Do(action)
            }
        }
        State::Queued | State::Running | State::Cancelled => Plan::Do(Action::None),
    }
}

/// Whether a failed job accounts for its file, and does not wait for a person's decision.
pub(super) fn is_tried_again(job: &Job) -> bool {
    !job.superseded && !job.held
}

/// Whether the platform said once that its video is ready: enough for a note, and for nothing else.
pub(super) fn is_ready(job: &Job) -> bool {
    job.video_key.is_some() && job.platform == Some(Status::Ready)
}

/// The path of the file below its watch folder, or that which it had before it failed.
pub(super) fn below<'a>(case: &'a Case, watch: &Watch) -> &'a Path {
    let path = case.row.came_from.as_ref().unwrap_or(&case.job.path);
    path.strip_prefix(&watch.path)
        .unwrap_or_else(|_| Path::new(path.file_name().unwrap_or_default()))
}
