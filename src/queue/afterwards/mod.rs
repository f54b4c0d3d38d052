//! What becomes of a job's file once the job has ended: planned, in progress, done.
//!
//! The row is made by a trigger in the transaction that ends the job, so that no end can be missed.
//! Before a file gets another name, be it the hidden one under which it is deleted, that name is written
//! down ([`going`]): killed on any line, the next start knows where to look for it.

mod left;
mod verbs;

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use super::error::Error;
use super::job::{Job, JobId, State};
use super::sql::{At, StoredPath, optional_time};
use super::{metadata, operator};

pub(super) use left::told;
pub use left::{Went, left};
pub use verbs::{
    File, answered, changed, copies, did_not_go, done, follow, forget, going, gone_to,
    has_no_watch, is_deleted, later, note, placed, plan, put_back, settled_copy, unlinks, verified,
    watches_are,
};
pub(super) use verbs::{came_back, returned};

/// What became of a file whose watch the configuration does not have: undone once it has it again.
pub const WATCH_IS_GONE: &str = "kept: its watch is not configured any more";

/// What to do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The job has ended; it is not decided yet what to do.
    Undecided,
    /// Nothing.
    None,
    /// It stays where it is.
    Keep,
    /// To `move-to`.
    Move,
    /// To the watch folder's `.trash`.
    Trash,
    /// It is deleted.
    Delete,
    /// To `failed-dir`.
    FailedDir,
    /// From `failed-dir` to where it lay before.
    Back,
}

impl Action {
    const ALL: [Self; 8] = [
        Self::Undecided,
        Self::None,
        Self::Keep,
        Self::Move,
        Self::Trash,
        Self::Delete,
        Self::FailedDir,
        Self::Back,
    ];

    /// The word in the column.
    pub fn word(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::None => "none",
            Self::Keep => "keep",
            Self::Move => "move",
            Self::Trash => "trash",
            Self::Delete => "delete",
            Self::FailedDir => "failed-dir",
            Self::Back => "back",
        }
    }
}

/// How well it is known that the platform has the bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// No checksum could be compared; a size proves nothing.
    None,
    /// The MD5 was compared, by the upload server or with what the platform reports.
    Checksum,
}

/// One row.
#[derive(Debug, Clone)]
pub struct Row {
    /// What to do.
    pub action: Action,
    /// When; not any more, where it is done.
    pub due_at: Option<Timestamp>,
    /// How many attempts failed.
    pub attempts: i64,
    /// Why it could not be done yet.
    pub last_error: Option<String>,
    /// What became of the file.
    pub outcome: Option<String>,
    /// When that was.
    pub done_at: Option<Timestamp>,
    /// The name that it was about to get.
    pub going_to: Option<PathBuf>,
    /// Whether that is a hidden name, which the file has, and under which it is unlinked next.
    pub unlinks: bool,
    /// Where it is now, if it was moved.
    pub moved_to: Option<PathBuf>,
    /// Where it lay before it was moved for its failure.
    pub came_from: Option<PathBuf>,
    /// The note of its failure, while it is there.
    pub note: Option<PathBuf>,
    /// Whether the file came back or was touched, so that the platform is asked before anything is
    /// done.
    pub returned: bool,
    /// The grace counts from here, where that is later than the end of the job.
    pub counts_from: Option<Timestamp>,
    /// How it went, if a sidecar stayed that must follow it.
    pub sidecar_left: Option<Went>,
    /// The hidden name of its copy on another disk, as long as there may be one.
    pub copy: Option<PathBuf>,
}

/// A job that has ended, and its row.
#[derive(Debug, Clone)]
pub struct Case {
    /// The job.
    pub job: Job,
    /// Its row.
    pub row: Row,
    /// The job whose video has the content: itself, or the one that it is a copy of.
    pub original: Job,
    /// What is known of that video's bytes.
    pub proof: Proof,
    /// Distinct for what that video's sidecar said that the platform was sent.
    pub told: Option<String>,
}

const COLUMNS: &str = "job_id, action, due_at, attempts, last_error, outcome, done_at, going_to, unlinks, moved_to, \
                       came_from, note, returned, counts_from, sidecar_left, copy";

/// The row of a job; none if there is nothing to do, or it is done.
pub fn of(db: &Connection, id: JobId) -> Result<Option<Row>, Error> {
    db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM afterwards WHERE job_id = ?1"
    ))?
    .query_row([id.0], |row| Ok(read(row)))
    .optional()?
    .transpose()
    .map(|found| found.map(|(_, row)| row))
}

/// What is due, longest first.
pub fn due(db: &Connection, now: Timestamp, most: u32) -> Result<Vec<Case>, Error> {
    due_elsewhere(db, now, most, &[])
}

/// What is due, longest first, except in these watches.
pub fn due_elsewhere(
    db: &Connection,
    now: Timestamp,
    most: u32,
    watches: &[String],
) -> Result<Vec<Case>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM afterwards
         WHERE due_at IS NOT NULL AND due_at <= ?1
           AND (SELECT watch FROM jobs WHERE id = job_id) NOT IN (SELECT value FROM json_each(?3))
         ORDER BY due_at LIMIT ?2"
    );
    cases(db, &sql, params![At(now), most, listed(watches)])
}

fn listed(watches: &[String]) -> String {
    serde_json::to_string(watches).unwrap_or_else(|_| "[]".to_owned())
}

/// One of them, as it is now: since they were listed, its job may have changed.
pub fn due_still(db: &Connection, id: JobId) -> Result<Option<Case>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM afterwards WHERE job_id = ?1 AND due_at IS NOT NULL");
    Ok(cases(db, &sql, [id.0])?.pop())
}

/// Those that are due of watches which the configuration does not have, and whose sidecar is to follow yet.
pub fn left_without_watch(db: &Connection, watches: &[String]) -> Result<Vec<Case>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM afterwards
         WHERE sidecar_left IS NOT NULL AND due_at IS NOT NULL
           AND (SELECT watch FROM jobs WHERE id = job_id) NOT IN (SELECT value FROM json_each(?1))"
    );
    cases(db, &sql, [listed(watches)])
}

/// When the next is due.
pub fn next_due(db: &Connection) -> Result<Option<Timestamp>, Error> {
    let at: Option<At> = db
        .prepare_cached("SELECT min(due_at) FROM afterwards WHERE due_at IS NOT NULL")?
        .query_row([], |row| row.get(0))?;
    Ok(at.map(|at| at.0))
}

/// Failed jobs with a note, or whose file was moved for its failure: a person may act on either.
pub fn noted(db: &Connection) -> Result<Vec<Case>, Error> {
    let mut cases = cases(
        db,
        &format!(
            "SELECT {COLUMNS} FROM afterwards WHERE note IS NOT NULL OR came_from IS NOT NULL ORDER BY job_id"
        ),
        [],
    )?;
    cases.retain(|case| case.job.state == State::Failed && case.row.going_to.is_none());
    Ok(cases)
}

/// Those with a hidden copy that no attempt will see to.
pub fn copied(db: &Connection) -> Result<Vec<Case>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM afterwards WHERE copy IS NOT NULL AND due_at IS NULL ORDER BY job_id"
    );
    cases(db, &sql, [])
}

fn cases(db: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Case>, Error> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(values, |row| Ok(read(row)))?;
    let rows = rows
        .map(|row| row?)
        .collect::<Result<Vec<(JobId, Row)>, Error>>()?;
    let mut cases = Vec::new();
    for (id, row) in rows {
        let Some(job) = operator::by_id(db, id)? else {
            continue;
        };
        let original = match job.duplicate_of {
            Some(first) => operator::by_id(db, JobId(first))?.unwrap_or_else(|| job.clone()),
            None => job.clone(),
        };
        let proof = proof(db, &original)?;
        let told = metadata::of(db, original.id)?.and_then(|told| told.digest);
        cases.push(Case {
            job,
            row,
            original,
            proof,
            told,
        });
    }
    Ok(cases)
}

fn read(row: &SqlRow<'_>) -> Result<(JobId, Row), Error> {
    let id: i64 = row.get("job_id")?;
    let word: String = row.get("action")?;
    let path = |column: &str| -> rusqlite::Result<Option<PathBuf>> {
        Ok(row.get::<_, Option<StoredPath>>(column)?.map(|path| path.0))
    };
    let action = Action::ALL.into_iter().find(|known| known.word() == word);
    let read = Row {
        action: action.ok_or(Error::Row {
            job: id,
            column: "action",
            value: word,
        })?,
        due_at: optional_time(row, "due_at")?,
        attempts: row.get("attempts")?,
        last_error: row.get("last_error")?,
        outcome: row.get("outcome")?,
        done_at: optional_time(row, "done_at")?,
        going_to: path("going_to")?,
        unlinks: row.get("unlinks")?,
        moved_to: path("moved_to")?,
        came_from: path("came_from")?,
        note: path("note")?,
        returned: row.get::<_, Option<i64>>("returned")?.is_some(),
        counts_from: optional_time(row, "counts_from")?,
        sidecar_left: row
            .get::<_, Option<String>>("sidecar_left")?
            .and_then(|word| Went::from_word(&word)),
        copy: path("copy")?,
    };
    Ok((JobId(id), read))
}

fn proof(db: &Connection, job: &Job) -> Result<Proof, Error> {
    let verified: Option<String> = db
        .prepare_cached("SELECT verified FROM jobs WHERE id = ?1")?
        .query_row([job.id.0], |row| row.get(0))?;
    Ok(if verified.as_ref() == Some(&job.ingest_id) {
        Proof::Checksum
    } else {
        Proof::None
    })
}
