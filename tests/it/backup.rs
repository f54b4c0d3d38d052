//! An older backup of the job table that was put back: nothing that was uploaded since is uploaded again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::{Dice, Platform, Site, have, left_out, sha1_of};

const SMALL: usize = 20_000;

/// Makes a backup as the documentation says.
fn back_up(site: &Site) -> PathBuf {
    let copy = site.root().join("backup.db");
    let order = format!(".backup {}", copy.display());
    let status = Command::new("sqlite3")
        .args(["-readonly", site.database().to_str().unwrap(), &order])
        .status()
        .unwrap();
    assert!(status.success());
    copy
}

/// Puts it back by hand, as the documentation says.
fn put_back(site: &Site, copy: &Path) {
    for ending in ["-wal", "-shm"] {
        fs::remove_file(site.root().join(format!("jobs.db{ending}"))).ok();
    }
    fs::copy(copy, site.database()).unwrap();
}

fn is_refused(site: &Site) {
    for (command, code) in [("run", 78), ("check", 78), ("jobs", 1)] {
        let output = site.command(&[command]);
        let said =
            String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{command}: {said}");
        assert!(said.contains("restored --backup"), "{command}: {said}");
    }
}

/// One file is done, and one is queued, as the backup is made; both are uploaded, and a third one, before it
/// is put back. By their sizes none can be a copy of another.
fn restored(platform: &Platform, site: &Site) -> [PathBuf; 3] {
    let mut dice = Dice::new();
    let first = site.drop_file("first.mp4", &dice.bytes(SMALL));
    site.output(&["run", "--until-idle"]);
    let queued = site.drop_file("queued.mp4", &dice.bytes(SMALL + 1));
    site.output(&["add", queued.to_str().unwrap()]);
    let copy = back_up(site);
    let later = site.drop_file("later.mp4", &dice.bytes(SMALL + 2));
    site.output(&["run", "--until-idle"]);
    assert_eq!(platform.videos().len(), 3);
    put_back(site, &copy);
    assert_eq!(site.jobs().len(), 2);
    [first, queued, later]
}

#[test]
fn an_older_table_uploads_nothing_twice() {
    if !have("sqlite3") {
        return left_out("sqlite3 is not installed");
    }
    let platform = Platform::start();
    let site = Site::new(&platform);
    let files = restored(&platform, &site);
    is_refused(&site);
    site.output(&["restored", "--backup"]);
    site.output(&["run", "--until-idle"]);
    assert_eq!(platform.count("create", "acted"), 3);
    site.assert_exactly_one_each(&platform, &files);
    // What comes after the order is uploaded without a question, and the next start is as any other.
    let mut files = files.to_vec();
    files.push(site.drop_file("new.mp4", &Dice::new().bytes(SMALL)));
    site.output(&["run", "--until-idle"]);
    site.assert_exactly_one_each(&platform, &files);
}

/// The file that the backup does not know at all is a question for a person where v2 reports no checksum.
#[test]
fn an_older_table_uploads_nothing_twice_over_v2() {
    if !have("sqlite3") {
        return left_out("sqlite3 is not installed");
    }
    for (reports_checksums, later) in [(true, "done"), (false, "held")] {
        let platform = Platform::start();
        if !reports_checksums {
            let none = json!({"kind": "status", "status": 404});
            platform.faults("v2-originals", None, &none);
        }
        let site = Site::v2(&platform, "");
        let files = restored(&platform, &site);
        is_refused(&site);
        site.output(&["restored", "--backup"]);
        site.command(&["run", "--until-idle"]);
        assert_eq!(platform.count("v2-create", "acted"), 3);
        assert_eq!(platform.videos().len(), 3);
        let phase = |name: &str| {
            site.value::<String>(&format!("SELECT phase FROM jobs WHERE path LIKE '%{name}'"))
        };
        assert_eq!(phase("queued.mp4").as_deref(), Some("done"));
        assert_eq!(phase("later.mp4").as_deref(), Some(later));
        let said: Option<String> = site.value("SELECT last_error FROM jobs WHERE held = 1");
        let is_said = said.is_some_and(|said| said.contains("restored from a backup"));
        assert_eq!(is_said, !reports_checksums);
        assert!(files.iter().all(|file| file.exists()));
    }
}

/// The content of a video was replaced since the backup.
#[test]
fn a_video_that_got_other_content_since_is_recorded_as_the_new_file() {
    let platform = Platform::start();
    let watch = "[[watch]]\nname = \"drop\"\npath = \"{folder}\"\nsettle = \"200ms\"\non-replace = \"replace\"\n";
    let site = Site::with(&platform, watch);
    let mut dice = Dice::new();
    site.drop_file("clip.mp4", &dice.bytes(SMALL));
    site.output(&["run", "--until-idle"]);
    let copy = site.root().join("backup.db");
    let db = rusqlite::Connection::open(site.database()).unwrap();
    db.execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    drop(db);
    let file = site.drop_file("clip.mp4", &dice.bytes(SMALL + 1));
    site.output(&["run", "--until-idle"]);
    put_back(&site, &copy);
    is_refused(&site);
    site.output(&["restored", "--backup"]);
    site.output(&["run", "--until-idle"]);
    // Once for the old content, once for the new.
    assert_eq!(platform.count("create", "acted"), 1);
    assert_eq!(platform.count("s3-put", "acted"), 2);
    let key = |id: i64| {
        site.value::<String>(&format!(
            "SELECT video_key FROM jobs WHERE state = 'done' AND id = {id}"
        ))
    };
    assert!(key(1).is_some() && key(1) == key(2));
    assert_eq!(platform.videos()[0].sha1, Some(sha1_of(&file)));
    assert_eq!(
        site.value::<String>("SELECT replaced FROM jobs WHERE id = 1")
            .as_deref(),
        Some("yes")
    );
}

#[test]
fn a_job_waits_while_the_marker_cannot_be_written() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let mut dice = Dice::new();
    let first = site.drop_file("first.mp4", &dice.bytes(SMALL));
    let daemon = site.start();
    site.wait_done(1);
    let marker = site.root().join("jobs.db.marker");
    fs::remove_file(&marker).unwrap();
    fs::create_dir(&marker).unwrap();
    let second = site.drop_file("second.mp4", &dice.bytes(SMALL));
    site.wait_jobs("the second to say why it waits", |jobs| {
        jobs.iter()
            .any(|job| {
                let said = job.last_error.as_deref().unwrap_or_default();
                job.state == "queued" && said.contains("jobs.db.marker")
            })
            .then_some(())
    });
    assert_eq!(platform.count("create", "arrived"), 1);
    fs::remove_dir(&marker).unwrap();
    site.wait_done(2);
    site.assert_exactly_one_each(&platform, &[first, second]);
    drop(daemon);
}

#[test]
fn a_backup_is_put_in_place_by_one_command_and_not_under_a_daemon() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let mut dice = Dice::new();
    let mut files = vec![site.drop_file("first.mp4", &dice.bytes(SMALL))];
    site.output(&["run", "--until-idle"]);
    // Table and log, as `cp` makes them.
    let copy = site.root().join("copy.db");
    for ending in ["", "-wal"] {
        let from = site.root().join(format!("jobs.db{ending}"));
        fs::copy(from, site.root().join(format!("copy.db{ending}"))).unwrap();
    }
    files.push(site.drop_file("second.mp4", &dice.bytes(SMALL)));
    let daemon = site.start();
    site.wait_done(2);
    let order = ["restored", "--backup", copy.to_str().unwrap()];
    let refused = site.command(&order);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("stop it first"), "{said}");
    // Its log of writes stays beside the table.
    daemon.kill9();
    let said = site.output(&order);
    let kept = said.split("kept as ").nth(1).unwrap().split(';').next();
    assert_eq!(site.jobs().len(), 1);
    site.output(&["run", "--until-idle"]);
    assert_eq!(platform.count("create", "acted"), 2);
    site.assert_exactly_one_each(&platform, &files);
    let old = rusqlite::Connection::open(kept.unwrap()).unwrap();
    let count: i64 = old
        .query_row("SELECT count(*) FROM jobs", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 2);
}
