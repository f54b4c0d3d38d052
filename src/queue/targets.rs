//! The folders that files are moved to: which mount each lay on, and whether it is offline.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::Error;
use super::sql::{PathColumn, StoredPath};
use crate::mounts::Origin;

/// A target, as it was when it was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The mount that it lay on; none of its own.
    pub mount: Option<Origin>,
    /// Why it is offline.
    pub offline: Option<String>,
}

const COLUMNS: &str = "source, kind, root, point, offline";

/// What is known of a target; nothing, if it was never there.
///
/// # Errors
/// The database.
pub(crate) fn of(db: &Connection, folder: &Path) -> Result<Option<Seen>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM targets WHERE folder = ?1");
    let found = db
        .prepare_cached(&sql)?
        .query_row([PathColumn(folder)], read_row)
        .optional()?;
    Ok(found)
}

/// Those that are offline, each with the reason.
///
/// # Errors
/// The database.
pub(crate) fn offline(db: &Connection) -> Result<Vec<(PathBuf, String)>, Error> {
    let sql = "SELECT folder, offline FROM targets WHERE offline IS NOT NULL ORDER BY folder";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, StoredPath>("folder")?.0, row.get("offline")?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps what was seen of a target.
///
/// # Errors
/// The database.
pub(crate) fn keep(db: &Connection, folder: &Path, seen: &Seen) -> Result<(), Error> {
    if of(db, folder)?.as_ref() == Some(seen) {
        return Ok(());
    }
    let mount = seen.mount.as_ref();
    db.prepare_cached(
        "INSERT INTO targets (folder, source, kind, root, point, offline)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (folder) DO UPDATE SET source = excluded.source, kind = excluded.kind,
             root = excluded.root, point = excluded.point, offline = excluded.offline",
    )?
    .execute(params![
        PathColumn(folder),
        mount.map(|mount| &mount.source),
        mount.map(|mount| &mount.kind),
        mount.map(|mount| &mount.root),
        mount.map(|mount| PathColumn(&mount.point)),
        seen.offline,
    ])?;
    Ok(())
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Seen> {
    let source: Option<String> = row.get("source")?;
    let mount = match source {
        None => None,
        Some(source) => Some(Origin {
            source,
            kind: row.get("kind")?,
            root: row.get("root")?,
            point: row.get::<_, StoredPath>("point")?.0,
        }),
    };
    Ok(Seen {
        mount,
        offline: row.get("offline")?,
    })
}
