//! Jobs that go by FTP: no video is created for them, and no key comes back.
//!
//! A worker takes such a job from `create` to `transfer` without a key; its ticket holds the name
//! that the file is about to get on the server. In `confirm` it waits without a key until a video is
//! found that can only be its own, or its time is over.

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::types::Null;
use rusqlite::{Connection, params};

use super::confirm::Waiting;
use super::error::Error;
use super::job::{JobId, Lease, State, Step};
use super::metadata;
use super::outcome::{self, Report, close_attempt};
use super::row::{self, Final};
use super::sql::{At, StoredPath, optional_time};
use super::ticket;
use crate::way::Way;

/// The job will go by FTP: on to its transfer.
pub(crate) fn begins(
    db: &Connection,
    lease: &Lease,
    why: &str,
    now: Timestamp,
) -> Result<(), Error> {
    outcome::held(db, lease)?;
    let (id, word) = (lease.job.id, Way::Ftp.word());
    let transfer = Step::Transfer.word();
    row::set(
        db,
        id,
        &[("step", &transfer), ("method", &word), ("method_why", &why)],
    )?;
    db.prepare_cached("UPDATE attempts SET method = ?2 WHERE job_id = ?1 AND outcome IS NULL")?
        .execute(params![id.0, word])?;
    db.prepare_cached(
        "INSERT INTO tickets (job_id, link) VALUES (?1, '')
         ON CONFLICT (job_id) DO UPDATE
         SET link = '', expires_at = NULL, last_byte_at = NULL, confirmed_bytes = 0, doubted = 0, md5 = NULL",
    )?
    .execute([id.0])?;
    close_attempt(db, id, "done", &Report::default(), now)
}

/// The account has no FTP server any more: another method is chosen.
pub(crate) fn goes_another_way(
    db: &Connection,
    lease: &Lease,
    now: Timestamp,
) -> Result<(), Error> {
    outcome::held(db, lease)?;
    let id = lease.job.id;
    let create = Step::Create.word();
    row::set(
        db,
        id,
        &[
            ("step", &create),
            ("method", &Null),
            ("method_why", &Null),
            ("md5", &Null),
        ],
    )?;
    ticket::forget_transfer(db, id)?;
    close_attempt(db, id, "transient", &Report::default(), now)
}

/// What the server was last seen to have of the file, bytes.
pub(crate) fn confirmed(db: &Connection, job: JobId) -> Result<u64, Error> {
    let bytes: Option<i64> = db
        .prepare_cached("SELECT max(confirmed_bytes) FROM tickets WHERE job_id = ?1")?
        .query_row([job.0], |row| row.get(0))?;
    Ok(bytes
        .and_then(|bytes| u64::try_from(bytes).ok())
        .unwrap_or_default())
}

/// The server has so many bytes of the file under its temporary name, so that it has not got a name that was noted.
pub(crate) fn continues(db: &Connection, lease: &Lease, bytes: i64) -> Result<(), Error> {
    outcome::held(db, lease)?;
    db.prepare_cached(
        "UPDATE tickets SET confirmed_bytes = ?2, last_byte_at = NULL, link = '' WHERE job_id = ?1",
    )?
    .execute(params![lease.job.id.0, bytes])?;
    Ok(())
}

/// The server has nothing of the file any more: what comes now is of the file as it is.
pub(crate) fn begins_anew(db: &Connection, lease: &Lease) -> Result<(), Error> {
    outcome::held(db, lease)?;
    db.prepare_cached("UPDATE tickets SET doubted = 0 WHERE job_id = ?1")?
        .execute([lease.job.id.0])?;
    Ok(())
}

/// Before the file gets its name on the server: from here on it may have it.
pub(crate) fn gets_its_name(
    db: &Connection,
    lease: &Lease,
    (name, md5): (&str, Option<&str>),
    now: Timestamp,
) -> Result<(), Error> {
    ticket::last_byte(db, lease, now)?;
    let id = lease.job.id;
    db.prepare_cached("UPDATE tickets SET link = ?2 WHERE job_id = ?1")?
        .execute(params![id.0, name])?;
    md5.map_or(Ok(()), |md5| row::set(db, id, &[("md5", &md5)]))
}

/// The file has its name on the server, since `named_at`: its key is looked for, first at `run_at`.
pub(crate) fn sent(
    db: &Connection,
    lease: &Lease,
    (named_at, run_at): (Timestamp, Timestamp),
    (report, now): (&Report, Timestamp),
) -> Result<(), Error> {
    outcome::transferred(db, lease, None, run_at, (report, now))?;
    let named_at = At(named_at);
    row::set(
        db,
        lease.job.id,
        &[("sent_at", &named_at), ("delivered_at", &named_at)],
    )
}

/// A job whose key is looked for.
#[derive(Debug, Clone)]
pub(crate) struct Seeking {
    /// The job.
    pub id: JobId,
    /// Its file.
    pub path: PathBuf,
    /// Its ingest id.
    pub ingest_id: String,
    /// When the file got its name on the server.
    pub sent_at: Timestamp,
    /// When the last key was let go of that was taken for its own.
    pub let_go_at: Option<Timestamp>,
    /// MD5 of what was sent, where known.
    pub md5: Option<String>,
    /// Size of what was sent, bytes.
    pub size: i64,
}

/// The account's jobs whose key is due to be looked for, a few at a time.
pub(crate) fn seeking(
    db: &Connection,
    account: &str,
    now: Timestamp,
    most: u32,
) -> Result<Vec<Seeking>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT id, path, ingest_id, coalesce(delivered_at, sent_at, created_at) AS sent_at, md5, size,
                (SELECT max(let_go_at) FROM not_ours WHERE job_id = jobs.id) AS let_go_at
         FROM jobs
         WHERE account = ?1 AND state = 'queued' AND step = 'confirm' AND video_key IS NULL AND run_at <= ?2
         ORDER BY run_at, id LIMIT ?3",
    )?;
    let rows = statement.query_map(params![account, At(now), most], |row| {
        Ok(Seeking {
            id: JobId(row.get("id")?),
            path: row.get::<_, StoredPath>("path")?.0,
            ingest_id: row.get("ingest_id")?,
            sent_at: row.get::<_, At>("sent_at")?.0,
            let_go_at: optional_time(row, "let_go_at")?,
            md5: row.get("md5")?,
            size: row.get("size")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether a video is a job's already.
pub(crate) fn is_taken(db: &Connection, video_key: &str) -> Result<bool, Error> {
    Ok(db
        .prepare_cached("SELECT 1 FROM jobs WHERE video_key = ?1")?
        .exists([video_key])?)
}

/// Whether a video may be this job's: it is no job's yet, and was not let go of by this one.
pub(crate) fn is_free(db: &Connection, id: JobId, video_key: &str) -> Result<bool, Error> {
    let is_another = db
        .prepare_cached("SELECT 1 FROM not_ours WHERE job_id = ?1 AND video_key = ?2")?
        .exists(params![id.0, video_key])?;
    Ok(!is_another && !is_taken(db, video_key)?)
}

/// The video is there: from now on the job waits for it to be ready, like all others.
pub(crate) fn found(
    db: &Connection,
    id: JobId,
    video_key: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    if !is_free(db, id, video_key)? || !row::still_waits(db, id, None)? {
        return Ok(false);
    }
    let at = At(now);
    row::set(
        db,
        id,
        &[
            ("video_key", &video_key),
            ("run_at", &at),
            ("sent_at", &at),
            ("last_error", &Null),
            ("advice", &Null),
        ],
    )?;
    metadata::untold(db, id, now)?;
    Ok(true)
}

/// Not found yet: looked for again at `run_at`.
pub(crate) fn later(db: &Connection, id: JobId, run_at: Timestamp) -> Result<(), Error> {
    if row::still_waits(db, id, None)? {
        row::set(db, id, &[("run_at", &At(run_at))])?;
    }
    Ok(())
}

/// Not found in its time: done anyway, and it says so.
pub(crate) fn never_found(
    db: &Connection,
    id: JobId,
    message: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let waits = row::still_waits(db, id, None)?;
    if waits {
        row::finish(db, id, Final::Done, &Report::said(message), now)?;
    }
    Ok(waits)
}

/// The video that was taken for the job's turned out to be another.
///
/// It is left alone and not taken again, and the search continues. Answers whether the job is one that was sent by FTP;
/// no other lets go of its video so.
pub(crate) fn let_go(
    db: &Connection,
    job: &Waiting,
    (why, now): (&str, Timestamp),
) -> Result<bool, Error> {
    let (state, key) = (State::Queued, job.video_key.as_str());
    search_again(db, (job.id, state), key, (why, now))
}

/// The same for a job that is done, where nothing has proven that the video was its own.
///
/// The file is on the server and may still become a video, so that it is not sent again.
pub(super) fn let_go_of_done(
    db: &Connection,
    job: JobId,
    video_key: &str,
    (why, now): (&str, Timestamp),
) -> Result<bool, Error> {
    search_again(db, (job, State::Done), video_key, (why, now))
}

/// In one transaction, so that a kill leaves either the job with its key or the one that searches.
fn search_again(
    db: &Connection,
    (job, state): (JobId, State),
    video_key: &str,
    (why, now): (&str, Timestamp),
) -> Result<bool, Error> {
    let message = format!("{why}: it is another video, and that of this file is looked for again");
    let changed = db
        .prepare_cached(
            "UPDATE jobs SET state = 'queued', video_key = NULL, status = NULL, duration = NULL, platform_size = NULL,
                    changed_there = NULL, own_change = NULL, run_at = ?4, sent_at = coalesce(delivered_at, sent_at),
                    finished_at = NULL, last_error = ?5, advice = NULL
             WHERE id = ?1 AND video_key = ?2 AND state = ?3 AND step = 'confirm' AND method = 'ftp'
               AND verified IS NOT ingest_id AND replaced_by IS NULL",
        )?
        .execute(params![job.0, video_key, state.word(), At(now), message])?;
    if changed == 0 {
        return Ok(false);
    }
    db.prepare_cached(
        "INSERT INTO not_ours (job_id, video_key, let_go_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET let_go_at = excluded.let_go_at",
    )?
    .execute(params![job.0, video_key, At(now)])?;
    // What was sent about the other video must be sent about this file's.
    metadata::forget_sent(db, job)?;
    Ok(true)
}
