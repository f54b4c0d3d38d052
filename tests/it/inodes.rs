//! An inode number that another file gets once its file is deleted: with the same size and time that looks like a
//! rename, and is another video.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::support::{Dice, Platform, Site, sha1_of, wait_for};

const SIZE: usize = 30_000;

/// Other content gets the size and time of the file of job 1, and the inode number of the new file is the one that the
/// job has noted.
fn reuse_inode(site: &Site, name: &str) -> String {
    let aside = site.outside().join(name);
    fs::write(&aside, Dice::new().bytes(SIZE)).unwrap();
    let db = rusqlite::Connection::open(site.database()).unwrap();
    let nanoseconds: i64 = db
        .query_row("SELECT mtime_ns FROM jobs WHERE id = 1", [], |row| {
            row.get(0)
        })
        .unwrap();
    let since = Duration::from_nanos(u64::try_from(nanoseconds).unwrap());
    let times = fs::FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + since);
    let file = fs::File::options().write(true).open(&aside).unwrap();
    file.set_times(times).unwrap();
    let inode = file.metadata().unwrap().ino().cast_signed();
    db.execute("UPDATE jobs SET ino = ?1 WHERE id = 1", [inode])
        .unwrap();
    let sha1 = sha1_of(&aside);
    fs::rename(&aside, site.folder().join(name)).unwrap();
    sha1
}

fn is_uploaded(platform: &Platform, sha1: &str) {
    wait_for("the other file to be uploaded", || {
        let videos = platform.videos();
        let same = videos
            .iter()
            .filter(|video| video.sha1.as_deref() == Some(sha1));
        (same.count() == 1).then_some(())
    });
}

/// What happens to the first file, and then another one gets its inode.
fn another_file_is_uploaded(more: &str, lose: impl FnOnce(&Platform, &Site, &Path)) {
    let platform = Platform::start();
    let site = Site::with(&platform, more);
    let first = site.drop_file("first.mp4", &Dice::new().bytes(SIZE));
    lose(&platform, &site, &first);
    assert!(!first.exists());
    let sha1 = reuse_inode(&site, "second.mp4");
    let daemon = site.start();
    is_uploaded(&platform, &sha1);
    drop(daemon);
}

#[test]
fn after_the_daemon_deleted_a_file() {
    let watch = "[[watch]]\nname = \"drop\"\npath = \"{folder}\"\nsettle = \"200ms\"\nafter-upload = \"delete\"\ngrace = \"0s\"\n";
    another_file_is_uploaded(watch, |_, site, first| {
        let daemon = site.start();
        wait_for("the first to be deleted", || {
            (!first.exists()).then_some(())
        });
        wait_for("that to be recorded", || {
            let outcome = site.value::<Option<String>>("SELECT outcome FROM afterwards");
            outcome.flatten()
        });
        daemon.signal("TERM");
        daemon.wait();
    });
}

#[test]
fn after_a_person_deleted_an_uploaded_file() {
    another_file_is_uploaded("", |_, site, first| {
        site.output(&["run", "--until-idle"]);
        fs::remove_file(first).unwrap();
    });
}

/// A job that ends without an upload, and then its file is deleted.
fn after_a_job_ended_as(state: &str) {
    another_file_is_uploaded("", |platform, site, first| {
        platform.faults("create", None, &json!({"kind": "status", "status": 503}));
        let daemon = site.start();
        site.wait_jobs("the first to wait", |jobs| {
            jobs.iter()
                .any(|job| job.last_error.is_some())
                .then_some(())
        });
        site.output(&["cancel", "1"]);
        daemon.signal("TERM");
        daemon.wait();
        platform.clear_faults();
        let db = rusqlite::Connection::open(site.database()).unwrap();
        db.execute("UPDATE jobs SET state = ?1", [state]).unwrap();
        fs::remove_file(first).unwrap();
    });
}

#[test]
fn after_a_person_deleted_a_file_whose_job_had_failed() {
    after_a_job_ended_as("failed");
}

#[test]
fn after_a_person_deleted_a_file_whose_job_was_cancelled() {
    after_a_job_ended_as("cancelled");
}
