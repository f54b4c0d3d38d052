//! What can be wrong with the database, in words that say what to do next.

use std::path::PathBuf;

use rusqlite::ErrorCode;

/// A failure of the database or of what it was asked to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder of the database cannot be made or used.
    #[error("cannot use the folder of the database, {}: create it and give it to the service's user", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be opened.
    #[error("cannot open the database {}", path.display())]
    Open {
        /// The database file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// There is no database yet.
    #[error("there is no database at {} yet: start the daemon once, or check [database] path", path.display())]
    Missing {
        /// The database file.
        path: PathBuf,
    },
    /// The file is damaged, or no SQLite database at all.
    #[error(
        "the database {} is damaged or is not a SQLite database: stop the daemon and run \
         `jw-ingest restored --backup FILE` with a backup of it; without one, move the file aside \
         and run `jw-ingest restored --new-table`",
        path.display()
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// It has tables, and no version.
    #[error(
        "the database {path} has jobs but no version, as if it was loaded from a `.dump`: use a copy of the file itself \
         instead; if there is none and this release wrote it, run `sqlite3 {path} \"PRAGMA user_version = {version}\"`",
        path = .path.display()
    )]
    Dumped {
        /// The database file.
        path: PathBuf,
        /// The version that this release would give it.
        version: usize,
    },
    /// A newer release wrote it.
    #[error("the database {} was written by a newer jw-ingest: install that release again", path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
    },
    /// An earlier release made the database, and the daemon of this one has not run yet.
    #[error(
        "the database {} is one of an earlier release of jw-ingest: restart the daemon, which brings it to this one",
        .path.display()
    )]
    Older {
        /// The database file.
        path: PathBuf,
    },
    /// The migration to this release failed.
    #[error("cannot bring the database to this release")]
    Migration(#[source] rusqlite_migration::Error),
    /// The file is on a filesystem where several hosts could write it at once.
    #[error(
        "the database {} is on a network filesystem ({kind}), where SQLite can lose data: set \
         [database] path to a local disk",
        path.display()
    )]
    NetworkFilesystem {
        /// The database file.
        path: PathBuf,
        /// What the filesystem is called.
        kind: &'static str,
    },
    /// It was deleted or replaced while the daemon worked on it.
    #[error("the job table was deleted or replaced while the daemon worked on it: {}", path.display())]
    Lost {
        /// The file that is gone, or is another one.
        path: PathBuf,
    },
    /// It is missing, and is known to have recorded jobs.
    #[error(
        "the job table {} is missing or empty, but has recorded jobs ({} remembers it): with an empty table every file \
         in the folders would be uploaded again. Restore a backup of the table with `jw-ingest restored --backup FILE`, or \
         run `jw-ingest restored --new-table`: then the platform is asked for every file before it is uploaded",
        path.display(), marker.display()
    )]
    Vanished {
        /// The database file.
        path: PathBuf,
        /// The file that remembers it.
        marker: PathBuf,
    },
    /// It is older than what this machine did with a newer one.
    #[error(
        "the job table {} is older than the last upload of this machine ({} remembers it): files that were uploaded \
         since would be uploaded again. If you restored a backup, run `jw-ingest restored --backup`: then the \
         platform is asked for every file before it is uploaded. If you did not, put the newest table back",
        path.display(), marker.display()
    )]
    Outdated {
        /// The database file.
        path: PathBuf,
        /// The file that remembers the newer one.
        marker: PathBuf,
    },
    /// A backup was not put in its place.
    #[error("{} is not restored: {why}", path.display())]
    NotRestored {
        /// The backup.
        path: PathBuf,
        /// What is wrong with it, or what could not be done.
        why: String,
    },
    /// The marker does not show what the table is about to ask for.
    #[error(
        "cannot write {}, by which an older job table is recognised; no video is created until it can be written",
        path.display()
    )]
    Marker {
        /// The marker.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A new table was asked for in the place of one that is not lost.
    #[error("the job table {} is there and has jobs: no other is made. To give it up, stop the daemon and move it aside first", path.display())]
    HasJobs {
        /// The database file.
        path: PathBuf,
    },
    /// Another daemon has it.
    #[error("another jw-ingest daemon already works on {}: stop it first", path.display())]
    DaemonRuns {
        /// The database file.
        path: PathBuf,
    },
    /// The file, or its folder, is there but may only be read.
    #[error("the database {} cannot be written: give it and its folder to the service's user, on a disk that is not \
             mounted read-only", path.display())]
    ReadOnly {
        /// The database file.
        path: PathBuf,
    },
    /// The writer thread could not be started.
    #[error("cannot start the database thread")]
    Thread {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The system gives no random numbers, or the like.
    #[error("cannot seal an upload link")]
    Seal,
    /// The writer thread has ended; the daemon is stopping.
    #[error("the database thread has ended")]
    WriterGone,
    /// What the database was asked to do ended in a panic, a bug of ours; it was rolled back.
    #[error("a change of the database was aborted by a bug: {message}")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// A statement failed.
    #[error("the database refused")]
    Sqlite(#[from] rusqlite::Error),
    /// A row holds what this release cannot understand.
    #[error("job {job}: column {column} holds {value:?}, which this release does not know")]
    Row {
        /// The row.
        job: i64,
        /// The column.
        column: &'static str,
        /// What is there.
        value: String,
    },
    /// The lease that an outcome was reported for is not held any more.
    #[error("job {job} was taken over or cancelled meanwhile")]
    LeaseLost {
        /// The row.
        job: i64,
    },
}

impl Error {
    /// Whether waiting can fix it: a full disk, a busy or unreachable file.
    pub fn is_passing(&self) -> bool {
        if matches!(self, Self::Marker { .. }) {
            return true;
        }
        let Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) = self else {
            return false;
        };
        matches!(
            failure.code,
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
        )
    }
}
