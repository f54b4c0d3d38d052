//! A file that is uploaded and whose ctime moves: the same bytes, or others under the same time.

use super::*;
use crate::queue::copies;
use crate::queue::doubt::{self, Doubt};
use crate::queue::enqueue::{Offered, known, offer};
use crate::queue::renames::{self, moved};
use crate::queue::{State, afterwards};
use std::path::Path;

/// A job that is done, and its file after it was touched.
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
        renamed_from: None,
    };
    (touched, doubt)
}

/// The file turned out to have other content.
fn is_other(db: &Connection, new: &NewJob, doubt: &Doubt, now: Timestamp) -> Enqueued {
    let settled = doubt::settle_doubt(db, new, (doubt, false), now).unwrap();
    settled.unwrap()
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
    // The same bytes: the platform is asked whether they are uploaded still, and then the file is
    // known again.
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
    let made = is_other(&db, &first, &first_doubt, at(5));
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
    let again = is_other(&db, &first, &first_doubt, at(6));
    assert_eq!(again, Enqueued::Known(JobId(2), State::Queued));
    let lease = take(&db, at(7));
    copies::note(&db, &lease, "1:bb").unwrap();
    upload(&db, &lease, "k2", at(7));
    let mut second = first;
    second.identity.ctime_ns += 1;
    let Offered::Doubtful(second_doubt) = offer(&db, &second, at(8)).unwrap() else {
        panic!("its bytes are uploaded, and the platform has yet to say so");
    };
    assert_eq!(second_doubt.job, JobId(2));
    let made = is_other(&db, &second, &second_doubt, at(8));
    assert_eq!(made, Enqueued::New(JobId(3)));
    assert_eq!(file(&second), JobId(3));
}

#[test]
fn nobody_doubts_what_is_yet_to_be_read_or_was_never_looked_at() {
    let db = table();
    let (touched, _) = touched(&db);
    for set in [
        "fingerprint = NULL",
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

/// Such a job would keep other content from being uploaded, like one that is done.
#[test]
fn a_job_that_failed_or_was_cancelled_is_doubted_too() {
    for state in ["failed", "cancelled"] {
        let db = table();
        let (touched, _) = touched(&db);
        db.execute_batch(&format!("UPDATE jobs SET state = '{state}', ctime_ns = 7"))
            .unwrap();
        for (new, offered) in [
            (touched.clone(), offer(&db, &touched, at(2)).unwrap()),
            (renamed(&touched), offer_renamed(&db, &renamed(&touched))),
        ] {
            assert!(
                matches!(offered, Offered::Doubtful(_)),
                "{state} {:?}",
                new.path
            );
        }
    }
}

/// The file of the touched job under another name.
fn renamed(touched: &NewJob) -> NewJob {
    NewJob {
        path: "/w/b.mp4".into(),
        ..touched.clone()
    }
}

const OLD: (JobId, &str) = (JobId(1), "/w/a.mp4");

fn offer_renamed(db: &Connection, new: &NewJob) -> Offered {
    moved(db, (OLD.0, OLD.1.as_ref()), new, at(3)).unwrap()
}

#[test]
fn a_rename_is_followed_only_once_the_content_was_looked_at() {
    let db = table();
    let (touched, _) = touched(&db);
    // There is nothing to do with it.
    db.execute_batch("DELETE FROM afterwards").unwrap();
    let new = renamed(&touched);
    let before = dump(&db);
    let Offered::Doubtful(doubt) = offer_renamed(&db, &new) else {
        panic!("its ctime moved: by the rename, or by a write before it");
    };
    assert_eq!(dump(&db), before, "nothing is taken over");
    let same = doubt::settle_doubt(&db, &new, (&doubt, true), at(4)).unwrap();
    assert_eq!(same, Some(Enqueued::Known(JobId(1), State::Queued)));
    let followed = job(&db, JobId(1));
    assert_eq!(
        (followed.path.as_path(), followed.identity),
        (new.path.as_path(), new.identity)
    );
}

#[test]
fn what_was_rewritten_before_a_rename_becomes_a_job_of_its_own() {
    let db = table();
    let (touched, _) = touched(&db);
    let new = renamed(&touched);
    let Offered::Doubtful(doubt) = offer_renamed(&db, &new) else {
        panic!("its ctime moved");
    };
    assert_eq!(is_other(&db, &new, &doubt, at(4)), Enqueued::New(JobId(2)));
    let old = job(&db, JobId(1));
    assert_eq!(
        (old.path.as_path(), old.video_key.as_deref()),
        (Path::new(OLD.1), Some("k1"))
    );
    // The next rename finds the new job only.
    let next = NewJob {
        path: "/w/c.mp4".into(),
        ..new
    };
    let names = renames::other_names(&db, &next).unwrap();
    let jobs: Vec<JobId> = names.iter().map(|name| name.job).collect();
    assert_eq!(jobs, [JobId(2)]);
}

#[test]
fn files_in_a_folder_that_is_renamed_are_followed_without_a_look() {
    let db = table();
    let (touched, _) = touched(&db);
    let mut new = renamed(&touched);
    new.identity.ctime_ns = job(&db, JobId(1)).identity.ctime_ns;
    let followed = Offered::Taken(Enqueued::Known(JobId(1), State::Queued));
    assert_eq!(offer_renamed(&db, &new), followed);
    assert_eq!(job(&db, JobId(1)).path, new.path);
}

#[test]
fn a_file_that_is_about_to_go_keeps_the_ctime_of_what_was_sent_when_it_is_renamed() {
    let db = table();
    let (touched, _) = touched(&db);
    db.execute_batch(
        "INSERT OR REPLACE INTO afterwards (job_id, action, due_at) VALUES (1, 'delete', '2026-01-01T00:00:00.000Z')",
    )
    .unwrap();
    let before = job(&db, JobId(1)).identity;
    let new = renamed(&touched);
    let Offered::Doubtful(doubt) = offer_renamed(&db, &new) else {
        panic!("its ctime moved");
    };
    doubt::settle_doubt(&db, &new, (&doubt, true), at(4)).unwrap();
    let after = job(&db, JobId(1));
    assert_eq!(
        (after.path.as_path(), after.identity),
        (new.path.as_path(), before)
    );
}

#[test]
fn a_doubt_that_changed_meanwhile_is_looked_at_again() {
    let db = table();
    let (touched, doubt) = touched(&db);
    db.execute_batch("UPDATE jobs SET fingerprint = '1:cc'")
        .unwrap();
    let before = dump(&db);
    for is_same in [true, false] {
        assert_eq!(
            doubt::settle_doubt(&db, &touched, (&doubt, is_same), at(4)).unwrap(),
            None
        );
    }
    assert_eq!(dump(&db), before);
}
