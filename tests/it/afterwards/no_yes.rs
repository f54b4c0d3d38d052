//! Every way by which a file can go, at once, against every answer that is no clear yes: nothing goes.
//!
//! The ways are those that `afterwards::tests::leave` walks one by one; `destroyers` below is the list of all
//! places in the product that take a name away, so that none is added unseen.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{elsewhere, files, site};
use crate::support::{Daemon, Platform, Site, wait_for};

/// No clear yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoYes {
    /// The question is answered with 503.
    Unanswered,
    /// With an answer that breaks off.
    Garbled,
    NotReady,
    /// The platform has other bytes.
    OtherBytes,
    /// The video was deleted.
    Gone,
    /// It failed.
    Failed,
    /// Another file's content has replaced it.
    Replaced,
    /// Another file's content is about to.
    Replacing,
}

const ALL: [NoYes; 8] = [
    NoYes::Unanswered,
    NoYes::Garbled,
    NoYes::NotReady,
    NoYes::OtherBytes,
    NoYes::Gone,
    NoYes::Failed,
    NoYes::Replaced,
    NoYes::Replacing,
];

/// The watches, each with its way.
const WATCHES: [(&str, &str); 4] = [
    ("delete", "after-upload = \"delete\""),
    ("trash", "after-upload = \"trash\""),
    ("move", "after-upload = \"move\"\nmove-to = \"{outside}\""),
    (
        "across",
        "after-upload = \"move\"\nmove-to = \"{elsewhere}\"",
    ),
];

/// A file in each watch, two in the first (one of which is a copy), with sidecar and marker.
struct Stage {
    site: Site,
    platform: Platform,
    daemon: Option<Daemon>,
    elsewhere: Option<tempfile::TempDir>,
}

impl Stage {
    fn new() -> Self {
        let platform = Platform::start();
        let site = site(&platform, "");
        let elsewhere = elsewhere(&site);
        let other = elsewhere.as_ref().map_or_else(
            || site.root().join("elsewhere"),
            |dir| dir.path().to_path_buf(),
        );
        fs::create_dir_all(&other).unwrap();
        let watches = WATCHES.map(|(name, keys)| {
            fs::create_dir_all(site.root().join(name)).unwrap();
            let keys = keys
                .replace("{outside}", &site.outside().display().to_string())
                .replace("{elsewhere}", &other.display().to_string());
            format!(
                "[[watch]]\nname = \"{name}\"\npath = \"{{root}}/{name}\"\nsettle = \"200ms\"\n\
                 done-marker = \"{{name}}.ok\"\ngrace = \"1h\"\n{keys}\n"
            )
        });
        site.configure(&platform, &watches.join("\n"));
        let stage = Self {
            site,
            platform,
            daemon: None,
            elsewhere,
        };
        stage.drop_files()
    }

    fn drop_files(mut self) -> Self {
        self.daemon = Some(self.site.start());
        for (number, (name, _)) in WATCHES.into_iter().enumerate() {
            self.drop_file(
                &format!("{name}/{name}.mp4"),
                &"\u{1}".repeat(3000 + number),
            );
        }
        self.site.wait_done(4);
        // A copy, in another watch.
        self.drop_file("delete/copy.mp4", &"\u{1}".repeat(3001));
        self.site.wait_jobs("the copy", |jobs| {
            (jobs.len() == 5 && jobs[4].state == "duplicate").then_some(())
        });
        wait_for("the plans", || {
            let sql = "SELECT count(*) FROM afterwards WHERE action IN ('move', 'trash', 'delete') AND due_at IS NOT NULL";
            (self.site.value::<i64>(sql)? == 5).then_some(())
        });
        // The same bytes are at the target already.
        let there = self.site.outside().join("move.mp4");
        fs::copy(self.site.root().join("move/move.mp4"), there).unwrap();
        self
    }

    fn drop_file(&self, name: &str, content: &str) {
        let path = self.site.root().join(name);
        let sidecar = path.with_extension("json");
        fs::write(sidecar, format!("{{\"title\": \"{name}\"}}")).unwrap();
        fs::write(&path, content).unwrap();
        fs::write(path.with_added_extension("ok"), "").unwrap();
    }

    /// All bytes in the watches and the targets.
    fn bytes(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut folders = WATCHES
            .map(|(name, _)| self.site.root().join(name))
            .to_vec();
        folders.push(self.site.outside());
        folders.extend(self.elsewhere.iter().map(|dir| dir.path().to_path_buf()));
        let all = folders.iter().flat_map(|folder| files(folder));
        all.map(|path| (path.clone(), fs::read(&path).unwrap()))
            .collect()
    }

    fn execute(&self, sql: &str) {
        let db = rusqlite::Connection::open(self.site.database()).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
        db.execute_batch(sql).unwrap();
    }

    fn order(&self, no: NoYes) {
        let platform = &self.platform;
        let force = |status: serde_json::Value| {
            for video in platform.videos() {
                platform.control("POST", &format!("videos/{}", video.key), &status);
            }
        };
        match no {
            NoYes::Unanswered => {
                platform.faults("show", None, &json!({"kind": "status", "status": 503}));
            }
            NoYes::Garbled => {
                let how = json!({"kind": "wrong-answer", "how": "truncated-json"});
                platform.faults("show", None, &how);
            }
            NoYes::NotReady => force(json!({"status": "updating"})),
            NoYes::Failed => force(json!({"status": "failed", "message": "lost its bytes"})),
            // As the table and the platform differ then.
            NoYes::OtherBytes => {
                self.execute("UPDATE jobs SET md5 = '00000000000000000000000000000000', parts_md5 = NULL WHERE state = 'done'");
            }
            NoYes::Gone => {
                for video in platform.videos() {
                    platform.control("DELETE", &format!("videos/{}", video.key), &json!({}));
                }
            }
            NoYes::Replaced => {
                self.execute("UPDATE jobs SET replaced_by = iif(id = 1, 2, 1), replaced = 'yes' WHERE state = 'done'");
            }
            NoYes::Replacing => self.execute(
                "INSERT INTO jobs (watch, account, path, size, dev, ino, mtime_ns, ctime_ns, ingest_id, run_at, created_at, priority,
                                   step, video_key, replaces)
                 SELECT watch, account, path || '.new', 1, 1, 1, 1, 1, 'new-' || id, '2200-01-01T00:00:00.000Z', created_at, 0,
                        'transfer', video_key, id
                 FROM jobs WHERE state = 'done'",
            ),
        }
    }

    fn end_grace(&self) {
        self.execute(
            "UPDATE afterwards SET due_at = '2020-01-01T00:00:00.000Z' WHERE due_at IS NOT NULL",
        );
    }

    /// Waits until each file was seen to in some way.
    fn wait_seen_to(&self, no: NoYes) {
        wait_for(&format!("{no:?}: all to be seen to"), || {
            let open: i64 = self.site.value(
                "SELECT count(*) FROM afterwards JOIN jobs ON jobs.id = job_id
                 WHERE due_at IS NOT NULL AND due_at < '2021' AND afterwards.last_error IS NULL
                   AND state IN ('done', 'duplicate')",
            )?;
            (open == 0).then_some(())
        });
    }
}

#[test]
fn without_a_clear_yes_now_nothing_goes_on_any_way() {
    for no in ALL {
        let stage = Stage::new();
        let before = stage.bytes();
        assert!(before.len() >= 5 * 3, "{before:?}");
        stage.order(no);
        stage.end_grace();
        stage.wait_seen_to(no);
        let left = stage.site.value::<i64>(
            "SELECT count(*) FROM afterwards WHERE outcome IS NOT NULL AND outcome NOT LIKE 'kept:%'",
        );
        assert_eq!(left, Some(0), "{no:?}");
        assert_eq!(stage.bytes(), before, "{no:?}");
    }
}

/// The stage is none on which nothing ever goes.
#[test]
fn with_a_clear_yes_all_go_on_every_way() {
    let stage = Stage::new();
    stage.end_grace();
    for (name, _) in WATCHES {
        let file = stage.site.root().join(format!("{name}/{name}.mp4"));
        wait_for(&format!("{name} to go"), || (!file.exists()).then_some(()));
    }
    let copy = stage.site.root().join("delete/copy.mp4");
    wait_for("the copy to go", || (!copy.exists()).then_some(()));
}

/// While the platform is asked, another file begins to replace the video: the yes is none any more.
#[test]
fn what_changes_in_the_table_while_the_platform_is_asked_keeps_the_file() {
    let stage = Stage::new();
    let before = stage.bytes();
    // All of them: the other watches ask meanwhile.
    stage
        .platform
        .faults("show", None, &json!({"kind": "hold-after-acting"}));
    let held = stage.platform.count("show", "held");
    stage.end_grace();
    stage.platform.wait("show", "held", held + 1);
    stage.order(NoYes::Replacing);
    stage.platform.clear_faults();
    stage.wait_seen_to(NoYes::Replacing);
    assert_eq!(stage.bytes(), before);
}

/// Each place in the product that takes a name from a file, and what it takes it from.
const DESTROYERS: &[(&str, &str, usize)] = &[
    // The floor: one unlink for all, and a rename for filesystems that cannot do it in one go.
    ("src/beneath/place.rs", "unlinkat", 1),
    ("src/beneath/place.rs", "renameat(", 1),
    ("src/beneath/place.rs", "rename_over(", 1),
    ("src/beneath/rename.rs", "unlinkat", 2),
    ("src/beneath/rename.rs", "renameat(", 2),
    // The key file of the upload links, and its draft.
    ("src/queue/seal.rs", "remove_file", 2),
    ("src/queue/seal.rs", "fs::rename(", 1),
    // The marker of the table and its draft, and what a lost table left beside it.
    ("src/queue/marker.rs", "fs::rename(", 1),
    ("src/queue/marker.rs", "remove_file", 1),
    ("src/queue/restored.rs", "fs::rename(", 1),
    // A backup takes the table's place: the table has another name by then, and the draft is ours.
    ("src/queue/backup.rs", "remove_file", 3),
    ("src/queue/backup.rs", "fs::rename(", 1),
    // A file of its own, made a line before.
    ("src/commands/check/database.rs", "remove_file", 1),
    // The demo's own folder.
    ("src/commands/demo/mod.rs", "remove_dir_all", 1),
    ("src/commands/demo/mod.rs", "truncate(true)", 1),
    // A video, sidecar or marker, by way of a hidden name: `leave` walks all ways to it.
    // And the hidden second name of a copy that has its own, and an empty file that shows whose folder it is in, with
    // what has its name.
    ("src/ingest/afterwards/files.rs", ".remove()", 4),
    // Half copies, a copy that is not needed after all, and the draft before it.
    ("src/ingest/afterwards/copy.rs", ".remove()", 3),
    // A copy that no attempt needs: not whole, or its bytes are there.
    ("src/ingest/afterwards/copies.rs", ".remove()", 1),
    // Notes of ours, and their drafts.
    ("src/ingest/afterwards/notes.rs", ".remove()", 3),
    ("src/ingest/afterwards/notes.rs", "rename_over(", 1),
];

const WORDS: [&str; 11] = [
    "unlinkat",
    "unlink(",
    "remove_file",
    "remove_dir",
    "remove_dir_all",
    ".remove()",
    "rename_over(",
    "renameat(",
    "fs::rename(",
    "set_len(",
    "truncate(true)",
];

/// A name that is taken away anywhere else must be thought about, and walked, first.
#[test]
fn names_are_taken_away_in_the_places_that_are_known() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let all = files(&root.join("src"));
    let product = all.iter().filter(|path| {
        path.extension().is_some_and(|ending| ending == "rs")
            && !path.starts_with(root.join("src/sandbox"))
            && !crate::architecture::is_test(path)
    });
    for path in product {
        let code = crate::architecture::without_comments(&fs::read_to_string(path).unwrap());
        let name = path.strip_prefix(root).unwrap().display().to_string();
        for word in WORDS {
            // The longer word is counted for itself.
            let count = code.matches(word).count();
            let longer = WORDS
                .iter()
                .filter(|other| **other != word && other.contains(word));
            let longer: usize = longer.map(|other| code.matches(other).count()).sum();
            if count > longer {
                found.insert((name.clone(), word), count - longer);
            }
        }
    }
    let known: BTreeMap<(String, &str), usize> = DESTROYERS
        .iter()
        .map(|(file, word, count)| (((*file).to_owned(), *word), *count))
        .collect();
    assert_eq!(found, known);
}
