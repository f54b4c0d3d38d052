//! Jobs whose bytes the platform fetches: from the first step to the last at once, and back.

use super::*;
use crate::queue::confirm::{self, Facts};
use crate::queue::operator::{Answer, cancel};
use crate::queue::outcome::Count;
use crate::queue::{State, fetch, withdraw};

/// Takes a job to the point where the platform fetches it.
fn ask(db: &Connection, lease: &Lease, key: &str, now: Timestamp) {
    outcome::begin(db, lease, Step::Create, now).unwrap();
    fetch::summed(db, lease, "0cc175b9c0f1b6a831c399e269772661").unwrap();
    outcome::create_begins(db, lease, ("fetch", "it is a link"), now).unwrap();
    fetch::asked(db, lease, key, (now, now)).unwrap();
}

fn waiting(db: &Connection) -> confirm::Waiting {
    confirm::waiting(db, "main").unwrap().remove(0)
}

#[test]
fn a_fetch_leaves_no_ticket_and_its_failures_age() {
    let db = table();
    let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
    ask(&db, &take(&db, at(1)), "first", at(1));
    assert_eq!(number(&db, "SELECT count(*) FROM tickets"), 0);
    assert_eq!(fetch::in_vain(&db, id).unwrap(), None);
    let look = waiting(&db);
    assert_eq!(look.way, Some(crate::way::Way::Fetch));
    assert_eq!((look.attempts, look.failing_since), (1, None));
    assert!(look.md5.is_some() && look.identity == file("/w/a.mp4", 1).identity);

    let outcome = (fetch::FAILED, &Report::said("no answer"));
    confirm::start_over(&db, &look, (at(30), Count::Yes), outcome, at(20)).unwrap();
    let gone = withdraw::due(&db, at(20)).unwrap().unwrap();
    assert_eq!(gone.video_key.as_deref(), Some("first"));
    assert_eq!(job(&db, id).md5, None, "its sum is computed again");
    assert_eq!(
        fetch::in_vain(&db, id).unwrap().as_deref(),
        Some("no answer")
    );
    // That the platform takes the next order is no progress: the time of failing continues until it
    // is ready.
    ask(&db, &take(&db, at(30)), "second", at(31));
    let look = waiting(&db);
    assert_eq!((look.attempts, look.failing_since), (2, Some(at(20))));
    assert!(confirm::ready(&db, &look, &Facts::default(), at(40)).unwrap());
    assert_eq!(job(&db, id).failing_since, None);
}

#[test]
fn a_failure_that_does_not_count_lets_the_next_try_fetch_again() {
    let db = table();
    let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
    ask(&db, &take(&db, at(1)), "first", at(1));
    let outcome = ("blocked", &Report::said("no room"));
    confirm::start_over(&db, &waiting(&db), (at(9), Count::No), outcome, at(2)).unwrap();
    assert_eq!(job(&db, id).failing_since, None);
    assert_eq!(fetch::in_vain(&db, id).unwrap(), None);
}

#[test]
fn whoever_lost_the_lease_orders_nothing() {
    let db = table();
    let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
    let lease = take(&db, at(1));
    cancel(&db, id, at(2)).unwrap();
    let before = dump(&db);
    assert!(fetch::summed(&db, &lease, "00").is_err());
    assert!(fetch::asked(&db, &lease, "key", (at(3), at(3))).is_err());
    assert_eq!(dump(&db), before);
}

#[test]
fn a_fetch_under_way_is_withdrawn_when_it_is_cancelled() {
    let db = table();
    let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
    ask(&db, &take(&db, at(1)), "first", at(1));
    assert!(matches!(cancel(&db, id, at(2)).unwrap(), Answer::Done(_)));
    let cancelled = job(&db, id);
    assert_eq!(
        (cancelled.state, cancelled.step),
        (State::Cancelled, Step::Create)
    );
    let gone = withdraw::due(&db, at(2)).unwrap().unwrap();
    assert_eq!(gone.video_key.as_deref(), Some("first"));
}
