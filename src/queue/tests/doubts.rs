//! A file that is up and whose ctime moves: the same bytes, or others under the same time.

use super::*;
use crate::queue::copies;
use crate::queue::doubt::{self, Doubt};
use crate::queue::enqueue::{Offered, known, offer};
use crate::queue::{State, afterwards};

/// A job that is done, and its file after somebody touched it.
fn touched(db: &Connection) -> (NewJob, Doubt) {
    let seen = file("/w/a.mp4", 1);
    new_job(db, &seen, at(0));
    let lease = take(db, at(1));
    copies::note(db, &lease, "1:aa").unwrap();
    upload(db, &lease, "k1", at(1));
    db.execute_batch("UPDATE jobs SET state = 'done', finished_at = run_at")
        .unwrap();
    let mut touched = seen;
    touched.identity.ctime_ns += 1;
    let doubt = Doubt {
        job: JobId(1),
        fingerprint: "1:aa".to_owned(),
    };
    (touched, doubt)
}

#[test]
fn who_cannot_look_leaves_the_doubt_for_the_next_time() {
    let db = table();
    let (touched, doubt) = touched(&db);
    let before = dump(&db);
    for _ in 0..2 {
        let offered = offer(&db, &touched, at(2)).unwrap();
        assert_eq!(offered, Offered::Doubtful(doubt.clone()));
        assert_eq!(dump(&db), before);
    }
    assert_eq!(
        enqueue(&db, &touched, at(3)).unwrap(),
        Enqueued::Known(JobId(1), State::Done)
    );
    // The same bytes: the platform is asked whether they are up still, and then the file is known again.
    let row = afterwards::of(&db, JobId(1)).unwrap().unwrap();
    assert!(row.returned && row.due_at.is_some(), "{row:?}");
    assert_ne!(job(&db, JobId(1)).identity, touched.identity);
    afterwards::answered(&db, JobId(1), true).unwrap();
    assert!(!afterwards::of(&db, JobId(1)).unwrap().unwrap().returned);
    let settled = Offered::Taken(Enqueued::Known(JobId(1), State::Done));
    assert_eq!(offer(&db, &touched, at(4)).unwrap(), settled);
    assert_eq!(job(&db, JobId(1)).identity, touched.identity);
}

#[test]
fn other_content_becomes_a_job_of_its_own_and_the_old_one_keeps_its_video() {
    let db = table();
    let (first, first_doubt) = touched(&db);
    let made = doubt::confirmed(&db, &first, &first_doubt, at(5)).unwrap();
    assert_eq!(made, Enqueued::New(JobId(2)));
    let old = job(&db, JobId(1));
    assert_eq!(
        (old.state, old.video_key.as_deref()),
        (State::Done, Some("k1"))
    );
    assert!(!old.superseded);
    let file = |new: &NewJob| known(&db, &new.path, &new.identity).unwrap().unwrap().0;
    assert_eq!(file(&first), JobId(2), "also after the next start");
    // Said twice, and once more after the next write.
    let again = doubt::confirmed(&db, &first, &first_doubt, at(6)).unwrap();
    assert_eq!(again, Enqueued::Known(JobId(2), State::Queued));
    let lease = take(&db, at(7));
    copies::note(&db, &lease, "1:bb").unwrap();
    upload(&db, &lease, "k2", at(7));
    let mut second = first;
    second.identity.ctime_ns += 1;
    let Offered::Doubtful(second_doubt) = offer(&db, &second, at(8)).unwrap() else {
        panic!("its bytes are up, and the platform has yet to say so");
    };
    assert_eq!(second_doubt.job, JobId(2));
    let made = doubt::confirmed(&db, &second, &second_doubt, at(8)).unwrap();
    assert_eq!(made, Enqueued::New(JobId(3)));
    assert_eq!(file(&second), JobId(3));
}

#[test]
fn nobody_doubts_what_is_yet_to_be_read_or_was_never_looked_at() {
    let db = table();
    let (touched, _) = touched(&db);
    for set in [
        "fingerprint = NULL",
        "fingerprint = '1:aa', state = 'failed'",
        "state = 'queued', finished_at = NULL, step = 'transfer'",
    ] {
        db.execute_batch(&format!("UPDATE jobs SET {set}, ctime_ns = 7"))
            .unwrap();
        let offered = offer(&db, &touched, at(2)).unwrap();
        assert!(
            matches!(offered, Offered::Taken(Enqueued::Known(..))),
            "{set}"
        );
    }
}
