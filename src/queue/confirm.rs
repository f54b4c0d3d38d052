//! Jobs whose bytes are on the platform and that wait for it to say `ready`.
//!
//! No worker holds them: one look asks for all of an account. Each verb changes a job only while it
//! still waits for the very video that was looked at.

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::error::Error;
use super::job::JobId;
use super::outcome::{Count, Report, forget_video};
use super::row::{self, Attempt, Final};
use super::sql::{At, StoredPath, optional_time};
use super::ticket::forget_transfer;
use super::{fetch, metadata, replace, withdraw};
use crate::identity::Identity;
use crate::way::Way;

/// A job that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The job.
    pub id: JobId,
    /// The watch that it came from.
    pub watch: String,
    /// Its account.
    pub account: String,
    /// Its file.
    pub path: PathBuf,
    /// Which file that was when it settled; its size is that of what was sent.
    pub identity: Identity,
    /// How its bytes were sent, or are fetched.
    pub way: Option<Way>,
    /// How many attempts were made that count.
    pub attempts: i64,
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// Its video.
    pub video_key: String,
    /// When to look at it.
    pub run_at: Timestamp,
    /// When the platform had the last byte, or was asked to fetch the file.
    pub sent_at: Timestamp,
    /// MD5 of what was sent or is fetched, where known.
    pub md5: Option<String>,
    /// The platform's last word for its state.
    pub status: Option<String>,
    /// The job whose video gets this one's content.
    pub replaces: Option<i64>,
    /// When the platform changed that video last before it got the new bytes, see [`super::change`].
    pub updated_before: Option<i64>,
    /// Whether the upload server or the platform confirmed the MD5 of every byte of this very video.
    pub is_verified: bool,
}

/// How the platform sees a video.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Its word for the state.
    pub status: String,
    /// Duration, seconds.
    pub duration: Option<f64>,
    /// Size of the file, bytes.
    pub size: Option<i64>,
    /// Whether its MD5 is that of what was sent.
    pub is_same: bool,
    /// When the platform changed the video last, by its own clock, see [`super::change`].
    pub updated: Option<i64>,
    /// What it does not tell, in words for the operator, where the job is done without that.
    pub doubt: Option<String>,
}

/// All jobs of the account that wait for their video, the one that is due first in front.
pub fn waiting(db: &Connection, account: &str) -> Result<Vec<Waiting>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT id, watch, account, path, dev, ino, size, mtime_ns, ctime_ns, method, attempts, failing_since,
                video_key, run_at, coalesce(sent_at, created_at) AS sent_at, md5, status,
                replaces, updated_before, verified IS ingest_id AS is_verified FROM jobs
         WHERE account = ?1 AND state = 'queued' AND step = 'confirm' AND video_key IS NOT NULL
         ORDER BY run_at, id",
    )?;
    let rows = statement.query_map([account], |row| {
        Ok(Waiting {
            id: JobId(row.get("id")?),
            watch: row.get("watch")?,
            account: row.get("account")?,
            path: row.get::<_, StoredPath>("path")?.0,
            identity: Identity {
                dev: row.get("dev")?,
                ino: row.get("ino")?,
                size: row.get("size")?,
                mtime_ns: row.get("mtime_ns")?,
                ctime_ns: row.get("ctime_ns")?,
            },
            way: row
                .get::<_, Option<String>>("method")?
                .and_then(|word| Way::from_word(&word)),
            attempts: row.get("attempts")?,
            failing_since: optional_time(row, "failing_since")?,
            video_key: row.get("video_key")?,
            run_at: row.get::<_, At>("run_at")?.0,
            sent_at: row.get::<_, At>("sent_at")?.0,
            md5: row.get("md5")?,
            status: row.get("status")?,
            replaces: row.get("replaces")?,
            updated_before: row.get("updated_before")?,
            is_verified: row.get("is_verified")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The accounts of which jobs wait, and when the first of each is due.
pub fn accounts_due(db: &Connection) -> Result<Vec<(String, Timestamp)>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT account, min(run_at) FROM jobs INDEXED BY jobs_waiting WHERE state = 'queued' AND step = 'confirm' GROUP BY account",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, At>(1)?.0)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The platform says `ready`: the job is done.
pub fn ready(db: &Connection, job: &Waiting, facts: &Facts, now: Timestamp) -> Result<bool, Error> {
    record_facts(db, job, facts)?;
    let report = facts
        .doubt
        .as_deref()
        .map_or_else(Report::default, Report::said);
    let is_done = finish_waiting(db, job, Final::Done, &report, now)?;
    if is_done && job.replaces.is_some() {
        // No create call told what its sidecar says.
        metadata::untold(db, job.id, now)?;
    }
    Ok(is_done)
}

/// The job has failed; the video stays on the platform for a person to look at.
pub fn failed(
    db: &Connection,
    job: &Waiting,
    facts: &Facts,
    (report, now): (&Report, Timestamp),
) -> Result<bool, Error> {
    record_facts(db, job, facts)?;
    note_attempt(db, job, ("permanent", report), now)?;
    finish_waiting(db, job, Final::Failed, report, now)
}

/// Nothing to say yet: the next look is at `run_at`.
pub fn later(
    db: &Connection,
    job: &Waiting,
    facts: Option<&Facts>,
    run_at: Timestamp,
) -> Result<(), Error> {
    if let Some(facts) = facts {
        record_facts(db, job, facts)?;
    }
    if still_waits(db, job)? {
        row::set(db, job.id, &[("run_at", &At(run_at))])?;
    }
    Ok(())
}

/// What is on the platform is not our file, or is none: it is withdrawn, and the job starts over at
/// `run_at`; the age of failing runs if it counts. `outcome` is the word for `attempts`.
pub fn start_over(
    db: &Connection,
    job: &Waiting,
    (run_at, count): (Timestamp, Count),
    (outcome, report): (&str, &Report),
    now: Timestamp,
) -> Result<(), Error> {
    if !still_waits(db, job)? {
        return Ok(());
    }
    note_attempt(db, job, (outcome, report), now)?;
    withdraw::video(
        db,
        job.id,
        report.message.as_deref().unwrap_or(outcome),
        now,
    )?;
    forget_video(db, job.id)?;
    forget_transfer(db, job.id)?;
    let attempt = match count {
        Count::Yes => Attempt::Failed,
        Count::No => Attempt::None,
    };
    row::requeue(db, job.id, (run_at, attempt), report, now)
}

/// How often the platform was found to hold other bytes than were sent.
pub fn mismatches(db: &Connection, job: JobId) -> Result<i64, Error> {
    Ok(db
        .prepare_cached("SELECT count(*) FROM attempts WHERE job_id = ?1 AND outcome = ?2")?
        .query_row(params![job.0, fetch::MISMATCH], |row| row.get(0))?)
}

fn record_facts(db: &Connection, job: &Waiting, facts: &Facts) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE jobs SET status = ?3, duration = coalesce(?4, duration), platform_size = coalesce(?5, platform_size),
                verified = iif(?6, ingest_id, verified),
                changed_there = coalesce(max(changed_there, ?7), ?7, changed_there)
         WHERE id = ?1 AND video_key = ?2 AND state = 'queued' AND step = 'confirm'",
    )?
    .execute(params![
        job.id.0,
        job.video_key,
        facts.status,
        facts.duration,
        facts.size,
        facts.is_same,
        facts.updated
    ])?;
    Ok(())
}

fn note_attempt(
    db: &Connection,
    job: &Waiting,
    (outcome, report): (&str, &Report),
    now: Timestamp,
) -> Result<(), Error> {
    db.prepare_cached(
        "INSERT INTO attempts (job_id, step, method, started_at, ended_at, outcome, message)
         SELECT id, 'confirm', method, ?2, ?2, ?3, ?4 FROM jobs
         WHERE id = ?1 AND video_key = ?5 AND state = 'queued' AND step = 'confirm'",
    )?
    .execute(params![
        job.id.0,
        At(now),
        outcome,
        report.message,
        job.video_key
    ])?;
    Ok(())
}

/// A stale look changes nothing, also nothing of another job.
fn finish_waiting(
    db: &Connection,
    job: &Waiting,
    end: Final,
    report: &Report,
    now: Timestamp,
) -> Result<bool, Error> {
    if !still_waits(db, job)? {
        return Ok(false);
    }
    row::finish(db, job.id, end, report, now)?;
    replace::wake(db, job.id, now)?;
    Ok(true)
}

fn still_waits(db: &Connection, job: &Waiting) -> Result<bool, Error> {
    row::still_waits(db, job.id, Some(&job.video_key))
}
