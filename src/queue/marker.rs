//! The marker beside the job table: that the table had jobs, and how much it had asked of the platform.
//!
//! The marker is a file, written once a job is recorded and before a video can be created for it. Where the marker
//! is and the table is not, the table is lost.
//!
//! It also has a number. Triggers of the table count what may leave something on the platform (a create call, other
//! content for a video, a last byte) before it is asked for. The writer copies that count to the marker after the
//! commit and before it answers, so before the call is made. So the marker is never ahead of its table, wherever
//! the daemon is killed: a table that is behind its marker is an older one, such as a restored backup.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::db;
use super::error::Error;
use crate::text;

/// What the marker says to people.
const WORDS: &str = "\
The job table beside this file has recorded jobs. If the table is missing, restore a backup of it with
`jw-ingest restored --backup FILE`, or run `jw-ingest restored --new-table`. Keep this file: by it the daemon
notices a table that is missing, or older than the last upload.
";

/// How the line of the number begins.
const NUMBER: &str = "count: ";

/// The marker of one table, as its writer knows it.
pub(super) struct Marker {
    table: PathBuf,
    /// The number in the file; `None`: there is no file.
    written: Option<i64>,
    /// The count of the last commit.
    seen: i64,
    is_said: bool,
}

/// What a table has that its marker must show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    count: i64,
    has_jobs: bool,
}

impl Level {
    /// Read in the transaction that it is about, so that a failure undoes all of it.
    pub(super) fn of(db: &Connection) -> rusqlite::Result<Self> {
        let count = count(db)?;
        let has_jobs = count > 0 || has_jobs(db)?;
        Ok(Self { count, has_jobs })
    }
}

impl Marker {
    /// That of an open table, brought up to it as far as possible: the last run may have ended between its commit and
    /// the marker.
    pub(super) fn of(table: &Path, level: Level) -> Result<Self, Error> {
        let mut marker = Self {
            table: table.to_owned(),
            written: read_number(table).map_err(|source| unreadable(table, source))?,
            seen: level.count,
            is_said: false,
        };
        marker.follow(level)?;
        Ok(marker)
    }

    /// Brings the marker up to what was just committed.
    ///
    /// # Errors
    /// [`Error::Marker`] where that raised the count: what it is about must not be asked for. Else a marker that cannot
    /// be written is tried again after the next commit.
    pub(super) fn follow(&mut self, level: Level) -> Result<(), Error> {
        let is_raised = level.count > self.seen;
        self.seen = level.count;
        let is_behind = self
            .written
            .map_or(level.has_jobs, |number| number < level.count);
        if !is_behind {
            return Ok(());
        }
        let Err(source) = write_number(&self.table, level.count) else {
            self.written = Some(level.count);
            self.is_said = false;
            return Ok(());
        };
        let error = Error::Marker {
            path: file(&self.table),
            source,
        };
        if !std::mem::replace(&mut self.is_said, true) {
            tracing::error!("{}", crate::chain(&error));
        }
        if is_raised { Err(error) } else { Ok(()) }
    }
}

fn unreadable(table: &Path, source: io::Error) -> Error {
    Error::Folder {
        path: db::parent(table),
        source,
    }
}

/// The marker of a table.
pub(super) fn file(table: &Path) -> PathBuf {
    beside(table, ".marker")
}

pub(super) fn beside(table: &Path, ending: &str) -> PathBuf {
    let mut name = table.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Whether a table with jobs was here. A marker that cannot be looked at is one.
pub(super) fn is_there(table: &Path) -> bool {
    file(table)
        .symlink_metadata()
        .map_or_else(|error| error.kind() != io::ErrorKind::NotFound, |_| true)
}

/// Follows no link, and waits for no pipe.
fn open_marker(marker: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(marker)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other(format!(
            "{} is not a regular file",
            text::path(marker)
        )))
    }
}

/// The number in the marker; 0 in one of an earlier release. `None`: there is no marker.
pub(super) fn read_number(table: &Path) -> io::Result<Option<i64>> {
    let text = match open_marker(&file(table)).and_then(io::read_to_string) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let number = text.lines().find_map(|line| line.strip_prefix(NUMBER));
    Ok(Some(
        number
            .and_then(|number| number.trim().parse().ok())
            .unwrap_or_default(),
    ))
}

/// The same, where the table is about to be used: a marker that cannot be read says nothing about its age.
pub(super) fn read_first(table: &Path) -> Result<i64, Error> {
    let number = read_number(table).map_err(|source| unreadable(table, source))?;
    Ok(number.unwrap_or_default())
}

/// Whole or not at all, and there after a power loss.
pub(super) fn write_number(table: &Path, count: i64) -> io::Result<()> {
    let (draft, marker) = (beside(table, ".marker.new"), file(table));
    // What a kill left is of no use, and something else may have the name.
    drop(fs::remove_file(&draft));
    let mut text = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(db::MODE)
        .open(&draft)?;
    text.write_all(format!("{WORDS}{NUMBER}{count}\n").as_bytes())?;
    text.sync_all()?;
    let folder = db::parent(table);
    db::give_to_owner_of(&draft, &folder);
    fs::rename(&draft, &marker)?;
    File::open(folder)?.sync_all()
}

/// How often the table asked the platform for something that may outlast it.
pub(super) fn count(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT count FROM high_water")?
        .query_row([], |row| row.get(0))
}

pub(super) fn has_jobs(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM jobs LIMIT 1")?.exists([])
}

/// The table must not be behind its marker, of which `number` was read before the table was: a daemon that works
/// raises the table first.
pub(super) fn check_age(table: &Path, db: &Connection, number: i64) -> Result<(), Error> {
    if count(db)? < number {
        return Err(Error::Outdated {
            path: table.to_owned(),
            marker: file(table),
        });
    }
    Ok(())
}
