//! Files that a job has read and whose ctime has moved since, while size, mtime and inode stayed.
//!
//! A `chmod`, a hard link and a rename do that. So do a write whose mtime was put back, and another file that got the
//! inode after the first one was deleted. Only their content can tell.

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::enqueue::{Enqueued, NewJob, Offered, enqueue, offer};
use super::error::Error;
use super::job::JobId;
use super::renames::{follow_rename, moved};
use super::row;

/// A job that may account for another content than its file has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The job.
    pub job: JobId,
    /// The fingerprint of what was uploaded, or found to be uploaded.
    pub fingerprint: String,
    /// The name that the job knows, where the file has another one now.
    pub renamed_from: Option<PathBuf>,
}

/// The doubt about a job whose file has another ctime; none if its bytes are yet to be read, or
/// what they looked like was not noted. A job that has failed or was cancelled keeps other content
/// from being uploaded just as one that is done.
pub(super) fn about(db: &Connection, job: JobId) -> Result<Option<Doubt>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT fingerprint FROM jobs WHERE id = ?1 AND fingerprint IS NOT NULL
               AND (state IN ('done', 'duplicate', 'failed', 'cancelled') OR state = 'queued' AND step = 'confirm')",
        )?
        .query_row([job.0], |row| row.get(0))
        .optional()?
        .map(|fingerprint| Doubt {
            job,
            fingerprint,
            renamed_from: None,
        }))
}

/// The content was looked at, and is the same (`is_same`) or another one.
///
/// The same: the job continues with its file. Another one: the file becomes a job of its own,
/// unless it has one by now; the old job keeps its video and has no file any more.
///
/// `None`: the doubt is another one by now, and the file must be looked at again.
pub fn settle_doubt(
    db: &Connection,
    new: &NewJob,
    (doubt, is_same): (&Doubt, bool),
    now: Timestamp,
) -> Result<Option<Enqueued>, Error> {
    let offered = match &doubt.renamed_from {
        None => offer(db, new, now)?,
        Some(old_path) => moved(db, (doubt.job, old_path), new, now)?,
    };
    match (offered, &doubt.renamed_from) {
        (Offered::Taken(enqueued), _) => return Ok(Some(enqueued)),
        (Offered::Doubtful(still), _) if still != *doubt => return Ok(None),
        (Offered::Doubtful(_), Some(old_path)) if is_same => {
            return follow_rename(db, (doubt.job, old_path), new, now).map(Some);
        }
        (Offered::Doubtful(_), None) if is_same => {}
        // No file has an inode below zero, and no two jobs have the same.
        (Offered::Doubtful(_), _) => {
            row::set(db, doubt.job, &[("ino", &-doubt.job.0)])?;
        }
    }
    enqueue(db, new, now).map(Some)
}
