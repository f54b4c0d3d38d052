//! Putting a backup of the job table in its place.
//!
//! The backup is copied beside the table, examined and made ready there, and put in place by one rename. The old
//! table is kept under another name, with its log of writes: SQLite would read a log that is left behind into the
//! backup. A kill on the way leaves the old table, or none, which no daemon starts with; the command can be
//! repeated.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;

use super::error::Error;
use super::marker::{self, beside};
use super::{db, restored};

/// Puts the backup in place, and takes it for one ([`restored::take_as_backup`]). Answers where the old table is.
///
/// # Errors
/// [`Error::NotRestored`]: what is wrong with the backup, or what could not be written.
pub fn put_back(table: &Path, backup: &Path, now: Timestamp) -> Result<Option<PathBuf>, Error> {
    let refused = |why: String| Error::NotRestored {
        path: backup.to_owned(),
        why,
    };
    let in_words = |error: io::Error| refused(error.to_string());
    if is_same(table, backup).map_err(in_words)? {
        let why = "it is the job table itself; to accept it as it is, leave FILE out".to_owned();
        return Err(refused(why));
    }
    let number = marker::read_first(table)?;
    let draft = beside(table, ".restoring");
    remove_database(&draft).map_err(in_words)?;
    copy_backup(backup, &draft).map_err(in_words)?;
    let ready = check_copy(&draft)
        .and_then(|()| restored::accept(&draft, number, now).map_err(|error| crate::chain(&error)))
        .and_then(|()| fold_log(&draft).map_err(|error| error.to_string()));
    if let Err(why) = ready {
        remove_database(&draft).map_err(in_words)?;
        return Err(refused(why));
    }
    let kept = beside(table, &format!(".replaced-{}", now.as_second()));
    exchange_tables(table, &draft, &kept).map_err(in_words)
}

fn is_same(table: &Path, backup: &Path) -> io::Result<bool> {
    let of_backup = fs::metadata(backup)?;
    Ok(fs::metadata(table)
        .is_ok_and(|meta| (meta.dev(), meta.ino()) == (of_backup.dev(), of_backup.ino())))
}

/// Removes a database with all that SQLite keeps beside it.
fn remove_database(database: &Path) -> io::Result<()> {
    for ending in ["-wal", "-shm", ""] {
        match fs::remove_file(beside(database, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Copies the backup, and the log of writes of one that was copied with it. Nothing is written to the backup.
fn copy_backup(backup: &Path, draft: &Path) -> io::Result<()> {
    for ending in ["", "-wal"] {
        let mut from = match File::open(beside(backup, ending)) {
            Err(error) if !ending.is_empty() && error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        let to = beside(draft, ending);
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(db::MODE)
            .open(&to)?;
        io::copy(&mut from, &mut file)?;
        db::give_to_owner_of(&to, &db::parent(draft));
    }
    Ok(())
}

/// Whether it is whole, and a job table; if not, why.
fn check_copy(draft: &Path) -> Result<(), String> {
    let look = || -> rusqlite::Result<(String, bool)> {
        let db = Connection::open(draft)?;
        let found = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        let is_table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'jobs'";
        Ok((found, db.prepare(is_table)?.exists([])?))
    };
    match look() {
        Ok((found, true)) if found == "ok" => Ok(()),
        Ok((found, true)) => Err(format!("it is damaged: {found}")),
        Ok((_, false)) => Err("it is no job table".to_owned()),
        Err(error) => Err(format!(
            "it is damaged or is not a SQLite database: {error}"
        )),
    }
}

/// Brings all of it into the one file, and that to the disk.
fn fold_log(draft: &Path) -> rusqlite::Result<()> {
    let db = Connection::open(draft)?;
    let is_busy: i64 = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    drop(db);
    let done = if is_busy == 0 {
        finish_copy(draft)
    } else {
        Err(io::Error::other("another program uses it"))
    };
    done.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn finish_copy(draft: &Path) -> io::Result<()> {
    for ending in ["-wal", "-shm"] {
        match fs::remove_file(beside(draft, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    File::open(draft)?.sync_all()
}

/// The old table gets its second name first, then loses the first one, then the draft gets that. The table goes
/// before its log: without the log it would be an older one.
fn exchange_tables(table: &Path, draft: &Path, kept: &Path) -> io::Result<Option<PathBuf>> {
    let folder = File::open(db::parent(table))?;
    // Between the two, a daemon that starts must not make an empty table.
    if !marker::is_there(table) {
        marker::write_number(table, 0)?;
    }
    let mut is_kept = false;
    for ending in ["", "-wal"] {
        match fs::hard_link(beside(table, ending), beside(kept, ending)) {
            Ok(()) => is_kept = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    folder.sync_all()?;
    for ending in ["", "-wal", "-shm"] {
        match fs::remove_file(beside(table, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => folder.sync_all()?,
        }
    }
    fs::rename(draft, table)?;
    folder.sync_all()?;
    Ok(is_kept.then(|| kept.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::enqueue::{NewJob, enqueue};
    use crate::queue::{open, open_for_reading, write_now};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn add(table: &Path, name: &str) {
        let mut db = open(table).unwrap();
        let new = NewJob {
            watch: "news".to_owned(),
            account: "main".to_owned(),
            path: PathBuf::from(name),
            identity: crate::identity::Identity::of(&fs::metadata(table).unwrap()),
            priority: 0,
        };
        write_now(&mut db, |db| enqueue(db, &new, at(0))).unwrap();
    }

    fn names(table: &Path) -> Vec<String> {
        let db = Connection::open(table).unwrap();
        let mut statement = db.prepare("SELECT path FROM jobs ORDER BY path").unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.collect::<Result<_, _>>().unwrap()
    }

    /// A table with `a` and `b`, the second of them in its log of writes only, and a backup of before, as `cp` makes
    /// it of table and log.
    fn ground() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("jobs.db");
        let backup = folder.path().join("copy.db");
        add(&table, "/w/a.mp4");
        for ending in ["", "-wal"] {
            fs::copy(beside(&table, ending), beside(&backup, ending)).unwrap();
        }
        add(&table, "/w/b.mp4");
        marker::write_number(&table, 3).unwrap();
        (folder, table, backup)
    }

    fn is_restored(table: &Path) {
        let db = open(table).unwrap();
        assert_eq!(names(table), ["/w/a.mp4"]);
        assert_eq!(
            marker::count(&db).unwrap(),
            3,
            "it is not behind its marker"
        );
        open_for_reading(table).unwrap();
    }

    #[test]
    fn the_old_table_is_kept_and_its_log_is_not_read_into_the_backup() {
        let (_folder, table, backup) = ground();
        let bytes = fs::read(&backup).unwrap();
        let kept = put_back(&table, &backup, at(9)).unwrap().unwrap();
        is_restored(&table);
        assert_eq!(names(&kept), ["/w/a.mp4", "/w/b.mp4"]);
        assert_eq!(fs::read(&backup).unwrap(), bytes);
        assert!(!beside(&table, ".restoring").exists());
    }

    #[test]
    fn a_kill_on_the_way_starts_no_daemon_and_the_command_can_be_repeated() {
        // What a kill leaves: a draft; the second names; the table without its name, and its log with it.
        for killed_after in 0..4 {
            let (_folder, table, backup) = ground();
            fs::write(beside(&table, ".restoring"), "half").unwrap();
            let kept = beside(&table, ".replaced-1");
            if killed_after > 0 {
                for ending in ["", "-wal"] {
                    fs::hard_link(beside(&table, ending), beside(&kept, ending)).unwrap();
                }
            }
            if killed_after > 1 {
                fs::remove_file(&table).unwrap();
                let refused = open(&table).map(drop);
                assert!(matches!(refused, Err(Error::Vanished { .. })));
            }
            if killed_after > 2 {
                fs::remove_file(beside(&table, "-wal")).unwrap();
            }
            put_back(&table, &backup, at(9)).unwrap();
            is_restored(&table);
            if killed_after > 0 {
                assert_eq!(names(&kept), ["/w/a.mp4", "/w/b.mp4"]);
            }
        }
    }

    #[test]
    fn what_is_no_whole_backup_changes_nothing() {
        let (folder, table, backup) = ground();
        let other = folder.path().join("other.db");
        Connection::open(&other)
            .unwrap()
            .execute_batch("CREATE TABLE x (y)")
            .unwrap();
        let text = folder.path().join("text.db");
        fs::write(
            &text,
            "no database, but long enough for a header\n".repeat(99),
        )
        .unwrap();
        let spoilt = folder.path().join("spoilt.db");
        let db = Connection::open(&backup).unwrap();
        db.execute("VACUUM INTO ?1", [spoilt.to_str().unwrap()])
            .unwrap();
        let mut bytes = fs::read(&spoilt).unwrap();
        bytes[4096..40_960].fill(0xA5);
        fs::write(&spoilt, bytes).unwrap();
        let missing = folder.path().join("missing.db");
        for wrong in [&other, &text, &spoilt, &missing, &table] {
            let error = put_back(&table, wrong, at(9)).unwrap_err();
            assert!(matches!(error, Error::NotRestored { .. }), "{error:?}");
            assert_eq!(names(&table), ["/w/a.mp4", "/w/b.mp4"], "{error}");
            assert!(!beside(&table, ".restoring").exists());
        }
    }
}
