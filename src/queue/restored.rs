//! A table that was lost: the marker that remembers it, and the table that is made in its place.
//!
//! The marker is a file beside the table, written once a job is recorded and before any video can be created
//! for it. Where it is and the table is not, an empty table would upload every file again: none is
//! made, unless a person asks for it. That table knows nothing of what is up, so that the platform
//! is asked for every file before it is uploaded.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::db;
use super::error::Error;
use super::job::Lease;
use super::outcome::{self, Report};
use super::sql::At;
use super::ticket::NewTicket;
use crate::clock;
use crate::identity::Identity;

/// What the marker says to people.
const WORDS: &str = "\
The job table beside this file has recorded jobs. If the table is missing, restore a backup of it, or run
`jw-ingest restored --new-table`. Keep this file: it is how the daemon knows that there was a table.
";

/// The row of `settings` that makes the platform be asked first.
const ASKS_FIRST: &str = "ask-before-upload-since";

/// The marker of one table, as its writer knows it.
pub(super) struct Marker {
    table: PathBuf,
    is_written: bool,
    is_said: bool,
}

impl Marker {
    pub(super) fn of(table: &Path) -> Self {
        Self {
            table: table.to_owned(),
            is_written: is_there(table),
            is_said: false,
        }
    }

    /// Writes it once the table has a job. One that cannot be written is tried again at the next
    /// change.
    pub(super) fn follow(&mut self, db: &Connection) {
        if self.is_written || !matches!(has_jobs(db), Ok(true)) {
            return;
        }
        match write(&self.table) {
            Ok(()) => self.is_written = true,
            Err(error) => {
                if !std::mem::replace(&mut self.is_said, true) {
                    tracing::error!(%error, "cannot write {}, by which a lost job table is noticed; it is tried again", file(&self.table).display());
                }
            }
        }
    }
}

fn file(table: &Path) -> PathBuf {
    beside(table, ".marker")
}

fn beside(table: &Path, ending: &str) -> PathBuf {
    let mut name = table.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Whether a table with jobs was here. A marker that cannot be looked at is one.
fn is_there(table: &Path) -> bool {
    file(table)
        .symlink_metadata()
        .map_or_else(|error| error.kind() != io::ErrorKind::NotFound, |_| true)
}

/// Whole or not at all, and there after a power loss.
fn write(table: &Path) -> io::Result<()> {
    let (draft, marker) = (beside(table, ".marker.new"), file(table));
    let mut text = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(db::MODE)
        .open(&draft)?;
    text.write_all(WORDS.as_bytes())?;
    text.sync_all()?;
    let folder = db::parent(table);
    db::give_to_owner_of(&draft, &folder);
    fs::rename(&draft, &marker)?;
    File::open(folder)?.sync_all()
}

fn has_jobs(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM jobs LIMIT 1")?.exists([])
}

/// Before a table is made at `table`: there must have been none.
pub(super) fn check_path(table: &Path) -> Result<(), Error> {
    let is_missing = match fs::metadata(table) {
        Ok(meta) => meta.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if is_missing && is_there(table) {
        return Err(vanished(table));
    }
    Ok(())
}

/// The same for one that is there and empty: somebody made it in the place of another.
pub(super) fn check_jobs(table: &Path, db: &Connection) -> Result<(), Error> {
    if is_there(table) && !has_jobs(db)? && ordered_at(db)?.is_none() {
        return Err(vanished(table));
    }
    Ok(())
}

fn vanished(table: &Path) -> Error {
    Error::Vanished {
        path: table.to_owned(),
        marker: file(table),
    }
}

/// Makes a table in the place of a lost one.
///
/// With it the platform is asked for every file before that is uploaded. What the lost one left beside it is kept under another name: SQLite would take it for the new
/// table's.
///
/// # Errors
/// [`Error::HasJobs`] where there is a table that knows of jobs; else what keeps it from being made.
pub fn make_anew(table: &Path, now: Timestamp) -> Result<(), Error> {
    if check_path(table).is_err() || !table.exists() {
        for ending in ["-wal", "-shm"] {
            let (old, kept) = (
                beside(table, ending),
                beside(table, &format!(".lost-{}{ending}", now.as_second())),
            );
            match fs::rename(&old, &kept) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::Folder {
                        path: db::parent(table),
                        source,
                    });
                }
                _ => {}
            }
        }
    }
    let mut db = db::open_or_make(table)?;
    if has_jobs(&db)? {
        return Err(Error::HasJobs {
            path: table.to_owned(),
        });
    }
    super::write_now(&mut db, |db| {
        db.execute(
            "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
            params![ASKS_FIRST, clock::text(now)],
        )?;
        Ok(())
    })
}

/// When a person ordered this table in the place of a lost one; `None`: nobody did.
fn ordered_at(db: &Connection) -> Result<Option<Timestamp>, Error> {
    let at: Option<At> = db
        .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
        .query_row([ASKS_FIRST], |row| row.get(0))
        .optional()?;
    Ok(at.map(|at| at.0))
}

/// Whether the lost table may have known the file, so that the platform is asked for it.
pub fn may_have_known(db: &Connection, file: &Identity, now: Timestamp) -> Result<bool, Error> {
    Ok(ordered_at(db)?.is_some_and(|ordered| !is_newer(file, ordered, now)))
}

/// Whether the file came after the order. Anybody can set its mtime, also to a time to come; its ctime is this
/// machine's, and changes with its mode, too: one of the two is no proof.
fn is_newer(file: &Identity, ordered: Timestamp, now: Timestamp) -> bool {
    let ordered = ordered.as_nanosecond();
    let (written, changed) = (i128::from(file.mtime_ns), i128::from(file.ctime_ns));
    written > ordered && written <= now.as_nanosecond() && changed > ordered
}

/// Which of these videos jobs of this table have.
pub fn own(db: &Connection, keys: &[String]) -> Result<BTreeSet<String>, Error> {
    let mut own = BTreeSet::new();
    for key in keys {
        if super::ftp::is_taken(db, key)? {
            own.insert(key.clone());
        }
    }
    Ok(own)
}

/// The word for the method of a video that was there before the table.
pub(super) const FOUND: &str = "found";

/// The platform has the file as this video, whole and ready: the job waits for it as for one that it has
/// sent. `false`: it is another job's.
pub fn found(
    db: &Connection,
    lease: &Lease,
    (key, ingest_id, md5): (&str, Option<&str>, &str),
    now: Timestamp,
) -> Result<bool, Error> {
    if super::ftp::is_taken(db, key)? {
        return Ok(false);
    }
    let ticket = NewTicket {
        video_key: key,
        link: "",
        expires_at: None,
        part_size: None,
    };
    outcome::created(db, lease, &ticket, &Report::default(), now)?;
    let why = "the platform had it before this job table was made: same MD5 and size, and ready";
    db.prepare_cached(
        "UPDATE jobs SET method = ?2, method_why = ?3, ingest_id = coalesce(?4, ingest_id), create_sent_at = ?5
         WHERE id = ?1",
    )?
    .execute(params![lease.job.id.0, FOUND, why, ingest_id, At(now)])?;
    outcome::transferred(db, lease, Some(md5), now, (&Report::default(), now))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::enqueue::{NewJob, enqueue};
    use crate::queue::{Queue, open, open_for_reading};

    fn remove(table: &Path) {
        for ending in ["", "-wal", "-shm"] {
            fs::remove_file(beside(table, ending)).ok();
        }
    }

    async fn record_a_job(table: &Path) {
        let queue = Queue::start(table).unwrap();
        let new = NewJob {
            watch: "news".to_owned(),
            account: "main".to_owned(),
            path: PathBuf::from("/w/a.mp4"),
            identity: Identity::of(&fs::metadata(table).unwrap()),
            priority: 0,
        };
        let now = clock::now();
        queue.write(move |db| enqueue(db, &new, now)).await.unwrap();
        // The next answer comes after the marker.
        queue.data_version().await.unwrap();
    }

    #[tokio::test]
    async fn a_table_is_made_only_where_none_is_known_to_have_been() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("jobs.db");
        drop(open(&table).unwrap());
        assert!(!is_there(&table), "no job was lost with it");
        remove(&table);
        record_a_job(&table).await;
        let mode = fs::metadata(file(&table)).unwrap().permissions().mode();
        assert_eq!(mode & 0o137, 0, "{mode:o}");
        drop(open(&table).unwrap());

        remove(&table);
        let is_refused = || matches!(open(&table), Err(Error::Vanished { .. }));
        assert!(is_refused() && !table.exists());
        let read = open_for_reading(&table);
        assert!(matches!(read, Err(Error::Vanished { .. })));
        // An empty file in its place is no table either.
        fs::write(&table, "").unwrap();
        assert!(is_refused());
        // Made by somebody else, or half made when the command was killed.
        drop(db::open_or_make(&table).unwrap());
        assert!(is_refused());

        make_anew(&table, clock::now()).unwrap();
        assert!(ordered_at(&open(&table).unwrap()).unwrap().is_some());
        record_a_job(&table).await;
        let again = make_anew(&table, clock::now());
        assert!(matches!(again, Err(Error::HasJobs { .. })));
    }

    #[test]
    fn only_a_file_that_is_older_than_the_order_is_asked_for() {
        let db = db::in_memory();
        let hour = |n: i64| Timestamp::from_second(1_800_000_000 + n * 3600).unwrap();
        let file = |written: i64, changed: i64| Identity {
            dev: 1,
            ino: 2,
            size: 3,
            mtime_ns: i64::try_from(hour(written).as_nanosecond()).unwrap(),
            ctime_ns: i64::try_from(hour(changed).as_nanosecond()).unwrap(),
        };
        let asks = |file: &Identity| may_have_known(&db, file, hour(9)).unwrap();
        assert!(!asks(&file(-1, -1)), "no table was lost");
        db.execute(
            "INSERT INTO settings (name, value) VALUES (?1, ?2)",
            params![ASKS_FIRST, clock::text(hour(0))],
        )
        .unwrap();
        for (written, changed, expected) in [
            (-1, -1, true),
            // Put back with its old times, by a clock that was ahead, or renamed since.
            (-1, 5, true),
            (5, -1, true),
            (20, 5, true),
            (5, 5, false),
        ] {
            let file = file(written, changed);
            assert_eq!(asks(&file), expected, "{written} {changed}");
        }
    }

    #[test]
    fn what_a_lost_table_left_beside_it_is_not_read_into_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("jobs.db");
        fs::write(beside(&table, "-wal"), "old").unwrap();
        make_anew(&table, Timestamp::UNIX_EPOCH).unwrap();
        let kept = beside(&table, ".lost-0-wal");
        assert_eq!(fs::read_to_string(kept).unwrap(), "old");
    }
}
