//! Settled files that cannot be looked at: none is dropped.

use std::path::Path;
use std::time::{Duration, Instant};

use super::again::Again;
use super::{Entry, doubts, put_down, renames};
use crate::ingest::tests::ground::Ground;
use crate::queue::doubt::Doubt;
use crate::queue::enqueue::NewJob;
use crate::queue::{JobId, claim, outcome};

/// The file is asked for again, and until then a note says why.
async fn assert_comes_again(ground: &mut Ground, again: &mut Again, path: &Path, why: &str) {
    let note = ground.note(path).await.unwrap();
    assert!(note.contains(why), "{note}");
    assert!(ground.rechecks.try_recv().is_err(), "it waits first");
    let due = tokio::time::timeout(Duration::from_secs(20), again.due());
    due.await.unwrap();
    again.ask(&ground.context).await.unwrap();
    let asked = ground.rechecks.try_recv().unwrap();
    assert_eq!(asked, ("news".to_owned(), path.to_path_buf()));
    assert_eq!(
        ground.note(path).await,
        None,
        "the watch says what it waits for"
    );
}

fn doubt() -> Doubt {
    Doubt {
        job: JobId(1),
        fingerprint: "1:aa".to_owned(),
        renamed_from: None,
    }
}

#[tokio::test]
async fn a_file_in_doubt_that_cannot_be_read_settles_again_and_again() {
    let mut ground = Ground::new();
    let (new, mut again) = (ground.file("a.mp4"), Again::default());
    for _ in 0..2 {
        let files = vec![(new.clone(), doubt())];
        doubts::settle_doubts(&ground.context, files, &mut again)
            .await
            .unwrap();
        assert_comes_again(&mut ground, &mut again, &new.path, "is not there").await;
    }
}

/// The worker has made its last look, and has not written down yet what the job came to.
#[tokio::test]
async fn a_file_that_is_touched_while_a_worker_is_at_its_job_is_looked_at_again() {
    let mut ground = Ground::new();
    let (mut new, mut again) = (ground.file("a.mp4"), Again::default());
    let context = ground.context.clone();
    let report = async |new: &NewJob, again: &mut Again| {
        let entries = vec![Entry::Job(new.clone())];
        put_down(&context, entries, again).await.unwrap();
    };
    report(&new, &mut again).await;
    let now = crate::clock::now();
    let claim = move |db: &_| claim::claim(db, now, &claim::Terms::default());
    let lease = context.queue.write(claim).await.unwrap().unwrap();
    report(&new, &mut again).await;
    new.identity.ctime_ns += 1;
    for _ in 0..2 {
        report(&new, &mut again).await;
        let due = tokio::time::timeout(Duration::from_secs(20), again.due());
        due.await.unwrap();
        again.ask(&context).await.unwrap();
        let asked = ground.rechecks.try_recv().unwrap();
        assert_eq!(asked, ("news".to_owned(), new.path.clone()));
        assert!(ground.rechecks.try_recv().is_err());
    }
    let ended = move |db: &_| {
        let report = outcome::Report::default();
        outcome::again(
            db,
            &lease,
            (now, outcome::Count::No),
            ("parked", &report),
            now,
        )
    };
    context.queue.write(ended).await.unwrap();
    report(&new, &mut again).await;
    let first = |db: &_| crate::queue::operator::by_id(db, JobId(1));
    let job = context.queue.jot(first).await.unwrap().unwrap();
    assert_eq!(job.identity, new.identity, "what the worker did not see");
    let due = tokio::time::timeout(Duration::ZERO, again.due()).await;
    assert!(due.is_err(), "nothing is left to look at");
}

#[test]
fn what_a_slow_disk_leaves_no_time_for_is_left_and_not_dropped() {
    let ground = tokio::runtime::Runtime::new().unwrap();
    let ground = ground.block_on(async { Ground::new() });
    let files = ["a.mp4", "b.mp4", "c.mp4"].map(|name| (ground.file(name), doubt()));
    let over = (Instant::now(), Duration::ZERO);
    let (looked, left) = doubts::look_until(over, files.to_vec(), |_| Ok("1:aa".to_owned()));
    assert_eq!((looked.len(), left.len()), (1, 2));
    assert!(matches!(looked[0].1, Ok(true)));
}

#[tokio::test]
async fn a_share_that_hangs_drops_no_file_in_doubt_and_no_rename() {
    let mut ground = Ground::new();
    let answer = ground.hang().await;
    let (doubtful, mut again) = (ground.file("a.mp4"), Again::default());
    let files = vec![(doubtful.clone(), doubt())];
    doubts::settle_doubts(&ground.context, files, &mut again)
        .await
        .unwrap();
    assert_comes_again(&mut ground, &mut again, &doubtful.path, "does not answer").await;

    ground.enqueue(&doubtful).await;
    let (renamed, mut again) = (ground.file("b.mp4"), Again::default());
    let mut entries = vec![Entry::Job(renamed.clone())];
    renames::follow_renames(&ground.context, &mut entries, &mut again)
        .await
        .unwrap();
    assert!(entries.is_empty(), "neither uploaded nor followed");
    assert_comes_again(&mut ground, &mut again, &renamed.path, "does not answer").await;
    drop(answer);
}
