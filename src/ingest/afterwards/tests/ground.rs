//! A file whose job is done, in a watch folder, and what of it is tried.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::files::Trouble;
use super::super::task::Task;
use super::names;
use crate::clock;
use crate::config::Watch;
use crate::identity::Identity;
use crate::queue::afterwards::{self, Action, Case};
use crate::queue::{self, enqueue};
use crate::watch::tests::support;

/// Of "inside".
pub(super) const MD5: &str = "335cf4508dd597be4bfc9caa3e08b901";

/// `drop/sub/a.mp4` says "inside" and has a job that is done; `outside` holds a file of each name
/// that is touched.
pub(super) struct Ground {
    dir: TempDir,
    pub(super) watch: Watch,
    /// What lay outside at the start.
    outside: Vec<String>,
}

impl Ground {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for folder in ["drop/sub", "up", "bad", "outside"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("drop/sub/a.mp4"), "inside").unwrap();
        for name in ["a.mp4", "a.json", "a.mp4.failed.txt", "a.mp4.jw.json"] {
            let mark = "jw-ingest: this video was not uploaded.";
            let text = if name.ends_with("txt") {
                mark
            } else {
                "{\"title\": \"secret\"}"
            };
            fs::write(root.join("outside").join(name), text).unwrap();
        }
        let mut watch = support::watch(&root.join("drop"));
        watch.afterwards.move_to = Some(root.join("up"));
        watch.afterwards.failed_dir = Some(root.join("bad"));
        let outside = state(&root.join("outside"));
        Self {
            dir,
            watch,
            outside,
        }
    }

    pub(super) fn at(&self, below: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(below)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.at("drop/sub/a.mp4")
    }

    /// A job of that file, all of whose bytes the platform has.
    pub(super) fn case(&self, md5: Option<&str>) -> Case {
        let db = queue::open(&self.at("jobs.db")).unwrap();
        let new = enqueue::NewJob {
            watch: "test".to_owned(),
            account: "main".to_owned(),
            identity: Identity::of(&fs::metadata(self.file()).unwrap()),
            path: self.file(),
            priority: 0,
        };
        let now = clock::now();
        let taken = enqueue::enqueue(&db, &new, now).unwrap();
        assert!(matches!(taken, enqueue::Enqueued::New(_)));
        let done = "UPDATE jobs SET step = 'confirm', video_key = 'abcdefgh', status = 'ready', \
                    md5 = ?1, verified = ingest_id, finished_at = created_at, state = 'done'";
        db.execute(done, [md5]).unwrap();
        afterwards::due(&db, now, 1).unwrap().remove(0)
    }

    pub(super) fn run(&self, case: &Case, action: Action) -> Result<String, Trouble> {
        self.run_if(case, action, &|_| Ok(()))
    }

    /// As [`run`](Self::run), if that is permitted.
    pub(super) fn run_if(
        &self,
        case: &Case,
        action: Action,
        permit: &dyn Fn(Option<&Path>) -> Result<(), Trouble>,
    ) -> Result<String, Trouble> {
        self.task(case, action, permit, |task| {
            task.run().map(|end| end.outcome)
        })
    }

    pub(super) fn task<T>(
        &self,
        case: &Case,
        action: Action,
        permit: &dyn Fn(Option<&Path>) -> Result<(), Trouble>,
        act: impl FnOnce(&Task<'_>) -> T,
    ) -> T {
        act(&Task {
            case,
            watch: Some(&self.watch),
            action,
            stopped: &|| false,
            target: &|_| Ok(()),
            note: &|_| Ok(()),
            permit,
            is_fresh: &|| Ok(()),
        })
    }

    pub(super) fn case_again(&self, md5: Option<&str>) -> Case {
        fs::remove_file(self.at("jobs.db")).unwrap();
        self.case(md5)
    }

    pub(super) fn check_outside(&self, what: &str) {
        assert_eq!(state(&self.at("outside")), self.outside, "{what}");
    }
}

/// The names in a folder with their contents.
fn state(folder: &Path) -> Vec<String> {
    let names = names(folder).into_iter();
    names
        .map(|name| {
            let content = fs::read_to_string(folder.join(&name)).unwrap_or_default();
            format!("{name}: {content}")
        })
        .collect()
}
