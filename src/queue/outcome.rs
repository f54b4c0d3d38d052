//! What a worker reports of the job it holds. Each verb is one transaction, and each is refused
//! ([`Error::LeaseLost`]) once the lease is lost: a worker that was overtaken changes nothing.
//!
//! The order of the verbs is the write-ahead rule: [`create_begins`] before the create call,
//! [`created`] before the first byte, [`last_byte`](super::ticket::last_byte) before the last one.

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::types::Null;
use rusqlite::{Connection, params};

use super::advice::Advice;
use super::enqueue::new_ingest_id;
use super::error::Error;
use super::job::{JobId, Lease, Step};
use super::metadata;
use super::replace;
use super::row::{self, Final};
use super::sql::{At, StoredPath};
use super::ticket::{self, NewTicket, drop_progress, forget_transfer};
use super::withdraw;

/// What an attempt of a step came to, for `attempts`.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Bytes handed out.
    pub bytes_sent: i64,
    /// What was said, in words for the operator; nothing when it went well.
    pub message: Option<String>,
    /// What people can do about it.
    pub advice: Advice,
    /// The server's name for the request, where it gave one.
    pub request_id: Option<String>,
}

impl Report {
    /// Of an attempt that sent nothing; once its cause is fixed, a retry helps.
    pub fn said(words: impl Into<String>) -> Self {
        Self {
            message: Some(words.into()),
            ..Self::default()
        }
    }

    /// The same, with this to do about it.
    #[must_use]
    pub fn advising(self, advice: Advice) -> Self {
        Self { advice, ..self }
    }

    /// The word for the column beside `last_error`.
    pub(super) fn advice_word(&self) -> Option<&'static str> {
        self.message.as_ref().map(|_| self.advice.word())
    }
}

/// Opens the `attempts` row of a step.
pub fn begin(db: &Connection, lease: &Lease, step: Step, now: Timestamp) -> Result<(), Error> {
    held(db, lease)?;
    db.prepare_cached(
        "INSERT INTO attempts (job_id, step, method, started_at)
         SELECT id, ?2, method, ?3 FROM jobs WHERE id = ?1",
    )?
    .execute(params![lease.job.id.0, step.word(), At(now)])?;
    Ok(())
}

/// Before the create call: from here on a video with our ingest id may exist.
pub fn create_begins(
    db: &Connection,
    lease: &Lease,
    (method, why): (&str, &str),
    now: Timestamp,
) -> Result<(), Error> {
    held(db, lease)?;
    db.prepare_cached(
        "UPDATE jobs SET create_sent_at = coalesce(create_sent_at, ?2), method = ?3, method_why = ?4 WHERE id = ?1",
    )?
    .execute(params![lease.job.id.0, At(now), method, why])?;
    db.prepare_cached("UPDATE attempts SET method = ?2 WHERE job_id = ?1 AND outcome IS NULL")?
        .execute(params![lease.job.id.0, method])?;
    Ok(())
}

/// The create call was refused: it certainly made no video.
pub fn create_came_to_nothing(db: &Connection, lease: &Lease) -> Result<(), Error> {
    held(db, lease)?;
    row::set(db, lease.job.id, &[("create_sent_at", &Null)])
}

/// What [`create_begins`] or [`fetch_begins`](super::replace::fetch_begins) noted was not asked for after all.
pub fn was_not_asked(db: &Connection, lease: &Lease) -> Result<(), Error> {
    create_came_to_nothing(db, lease)?;
    replace::did_not_arrive(db, lease.job.id)
}

/// The look-up found no video, as often as it is worth asking; answers the ingest id of the next
/// one.
///
/// The call may be on its way anyway: its ingest id goes to the withdrawals, which delete any video
/// that appears with it.
pub fn create_is_missing(db: &Connection, lease: &Lease, now: Timestamp) -> Result<String, Error> {
    held(db, lease)?;
    let id = lease.job.id;
    let reason = "its create call was not answered, and another was made";
    withdraw::begun_video(db, id, reason, now)?;
    Ok(db
        .prepare_cached("SELECT ingest_id FROM jobs WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))?)
}

/// The video exists: its key and ticket are stored, before a byte is sent.
///
/// The first video of a job is progress and ends the age of failing; one made in place of another,
/// after a transfer was tried, is not: a link that is refused each time must be given up one day.
/// Should the job have another video already, that one goes to the withdrawals.
pub fn created(
    db: &Connection,
    lease: &Lease,
    ticket: &NewTicket<'_>,
    report: &Report,
    now: Timestamp,
) -> Result<(), Error> {
    held(db, lease)?;
    let id = lease.job.id;
    let has_another = db
        .prepare_cached("SELECT 1 FROM jobs WHERE id = ?1 AND video_key <> ?2")?
        .exists(params![id.0, ticket.video_key])?;
    if has_another {
        withdraw::video(db, id, "another video was made in its place", now)?;
    }
    let was_transferred = db
        .prepare_cached("SELECT 1 FROM attempts WHERE job_id = ?1 AND step = 'transfer'")?
        .exists([id.0])?;
    if !was_transferred {
        row::set(db, id, &[("failing_since", &Null)])?;
    }
    let transfer = Step::Transfer.word();
    row::set(
        db,
        id,
        &[
            ("step", &transfer),
            ("video_key", &ticket.video_key),
            ("last_error", &Null),
            ("advice", &Null),
        ],
    )?;
    ticket::store(db, id, ticket)?;
    close_attempt(db, id, "done", report, now)
}

/// The platform has all bytes: the job waits for `ready`, first looked at `run_at`.
pub fn transferred(
    db: &Connection,
    lease: &Lease,
    md5: Option<&str>,
    run_at: Timestamp,
    (report, now): (&Report, Timestamp),
) -> Result<(), Error> {
    held(db, lease)?;
    let id = lease.job.id;
    let parts_md5 = ticket::parts_md5(db, id, lease.job.identity.bytes())?;
    if md5.is_some() {
        row::set(db, id, &[("md5", &md5)])?;
    }
    row::set(
        db,
        id,
        &[("parts_md5", &parts_md5), ("failing_since", &Null)],
    )?;
    row::await_ready(db, id, run_at, now)?;
    forget_transfer(db, id)?;
    close_attempt(db, id, "done", report, now)
}

/// How to continue after a failed or interrupted attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// The attempt counts, and the age of failing runs.
    Yes,
    /// The attempt is given back: the job is not at fault (a stop, a paused account, a file that is
    /// still being written).
    No,
}

/// Back to the queue, to be tried again at `run_at`.
pub fn again(
    db: &Connection,
    lease: &Lease,
    (run_at, count): (Timestamp, Count),
    (outcome, report): (&str, &Report),
    now: Timestamp,
) -> Result<(), Error> {
    held(db, lease)?;
    let id = lease.job.id;
    row::requeue(db, id, (run_at, count.into()), report, now)?;
    drop_progress(db, id)?;
    close_attempt(db, id, outcome, report, now)
}

/// Back to the queue until its file has rested, whose ctime is this one now: by it the next attempt sees whether
/// it has.
pub fn touched(
    db: &Connection,
    lease: &Lease,
    (ctime_ns, run_at): (i64, Timestamp),
    report: &Report,
    now: Timestamp,
) -> Result<(), Error> {
    again(db, lease, (run_at, Count::No), ("touched", report), now)?;
    let id = lease.job.id;
    merge_rests(db, id, report, now)?;
    ticket::doubt_transfer(db, id, ctime_ns)?;
    row::set(db, id, &[("ctime_ns", &ctime_ns)])
}

/// A file that is touched again and again has one row for all its rests in a row, which says when the last one began.
fn merge_rests(db: &Connection, id: JobId, report: &Report, now: Timestamp) -> Result<(), Error> {
    let merged = db
        .prepare_cached(
            "DELETE FROM attempts AS this
             WHERE id = (SELECT max(id) FROM attempts WHERE job_id = ?1) AND outcome = 'touched' AND bytes_sent = 0
               AND EXISTS (SELECT 1 FROM attempts
                           WHERE id = (SELECT max(id) FROM attempts WHERE job_id = ?1 AND id < this.id)
                             AND outcome = 'touched' AND step = this.step)",
        )?
        .execute([id.0])?;
    if merged > 0 {
        db.prepare_cached(
            "UPDATE attempts SET ended_at = ?2, message = ?3
             WHERE id = (SELECT max(id) FROM attempts WHERE job_id = ?1)",
        )?
        .execute(params![id.0, At(now), report.message])?;
    }
    Ok(())
}

/// This file cannot work as it is; what was begun of it on the platform is withdrawn.
pub fn failed(
    db: &Connection,
    lease: &Lease,
    report: &Report,
    now: Timestamp,
) -> Result<(), Error> {
    fail(db, lease, Final::Failed, report, now)
}

fn fail(
    db: &Connection,
    lease: &Lease,
    end: Final,
    report: &Report,
    now: Timestamp,
) -> Result<(), Error> {
    held(db, lease)?;
    let id = lease.job.id;
    withdraw::begun_video(db, id, "the upload failed for good", now)?;
    row::finish(db, id, end, report, now)?;
    forget_transfer(db, id)?;
    close_attempt(db, id, "permanent", report, now)
}

/// The video that was begun is of no use (its link expired, its bytes are not ours): it is
/// withdrawn, and the job starts over with a new ingest id, at `run_at`.
pub fn start_over(
    db: &Connection,
    lease: &Lease,
    run_at: Timestamp,
    (outcome, report): (&str, &Report),
    now: Timestamp,
) -> Result<(), Error> {
    held(db, lease)?;
    let id = lease.job.id;
    let reason = report.message.as_deref().unwrap_or(outcome);
    withdraw::begun_video(db, id, reason, now)?;
    forget_transfer(db, id)?;
    again(db, lease, (run_at, Count::Yes), (outcome, report), now)
}

/// The file changed under the job: it accounts for no file any more.
///
/// What was sent is withdrawn; the new content, once it settles, is a new job. Answers watch and
/// path of a name that the file was given at the last moment, which must settle again.
pub fn superseded(
    db: &Connection,
    lease: &Lease,
    report: &Report,
    now: Timestamp,
) -> Result<Option<(String, PathBuf)>, Error> {
    held(db, lease)?;
    let (watch, path) = path_of(db, lease)?;
    let id = lease.job.id;
    withdraw::begun_video(db, id, "the file changed while it was uploaded", now)?;
    row::finish(db, id, Final::Superseded, report, now)?;
    forget_transfer(db, id)?;
    close_attempt(db, id, "changed", report, now)?;
    Ok((path != lease.job.path).then_some((watch, path)))
}

/// Whether a transfer by this method broke off after it had sent so many bytes.
pub fn broke_off(db: &Connection, job: JobId, method: &str, bytes: i64) -> Result<bool, Error> {
    Ok(db
        .prepare_cached(
            "SELECT 1 FROM attempts
             WHERE job_id = ?1 AND step = 'transfer' AND method = ?2 AND bytes_sent >= ?3 AND outcome <> 'done'",
        )?
        .exists(params![job.0, method, bytes])?)
}

/// How many transfers to the job's present video ended with an unknown outcome.
pub fn left_open(db: &Connection, job: JobId) -> Result<i64, Error> {
    Ok(db
        .prepare_cached(
            "SELECT count(*) FROM attempts
             WHERE job_id = ?1 AND step = 'transfer' AND outcome = 'ambiguous'
               AND id > (SELECT coalesce(max(id), 0) FROM attempts WHERE job_id = ?1 AND step = 'create')",
        )?
        .query_row([job.0], |row| row.get(0))?)
}

/// Whether the transfer that has begun is the first one to the job's present video.
pub fn is_first_transfer(db: &Connection, job: JobId) -> Result<bool, Error> {
    let transfers: i64 = db
        .prepare_cached(
            "SELECT count(*) FROM attempts
             WHERE job_id = ?1 AND step = 'transfer'
               AND id > (SELECT coalesce(max(id), 0) FROM attempts WHERE job_id = ?1 AND step = 'create')",
        )?
        .query_row([job.0], |row| row.get(0))?;
    Ok(transfers <= 1)
}

/// What the table knows of a file that is not at the path that a worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// It was renamed meanwhile; the row has its new path.
    Renamed,
    /// It is missed for the first time.
    First,
    /// It was missed before.
    Again,
}

/// Reads what is known of the absence.
pub fn absence(db: &Connection, lease: &Lease) -> Result<Absence, Error> {
    held(db, lease)?;
    if path_of(db, lease)?.1 != lease.job.path {
        return Ok(Absence::Renamed);
    }
    let missed = db
        .prepare_cached("SELECT 1 FROM attempts WHERE job_id = ?1 AND outcome = 'gone'")?
        .exists([lease.job.id.0])?;
    Ok(if missed {
        Absence::Again
    } else {
        Absence::First
    })
}

/// The file went away before it was uploaded: failed, and should it come back, it is a new job.
/// Answers watch and path of a name that it was given at the last moment, which must settle again.
pub fn vanished(
    db: &Connection,
    lease: &Lease,
    report: &Report,
    now: Timestamp,
) -> Result<Option<(String, PathBuf)>, Error> {
    let (watch, path) = path_of(db, lease)?;
    fail(db, lease, Final::Gone, report, now)?;
    Ok((path != lease.job.path).then_some((watch, path)))
}

fn path_of(db: &Connection, lease: &Lease) -> Result<(String, PathBuf), Error> {
    Ok(db
        .prepare_cached("SELECT watch, path FROM jobs WHERE id = ?1")?
        .query_row([lease.job.id.0], |row| {
            Ok((row.get(0)?, row.get::<_, StoredPath>(1)?.0))
        })?)
}

/// The rest of the row forgets the video that was begun; its key goes to the withdrawals first.
pub(super) fn forget_video(db: &Connection, id: JobId) -> Result<(), Error> {
    let (create, ingest_id) = (Step::Create.word(), new_ingest_id());
    row::set(
        db,
        id,
        &[
            ("step", &create),
            ("video_key", &Null),
            ("create_sent_at", &Null),
            ("sent_at", &Null),
            ("md5", &Null),
            ("parts_md5", &Null),
            ("status", &Null),
            ("duration", &Null),
            ("platform_size", &Null),
            ("replaces", &Null),
            ("updated_before", &Null),
            ("replaced_by", &Null),
            ("replaced", &Null),
            ("replaced_at", &Null),
            ("changed_there", &Null),
            ("own_change", &Null),
            ("delivered_at", &Null),
            ("ingest_id", &ingest_id),
        ],
    )?;
    metadata::forget(db, id)
}

/// Writes the end of the attempt that is open, if one is.
pub(super) fn close_attempt(
    db: &Connection,
    id: JobId,
    outcome: &str,
    report: &Report,
    now: Timestamp,
) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE attempts SET ended_at = ?2, outcome = ?3, bytes_sent = ?4, message = ?5, request_id = ?6
         WHERE job_id = ?1 AND outcome IS NULL",
    )?
    .execute(params![
        id.0,
        At(now),
        outcome,
        report.bytes_sent,
        report.message,
        report.request_id
    ])?;
    Ok(())
}

/// Refuses a caller that lost the lease.
pub(super) fn held(db: &Connection, lease: &Lease) -> Result<(), Error> {
    if super::claim::is_held(db, lease.job.id, &lease.id)? {
        Ok(())
    } else {
        Err(Error::LeaseLost {
            job: lease.job.id.0,
        })
    }
}
