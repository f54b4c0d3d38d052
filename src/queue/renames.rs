//! Files that were renamed: their jobs continue under the new names.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::doubt::{self, Doubt};
use super::enqueue::{Enqueued, NewJob, Offered, enqueue, known, offer};
use super::error::Error;
use super::job::{JobId, State};
use super::sql::{At, PathColumn, StoredPath};
use super::{afterwards, metadata, priority, ticket};

/// Another name that a job knows a file by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherName {
    /// The job.
    pub job: JobId,
    /// Its watch.
    pub watch: String,
    /// The name.
    pub path: PathBuf,
}

/// The account's jobs of this very file (inode, size, mtime) under other names, where the path has
/// none yet. In another account's folder it is another video.
pub fn other_names(db: &Connection, new: &NewJob) -> Result<Vec<OtherName>, Error> {
    let NewJob { path, identity, .. } = new;
    if known(db, path, identity)?.is_some() {
        return Ok(Vec::new());
    }
    let mut statement = db.prepare_cached(
        "SELECT id, watch, path FROM jobs
         WHERE ino = ?1 AND size = ?2 AND mtime_ns = ?3 AND account = ?4 AND superseded = 0
           AND replaced_by IS NULL ORDER BY id",
    )?;
    let rows = statement.query_map(
        params![identity.ino, identity.size, identity.mtime_ns, new.account],
        |row| {
            Ok(OtherName {
                job: JobId(row.get(0)?),
                watch: row.get(1)?,
                path: row.get::<_, StoredPath>(2)?.0,
            })
        },
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The file of a job was renamed: the job continues under the new name. If the job has another name
/// or accounts for no file by now, or the new name has a job, the file is enqueued like any other.
///
/// A rename moves the ctime, too, and hides a write before it whose mtime was put back. So a file
/// whose bytes are uploaded and whose ctime differs is in doubt, and nothing is changed. A folder
/// that is renamed leaves the ctime of its files alone: they are followed without a look into them.
pub fn moved(
    db: &Connection,
    (id, old_path): (JobId, &Path),
    new: &NewJob,
    now: Timestamp,
) -> Result<Offered, Error> {
    if known(db, &new.path, &new.identity)?.is_some() {
        return offer(db, new, now);
    }
    let ctime_ns: Option<i64> = db
        .prepare_cached(
            "SELECT ctime_ns FROM jobs WHERE id = ?1 AND path = ?2 AND superseded = 0 AND replaced_by IS NULL",
        )?
        .query_row(params![id.0, PathColumn(old_path)], |row| row.get(0))
        .optional()?;
    if ctime_ns.is_some_and(|ctime_ns| ctime_ns != new.identity.ctime_ns)
        && let Some(doubt) = doubt::about(db, id)?
    {
        return Ok(Offered::Doubtful(Doubt {
            renamed_from: Some(old_path.to_path_buf()),
            ..doubt
        }));
    }
    follow_rename(db, (id, old_path), new, now).map(Offered::Taken)
}

/// The job continues under the new name of its file, which has the content that the job knows.
///
/// The ctime of one that is about to be moved or deleted stays that of what was sent: samples are enough
/// to follow a file, and not to take it away.
pub(super) fn follow_rename(
    db: &Connection,
    (id, old_path): (JobId, &Path),
    new: &NewJob,
    now: Timestamp,
) -> Result<Enqueued, Error> {
    ticket::doubt_transfer(db, id, new.identity.ctime_ns)?;
    let may_have_been_away = db
        .prepare_cached("SELECT 1 FROM jobs WHERE id = ?1 AND (watch <> ?2 OR ctime_ns <> ?3)")?
        .exists(params![id.0, new.watch, new.identity.ctime_ns])?;
    let changed = db
        .prepare_cached(
            "UPDATE jobs SET path = ?3, watch = ?4, dev = ?5,
                    ctime_ns = iif(state = 'running' OR state IN ('done', 'duplicate') AND EXISTS (
                        SELECT 1 FROM afterwards WHERE job_id = jobs.id AND due_at IS NOT NULL), ctime_ns, ?6),
                    run_at = iif(state = 'queued' AND step <> 'confirm', ?7, run_at),
                    priority = iif(priority < ?9, ?8, priority), renamed_at = ?7
             WHERE id = ?1 AND path = ?2 AND superseded = 0 AND replaced_by IS NULL",
        )?
        .execute(params![
            id.0,
            PathColumn(old_path),
            PathColumn(&new.path),
            new.watch,
            new.identity.dev,
            new.identity.ctime_ns,
            At(now),
            new.priority,
            priority::BUMPED
        ])?;
    if changed == 0 {
        return enqueue(db, new, now);
    }
    db.prepare_cached("DELETE FROM settling WHERE path = ?1")?
        .execute([PathColumn(&new.path)])?;
    if may_have_been_away {
        // Its video may have gone meanwhile, and what becomes of an uploaded file goes by its watch.
        afterwards::returned(db, id, new.identity.ctime_ns, now)?;
    }
    afterwards::came_back(db, id, new.identity.ctime_ns, now)?;
    // Another sidecar may be beside it now.
    metadata::untold(db, id, now)?;
    Ok(Enqueued::Known(id, State::Queued))
}
