//! The daemon that runs, or ran last: since when, and whether it refuses the configuration on disk.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Error;
use super::sql::{At, optional_time};

/// What the daemon says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// When it started.
    pub started_at: Timestamp,
    /// Since when it refuses the configuration on disk, and why at the last reload.
    pub refused: Option<(Timestamp, String)>,
}

/// One starts, with the configuration on disk.
///
/// # Errors
/// The database.
pub fn started(db: &Connection, now: Timestamp) -> Result<(), Error> {
    db.prepare_cached("INSERT OR REPLACE INTO daemon (id, started_at) VALUES (1, ?1)")?
        .execute([At(now)])?;
    Ok(())
}

/// A reload refused the configuration on disk.
///
/// # Errors
/// The database.
pub fn refused(db: &Connection, why: &str, now: Timestamp) -> Result<(), Error> {
    db.prepare_cached("UPDATE daemon SET refused_at = coalesce(refused_at, ?1), refused_why = ?2")?
        .execute(params![At(now), why])?;
    Ok(())
}

/// A reload took the configuration on disk.
///
/// # Errors
/// The database.
pub fn accepted(db: &Connection) -> Result<(), Error> {
    db.prepare_cached("UPDATE daemon SET refused_at = NULL, refused_why = NULL")?
        .execute([])?;
    Ok(())
}

/// What the daemon that runs, or ran last, says about itself; nothing where none has run with this table yet.
///
/// # Errors
/// The database.
pub fn read(db: &Connection) -> Result<Option<Daemon>, Error> {
    let daemon = db
        .prepare_cached("SELECT started_at, refused_at, refused_why FROM daemon")?
        .query_row([], |row| {
            let refused_at = optional_time(row, "refused_at")?;
            let why: Option<String> = row.get("refused_why")?;
            Ok(Daemon {
                started_at: row.get::<_, At>("started_at")?.0,
                refused: refused_at.zip(why),
            })
        })
        .optional()?;
    Ok(daemon)
}
