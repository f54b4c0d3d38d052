//! The table after years: 200 000 jobs. The bounds are wide; they catch a scan, not a slow machine.
//! What a claim costs is counted in steps of SQLite's machine, which no slow machine changes.

use std::time::{Duration, Instant};

use super::schema::{plans, steps};
use super::*;
use crate::disposition::Need;
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
        only_small: true,
        ..claim::Terms::default()
    };
    db.execute_batch("UPDATE jobs SET size = 100000000")
        .unwrap();
    timed("claim of a small file where all are large", ms(50), || {
        write_now(&mut db, |db| claim::claim(db, later, &small)).unwrap()
    });
    accounts::pause(
        &db,
        "other",
        (Cause::Refused(Need::Credentials), "bad key"),
        (at(0), at(0)),
    )
    .unwrap();
    timed("claim past a paused backlog", ms(50), || {
        write_now(&mut db, |db| claim::claim(db, later, &ANY))
            .unwrap()
            .unwrap()
    });
    timed("next_due past it", ms(50), || {
        claim::next_due(&db, &ANY).unwrap()
    });
    accounts::probation(&db, "other").unwrap();
    write_now(&mut db, |db| claim::claim(db, later, &ANY))
        .unwrap()
        .unwrap();
    timed("claim past a backlog on probation", ms(50), || {
        write_now(&mut db, |db| claim::claim(db, later, &ANY)).unwrap()
    });
    accounts::pause(
        &db,
        "main",
        (Cause::Refused(Need::Credentials), "bad key"),
        (at(0), at(0)),
    )
    .unwrap();
    timed("claim when all is paused", ms(50), || {
        write_now(&mut db, |db| claim::claim(db, later, &ANY)).unwrap()
    });
    timed("resume", Duration::from_secs(1), || {
        accounts::resume(&db, "other", at(0)).unwrap()
    });
}

/// How many jobs of 50 watches, most of them of one account, which is paused; many put off, and all
/// but the last of a watch large.
fn crowd(jobs: i64) -> Connection {
    let db = table();
    let sql = "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < ?1 - 1)
        INSERT INTO jobs (watch, account, path, size, dev, ino, mtime_ns, ctime_ns, ingest_id, run_at, created_at, priority)
        SELECT 'watch ' || (n % 50), iif(n % 50 < 40, 'backlog', 'main'), '/w/' || n, iif(n < ?1 - 50, 200000000, 5),
               1, n, 1, 1, 'mark ' || n, iif(n % 3 = 0, ?3, ?2), ?2, n % 2 FROM n";
    let time = |seconds| crate::clock::text(at(seconds));
    db.execute(sql, rusqlite::params![jobs, time(0), time(1000)])
        .unwrap();
    accounts::pause(
        &db,
        "backlog",
        (Cause::Refused(Need::Credentials), "bad key"),
        (at(2000), at(0)),
    )
    .unwrap();
    db
}

#[test]
fn a_claim_costs_the_same_whatever_waits_behind() {
    let small = claim::Terms {
        only_small: true,
        ..claim::Terms::default()
    };
    let cost = |jobs| {
        let db = crowd(jobs);
        let claim = steps(&db, |db| {
            let lease = claim::claim(db, at(10), &ANY).unwrap().unwrap();
            assert_eq!(lease.job.account, "main");
        });
        let express = steps(&db, |db| {
            let lease = claim::claim(db, at(10), &small).unwrap().unwrap();
            assert_eq!(lease.job.identity.size, 5);
        });
        let due = steps(&db, |db| {
            assert_eq!(claim::next_due(db, &ANY).unwrap(), Some(at(0)));
        });
        (claim, express, due)
    };
    let (few, many) = (cost(1000), cost(20_000));
    println!("steps with 1000 jobs: {few:?}, with 20 000: {many:?}");
    for (few, many) in [(few.0, many.0), (few.1, many.1), (few.2, many.2)] {
        assert!(few > 100 && many < few + few / 2, "{few}, {many}");
    }
}

#[test]
fn a_claim_leaps_from_watch_to_watch_inside_its_index() {
    let db = crowd(1000);
    what_a_claim_does(&db);
    db.execute_batch("ANALYZE").unwrap();
    what_a_claim_does(&db);
}

fn what_a_claim_does(db: &Connection) {
    let plan = plans(db, |db| {
        claim::claim(db, at(10), &ANY).unwrap().unwrap();
    });
    for part in [
        "USING COVERING INDEX jobs_due (priority<?)",
        "USING COVERING INDEX jobs_due (priority=? AND watch>?)",
        "USING COVERING INDEX jobs_due (priority=? AND watch=? AND account>?)",
        "USING INDEX jobs_due (priority=? AND watch=? AND account=? AND is_large=? AND run_at<?)",
        "USING COVERING INDEX jobs_put_off (run_at<?)",
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    assert!(!plan.contains("SCAN jobs"), "{plan}");
    let due = plans(db, |db| {
        assert!(claim::next_due(db, &ANY).unwrap().is_some());
    });
    assert!(!due.contains("SCAN jobs"), "{due}");
}
