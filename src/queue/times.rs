//! Corrects times in the table that a wrong clock wrote, or that grew old while the daemon was off.
//!
//! What is put off too far is pulled back, and ages start again: at a start and after each jump of
//! the clock, for all tables.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::claim::LEASE;
use super::error::Error;
use super::sql::At;

/// How far ahead a time in the table may be.
#[derive(Debug, Clone, Copy)]
pub struct Longest {
    /// The longest wait before another attempt.
    pub delay: Duration,
    /// The longest time that a file stays in place after its job has ended.
    pub grace: Duration,
}

/// Ages of failing start at `now`, and nothing is put off for longer than any wait may be. Answers how
/// many times were pulled back.
pub fn mend(db: &Connection, now: Timestamp, longest: Longest) -> Result<usize, Error> {
    start_ages_anew(db, now)?;
    pull_back(db, now, longest)
}

/// While the machine was off, or by a clock that was wrong, no attempt was made: nothing is given up
/// for that time.
fn start_ages_anew(db: &Connection, now: Timestamp) -> Result<(), Error> {
    for table in ["jobs", "metadata"] {
        let sql = format!("UPDATE {table} SET failing_since = ?1 WHERE failing_since IS NOT NULL");
        db.prepare_cached(&sql)?.execute([At(now)])?;
    }
    Ok(())
}

/// The columns that put something off: each is set to `?1` where it is beyond `?2`.
const PUT_OFF: [&str; 5] = [
    "UPDATE jobs SET run_at = ?1 WHERE state = 'queued' AND run_at > ?2",
    "UPDATE paused_accounts SET probe_at = ?1 WHERE probe_at > ?2",
    "UPDATE withdrawals SET run_at = ?1 WHERE finished_at IS NULL AND run_at > ?2",
    "UPDATE metadata SET due_at = ?1 WHERE due_at > ?2",
    "UPDATE jobs SET replaced_at = ?1 WHERE replaced_by IS NOT NULL AND replaced <> 'yes' AND replaced_at > ?2",
];

fn pull_back(db: &Connection, now: Timestamp, longest: Longest) -> Result<usize, Error> {
    let after = |wait: Duration| At(now.checked_add(wait).unwrap_or(Timestamp::MAX));
    let mut pulled = 0;
    for sql in PUT_OFF {
        pulled += db
            .prepare_cached(sql)?
            .execute(params![At(now), after(longest.delay)])?;
    }
    // A file keeps its whole grace: nothing is moved or deleted early because a clock was wrong.
    pulled += db
        .prepare_cached("UPDATE afterwards SET due_at = ?1 WHERE due_at > ?1")?
        .execute([after(longest.grace.max(longest.delay))])?;
    pulled += db
        .prepare_cached(
            "UPDATE jobs SET lease_until = ?1 WHERE state = 'running' AND lease_until > ?1",
        )?
        .execute([after(LEASE)])?;
    Ok(pulled)
}
