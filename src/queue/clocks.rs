//! Accounts whose platform's clock differs much from this machine's.
//!
//! Kept in the database, so that commands can say it.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::error::Error;
use super::sql::At;

/// An account whose platform has another time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skewed {
    /// Its name in the configuration.
    pub account: String,
    /// Seconds by which this machine is ahead; negative where it is behind.
    pub ahead_s: i64,
    /// When that was measured, by this machine's clock.
    pub measured_at: Timestamp,
}

/// The clocks differ by so much.
pub fn differs(db: &Connection, account: &str, ahead_s: i64, now: Timestamp) -> Result<(), Error> {
    db.prepare_cached(
        "INSERT INTO clocks (account, ahead_s, measured_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (account) DO UPDATE SET ahead_s = ?2, measured_at = ?3",
    )?
    .execute(params![account, ahead_s, At(now)])?;
    Ok(())
}

/// The clocks agree.
pub fn agrees(db: &Connection, account: &str) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM clocks WHERE account = ?1")?
        .execute([account])?;
    Ok(())
}

/// Nothing is known of any clock: the daemon starts, or this machine's clock was set.
pub fn forget_all(db: &Connection) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM clocks")?.execute([])?;
    Ok(())
}

/// All accounts whose clocks differ, by name.
pub fn list_skewed(db: &Connection) -> Result<Vec<Skewed>, Error> {
    let mut statement =
        db.prepare_cached("SELECT account, ahead_s, measured_at FROM clocks ORDER BY account")?;
    let rows = statement.query_map([], |row| {
        Ok(Skewed {
            account: row.get("account")?,
            ahead_s: row.get("ahead_s")?,
            measured_at: row.get::<_, At>("measured_at")?.0,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
