//! Where a daemon lives: folder, configuration, secret, job table; all in one temporary folder.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rusqlite::{Connection, OpenFlags};
use sha1::{Digest, Sha1};
use tempfile::TempDir;

use super::platform::{KEY, Platform, SECRET, V2_SECRET};
use super::{Daemon, wait_for};

/// An account for the same platform over API v2.
const V2_ACCOUNT: &str = "[account.main]\napi = \"v2\"\nsite = \"sAnDb0x1\"\nsecret-file = \"{root}/secret\"\n\
                          base-url = \"{v2}\"\n\n";

/// A site.
pub(crate) struct Site {
    dir: TempDir,
}

/// A row of `jobs`, as the `sqlite3` command line would show it.
#[derive(Debug, Clone)]
pub(crate) struct JobRow {
    pub(crate) id: i64,
    pub(crate) path: PathBuf,
    pub(crate) state: String,
    pub(crate) step: String,
    pub(crate) method: Option<String>,
    pub(crate) video_key: Option<String>,
    pub(crate) attempts: i64,
    pub(crate) last_error: Option<String>,
    pub(crate) superseded: bool,
}

impl Site {
    pub(crate) fn new(platform: &Platform) -> Self {
        Self::with(platform, "")
    }

    /// `more` is put in front of the watch, e.g. a `[retry]` section's keys.
    pub(crate) fn with(platform: &Platform, more: &str) -> Self {
        let site = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(site.folder()).unwrap();
        site.write_secret(SECRET);
        site.configure(platform, more);
        site
    }

    /// One whose account speaks API v2.
    pub(crate) fn v2(platform: &Platform, more: &str) -> Self {
        let site = Self::with(platform, &format!("{V2_ACCOUNT}{more}"));
        site.write_secret(V2_SECRET);
        site
    }

    /// Its folder outlives the test, for a person who wants to look at it.
    pub(crate) fn keep(&mut self) {
        self.dir.disable_cleanup(true);
    }

    fn write_secret(&self, text: &str) {
        self.write_secret_file("secret", text);
    }

    /// Writes a secret of a further account.
    pub(crate) fn write_secret_file(&self, name: &str, text: &str) {
        let secret = self.root().join(name);
        fs::write(&secret, text).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, platform: &Platform, more: &str) {
        let defaults = [
            (
                "[retry]",
                "[retry]\nfirst-delay = \"100ms\"\nmax-delay = \"1s\"\n",
            ),
            ("[confirm]", "[confirm]\npoll-interval = \"100ms\"\n"),
        ];
        let account = if more.contains("[account.main]") {
            String::new()
        } else {
            format!(
                "[account.main]\napi = \"v1\"\nkey = \"{KEY}\"\nsecret-file = \"{{root}}/secret\"\n\
                 base-url = \"{}\"\n\n",
                platform.base_url(),
            )
        };
        let root = self.root().display().to_string();
        let mut text = format!("[database]\npath = \"{{root}}/jobs.db\"\n\n{account}{more}\n")
            .replace("{root}", &root)
            .replace("{folder}", &self.folder().display().to_string())
            .replace("{v2}", &platform.v2_url());
        for (section, default) in defaults {
            if !more.contains(section) {
                text.push_str(default);
            }
        }
        if !more.contains("[[watch]]") {
            let folder = self.folder();
            let folder = folder.display();
            write!(
                text,
                "[[watch]]\nname = \"drop\"\npath = \"{folder}\"\nsettle = \"200ms\"\n"
            )
            .unwrap();
        }
        // At once: a daemon that starts just now must not read half of it.
        let fresh = self.root().join("daemon.toml.new");
        fs::write(&fresh, text).unwrap();
        fs::rename(&fresh, self.config()).unwrap();
    }

    /// Changes the text of the configuration.
    pub(crate) fn change(&self, how: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), how(text)).unwrap();
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// The watched folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root().join("drop")
    }

    /// A folder beside it, on the same filesystem.
    pub(crate) fn outside(&self) -> PathBuf {
        let path = self.root().join("outside");
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.root().join("daemon.toml")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.root().join("jobs.db")
    }

    /// Puts a whole file into the folder.
    pub(crate) fn drop_file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn start(&self) -> Daemon {
        Daemon::start(self, &["run"])
    }

    /// Runs a command to its end.
    pub(crate) fn command(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_jw-ingest"))
            .arg("--config")
            .arg(self.config())
            .args(args)
            .output()
            .unwrap()
    }

    /// All jobs, oldest first; none while there is no table.
    pub(crate) fn jobs(&self) -> Vec<JobRow> {
        self.read_jobs().unwrap_or_default()
    }

    fn read_jobs(&self) -> rusqlite::Result<Vec<JobRow>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let db = Connection::open_with_flags(self.database(), flags)?;
        let mut statement = db.prepare(
            "SELECT id, CAST(path AS BLOB) AS path, state, step, method, video_key, attempts, last_error, superseded
             FROM jobs ORDER BY id",
        )?;
        let rows = statement.query_map([], |row| {
            use std::os::unix::ffi::OsStringExt;
            let path: Vec<u8> = row.get("path")?;
            Ok(JobRow {
                id: row.get("id")?,
                path: std::ffi::OsString::from_vec(path).into(),
                state: row.get("state")?,
                step: row.get("step")?,
                method: row.get("method")?,
                video_key: row.get("video_key")?,
                attempts: row.get("attempts")?,
                last_error: row.get("last_error")?,
                superseded: row.get("superseded")?,
            })
        })?;
        rows.collect()
    }

    /// Waits until the job table is so.
    pub(crate) fn wait_jobs<T>(
        &self,
        what: &str,
        mut ready: impl FnMut(&[JobRow]) -> Option<T>,
    ) -> T {
        wait_for(what, || ready(&self.jobs()))
    }

    /// Waits until so many jobs are done, and answers all jobs.
    pub(crate) fn wait_done(&self, count: usize) -> Vec<JobRow> {
        self.wait_jobs(&format!("{count} jobs done"), |jobs| {
            let done = jobs.iter().filter(|job| job.state == "done").count();
            (done >= count).then(|| jobs.to_vec())
        })
    }

    /// The platform has exactly one video for each of the files, with the right bytes and the key
    /// that the table says, and nothing else.
    pub(crate) fn assert_exactly_one_each(&self, platform: &Platform, files: &[PathBuf]) {
        // An unfinished video is deleted a moment after the job is done.
        let videos = wait_for("one video for each file", || {
            let videos = platform.videos();
            (videos.len() <= files.len()).then_some(videos)
        });
        let jobs = self.jobs();
        for file in files {
            let sha1 = sha1_of(file);
            let mut matching = videos
                .iter()
                .filter(|video| video.sha1.as_ref() == Some(&sha1));
            let video = matching
                .next()
                .unwrap_or_else(|| panic!("{} is lost: {videos:?}", file.display()));
            assert!(
                matching.next().is_none(),
                "{} is there twice: {videos:?}",
                file.display()
            );
            let job = jobs
                .iter()
                .find(|job| job.path == *file && job.state == "done")
                .unwrap_or_else(|| panic!("{} has no job that is done: {jobs:?}", file.display()));
            assert_eq!(
                job.video_key.as_ref(),
                Some(&video.key),
                "{}",
                file.display()
            );
            assert_eq!(
                video.received,
                1,
                "{} was sent more than once",
                file.display()
            );
            assert_eq!(video.status, "ready");
            let mark = format!("SELECT ingest_id FROM jobs WHERE id = {}", job.id);
            assert_eq!(self.value(&mark), Some(video.ingest_id.clone()));
        }
        assert_eq!(videos.len(), files.len(), "{videos:?}");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the job table");
            for job in self.jobs() {
                eprintln!("{job:?}");
            }
            let logs = fs::read_dir(self.root()).into_iter().flatten().flatten();
            let mut logs: Vec<_> = logs
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|e| e == "log"))
                .collect();
            logs.sort();
            for log in logs.iter().rev().take(3).rev() {
                eprintln!(
                    "---- {}\n{}",
                    log.display(),
                    fs::read_to_string(log).unwrap_or_default()
                );
            }
        }
    }
}

/// SHA-1 of a file, hex.
pub(crate) fn sha1_of(path: &Path) -> String {
    let mut file = fs::File::open(path).unwrap();
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = std::io::Read::read(&mut file, &mut buffer).unwrap();
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
    }
    let mut hex = String::new();
    for byte in hash.finalize() {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}
