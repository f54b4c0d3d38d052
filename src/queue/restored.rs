//! A table that was lost or put back: when one may be made, and what a person orders about it.
//!
//! Where the marker is and the table is not, an empty table would upload every file again: none is made, unless a
//! person asks for it. A table that is behind its marker (`marker`) would upload again what was uploaded
//! since: it is not used, unless a person says that it is a backup. Neither knows all that is uploaded, so the
//! platform is asked for every file before it is uploaded.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Error;
use super::job::{JobId, Lease};
use super::marker::{self, beside, has_jobs};
use super::outcome::{self, Report};
use super::replace::{self, Replaced};
use super::row;
use super::sql::At;
use super::ticket::NewTicket;
use super::{db, write_now};
use crate::clock;
use crate::identity::Identity;

/// The row of `settings` that makes the platform be asked first.
const ASKS_FIRST: &str = "ask-before-upload-since";

/// The row of `settings` with the last job that a backup had.
const LAST_OF_BACKUP: &str = "last-job-of-backup";

/// Before a table is made at `table`: there must have been none.
pub(super) fn check_path(table: &Path) -> Result<(), Error> {
    let is_missing = match fs::metadata(table) {
        Ok(meta) => meta.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if is_missing && marker::is_there(table) {
        return Err(vanished(table));
    }
    Ok(())
}

/// The same for one that is there and empty: it was created in the place of another.
pub(super) fn check_jobs(table: &Path, db: &Connection) -> Result<(), Error> {
    if marker::is_there(table) && !has_jobs(db)? && ordered_at(db)?.is_none() {
        return Err(vanished(table));
    }
    Ok(())
}

fn vanished(table: &Path) -> Error {
    Error::Vanished {
        path: table.to_owned(),
        marker: marker::file(table),
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
    let number = marker::read_first(table)?;
    write_now(&mut db, |db| order(db, number, now))
}

/// Takes the table for a backup that was put back: what it does not know may be on the platform
/// anyway.
///
/// # Errors
/// Where there is no table, or it cannot be written.
pub fn take_as_backup(table: &Path, now: Timestamp) -> Result<(), Error> {
    let number = marker::read_first(table)?;
    check_path(table)?;
    if matches!(table.try_exists(), Ok(false)) {
        return Err(Error::Missing {
            path: table.to_owned(),
        });
    }
    accept(table, number, now)
}

/// The same for one whose marker has this number.
pub(super) fn accept(table: &Path, number: i64, now: Timestamp) -> Result<(), Error> {
    let mut db = db::open_or_make(table)?;
    write_now(&mut db, |db| {
        doubt_jobs(db, now)?;
        order(db, number, now)
    })
}

/// From now on the platform is asked first, and the table is not behind its marker.
fn order(db: &Connection, number: i64, now: Timestamp) -> Result<(), Error> {
    set(db, ASKS_FIRST, &clock::text(now))?;
    db.execute("UPDATE high_water SET count = max(count, ?1)", [number])?;
    Ok(())
}

/// The jobs of a backup may be further than it knows: what they would send is asked for first.
fn doubt_jobs(db: &Connection, now: Timestamp) -> Result<(), Error> {
    let last: i64 = db.query_row("SELECT coalesce(max(id), 0) FROM jobs", [], |row| {
        row.get(0)
    })?;
    set(db, LAST_OF_BACKUP, &last.to_string())?;
    // Nothing asks a server for a file that has not got its name there: it is looked for on the platform.
    db.execute_batch(
        "CREATE TEMP TABLE unnamed AS
         SELECT id FROM jobs WHERE step = 'transfer' AND method = 'ftp'
           AND NOT EXISTS (SELECT 1 FROM tickets WHERE job_id = id AND last_byte_at IS NOT NULL);
         DELETE FROM tickets WHERE job_id IN (SELECT id FROM unnamed);
         UPDATE jobs SET step = 'create', method = NULL, method_why = NULL WHERE id IN (SELECT id FROM unnamed);
         DROP TABLE unnamed;",
    )?;
    db.execute(
        "UPDATE tickets SET last_byte_at = ?1 WHERE last_byte_at IS NULL",
        [At(now)],
    )?;
    // A person may have said so of an upload that was made since.
    db.execute(
        "UPDATE jobs SET by_hand = 0
         WHERE by_hand = 1 AND step = 'create' AND state IN ('queued', 'running', 'failed', 'cancelled')",
        [],
    )?;
    Ok(())
}

fn set(db: &Connection, name: &str, value: &str) -> Result<(), Error> {
    db.execute(
        "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        params![name, value],
    )?;
    Ok(())
}

/// Whether the job was in a backup that was put back, so that its video may have been made since.
pub fn is_of_backup(db: &Connection, job: JobId) -> Result<bool, Error> {
    Ok(db
        .prepare_cached("SELECT 1 FROM settings WHERE name = ?1 AND CAST(value AS INTEGER) >= ?2")?
        .exists(params![LAST_OF_BACKUP, job.0])?)
}

/// When a person ordered this table in the place of a lost one; `None`: there was none.
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

/// Whether the file came after the order. Any user can set its mtime, also to a time to come; its
/// ctime is this machine's, and changes with its mode, too: one of the two is no proof.
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

/// The platform has the file as this video, whole and ready.
///
/// The job waits for it as for one that it has sent. `false`: it is another job's. A video that got other content since a backup was made, under the same path,
/// is the job's now.
pub fn found(
    db: &Connection,
    lease: &Lease,
    (key, ingest_id, md5): (&str, Option<&str>, &str),
    now: Timestamp,
) -> Result<bool, Error> {
    if super::ftp::is_taken(db, key)? {
        let Some(job) = replaced_since(db, lease, (key, md5))? else {
            return Ok(false);
        };
        let replaced = Replaced {
            job,
            updated_before: None,
        };
        replace::takes(db, lease, replaced, key)?;
    }
    let ticket = NewTicket {
        video_key: key,
        link: "",
        expires_at: None,
        part_size: None,
    };
    outcome::created(db, lease, &ticket, &Report::default(), now)?;
    let why = "the platform had it already, which this job table did not know: same MD5 and size, and ready";
    if ingest_id.is_some() {
        row::set(db, lease.job.id, &[("ingest_id", &ingest_id)])?;
    }
    row::set(
        db,
        lease.job.id,
        &[
            ("method", &FOUND),
            ("method_why", &why),
            ("create_sent_at", &At(now)),
        ],
    )?;
    outcome::transferred(db, lease, Some(md5), now, (&Report::default(), now))?;
    Ok(true)
}

/// The job of the same path whose content the video had by this table, and has not any more.
fn replaced_since(
    db: &Connection,
    lease: &Lease,
    (key, md5): (&str, &str),
) -> Result<Option<JobId>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT former.id FROM jobs AS former JOIN jobs AS me ON me.id = ?1 AND me.path = former.path
             WHERE former.video_key = ?2 AND former.id <> me.id AND +former.state = 'done' AND former.replaced_by IS NULL
               AND former.md5 <> ?3
             ORDER BY former.id DESC LIMIT 1",
        )?
        .query_row(params![lease.job.id.0, key, md5], |row| {
            row.get(0).map(JobId)
        })
        .optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::enqueue::{NewJob, enqueue};
    use crate::queue::marker::file;
    use crate::queue::{Queue, open, open_for_reading};
    use std::path::PathBuf;

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
    }

    #[tokio::test]
    async fn a_table_is_made_only_where_none_is_known_to_have_been() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("jobs.db");
        drop(open(&table).unwrap());
        assert!(!marker::is_there(&table), "no job was lost with it");
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
        // Made by another program, or half made when the command was killed.
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
