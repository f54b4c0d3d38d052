//! The attempts of a job: each opens a row, each ends with a report, and what went before is asked of them.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::advice::Advice;
use super::error::Error;
use super::job::{JobId, Lease, Step};
use super::outcome::held;
use super::sql::At;

/// What an attempt of a step came to, for `attempts`.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Bytes handed out.
    pub bytes_sent: i64,
    /// What was said, in words for the operator; nothing when it went well.
    pub message: Option<String>,
    /// What people can do about it.
    pub advice: Advice,
    /// The server's name for the request, where it gave one.
    pub request_id: Option<String>,
}

impl Report {
    /// Of an attempt that sent nothing; once its cause is fixed, a retry helps.
    pub fn said(words: impl Into<String>) -> Self {
        Self {
            message: Some(words.into()),
            ..Self::default()
        }
    }

    /// The same, with this to do about it.
    #[must_use]
    pub fn advising(self, advice: Advice) -> Self {
        Self { advice, ..self }
    }

    /// The word for the column beside `last_error`.
    pub(super) fn advice_word(&self) -> Option<&'static str> {
        self.message.as_ref().map(|_| self.advice.word())
    }
}

/// Opens the `attempts` row of a step.
pub fn begin(db: &Connection, lease: &Lease, step: Step, now: Timestamp) -> Result<(), Error> {
    held(db, lease)?;
    db.prepare_cached(
        "INSERT INTO attempts (job_id, step, method, started_at)
         SELECT id, ?2, method, ?3 FROM jobs WHERE id = ?1",
    )?
    .execute(params![lease.job.id.0, step.word(), At(now)])?;
    Ok(())
}

/// A file that is touched again and again has one row for all its rests in a row, which says when the last one began.
pub(super) fn merge_rests(
    db: &Connection,
    id: JobId,
    report: &Report,
    now: Timestamp,
) -> Result<(), Error> {
    let merged = db
        .prepare_cached(
            "DELETE FROM attempts AS this
             WHERE id = (SELECT max(id) FROM attempts WHERE job_id = ?1) AND outcome = 'touched' AND bytes_sent = 0
               AND EXISTS (SELECT 1 FROM attempts
                           WHERE id = (SELECT max(id) FROM attempts WHERE job_id = ?1 AND id < this.id)
                             AND outcome = 'touched' AND step = this.step)",
        )?
        .execute([id.0])?;
    if merged > 0 {
        db.prepare_cached(
            "UPDATE attempts SET ended_at = ?2, message = ?3
             WHERE id = (SELECT max(id) FROM attempts WHERE job_id = ?1)",
        )?
        .execute(params![id.0, At(now), report.message])?;
    }
    Ok(())
}

/// Whether a transfer by this method broke off after it had sent so many bytes.
pub fn broke_off(db: &Connection, job: JobId, method: &str, bytes: i64) -> Result<bool, Error> {
    Ok(db
        .prepare_cached(
            "SELECT 1 FROM attempts
             WHERE job_id = ?1 AND step = 'transfer' AND method = ?2 AND bytes_sent >= ?3 AND outcome <> 'done'",
        )?
        .exists(params![job.0, method, bytes])?)
}

/// How many transfers to the job's present video ended with an unknown outcome.
pub fn left_open(db: &Connection, job: JobId) -> Result<i64, Error> {
    Ok(db
        .prepare_cached(
            "SELECT count(*) FROM attempts
             WHERE job_id = ?1 AND step = 'transfer' AND outcome = 'ambiguous'
               AND id > (SELECT coalesce(max(id), 0) FROM attempts WHERE job_id = ?1 AND step = 'create')",
        )?
        .query_row([job.0], |row| row.get(0))?)
}

/// Whether the transfer that has begun is the first one to the job's present video.
pub fn is_first_transfer(db: &Connection, job: JobId) -> Result<bool, Error> {
    let transfers: i64 = db
        .prepare_cached(
            "SELECT count(*) FROM attempts
             WHERE job_id = ?1 AND step = 'transfer'
               AND id > (SELECT coalesce(max(id), 0) FROM attempts WHERE job_id = ?1 AND step = 'create')",
        )?
        .query_row([job.0], |row| row.get(0))?;
    Ok(transfers <= 1)
}

/// Writes the end of the attempt that is open, if one is.
pub(super) fn close_attempt(
    db: &Connection,
    id: JobId,
    outcome: &str,
    report: &Report,
    now: Timestamp,
) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE attempts SET ended_at = ?2, outcome = ?3, bytes_sent = ?4, message = ?5, request_id = ?6
         WHERE job_id = ?1 AND outcome IS NULL",
    )?
    .execute(params![
        id.0,
        At(now),
        outcome,
        report.bytes_sent,
        report.message,
        report.request_id
    ])?;
    Ok(())
}
