//! What changes of the rows, each verb in the transaction of its caller.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Action, Case, WATCH_IS_GONE};
use crate::identity::Identity;
use crate::queue::error::Error;
use crate::queue::job::{JobId, Lease};
use crate::queue::outcome::held;
use crate::queue::replace;
use crate::queue::sent::Sent;
use crate::queue::sql::{At, PathColumn, StoredPath};

/// The upload server named the MD5 of what was sent.
pub fn verified(db: &Connection, lease: &Lease) -> Result<(), Error> {
    held(db, lease)?;
    db.prepare_cached("UPDATE jobs SET verified = ingest_id WHERE id = ?1")?
        .execute([lease.job.id.0])?;
    Ok(())
}

/// There is nothing to do for these jobs, and there never was.
pub fn forget(db: &Connection, jobs: &[JobId]) -> Result<(), Error> {
    let mut statement = db.prepare_cached(
        "DELETE FROM afterwards WHERE job_id = ?1 AND action = 'undecided' AND going_to IS NULL AND copy IS NULL",
    )?;
    for job in jobs {
        statement.execute([job.0])?;
    }
    Ok(())
}

/// Where `moved_to` may stay while the file is at the path of its job: where the job followed the
/// file, and where the file must go back. Any other place it has left since.
const MOVED_TO: &str = "moved_to = iif(came_from IS NOT NULL OR moved_to = (SELECT path FROM jobs WHERE id = job_id), moved_to, NULL)";

/// The action is decided, and due then; with the note that is there now. Answers whether the job is
/// still as it was.
pub fn plan(
    db: &Connection,
    case: &Case,
    (action, due_at): (Action, Option<Timestamp>),
    note: Option<&Path>,
) -> Result<bool, Error> {
    let changed = db
        .prepare_cached(&format!(
            "UPDATE afterwards SET action = ?3, due_at = ?4, note = ?5, attempts = 0, last_error = NULL,
                    sidecar_left = NULL, {MOVED_TO}
             WHERE job_id = ?1 AND action = ?6 AND (SELECT state FROM jobs WHERE id = ?1) = ?2",
        ))?
        .execute(params![
            case.job.id.0,
            case.job.state.word(),
            action.word(),
            due_at.map(At),
            note.map(PathColumn),
            case.row.action.word()
        ])?;
    Ok(changed == 1)
}

/// Right before the file gets this name, or what is left beside it goes (`None`). Answers whether it may.
///
/// Only where its job is as it was when it was read, and where the platform was asked about what
/// was `sent`, that is still what the video must have.
pub fn going(
    db: &Connection,
    case: &Case,
    sent: Option<&Sent>,
    to: Option<&Path>,
) -> Result<bool, Error> {
    let changed = db
        .prepare_cached(&format!(
            "UPDATE afterwards SET going_to = coalesce(?5, going_to), unlinks = iif(?5 IS NULL, unlinks, 0)
             WHERE job_id = ?1 AND action = ?2
               AND EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND state = ?3 AND path = ?4 AND duplicate_of IS ?6
                             AND (?7 IS NULL OR replaced_by IS NULL))
               AND (?7 IS NULL
                    OR EXISTS (SELECT 1 FROM jobs AS original
                               WHERE original.id = ?7 AND original.video_key = ?8 AND original.state = 'done'
                                 AND NOT {}))",
            replace::is_replaced("original")
        ))?
        .execute(params![
            case.job.id.0,
            case.row.action.word(),
            case.job.state.word(),
            PathColumn(&case.job.path),
            to.map(PathColumn),
            case.job.duplicate_of,
            sent.map(|sent| sent.job.0),
            sent.map(|sent| &sent.video_key),
        ])?;
    Ok(changed == 1)
}

/// The file did not get the name.
pub fn did_not_go(db: &Connection, id: JobId) -> Result<(), Error> {
    db.prepare_cached("UPDATE afterwards SET going_to = NULL, unlinks = 0 WHERE job_id = ?1")?
        .execute([id.0])?;
    Ok(())
}

/// The file has the name that was noted, and is unlinked next. Answers whether one was noted.
pub fn unlinks(db: &Connection, id: JobId) -> Result<bool, Error> {
    let changed = db
        .prepare_cached(
            "UPDATE afterwards SET unlinks = 1 WHERE job_id = ?1 AND going_to IS NOT NULL",
        )?
        .execute([id.0])?;
    Ok(changed == 1)
}

/// A copy is begun under this hidden name.
pub fn copies(db: &Connection, id: JobId, copy: &Path) -> Result<bool, Error> {
    let changed = db
        .prepare_cached("UPDATE afterwards SET copy = ?2 WHERE job_id = ?1")?
        .execute(params![id.0, PathColumn(copy)])?;
    Ok(changed == 1)
}

/// The copy that was noted under this hidden name is not there any more, or was `named`, with these words.
pub fn settled_copy(
    db: &Connection,
    id: JobId,
    copy: Option<&Path>,
    named: Option<(&Path, &str)>,
) -> Result<(), Error> {
    let (to, words) = named.unzip();
    db.prepare_cached(
        "UPDATE afterwards SET copy = NULL, moved_to = coalesce(moved_to, ?3),
                outcome = iif(?4 IS NULL OR outcome IS ?5, outcome, coalesce(outcome || '; ', '') || ?4)
         WHERE job_id = ?1 AND copy IS ?2",
    )?
    .execute(params![
        id.0,
        copy.map(PathColumn),
        to.map(PathColumn),
        words,
        WATCH_IS_GONE
    ])?;
    Ok(())
}

/// Where a file is once it is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File<'a> {
    /// Where it was.
    Stayed,
    /// Here.
    Moved(&'a Path),
    /// Nowhere.
    Deleted,
}

/// It is done. Of a file that was moved no copy is left: it has its name, or was settled before.
pub fn done(
    db: &Connection,
    id: JobId,
    (outcome, file): (&str, File<'_>),
    now: Timestamp,
) -> Result<(), Error> {
    let moved_to = match file {
        File::Moved(to) => Some(PathColumn(to)),
        File::Stayed | File::Deleted => None,
    };
    db.prepare_cached(
        "UPDATE afterwards SET due_at = NULL, last_error = NULL, outcome = ?2, done_at = ?3, going_to = NULL, unlinks = 0,
                moved_to = iif(?5, moved_to, ?4), copy = iif(?4 IS NULL, copy, NULL)
         WHERE job_id = ?1",
    )?
    .execute(params![
        id.0,
        outcome,
        At(now),
        moved_to,
        file == File::Stayed
    ])?;
    if file == File::Deleted {
        // Another file may get its inode.
        disown(db, id)?;
    }
    Ok(())
}

/// The file has other content than the job had: it stays, and is not the job's any more.
pub fn changed(db: &Connection, id: JobId, outcome: &str, now: Timestamp) -> Result<(), Error> {
    done(db, id, (outcome, File::Stayed), now)?;
    db.prepare_cached("UPDATE afterwards SET action = 'keep' WHERE job_id = ?1")?
        .execute([id.0])?;
    disown(db, id)
}

/// No file is the job's any more: none has an inode below zero, and no two jobs have the same.
fn disown(db: &Connection, id: JobId) -> Result<(), Error> {
    db.prepare_cached("UPDATE jobs SET ino = -id WHERE id = ?1")?
        .execute([id.0])?;
    Ok(())
}

/// The file of a job that must find it was moved: the job goes along.
pub fn placed(
    db: &Connection,
    case: &Case,
    (path, identity, note): (&Path, &Identity, Option<&Path>),
    (outcome, now): (&str, Timestamp),
) -> Result<(), Error> {
    let id = case.job.id;
    let back = case.row.action == Action::Back;
    done(db, id, (outcome, File::Moved(path)), now)?;
    db.prepare_cached(
        "UPDATE afterwards SET came_from = iif(?2, NULL, coalesce(came_from, (SELECT path FROM jobs WHERE id = ?1))),
                note = ?3, action = iif((SELECT state FROM jobs WHERE id = ?1) IN ('done', 'failed', 'duplicate'), action, 'none')
         WHERE job_id = ?1",
    )?
    .execute(params![id.0, back, note.map(PathColumn)])?;
    // Another job may have this very file under this name, where the same content failed before: it is that one's, and
    // this job still finds it there, by its other marks.
    for ino in [identity.ino, -id.0] {
        let moved = db
            .prepare_cached(
                "UPDATE OR IGNORE jobs SET path = ?2, dev = ?3, ino = ?4, mtime_ns = ?5, ctime_ns = ?6,
                        run_at = iif(state = 'queued' AND step <> 'confirm', ?7, run_at), renamed_at = ?7
                 WHERE id = ?1",
            )?
            .execute(params![
                id.0,
                PathColumn(path),
                identity.dev,
                ino,
                identity.mtime_ns,
                identity.ctime_ns,
                At(now)
            ])?;
        if moved == 1 {
            break;
        }
    }
    Ok(())
}

/// It could not be done: tried again then.
pub fn later(db: &Connection, id: JobId, error: &str, run_at: Timestamp) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE afterwards SET due_at = ?3, last_error = ?2, attempts = attempts + 1 WHERE job_id = ?1 AND due_at IS NOT NULL",
    )?
    .execute(params![id.0, error, At(run_at)])?;
    Ok(())
}

/// The note of a failure is there, or is not any more.
pub fn note(db: &Connection, id: JobId, note: Option<&Path>) -> Result<(), Error> {
    db.prepare_cached("UPDATE afterwards SET note = ?2 WHERE job_id = ?1")?
        .execute(params![id.0, note.map(PathColumn)])?;
    Ok(())
}

/// A person put the file back into its folder: it has not been moved for a failure any more.
pub fn put_back(db: &Connection, id: JobId) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE afterwards SET came_from = NULL, moved_to = NULL, note = NULL WHERE job_id = ?1",
    )?
    .execute([id.0])?;
    Ok(())
}

/// The platform says that the video is there: what to do with the file is decided as usual.
///
/// A file that is kept (`keeps`) is known by its new ctime from now on; by that of one that will go
/// it shows that its bytes must be compared.
pub fn answered(db: &Connection, id: JobId, keeps: bool) -> Result<(), Error> {
    if keeps {
        db.prepare_cached(
            "UPDATE jobs SET ctime_ns = coalesce((SELECT returned FROM afterwards WHERE job_id = ?1), ctime_ns)
             WHERE id = ?1 AND state IN ('done', 'duplicate')",
        )?
        .execute([id.0])?;
    }
    db.prepare_cached(
        "UPDATE afterwards SET returned = NULL, attempts = 0, last_error = NULL WHERE job_id = ?1",
    )?
    .execute([id.0])?;
    Ok(())
}

/// The file of a job that is over is in its folder again, or was touched: the platform is asked, and what
/// was done with the file once is done again. What is due anyway stays so, as it is asked for by then.
pub(in crate::queue) fn returned(
    db: &Connection,
    id: JobId,
    ctime_ns: i64,
    now: Timestamp,
) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE afterwards SET returned = ?3
         WHERE job_id = ?1 AND action = 'undecided' AND due_at IS NOT NULL AND returned IS NOT ?3",
    )?
    .execute(params![id.0, At(now), ctime_ns])?;
    db.prepare_cached(&format!(
        "INSERT INTO afterwards (job_id, action, due_at, returned, counts_from)
         SELECT id, 'undecided', ?2, ?3, ?2 FROM jobs WHERE id = ?1 AND state IN ('done', 'duplicate')
         ON CONFLICT (job_id) DO UPDATE
         SET action = 'undecided', due_at = ?2, returned = ?3, counts_from = ?2, attempts = 0, last_error = NULL,
             outcome = NULL, done_at = NULL, sidecar_left = NULL, {MOVED_TO}
         WHERE (due_at IS NULL OR sidecar_left IS NOT NULL) AND going_to IS NULL",
    ))?
    .execute(params![id.0, At(now), ctime_ns])?;
    Ok(())
}

/// The job followed its file to another name. Where the file comes from the place that it was moved to, it is in a
/// watch folder again: as [`returned`].
pub(in crate::queue) fn came_back(
    db: &Connection,
    id: JobId,
    ctime_ns: i64,
    now: Timestamp,
) -> Result<(), Error> {
    let was_moved = db
        .prepare_cached(
            "SELECT 1 FROM afterwards
             WHERE job_id = ?1 AND moved_to IS NOT NULL AND came_from IS NULL AND done_at IS NOT NULL",
        )?
        .exists([id.0])?;
    if was_moved {
        returned(db, id, ctime_ns, now)?;
    }
    Ok(())
}

/// The configuration does not have the watch of this file: nothing is done, and what was done before stays said.
pub fn has_no_watch(db: &Connection, id: JobId, now: Timestamp) -> Result<(), Error> {
    let waits = db
        .prepare_cached(
            "UPDATE afterwards SET due_at = NULL, last_error = ?2 WHERE job_id = ?1 AND sidecar_left IS NOT NULL",
        )?
        .execute(params![id.0, WATCH_IS_GONE])?;
    if waits == 0 {
        done(db, id, (WATCH_IS_GONE, File::Stayed), now)?;
    }
    Ok(())
}

/// The configuration has these watches now. For the files of any other nothing is done.
///
/// For those of one that is back it is decided again: the grace counts from its return. What was
/// done with a file before stays said: one that may be half gone comes to its end, and the sidecar
/// of one that has gone waits.
pub fn watches_are(db: &Connection, names: &[String], now: Timestamp) -> Result<(), Error> {
    let names = serde_json::to_string(names).unwrap_or_else(|_| "[]".to_owned());
    db.prepare_cached(
        "UPDATE afterwards SET due_at = NULL, outcome = ?2, done_at = ?3, last_error = NULL
         WHERE due_at IS NOT NULL AND going_to IS NULL AND sidecar_left IS NULL
           AND (SELECT watch FROM jobs WHERE id = job_id) NOT IN (SELECT value FROM json_each(?1))",
    )?
    .execute(params![names, WATCH_IS_GONE, At(now)])?;
    db.prepare_cached(
        "UPDATE afterwards SET due_at = NULL, last_error = ?2
         WHERE due_at IS NOT NULL AND sidecar_left IS NOT NULL
           AND (SELECT watch FROM jobs WHERE id = job_id) NOT IN (SELECT value FROM json_each(?1))",
    )?
    .execute(params![names, WATCH_IS_GONE])?;
    db.prepare_cached(
        "UPDATE afterwards SET due_at = ?3, last_error = NULL, attempts = 0
         WHERE due_at IS NULL AND sidecar_left IS NOT NULL AND last_error = ?2
           AND (SELECT watch FROM jobs WHERE id = job_id) IN (SELECT value FROM json_each(?1))",
    )?
    .execute(params![names, WATCH_IS_GONE, At(now)])?;
    db.prepare_cached(
        "UPDATE afterwards SET action = 'undecided', due_at = ?3, counts_from = ?3, outcome = NULL, done_at = NULL,
                attempts = 0
         WHERE outcome = ?2 AND (SELECT watch FROM jobs WHERE id = job_id) IN (SELECT value FROM json_each(?1))
           AND (SELECT state FROM jobs WHERE id = job_id) IN ('done', 'failed', 'duplicate')",
    )?
    .execute(params![names, WATCH_IS_GONE, At(now)])?;
    Ok(())
}

/// Where the file of a job is that `after-upload` has moved; none where it is at its path.
pub fn gone_to(db: &Connection, id: JobId) -> Result<Option<PathBuf>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT moved_to FROM afterwards WHERE job_id = ?1 AND moved_to IS NOT NULL AND came_from IS NULL",
        )?
        .query_row([id.0], |row| row.get::<_, StoredPath>(0).map(|path| path.0))
        .optional()?)
}

/// Whether jw-ingest has deleted the file of a job, or is about to.
pub fn is_deleted(db: &Connection, id: JobId) -> Result<bool, Error> {
    Ok(db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM afterwards JOIN jobs ON jobs.id = job_id
                            WHERE job_id = ?1 AND action = 'delete'
                              AND (unlinks = 1 OR (done_at IS NOT NULL AND moved_to IS NULL AND ino = -jobs.id)))",
        )?
        .query_row([id.0], |row| row.get(0))?)
}

/// The job must find its file where that was moved to.
pub fn follow(
    db: &Connection,
    id: JobId,
    (path, identity): (&Path, &Identity),
) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE OR IGNORE jobs SET path = ?2, dev = ?3, ino = ?4, mtime_ns = ?5, ctime_ns = ?6 WHERE id = ?1",
    )?
    .execute(params![
        id.0,
        PathColumn(path),
        identity.dev,
        identity.ino,
        identity.mtime_ns,
        identity.ctime_ns
    ])?;
    Ok(())
}
