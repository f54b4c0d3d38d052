//! A folder with a configuration, a secret, a watch folder and a database that a test fills by
//! hand, and the binary to run on it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jw_ingest::queue;
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

/// In every ticket of these tests; no command may ever print it.
pub(crate) const LINK: &str = "https://upload.example/v1/put?signature=THE-LINK-IS-A-SECRET";

/// The secret of the account.
pub(crate) const SECRET: &str = "ThisIsTheSecretOfAccountMain";

/// The user without rights, on all Linux systems.
const NOBODY: u32 = 65534;

pub(crate) struct Fixture {
    folder: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let fixture = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(fixture.path("news")).unwrap();
        fs::write(fixture.path("secret"), SECRET).unwrap();
        fs::set_permissions(fixture.path("secret"), fs::Permissions::from_mode(0o600)).unwrap();
        fixture.configure("");
        fixture
    }

    /// Writes the configuration, with `more` at its end; `{dir}` stands for the folder.
    pub(crate) fn configure(&self, more: &str) {
        let text = "[database]\npath = \"{dir}/jobs.db\"\n\
             [account.main]\nkey = \"XOqEAfxj\"\nsecret-file = \"{dir}/secret\"\nbase-url = \"http://127.0.0.1:9/v1\"\n\
             [[watch]]\nname = \"news\"\npath = \"{dir}/news\"\nexclude = [\"*-draft.mp4\"]\n";
        let text = format!("{text}{more}").replace("{dir}", self.folder.path().to_str().unwrap());
        fs::write(self.path("daemon.toml"), text).unwrap();
    }

    /// A path in the folder. The folder is canonical, as the watches' paths are.
    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(below)
    }

    /// The path of a file in the watch folder, from its bytes.
    pub(crate) fn news(&self, name: &[u8]) -> PathBuf {
        self.path("news").join(OsStr::from_bytes(name))
    }

    /// Writes a file into the watch folder.
    pub(crate) fn drop_file(&self, name: &[u8], content: &[u8]) -> PathBuf {
        let path = self.news(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn database(&self) -> Connection {
        queue::open(&self.path("jobs.db")).unwrap()
    }

    /// The binary with the configuration, and nothing of the tester's own environment.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jw-ingest"));
        command
            .env_clear()
            .env("TZ", "UTC")
            .arg("--config")
            .arg(self.path("daemon.toml"))
            .args(arguments)
            .current_dir(self.folder.path());
        command
    }

    /// Lets every user read everything, and only the owner change it.
    pub(crate) fn open_to_readers(&self) {
        for (name, mode) in [(".", 0o755), ("news", 0o755), ("secret", 0o644)] {
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        for entry in fs::read_dir(self.path(".")).unwrap().flatten() {
            if entry.file_name().as_bytes().starts_with(b"jobs.db") {
                fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644)).unwrap();
            }
        }
    }

    /// As [`run`](Self::run), by a user who owns nothing here: the user `nobody`, for tests that
    /// root runs. Others are the owner, whom the modes of the files keep from writing just as well.
    pub(crate) fn run_as_reader(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ran::of(&command.output().unwrap())
    }

    /// Runs it to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        Ran::of(&self.command(arguments).output().unwrap())
    }
}

/// What a command printed, and how it ended. That no secret is in it is checked here, for all.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let ran = Self {
            code: output.status.code().expect("ended by a signal"),
            out: String::from_utf8(output.stdout.clone()).expect("only UTF-8 is printed"),
            err: String::from_utf8(output.stderr.clone()).expect("only UTF-8 is printed"),
        };
        for text in [&ran.out, &ran.err] {
            assert!(!text.contains("THE-LINK"), "the link is printed: {ran:?}");
            assert!(!text.contains(SECRET), "the secret is printed: {ran:?}");
        }
        ran
    }

    /// The result, of a command that went well.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// The result as JSON, one value a line.
    pub(crate) fn json(self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).unwrap();
        self.done().lines().map(parse).collect()
    }
}

/// A row of `jobs`; columns that are not named have a plain value.
pub(crate) fn job(db: &Connection, path: &Path, columns: &[(&str, Value)]) -> i64 {
    let path_value = path.to_str().map_or_else(
        || Value::Blob(path.as_os_str().as_bytes().to_vec()),
        |text| Value::Text(text.to_owned()),
    );
    let inode: i64 = db
        .query_row("SELECT count(*) + 1000 FROM jobs", [], |row| row.get(0))
        .unwrap();
    let mut all: Vec<(&str, Value)> = vec![
        ("watch", text("news")),
        ("account", text("main")),
        ("path", path_value),
        ("size", Value::Integer(1_200_000_000)),
        ("run_at", text(&before(1))),
        ("created_at", text(&before(7200))),
        ("ingest_id", text("0198d5a0-0000-7000-8000-000000000000")),
        ("dev", Value::Integer(1)),
        ("ino", Value::Integer(inode)),
        ("mtime_ns", Value::Integer(0)),
        ("ctime_ns", Value::Integer(0)),
    ];
    for (name, value) in columns {
        all.retain(|(other, _)| other != name);
        all.push((name, value.clone()));
    }
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    let marks = vec!["?"; all.len()].join(", ");
    let sql = format!("INSERT INTO jobs ({}) VALUES ({marks})", names.join(", "));
    db.execute(
        &sql,
        rusqlite::params_from_iter(all.into_iter().map(|(_, v)| v)),
    )
    .unwrap();
    let id = db.last_insert_rowid();
    // Every job has a ticket here, so that each test proves that no link is printed.
    db.execute(
        "INSERT INTO tickets (job_id, link) VALUES (?1, ?2)",
        (id, LINK),
    )
    .unwrap();
    id
}

/// One job of each kind, numbered in this order.
pub(crate) fn one_of_each(fixture: &Fixture, db: &Connection) {
    let kinds = [
        ("new", "method = NULL"),
        (
            "again",
            "last_error = 'no answer' || char(10) || 'from the platform', run_at = :soon",
        ),
        (
            "up",
            "state = 'running', step = 'transfer', method = 's3', lease_id = 'x', lease_until = :soon",
        ),
        (
            "sent",
            "step = 'confirm', status = 'processing', sent_at = :ago, run_at = :later",
        ),
        ("done", "state = 'done', step = 'confirm', duration = 12.5"),
        (
            "failed",
            "state = 'failed', last_error = 'it is larger than size-limit', advice = 'size-limit'",
        ),
        ("cancelled", "state = 'cancelled'"),
        ("changed", "state = 'cancelled', superseded = 1"),
        ("copy", "state = 'duplicate', duplicate_of = 5"),
    ];
    for (name, set) in kinds {
        let id = job(db, &fixture.news(format!("{name}.mp4").as_bytes()), &[]);
        let set = set
            .replace(":soon", &format!("'{}'", before(-330)))
            .replace(":later", &format!("'{}'", before(-3600)))
            .replace(":ago", &format!("'{}'", before(30)));
        let key = matches!(name, "up" | "sent" | "done").then_some("AbCd1234");
        let tries = match name {
            "again" => 3,
            "up" | "sent" | "done" | "failed" => 1,
            _ => 0,
        };
        let ended = (id >= 5).then(|| before(300));
        db.execute(
            &format!("UPDATE jobs SET attempts = ?2, video_key = ?3, finished_at = ?4, {set} WHERE id = ?1"),
            (id, tries, key, ended),
        )
        .unwrap();
    }
    db.execute(
        // Of the near future: it must not grow stale while the test runs.
        "INSERT INTO progress VALUES (3, 540000000, 11000000, ?1)",
        [before(-60)],
    )
    .unwrap();
}

/// How many plain jobs, in one transaction.
pub(crate) fn many_jobs(fixture: &Fixture, db: &Connection, number: usize) {
    db.execute_batch("BEGIN").unwrap();
    for number in 0..number {
        job(db, &fixture.news(format!("{number}.mp4").as_bytes()), &[]);
    }
    db.execute_batch("COMMIT").unwrap();
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A moment so many seconds ago (from now on, if negative), as the database has it.
pub(crate) fn before(seconds: i64) -> String {
    let span = jiff::SignedDuration::from_secs(seconds);
    jw_ingest::clock::text(jw_ingest::clock::now() - span)
}
