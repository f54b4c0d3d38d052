//! Tests of the job table as a whole: what several verbs together promise.

mod afterwards;
mod as_others;
mod as_worker;
mod clock;
mod copies;
mod copies_random;
mod disk;
mod doubts;
mod fetches;
mod formers;
mod keys;
mod marker;
mod metadata;
mod model;
mod operators;
mod order;
mod parts;
mod random;
mod replaces;
mod scale;
mod schema;
mod sent;
mod standings;
mod verbs;
mod watches;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::enqueue::{Enqueued, NewJob, enqueue};
use super::outcome::{self, Report};
use super::ticket::{self, NewTicket};
use super::{Error, JobId, Lease, Step, claim, db, operator, write_now};
use crate::identity::Identity;

/// A moment of a test: so many seconds after its beginning.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// An empty job table that lives as long as the test.
fn table() -> Connection {
    db::in_memory()
}

/// A file as it settled; `number` makes it another one.
fn file(path: impl Into<PathBuf>, number: i64) -> NewJob {
    NewJob {
        watch: "news".to_owned(),
        account: "main".to_owned(),
        path: path.into(),
        priority: 0,
        identity: Identity {
            dev: 1,
            ino: number,
            size: 1000,
            mtime_ns: 5,
            ctime_ns: 7,
        },
    }
}

/// Enqueues a file that must be new.
fn new_job(db: &Connection, job: &NewJob, now: Timestamp) -> JobId {
    match enqueue(db, job, now).unwrap() {
        Enqueued::New(id) => id,
        Enqueued::Known(id, state) => panic!("{id} is known and {state:?}"),
    }
}

/// Terms that leave every job open.
static ANY: claim::Terms = claim::Terms {
    at_once: BTreeMap::new(),
    only_small: false,
};

/// Claims the job that must be next.
fn take(db: &Connection, now: Timestamp) -> Lease {
    claim::claim(db, now, &ANY).unwrap().expect("a job is due")
}

/// Takes a job through the create step.
fn create_video(db: &Connection, lease: &Lease, key: &str, now: Timestamp) {
    outcome::begin(db, lease, Step::Create, now).unwrap();
    outcome::create_begins(db, lease, ("s3", "it fits"), now).unwrap();
    let ticket = NewTicket {
        video_key: key,
        link: "https://upload.example/secret",
        expires_at: Some(now + Duration::from_hours(1)),
        part_size: None,
    };
    outcome::created(db, lease, &ticket, &Report::default(), now).unwrap();
    outcome::begin(db, lease, Step::Transfer, now).unwrap();
}

/// Takes a job to the point where it waits for `ready`.
fn upload(db: &Connection, lease: &Lease, key: &str, now: Timestamp) {
    create_video(db, lease, key, now);
    ticket::last_byte(db, lease, now).unwrap();
    outcome::transferred(db, lease, None, now, (&Report::default(), now)).unwrap();
}

/// A row of one column, as it is stored.
fn value(db: &Connection, sql: &str) -> Value {
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// A number out of the database.
fn number(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// All that is stored, as text: two equal dumps mean that nothing was changed.
fn dump(db: &Connection) -> String {
    let tables = [
        "jobs",
        "tickets",
        "attempts",
        "progress",
        "paused_accounts",
        "withdrawals",
        "settling",
        "turns",
    ];
    let mut all = String::new();
    for table in tables {
        let mut statement = db
            .prepare(&format!("SELECT * FROM {table} ORDER BY 1"))
            .unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<Value> = (0..columns).map(|i| row.get(i).unwrap()).collect();
            all.extend([table, &format!(" {values:?}\n")]);
        }
    }
    all
}

/// The job as it is. No matter what a test has done to it, the column `phase` says the same.
fn job(db: &Connection, id: JobId) -> super::Job {
    let job = operator::by_id(db, id).unwrap().expect("jobs never vanish");
    let mut phase = db
        .prepare_cached("SELECT phase FROM jobs WHERE id = ?1")
        .unwrap();
    let phase: Value = phase.query_row([id.0], |row| row.get(0)).unwrap();
    let standing = job.standing();
    assert_eq!(phase, Value::from(standing.word().to_owned()), "{job:?}");
    assert_eq!(standing.state(), job.state, "{job:?}");
    job
}

/// Says, where a person sees it, that a test could not do its work here.
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// A database file in a folder of its own.
fn on_disk() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    (folder, path)
}

/// Whether a program can be started on this machine.
fn has_program(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).exists()))
}

/// Whether the tests run as root.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|meta| meta.uid() == 0)
}
