//! Watches that got another name: their jobs follow, as the folder is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error::Error;
use super::job::JobId;
use super::row;
use super::sql::StoredPath;

/// A watch of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
}

/// Gives the jobs of watches that are not in the configuration to the watch whose folder has their files, or had
/// them before they were moved for a failure.
///
/// Answers how many jobs each watch got, by its former and its present name.
/// Jobs of a watch that is configured stay where they are, even if its folder is another now.
pub fn follow(
    db: &Connection,
    watches: &[Named],
) -> Result<BTreeMap<(String, String), u64>, Error> {
    let mut given = BTreeMap::new();
    let mut gone: BTreeSet<String> = db
        .prepare_cached("SELECT DISTINCT watch FROM jobs")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    gone.retain(|name| !watches.iter().any(|watch| watch.name == *name));
    if gone.is_empty() {
        return Ok(given);
    }
    let mut jobs = db.prepare_cached(
        "SELECT id, coalesce(came_from, path) FROM jobs LEFT JOIN afterwards ON job_id = id WHERE watch = ?1",
    )?;
    for former in gone {
        let rows = jobs.query_map([&former], |row| {
            Ok((row.get(0)?, row.get::<_, StoredPath>(1)?.0))
        })?;
        let rows: Vec<(i64, PathBuf)> = rows.collect::<Result<_, _>>()?;
        for (id, path) in rows {
            if let Some(watch) = around(watches, &path) {
                row::set(db, JobId(id), &[("watch", &watch.name)])?;
                *given
                    .entry((former.clone(), watch.name.clone()))
                    .or_default() += 1;
            }
        }
    }
    Ok(given)
}

/// The watch whose folder is closest around a file.
fn around<'a>(watches: &'a [Named], path: &Path) -> Option<&'a Named> {
    let around = watches
        .iter()
        .filter(|watch| path.starts_with(&watch.folder));
    around.max_by_key(|watch| watch.folder.components().count())
}
