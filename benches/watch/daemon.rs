//! The real daemon as a child process, its table, and what it costs.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::Outcome;

/// Nothing answers there.
const NOWHERE: &str = "127.0.0.1:9";

/// Where the table and the configuration are.
pub(crate) struct Site {
    root: PathBuf,
    platform: String,
}

impl Site {
    pub(crate) fn new(root: &Path) -> Outcome<Self> {
        let site = Self {
            root: root.to_owned(),
            platform: NOWHERE.to_owned(),
        };
        let secret = root.join("secret");
        fs::write(&secret, "AnInventedSecretOf24Char").map_err(text)?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).map_err(text)?;
        Ok(site)
    }

    /// One with a table of its own, whose platform listens there.
    pub(crate) fn at(&self, platform: SocketAddr) -> Outcome<Self> {
        let mut site = Self::new(&self.folder("other site")?)?;
        site.platform = platform.to_string();
        Ok(site)
    }

    pub(crate) fn folder(&self, name: &str) -> Outcome<PathBuf> {
        let folder = self.root.join(name);
        fs::create_dir_all(&folder).map_err(text)?;
        Ok(folder)
    }

    /// Starts the daemon on a folder.
    pub(crate) fn start(&self, folder: &Path, settle: &str) -> Outcome<Daemon> {
        let config = format!(
            "[database]\npath = \"{}\"\n\n\
             [account.main]\nkey = \"XOqEAfxj\"\nsecret-file = \"{}\"\nbase-url = \"http://{}/v1\"\n\n\
             [[watch]]\nname = \"bench\"\npath = \"{}\"\nsettle = \"{settle}\"\n",
            self.table().display(),
            self.root.join("secret").display(),
            self.platform,
            folder.display(),
        );
        let file = self.root.join("daemon.toml");
        fs::write(&file, config).map_err(text)?;
        let log = self.root.join("log");
        let errors = fs::File::create(&log).map_err(text)?;
        let began = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_jw-ingest"))
            .arg("--config")
            .arg(file)
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn();
        Ok(Daemon {
            child: child.map_err(text)?,
            began,
            log,
        })
    }

    fn table(&self) -> PathBuf {
        self.root.join("jobs.db")
    }

    fn open(&self) -> Outcome<Connection> {
        let db = Connection::open(self.table()).map_err(text)?;
        db.busy_timeout(Duration::from_secs(5)).map_err(text)?;
        Ok(db)
    }

    pub(crate) fn jobs(&self) -> Outcome<u64> {
        let count = self
            .open()?
            .query_row("SELECT count(*) FROM jobs", [], |row| row.get::<_, i64>(0));
        Ok(count.map_err(text)?.unsigned_abs())
    }

    /// Nothing must be uploaded from now on.
    pub(crate) fn pause_account(&self) -> Outcome<()> {
        let sql = "INSERT INTO paused_accounts (account, reason, since, probe_at)
                   VALUES ('main', 'a benchmark', '2026-01-01T00:00:00.000Z', '2099-01-01T00:00:00.000Z')";
        self.open()?.execute_batch(sql).map_err(text)
    }

    /// As if all were uploaded.
    pub(crate) fn finish_all_jobs(&self) -> Outcome<()> {
        let sql = "UPDATE jobs SET state = 'done', step = 'confirm', method = 's3', video_key = 'abcd1234',
                          finished_at = '2026-01-01T00:00:00.000Z';
                   PRAGMA wal_checkpoint(TRUNCATE)";
        self.open()?.execute_batch(sql).map_err(text)
    }
}

/// A running daemon; dropping it ends it.
pub(crate) struct Daemon {
    child: Child,
    began: Instant,
    log: PathBuf,
}

/// The daemon counts as idle when it uses less than this in so long a time.
const QUIET: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(2500));
const LOOK: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_mins(5);

impl Daemon {
    /// Waits until it is idle; gives the time from its start until then.
    pub(crate) fn idle(&self) -> Outcome<Duration> {
        let mut seen = vec![(self.began, Duration::ZERO)];
        loop {
            let (now, cost) = (Instant::now(), self.cost()?);
            if now.duration_since(self.began) > LONGEST {
                return Err("the daemon does not become idle".to_owned());
            }
            let little = |then: &Duration| cost.saturating_sub(*then) < QUIET.0;
            let idle = seen.iter().find(|(_, then)| little(then));
            if let Some((since, _)) = idle.filter(|(at, _)| now.duration_since(*at) > QUIET.1) {
                return Ok(since.duration_since(self.began));
            }
            seen.push((now, cost));
            thread::park_timeout(LOOK);
        }
    }

    /// The processor time that all its threads have used.
    pub(crate) fn cost(&self) -> Outcome<Duration> {
        let threads = fs::read_dir(self.proc("task")).map_err(text)?;
        let nanoseconds = threads.flatten().filter_map(|thread| {
            // A thread may end meanwhile.
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Ok(Duration::from_nanos(nanoseconds.sum()))
    }

    /// Its resident memory, bytes.
    pub(crate) fn memory(&self) -> Outcome<u64> {
        let status = fs::read_to_string(self.proc("status")).map_err(text)?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(kib.ok_or_else(|| format!("the daemon has ended: {}", self.said()))? * 1024)
    }

    /// What it has logged.
    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.child.id()))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It was not waited for yet, so the number is still its own.
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            self.child.kill().ok();
        }
        self.child.wait().ok();
    }
}

fn text(error: impl std::error::Error) -> String {
    error.to_string()
}
