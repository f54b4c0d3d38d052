//! The table after years: 200 000 jobs. The bounds are wide; they catch a scan, not a slow machine.

use std::time::{Duration, Instant};

use super::*;
use crate::queue::accounts::Cause;
use crate::queue::query::{self, Filter};
use crate::queue::{State, accounts, confirm};

const JOBS: i64 = 200_000;

fn timed<R>(what: &str, bound: Duration, mut act: impl FnMut() -> R) {
    const ROUNDS: u32 = 5;
    let started = Instant::now();
    for _ in 0..ROUNDS {
        drop(act());
    }
    let each = started.elapsed() / ROUNDS;
    println!("{what}: {each:?}");
    assert!(each < bound, "{what} takes {each:?}");
}

fn full_table(db: &Connection, others: i64) {
    let tx = db.unchecked_transaction().unwrap();
    for n in 0..JOBS {
        let account = if n < others { "other" } else { "main" };
        let path = format!("/srv/video/news/2026/some-folder/a usual name of a file {n}.mp4");
        new_job(
            db,
            &NewJob {
                account: account.to_owned(),
                ..file(path, n)
            },
            at(n),
        );
    }
    tx.commit().unwrap();
}

#[test]
#[ignore = "takes long in a debug build; `cargo test --release -- --ignored at_200_000`"]
fn nothing_slows_down_at_200_000_done_jobs() {
    let (_folder, path) = on_disk();
    let mut db = crate::queue::open(&path).unwrap();
    full_table(&db, 0);
    db.execute_batch(
        "UPDATE jobs SET state = 'done', step = 'confirm', video_key = 'k' || id, finished_at = run_at WHERE id < 199900",
    )
    .unwrap();
    println!("{} MiB", std::fs::metadata(&path).unwrap().len() >> 20);
    let (ms, later) = (Duration::from_millis, at(JOBS));
    timed("claim, with its commit", ms(50), || {
        write_now(&mut db, |db| claim::claim(db, later, &ANY)).unwrap()
    });
    timed("enqueue of a known file", ms(5), || {
        let path = "/srv/video/news/2026/some-folder/a usual name of a file 777.mp4";
        enqueue(&db, &file(path, 777), later).unwrap()
    });
    timed("next_due", ms(5), || claim::next_due(&db, &ANY).unwrap());
    timed("confirm::waiting", ms(5), || {
        confirm::waiting(&db, "main").unwrap()
    });
    timed("reclaim of none", ms(5), || {
        claim::reclaim(&db, Some(at(0)), &[], later).unwrap()
    });
    timed("by_path", ms(5), || {
        query::by_path(&db, Path::new("/w/none.mp4")).unwrap()
    });
    listing(&db);
}

fn listing(db: &Connection) {
    let ms = Duration::from_millis;
    let list = |filter: Filter| query::jobs(db, &filter).unwrap();
    let limit = Some(50);
    timed("jobs --limit 50", ms(20), || {
        list(Filter {
            limit,
            ..Filter::default()
        })
    });
    let both = vec![State::Queued, State::Running];
    timed("jobs, queued or running", ms(50), || {
        list(Filter {
            states: both.clone(),
            ..Filter::default()
        })
    });
    let ends = vec![State::Done, State::Failed];
    timed("jobs, done or failed, 50", ms(200), || {
        list(Filter {
            states: ends.clone(),
            limit,
            ..Filter::default()
        })
    });
    let watch = Some("none".to_owned());
    timed("jobs of a watch that has none", ms(500), || {
        list(Filter {
            watch: watch.clone(),
            limit,
            ..Filter::default()
        })
    });
    timed("jobs, all of them", Duration::from_secs(20), || {
        list(Filter::default())
    });
    timed("counts", ms(200), || query::counts(db).unwrap());
}

#[test]
#[ignore = "takes long in a debug build; `cargo test --release -- --ignored at_200_000`"]
fn a_paused_backlog_does_not_hold_up_other_accounts_at_200_000() {
    let (_folder, path) = on_disk();
    let mut db = crate::queue::open(&path).unwrap();
    full_table(&db, JOBS - 10);
    let ms = Duration::from_millis;
    let later = at(JOBS);
    timed("claim from a backlog", ms(50), || {
        write_now(&mut db, |db| claim::claim(db, later, &ANY)).unwrap()
    });
    let small = claim::Terms {
        below: Some(1000),
        ..claim::Terms::default()
    };
    timed(
        "claim of a small file where all are large",
        ms(1000),
        || write_now(&mut db, |db| claim::claim(db, later, &small)).unwrap(),
    );
    accounts::pause(&db, "other", (Cause::Refused, "bad key"), (at(0), at(0))).unwrap();
    timed("claim past a paused backlog", ms(1000), || {
        write_now(&mut db, |db| claim::claim(db, later, &ANY))
            .unwrap()
            .unwrap()
    });
    timed("next_due past it", ms(1000), || {
        claim::next_due(&db, &ANY).unwrap()
    });
    accounts::probation(&db, "other").unwrap();
    write_now(&mut db, |db| claim::claim(db, later, &ANY))
        .unwrap()
        .unwrap();
    timed("claim past a backlog on probation", ms(1000), || {
        write_now(&mut db, |db| claim::claim(db, later, &ANY)).unwrap()
    });
    accounts::pause(&db, "main", (Cause::Refused, "bad key"), (at(0), at(0))).unwrap();
    timed("claim when all is paused", ms(1000), || {
        write_now(&mut db, |db| claim::claim(db, later, &ANY)).unwrap()
    });
    timed("resume", Duration::from_secs(1), || {
        accounts::resume(&db, "other", at(0)).unwrap()
    });
}
