//! What was sent to the platform about a job's video beside its bytes, and what must be sent again.
//!
//! A changed sidecar makes the newest job of each video beside it due; whether there is news in it
//! is found out by the code that processes the list.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::afterwards;
use super::error::Error;
use super::job::{JobId, Lease};
use super::outcome::held;
use super::sql::{At, PathColumn, StoredPath, optional_time};

/// What is known of one job's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Distinct for what the sidecar said that the platform was sent.
    pub digest: Option<String>,
    /// When it is compared with the sidecar again.
    pub due_at: Option<Timestamp>,
    /// What was not sent and why.
    pub last_error: Option<String>,
    /// When this was written last.
    pub updated_at: Option<Timestamp>,
}

/// A job whose sidecar must be compared with what was sent.
#[derive(Debug, Clone)]
pub struct Due {
    /// The job.
    pub job: JobId,
    /// Its account.
    pub account: String,
    /// Its watch.
    pub watch: String,
    /// Its file.
    pub path: PathBuf,
    /// Its video's key.
    pub video_key: String,
    /// Its video's ingest id: that of the job that created the video, even if it got other content
    /// since.
    pub ingest_id: String,
    /// Of what was sent to the platform.
    pub digest: Option<String>,
    /// Failed attempts of an update.
    pub attempts: i64,
    /// Since when all attempts have failed.
    pub failing_since: Option<Timestamp>,
    /// Nothing was sent about it yet: its bytes came without a call.
    pub untold: bool,
    /// When its file was last changed, nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// When it became due: should the sidecar change once more, it is due again.
    pub due_at: Timestamp,
}

/// What the video of a job is sent as it is made, and what could not be sent.
pub fn told(
    db: &Connection,
    lease: &Lease,
    (digest, fault): (Option<&str>, Option<&str>),
    now: Timestamp,
) -> Result<(), Error> {
    held(db, lease)?;
    db.prepare_cached(
        "INSERT INTO metadata (job_id, digest, last_error, updated_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (job_id) DO UPDATE
         SET digest = ?2, last_error = ?3, updated_at = ?4, attempts = 0, failing_since = NULL",
    )?
    .execute(params![lease.job.id.0, digest, fault, At(now)])?;
    Ok(())
}

/// A sidecar came or changed: of each video that `belongs` to it, the job that got its name last is due.
///
/// A job may have got it by a rename, over the file of a younger one. Answers whether there is one. `base` is
/// the sidecar's path without its ending.
pub fn sidecar_changed(
    db: &Connection,
    base: &Path,
    belongs: impl Fn(&Path) -> bool,
    now: Timestamp,
) -> Result<bool, Error> {
    // All names that continue with a dot, and the name itself: the slash is what follows the dot.
    let with = |end: &[u8]| {
        let bytes = [base.as_os_str().as_bytes(), end].concat();
        PathBuf::from(OsString::from_vec(bytes))
    };
    let (from, to) = (with(b"."), with(b"/"));
    let mut statement = db.prepare_cached(
        "SELECT id, path FROM (
             SELECT id, path, row_number() OVER (
                 PARTITION BY path ORDER BY coalesce(renamed_at, created_at) DESC, id DESC) AS place
             FROM jobs
             WHERE superseded = 0 AND replaced_by IS NULL AND state IN ('queued', 'running', 'done')
               AND (path = ?1 OR path >= ?2 AND path < ?3))
         WHERE place = 1",
    )?;
    let columns = params![PathColumn(base), PathColumn(&from), PathColumn(&to)];
    let rows = statement.query_map(columns, |row| {
        Ok((JobId(row.get(0)?), row.get::<_, StoredPath>(1)?.0))
    })?;
    let mut some = false;
    for row in rows {
        let (job, path) = row?;
        if belongs(&path) {
            some = true;
            db.prepare_cached(
                "INSERT INTO metadata (job_id, due_at) VALUES (?1, ?2)
                 ON CONFLICT (job_id) DO UPDATE SET due_at = ?2, attempts = 0, failing_since = NULL",
            )?
            .execute(params![job.0, At(now)])?;
        }
    }
    Ok(some)
}

/// All that is sent about the job's video is due: it was found, and nothing could be sent before,
/// or it has got other content, and a sidecar may have come with that.
pub(super) fn untold(db: &Connection, job: JobId, now: Timestamp) -> Result<(), Error> {
    db.prepare_cached(
        "INSERT INTO metadata (job_id, due_at) VALUES (?1, ?2) ON CONFLICT (job_id) DO UPDATE SET due_at = ?2",
    )?
    .execute(params![job.0, At(now)])?;
    Ok(())
}

/// The job's content goes into the video of another: what was sent to that counts, and what the job
/// sent before concerned another video.
pub(super) fn inherits(db: &Connection, job: JobId, from: JobId) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM metadata WHERE job_id = ?1")?
        .execute([job.0])?;
    db.prepare_cached(
        "INSERT INTO metadata (job_id, digest) SELECT ?1, digest FROM metadata
         WHERE job_id = ?2 AND digest IS NOT NULL",
    )?
    .execute([job.0, from.0])?;
    Ok(())
}

/// The job's video is given up: its next one was sent nothing yet. What could not be sent stays
/// noted.
pub(super) fn forget_sent(db: &Connection, job: JobId) -> Result<(), Error> {
    db.prepare_cached("UPDATE metadata SET digest = NULL, updated_at = NULL WHERE job_id = ?1")?
        .execute([job.0])?;
    Ok(())
}

/// The next ones that are due, on accounts that are not paused. A video that has not all its bytes
/// waits for them: it may yet be made again; and one that was looked for until it is known for
/// ours.
pub fn due(db: &Connection, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
    let sql = format!(
        "SELECT job_id, account, watch, path, video_key, ({MARK}) AS ingest_id, digest, metadata.attempts,
                metadata.failing_since, due_at,
                method IS 'ftp' AND updated_at IS NULL AS untold, mtime_ns
         FROM metadata CROSS JOIN jobs ON jobs.id = job_id
         WHERE {DUE} AND due_at <= ?1 ORDER BY due_at, job_id LIMIT ?2"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![At(now), limit], |row| {
        Ok(Due {
            job: JobId(row.get(0)?),
            account: row.get(1)?,
            watch: row.get(2)?,
            path: row.get::<_, StoredPath>(3)?.0,
            video_key: row.get(4)?,
            ingest_id: row.get(5)?,
            digest: row.get(6)?,
            attempts: row.get(7)?,
            failing_since: optional_time(row, "failing_since")?,
            due_at: row.get::<_, At>("due_at")?.0,
            untold: row.get("untold")?,
            mtime_ns: row.get("mtime_ns")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When the next one is due: what [`due`] will give.
pub fn next_due(db: &Connection) -> Result<Option<Timestamp>, Error> {
    let sql =
        format!("SELECT min(due_at) FROM metadata CROSS JOIN jobs ON jobs.id = job_id WHERE {DUE}");
    let at: Option<At> = db.prepare_cached(&sql)?.query_row([], |row| row.get(0))?;
    Ok(at.map(|at| at.0))
}

/// How many are due at `now`, on accounts that are not paused.
pub(super) fn count_due(db: &Connection, now: Timestamp) -> Result<i64, Error> {
    let sql = format!(
        "SELECT count(*) FROM metadata CROSS JOIN jobs ON jobs.id = job_id WHERE {DUE} AND due_at <= ?1"
    );
    Ok(db
        .prepare_cached(&sql)?
        .query_row([At(now)], |row| row.get(0))?)
}

/// The ingest id of a job's video. A chain that ends nowhere leaves its own: such a video is marked
/// again.
const MARK: &str = "WITH RECURSIVE chain (id, replaces, ingest_id) AS (
             SELECT jobs.id, jobs.replaces, jobs.ingest_id
             UNION
             SELECT made.id, made.replaces, made.ingest_id FROM chain JOIN jobs AS made ON made.id = chain.replaces)
         SELECT coalesce((SELECT ingest_id FROM chain WHERE replaces IS NULL), jobs.ingest_id)";

/// To be asked of `metadata CROSS JOIN jobs`: SQLite keeps to that order, and a few that are due
/// are not looked for among all jobs that are done. A video that will get other content is left
/// alone until it has: by its changes the new content shows. Then it is the business of the job
/// that has it.
const DUE: &str = "due_at IS NOT NULL AND video_key IS NOT NULL AND replaced_by IS NULL
           AND (state = 'done' OR state IN ('queued', 'running') AND step = 'confirm' AND method IS NOT 'ftp' AND replaces IS NULL)
           AND account NOT IN (SELECT account FROM paused_accounts)";

/// The comparison is over: the platform knows all that can be sent, `digest` of it from a sidecar.
/// One that was left behind follows its video from here on.
pub fn compared(
    db: &Connection,
    due: &Due,
    (digest, fault): (Option<&str>, Option<&str>),
    now: Timestamp,
) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE metadata SET digest = ?2, last_error = ?3, updated_at = ?4, attempts = 0, failing_since = NULL,
                due_at = nullif(due_at, ?5)
         WHERE job_id = ?1",
    )?
    .execute(params![due.job.0, digest, fault, At(now), At(due.due_at)])?;
    if digest.is_some() {
        afterwards::told(db, due.job, now)?;
    }
    Ok(())
}

/// The update did not work out and is tried again at `run_at`.
pub fn again(
    db: &Connection,
    due: &Due,
    run_at: Timestamp,
    (error, now): (&str, Timestamp),
) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE metadata SET attempts = attempts + 1, failing_since = coalesce(failing_since, ?4), last_error = ?3,
                due_at = iif(due_at = ?5, ?2, due_at)
         WHERE job_id = ?1",
    )?
    .execute(params![
        due.job.0,
        At(run_at),
        error,
        At(now),
        At(due.due_at)
    ])?;
    Ok(())
}

/// What is known of a job's metadata.
pub fn of(db: &Connection, job: JobId) -> Result<Option<Told>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT digest, due_at, last_error, updated_at FROM metadata WHERE job_id = ?1",
        )?
        .query_row([job.0], |row| {
            Ok(Told {
                digest: row.get("digest")?,
                due_at: optional_time(row, "due_at")?,
                last_error: row.get("last_error")?,
                updated_at: optional_time(row, "updated_at")?,
            })
        })
        .optional()?)
}
