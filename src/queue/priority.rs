//! What gives a job its priority: its watch, or a person who wants it to go first.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::accounts;
use super::error::Error;
use super::job::{Job, JobId};
use super::operator::{self, Answer};
use super::row;
use super::sql::At;
use super::standing::Standing;

/// From here on a priority is a person's; those of watches are far below.
pub const BUMPED: i64 = 1000;

/// The jobs of the watches that may still be claimed take over these priorities, unless they were
/// bumped. Answers how many did.
pub fn follow_priorities(db: &Connection, watches: &[(String, i64)]) -> Result<usize, Error> {
    let mut changed = 0;
    for (watch, priority) in watches {
        // Those that have ended may be queued again by hand.
        changed += db
            .prepare_cached(
                "UPDATE jobs SET priority = ?2
                 WHERE state IN ('queued', 'running', 'failed', 'cancelled', 'duplicate')
                   AND watch = ?1 AND priority <> ?2 AND priority < ?3",
            )?
            .execute(params![watch, priority, BUMPED])?;
    }
    Ok(changed)
}

/// A priority above all that wait: the later of two bumps goes first.
pub fn front(db: &Connection) -> Result<i64, Error> {
    let greatest: Option<i64> = db
        .prepare_cached(
            "SELECT max(priority) FROM (
                 SELECT * FROM (SELECT priority FROM jobs INDEXED BY jobs_due
                     WHERE state = 'queued' AND step <> 'confirm' ORDER BY priority DESC LIMIT 1)
                 UNION ALL SELECT priority FROM jobs WHERE state = 'running')",
        )?
        .query_row([], |row| row.get(0))
        .optional()?
        .flatten();
    let next = greatest.map_or(BUMPED, |greatest| greatest.saturating_add(1));
    Ok(next.max(BUMPED))
}

/// Gives a job that waits for its turn this priority (see [`front`]).
///
/// One that waits for its next attempt is due at once. `has_worker` is false where no daemon runs:
/// what the table calls running waits for its start.
pub fn bump(
    db: &Connection,
    id: JobId,
    (priority, has_worker): (i64, bool),
    now: Timestamp,
) -> Result<Answer, Error> {
    let Some(job) = operator::by_id(db, id)? else {
        return Ok(Answer::Refused(format!("there is no job {id}")));
    };
    let answer = match job.standing() {
        Standing::Confirming | Standing::SeekingKey => Answer::Refused(format!(
            "job {id} is already uploaded, and waits for `ready`"
        )),
        Standing::Turn | Standing::WaitingForCopy => {
            Answer::Done(format!("job {id} is at the front now{}", but(db, &job)?))
        }
        Standing::Creating | Standing::Uploading if has_worker => {
            Answer::Refused(format!("job {id} is already running"))
        }
        Standing::Creating | Standing::Uploading => Answer::Done(format!(
            "job {id} was in progress when the daemon was killed, and goes first at the next start"
        )),
        Standing::Failed | Standing::Gone | Standing::Held => Answer::Refused(format!(
            "job {id} failed; `jw-ingest retry {id}` queues it again"
        )),
        Standing::Cancelled | Standing::Superseded => Answer::Refused(format!(
            "job {id} is cancelled; `jw-ingest retry {id}` queues it again"
        )),
        Standing::Done
        | Standing::DoneWithoutKey
        | Standing::BeingReplaced
        | Standing::MaybeReplaced
        | Standing::Replaced => Answer::Refused(format!("job {id} is already uploaded")),
        Standing::Duplicate => Answer::Refused(format!(
            "job {id} is a duplicate: its content is already uploaded"
        )),
    };
    if matches!(answer, Answer::Done(_)) {
        // One that waits for another job is not asked again before that has ended.
        if job.waits_for.is_none() {
            row::set(db, id, &[("run_at", &At(job.run_at.min(now)))])?;
        }
        row::set(db, id, &[("priority", &priority)])?;
    }
    Ok(answer)
}

/// What keeps a job waiting anyway.
fn but(db: &Connection, job: &Job) -> Result<String, Error> {
    if let Some(other) = job.waits_for {
        return Ok(format!(
            ", and continues when job {other} ends, which decides whether its content needs to be uploaded"
        ));
    }
    let paused = accounts::paused(db)?;
    let is_paused = paused.iter().any(|paused| paused.account == job.account);
    Ok(if is_paused {
        format!(
            ", and waits until account {}, which is paused, works again",
            job.account
        )
    } else {
        String::new()
    })
}
