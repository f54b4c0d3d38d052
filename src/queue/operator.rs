//! What people order from the command line: try again, cancel.
//!
//! Each order is one transaction of the command's own; a running daemon sees within a second that
//! the table changed, and a worker whose job was cancelled finds its lease gone.

use jiff::Timestamp;
use rusqlite::types::Null;
use rusqlite::{Connection, OptionalExtension};

use super::afterwards;
use super::error::Error;
use super::job::{COLUMNS, Job, JobId, State, Step};
use super::outcome::{Report, close_attempt, forget_video};
use super::row::{self, Final};
use super::sql::At;
use super::standing::Standing;
use super::ticket::forget_transfer;
use super::withdraw;
use crate::status::Status;
use crate::text;
use crate::way::Way;

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is carried out; the text says how.
    Done(String),
    /// It makes no sense for this job; the text says why, and what would.
    Refused(String),
}

/// Queues a failed or cancelled job again, due at once, and brings one forward that waits.
///
/// A duplicate, or a job that waits for one with the same content, becomes a video of its own.
pub fn retry(db: &Connection, id: JobId, now: Timestamp) -> Result<Answer, Error> {
    let Some(job) = by_id(db, id)? else {
        return Ok(Answer::Refused(format!("there is no job {id}")));
    };
    if let Some(why) = not_to_retry(&job) {
        return Ok(Answer::Refused(why));
    }
    if afterwards::is_deleted(db, id)? {
        return Ok(Answer::Refused(format!(
            "the file of job {id} was deleted because the platform has its content; to upload it as a video of its own, \
             put the file into the folder again"
        )));
    }
    // It failed after its bytes had arrived; cancelled, it is one that had failed so before.
    let after_bytes = job.state != State::Queued && job.step == Step::Confirm;
    if after_bytes && !is_unfinished(&job) {
        let reason = "the platform could not use it, or never got it; it is uploaded again";
        withdraw::video(db, id, reason, now)?;
        forget_video(db, id)?;
        forget_transfer(db, id)?;
    }
    let fresh_wait = after_bytes && is_unfinished(&job);
    let is_copy = job.state == State::Duplicate || job.waits_for.is_some();
    // Decided: it becomes a video of its own, even if it should have replaced another.
    let is_decided = job.held;
    if fresh_wait {
        row::set(db, id, &[("sent_at", &At(now))])?;
    }
    row::set(
        db,
        id,
        &[
            ("state", &State::Queued.word()),
            ("run_at", &At(now)),
            ("finished_at", &Null),
            ("failing_since", &Null),
            ("attempts", &0),
            ("held", &false),
            ("by_hand", &(job.by_hand || is_copy || is_decided)),
            ("duplicate_of", &Null),
            ("waits_for", &Null),
        ],
    )?;
    Ok(Answer::Done(if is_copy {
        format!(
            "job {id} is queued again, and becomes a video of its own, although another job has \
             the same content"
        )
    } else if is_decided {
        format!("job {id} is queued again, and becomes another video")
    } else {
        format!("job {id} is queued again")
    }))
}

/// Why a job cannot be tried again.
fn not_to_retry(job: &Job) -> Option<String> {
    let id = job.id;
    match job.standing() {
        Standing::Gone | Standing::Superseded => Some(format!(
            "the file of job {id} changed or went away; a file that is there becomes a job of its own as soon as it settles"
        )),
        Standing::Failed | Standing::Held | Standing::Cancelled => job.replaced.map(|replaced| {
            format!(
                "job {} took the place of the file of job {id}, and its video; a file that is there is a job of its own",
                replaced.by
            )
        }),
        Standing::Done
        | Standing::DoneWithoutKey
        | Standing::BeingReplaced
        | Standing::MaybeReplaced
        | Standing::Replaced => Some(format!(
            "job {id}: nothing to retry, it is already uploaded"
        )),
        Standing::Creating | Standing::Uploading => Some(format!("job {id} is already running")),
        Standing::Turn
        | Standing::WaitingForCopy
        | Standing::Confirming
        | Standing::SeekingKey
        | Standing::Duplicate => None,
    }
}

/// The platform has the bytes and never said that it failed: it may still become ready. One that
/// still says `created` after all that time never got them, even if the upload server said so.
fn is_unfinished(job: &Job) -> bool {
    matches!(
        job.platform,
        None | Some(Status::Processing | Status::Updating)
    )
}

/// All failed jobs whose file is still there to be tried, oldest first; none that is held.
pub fn failed(db: &Connection) -> Result<Vec<JobId>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT id FROM jobs WHERE state = 'failed' AND phase = 'failed' ORDER BY id",
    )?;
    let ids = statement.query_map([], |row| row.get(0).map(JobId))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Takes a job out of the queue; an upload in progress ends, and what it had begun is withdrawn.
/// One whose bytes may have arrived is refused: its video could not be distinguished from an
/// unknown one.
pub fn cancel(db: &Connection, id: JobId, now: Timestamp) -> Result<Answer, Error> {
    let Some(job) = by_id(db, id)? else {
        return Ok(Answer::Refused(format!("there is no job {id}")));
    };
    if let Some(why) = may_be_there(db, &job)? {
        return Ok(Answer::Refused(why));
    }
    if let Some(why) = not_to_cancel(&job) {
        return Ok(Answer::Refused(why));
    }
    // It is not known how much of it is there: the platform may still be at it.
    if job.standing() == Standing::Confirming {
        withdraw::video(db, id, "the job was cancelled", now)?;
        forget_video(db, id)?;
    }
    withdraw::begun_video(db, id, "the job was cancelled", now)?;
    end_by_hand(db, id, "cancelled by hand", now)?;
    Ok(Answer::Done(format!("job {id} is cancelled")))
}

/// Takes a job out of the queue whose account the configuration does not have any more: nothing can be asked
/// or withdrawn there, so that what may be on the platform is named, and stays.
pub fn cancel_without_account(db: &Connection, job: &Job, now: Timestamp) -> Result<Answer, Error> {
    let id = job.id;
    if !matches!(job.state, State::Queued | State::Running | State::Failed) {
        return cancel(db, id, now);
    }
    let video = match (&job.video_key, job.step) {
        (Some(key), _) => format!("video {key}"),
        (None, Step::Transfer | Step::Confirm) => format!("the video of {}", text::path(&job.path)),
        (None, Step::Create) if job.create_sent_at.is_some() => {
            format!("a video with the mark {}", job.ingest_id)
        }
        (None, Step::Create) => return cancel(db, id, now),
    };
    let said = format!(
        "the configuration does not have account {:?} any more, so that the platform was not asked: {video} may be \
         there; delete it there if it must go",
        job.account
    );
    // With all bytes there, a retry can still wait for `ready`; anything less is begun again.
    if job.step != Step::Confirm {
        forget_video(db, id)?;
    }
    end_by_hand(db, id, &format!("cancelled by hand; {said}"), now)?;
    Ok(Answer::Done(format!("job {id} is cancelled; {said}")))
}

fn end_by_hand(db: &Connection, id: JobId, message: &str, now: Timestamp) -> Result<(), Error> {
    let sent = db
        .prepare_cached("SELECT bytes_sent FROM progress WHERE job_id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    let report = Report {
        bytes_sent: sent.unwrap_or_default(),
        ..Report::said(message)
    };
    row::finish(db, id, Final::Cancelled, &report, now)?;
    forget_transfer(db, id)?;
    close_attempt(db, id, "cancelled", &report, now)
}

/// Why a job cannot be cancelled, by where it is. A fetch that the platform is at can be.
fn not_to_cancel(job: &Job) -> Option<String> {
    let (id, key) = (job.id, job.video_key.as_deref());
    match job.standing() {
        Standing::Confirming | Standing::SeekingKey if job.replaces.is_some() => Some(format!(
            "job {id} has put its content into video {} already: to have the old one back, put the old file \
             into the folder under that name again",
            key.unwrap_or_default()
        )),
        Standing::Confirming if job.way == Some(Way::Fetch) => None,
        Standing::Confirming | Standing::SeekingKey => {
            let video = key.map_or_else(|| "its video".to_owned(), |key| format!("video {key}"));
            Some(format!(
                "job {id} is already uploaded: delete {video} on the platform if it must go"
            ))
        }
        Standing::Turn
        | Standing::WaitingForCopy
        | Standing::Creating
        | Standing::Uploading
        | Standing::Failed
        | Standing::Gone
        | Standing::Held => None,
        Standing::Done
        | Standing::DoneWithoutKey
        | Standing::BeingReplaced
        | Standing::MaybeReplaced
        | Standing::Replaced
        | Standing::Cancelled
        | Standing::Superseded
        | Standing::Duplicate => Some(format!("job {id} is already {}", job.state.word())),
    }
}

/// Why a job cannot be cancelled whose bytes may have arrived: it is not known yet whether they
/// have.
fn may_be_there(db: &Connection, job: &Job) -> Result<Option<String>, Error> {
    let (id, key) = (job.id, job.video_key.as_deref().unwrap_or_default());
    Ok(match (job.state, job.step) {
        (State::Failed, Step::Confirm) if is_unfinished(job) => Some(format!(
            "job {id} is uploaded, and the platform may still finish it: jw-ingest retry {id} \
             waits for that; delete video {key} on the platform if it must go"
        )),
        (State::Queued | State::Running, Step::Transfer) if is_sent(db, id)? => Some(format!(
            "all bytes of job {id} were sent, and the next attempt asks the platform whether they \
             have arrived: wait for it (jw-ingest job {id}), then delete video {key} on the \
             platform if it must go"
        )),
        _ => None,
    })
}

/// Whether the last byte of the file was handed out: the platform may have all of it.
fn is_sent(db: &Connection, id: JobId) -> Result<bool, Error> {
    Ok(db
        .prepare_cached("SELECT 1 FROM tickets WHERE job_id = ?1 AND last_byte_at IS NOT NULL")?
        .exists([id.0])?)
}

/// One job.
pub fn by_id(db: &Connection, id: JobId) -> Result<Option<Job>, Error> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1"))?
        .query_row([id.0], |row| Ok(Job::from_row(row)))
        .optional()?
        .transpose()
}
