//! Files that take the place of one that is up: which job was there before, and what is noted of
//! the one that comes after it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Error;
use super::job::{Job, JobId, Lease};
use super::outcome::{self, Report, close_attempt, held};
use super::sql::{At, PathColumn};
use super::ticket::forget_transfer;
use super::{metadata, withdraw};

/// What lies before a job under its path, on its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Nothing that counts.
    Nothing,
    /// An older job that is at it still, and may be up in a moment.
    UnderWay(JobId),
    /// A video that is up.
    Up(Predecessor),
}

/// A job that is done, and its video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predecessor {
    /// The job.
    pub job: JobId,
    /// Its video's key.
    pub video_key: String,
}

/// A job that replaces another's content.
#[derive(Debug, Clone, Copy)]
pub struct Replaced {
    /// The job whose video it is.
    pub job: JobId,
    /// When the platform changed that video last before it gets new bytes, UNIX seconds.
    pub updated_before: Option<i64>,
}

/// Looks for the newest other job of the path that is done. A queued one whose bytes are not all
/// sent speaks for content that is not there any more, and ends by itself.
pub fn before(db: &Connection, job: &Job) -> Result<Before, Error> {
    let path = PathColumn(&job.path);
    let under_way: Option<i64> = db
        .prepare_cached(UNDER_WAY)?
        .query_row(params![path, job.account, job.id.0], |row| row.get(0))
        .optional()?;
    if let Some(id) = under_way {
        return Ok(Before::UnderWay(JobId(id)));
    }
    let up = db
        .prepare_cached(UP)?
        .query_row(params![path, job.account, job.id.0], |row| {
            Ok(Predecessor {
                job: JobId(row.get(0)?),
                video_key: row.get(1)?,
            })
        })
        .optional()?;
    Ok(up.map_or(Before::Nothing, Before::Up))
}

/// Whether the video is a file's of another name, too: a copy of it was not uploaded, and may be gone
/// since. Its content must stay. All jobs that ever put content into one video have one path.
pub fn is_shared(db: &Connection, job: &Job, before: &Predecessor) -> Result<bool, Error> {
    Ok(db
        .prepare_cached(
            "SELECT 1 FROM jobs AS original JOIN jobs AS copy ON copy.duplicate_of = original.id
             WHERE original.path = ?1 AND original.superseded = 0 AND original.video_key = ?2
               AND copy.path <> ?1",
        )?
        .exists(params![PathColumn(&job.path), before.video_key])?)
}

/// The `+` keeps the choice of an index from the states: a path has few jobs, and a state has many.
pub(super) const UNDER_WAY: &str = "SELECT id FROM jobs
     WHERE path = ?1 AND superseded = 0 AND account = ?2 AND id < ?3
       AND (+state = 'running' OR +state = 'queued' AND +step = 'confirm')
     ORDER BY id DESC LIMIT 1";

pub(super) const UP: &str = "SELECT id, video_key FROM jobs
     WHERE path = ?1 AND superseded = 0 AND account = ?2 AND id <> ?3 AND +state = 'done'
       AND video_key IS NOT NULL
     ORDER BY id DESC LIMIT 1";

/// Before the call that lets another file into a video that is there: the way, as for a create call.
/// No video can arise by it, so nothing need be looked for after a crash.
pub fn begins(db: &Connection, lease: &Lease, (method, why): (&str, &str)) -> Result<(), Error> {
    held(db, lease)?;
    db.prepare_cached(
        "UPDATE jobs SET method = ?2, method_why = ?3, create_sent_at = NULL WHERE id = ?1",
    )?
    .execute(params![lease.job.id.0, method, why])?;
    db.prepare_cached("UPDATE attempts SET method = ?2 WHERE job_id = ?1 AND outcome IS NULL")?
        .execute(params![lease.job.id.0, method])?;
    Ok(())
}

/// The job has got the right to put its content into another's video, in the very transaction that
/// stores the key: from here on nothing may withdraw that video for the sake of this job.
pub fn takes(
    db: &Connection,
    lease: &Lease,
    replaced: Replaced,
    video_key: &str,
) -> Result<(), Error> {
    held(db, lease)?;
    db.prepare_cached(
        "UPDATE jobs SET replaces = ?2, updated_before = ?3, video_key = ?4, status = NULL WHERE id = ?1",
    )?
    .execute(params![
        lease.job.id.0,
        replaced.job.0,
        replaced.updated_before,
        video_key
    ])?;
    metadata::inherits(db, lease.job.id, replaced.job)
}

/// How the platform saw the video while a worker asked it.
pub fn seen(db: &Connection, lease: &Lease, status: &str) -> Result<(), Error> {
    held(db, lease)?;
    db.prepare_cached("UPDATE jobs SET status = ?2 WHERE id = ?1")?
        .execute(params![lease.job.id.0, status])?;
    Ok(())
}

/// Nothing is done until a person decides; the try does not count.
pub fn hold(db: &Connection, lease: &Lease, report: &Report, now: Timestamp) -> Result<(), Error> {
    held(db, lease)?;
    let id = lease.job.id;
    withdraw::begun_video(db, id, "the file waits for a person to decide", now)?;
    db.prepare_cached(
        "UPDATE jobs SET state = 'failed', held = 1, lease_id = NULL, lease_until = NULL, last_error = ?2,
                finished_at = ?3, failing_since = NULL, attempts = max(attempts - 1, 0)
         WHERE id = ?1",
    )?
    .execute(params![id.0, report.message, At(now)])?;
    forget_transfer(db, id)?;
    close_attempt(db, id, "held", report, now)
}

/// The platform does not let the content be replaced: failed, and a retry makes another video.
pub fn refused(
    db: &Connection,
    lease: &Lease,
    report: &Report,
    now: Timestamp,
) -> Result<(), Error> {
    outcome::failed(db, lease, report, now)?;
    db.prepare_cached("UPDATE jobs SET by_hand = 1 WHERE id = ?1")?
        .execute([lease.job.id.0])?;
    Ok(())
}

/// Jobs that wait for a person to decide.
pub fn held_jobs(db: &Connection) -> Result<Vec<JobId>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT id FROM jobs WHERE state = 'failed' AND superseded = 0 AND held = 1 ORDER BY id",
    )?;
    let ids = statement.query_map([], |row| row.get(0).map(JobId))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// A job has come to an end: those behind it under the same path look at once whose turn it is.
pub(super) fn wake(db: &Connection, job: JobId, now: Timestamp) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE jobs SET run_at = min(run_at, ?2)
         WHERE path = (SELECT path FROM jobs WHERE id = ?1) AND superseded = 0 AND id > ?1
           AND +state = 'queued' AND +step = 'create' AND failing_since IS NULL",
    )?
    .execute(params![job.0, At(now)])?;
    Ok(())
}
