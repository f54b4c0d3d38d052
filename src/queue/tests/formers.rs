//! Jobs whose video may have got another's content: when the platform is asked, and what its answer changes.

use super::replaces::{content, replacing};
use super::sent::loss;
use super::*;
use crate::queue::former::{self, Content, Former};
use crate::queue::replace::{self, Replaced};
use crate::queue::sent::{self, Became};
use crate::queue::{Arrival, State, ticket};

/// Job 1 is in doubt since 5, as job 2 failed after its last byte.
fn doubted(db: &Connection) -> (Lease, Former) {
    let lease = replacing(db, 2);
    ticket::last_byte(db, &lease, at(5)).unwrap();
    outcome::failed(db, &lease, &Report::default(), at(6)).unwrap();
    let former = in_doubt(db, 7).remove(0);
    assert_eq!((former.job, former.by), (JobId(1), lease.job.id));
    (lease, former)
}

fn in_doubt(db: &Connection, before: i64) -> Vec<Former> {
    former::in_doubt(db, at(before)).unwrap()
}

fn has_its_content(db: &Connection, doubt: &Former) -> Content {
    former::has_its_content(db, doubt, at(9)).unwrap()
}

fn arrival(db: &Connection) -> Option<Arrival> {
    job(db, JobId(1)).replaced.map(|replaced| replaced.arrival)
}

/// The next file of the name is about to put its content into the video.
fn next_replaces(db: &Connection) -> Lease {
    new_job(db, &content(3), at(8));
    let lease = take(db, at(8));
    outcome::begin(db, &lease, Step::Create, at(8)).unwrap();
    let replaced = Replaced {
        job: JobId(1),
        updated_before: None,
    };
    replace::takes(db, &lease, replaced, "Key1").unwrap();
    let ticket = NewTicket {
        video_key: "Key1",
        link: "https://upload.example/secret",
        expires_at: None,
        part_size: None,
    };
    outcome::created(db, &lease, &ticket, &Report::default(), at(8)).unwrap();
    outcome::begin(db, &lease, Step::Transfer, at(8)).unwrap();
    lease
}

#[test]
fn nobody_is_asked_while_a_job_works_on_the_video_nor_soon_after() {
    let db = table();
    let lease = replacing(&db, 2);
    ticket::last_byte(&db, &lease, at(5)).unwrap();
    assert_eq!(in_doubt(&db, 900), [], "it is on its way");
    outcome::failed(&db, &lease, &Report::default(), at(6)).unwrap();
    assert_eq!(in_doubt(&db, 5), [], "too soon");
    assert_eq!(in_doubt(&db, 6).len(), 1);
    operator::retry(&db, lease.job.id, at(7)).unwrap();
    assert_eq!(in_doubt(&db, 900), [], "it is sent again");
    operator::cancel(&db, lease.job.id, at(7)).unwrap();
    assert_eq!(in_doubt(&db, 6).len(), 1);

    let next = next_replaces(&db);
    assert_eq!(in_doubt(&db, 900), [], "the next one is at it");
    ticket::last_byte(&db, &next, at(50)).unwrap();
    outcome::failed(&db, &next, &Report::default(), at(51)).unwrap();
    assert_eq!(in_doubt(&db, 50), [], "by the last byte of all");
    assert_eq!(in_doubt(&db, 51).len(), 1);
}

#[test]
fn a_clear_answer_ends_the_doubt() {
    let db = table();
    let (_, doubt) = doubted(&db);
    assert_eq!(has_its_content(&db, &doubt), Content::Counts);
    assert_eq!(arrival(&db), None);
    assert!(
        !former::was_overwritten(&db, &doubt).unwrap(),
        "answered before"
    );
    assert_eq!(in_doubt(&db, 900), []);

    let db = table();
    let (_, doubt) = doubted(&db);
    assert!(former::was_overwritten(&db, &doubt).unwrap());
    assert_eq!(arrival(&db), Some(Arrival::Certain));
    assert_eq!(in_doubt(&db, 900), []);
}

#[test]
fn an_answer_that_comes_too_late_changes_nothing() {
    for ended in [false, true] {
        let db = table();
        let (_, doubt) = doubted(&db);
        let lease = next_replaces(&db);
        if ended {
            ticket::last_byte(&db, &lease, at(9)).unwrap();
            outcome::failed(&db, &lease, &Report::default(), at(10)).unwrap();
        }
        assert_eq!(has_its_content(&db, &doubt), Content::Open);
        assert!(!former::was_overwritten(&db, &doubt).unwrap());
        let became = former::lost(&db, &doubt, &loss("Key1", &[]), at(11)).unwrap();
        assert_eq!(became, Became::Nothing);
        assert_eq!(arrival(&db), Some(Arrival::Perhaps));
    }
}

#[test]
fn a_file_that_came_back_keeps_its_own_job() {
    let db = table();
    let (_, doubt) = doubted(&db);
    let back = new_job(&db, &content(1), at(8));
    assert_eq!(has_its_content(&db, &doubt), Content::HasOtherJob);
    assert_eq!(in_doubt(&db, 900), [], "nothing is left to ask");
    let past = job(&db, JobId(1));
    assert_eq!((past.state, past.replaced.is_some()), (State::Done, false));
    assert_eq!(past.identity.ino, -1, "it has no file any more");
    let due = "SELECT count(*) FROM afterwards WHERE job_id = 1 AND due_at IS NOT NULL";
    assert_eq!(
        number(&db, due),
        0,
        "the file is not this job's to take away"
    );
    assert_eq!(job(&db, back).state, State::Queued);
}

/// While another file's content is on its way into the video, or may be there, no job is queued
/// again because it lost its own; in the end one whose video is gone has ended, as another file has
/// its name.
#[test]
fn one_that_is_replaced_is_not_lost_before_its_time() {
    let db = table();
    let lease = replacing(&db, 2);
    let displaced = sent::Loss {
        is_displaced: true,
        ..loss("Key1", &[])
    };
    let lost = || sent::lost(&db, JobId(1), &displaced, at(7)).unwrap();
    ticket::last_byte(&db, &lease, at(5)).unwrap();
    assert_eq!(
        (lost(), arrival(&db)),
        (Became::Nothing, Some(Arrival::Sending))
    );
    outcome::failed(&db, &lease, &Report::default(), at(6)).unwrap();
    assert_eq!(
        (lost(), arrival(&db)),
        (Became::Nothing, Some(Arrival::Perhaps))
    );
    assert_eq!(job(&db, JobId(1)).state, State::Done);

    let doubt = in_doubt(&db, 7).remove(0);
    let became = former::lost(&db, &doubt, &displaced, at(8)).unwrap();
    assert_eq!(became, Became::Ended);
    let ended = job(&db, JobId(1));
    assert!(ended.superseded && ended.replaced.is_none());
    assert_eq!(in_doubt(&db, 900), []);
    // A certain replacement is no loss to a job either.
    let db = table();
    let lease = replacing(&db, 2);
    ticket::last_byte(&db, &lease, at(5)).unwrap();
    outcome::transferred(&db, &lease, None, at(6), (&Report::default(), at(6))).unwrap();
    assert_eq!(arrival(&db), Some(Arrival::Certain));
    let became = sent::lost(&db, JobId(1), &displaced, at(7)).unwrap();
    assert_eq!(became, Became::Nothing);
}
