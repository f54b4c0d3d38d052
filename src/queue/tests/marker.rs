//! The marker's number: what each way of ending the daemon leaves of it, and what a table that is behind it means.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::queue::marker::{self, beside, count, read_number};
use crate::queue::{Queue, open, open_for_reading, replace, restored};

/// A table on the disk with a few queued jobs; the folder goes with the test.
fn on_disk() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let db = open(&path).unwrap();
    for number in 1..=6 {
        new_job(&db, &file(format!("/w/{number}.mp4"), number), at(0));
    }
    (folder, path)
}

/// The write-ahead of one create call.
fn begins(db: &Connection) -> Result<Lease, Error> {
    let lease = take(db, at(1));
    outcome::begin(db, &lease, Step::Create, at(1))?;
    outcome::create_begins(db, &lease, ("s3", "it fits"), at(1))?;
    Ok(lease)
}

fn counted(path: &Path) -> i64 {
    count(&Connection::open(path).unwrap()).unwrap()
}

fn marked(path: &Path) -> Option<i64> {
    read_number(path).unwrap()
}

/// A backup, as `VACUUM INTO` makes it.
fn back_up(path: &Path) -> PathBuf {
    let copy = beside(path, ".copy");
    let db = Connection::open(path).unwrap();
    db.execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    copy
}

fn put_back(copy: &Path, path: &Path) {
    for ending in ["", "-wal", "-shm"] {
        fs::remove_file(beside(path, ending)).ok();
    }
    fs::copy(copy, path).unwrap();
}

fn is_outdated<T>(opened: &Result<T, Error>) -> bool {
    matches!(opened, Err(Error::Outdated { .. }))
}

#[test]
fn all_that_may_outlast_the_table_is_counted_and_nothing_else() {
    let db = table();
    new_job(&db, &file("/w/a.mp4", 1), at(0));
    let counts = |expected: i64, what: &str| assert_eq!(count(&db).unwrap(), expected, "{what}");
    let lease = begins(&db).unwrap();
    counts(1, "a create call");
    outcome::create_begins(&db, &lease, ("s3", "it fits"), at(2)).unwrap();
    counts(2, "the same once more, as its marker could not be written");
    outcome::create_came_to_nothing(&db, &lease).unwrap();
    outcome::create_begins(&db, &lease, ("s3", "it fits"), at(2)).unwrap();
    create_video(&db, &lease, "tL17msiU", at(3));
    counts(4, "created");
    ticket::last_byte(&db, &lease, at(4)).unwrap();
    counts(5, "the last byte");
    ticket::last_byte_was_lost(&db, &lease).unwrap();
    ticket::last_byte(&db, &lease, at(5)).unwrap();
    counts(6, "sent once more");
    outcome::transferred(&db, &lease, Some("0f"), at(6), (&Report::default(), at(6))).unwrap();
    counts(6, "arrived");
    // Its content is replaced, by a fetch.
    db.execute("UPDATE jobs SET state = 'done', finished_at = run_at", [])
        .unwrap();
    let mut other = file("/w/a.mp4", 2);
    other.identity.size += 1;
    new_job(&db, &other, at(7));
    let next = take(&db, at(7));
    assert!(replace::fetch_begins(&db, &next, "tL17msiU", at(8)).unwrap());
    counts(7, "other content");
    replace::fetch_was_refused(&db, &next).unwrap();
    counts(7, "refused");
}

#[tokio::test]
async fn an_answer_comes_after_the_marker_and_the_marker_after_the_table() {
    let (_folder, path) = on_disk();
    let queue = Queue::start(&path).unwrap();
    assert_eq!(marked(&path), Some(0));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (queue, path) = (queue.clone(), path.clone());
        workers.spawn(async move {
            let mine = queue.write(|db| {
                begins(db)?;
                Ok(count(db)?)
            });
            let mine = mine.await.unwrap();
            // In this order: the table is raised first.
            let number = marked(&path).unwrap();
            assert!(mine <= number && number <= counted(&path), "{number}");
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    assert_eq!((marked(&path), counted(&path)), (Some(6), 6));
}

#[tokio::test]
async fn a_daemon_that_is_killed_before_its_marker_starts_again() {
    let (_folder, path) = on_disk();
    drop(Queue::start(&path).unwrap());
    // Killed after the commit.
    begins(&Connection::open(&path).unwrap()).unwrap();
    assert_eq!((marked(&path), counted(&path)), (Some(0), 1));
    drop(Queue::start(&path).unwrap());
    assert_eq!(marked(&path), Some(1));
    // Killed with half of the next marker written.
    begins(&Connection::open(&path).unwrap()).unwrap();
    fs::write(beside(&path, ".marker.new"), "count: 9").unwrap();
    open_for_reading(&path).unwrap();
    let queue = Queue::start(&path).unwrap();
    assert_eq!(marked(&path), Some(2));
    queue.write(begins).await.unwrap();
    assert_eq!((marked(&path), counted(&path)), (Some(3), 3));
}

#[tokio::test]
async fn what_cannot_be_marked_is_not_done_and_nothing_else_is_kept_back() {
    let (_folder, path) = on_disk();
    let queue = Queue::start(&path).unwrap();
    let lease = queue.write(|db| Ok(take(db, at(1)))).await.unwrap();
    let marker = marker::file(&path);
    fs::remove_file(&marker).unwrap();
    fs::create_dir(&marker).unwrap();
    for _ in 0..2 {
        let begun = lease.clone();
        let refused =
            queue.write(move |db| outcome::create_begins(db, &begun, ("s3", "it fits"), at(1)));
        let error = refused.await.unwrap_err();
        assert!(matches!(error, Error::Marker { .. }), "{error:?}");
        assert!(error.is_passing());
    }
    queue
        .write(|db| Ok(new_job(db, &file("/w/new.mp4", 9), at(2))))
        .await
        .unwrap();
    fs::remove_dir(&marker).unwrap();
    let begun = lease.clone();
    let allowed =
        queue.write(move |db| outcome::create_begins(db, &begun, ("s3", "it fits"), at(3)));
    allowed.await.unwrap();
    assert_eq!(marked(&path), Some(counted(&path)));
}

#[test]
fn no_pipe_in_the_place_of_the_marker_is_waited_for() {
    let (folder, path) = on_disk();
    for name in [marker::file(&path), beside(&path, ".marker.new")] {
        fs::remove_file(&name).ok();
        let made = std::process::Command::new("mkfifo").arg(&name).status();
        assert!(made.unwrap().success());
    }
    let (done, ended) = std::sync::mpsc::channel();
    // A thread of its own: one that hangs must fail the test, and not stop it.
    std::thread::spawn(move || {
        let refused = read_number(&path).unwrap_err().to_string();
        let written = marker::write_number(&path, 3);
        done.send((refused, written, marked(&path)))
    });
    let limit = Duration::from_secs(20);
    let (refused, written, marked) = ended.recv_timeout(limit).unwrap();
    assert!(
        refused.ends_with("jobs.db.marker is not a regular file"),
        "{refused}"
    );
    written.unwrap();
    assert_eq!(marked, Some(3));
    drop(folder);
}

#[tokio::test]
async fn a_marker_of_an_earlier_release_gets_its_number() {
    let (_folder, path) = on_disk();
    fs::write(marker::file(&path), "The job table beside this file\n").unwrap();
    assert_eq!(marked(&path), Some(0));
    let queue = Queue::start(&path).unwrap();
    queue.write(begins).await.unwrap();
    assert_eq!(marked(&path), Some(1));
}

#[tokio::test]
async fn a_table_that_is_older_than_its_marker_is_used_only_once_a_person_says_that_it_is_a_backup()
{
    let (_folder, path) = on_disk();
    let queue = Queue::start(&path).unwrap();
    queue.write(begins).await.unwrap();
    let copy = back_up(&path);
    drop(queue);
    // Nothing was asked for since.
    put_back(&copy, &path);
    let queue = Queue::start(&path).unwrap();
    queue.write(begins).await.unwrap();
    drop(queue);
    put_back(&copy, &path);
    assert!(is_outdated(&open(&path)) && is_outdated(&open_for_reading(&path)));
    assert!(is_outdated(&Queue::start(&path).map(drop)));
    assert_eq!(
        (marked(&path), counted(&path)),
        (Some(2), 1),
        "left as they are"
    );

    restored::take_as_backup(&path, at(9)).unwrap();
    let db = open(&path).unwrap();
    assert_eq!((marked(&path), counted(&path)), (Some(2), 2));
    let old = file("/w/old.mp4", 3).identity;
    assert!(restored::may_have_known(&db, &old, at(10)).unwrap());
    let is_of_backup = |job| restored::is_of_backup(&db, JobId(job)).unwrap();
    assert!(is_of_backup(1) && is_of_backup(6) && !is_of_backup(7));
    open_for_reading(&path).unwrap();
}

#[tokio::test]
async fn a_new_table_in_the_place_of_a_lost_one_is_not_behind_its_marker() {
    let (_folder, path) = on_disk();
    let queue = Queue::start(&path).unwrap();
    queue.write(begins).await.unwrap();
    drop(queue);
    for ending in ["", "-wal", "-shm"] {
        fs::remove_file(beside(&path, ending)).ok();
    }
    let lost = restored::take_as_backup(&path, at(9));
    assert!(matches!(lost, Err(Error::Vanished { .. })));
    restored::make_anew(&path, at(9)).unwrap();
    let queue = Queue::start(&path).unwrap();
    let first = queue.write(|db| {
        new_job(db, &file("/w/1.mp4", 1), at(0));
        begins(db)
    });
    first.await.unwrap();
    assert_eq!((marked(&path), counted(&path)), (Some(2), 2));
}

#[test]
fn what_a_backup_has_unfinished_is_in_doubt() {
    let (_folder, path) = on_disk();
    let db = open(&path).unwrap();
    let sending = take(&db, at(1));
    create_video(&db, &sending, "tL17msiU", at(2));
    for (named, id) in [(false, 2), (true, 3)] {
        let lease = take(&db, at(3));
        assert_eq!(lease.job.id, JobId(id));
        crate::queue::ftp::begins(&db, &lease, "the folder asks for it", at(4)).unwrap();
        if named {
            let name = ("3.mp4", None);
            crate::queue::ftp::gets_its_name(&db, &lease, name, at(5)).unwrap();
        }
    }
    db.execute("UPDATE jobs SET by_hand = 1", []).unwrap();
    drop(db);
    restored::take_as_backup(&path, at(9)).unwrap();
    let db = open(&path).unwrap();
    let texts = |sql: &str| format!("{:?}", value(&db, sql));
    let at_9 = crate::clock::text(at(9));
    let asked = texts("SELECT last_byte_at FROM tickets WHERE job_id = 1");
    assert!(asked.contains(&at_9), "{asked}");
    let steps =
        "SELECT group_concat(step || '-' || by_hand) FROM (SELECT * FROM jobs ORDER BY id LIMIT 4)";
    assert!(texts(steps).contains("transfer-1,create-0,transfer-1,create-0"));
    let named = texts("SELECT link FROM tickets WHERE job_id = 3");
    assert!(named.contains("3.mp4"), "{named}");
    assert_eq!(number(&db, "SELECT count(*) FROM tickets"), 2);
}
