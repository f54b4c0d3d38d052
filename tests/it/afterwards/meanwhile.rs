//! What a person does while the platform is asked whether a file may go: a yes that comes then counts for nothing that
//! is not as it was.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{configure, dice, elsewhere, files, outcome, site, wait_there, why_later};
use crate::support::{Daemon, Platform, Site, wait_for};

/// Nothing is due before the test says so.
const LATER: &str = "grace = \"1h\"\n";

/// A site, and one file that is uploaded, with a marker; the platform holds its answer to the question about it.
struct Asked {
    platform: Platform,
    site: Site,
    daemon: Daemon,
    file: PathBuf,
    elsewhere: Option<tempfile::TempDir>,
}

/// As [`Asked`] for each way on which a file goes.
const WAYS: [&str; 4] = [
    "after-upload = \"move\"\nmove-to = \"{outside}\"\n",
    "after-upload = \"move\"\nmove-to = \"{elsewhere}\"\n",
    "after-upload = \"trash\"\n",
    "after-upload = \"delete\"\n",
];

impl Asked {
    fn new(way: &str) -> Self {
        Self::with(way, &json!({"kind": "hold-after-acting"}))
    }

    fn with(way: &str, fault: &serde_json::Value) -> Self {
        let platform = Platform::start();
        let site = site(&platform, "");
        let elsewhere = elsewhere(&site);
        let outside = site.outside();
        let other = elsewhere
            .as_ref()
            .map_or(outside.as_path(), |dir| dir.path());
        let way = way.replace("{elsewhere}", &other.display().to_string());
        configure(
            &site,
            &platform,
            &format!("{way}done-marker = \"{{name}}.ok\"\n{LATER}"),
        );
        let daemon = site.start();
        fs::create_dir(site.folder().join("sub")).unwrap();
        let file = site.drop_file("sub/a.mp4", &dice().bytes(5_000));
        site.drop_file("sub/a.mp4.ok", b"");
        site.wait_done(1);
        wait_for("the plan", || {
            let sql = "SELECT 1 FROM afterwards WHERE action IN ('move', 'trash', 'delete') AND due_at IS NOT NULL";
            site.value::<i64>(sql)
        });
        platform.faults("show", Some(1), fault);
        let db = rusqlite::Connection::open(site.database()).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
        db.execute(
            "UPDATE afterwards SET due_at = '2020-01-01T00:00:00.000Z'",
            [],
        )
        .unwrap();
        Self {
            platform,
            site,
            daemon,
            file,
            elsewhere,
        }
    }

    /// Waits until the platform is asked.
    fn wait_asked(&self) {
        wait_for("the question", || {
            (self.platform.count("show", "held") > 0).then_some(())
        });
    }

    fn wait_later(&self) -> String {
        wait_for("the reason", || why_later(&self.site, 1))
    }

    fn is_nowhere_else(&self) {
        let mut folders = vec![self.site.outside()];
        folders.extend(self.elsewhere.iter().map(|dir| dir.path().to_path_buf()));
        for folder in folders {
            assert!(files(&folder).is_empty(), "{:?}", files(&folder));
        }
        assert!(!self.site.folder().join(".trash").exists() || self.trash().is_empty());
    }

    fn trash(&self) -> Vec<PathBuf> {
        files(&self.site.folder().join(".trash"))
    }
}

/// The time of the last write, and bytes of the same length.
fn rewrite_in_place(file: &Path) -> Vec<u8> {
    let then = fs::metadata(file).unwrap().modified().unwrap();
    let other = dice().bytes(usize::try_from(fs::metadata(file).unwrap().len()).unwrap());
    fs::write(file, &other).unwrap();
    fs::File::open(file).unwrap().set_modified(then).unwrap();
    other
}

#[test]
fn a_folder_that_is_moved_out_keeps_what_is_in_it() {
    for way in WAYS {
        let asked = Asked::new(way);
        asked.wait_asked();
        let content = fs::read(&asked.file).unwrap();
        let taken = asked.site.root().join("taken");
        fs::rename(asked.site.folder().join("sub"), &taken).unwrap();
        asked.platform.release();
        wait_for("the end of the attempt", || {
            why_later(&asked.site, 1).or_else(|| outcome(&asked.site, 1))
        });
        assert_eq!(
            files(&taken),
            [taken.join("a.mp4"), taken.join("a.mp4.ok")],
            "{way}"
        );
        assert_eq!(fs::read(taken.join("a.mp4")).unwrap(), content, "{way}");
        asked.is_nowhere_else();
        drop(asked.daemon);
    }
}

#[test]
fn a_file_that_is_rewritten_under_its_old_time_stays_and_is_not_taken_for_the_old_one() {
    for way in WAYS {
        let asked = Asked::new(way);
        asked.wait_asked();
        let inode = fs::metadata(&asked.file).unwrap().ino();
        let other = rewrite_in_place(&asked.file);
        asked.platform.release();
        wait_for("the end of the attempt", || {
            why_later(&asked.site, 1).or_else(|| outcome(&asked.site, 1))
        });
        assert_eq!(fs::read(&asked.file).unwrap(), other, "{way}");
        assert_eq!(fs::metadata(&asked.file).unwrap().ino(), inode, "{way}");
        asked.is_nowhere_else();
        drop(asked.daemon);
    }
}

#[test]
fn what_a_program_has_opened_stays_until_it_is_closed() {
    for way in WAYS {
        let asked = Asked::new(way);
        asked.wait_asked();
        let program = fs::OpenOptions::new()
            .append(true)
            .open(&asked.file)
            .unwrap();
        asked.platform.release();
        let why = asked.wait_later();
        assert!(why.contains("open for writing"), "{way}: {why}");
        assert!(asked.file.exists(), "{way}");
        asked.is_nowhere_else();
        drop(program);
        wait_for("it to go", || (!asked.file.exists()).then_some(()));
        drop(asked.daemon);
    }
}

#[test]
fn a_configuration_that_wants_something_else_by_then_counts() {
    for way in WAYS {
        for is_taken_out in [false, true] {
            let asked = Asked::new(way);
            asked.wait_asked();
            let (site, platform) = (&asked.site, &asked.platform);
            if is_taken_out {
                let other = site.root().join("other");
                fs::create_dir(&other).unwrap();
                site.configure(
                    platform,
                    "[[watch]]\nname = \"other\"\npath = \"{root}/other\"\n",
                );
            } else {
                configure(site, platform, &format!("after-upload = \"keep\"\n{LATER}"));
            }
            asked.daemon.signal("HUP");
            site.wait_log("the configuration was reloaded");
            platform.release();
            wait_for("a new plan", || {
                let sql = "SELECT 1 FROM afterwards WHERE job_id = 1 AND due_at IS NOT NULL AND action <> 'none'";
                site.value::<i64>(sql).is_none().then_some(())
            });
            wait_there(&asked.file);
            assert_eq!(files(&site.folder().join("sub")).len(), 2, "{way}");
            asked.is_nowhere_else();
            drop(asked.daemon);
        }
    }
}

#[test]
fn a_yes_that_takes_too_long_is_asked_for_again() {
    let asked = Asked::with(WAYS[0], &json!({"kind": "delay", "milliseconds": 11_000}));
    let why = asked.wait_later();
    assert!(
        why.starts_with("11 s have passed since the platform was asked"),
        "{why}"
    );
    wait_for("it to go", || (!asked.file.exists()).then_some(()));
    drop(asked.daemon);
}

/// As a kill leaves it: the hidden name is noted, and the file has it. Then a person renames its folder.
#[test]
fn a_file_that_a_kill_left_hidden_is_found_in_a_folder_that_was_renamed_since() {
    let asked = Asked::new(WAYS[3]);
    asked.wait_asked();
    asked.daemon.kill9();
    let (site, folder) = (&asked.site, asked.site.folder());
    let mark: String = site.value("SELECT ingest_id FROM jobs").unwrap();
    let hidden = folder.join(format!("sub/.jw-ingest-{mark}.going"));
    fs::rename(&asked.file, &hidden).unwrap();
    let db = rusqlite::Connection::open(site.database()).unwrap();
    db.execute(
        "UPDATE afterwards SET going_to = CAST(?1 AS BLOB)",
        [hidden.to_str()],
    )
    .unwrap();
    drop(db);
    fs::rename(folder.join("sub"), folder.join("new")).unwrap();
    asked.platform.clear_faults();
    let _daemon = site.start();
    site.wait_log("put back");
    site.wait_jobs("the job to follow its file", |jobs| {
        (jobs.len() == 1 && Path::new(&jobs[0].path) == folder.join("new/a.mp4")).then_some(())
    });
    assert_eq!(asked.platform.videos().len(), 1);
}
