//! The database: can it be opened and written, without making or changing it?

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use super::finding::Finding;
use crate::chain;
use crate::queue::{self, Error};
use crate::wording::text;

/// The name of the file that is made for a moment, to see whether the folder can be written.
const TRIAL: &str = ".jw-ingest-check";

pub(super) fn check_database(path: &Path) -> Finding {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if let Err(finding) = folder_is_usable(path, folder) {
        return finding;
    }
    let shown = text::path(path);
    match queue::open_for_reading(path) {
        Ok(db) => drop(db),
        Err(Error::Missing { .. }) => {
            return Finding::ok(
                SUBJECT,
                format!("{shown} does not exist yet; the daemon creates it"),
            );
        }
        Err(error) => return Finding::fail(SUBJECT, text::line(&chain(&error))),
    }
    // Opening alone changes nothing, and is refused where writing would be.
    match OpenOptions::new().write(true).open(path) {
        Ok(_) => Finding::ok(SUBJECT, shown),
        Err(error) => Finding::fail(
            SUBJECT,
            format!("{shown} cannot be written: {error}; give it to the daemon's user"),
        ),
    }
}

fn folder_is_usable(path: &Path, folder: &Path) -> Result<(), Finding> {
    let shown = text::path(folder);
    let unusable = |error: io::Error| {
        Finding::fail(
            SUBJECT,
            format!(
                "its folder {shown} cannot be used: {error}; create it and give it to the daemon's \
                 user (systemd does this with StateDirectory=)"
            ),
        )
    };
    if !fs::metadata(folder).map_err(unusable)?.is_dir() {
        return Err(unusable(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    if let Some(kind) = queue::network_filesystem(folder) {
        let path = path.to_owned();
        let error = Error::NetworkFilesystem { path, kind };
        return Err(Finding::fail(SUBJECT, text::line(&error.to_string())));
    }
    // Files appear beside the database while it is used, so the folder must be writable too. Only
    // trying tells: rights, a read-only mount and a full disk all matter.
    let trial = folder.join(format!("{TRIAL}-{}", std::process::id()));
    let made = OpenOptions::new().write(true).create_new(true).open(&trial);
    made.map_err(unusable)?;
    fs::remove_file(&trial).map_err(unusable)
}

const SUBJECT: &str = "database";
