//! Who goes first: priorities, bumps, fair shares, age, and the express lane of an account.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::disposition::Need;
use crate::queue::accounts::Cause;
use crate::queue::operator::Answer;
use crate::queue::outcome::Count;
use crate::queue::renames::moved;
use crate::queue::{State, accounts, priority};

/// A file of a watch with a priority.
fn of(watch: &str, priority: i64, number: i64) -> NewJob {
    NewJob {
        watch: watch.to_owned(),
        priority,
        ..file(format!("/{watch}/{number}.mp4"), number)
    }
}

fn large(watch: &str, number: i64) -> NewJob {
    let mut new = of(watch, 0, number);
    new.identity.size = i64::try_from(claim::LARGE).unwrap();
    new
}

fn claimed(db: &Connection, now: Timestamp, terms: &claim::Terms) -> Option<JobId> {
    let lease = claim::claim(db, now, terms).unwrap();
    lease.map(|lease| lease.job.id)
}

fn bump(db: &Connection, id: JobId, now: Timestamp) -> Answer {
    let front = priority::front(db).unwrap();
    priority::bump(db, id, (front, true), now).unwrap()
}

#[test]
fn the_greatest_priority_goes_first_and_the_oldest_inside_it() {
    let db = table();
    for (number, priority) in (0..).zip([-1, 0, 7, 0, 7]) {
        new_job(&db, &of("news", priority, number), at(number));
    }
    let taken: Vec<_> = std::iter::from_fn(|| claimed(&db, at(9), &ANY)).collect();
    assert_eq!(taken, [3, 5, 2, 4, 1].map(JobId));
}

#[test]
fn a_single_file_does_not_wait_for_the_thousands_of_another_watch() {
    let db = table();
    for number in 0..1000 {
        new_job(&db, &of("archive", 0, number), at(0));
    }
    let lease = take(&db, at(1));
    let one = new_job(&db, &of("news", 0, 5000), at(2));
    assert_eq!(
        claimed(&db, at(3), &ANY),
        Some(one),
        "it has fewer in progress"
    );
    // With one place only: what ends makes room for who had no turn for longest.
    upload(&db, &lease, "key", at(3));
    let other = new_job(&db, &of("sport", 0, 5001), at(4));
    assert_eq!(claimed(&db, at(5), &ANY), Some(other));
}

#[test]
fn what_failed_goes_by_its_age_when_it_is_due_and_holds_up_nobody_before() {
    let db = table();
    let old = new_job(&db, &of("news", 0, 0), at(0));
    let lease = take(&db, at(0));
    let report = Report::default();
    let again = (at(30), Count::Yes);
    outcome::again(&db, &lease, again, ("transient", &report), at(1)).unwrap();
    let younger: Vec<_> = (1..9)
        .map(|number| new_job(&db, &of("news", 0, number), at(number)))
        .collect();
    assert_eq!(claimed(&db, at(29), &ANY), Some(younger[0]));
    assert_eq!(claimed(&db, at(30), &ANY), Some(old));
    assert_eq!(claimed(&db, at(30), &ANY), Some(younger[1]));
}

#[test]
fn a_bumped_job_is_next_whatever_its_watch_and_its_wait() {
    let db = table();
    let first = new_job(&db, &of("news", 0, 0), at(0));
    let report = Report::default();
    let later = (at(900), Count::Yes);
    outcome::again(&db, &take(&db, at(0)), later, ("transient", &report), at(1)).unwrap();
    let low = new_job(&db, &of("archive", -100, 1), at(1));
    new_job(&db, &of("urgent", 100, 2), at(2));
    for id in [first, low] {
        let answer = bump(&db, id, at(3));
        assert_eq!(
            answer,
            Answer::Done(format!("job {id} is at the front now"))
        );
    }
    assert_eq!(job(&db, first).attempts, 1, "its tries are not forgotten");
    assert_eq!(claimed(&db, at(4), &ANY), Some(low), "the later bump");
    assert_eq!(claimed(&db, at(4), &ANY), Some(first));
    assert_eq!(claimed(&db, at(4), &ANY), Some(JobId(3)));
    assert_eq!(
        bump(&db, low, at(5)),
        Answer::Refused(format!("job {low} is already running"))
    );
}

#[test]
fn a_bump_says_what_keeps_the_job_waiting_all_the_same() {
    let db = table();
    let id = new_job(&db, &of("news", 0, 0), at(5));
    accounts::pause(
        &db,
        "main",
        (Cause::Refused(Need::Credentials), "bad key"),
        (at(10), at(5)),
    )
    .unwrap();
    let Answer::Done(text) = bump(&db, id, at(6)) else {
        panic!("it waits, and may be bumped");
    };
    assert!(
        text.ends_with("account main, which is paused, works again"),
        "{text}"
    );
    accounts::resume(&db, "main", at(6)).unwrap();
    let other = new_job(&db, &of("news", 0, 1), at(6));
    db.execute_batch(
        "UPDATE jobs SET waits_for = 2, run_at = '2030-01-01T00:00:00.000Z' WHERE id = 1",
    )
    .unwrap();
    let Answer::Done(text) = bump(&db, id, at(7)) else {
        panic!("it waits, and may be bumped");
    };
    assert!(text.contains("continues when job 2 ends"), "{text}");
    assert_eq!(claimed(&db, at(8), &ANY), Some(other));
    assert_eq!(claimed(&db, at(8), &ANY), None, "it is not asked before");
}

#[test]
fn a_changed_priority_is_taken_over_but_not_by_what_was_bumped() {
    let db = table();
    let bumped = new_job(&db, &of("news", 0, 0), at(0));
    new_job(&db, &of("news", 0, 1), at(1));
    let other = new_job(&db, &of("sport", 3, 2), at(2));
    bump(&db, bumped, at(3));
    let to = [("news".to_owned(), 5), ("gone".to_owned(), 9)];
    assert_eq!(priority::follow_priorities(&db, &to).unwrap(), 1);
    assert_eq!(priority::follow_priorities(&db, &to).unwrap(), 0);
    let now = [bumped, JobId(2), other].map(|id| job(&db, id).priority);
    assert_eq!(now, [1000, 5, 3]);
    // A file that is moved into another watch takes that one's, unless it was bumped.
    for (id, number, priority) in [(bumped, 0, 1000), (JobId(2), 1, 8)] {
        let old = format!("/news/{number}.mp4");
        let new = of("film", 8, number);
        moved(&db, (id, Path::new(&old)), &new, at(4)).unwrap();
        let moved = job(&db, id);
        assert_eq!((moved.priority, moved.watch.as_str()), (priority, "film"));
    }
}

#[test]
fn a_clip_goes_beside_the_feature_films_that_fill_its_account() {
    let db = table();
    let terms = claim::Terms {
        at_once: [("main".to_owned(), 2.try_into().unwrap())].into(),
        only_small: false,
    };
    for number in 0..3 {
        new_job(&db, &large("films", number), at(number));
    }
    let films: Vec<_> = (0..2)
        .map(|_| claim::claim(&db, at(5), &terms).unwrap().unwrap())
        .collect();
    assert_eq!(claimed(&db, at(5), &terms), None, "the third film waits");
    let clips: Vec<_> = (3..5)
        .map(|number| new_job(&db, &of("films", 0, number), at(number)))
        .collect();
    assert_eq!(claim::next_due(&db, &terms).unwrap(), Some(at(3)));
    let clip = claim::claim(&db, at(6), &terms).unwrap().unwrap();
    assert_eq!(clip.job.id, clips[0]);
    assert_eq!(claimed(&db, at(6), &terms), None, "one at a time");
    assert_eq!(claim::next_due(&db, &terms).unwrap(), None);
    // A film ends: the clip has its place now, which is short enough to wait for.
    upload(&db, &films[0], "one", at(7));
    assert_eq!(claimed(&db, at(7), &terms), None);
    upload(&db, &clip, "two", at(8));
    assert_eq!(claimed(&db, at(8), &terms), Some(JobId(3)), "the oldest");
    assert_eq!(claimed(&db, at(8), &terms), Some(clips[1]));
    // An account on probation gets no lane: one job may try.
    accounts::pause(
        &db,
        "main",
        (Cause::Refused(Need::Credentials), "quota"),
        (at(9), at(9)),
    )
    .unwrap();
    accounts::probation(&db, "main").unwrap();
    new_job(&db, &of("films", 0, 9), at(9));
    assert_eq!(claimed(&db, at(10), &terms), None);
}

#[test]
fn the_table_and_the_program_agree_on_what_is_large() {
    let db = table();
    let mut below = large("films", 0);
    below.identity.size -= 1;
    new_job(&db, &below, at(0));
    new_job(&db, &large("films", 1), at(0));
    let large = "SELECT group_concat(is_large) FROM (SELECT is_large FROM jobs ORDER BY id)";
    assert_eq!(value(&db, large), Value::from("0,1".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two watches with endless work: no matter which job ends, their shares stay within one.
    #[test]
    fn shares_stay_within_one(places in 1..6_usize, ends in prop::collection::vec(any::<Index>(), 0..40)) {
        let db = table();
        for number in 0..60 {
            // The backlog of one is far older.
            new_job(&db, &of("archive", 0, number), at(number));
            new_job(&db, &of("news", 0, 1000 + number), at(1000 + number));
        }
        let mut running: Vec<Lease> = (0..places).map(|_| take(&db, at(2000))).collect();
        let mut had: HashMap<String, i64> = HashMap::new();
        let balance = |running: &[Lease]| {
            let news = running.iter().filter(|lease| lease.job.watch == "news").count();
            news.abs_diff(running.len() - news)
        };
        prop_assert!(balance(&running) <= 1);
        for (number, end) in ends.into_iter().enumerate() {
            let lease = running.remove(end.index(running.len()));
            upload(&db, &lease, &format!("key{number}"), at(2001));
            let next = take(&db, at(2001));
            *had.entry(next.job.watch.clone()).or_default() += 1;
            running.push(next);
            prop_assert!(balance(&running) <= 1);
            if places == 1 {
                let of = |watch: &str| had.get(watch).copied().unwrap_or_default();
                prop_assert!(of("archive").abs_diff(of("news")) <= 1);
            }
        }
    }

    /// What the line tells people is what the claims do.
    #[test]
    fn the_line_is_the_order_of_the_claims(
        jobs in prop::collection::vec((0..3_usize, 0..2_i64, 0..20_i64), 1..30),
        running in 0..8_usize,
    ) {
        let db = table();
        for (number, (watch, priority, created)) in (0..).zip(&jobs) {
            let watch = ["news", "sport", "film"][*watch];
            new_job(&db, &of(watch, *priority, number), at(*created));
        }
        for _ in 0..running {
            claim::claim(&db, at(20), &ANY).unwrap();
        }
        // One was put off, and is due again.
        db.execute("UPDATE jobs SET run_at = ?1 WHERE state = 'queued' AND id % 4 = 0", [crate::clock::text(at(25))]).unwrap();
        let line = claim::list_due(&db, at(30)).unwrap();
        for (ahead, id) in line.iter().enumerate() {
            prop_assert_eq!(claim::ahead(&db, &job(&db, *id), at(30)).unwrap(), Some(ahead));
        }
        let taken: Vec<_> = std::iter::from_fn(|| claimed(&db, at(30), &ANY)).collect();
        prop_assert_eq!(&line, &taken);
        for id in taken {
            let job = job(&db, id);
            prop_assert_eq!(job.state, State::Running);
            prop_assert_eq!(claim::ahead(&db, &job, at(30)).unwrap(), None);
        }
    }
}
