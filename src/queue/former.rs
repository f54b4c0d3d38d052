//! Jobs whose video may have got another file's content: which of them the platform can be asked about,
//! and what its answer changes.
//!
//! Bytes may be noticed late, so none is asked about before it is quiet: no job works on the video, nor
//! will the one that sent the bytes, and the last byte is long past. Every answer is written down only
//! where that is still so.

use jiff::Timestamp;
use rusqlite::types::Null;
use rusqlite::{Connection, params};

use super::error::Error;
use super::job::{Arrival, JobId};
use super::row;
use super::sent::{self, Became, Loss};
use super::sql::At;

/// A job that is done, and whose video may have the content of another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// The job.
    pub job: JobId,
    /// The job whose content its video may have.
    pub by: JobId,
    /// Its video's key.
    pub video_key: String,
    /// When the last byte of other content was handed out, as stored.
    since: String,
}

/// What is in doubt, and quiet. The index by which it is found has no other jobs than those whose video
/// is being replaced, or may have been.
const QUIET: &str = "SELECT id, replaced_by, video_key, replaced_at FROM jobs AS former
     WHERE replaced_by IS NOT NULL AND replaced <> 'yes' AND +state = 'done' AND video_key IS NOT NULL
       AND replaced_at IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM jobs AS other
                       WHERE other.video_key = former.video_key AND other.id <> former.id
                         AND +other.state IN ('queued', 'running'))
       AND NOT EXISTS (SELECT 1 FROM jobs AS holder
                       WHERE holder.id = former.replaced_by AND +holder.state IN ('queued', 'running'))";

/// Those whose video got its last byte before then.
pub fn in_doubt(db: &Connection, before: Timestamp) -> Result<Vec<Former>, Error> {
    let mut statement = db.prepare_cached(&format!(
        "{QUIET} AND replaced_at < ?1 ORDER BY replaced_at"
    ))?;
    let rows = statement.query_map([At(before)], |row| {
        Ok(Former {
            job: JobId(row.get("id")?),
            by: JobId(row.get("replaced_by")?),
            video_key: row.get("video_key")?,
            since: row.get("replaced_at")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether nothing has begun, and no byte was handed out, since the platform was asked.
fn is_quiet_still(db: &Connection, former: &Former) -> Result<bool, Error> {
    Ok(db
        .prepare_cached(&format!(
            "{QUIET} AND id = ?1 AND replaced_by = ?2 AND video_key = ?3 AND replaced_at = ?4"
        ))?
        .exists(params![
            former.job.0,
            former.by.0,
            former.video_key,
            former.since
        ])?)
}

/// What follows where the video has what the job sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The job counts as uploaded again.
    Counts,
    /// Its file came back meanwhile and has a job of its own: this one keeps its video and has no file any more.
    HasOtherJob,
    /// The table says by now that it is not quiet.
    Open,
}

/// The video has what the job sent.
pub fn has_its_content(db: &Connection, former: &Former, now: Timestamp) -> Result<Content, Error> {
    if !is_quiet_still(db, former)? {
        return Ok(Content::Open);
    }
    let changed = db
        .prepare_cached(
            "UPDATE OR IGNORE jobs SET replaced_by = NULL, replaced = NULL, replaced_at = NULL WHERE id = ?1",
        )?
        .execute([former.job.0])?;
    if changed == 1 {
        return Ok(Content::Counts);
    }
    // No answer of the platform would change that, so nothing is left to ask. No file has an inode below zero.
    row::set(
        db,
        former.job,
        &[
            ("ino", &-former.job.0),
            ("replaced_by", &Null),
            ("replaced", &Null),
            ("replaced_at", &Null),
        ],
    )?;
    db.prepare_cached(
        "UPDATE afterwards SET due_at = NULL, last_error = NULL, done_at = ?2,
                outcome = 'kept: the file came back meanwhile and has another job'
         WHERE job_id = ?1 AND due_at IS NOT NULL",
    )?
    .execute(params![former.job.0, At(now)])?;
    Ok(Content::HasOtherJob)
}

/// The video has other content: that of the other job has arrived. Answers whether it was written down.
pub fn was_overwritten(db: &Connection, former: &Former) -> Result<bool, Error> {
    if !is_quiet_still(db, former)? {
        return Ok(false);
    }
    row::set(db, former.job, &[("replaced", &Arrival::Certain.word())])?;
    Ok(true)
}

/// The video is not there, or has failed: what the job sent is nowhere.
pub fn lost(
    db: &Connection,
    former: &Former,
    loss: &Loss<'_>,
    now: Timestamp,
) -> Result<Became, Error> {
    if is_quiet_still(db, former)? {
        sent::give_up(db, former.job, loss, now)
    } else {
        Ok(Became::Nothing)
    }
}
