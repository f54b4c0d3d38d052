//! Files whose bytes are up and whose ctime has moved since, while size, mtime and inode stayed: as
//! by a `chmod` or a hard link, or by a write whose mtime was put back. Only their content can tell.

use rusqlite::{Connection, OptionalExtension};

use super::enqueue::{Enqueued, NewJob, Offered, enqueue, offer};
use super::error::Error;
use super::job::JobId;

/// A job that may speak for another content than its file has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The job.
    pub job: JobId,
    /// The fingerprint of what was uploaded, or found to be up.
    pub fingerprint: String,
}

/// The doubt about a job whose file has another ctime; none if its bytes are yet to be read, or
/// nobody noted what they looked like.
pub(super) fn about(db: &Connection, job: JobId) -> Result<Option<Doubt>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT fingerprint FROM jobs WHERE id = ?1 AND fingerprint IS NOT NULL
               AND (state IN ('done', 'duplicate') OR state = 'queued' AND step = 'confirm')",
        )?
        .query_row([job.0], |row| row.get(0))
        .optional()?
        .map(|fingerprint| Doubt { job, fingerprint }))
}

/// The file turned out to have other content: it becomes a job of its own, unless it has one by now.
/// The old job keeps its video and speaks for no file any more.
pub fn confirmed(
    db: &Connection,
    new: &NewJob,
    doubt: &Doubt,
    now: jiff::Timestamp,
) -> Result<Enqueued, Error> {
    if matches!(offer(db, new, now)?, Offered::Doubtful(still) if still == *doubt) {
        // No file has an inode below zero, and no two jobs have the same.
        db.prepare_cached("UPDATE jobs SET ino = -id WHERE id = ?1")?
            .execute([doubt.job.0])?;
    }
    enqueue(db, new, now)
}
