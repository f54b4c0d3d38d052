//! Files that take the place of one that is uploaded: which video was there before, whose content
//! it has, and what is noted of the file that comes after it.
//!
//! A video belongs to one file at a time. `replaced_by` names the job whose content went into a
//! job's video, from the moment before its last byte is handed out; a query whether a job's content
//! is on the platform asks for jobs without it. That column is written here and by the triggers of
//! migration 0008, and nowhere else.

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::types::{Null, ToSql};
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Error;
use super::job::{Job, JobId, Lease};
use super::outcome::{self, Count, Report, close_attempt, held};
use super::row::{self, Final};
use super::sql::{At, PathColumn, StoredPath};
use super::ticket::forget_transfer;
use super::{metadata, withdraw};

/// What is before a job under its path, on its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Nothing that counts.
    Nothing,
    /// An older job that is at it still, and may be uploaded in a moment.
    UnderWay(JobId),
    /// A video that is uploaded, and a file that has not settled, of the size of the video's file:
    /// it may be that file under another name, and then the video goes with it.
    Moving(Predecessor, PathBuf),
    /// A video that is uploaded.
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
    /// When the platform changed that video last before it gets new bytes, see [`super::change`].
    pub updated_before: Option<i64>,
}

/// Looks for the video that belongs to the job's path: that of the job which got the path last.
///
/// A queued job whose bytes are not all sent is for content that is not there any more, and ends by
/// itself.
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
            let before = Predecessor {
                job: JobId(row.get("id")?),
                video_key: row.get("video_key")?,
            };
            Ok((
                before,
                row.get::<_, i64>("holder")?,
                row.get::<_, i64>("size")?,
            ))
        })
        .optional()?;
    let Some((before, holder, size)) = up else {
        return Ok(Before::Nothing);
    };
    // The job itself is the holder where an earlier attempt of its own may have arrived.
    let elsewhere = db
        .prepare_cached(
            "SELECT path FROM settling WHERE size = ?1 AND path <> ?2 AND ?3 <> ?4 LIMIT 1",
        )?
        .query_row(params![size, path, holder, job.id.0], |row| {
            row.get::<_, StoredPath>(0)
        })
        .optional()?;
    Ok(match elsewhere {
        Some(path) => Before::Moving(before, path.0),
        None => Before::Up(before),
    })
}

/// Whether a file of another name than the job's relies on what the video has, so that its content must stay.
///
/// That is the file that it was made for, renamed since, or a copy that was not uploaded, and may be gone since.
pub fn is_shared(db: &Connection, job: JobId, video_key: &str) -> Result<bool, Error> {
    Ok(db
        .prepare_cached(
            "SELECT 1 FROM jobs AS me JOIN jobs AS holder ON holder.video_key = ?2 AND holder.id <> me.id
             WHERE me.id = ?1
               AND (holder.path <> me.path AND holder.replaced_by IS NULL AND holder.superseded = 0
                      AND +holder.state = 'done'
                    OR EXISTS (SELECT 1 FROM jobs AS copy
                               WHERE copy.duplicate_of = holder.id AND copy.path <> me.path))",
        )?
        .exists(params![job.0, video_key])?)
}

/// What must hold for a job of the table `jobs` so that its video counts for it: no other content is there, on
/// its way, or about to be sent by a job that is not over.
pub(super) const HOLDS_ITS_VIDEO: &str = "jobs.replaced_by IS NULL
     AND NOT EXISTS (SELECT 1 FROM jobs AS taker
                     WHERE taker.video_key = jobs.video_key AND taker.id <> jobs.id AND taker.replaces IS NOT NULL
                       AND +taker.state IN ('queued', 'running'))";

/// Whether the job has its video to itself, asked in the transaction that relies on it.
pub fn holds_its_video(db: &Connection, job: JobId) -> Result<bool, Error> {
    Ok(db
        .prepare_cached(&format!(
            "SELECT 1 FROM jobs WHERE id = ?1 AND {HOLDS_ITS_VIDEO}"
        ))?
        .exists([job.0])?)
}

/// The `+` keeps the choice of an index from the states: a path has few jobs, and a state has many.
pub(super) const UNDER_WAY: &str = "SELECT id FROM jobs
     WHERE path = ?1 AND superseded = 0 AND account = ?2 AND id < ?3
       AND (+state = 'running' OR +state = 'queued' AND +step = 'confirm')
     ORDER BY id DESC LIMIT 1";

/// The video of a job that has it to itself; or one whose content a job of this path may have
/// replaced, or did, without being done: that video belongs to the path of that job.
pub(super) const UP: &str = "SELECT id, video_key, id AS holder, size, coalesce(renamed_at, created_at) AS since FROM jobs
     WHERE path = ?1 AND superseded = 0 AND replaced_by IS NULL AND account = ?2 AND id <> ?3 AND +state = 'done'
       AND video_key IS NOT NULL
     UNION ALL
     SELECT former.id, former.video_key, holder.id, holder.size, coalesce(holder.renamed_at, holder.created_at)
     FROM jobs AS holder CROSS JOIN jobs AS former ON former.replaced_by = holder.id
     WHERE holder.path = ?1 AND holder.account = ?2 AND +holder.state <> 'done'
       AND +former.state = 'done' AND former.video_key IS NOT NULL
     ORDER BY since DESC, id DESC LIMIT 1";

/// Whether the video of a row of `jobs`, under this alias, does not count for its job: the contrary of
/// [`HOLDS_ITS_VIDEO`].
pub(super) fn is_replaced(alias: &str) -> String {
    format!(
        "NOT ({})",
        HOLDS_ITS_VIDEO.replace("jobs.", &format!("{alias}."))
    )
}

/// MD5 of the content that the job will replace, where known.
pub fn former_md5(db: &Connection, id: JobId) -> Result<Option<String>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT former.md5 FROM jobs JOIN jobs AS former ON former.id = jobs.replaces WHERE jobs.id = ?1",
        )?
        .query_row([id.0], |row| row.get(0))
        .optional()?
        .flatten())
}

/// Before the last byte of a job is handed out. If it will replace a video's content, the video may
/// have it from here on. Answers whether the byte may be sent; not where another file relies on the
/// video by now: this is the last moment at which that can be seen, and nothing is noted.
pub(super) fn may_arrive(db: &Connection, id: JobId, now: Timestamp) -> Result<bool, Error> {
    let key: Option<String> = db
        .prepare_cached(
            "SELECT video_key FROM jobs WHERE id = ?1 AND replaces IS NOT NULL AND video_key IS NOT NULL",
        )?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    match key {
        Some(key) if is_shared(db, id, &key)? => Ok(false),
        Some(key) => is_sent_into(db, (id, &key), now).map(|()| true),
        None => Ok(true),
    }
}

/// The content of a video that is in doubt already stays so, and its quiet begins again.
fn is_sent_into(
    db: &Connection,
    (id, video_key): (JobId, &str),
    now: Timestamp,
) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE jobs SET replaced_by = coalesce(replaced_by, ?1), replaced = coalesce(replaced, 'sending'), replaced_at = ?3
         WHERE video_key = ?2 AND id <> ?1 AND replaced IS NOT 'yes'",
    )?
    .execute(params![id.0, video_key, At(now)])?;
    Ok(())
}

/// If another file relies on the video whose content the job will replace, the job starts over as a
/// video of its own, at once. Answers whether it does; no byte of it has arrived.
pub fn gives_way(
    db: &Connection,
    lease: &Lease,
    report: &Report,
    now: Timestamp,
) -> Result<bool, Error> {
    held(db, lease)?;
    let id = lease.job.id;
    let key: Option<String> = db
        .prepare_cached("SELECT video_key FROM jobs WHERE id = ?1 AND replaces IS NOT NULL")?
        .query_row([id.0], |row| row.get(0))
        .optional()?
        .flatten();
    let Some(key) = key else { return Ok(false) };
    if !is_shared(db, id, &key)? {
        return Ok(false);
    }
    withdraw::begun_video(db, id, "another file relies on the video", now)?;
    forget_transfer(db, id)?;
    outcome::again(db, lease, (now, Count::No), ("shared", report), now)?;
    Ok(true)
}

/// What was on its way did certainly not arrive. A file that came back meanwhile has a job of its own,
/// and this one is past.
pub(super) fn did_not_arrive(db: &Connection, id: JobId) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE OR IGNORE jobs SET replaced_by = NULL, replaced = NULL, replaced_at = NULL
         WHERE replaced_by = ?1 AND replaced = 'sending'",
    )?
    .execute([id.0])?;
    Ok(())
}

/// What was on its way may be there, even if something else is sent after it.
pub(super) fn may_have_arrived(db: &Connection, id: JobId) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE jobs SET replaced = 'perhaps' WHERE replaced_by = ?1 AND replaced = 'sending'",
    )?
    .execute([id.0])?;
    Ok(())
}

/// Before the call that asks the platform to fetch other content into a video that is there.
///
/// From here on the video may have it, even if the answer is lost. Answers whether the call may be
/// made.
pub fn fetch_begins(
    db: &Connection,
    lease: &Lease,
    video_key: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    held(db, lease)?;
    let id = lease.job.id;
    // What became of an earlier call is not known.
    may_have_arrived(db, id)?;
    if is_shared(db, id, video_key)? {
        return Ok(false);
    }
    is_sent_into(db, (id, video_key), now)?;
    Ok(true)
}

/// The platform refused to fetch anything into the video.
pub fn fetch_was_refused(db: &Connection, lease: &Lease) -> Result<(), Error> {
    held(db, lease)?;
    did_not_arrive(db, lease.job.id)
}

/// Before the call that lets another file into a video that is there: the way, as for a create call.
/// No video can arise by it, so nothing need be looked for after a crash.
pub fn begins(db: &Connection, lease: &Lease, (method, why): (&str, &str)) -> Result<(), Error> {
    held(db, lease)?;
    let chosen: [(&'static str, &dyn ToSql); 3] = [
        ("method", &method),
        ("method_why", &why),
        ("create_sent_at", &Null),
    ];
    row::set(db, lease.job.id, &chosen)?;
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
    row::set(
        db,
        lease.job.id,
        &[
            ("replaces", &replaced.job.0),
            ("updated_before", &replaced.updated_before),
            ("video_key", &video_key),
            ("status", &Null),
        ],
    )?;
    metadata::inherits(db, lease.job.id, replaced.job)
}

/// How the platform saw the video while a worker asked it.
pub fn seen(db: &Connection, lease: &Lease, status: &str) -> Result<(), Error> {
    held(db, lease)?;
    row::set(db, lease.job.id, &[("status", &status)])
}

/// Nothing is done until a person decides; the attempt does not count.
pub fn hold(db: &Connection, lease: &Lease, report: &Report, now: Timestamp) -> Result<(), Error> {
    held(db, lease)?;
    let id = lease.job.id;
    withdraw::begun_video(db, id, "the file waits for a person to decide", now)?;
    row::set(db, id, &[("attempts", &(lease.job.attempts - 1).max(0))])?;
    row::finish(db, id, Final::Held, report, now)?;
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
    row::set(db, lease.job.id, &[("by_hand", &true)])
}

/// Jobs that wait for a person to decide.
pub fn held_jobs(db: &Connection) -> Result<Vec<JobId>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT id FROM jobs WHERE state = 'failed' AND phase = 'held' ORDER BY id",
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
