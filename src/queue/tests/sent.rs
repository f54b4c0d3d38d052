//! A job that is done and whose video turns out not to be there: it starts over once, is held, or ends; and
//! its copies follow.

use super::*;
use crate::queue::State;
use crate::queue::confirm::{self, Facts};
use crate::queue::copies;
use crate::queue::restored;
use crate::queue::sent::{self, Became, Lack, Loss};
use crate::queue::withdraw::{self, TakenBack};

pub(super) fn loss<'a>(video_key: &'a str, holding: &'a [String]) -> Loss<'a> {
    Loss {
        video_key,
        why: "video k1 was deleted on the platform",
        lack: Lack::Gone,
        is_displaced: false,
        holding,
    }
}

/// One job that is done with video `k1`, and one that is its copy.
pub(super) fn done_with_copy(db: &Connection) -> (JobId, JobId) {
    let first = new_job(db, &file("/w/1.mp4", 1), at(1));
    let second = new_job(db, &file("/w/2.mp4", 2), at(2));
    let lease = take(db, at(10));
    copies::note(db, &lease, "1:aa").unwrap();
    upload(db, &lease, "k1", at(10));
    let waiting = confirm::waiting(db, "main").unwrap().remove(0);
    let facts = Facts {
        updated: Some(5),
        ..Facts::default()
    };
    assert!(confirm::ready(db, &waiting, &facts, at(11)).unwrap());
    let lease = take(db, at(12));
    assert!(copies::duplicate(db, &lease, first, at(12)).unwrap());
    (first, second)
}

/// The job was tried again, and a worker is about to find that its file has gone: the video that is about to be
/// withdrawn is the only copy then.
#[test]
fn a_video_is_kept_while_a_worker_looks_for_the_file_of_its_job() {
    let db = table();
    let id = new_job(&db, &file("/w/1.mp4", 1), at(1));
    upload(&db, &take(&db, at(2)), "k1", at(2));
    let waiting = confirm::waiting(&db, "main").unwrap().remove(0);
    let facts = Facts {
        status: "failed".to_owned(),
        ..Facts::default()
    };
    confirm::failed(&db, &waiting, &facts, (&Report::said("no"), at(3))).unwrap();
    operator::retry(&db, id, at(4)).unwrap();
    let withdrawal = withdraw::due(&db, at(5)).unwrap().expect("one is due");
    let lease = take(&db, at(5));
    let take_back = || withdraw::take_back(&db, &withdrawal, "k1", at(6)).unwrap();
    assert_eq!(take_back(), TakenBack::Later);
    let gone = Report::default();
    outcome::vanished(&db, &lease, &gone, at(7)).unwrap();
    assert_eq!(take_back(), TakenBack::Yes);
    assert_eq!(job(&db, id).video_key.as_deref(), Some("k1"));
    assert_eq!(take_back(), TakenBack::No, "it has its video");
}

fn withdrawn(db: &Connection) -> i64 {
    number(db, "SELECT count(*) FROM withdrawals")
}

#[test]
fn a_lost_video_is_made_again_once_and_its_copies_wait_for_it() {
    let db = table();
    let (first, copy) = done_with_copy(&db);
    let before = job(&db, first);
    assert_eq!(
        sent::of(&db, first).unwrap().unwrap().changed_there,
        Some(5)
    );
    let lost = |at| sent::lost(&db, first, &loss("k1", &[]), at).unwrap();
    assert_eq!(lost(at(20)), Became::Queued);
    let after = job(&db, first);
    assert_eq!(
        (after.state, after.video_key.as_deref()),
        (State::Queued, None)
    );
    assert_ne!(after.ingest_id, before.ingest_id);
    assert_eq!((after.run_at, after.attempts), (at(20), 0));
    let said = after.last_error.unwrap();
    assert_eq!(
        said,
        "video k1 was deleted on the platform: the file is uploaded again"
    );
    assert_eq!(job(&db, copy).duplicate_of, Some(first.0));
    // As after a kill that left the answer open: nothing happens a second time.
    assert_eq!(lost(at(21)), Became::Nothing);
    assert_eq!(job(&db, first).ingest_id, after.ingest_id);
    assert_eq!(sent::of(&db, first).unwrap().unwrap().changed_there, None);
    assert_eq!(withdrawn(&db), 0, "there is nothing to withdraw");
}

/// It may be a person's: only a create call of this table makes a video one of ours.
#[test]
fn a_video_that_was_found_on_the_platform_is_never_withdrawn() {
    type End = fn(&Connection, JobId);
    let waiting = |db: &Connection| confirm::waiting(db, "main").unwrap().remove(0);
    let ends: [End; 3] = [
        |db, _| {
            let waiting = confirm::waiting(db, "main").unwrap().remove(0);
            let why = ("mismatch", &Report::said("other bytes"));
            let again = (at(9), outcome::Count::Yes);
            confirm::start_over(db, &waiting, again, why, at(3)).unwrap();
        },
        |db, id| {
            let waiting = confirm::waiting(db, "main").unwrap().remove(0);
            let facts = Facts {
                status: "failed".to_owned(),
                ..Facts::default()
            };
            confirm::failed(db, &waiting, &facts, (&Report::said("no"), at(3))).unwrap();
            operator::retry(db, id, at(4)).unwrap();
        },
        |db, id| {
            let waiting = confirm::waiting(db, "main").unwrap().remove(0);
            assert!(confirm::ready(db, &waiting, &Facts::default(), at(3)).unwrap());
            let failed = Loss {
                lack: Lack::Failed,
                ..loss("k1", &[])
            };
            assert_eq!(sent::lost(db, id, &failed, at(4)).unwrap(), Became::Queued);
        },
    ];
    for end in ends {
        let db = table();
        let id = new_job(&db, &file("/w/1.mp4", 1), at(1));
        let lease = take(&db, at(2));
        outcome::begin(&db, &lease, Step::Create, at(2)).unwrap();
        let found = ("k1", Some("another mark"), "0123");
        assert!(restored::found(&db, &lease, found, at(2)).unwrap());
        assert_eq!(waiting(&db).video_key, "k1");
        end(&db, id);
        let job = job(&db, id);
        assert_eq!((job.step, job.video_key), (Step::Create, None));
        assert_eq!(withdrawn(&db), 0);
    }
}

#[test]
fn a_failed_video_is_withdrawn() {
    let db = table();
    let (first, _) = done_with_copy(&db);
    let failed = Loss {
        lack: Lack::Failed,
        ..loss("k1", &[])
    };
    sent::lost(&db, first, &failed, at(20)).unwrap();
    assert_eq!(withdrawn(&db), 1);
}

#[test]
fn a_wrongly_fetched_video_goes_only_where_the_file_is_uploaded_again() {
    for (holding, expected) in [(vec![], 1), (vec!["news".to_owned()], 0)] {
        let db = table();
        let (first, _) = done_with_copy(&db);
        let misfetched = Loss {
            lack: Lack::Misfetched,
            ..loss("k1", &holding)
        };
        sent::lost(&db, first, &misfetched, at(20)).unwrap();
        assert_eq!(withdrawn(&db), expected, "{holding:?}");
    }
}

#[test]
fn where_the_watch_holds_a_person_decides_about_the_copies_too() {
    let db = table();
    let (first, copy) = done_with_copy(&db);
    let holding = ["news".to_owned()];
    assert_eq!(
        sent::lost(&db, first, &loss("k1", &holding), at(20)).unwrap(),
        Became::Held
    );
    for id in [first, copy] {
        let held = job(&db, id);
        assert_eq!((held.state, held.held), (State::Failed, true));
        let said = held.last_error.unwrap();
        assert!(
            said.starts_with("held: video k1") && said.contains(&format!("retry {id}")),
            "{said}"
        );
    }
    assert!(claim::claim(&db, at(30), &ANY).unwrap().is_none());
}

#[test]
fn other_content_twice_is_for_a_person() {
    let db = table();
    let (first, _) = done_with_copy(&db);
    let differs = Loss {
        lack: Lack::OtherBytes,
        ..loss("k1", &[])
    };
    assert_eq!(
        sent::lost(&db, first, &differs, at(20)).unwrap(),
        Became::Queued
    );
    let lease = take(&db, at(21));
    upload(&db, &lease, "k2", at(21));
    let waiting = confirm::waiting(&db, "main").unwrap().remove(0);
    confirm::ready(&db, &waiting, &Facts::default(), at(22)).unwrap();
    let differs = Loss {
        video_key: "k2",
        ..differs
    };
    assert_eq!(
        sent::lost(&db, first, &differs, at(23)).unwrap(),
        Became::Held
    );
}

#[test]
fn a_job_whose_file_is_not_in_the_folder_ends_and_its_copies_are_uploaded() {
    let by_move = "INSERT OR REPLACE INTO afterwards (job_id, action, outcome, done_at, moved_to)
                   VALUES (1, 'move', 'moved to /up/1.mp4', '2027-01-15T08:00:00.000Z', '/up/1.mp4')";
    for (sql, is_displaced) in [(by_move, false), ("", true)] {
        let db = table();
        let (first, copy) = done_with_copy(&db);
        db.execute_batch(sql).unwrap();
        let loss = Loss {
            is_displaced,
            ..loss("k1", &[])
        };
        assert_eq!(
            sent::lost(&db, first, &loss, at(20)).unwrap(),
            Became::Ended
        );
        let ended = job(&db, first);
        assert!(ended.superseded && ended.state == State::Failed);
        let said = ended.last_error.unwrap();
        assert_eq!(said.contains("/up/1.mp4"), !is_displaced, "{said}");
        let copy = job(&db, copy);
        assert_eq!((copy.state, copy.duplicate_of), (State::Queued, None));
    }
}

#[test]
fn only_our_own_change_of_a_video_passes_for_one() {
    let db = table();
    let (first, _) = done_with_copy(&db);
    let stamp = || sent::of(&db, first).unwrap().unwrap().changed_there;
    sent::changed_by_us(&db, first, ("k1", 5, 8)).unwrap();
    assert_eq!(stamp(), Some(8));
    // Another person changed it before we did.
    sent::changed_by_us(&db, first, ("k1", 9, 10)).unwrap();
    sent::changed_by_us(&db, first, ("k2", 8, 11)).unwrap();
    assert_eq!(stamp(), Some(8));
}

/// A kill, or an answer that was lost: what the platform then shows of about that time may be ours,
/// and the next call continues from there.
#[test]
fn a_change_that_was_called_for_is_known_before_its_answer() {
    let db = table();
    let (first, _) = done_with_copy(&db);
    let known = || {
        let sent = sent::of(&db, first).unwrap().unwrap();
        (sent.changed_there, sent.own_change)
    };
    let second = 1_000_000_000;
    let begins = |before, called| {
        sent::change_begins(&db, first, ("k1", Some(before), called)).unwrap();
    };
    begins(5, 100 * second);
    assert_eq!(known(), (Some(5), Some(100 * second)));
    // It was carried out, and so is the next one.
    begins(101 * second, 300 * second);
    assert_eq!(known(), (Some(101 * second), Some(300 * second)));
    sent::changed_by_us(&db, first, ("k1", 101 * second, 301 * second)).unwrap();
    assert_eq!(known(), (Some(301 * second), None));
    // Another person's.
    begins(900 * second, 1000 * second);
    assert_eq!(known(), (Some(301 * second), Some(1000 * second)));
    sent::forget_change(&db, first, "k1").unwrap();
    assert_eq!(known(), (Some(301 * second), None));
}
