//! Jobs with the same content: one is uploaded, the others wait for it or point to it, and none is
//! lost when it fails.

use std::collections::BTreeSet;

use super::sent::loss;
use super::*;
use crate::queue::State;
use crate::queue::confirm::{self, Facts};
use crate::queue::copies::{self, Others};
use crate::queue::operator::Answer;
use crate::queue::sent::{self, Became};

const CONTENT: &str = "1:aa";
/// Far behind every other moment.
const LATE: i64 = 1_000_000;

/// Jobs of as many files with the same size.
fn files(db: &Connection, count: i64) -> Vec<JobId> {
    let made = (1..=count).map(|n| new_job(db, &file(format!("/w/{n}.mp4"), n), at(n)));
    made.collect()
}

fn look(db: &Connection, lease: &Lease, content: &str) -> Others {
    copies::look(db, lease, content, &BTreeSet::new(), at(0)).unwrap()
}

fn arrived(others: &Others) -> Vec<JobId> {
    others.arrived.iter().map(|original| original.id).collect()
}

/// The identify step of a worker that finds every copy to be one; whether it has to upload.
fn identify(db: &Connection, lease: &Lease, now: Timestamp) -> bool {
    let others = look(db, lease, CONTENT);
    match (others.arrived.first(), others.under_way) {
        (Some(original), _) if original.is_unconfirmed => {
            assert!(copies::wait_for_ready(db, lease, (original.id, at(LATE)), now).unwrap());
            false
        }
        (Some(original), _) => {
            assert!(copies::duplicate(db, lease, original.id, now).unwrap());
            false
        }
        (None, Some(other)) => {
            copies::wait(db, lease, (other, at(LATE)), now).unwrap();
            false
        }
        (None, None) => true,
    }
}

fn ready(db: &Connection, id: JobId, is_good: bool, now: Timestamp) {
    let waiting = confirm::waiting(db, "main").unwrap();
    let waiting = waiting.iter().find(|waiting| waiting.id == id).unwrap();
    let facts = Facts::default();
    if is_good {
        assert!(confirm::ready(db, waiting, &facts, now).unwrap());
    } else {
        assert!(confirm::failed(db, waiting, &facts, (&Report::said("no video"), now)).unwrap());
    }
}

fn states(db: &Connection) -> Vec<State> {
    let count = number(db, "SELECT count(*) FROM jobs");
    (1..=count).map(|id| job(db, JobId(id)).state).collect()
}

#[test]
fn the_second_of_two_waits_for_the_first() {
    let db = table();
    let ids = files(&db, 2);
    let first = take(&db, at(10));
    assert!(identify(&db, &first, at(10)));
    let second = take(&db, at(10));
    assert!(!identify(&db, &second, at(11)));
    let waiting = job(&db, ids[1]);
    assert_eq!((waiting.state, waiting.attempts), (State::Queued, 0));
    assert_eq!((waiting.waits_for, waiting.run_at), (Some(1), at(LATE)));
    let said = waiting.last_error.unwrap();
    assert!(said.starts_with("waits for job 1, which"), "{said}");
    assert!(claim::claim(&db, at(20), &ANY).unwrap().is_none());
    upload(&db, &first, "k1", at(21));
    let freed = job(&db, ids[1]);
    assert_eq!((freed.waits_for, freed.last_error), (None, None));
}

#[test]
fn a_copy_of_what_is_not_ready_waits_for_it_and_then_becomes_its_duplicate() {
    let db = table();
    let ids = files(&db, 2);
    let first = take(&db, at(10));
    assert!(identify(&db, &first, at(10)));
    upload(&db, &first, "k1", at(21));
    // Its bytes are there, and it is not ready: it is not known yet whether they are a video.
    let second = take(&db, at(22));
    assert!(!copies::duplicate(&db, &second, ids[0], at(22)).unwrap());
    assert!(!identify(&db, &second, at(22)));
    let waiting = job(&db, ids[1]);
    assert_eq!((waiting.state, waiting.waits_for), (State::Queued, Some(1)));
    let said = waiting.last_error.unwrap();
    assert!(said.contains("is uploaded, but not ready"), "{said}");
    ready(&db, ids[0], true, at(23));
    assert_eq!(job(&db, ids[1]).waits_for, None);
    let second = take(&db, at(24));
    assert!(!copies::wait_for_ready(&db, &second, (ids[0], at(LATE)), at(24)).unwrap());
    assert!(!identify(&db, &second, at(24)));
    let copy = job(&db, ids[1]);
    assert_eq!((copy.state, copy.duplicate_of), (State::Duplicate, Some(1)));
    assert_eq!((copy.video_key, copy.finished_at), (None, Some(at(24))));
    let tries = crate::queue::query::attempts(&db, ids[1]).unwrap();
    assert!(tries.iter().all(|attempt| attempt.outcome.is_some()));
    assert_eq!(states(&db), [State::Done, State::Duplicate]);
}

#[test]
fn only_the_same_content_in_the_same_account_counts() {
    let db = table();
    files(&db, 2);
    let other = NewJob {
        account: "other".to_owned(),
        ..file("/w/other.mp4", 3)
    };
    new_job(&db, &other, at(3));
    let mut larger = file("/w/larger.mp4", 4);
    larger.identity.size += 1;
    new_job(&db, &larger, at(4));
    let first = take(&db, at(10));
    assert!(identify(&db, &first, at(10)));
    upload(&db, &first, "k1", at(11));
    let second = take(&db, at(10));
    assert!(arrived(&look(&db, &second, "1:bb")).is_empty());
    assert_eq!(arrived(&look(&db, &second, CONTENT)), [JobId(1)]);
    let ruled_out = BTreeSet::from([JobId(1)]);
    let others = copies::look(&db, &second, CONTENT, &ruled_out, at(0)).unwrap();
    assert!(others.arrived.is_empty() && others.under_way.is_none());
    for _ in 3..=4 {
        let lease = take(&db, at(10));
        assert!(identify(&db, &lease, at(12)), "{:?}", lease.job.path);
    }
}

#[test]
fn jobs_of_before_are_found_by_their_size_and_sum() {
    let db = table();
    files(&db, 3);
    let first = take(&db, at(10));
    upload(&db, &first, "k1", at(11));
    let second = take(&db, at(10));
    create_video(&db, &second, "k2", at(11));
    ticket::last_byte(&db, &second, at(11)).unwrap();
    outcome::transferred(
        &db,
        &second,
        Some("aa"),
        at(11),
        (&Report::default(), at(11)),
    )
    .unwrap();
    let third = take(&db, at(10));
    let others = look(&db, &third, CONTENT);
    // The first has no sum to compare with.
    assert_eq!(arrived(&others), [JobId(2)]);
    assert!(!others.arrived[0].has_fingerprint);
    assert_eq!(others.arrived[0].md5.as_deref(), Some("aa"));
}

#[test]
fn who_waits_goes_on_however_the_other_ends() {
    type End = fn(&Connection, &Lease);
    let ends: [(&str, End); 5] = [
        ("cancelled by hand", |db, lease| {
            operator::cancel(db, lease.job.id, at(20)).unwrap();
        }),
        ("failed", |db, lease| {
            outcome::failed(db, lease, &Report::default(), at(20)).unwrap();
        }),
        ("its file changed", |db, lease| {
            outcome::superseded(db, lease, &Report::default(), at(20)).unwrap();
        }),
        ("its file went away", |db, lease| {
            outcome::vanished(db, lease, &Report::default(), at(20)).unwrap();
        }),
        ("a person with sqlite3", |db, _| {
            db.execute_batch(
                "UPDATE jobs SET state = 'cancelled', finished_at = run_at, lease_id = NULL, lease_until = NULL WHERE id = 1",
            )
            .unwrap();
        }),
    ];
    for (how, end) in ends {
        let db = table();
        files(&db, 3);
        let first = take(&db, at(10));
        assert!(identify(&db, &first, at(10)));
        for _ in 2..=3 {
            assert!(!identify(&db, &take(&db, at(10)), at(11)));
        }
        end(&db, &first);
        let second = take(&db, at(21));
        assert_eq!(second.job.id, JobId(2), "{how}");
        assert!(
            identify(&db, &second, at(21)),
            "{how}: it is uploaded itself"
        );
        let third = take(&db, at(21));
        assert!(!identify(&db, &third, at(21)));
        assert_eq!(job(&db, JobId(3)).waits_for, Some(2), "{how}");
    }
}

#[test]
fn copies_are_uploaded_themselves_when_their_original_fails() {
    let db = table();
    let ids = files(&db, 3);
    let first = take(&db, at(10));
    assert!(identify(&db, &first, at(10)));
    upload(&db, &first, "k1", at(10));
    for _ in 2..=3 {
        assert!(!identify(&db, &take(&db, at(10)), at(11)));
    }
    ready(&db, ids[0], false, at(12));
    let back = job(&db, ids[1]);
    assert_eq!((back.state, back.waits_for), (State::Queued, None));
    // Each in its turn, and then it is over: no job is woken twice by the same end.
    for (n, key) in [(2, "k2"), (3, "k3")] {
        let lease = take(&db, at(20));
        assert_eq!(lease.job.id, JobId(n));
        assert!(identify(&db, &lease, at(20)));
        upload(&db, &lease, key, at(20));
        for _ in n..3 {
            assert!(!identify(&db, &take(&db, at(20)), at(20)));
        }
        ready(&db, JobId(n), false, at(21));
    }
    assert_eq!(states(&db), [State::Failed; 3]);
    assert!(claim::claim(&db, at(LATE), &ANY).unwrap().is_none());
}

#[test]
fn a_duplicate_points_to_the_job_that_has_the_video() {
    let db = table();
    let ids = files(&db, 3);
    let first = take(&db, at(10));
    assert!(identify(&db, &first, at(10)));
    upload(&db, &first, "k1", at(10));
    ready(&db, ids[0], true, at(10));
    assert!(!identify(&db, &take(&db, at(10)), at(11)));
    // The third is uploaded by hand, and the platform lost the first.
    let third = take(&db, at(13));
    copies::note(&db, &third, CONTENT).unwrap();
    upload(&db, &third, "k3", at(13));
    ready(&db, ids[2], true, at(14));
    let became = sent::lost(&db, ids[0], &loss("k1", &[]), at(15)).unwrap();
    assert_eq!(became, Became::Queued);
    assert_eq!(job(&db, ids[1]).duplicate_of, Some(1));
    assert!(!identify(&db, &take(&db, at(60)), at(60)));
    assert_eq!(job(&db, ids[0]).duplicate_of, Some(3));
    assert_eq!(job(&db, ids[1]).duplicate_of, Some(3));
}

#[test]
fn a_job_whose_video_got_other_content_is_nobody_s_original() {
    let db = table();
    let ids = files(&db, 3);
    let first = take(&db, at(10));
    assert!(identify(&db, &first, at(10)));
    upload(&db, &first, "k1", at(10));
    ready(&db, ids[0], true, at(11));
    assert!(!identify(&db, &take(&db, at(10)), at(11)));
    let third = take(&db, at(12));
    copies::note(&db, &third, "1:bb").unwrap();
    db.execute_batch("UPDATE jobs SET replaces = 1 WHERE id = 3")
        .unwrap();
    assert_eq!(job(&db, ids[1]).state, State::Duplicate);
    upload(&db, &third, "k1", at(13));
    let back = take(&db, at(14));
    assert_eq!(back.job.id, ids[1]);
    assert!(!copies::duplicate(&db, &back, ids[0], at(14)).unwrap());
    assert!(
        identify(&db, &back, at(14)),
        "its content is not uploaded any more"
    );
}

#[test]
fn a_retry_by_hand_makes_a_video_of_a_copy() {
    let db = table();
    let ids = files(&db, 3);
    let first = take(&db, at(10));
    assert!(identify(&db, &first, at(10)));
    assert!(!identify(&db, &take(&db, at(10)), at(10)));
    let done = |id| match operator::retry(&db, id, at(15)).unwrap() {
        Answer::Done(text) => assert!(text.contains("a video of its own"), "{text}"),
        Answer::Refused(text) => panic!("{text}"),
    };
    done(ids[1]);
    let waiting = job(&db, ids[1]);
    assert_eq!((waiting.waits_for, waiting.by_hand), (None, true));
    upload(&db, &first, "k1", at(16));
    let third = take(&db, at(14));
    assert!(!identify(&db, &third, at(16)));
    done(ids[2]);
    let copy = job(&db, ids[2]);
    assert_eq!((copy.state, copy.duplicate_of), (State::Queued, None));
    assert!(copy.by_hand && copy.run_at == at(15));
}

#[test]
fn a_job_that_waits_can_be_cancelled() {
    let db = table();
    let ids = files(&db, 2);
    let first = take(&db, at(10));
    assert!(identify(&db, &first, at(10)));
    assert!(!identify(&db, &take(&db, at(10)), at(10)));
    assert!(matches!(
        operator::cancel(&db, ids[1], at(11)).unwrap(),
        Answer::Done(_)
    ));
    let cancelled = job(&db, ids[1]);
    assert_eq!(
        (cancelled.state, cancelled.waits_for),
        (State::Cancelled, None)
    );
    upload(&db, &first, "k1", at(12));
    assert_eq!(job(&db, ids[1]).state, State::Cancelled);
}

#[test]
fn a_job_that_has_nothing_on_the_platform_is_not_waited_for() {
    let db = table();
    files(&db, 2);
    let first = take(&db, at(10));
    assert!(identify(&db, &first, at(10)));
    let put_off = (at(50), outcome::Count::Yes);
    let report = Report::default();
    outcome::again(&db, &first, put_off, ("transient", &report), at(11)).unwrap();
    let second = take(&db, at(12));
    assert!(
        identify(&db, &second, at(12)),
        "its disk may be away for days"
    );
    let first = take(&db, at(60));
    assert!(
        !identify(&db, &first, at(60)),
        "and looks when its turn comes"
    );
    assert_eq!(job(&db, JobId(1)).waits_for, Some(2));
    // But once its create call may have made a video, it is.
    outcome::begin(&db, &second, Step::Create, at(61)).unwrap();
    outcome::create_begins(&db, &second, ("s3", "it fits"), at(61)).unwrap();
    outcome::again(
        &db,
        &second,
        (at(70), outcome::Count::Yes),
        ("ambiguous", &report),
        at(62),
    )
    .unwrap();
    operator::cancel(&db, JobId(1), at(63)).unwrap();
    let third = new_job(&db, &file("/w/3.mp4", 3), at(64));
    assert!(!identify(&db, &take(&db, at(65)), at(65)));
    assert_eq!(job(&db, third).waits_for, Some(2));
}

#[test]
fn copies_are_found_by_an_index() {
    let db = table();
    files(&db, 300);
    let first = take(&db, at(500));
    assert!(identify(&db, &first, at(500)));
    for analysed in [false, true] {
        if analysed {
            db.execute_batch("ANALYZE").unwrap();
        }
        let plan = schema::plans(&db, |db| drop(look(db, &first, CONTENT)));
        assert!(
            plan.contains("jobs_by_fingerprint (account=? AND size=? AND fingerprint=?)"),
            "{plan}"
        );
        assert!(
            plan.contains("jobs_by_size (account=? AND size=?)"),
            "{plan}"
        );
        assert!(!plan.contains("SCAN jobs"), "{plan}");
    }
    let woken = [
        (
            "UPDATE jobs SET run_at = run_at WHERE waits_for = 1",
            "jobs_waiters (waits_for=?)",
        ),
        (
            "UPDATE jobs SET run_at = run_at WHERE duplicate_of = 1",
            "jobs_duplicates (duplicate_of=?)",
        ),
        (
            "UPDATE jobs SET run_at = run_at WHERE replaced_by = 1",
            "jobs_replaced_by (replaced_by=?)",
        ),
        (
            "UPDATE jobs SET run_at = run_at WHERE video_key = 'x'",
            "jobs_by_video (video_key=?)",
        ),
    ];
    for (sql, index) in woken {
        let plan = schema::plan_of(&db, sql);
        assert!(plan.contains(index), "{plan}");
    }
}

/// Neither a yes nor a no is waited for some times, and then the job is uploaded itself and says why, once.
#[test]
fn a_proof_that_never_comes_is_not_waited_for_without_end() {
    let db = table();
    let ids = files(&db, 2);
    upload(&db, &take(&db, at(10)), "k1", at(10));
    ready(&db, ids[0], true, at(11));
    let mut waits = Vec::new();
    for round in 0..6 {
        let lease = take(&db, at(20 + round));
        outcome::begin(&db, &lease, Step::Create, at(20 + round)).unwrap();
        let now = at(20 + round);
        let words = copies::Words {
            advice: crate::queue::Advice::UploadBoth,
            waits: "waits for job 1".to_owned(),
            gives_up: "job 1 (so)".to_owned(),
        };
        let waiting = copies::wait_for_proof(&db, &lease, (ids[0], now, 3), (&words, now)).unwrap();
        waits.push(waiting);
        if !waiting {
            let park = ("parked", &Report::default());
            outcome::again(&db, &lease, (now, outcome::Count::No), park, now).unwrap();
        }
    }
    assert_eq!(waits, [true, true, true, false, false, false]);
    let said = "SELECT count(*) FROM attempts WHERE message LIKE 'uploaded as a video of its own: job 1 %(so)'";
    assert_eq!(number(&db, said), 1);
}
