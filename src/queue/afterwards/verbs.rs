//! What changes of the rows, each verb in the transaction of its caller.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{Action, Case};
use crate::identity::Identity;
use crate::queue::error::Error;
use crate::queue::job::{JobId, Lease};
use crate::queue::outcome::held;
use crate::queue::sql::{At, PathColumn};

/// The upload server named the MD5 of what was sent.
pub fn verified(db: &Connection, lease: &Lease) -> Result<(), Error> {
    held(db, lease)?;
    db.prepare_cached("UPDATE jobs SET verified = ingest_id WHERE id = ?1")?
        .execute([lease.job.id.0])?;
    Ok(())
}

/// Nothing is to be done for these jobs, and nothing ever was.
pub fn forget(db: &Connection, jobs: &[JobId]) -> Result<(), Error> {
    let mut statement = db.prepare_cached(
        "DELETE FROM afterwards WHERE job_id = ?1 AND action = 'undecided' AND going_to IS NULL",
    )?;
    for job in jobs {
        statement.execute([job.0])?;
    }
    Ok(())
}

/// The action is decided, and due then; with the note that is there now. Answers whether the job is
/// still as it was.
pub fn plan(
    db: &Connection,
    case: &Case,
    (action, due_at): (Action, Option<Timestamp>),
    note: Option<&Path>,
) -> Result<bool, Error> {
    let changed = db
        .prepare_cached(
            "UPDATE afterwards SET action = ?3, due_at = ?4, note = ?5, attempts = 0, last_error = NULL
             WHERE job_id = ?1 AND action = ?6 AND (SELECT state FROM jobs WHERE id = ?1) = ?2",
        )?
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

/// Before the file gets this name. Answers whether it may: the job may have been queued again.
pub fn going(db: &Connection, case: &Case, to: &Path) -> Result<bool, Error> {
    let changed = db
        .prepare_cached(
            "UPDATE afterwards SET going_to = ?3
             WHERE job_id = ?1 AND (SELECT state FROM jobs WHERE id = ?1) = ?2",
        )?
        .execute(params![
            case.job.id.0,
            case.job.state.word(),
            PathColumn(to)
        ])?;
    Ok(changed == 1)
}

/// The file did not get the name.
pub fn did_not_go(db: &Connection, id: JobId) -> Result<(), Error> {
    db.prepare_cached("UPDATE afterwards SET going_to = NULL WHERE job_id = ?1")?
        .execute([id.0])?;
    Ok(())
}

/// It is done; `moved_to` is where the file lies now, if it was moved.
pub fn done(
    db: &Connection,
    id: JobId,
    (outcome, moved_to): (&str, Option<&Path>),
    now: Timestamp,
) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE afterwards SET due_at = NULL, last_error = NULL, outcome = ?2, done_at = ?3, going_to = NULL,
                moved_to = coalesce(?4, moved_to)
         WHERE job_id = ?1",
    )?
    .execute(params![
        id.0,
        outcome,
        At(now),
        moved_to.map(PathColumn)
    ])?;
    Ok(())
}

/// The file of a job that is to find it was moved: the job goes along.
pub fn placed(
    db: &Connection,
    case: &Case,
    (path, identity, note): (&Path, &Identity, Option<&Path>),
    (outcome, now): (&str, Timestamp),
) -> Result<(), Error> {
    let id = case.job.id;
    let back = case.row.action == Action::Back;
    done(db, id, (outcome, Some(path)), now)?;
    db.prepare_cached(
        "UPDATE afterwards SET came_from = iif(?2, NULL, coalesce(came_from, (SELECT path FROM jobs WHERE id = ?1))),
                note = ?3, action = iif((SELECT state FROM jobs WHERE id = ?1) IN ('done', 'failed', 'duplicate'), action, 'none')
         WHERE job_id = ?1",
    )?
    .execute(params![id.0, back, note.map(PathColumn)])?;
    // Another job cannot have this very file under this name; should it, this one keeps its path.
    db.prepare_cached(
        "UPDATE OR IGNORE jobs SET path = ?2, dev = ?3, ino = ?4, mtime_ns = ?5, ctime_ns = ?6,
                run_at = iif(state = 'queued' AND step <> 'confirm', ?7, run_at), renamed_at = ?7
         WHERE id = ?1",
    )?
    .execute(params![
        id.0,
        PathColumn(path),
        identity.dev,
        identity.ino,
        identity.mtime_ns,
        identity.ctime_ns,
        At(now)
    ])?;
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
