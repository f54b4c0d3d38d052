//! The job table's side of a fetch: the platform is asked to download the file, and from then on the
//! job waits for its word.

use jiff::Timestamp;
use rusqlite::types::Null;
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Error;
use super::job::{JobId, Lease};
use super::outcome::{Report, close_attempt, held};
use super::row;
use super::ticket::forget_transfer;
use super::withdraw;

/// How a fetch ended in `attempts` that the platform reported as failed.
pub const FAILED: &str = "fetch-failed";

/// How a look at a ready video ended that is not the file.
pub const MISMATCH: &str = "mismatch";

/// What the file summed up to before the platform was asked, lower-case hex.
pub fn summed(db: &Connection, lease: &Lease, md5: &str) -> Result<(), Error> {
    held(db, lease)?;
    row::set(db, lease.job.id, &[("md5", &md5)])
}

/// The video exists, and its bytes come by themselves: from the first step to the last, so that
/// after any crash there is something that waits for it. First looked at `run_at`.
///
/// The time of failing continues: that the platform was asked once more is no progress. Should the
/// job have another video already, that one goes to the withdrawals.
pub fn asked(
    db: &Connection,
    lease: &Lease,
    video_key: &str,
    (run_at, now): (Timestamp, Timestamp),
) -> Result<(), Error> {
    held(db, lease)?;
    let id = lease.job.id;
    let has_another = db
        .prepare_cached("SELECT 1 FROM jobs WHERE id = ?1 AND video_key <> ?2")?
        .exists(params![id.0, video_key])?;
    if has_another {
        withdraw::video(db, id, "another video was made in its place", now)?;
    }
    row::set(db, id, &[("video_key", &video_key), ("status", &Null)])?;
    row::await_ready(db, id, run_at, now)?;
    forget_transfer(db, id)?;
    close_attempt(db, id, "done", &Report::default(), now)
}

/// Why a fetch of this job's file failed, if one did: the platform said so, or what it fetched was
/// something else.
pub fn in_vain(db: &Connection, job: JobId) -> Result<Option<String>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT coalesce(message, outcome) FROM attempts
             WHERE job_id = ?1 AND step = 'confirm' AND method = 'fetch' AND outcome IN (?2, ?3)
             ORDER BY id DESC LIMIT 1",
        )?
        .query_row(params![job.0, FAILED, MISMATCH], |row| row.get(0))
        .optional()?)
}
