//! The database: missing, read-only, damaged, and on a disk that is full for a while.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Dice, Platform, Site, left_out, wait_for};

const SMALL: usize = 20_000;

/// Points the site's configuration to another database.
fn move_database(site: &Site, to: &Path) {
    let text = fs::read_to_string(site.config()).unwrap();
    let old = site.root().join("jobs.db");
    let text = text.replace(old.to_str().unwrap(), to.to_str().unwrap());
    fs::write(site.config(), text).unwrap();
}

/// Runs the daemon, which is expected to refuse at once; answers exit code and sentence.
fn refused(site: &Site) -> (Option<i32>, String) {
    let output = site.command(&["run", "--until-idle"]);
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_missing_folder_is_a_fault_of_the_configuration() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let folder = site.root().join("no/such/folder");
    move_database(&site, &folder.join("jobs.db"));
    let (code, said) = refused(&site);
    assert_eq!(code, Some(78), "{said}");
    assert!(
        said.contains(&format!("{}: create it", folder.display())),
        "{said}"
    );
    assert!(!folder.exists());
    assert_eq!(site.command(&["jobs"]).status.code(), Some(1));
}

#[test]
fn a_damaged_file_is_named_with_the_way_out() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    fs::write(
        site.database(),
        "this is no database, but long enough for a header\n".repeat(200),
    )
    .unwrap();
    let (code, said) = refused(&site);
    assert_eq!(code, Some(78), "{said}");
    assert!(
        said.contains("is damaged or is not a SQLite database") && said.contains("backup"),
        "{said}"
    );
    let jobs = site.command(&["jobs"]);
    assert_eq!(jobs.status.code(), Some(1));
    let text = fs::read_to_string(site.database()).unwrap();
    assert!(
        text.starts_with("this is no database"),
        "it is left as it is"
    );
}

#[test]
fn a_table_that_is_damaged_in_the_middle_ends_the_daemon_with_a_sentence() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    for n in 0..20 {
        site.drop_file(&format!("{n}.mp4"), &Dice::new().bytes(100));
    }
    site.output(&["run", "--until-idle"]);
    // What is in the log of writes goes into the file first, and then the file is spoilt.
    let db = rusqlite::Connection::open(site.database()).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(db);
    let mut bytes = fs::read(site.database()).unwrap();
    bytes[4096..].fill(0xA5);
    fs::write(site.database(), bytes).unwrap();
    let (code, said) = refused(&site);
    assert!(matches!(code, Some(1 | 78)), "{code:?} {said}");
    assert!(
        said.contains("damaged") && said.contains("backup"),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");
}

/// A filesystem of its own in memory; `None`, and a word about it, where we may not mount.
struct Disk(PathBuf);

impl Disk {
    fn mount(site: &Site, kilobytes: u32) -> Option<Self> {
        let path = site.root().join("disk");
        fs::create_dir(&path).unwrap();
        let options = format!("size={kilobytes}k,mode=0755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&path)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            left_out("a small filesystem cannot be mounted here (not root)");
            return None;
        }
        Some(Self(path))
    }

    fn remount(&self, option: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{option}")])
            .arg(&self.0)
            .status()
            .unwrap();
        assert!(status.success(), "remount,{option}");
    }

    /// Fills it up to the last byte.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = fs::File::create(&path).unwrap();
        let block = [0_u8; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a daemon that a failed test left behind may still be there.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn a_disk_that_is_mounted_read_only_is_named() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let Some(disk) = Disk::mount(&site, 4096) else {
        return;
    };
    let path = disk.0.join("jobs.db");
    move_database(&site, &path);
    site.output(&["run", "--until-idle"]);
    disk.remount("ro");
    let (code, said) = refused(&site);
    assert!(matches!(code, Some(1 | 78)), "{code:?} {said}");
    assert!(said.contains(path.to_str().unwrap()), "{said}");
    assert!(said.to_lowercase().contains("read-only"), "{said}");
    // Looking is possible anyway.
    site.output(&["jobs"]);
}

#[test]
fn a_database_that_is_not_ours_to_write_is_named() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    site.output(&["run", "--until-idle"]);
    for ending in ["", "-wal", "-shm"] {
        let path = site.root().join(format!("jobs.db{ending}"));
        if path.exists() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o440)).unwrap();
        }
    }
    if fs::OpenOptions::new()
        .append(true)
        .open(site.database())
        .is_ok()
    {
        left_out("root may write any file; no database can be kept from it");
        return;
    }
    let (code, said) = refused(&site);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("cannot be written: give it and its folder"),
        "{said}"
    );
}

#[test]
fn a_full_disk_pauses_the_jobs_and_loses_none() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    // Table and log of the whole schema take more than 1 MiB before the first job.
    let Some(disk) = Disk::mount(&site, 2048) else {
        return;
    };
    let database = disk.0.join("jobs.db");
    move_database(&site, &database);
    let count = |sql: &str| -> Option<i64> {
        let db = rusqlite::Connection::open(&database).ok()?;
        db.query_row(sql, [], |row| row.get(0)).ok()
    };
    let done = |wanted: i64| {
        wait_for("jobs to be done", || {
            (count("SELECT count(*) FROM jobs WHERE state = 'done'")? >= wanted).then_some(())
        });
    };
    let mut dice = Dice::new();
    let daemon = site.start();
    let mut files = vec![site.drop_file("first.mp4", &dice.bytes(SMALL))];
    done(1);
    // The disk fills up while a video is being made: its key must not be lost.
    platform.fault("create", serde_json::json!({"kind": "hold-after-acting"}));
    files.push(site.drop_file("second.mp4", &dice.bytes(SMALL)));
    platform.wait("create", "held", 1);
    let ballast = disk.fill();
    platform.release();
    site.wait_log("the database cannot be written");
    files.push(site.drop_file("third.mp4", &dice.bytes(SMALL)));
    files.push(site.drop_file("fourth.mp4", &dice.bytes(SMALL)));
    // The third one settles, and its job cannot be written either.
    wait_for("the intake to meet it too", || {
        (site.logged("the database cannot be") >= 2).then_some(())
    });
    // It is not repeated: each loop says once that it waits.
    let said = site.logged("the database cannot be");
    assert!(said <= 6, "{}", site.log());
    assert_eq!(platform.count("create", "arrived"), 2);
    fs::remove_file(ballast).unwrap();
    done(4);
    site.wait_log("the database can be written again");
    assert_eq!(
        platform.count("create", "acted"),
        4,
        "the key of the second was kept"
    );
    let videos = platform.videos();
    assert_eq!(videos.len(), 4, "{videos:?}");
    for file in &files {
        let sha1 = crate::support::sha1_of(file);
        let same = videos
            .iter()
            .filter(|video| video.sha1.as_ref() == Some(&sha1));
        assert_eq!(same.count(), 1, "{}", file.display());
    }
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
}
