//! Claiming: who may work on a job, for how long, and what becomes of jobs whose worker died.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::error::Error;
use super::job::{COLUMNS, Job, JobId, Lease};
use super::order;
use super::outcome::Report;
use super::row::{self, Attempt};
use super::sql::At;
use super::ticket;

pub use super::order::{ahead, list_due};

/// How long a lease holds without a heartbeat.
pub const LEASE: Duration = Duration::from_mins(1);

/// Files from this size on, bytes, are not for the express lane: a tenth of a second on a fast line,
/// and a minute and a half on one with 10 Mbit/s. The column `is_large` has the same bound.
pub const LARGE: u64 = 100_000_000;

/// Which jobs may be taken at all.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// How many jobs of an account may run at once; an account that is not named has no such bound.
    /// Where all of them are [`LARGE`], one small one more may.
    pub at_once: BTreeMap<String, NonZeroU32>,
    /// Only files below [`LARGE`].
    pub only_small: bool,
}

/// Takes the job that is next by the rules of `order`, if the terms allow one. A paused account's
/// jobs are passed over; an account on probation has at most one job in progress.
pub fn claim(db: &Connection, now: Timestamp, terms: &Terms) -> Result<Option<Lease>, Error> {
    order::ripen(db, now)?;
    let Some(id) = order::next(db, now, terms)? else {
        return Ok(None);
    };
    let lease_id = Uuid::now_v7().to_string();
    let job = db
        .prepare_cached(&format!(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, lease_id = ?2, lease_until = ?3
             WHERE id = ?1 RETURNING {COLUMNS}"
        ))?
        .query_row(params![id.0, lease_id, At(now + LEASE)], |row| {
            Ok(Job::from_row(row))
        })??;
    order::note_turn(db, &job.watch)?;
    let ticket = ticket::of(db, job.id)?;
    Ok(Some(Lease {
        id: lease_id,
        job,
        ticket,
    }))
}

/// When the next job will be due that [`claim`] would give, if nothing else happens: the end of a
/// pause, or of a job that leaves its account no other, is told by the verb that brings it.
pub fn next_due(db: &Connection, terms: &Terms) -> Result<Option<Timestamp>, Error> {
    order::next_due(db, terms)
}

/// Whether a job of the account waits to be tried, or is being tried.
pub fn waits(db: &Connection, account: &str) -> Result<bool, Error> {
    Ok(db
        .prepare_cached(
            "SELECT 1 FROM jobs WHERE account = ?1 AND state = 'queued' AND step <> 'confirm'
             UNION ALL SELECT 1 FROM jobs WHERE account = ?1 AND state = 'running'",
        )?
        .exists([account])?)
}

/// How far one running upload is.
#[derive(Debug, Clone)]
pub struct Beat {
    /// The job.
    pub job: JobId,
    /// Its lease.
    pub lease_id: String,
    /// Bytes handed out so far and the present rate in bytes a second, while bytes are sent.
    pub progress: Option<(i64, i64)>,
}

/// Prolongs the leases and notes the progress; answers the beats of leases that are lost (the job
/// was cancelled), whose workers must stop.
pub fn heartbeat(db: &Connection, beats: &[Beat], now: Timestamp) -> Result<Vec<Beat>, Error> {
    let mut lost = Vec::new();
    for beat in beats {
        let held = db
            .prepare_cached("UPDATE jobs SET lease_until = ?3 WHERE id = ?1 AND lease_id = ?2")?
            .execute(params![beat.job.0, beat.lease_id, At(now + LEASE)])?;
        if held == 0 {
            lost.push(beat.clone());
            continue;
        }
        let Some((sent, rate)) = beat.progress else {
            continue;
        };
        db.prepare_cached(
            "INSERT INTO progress (job_id, bytes_sent, bytes_per_second, updated_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (job_id) DO UPDATE SET bytes_sent = ?2, bytes_per_second = ?3, updated_at = ?4",
        )?
        .execute(params![beat.job.0, sent, rate, At(now)])?;
    }
    Ok(lost)
}

/// Whether the lease is still held; a cheap look between two heartbeats.
pub fn is_held(db: &Connection, job: JobId, lease_id: &str) -> Result<bool, Error> {
    Ok(db
        .prepare_cached("SELECT 1 FROM jobs WHERE id = ?1 AND lease_id = ?2")?
        .exists(params![job.0, lease_id])?)
}

/// Gives back the jobs whose worker died; the attempt does not count.
///
/// That is all that run (`expired_before` = `None`, at the start of the only daemon), or those whose
/// lease has run out. `alive` are the leases of this process: a jump of the clock must not take a
/// job from a worker that lives.
pub fn reclaim(
    db: &Connection,
    expired_before: Option<Timestamp>,
    alive: &[String],
    now: Timestamp,
) -> Result<Vec<JobId>, Error> {
    let rows: Vec<(i64, String, String)> = db
        .prepare_cached("SELECT id, lease_id, lease_until FROM jobs WHERE state = 'running'")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let limit = expired_before.map(crate::clock::text);
    let mut back = Vec::new();
    for (id, lease_id, until) in rows {
        if alive.contains(&lease_id) || limit.as_ref().is_some_and(|limit| until >= *limit) {
            continue;
        }
        let back_now = (now, Attempt::GivenBack);
        row::requeue(db, JobId(id), back_now, &Report::default(), now)?;
        db.prepare_cached(
            "UPDATE attempts SET ended_at = ?2, outcome = 'interrupted', message = 'the daemon was stopped hard',
                    bytes_sent = coalesce((SELECT bytes_sent FROM progress WHERE job_id = ?1), bytes_sent)
             WHERE job_id = ?1 AND outcome IS NULL",
        )?
        .execute(params![id, At(now)])?;
        db.prepare_cached("DELETE FROM progress WHERE job_id = ?1")?
            .execute([id])?;
        back.push(JobId(id));
    }
    Ok(back)
}
