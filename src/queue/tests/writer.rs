//! The writer thread: what its answers mean, and what it survives.

use std::sync::{Arc, Barrier};

use super::*;
use crate::queue::{Queue, open, open_for_reading};

fn started() -> (tempfile::TempDir, PathBuf, Queue) {
    let (folder, path) = on_disk();
    let queue = Queue::start(&path).unwrap();
    (folder, path, queue)
}

#[tokio::test]
async fn an_answer_means_that_it_is_committed() {
    let (_folder, path, queue) = started();
    let reader = open_for_reading(&path).unwrap();
    for n in 1..=20 {
        let job = file(format!("/w/{n}.mp4"), n);
        if n % 2 == 0 {
            queue.write(move |db| enqueue(db, &job, at(n))).await
        } else {
            queue.jot(move |db| enqueue(db, &job, at(n))).await
        }
        .unwrap();
        assert_eq!(number(&reader, "SELECT count(*) FROM jobs"), n);
    }
}

#[tokio::test]
async fn a_verb_that_fails_changes_nothing() {
    let (_folder, path, queue) = started();
    let outcome: Result<(), Error> = queue
        .write(|db| {
            new_job(db, &file("/w/a.mp4", 1), at(0));
            Err(Error::LeaseLost { job: 1 })
        })
        .await;
    assert!(matches!(outcome, Err(Error::LeaseLost { job: 1 })));
    let reader = open_for_reading(&path).unwrap();
    assert_eq!(number(&reader, "SELECT count(*) FROM jobs"), 0);
}

#[tokio::test]
async fn a_panic_is_an_error_of_its_verb_and_of_no_other() {
    let (_folder, path, queue) = started();
    let outcome: Result<(), Error> = queue
        .jot(|db| {
            new_job(db, &file("/w/a.mp4", 1), at(0));
            panic!("a bug, as a test has ordered")
        })
        .await;
    let error = outcome.unwrap_err();
    assert!(
        error.to_string().contains("as a test has ordered"),
        "{error}"
    );
    assert!(!error.is_passing());
    let synchronous = queue
        .write(|db| {
            new_job(db, &file("/w/b.mp4", 2), at(0));
            Ok(number(db, "PRAGMA synchronous"))
        })
        .await
        .unwrap();
    assert_eq!(synchronous, 2, "a write after it survives power loss again");
    let reader = open_for_reading(&path).unwrap();
    assert_eq!(
        value(&reader, "SELECT path FROM jobs"),
        Value::from("/w/b.mp4".to_owned())
    );
}

#[tokio::test]
async fn a_jot_is_not_flushed_and_a_write_is() {
    let (_folder, _path, queue) = started();
    let level = |db: &Connection| Ok(number(db, "PRAGMA synchronous"));
    assert_eq!(queue.write(level).await.unwrap(), 2);
    assert_eq!(queue.jot(level).await.unwrap(), 1);
    assert_eq!(queue.write(level).await.unwrap(), 2);
}

/// The upload's body is polled inside a runtime, and notes its last byte from there.
#[tokio::test]
async fn a_blocking_write_works_inside_a_runtime() {
    let (_folder, _path, queue) = started();
    let id = queue
        .write_blocking(|db| Ok(new_job(db, &file("/w/a.mp4", 1), at(0))))
        .unwrap();
    assert_eq!(id, JobId(1));
}

#[tokio::test]
async fn the_version_tells_what_others_changed() {
    let (_folder, path, queue) = started();
    let before = queue.data_version().await.unwrap();
    queue
        .write(|db| Ok(new_job(db, &file("/w/a.mp4", 1), at(0))))
        .await
        .unwrap();
    assert_eq!(
        queue.data_version().await.unwrap(),
        before,
        "our own writes are no news"
    );
    let mut other = open(&path).unwrap();
    assert_eq!(queue.data_version().await.unwrap(), before, "nor is a look");
    write_now(&mut other, |db| operator::cancel(db, JobId(1), at(1))).unwrap();
    assert_ne!(queue.data_version().await.unwrap(), before);
}

/// A start with a hundred thousand known files would flush the disk for each.
#[tokio::test]
async fn a_known_file_costs_no_write() {
    let (_folder, path, queue) = started();
    let see = |ctime| {
        let mut job = file("/w/a.mp4", 1);
        job.identity.ctime_ns = ctime;
        queue.write(move |db| enqueue(db, &job, at(0)))
    };
    see(1).await.unwrap();
    let reader = open_for_reading(&path).unwrap();
    let before = number(&reader, "PRAGMA data_version");
    see(1).await.unwrap();
    assert_eq!(number(&reader, "PRAGMA data_version"), before);
    see(2).await.unwrap();
    assert_ne!(number(&reader, "PRAGMA data_version"), before);
}

/// `jw-ingest jobs` asks whether a daemon runs by taking its lock for a moment.
#[test]
fn who_looks_for_a_daemon_does_not_keep_one_from_starting() {
    let (_folder, path) = on_disk();
    drop(crate::queue::lock(&path).unwrap());
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let asked = path.clone();
    let looker = std::thread::spawn(move || {
        while matches!(
            stopped.try_recv(),
            Err(std::sync::mpsc::TryRecvError::Empty)
        ) {
            crate::queue::daemon_runs(&asked);
        }
    });
    for _ in 0..2000 {
        drop(crate::queue::lock(&path).unwrap());
    }
    drop(stop);
    looker.join().unwrap();
}

#[tokio::test]
async fn a_cancel_from_another_process_takes_the_lease() {
    let (_folder, path, queue) = started();
    let lease = queue
        .write(|db| {
            new_job(db, &file("/w/a.mp4", 1), at(0));
            Ok(take(db, at(0)))
        })
        .await
        .unwrap();
    let beat = claim::Beat {
        job: lease.job.id,
        lease_id: lease.id.clone(),
        progress: Some((500, 10)),
    };
    let beats = vec![beat];
    let again = beats.clone();
    let lost = queue
        .jot(move |db| claim::heartbeat(db, &beats, at(1)))
        .await
        .unwrap();
    assert!(lost.is_empty(), "{lost:?}");
    let mut other = open(&path).unwrap();
    write_now(&mut other, |db| operator::cancel(db, JobId(1), at(2))).unwrap();
    let lost = queue
        .jot(move |db| claim::heartbeat(db, &again, at(3)))
        .await
        .unwrap();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].lease_id, lease.id);
    let refused = queue
        .write(move |db| ticket::last_byte(db, &lease, at(4)))
        .await;
    assert!(matches!(refused, Err(Error::LeaseLost { job: 1 })));
    assert_eq!(number(&other, "SELECT count(*) FROM progress"), 0);
}

#[test]
fn two_connections_enqueue_a_file_once() {
    let (_folder, path) = on_disk();
    let start = Arc::new(Barrier::new(2));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (path, start) = (path.clone(), Arc::clone(&start));
            std::thread::spawn(move || {
                // Both also find no database yet, and make one.
                start.wait();
                let mut db = open(&path).unwrap();
                let mut new = 0;
                for n in 0..50 {
                    let job = file(format!("/w/{n}.mp4"), n);
                    let done = write_now(&mut db, |db| enqueue(db, &job, at(n))).unwrap();
                    new += i32::from(matches!(done, Enqueued::New(_)));
                }
                new
            })
        })
        .collect();
    let new: i32 = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    assert_eq!(new, 50);
    let db = open(&path).unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM jobs"), 50);
}

#[test]
fn many_may_open_a_new_database_at_once() {
    for _ in 0..20 {
        let (_folder, path) = on_disk();
        let start = Arc::new(Barrier::new(4));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (path, start) = (path.clone(), Arc::clone(&start));
                std::thread::spawn(move || {
                    start.wait();
                    open(&path).map(drop)
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
    }
}
