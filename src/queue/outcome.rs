//! What a worker reports of the job it holds. Each verb is one transaction, and each is refused
//! ([`Error::LeaseLost`]) once the lease is lost: a worker that was overtaken changes nothing.
//!
//! The order of the verbs is the write-ahead rule: [`create_begins`] before the create call,
//! [`created`] before the first byte, [`last_byte`](super::ticket::last_byte) before the last one.

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::types::Null;
use rusqlite::{Connection, params};

use super::attempts::merge_rests;
use super::error::Error;
use super::job::{Lease, Step};
use super::replace;
use super::row::{self, Final};
use super::sql::{At, StoredPath};
use super::ticket::{self, NewTicket, drop_progress, forget_transfer};
use super::withdraw;

pub(super) use super::attempts::close_attempt;
pub use super::attempts::{Report, begin, broke_off, is_first_transfer, left_open};
pub(super) use super::row::forget_video;

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

/// This file cannot work as it is; what was begun of it on the platform is withdrawn.
pub fn failed(
    db: &Connection,
    lease: &Lease,
    report: &Report,
    now: Timestamp,
) -> Result<(), Error> {
    end_failed(db, lease, Final::Failed, report, now)
}

fn end_failed(
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
    end_failed(db, lease, Final::Gone, report, now)?;
    Ok((path != lease.job.path).then_some((watch, path)))
}

fn path_of(db: &Connection, lease: &Lease) -> Result<(String, PathBuf), Error> {
    Ok(db
        .prepare_cached("SELECT watch, path FROM jobs WHERE id = ?1")?
        .query_row([lease.job.id.0], |row| {
            Ok((row.get(0)?, row.get::<_, StoredPath>(1)?.0))
        })?)
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
