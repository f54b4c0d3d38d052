//! A job in the cells of a table: its step, when something happens, and how far its upload is.
#![deny(clippy::wildcard_enum_match_arm)]

use jiff::SignedDuration;

use super::standing::Around;
use super::text;
use super::time::{Present, span};
use crate::queue::query::Progress;
use crate::queue::{Job, Standing};

/// Progress is noted about once a second; older than this, it is no longer noted.
const STALE: SignedDuration = SignedDuration::from_secs(15);

/// The step as the table has it: short, with the live progress of an upload.
pub(crate) fn step(job: &Job, around: Around<'_>) -> String {
    let runs = around.daemon != Some(false);
    match job.standing() {
        Standing::Held => "waits for you".to_owned(),
        Standing::Turn
        | Standing::WaitingForCopy
        | Standing::Confirming
        | Standing::SeekingKey
        | Standing::Failed
        | Standing::Gone => step_word(job.step.word()).to_owned(),
        Standing::Creating if runs => "creating the video".to_owned(),
        Standing::Uploading if runs => around.progress.map_or_else(
            || "uploading".to_owned(),
            |progress| so_far(progress, job.identity.size, around.present),
        ),
        Standing::Creating | Standing::Uploading => around.progress.map_or_else(
            || step_word(job.step.word()).to_owned(),
            |progress| format!("was at {}", share(progress, job.identity.size)),
        ),
        Standing::Done => "ready".to_owned(),
        Standing::DoneWithoutKey => "without a key".to_owned(),
        Standing::BeingReplaced => format!("being replaced by job {}", replaced_by(job)),
        Standing::MaybeReplaced => format!("maybe replaced by job {}", replaced_by(job)),
        Standing::Replaced => format!("replaced by job {}", replaced_by(job)),
        Standing::Cancelled | Standing::Superseded => String::new(),
        Standing::Duplicate => job
            .duplicate_of
            .map_or_else(String::new, |original| format!("of job {original}")),
    }
}

/// The number of the job whose content its video has, or may have.
fn replaced_by(job: &Job) -> i64 {
    job.replaced.map_or(0, |replaced| replaced.by.0)
}

/// The word that people read for a step; the table and the JSON have the other ones.
pub(crate) fn step_word(column: &str) -> &str {
    match column {
        "transfer" => "upload",
        "confirm" => "waiting for ready",
        other => other,
    }
}

/// When something happens next, or happened last.
pub(crate) fn when(job: &Job, around: Around<'_>) -> String {
    match job.standing() {
        Standing::Turn | Standing::WaitingForCopy | Standing::Confirming | Standing::SeekingKey => {
            if around.paused.is_some() {
                "paused".to_owned()
            } else if job.run_at > around.present.now {
                around.present.distance(job.run_at)
            } else {
                "due".to_owned()
            }
        }
        Standing::Creating | Standing::Uploading => {
            if around.daemon == Some(false) {
                "at the next start".to_owned()
            } else {
                "now".to_owned()
            }
        }
        Standing::Done
        | Standing::DoneWithoutKey
        | Standing::BeingReplaced
        | Standing::MaybeReplaced
        | Standing::Replaced
        | Standing::Failed
        | Standing::Gone
        | Standing::Held
        | Standing::Cancelled
        | Standing::Superseded
        | Standing::Duplicate => job
            .finished_at
            .map_or_else(String::new, |at| around.present.distance(at)),
    }
}

/// "540 MB (45 %), 12.3 MB/s, 3 min left"
pub(super) fn so_far(progress: &Progress, size: i64, present: &Present) -> String {
    let sent = share(progress, size);
    let age = present.now.duration_since(progress.updated_at);
    if age > STALE {
        return format!("{sent}, no news for {}", span(age.as_secs()));
    }
    let rate = progress.bytes_per_second;
    let left = size.saturating_sub(progress.bytes_sent).max(0);
    if rate <= 0 {
        // Not known yet, or next to nothing.
        return sent;
    }
    format!("{sent}, {}/s, {} left", text::size(rate), span(left / rate))
}

/// "540 MB (45 %)"
fn share(progress: &Progress, size: i64) -> String {
    format!(
        "{} ({} %)",
        text::size(progress.bytes_sent),
        text::per_cent(progress.bytes_sent, size)
    )
}
