//! Opening the database: where it may lie, who may have it, which settings it runs with.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::error::Error;
use super::{marker, restored};

/// Released migrations are never edited; a change is a new file at the end.
const MIGRATIONS: &[M<'_>] = &[
    M::up(include_str!("../../migrations/0001_jobs.sql")),
    M::up(include_str!("../../migrations/0002_ways.sql")),
    M::up(include_str!("../../migrations/0003_order.sql")),
    M::up(include_str!("../../migrations/0004_identity.sql")),
    M::up(include_str!("../../migrations/0005_metadata.sql")),
    M::up(include_str!("../../migrations/0006_afterwards.sql")),
    M::up(include_str!("../../migrations/0007_outages.sql")),
    M::up(include_str!("../../migrations/0008_holders.sql")),
    M::up(include_str!("../../migrations/0009_sealed_links.sql")),
    M::up(include_str!("../../migrations/0010_clocks.sql")),
    M::up(include_str!("../../migrations/0011_settings.sql")),
    M::up(include_str!("../../migrations/0012_targets.sql")),
    M::up(include_str!("../../migrations/0013_proof.sql")),
    M::up(include_str!("../../migrations/0014_sidecar_left.sql")),
    M::up(include_str!("../../migrations/0015_phase.sql")),
    M::up(include_str!("../../migrations/0016_change_times.sql")),
    M::up(include_str!("../../migrations/0017_own_change.sql")),
    M::up(include_str!("../../migrations/0018_unlinks.sql")),
    M::up(include_str!("../../migrations/0019_high_water.sql")),
    M::up(include_str!("../../migrations/0020_not_ours.sql")),
    M::up(include_str!("../../migrations/0021_doubted.sql")),
    M::up(include_str!("../../migrations/0022_copies.sql")),
    M::up(include_str!("../../migrations/0023_advice.sql")),
    M::up(include_str!("../../migrations/0024_watches.sql")),
];

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often may another process get ahead while the database is opened.
const MEETINGS: u32 = 20;

/// Readable by the owner's group, so that operators can read it, and by no other user. The upload
/// links in it are sealed.
pub(super) const MODE: u32 = 0o640;

/// Opens the database for writing, creates it where there never was one, and migrates it.
///
/// # Errors
/// See [`Error`]: each says what to do.
pub fn open(path: &Path) -> Result<Connection, Error> {
    let number = marker::read_first(path)?;
    restored::check_path(path)?;
    let db = open_or_make(path)?;
    restored::check_jobs(path, &db)?;
    marker::check_age(path, &db, number)?;
    Ok(db)
}

/// The same, even if there was something before.
pub(super) fn open_or_make(path: &Path) -> Result<Connection, Error> {
    let folder = parent(path);
    fs::metadata(&folder).map_err(|source| Error::Folder {
        path: folder.clone(),
        source,
    })?;
    if let Some(kind) = network_filesystem(&folder) {
        return Err(Error::NetworkFilesystem {
            path: path.to_owned(),
            kind,
        });
    }
    create_private(path, &folder)?;
    let mut db = Connection::open(path).map_err(|source| explain_error(path, source))?;
    // SQLite opens what it may not write for reading, and would say so at the first job.
    if db
        .is_readonly(MAIN_DB)
        .map_err(|source| explain_error(path, source))?
    {
        return Err(Error::ReadOnly {
            path: path.to_owned(),
        });
    }
    prepare_database(&mut db, path)?;
    Ok(db)
}

/// Opens an existing database for reading only, as an operator without write access can.
///
/// # Errors
/// [`Error::Missing`] where there is none yet, or why it cannot be read.
pub fn open_for_reading(path: &Path) -> Result<Connection, Error> {
    // A user who can only read the table is told what that says.
    let number = marker::read_number(path).ok().flatten().unwrap_or_default();
    // What we may not look at is not missing: SQLite says below why it cannot be opened.
    if matches!(path.try_exists(), Ok(false)) {
        restored::check_path(path)?;
        return Err(Error::Missing {
            path: path.to_owned(),
        });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db =
        Connection::open_with_flags(path, flags).map_err(|source| explain_error(path, source))?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    let version: i64 = db
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|source| explain_error(path, source))?;
    match usize::try_from(version) {
        Ok(version) if version > MIGRATIONS.len() => Err(Error::Newer {
            path: path.to_owned(),
        }),
        Ok(0) | Err(_) => {
            check_version(path, &db)?;
            Err(Error::Missing {
                path: path.to_owned(),
            })
        }
        Ok(version) if version < MIGRATIONS.len() => Err(Error::Older {
            path: path.to_owned(),
        }),
        Ok(_) => {
            marker::check_age(path, &db, number)?;
            Ok(db)
        }
    }
}

pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// SQLite would create the file as the umask says; ours must never be readable by everybody.
fn create_private(path: &Path, folder: &Path) -> Result<(), Error> {
    let made = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(MODE)
        .open(path);
    match made {
        Ok(_) => {
            give_to_owner_of(path, folder);
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(Error::Folder {
            path: folder.to_owned(),
            source,
        }),
    }
}

/// A command run by root before the daemon's first start must not leave a file that the daemon's
/// own user cannot write. Where we are not root, it fails and changes nothing.
pub(super) fn give_to_owner_of(path: &Path, folder: &Path) {
    use std::os::unix::fs::{MetadataExt, chown};
    if let Ok(meta) = fs::metadata(folder)
        && let Err(error) = chown(path, Some(meta.uid()), Some(meta.gid()))
    {
        tracing::debug!(%error, "the database keeps its owner");
    }
}

/// Settings and migrations. A command and the daemon may meet over a new database, and SQLite does
/// not let one wait for the other while it changes the journal or has read what is migrated.
fn prepare_database(db: &mut Connection, path: &Path) -> Result<(), Error> {
    let mut tries = 0..MEETINGS;
    loop {
        let done = set_pragmas(db)
            .map_err(|source| explain_error(path, source))
            .and_then(|()| migrate(db, path));
        let met = matches!(&done, Err(Error::Open { source, .. })
            if source.sqlite_error_code() == Some(ErrorCode::DatabaseBusy));
        if !met || tries.next().is_none() {
            return done;
        }
        if let Err(error) = db.execute_batch("BEGIN IMMEDIATE; COMMIT") {
            tracing::debug!(%error, "the other process is not done with the database yet");
        }
    }
}

fn set_pragmas(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // A recorded key must survive power loss: without it the file would be uploaded again.
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    // What is deleted are upload links: nothing of them may stay in the file.
    db.pragma_update(None, "secure_delete", true)?;
    db.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    db.set_prepared_statement_cache_capacity(64);
    keep_wal(db);
    Ok(())
}

/// Leaves `-wal` and `-shm` in place when the daemon stops: without them an operator who may only
/// read could not open the database.
fn keep_wal(db: &Connection) {
    let mut on: std::ffi::c_int = 1;
    #[expect(
        unsafe_code,
        reason = "rusqlite has no safe call for this file control"
    )]
    // SAFETY: the handle is open for as long as `db` is borrowed; the name is NUL-terminated; the
    // opcode reads and writes one int behind the pointer.
    let code = unsafe {
        rusqlite::ffi::sqlite3_file_control(
            db.handle(),
            c"main".as_ptr(),
            rusqlite::ffi::SQLITE_FCNTL_PERSIST_WAL,
            std::ptr::from_mut(&mut on).cast(),
        )
    };
    if code != rusqlite::ffi::SQLITE_OK {
        tracing::debug!(
            code,
            "the write-ahead log will not be kept when the daemon stops"
        );
    }
}

/// `.dump` leaves the version out, without which the migrations would make the tables once more.
fn check_version(path: &Path, db: &Connection) -> Result<(), Error> {
    let is_dumped = "SELECT 1 FROM pragma_user_version, sqlite_master
                     WHERE user_version = 0 AND type = 'table' AND sqlite_master.name = 'jobs'";
    let is_dumped = db.prepare(is_dumped).and_then(|mut rows| rows.exists([]));
    if is_dumped.map_err(|source| explain_error(path, source))? {
        return Err(Error::Dumped {
            path: path.to_owned(),
            version: MIGRATIONS.len(),
        });
    }
    Ok(())
}

fn migrate(db: &mut Connection, path: &Path) -> Result<(), Error> {
    check_version(path, db)?;
    let newer = |error: &rusqlite_migration::Error| {
        matches!(
            error,
            rusqlite_migration::Error::MigrationDefinition(
                rusqlite_migration::MigrationDefinitionError::DatabaseTooFarAhead
            )
        )
    };
    match Migrations::from_slice(MIGRATIONS).to_latest(db) {
        Ok(()) => Ok(()),
        // A command and the daemon may both find the new database; one of them is first.
        Err(_) if is_latest(db) => Ok(()),
        Err(error) if newer(&error) => Err(Error::Newer {
            path: path.to_owned(),
        }),
        Err(rusqlite_migration::Error::RusqliteError { err, .. }) => Err(explain_error(path, err)),
        Err(error) => Err(Error::Migration(error)),
    }
}

fn is_latest(db: &Connection) -> bool {
    let version: rusqlite::Result<i64> = db.query_row("PRAGMA user_version", [], |row| row.get(0));
    version.is_ok_and(|version| usize::try_from(version) == Ok(MIGRATIONS.len()))
}

/// A migrated database in memory, for tests.
#[cfg(test)]
pub(super) fn in_memory() -> Connection {
    let mut db = Connection::open_in_memory().unwrap();
    db.pragma_update(None, "foreign_keys", true).unwrap();
    Migrations::from_slice(MIGRATIONS)
        .to_latest(&mut db)
        .unwrap();
    db
}

fn explain_error(path: &Path, source: rusqlite::Error) -> Error {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Damaged { path, source }
        }
        _ => Error::Open { path, source },
    }
}

/// The name of the network filesystem that `folder` is on, if it does.
///
/// Over these, locks and the shared memory of WAL do not reach the other hosts.
pub fn network_filesystem(folder: &Path) -> Option<&'static str> {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut answer = std::mem::MaybeUninit::<libc::statfs>::uninit();
    #[expect(unsafe_code, reason = "the standard library has no statfs")]
    // SAFETY: `name` is NUL-terminated and `answer` is large enough; it is read only after success.
    let kind = unsafe {
        if libc::statfs(name.as_ptr(), answer.as_mut_ptr()) != 0 {
            return None;
        }
        answer.assume_init().f_type
    };
    // The magic numbers of linux/magic.h; 32 bits of them count, the sign does not.
    match kind & 0xFFFF_FFFF {
        0x6969 => Some("NFS"),
        0xFE53_4D42 | 0x517B => Some("SMB"),
        0xFF53_4D42 => Some("CIFS"),
        0x0102_1997 => Some("9p"),
        0x5346_414F => Some("AFS"),
        0x00C3_6400 => Some("Ceph"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::daemon_lock::{daemon_runs, lock};

    const FAILED: &str = "failed', finished_at = '2027-01-15T08:00:00.000Z";

    /// A state, what was noted, and what that comes to.
    const WORDS: [(&str, Option<&str>, Option<&str>); 9] = [
        ("queued", None, None),
        (
            "queued",
            Some("account main is paused: no"),
            Some("account-paused"),
        ),
        (
            "queued",
            Some("waits for job 1, which sends it"),
            Some("upload-both"),
        ),
        (
            "queued",
            Some("waits for job 1 (no MD5); jw-ingest retry 4 uploads it"),
            Some("upload-both-in-words"),
        ),
        (
            "queued",
            Some("a program touches the file again and again, last at noon"),
            Some("rest"),
        ),
        (
            FAILED,
            Some("more than 25 GB (size-limit)"),
            Some("size-limit"),
        ),
        (
            FAILED,
            Some("more than 5 GB (s3-limit)"),
            Some("then-retry"),
        ),
        (
            FAILED,
            Some("given up; jw-ingest retry 8"),
            Some("in-words"),
        ),
        (FAILED, Some("it is broken"), Some("fix-cause")),
    ];

    #[test]
    fn what_to_do_is_read_from_the_words_of_an_earlier_release() {
        let mut db = Connection::open_in_memory().unwrap();
        Migrations::from_slice(&MIGRATIONS[..21])
            .to_latest(&mut db)
            .unwrap();
        for (number, (state, said, _)) in (1_i64..).zip(WORDS) {
            db.execute(
                "INSERT INTO jobs (watch, account, path, size, dev, ino, mtime_ns, ctime_ns, ingest_id, run_at,
                                   created_at)
                 VALUES ('news', 'main', '/w/' || ?1, 1, 1, ?1, 1, 1, 'mark ' || ?1, 'x', 'x')",
                [number],
            )
            .unwrap();
            let set = format!("UPDATE jobs SET last_error = ?1, state = '{state}' WHERE ino = ?2");
            db.execute(&set, (said, number)).unwrap();
        }
        Migrations::from_slice(MIGRATIONS)
            .to_latest(&mut db)
            .unwrap();
        let mut read = db.prepare("SELECT advice FROM jobs ORDER BY ino").unwrap();
        let advice = read.query_map([], |row| row.get::<_, Option<String>>(0));
        let advice: Vec<_> = advice.unwrap().map(Result::unwrap).collect();
        let expected: Vec<_> = WORDS.iter().map(|row| row.2.map(str::to_owned)).collect();
        assert_eq!(advice, expected);
    }

    #[test]
    fn migrations_are_valid() {
        Migrations::from_slice(MIGRATIONS).validate().unwrap();
    }

    #[test]
    fn the_table_of_the_first_release_goes_on_with_its_jobs() {
        use crate::queue::{State, Step, claim, ticket};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let mut old = Connection::open(&path).unwrap();
        let first = Migrations::from_slice(&MIGRATIONS[..1]);
        first.to_latest(&mut old).unwrap();
        old.execute_batch(
            "INSERT INTO jobs (watch, account, path, size, step, method, video_key, run_at, created_at, ingest_id,
                               dev, ino, mtime_ns, ctime_ns)
             VALUES ('news', 'main', '/w/a.mp4', 5, 'transfer', 's3', 'tL17msiU', '2026-01-01T00:00:00.000Z',
                     '2026-01-01T00:00:00.000Z', 'mark', 1, 2, 3, 4);
             INSERT INTO tickets (job_id, link) VALUES (1, '- https://upload.example/a');",
        )
        .unwrap();
        drop(old);
        let error = open_for_reading(&path).unwrap_err();
        assert!(matches!(error, Error::Older { .. }), "{error:?}");

        let db = open(&path).unwrap();
        let now = "2026-01-02T00:00:00Z".parse().unwrap();
        let lease = claim::claim(&db, now, &claim::Terms::default())
            .unwrap()
            .unwrap();
        let job = &lease.job;
        assert_eq!((job.state, job.step), (State::Running, Step::Transfer));
        assert_eq!(
            (job.way, &job.method_why),
            (Some(crate::way::Way::S3), &None)
        );
        let ticket = lease.ticket.as_ref().unwrap();
        assert_eq!(
            (ticket.link.as_str(), ticket.part_size),
            ("- https://upload.example/a", None)
        );
        assert!(ticket::parts(&db, job.id).unwrap().is_empty());
        open_for_reading(&path).unwrap();
    }

    #[tokio::test]
    async fn the_links_of_an_earlier_release_are_sealed_and_nothing_of_them_is_left() {
        use crate::queue::{JobId, Queue, ticket};
        const GONE: &str = "- https://upload.example/gone?Signature=0123456789";
        const LIVES: &str = "- https://upload.example/lives?Signature=0123456789";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let mut old = Connection::open(&path).unwrap();
        old.pragma_update(None, "journal_mode", "WAL").unwrap();
        old.pragma_update(None, "foreign_keys", false).unwrap();
        keep_wal(&old);
        let released = Migrations::from_slice(&MIGRATIONS[..7]);
        released.to_latest(&mut old).unwrap();
        for (id, method, link) in [(1, "s3", GONE), (2, "s3", LIVES), (3, "ftp", "a.mp4")] {
            old.execute(
                "INSERT INTO jobs (id, watch, account, path, size, step, method, video_key, run_at, created_at,
                                   ingest_id, dev, ino, mtime_ns, ctime_ns)
                 VALUES (?1, 'w', 'main', '/w/' || ?1, 5, 'transfer', ?2, 'tL17msiU', '2026', '2026', 'm', 1, 2, 3, 4)",
                (id, method),
            )
            .unwrap();
            let insert = "INSERT INTO tickets (job_id, link) VALUES (?1, ?2)";
            old.execute(insert, (id, link)).unwrap();
        }
        // Whole pages of them, which go to the list of free pages.
        old.execute(
            "WITH RECURSIVE n (id) AS (SELECT 100 UNION ALL SELECT id + 1 FROM n WHERE id < 2000)
             INSERT INTO tickets (job_id, link) SELECT id, ?1 FROM n",
            [GONE],
        )
        .unwrap();
        old.execute("DELETE FROM tickets WHERE job_id NOT IN (2, 3)", [])
            .unwrap();
        old.query_row("PRAGMA wal_checkpoint", [], |_| Ok(()))
            .unwrap();
        drop(old);
        let shows = |what: &str| {
            ["jobs.db", "jobs.db-wal", "jobs.db-shm"]
                .iter()
                .any(|name| {
                    let bytes = fs::read(folder.path().join(name)).unwrap();
                    bytes.windows(what.len()).any(|at| at == what.as_bytes())
                })
        };
        assert!(shows(GONE) && shows(LIVES), "there is something to remove");
        for _start in 0..2 {
            let queue = Queue::start(&path).unwrap();
            let ticket = |id| queue.write(move |db| ticket::of(db, JobId(id)));
            let lives = ticket(2).await.unwrap().unwrap();
            assert_eq!(queue.unseal(JobId(2), &lives).as_deref(), Some(LIVES));
            assert_eq!(ticket(3).await.unwrap().unwrap().link, "a.mp4");
            assert!(!shows("upload.example"));
            let chores = "SELECT 1 FROM chores";
            let is_left = queue.write(move |db| Ok(db.prepare(chores)?.exists([])?));
            assert!(!is_left.await.unwrap());
        }
    }

    #[test]
    fn the_file_is_not_for_everybody() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        drop(open(&path).unwrap());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            MODE
        );
    }

    #[test]
    fn a_damaged_file_is_named_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        fs::write(
            &path,
            "this is a text, not a database, and long enough to be read as a header\n".repeat(99),
        )
        .unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("backup"), "{error}");
    }

    #[test]
    fn a_newer_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let db = open(&path).unwrap();
        db.pragma_update(None, "user_version", 99).unwrap();
        drop(db);
        assert!(matches!(open(&path).unwrap_err(), Error::Newer { .. }));
        assert!(matches!(
            open_for_reading(&path).unwrap_err(),
            Error::Newer { .. }
        ));
    }

    #[test]
    fn a_table_that_was_loaded_from_a_dump_is_told_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let db = open(&path).unwrap();
        db.pragma_update(None, "user_version", 0).unwrap();
        drop(db);
        let cure = format!("PRAGMA user_version = {}", MIGRATIONS.len());
        let opened = [open(&path), open_for_reading(&path)];
        for error in opened.map(Result::unwrap_err) {
            assert!(matches!(error, Error::Dumped { .. }), "{error:?}");
            assert!(error.to_string().contains(&cure), "{error}");
        }
        let db = Connection::open(&path).unwrap();
        db.execute_batch(&cure).unwrap();
        drop(db);
        open(&path).unwrap();
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = open(Path::new("/nonexistent/folder/jobs.db")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/folder"), "{error}");
    }

    #[test]
    fn only_one_daemon_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        assert_eq!(daemon_runs(&path), Some(false));
        let held = lock(&path).unwrap();
        assert_eq!(daemon_runs(&path), Some(true));
        assert!(matches!(lock(&path).unwrap_err(), Error::DaemonRuns { .. }));
        drop(held);
        assert_eq!(daemon_runs(&path), Some(false));
        drop(lock(&path).unwrap());
    }
}
