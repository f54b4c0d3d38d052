//! Files that have not settled yet, as far as other processes should see them (`explain`).

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Error;
use super::sql::{At, PathColumn, StoredPath};

/// One file that has not settled.
#[derive(Debug, Clone)]
pub struct Settling {
    /// The watch that sees it.
    pub watch: String,
    /// Its size when it was last reported, bytes.
    pub size: i64,
    /// Since when it has been seen.
    pub since: Timestamp,
    /// What saw it first.
    pub seen_by: String,
    /// What it waits for, in words.
    pub waiting_for: String,
}

/// Notes a file, or what it waits for now.
pub fn note_file(db: &Connection, path: &Path, file: &Settling) -> Result<(), Error> {
    db.prepare_cached(
        "INSERT INTO settling (path, watch, size, since, seen_by, waiting_for) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (path) DO UPDATE SET watch = ?2, size = ?3, since = ?4, seen_by = ?5, waiting_for = ?6",
    )?
    .execute(params![
        PathColumn(path),
        file.watch,
        file.size,
        At(file.since),
        file.seen_by,
        file.waiting_for
    ])?;
    Ok(())
}

/// The file is not waiting any more.
pub fn forget_file(db: &Connection, path: &Path) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM settling WHERE path = ?1")?
        .execute([PathColumn(path)])?;
    Ok(())
}

/// All of it is stale: a daemon starts and looks for itself.
pub fn clear(db: &Connection) -> Result<(), Error> {
    db.execute("DELETE FROM settling", [])?;
    Ok(())
}

/// A watch begins: what was noted of its files is stale, and of those of watches that are not among
/// `all`. Their watch does not look any more, and forgets none of them.
pub fn begin_anew(db: &Connection, watch: &str, all: &[String]) -> Result<(), Error> {
    let mut statement = db.prepare_cached("SELECT DISTINCT watch FROM settling")?;
    let noted = statement.query_map([], |row| row.get::<_, String>(0))?;
    for name in noted.collect::<Result<Vec<_>, _>>()? {
        if name == watch || !all.contains(&name) {
            db.prepare_cached("DELETE FROM settling WHERE watch = ?1")?
                .execute([name])?;
        }
    }
    Ok(())
}

/// What is known of a path.
pub fn of(db: &Connection, path: &Path) -> Result<Option<Settling>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT watch, size, since, seen_by, waiting_for FROM settling WHERE path = ?1",
        )?
        .query_row([PathColumn(path)], |row| {
            Ok(Settling {
                watch: row.get("watch")?,
                size: row.get("size")?,
                since: row.get::<_, At>("since")?.0,
                seen_by: row.get("seen_by")?,
                waiting_for: row.get("waiting_for")?,
            })
        })
        .optional()?)
}

/// All that has not settled, in short.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    /// How many files there are.
    pub number: usize,
    /// The one that has waited for the longest time, and what for, in words.
    pub oldest: Option<(PathBuf, String)>,
}

/// What has not settled, of one watch or of all.
pub fn list_waiting(db: &Connection, watch: Option<&str>) -> Result<Waiting, Error> {
    let number: i64 = db.query_row(
        "SELECT count(*) FROM settling WHERE ?1 IS NULL OR watch = ?1",
        [watch],
        |row| row.get(0),
    )?;
    let oldest = db
        .query_row(
            "SELECT path, waiting_for FROM settling WHERE ?1 IS NULL OR watch = ?1 ORDER BY since LIMIT 1",
            [watch],
            |row| Ok((row.get::<_, StoredPath>(0)?.0, row.get(1)?)),
        )
        .optional()?;
    Ok(Waiting {
        number: usize::try_from(number).unwrap_or_default(),
        oldest,
    })
}
