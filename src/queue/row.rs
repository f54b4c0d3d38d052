//! What the verbs write to a row of `jobs`, each kind in one statement: where a job ends, and how it goes
//! back to the queue. Only here `last_error` is written, and with it what people can do about it.
#![deny(clippy::wildcard_enum_match_arm)]

use jiff::Timestamp;
use rusqlite::types::{Null, ToSql};
use rusqlite::{Connection, params};

use super::enqueue::new_ingest_id;
use super::error::Error;
use super::job::{JobId, State, Step};
use super::metadata;
use super::outcome::{Count, Report};
use super::sql::At;

/// Where a job ends that is no duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Final {
    /// The platform has it.
    Done,
    /// It cannot work as it is.
    Failed,
    /// Its file went away.
    Gone,
    /// It waits for a person to decide.
    Held,
    /// A person took it out of the queue.
    Cancelled,
    /// Its file changed under it.
    Superseded,
}

impl Final {
    fn state(self) -> State {
        match self {
            Self::Done => State::Done,
            Self::Failed | Self::Gone | Self::Held => State::Failed,
            Self::Cancelled | Self::Superseded => State::Cancelled,
        }
    }
}

/// The job ends so, and has no lease any more.
pub(super) fn finish(
    db: &Connection,
    job: JobId,
    end: Final,
    report: &Report,
    now: Timestamp,
) -> Result<(), Error> {
    let has_no_file = matches!(end, Final::Gone | Final::Superseded);
    db.prepare_cached(
        "UPDATE jobs SET state = ?2, superseded = max(superseded, ?3), held = max(held, ?4), duplicate_of = NULL,
                lease_id = NULL, lease_until = NULL, finished_at = ?5, failing_since = NULL, last_error = ?6, advice = ?7
         WHERE id = ?1",
    )?
    .execute(params![
        job.0,
        end.state().word(),
        has_no_file,
        end == Final::Held,
        At(now),
        report.message,
        report.advice_word()
    ])?;
    Ok(())
}

/// What the attempt that ends was, for the account of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// One that counts: the job has failed since now, unless it has before.
    Failed,
    /// One that is given back: the job is not at fault.
    GivenBack,
    /// None: no worker has the job.
    None,
}

impl From<Count> for Attempt {
    fn from(count: Count) -> Self {
        match count {
            Count::Yes => Self::Failed,
            Count::No => Self::GivenBack,
        }
    }
}

/// Back to the queue, to be taken up at `run_at`. Where an attempt is given back and the report says
/// nothing, what was noted before stays.
pub(super) fn requeue(
    db: &Connection,
    job: JobId,
    (run_at, attempt): (Timestamp, Attempt),
    report: &Report,
    now: Timestamp,
) -> Result<(), Error> {
    let is_back = attempt == Attempt::GivenBack;
    let since = (attempt == Attempt::Failed).then_some(At(now));
    let says = report.message.is_some() || !is_back;
    db.prepare_cached(
        "UPDATE jobs SET state = 'queued', lease_id = NULL, lease_until = NULL, finished_at = NULL, run_at = ?2,
                attempts = iif(?3, max(attempts - 1, 0), attempts), failing_since = coalesce(failing_since, ?4),
                last_error = iif(?5, ?6, last_error), advice = iif(?5, ?7, advice)
         WHERE id = ?1",
    )?
    .execute(params![
        job.0,
        At(run_at),
        is_back,
        since,
        says,
        report.message,
        report.advice_word()
    ])?;
    Ok(())
}

/// All bytes are, or come, on the platform: from `sent_at` the job waits for its word, first asked at `run_at`.
pub(super) fn await_ready(
    db: &Connection,
    job: JobId,
    run_at: Timestamp,
    sent_at: Timestamp,
) -> Result<(), Error> {
    set(
        db,
        job,
        &[
            ("step", &Step::Confirm.word()),
            ("state", &State::Queued.word()),
            ("lease_id", &Null),
            ("lease_until", &Null),
            ("run_at", &At(run_at)),
            ("sent_at", &At(sent_at)),
            ("last_error", &Null),
            ("advice", &Null),
        ],
    )
}

/// Whether the job still waits for the platform's word about this video, or, without one, for its key.
pub(super) fn still_waits(
    db: &Connection,
    job: JobId,
    video_key: Option<&str>,
) -> Result<bool, Error> {
    Ok(db
        .prepare_cached(
            "SELECT 1 FROM jobs WHERE id = ?1 AND video_key IS ?2 AND state = 'queued' AND step = 'confirm'",
        )?
        .exists(params![job.0, video_key])?)
}

/// Columns of a row get these values, all in one statement.
pub(super) fn set(
    db: &Connection,
    job: JobId,
    values: &[(&'static str, &dyn ToSql)],
) -> Result<(), Error> {
    let columns: Vec<String> = (2..)
        .zip(values)
        .map(|(number, (column, _))| format!("{column} = ?{number}"))
        .collect();
    let sql = format!("UPDATE jobs SET {} WHERE id = ?1", columns.join(", "));
    let job: [&dyn ToSql; 1] = [&job.0];
    let values = values.iter().map(|(_, value)| *value);
    let bound: Vec<&dyn ToSql> = job.into_iter().chain(values).collect();
    db.prepare_cached(&sql)?.execute(&*bound)?;
    Ok(())
}

/// The rest of the row forgets the video that was begun; its key goes to the withdrawals first.
pub(super) fn forget_video(db: &Connection, id: JobId) -> Result<(), Error> {
    let (create, ingest_id) = (Step::Create.word(), new_ingest_id());
    set(
        db,
        id,
        &[
            ("step", &create),
            ("video_key", &Null),
            ("create_sent_at", &Null),
            ("sent_at", &Null),
            ("md5", &Null),
            ("parts_md5", &Null),
            ("status", &Null),
            ("duration", &Null),
            ("platform_size", &Null),
            ("replaces", &Null),
            ("updated_before", &Null),
            ("replaced_by", &Null),
            ("replaced", &Null),
            ("replaced_at", &Null),
            ("changed_there", &Null),
            ("own_change", &Null),
            ("delivered_at", &Null),
            ("ingest_id", &ingest_id),
        ],
    )?;
    metadata::forget_sent(db, id)
}
