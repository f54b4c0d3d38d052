//! What an operator would look at: attempts, accounts, the log, the commands' output; and whether
//! any of it gives a secret away.

use std::fs;

use rusqlite::{Connection, OpenFlags, types::FromSql};
use serde_json::Value;

use super::platform::{SECRET, V2_SECRET};
use super::{Site, wait_for};

/// One row of `attempts`.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) step: String,
    pub(crate) outcome: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) bytes_sent: i64,
    /// RFC 3339, so that texts compare as times.
    pub(crate) started_at: String,
    pub(crate) ended_at: Option<String>,
}

impl Site {
    fn open(&self) -> rusqlite::Result<Connection> {
        Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    /// The attempts of a job, oldest first.
    pub(crate) fn attempts(&self, job: i64) -> Vec<Attempt> {
        let db = self.open().unwrap();
        let sql = "SELECT step, outcome, message, bytes_sent, started_at, ended_at FROM attempts
                   WHERE job_id = ?1 ORDER BY id";
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([job], |row| {
            Ok(Attempt {
                step: row.get(0)?,
                outcome: row.get(1)?,
                message: row.get(2)?,
                bytes_sent: row.get(3)?,
                started_at: row.get(4)?,
                ended_at: row.get(5)?,
            })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// The attempts of a job as `step outcome`; the same twice running is told once.
    pub(crate) fn story(&self, job: i64) -> Vec<String> {
        let mut story: Vec<String> = self
            .attempts(job)
            .iter()
            .map(|a| format!("{} {}", a.step, a.outcome.as_deref().unwrap_or("running")))
            .collect();
        story.dedup();
        story
    }

    /// One value out of the table; `None` where there is no row.
    pub(crate) fn value<T: FromSql>(&self, sql: &str) -> Option<T> {
        let db = self.open().ok()?;
        db.query_row(sql, [], |row| row.get(0)).ok()
    }

    /// The output of a command that succeeds, as text.
    pub(crate) fn output(&self, args: &[&str]) -> String {
        let output = self.command(args);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The objects that a command prints, one a line.
    pub(crate) fn objects(&self, args: &[&str]) -> Vec<Value> {
        let text = self.output(args);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What all daemons of this site have logged.
    pub(crate) fn log(&self) -> String {
        let mut logs: Vec<_> = fs::read_dir(self.root())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
            .collect();
        logs.sort();
        let read = |path: &std::path::PathBuf| {
            String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
        };
        logs.iter().map(read).collect()
    }

    /// Waits until a daemon has logged a line with this in it.
    pub(crate) fn wait_log(&self, words: &str) {
        wait_for(words, || self.log().contains(words).then_some(()));
    }

    /// How many lines of the log hold these words.
    pub(crate) fn logged(&self, words: &str) -> usize {
        self.log().lines().filter(|l| l.contains(words)).count()
    }

    /// Neither the logs (at level debug) nor what the commands print shows a secret.
    pub(crate) fn assert_no_secrets(&self) {
        let log = self.log();
        assert!(
            log.contains("settled, queued as job"),
            "there is nothing to look through"
        );
        let mut seen = vec![("log".to_owned(), log)];
        let mut print = |args: &[&str]| seen.push((args.join(" "), self.output(args)));
        print(&["jobs", "--json"]);
        print(&["jobs"]);
        for job in self.jobs() {
            let id = job.id.to_string();
            print(&["job", &id, "--json"]);
            print(&["job", &id]);
            if let Some(path) = job.path.to_str() {
                print(&["explain", "--json", path]);
            }
        }
        for (name, text) in seen {
            for secret in [
                SECRET,
                V2_SECRET,
                "api_signature",
                "Signature=",
                "token=",
                "AWSAccessKeyId",
            ] {
                assert!(!text.contains(secret), "{name} shows {secret}:\n{text}");
            }
        }
    }
}
