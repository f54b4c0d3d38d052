//! Videos that we began and that must not stay on the platform.
//!
//! A video goes onto this list in the very transaction in which its job lets go of it, so that a
//! crash between the two can leave neither a forgotten draft nor a second video.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Error;
use super::job::JobId;
use super::outcome::forget_video;
use super::restored::FOUND;
use super::sql::At;
use crate::way::Way;

/// One video to be withdrawn.
#[derive(Debug, Clone)]
pub struct Withdrawal {
    /// Number of the row.
    pub id: i64,
    /// The job that had begun it.
    pub job: JobId,
    /// Its account.
    pub account: String,
    /// The ingest id it carries.
    pub ingest_id: String,
    /// Its key; unknown where the create call's answer was lost.
    pub video_key: Option<String>,
    /// When the job let go of it.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub attempts: i64,
}

/// Lets the job's unfinished video go, if there is or may be one: onto the list, and the job back
/// to its first step with a new ingest id. A video that has all its bytes is left alone, and so is
/// one that was there before the job, which only should have got its content.
pub(super) fn begun_video(
    db: &Connection,
    job: JobId,
    reason: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let begun = db
        .prepare_cached(
            "SELECT 1 FROM jobs WHERE id = ?1 AND step <> 'confirm' AND (video_key IS NOT NULL OR create_sent_at IS NOT NULL)",
        )?
        .exists([job.0])?;
    if begun {
        video(db, job, reason, now)?;
        forget_video(db, job)?;
    }
    Ok(())
}

/// Puts the job's video onto the list, unless it is another job's too, whose content this one
/// should have replaced, or whose content replaced this one's: no matter what comes in between,
/// that video stays.
///
/// Only a video that a create call of this table made is withdrawn. One that was found on the platform may
/// be another's work: an FTP upload is recognised by its looks, and what was there before a lost table may
/// have been made by a person.
pub(super) fn video(
    db: &Connection,
    job: JobId,
    reason: &str,
    now: Timestamp,
) -> Result<(), Error> {
    db.prepare_cached(
        "INSERT INTO withdrawals (job_id, account, ingest_id, video_key, reason, created_at, run_at)
         SELECT id, account, ingest_id, video_key, ?2, ?3, ?3 FROM jobs
         WHERE id = ?1 AND replaces IS NULL AND method IS NOT ?4 AND method IS NOT ?5
           AND NOT EXISTS (SELECT 1 FROM jobs AS other WHERE other.video_key = jobs.video_key AND other.id <> ?1)",
    )?
    .execute(params![job.0, reason, At(now), FOUND, Way::Ftp.word()])?;
    Ok(())
}

/// The next one that is due on an account that is not paused.
pub fn due(db: &Connection, now: Timestamp) -> Result<Option<Withdrawal>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT id, job_id, account, ingest_id, video_key, created_at, attempts FROM withdrawals
             WHERE finished_at IS NULL AND run_at <= ?1
               AND account NOT IN (SELECT account FROM paused_accounts)
             ORDER BY run_at, id LIMIT 1",
        )?
        .query_row([At(now)], |row| {
            Ok(Withdrawal {
                id: row.get("id")?,
                job: JobId(row.get("job_id")?),
                account: row.get("account")?,
                ingest_id: row.get("ingest_id")?,
                video_key: row.get("video_key")?,
                created_at: row.get::<_, At>("created_at")?.0,
                attempts: row.get("attempts")?,
            })
        })
        .optional()?)
}

/// When the next one is due on an account that is not paused: what [`due`] will give; how
/// `run --until-idle` knows that something is left to do.
pub fn next_due(db: &Connection) -> Result<Option<Timestamp>, Error> {
    let at: Option<At> = db
        .prepare_cached(
            "SELECT min(run_at) FROM withdrawals
             WHERE finished_at IS NULL AND account NOT IN (SELECT account FROM paused_accounts)",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(at.map(|at| at.0))
}

/// Whether a job has taken back the video that should have been withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenBack {
    /// It waits for it as for one that it has sent.
    Yes,
    /// A worker has the job: whether it finds its file is not known yet.
    Later,
    /// The job has another video, or may have one, or was cancelled.
    No,
}

/// The video has content after all, and its file is not there to be sent again: the job takes it back.
///
/// Only a job that has no other video, nor may have one, and that was not
/// cancelled: what was sent of a file that changed meanwhile may be half of it.
pub fn take_back(
    db: &Connection,
    withdrawal: &Withdrawal,
    video_key: &str,
    now: Timestamp,
) -> Result<TakenBack, Error> {
    let taken = db
        .prepare_cached(
            "UPDATE OR IGNORE jobs SET state = 'queued', step = 'confirm', video_key = ?2, ingest_id = ?3, run_at = ?4,
                    sent_at = ?4, finished_at = NULL, failing_since = NULL, superseded = 0, last_error = NULL,
                    advice = NULL, status = NULL
             WHERE id = ?1 AND state IN ('queued', 'failed') AND step = 'create' AND video_key IS NULL
               AND create_sent_at IS NULL AND held = 0
               AND NOT EXISTS (SELECT 1 FROM jobs AS other WHERE other.video_key = ?2)",
        )?
        .execute(params![
            withdrawal.job.0,
            video_key,
            withdrawal.ingest_id,
            At(now)
        ])?;
    if taken == 1 {
        db.prepare_cached("DELETE FROM withdrawals WHERE id = ?1")?
            .execute([withdrawal.id])?;
        return Ok(TakenBack::Yes);
    }
    let is_running = db
        .prepare_cached("SELECT 1 FROM jobs WHERE id = ?1 AND state = 'running'")?
        .exists([withdrawal.job.0])?;
    Ok(if is_running {
        TakenBack::Later
    } else {
        TakenBack::No
    })
}

/// It is gone from the platform, or never was there.
pub fn finished(db: &Connection, id: i64, now: Timestamp) -> Result<(), Error> {
    db.prepare_cached("UPDATE withdrawals SET finished_at = ?2, last_error = NULL WHERE id = ?1")?
        .execute(params![id, At(now)])?;
    Ok(())
}

/// It could not be withdrawn this time.
pub fn again(db: &Connection, id: i64, run_at: Timestamp, error: &str) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE withdrawals SET attempts = attempts + 1, run_at = ?2, last_error = ?3 WHERE id = ?1",
    )?
    .execute(params![id, At(run_at), error])?;
    Ok(())
}
