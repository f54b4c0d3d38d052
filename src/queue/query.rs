//! Reading for people: lists, one job with its attempts, live progress.

use std::collections::HashMap;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, params_from_iter, types::Value};

use super::error::Error;
use super::job::{COLUMNS, Job, JobId, State};
use super::metadata;
use super::sql::{At, PathColumn, optional_time};
use super::standing::Standing;
use crate::clock;

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only these states and those below; all where both are empty.
    pub states: Vec<State>,
    /// Only jobs that stand here.
    pub standings: Vec<Standing>,
    /// Only this watch.
    pub watch: Option<String>,
    /// Only this account.
    pub account: Option<String>,
    /// Only paths or video keys that contain this text, in any case of its letters.
    pub find: Option<String>,
    /// Only jobs that were queued at this moment or later.
    pub since: Option<Timestamp>,
    /// At most so many, the newest.
    pub limit: Option<u32>,
}

/// How far a running upload is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Bytes handed out so far.
    pub bytes_sent: i64,
    /// Present rate, bytes a second.
    pub bytes_per_second: i64,
    /// When that was noted.
    pub updated_at: Timestamp,
}

/// One attempt of one step.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The step.
    pub step: String,
    /// The upload method.
    pub method: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; not yet, while it runs.
    pub ended_at: Option<Timestamp>,
    /// Bytes handed out.
    pub bytes_sent: i64,
    /// How it ended.
    pub outcome: Option<String>,
    /// What was said.
    pub message: Option<String>,
    /// The server's name for the request.
    pub request_id: Option<String>,
}

/// The newest jobs that match, oldest of them first.
pub fn jobs(db: &Connection, filter: &Filter) -> Result<Vec<Job>, Error> {
    let mut conditions = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let mut any = vec!["state = ?"; filter.states.len()];
    values.extend(filter.states.iter().map(|state| word(state.word())));
    for standing in &filter.standings {
        // The state has an index.
        any.push("state = ? AND phase = ?");
        values.extend([word(standing.state().word()), word(standing.word())]);
    }
    if !any.is_empty() {
        conditions.push(format!("({})", any.join(" OR ")));
    }
    if let Some(watch) = &filter.watch {
        conditions.push("watch = ?".to_owned());
        values.push(Value::from(watch.clone()));
    }
    if let Some(account) = &filter.account {
        conditions.push("account = ?".to_owned());
        values.push(Value::from(account.clone()));
    }
    if let Some(text) = &filter.find {
        // The letters that SQLite's own `lower` leaves alone are compared as they are.
        conditions
            .push("(instr(lower(CAST(path AS TEXT)), lower(?)) > 0 OR video_key = ?)".to_owned());
        values.extend([Value::from(text.clone()), Value::from(text.clone())]);
    }
    if let Some(since) = filter.since {
        conditions.push("created_at >= ?".to_owned());
        values.push(Value::from(clock::text(since)));
    }
    let condition = if conditions.is_empty() {
        String::new()
    } else {
        format!("WHERE {}", conditions.join(" AND "))
    };
    let limit = filter.limit.map_or(-1, i64::from);
    values.push(Value::from(limit));
    let sql = format!(
        "SELECT * FROM (SELECT {COLUMNS} FROM jobs {condition} ORDER BY id DESC LIMIT ?) ORDER BY id"
    );
    let mut statement = db.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| Ok(Job::from_row(row)))?;
    rows.map(|row| row?).collect()
}

fn word(word: &str) -> Value {
    Value::from(word.to_owned())
}

/// All jobs that a path ever had, oldest first.
pub fn by_path(db: &Connection, path: &Path) -> Result<Vec<Job>, Error> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM jobs WHERE path = ?1 ORDER BY id"
    ))?;
    let rows = statement.query_map([PathColumn(path)], |row| Ok(Job::from_row(row)))?;
    rows.map(|row| row?).collect()
}

/// The progress of the uploads that run.
pub fn progress(db: &Connection) -> Result<HashMap<JobId, Progress>, Error> {
    let mut statement =
        db.prepare_cached("SELECT job_id, bytes_sent, bytes_per_second, updated_at FROM progress")?;
    let rows = statement.query_map([], |row| {
        let progress = Progress {
            bytes_sent: row.get("bytes_sent")?,
            bytes_per_second: row.get("bytes_per_second")?,
            updated_at: row.get::<_, At>("updated_at")?.0,
        };
        Ok((JobId(row.get("job_id")?), progress))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The attempts of a job, oldest first.
pub fn attempts(db: &Connection, job: JobId) -> Result<Vec<Attempt>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT step, method, started_at, ended_at, bytes_sent, outcome, message, request_id
         FROM attempts WHERE job_id = ?1 ORDER BY id",
    )?;
    let rows = statement.query_map([job.0], |row| {
        Ok(Attempt {
            step: row.get("step")?,
            method: row.get("method")?,
            started_at: row.get::<_, At>("started_at")?.0,
            ended_at: optional_time(row, "ended_at")?,
            bytes_sent: row.get("bytes_sent")?,
            outcome: row.get("outcome")?,
            message: row.get("message")?,
            request_id: row.get("request_id")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many jobs are in each state that has any.
pub fn counts(db: &Connection) -> Result<HashMap<State, i64>, Error> {
    let mut statement = db.prepare_cached("SELECT state, count(*) FROM jobs GROUP BY state")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let mut counts = HashMap::new();
    for row in rows {
        let (word, count) = row?;
        if let Some(state) = State::from_word(&word) {
            counts.insert(state, count);
        }
    }
    Ok(counts)
}

/// What is left to do.
#[derive(Debug, Clone, Copy)]
pub struct Left {
    /// Jobs that are due, run, or wait for `ready`, videos whose withdrawal is due, and sidecars to
    /// be sent.
    pub now: i64,
    /// Jobs that wait for a later attempt, or for a paused account.
    pub later: i64,
    /// Jobs that failed since a given moment.
    pub failed: i64,
}

/// Counts what is left to do at `now`, and what failed since `started`.
pub fn left(db: &Connection, now: Timestamp, started: Timestamp) -> Result<Left, Error> {
    let mut statement = db.prepare_cached(
        "SELECT
            (SELECT count(*) FROM jobs WHERE state = 'running'
                OR state = 'queued' AND (step = 'confirm' OR run_at <= ?1)
                   AND account NOT IN (SELECT account FROM paused_accounts WHERE trying = 0))
          + (SELECT count(*) FROM withdrawals WHERE finished_at IS NULL AND run_at <= ?1
                AND account NOT IN (SELECT account FROM paused_accounts))
          + (SELECT count(*) FROM afterwards WHERE due_at <= ?1),
            (SELECT count(*) FROM jobs WHERE state = 'queued'),
            (SELECT count(*) FROM jobs WHERE state = 'failed' AND held = 0 AND finished_at >= ?2)",
    )?;
    let sidecars = metadata::count_due(db, now)?;
    Ok(statement.query_row([At(now), At(started)], |row| {
        Ok(Left {
            now: row.get::<_, i64>(0)? + sidecars,
            later: row.get(1)?,
            failed: row.get(2)?,
        })
    })?)
}
