//! Leave to go, given only while the job is as it was; and what is said of a file that went, and stays said.

use std::path::Path;

use super::sent::done_with_copy;
use super::*;
use crate::queue::afterwards::{self, Case, File, Proof, Went};
use crate::queue::operator::{self, Answer};
use crate::queue::sent;

const TO: &str = "/up/1.mp4";

fn case(db: &Connection, id: i64) -> Case {
    let due = afterwards::due(db, at(1000), 10).unwrap();
    due.into_iter().find(|case| case.job.id.0 == id).unwrap()
}

fn going_to(db: &Connection) -> i64 {
    number(
        db,
        "SELECT count(*) FROM afterwards WHERE going_to IS NOT NULL",
    )
}

#[test]
fn leave_is_given_while_nothing_has_changed_since_the_question() {
    let new_job = "INSERT INTO jobs (watch, account, path, size, dev, ino, mtime_ns, ctime_ns, ingest_id, run_at, created_at,
                                     step, video_key, replaces)
                   SELECT watch, account, '/w/new', 1, 1, 9, 1, 1, 'new', run_at, created_at, 'transfer', video_key, id
                   FROM jobs WHERE id = 1";
    for (change, may) in [
        ("SELECT 1", true),
        (
            "UPDATE jobs SET replaced_by = 2, replaced = 'sending' WHERE id = 1",
            false,
        ),
        (new_job, false),
        ("UPDATE jobs SET video_key = 'k2' WHERE id = 1", false),
        (
            "UPDATE jobs SET state = 'queued', finished_at = NULL WHERE id = 1",
            false,
        ),
        (
            "UPDATE jobs SET path = '/w/other.mp4' WHERE id IN (1, 2)",
            false,
        ),
        ("UPDATE afterwards SET action = 'keep'", false),
        ("DELETE FROM afterwards", false),
    ] {
        // The job itself, and its copy.
        for id in [1, 2] {
            let db = table();
            done_with_copy(&db);
            let case = case(&db, id);
            let sent = sent::of(&db, case.original.id).unwrap().unwrap();
            assert!(!sent.is_replaced);
            db.execute_batch(&format!("{change};")).unwrap();
            let to = Some(Path::new(TO));
            let given = afterwards::going(&db, &case, Some(&sent), to).unwrap();
            assert_eq!(given, may, "{id}: {change}");
            assert_eq!(going_to(&db), i64::from(may), "{id}: {change}");
            let now = sent::of(&db, case.original.id).unwrap().unwrap();
            let is_replaced = change == new_job || change.contains("replaced_by");
            assert_eq!(now.is_replaced, is_replaced, "{id}: {change}");
        }
    }
}

/// A note of an earlier attempt must not tell of a later one.
#[test]
fn what_is_noted_of_an_unlink_ends_with_the_name_that_it_belongs_to() {
    let db = table();
    done_with_copy(&db);
    let case = case(&db, 1);
    let unlinks = || afterwards::of(&db, JobId(1)).unwrap().unwrap().unlinks;
    let noted = || {
        assert!(afterwards::going(&db, &case, None, Some(Path::new(TO))).unwrap());
        assert!(!unlinks());
        assert!(afterwards::unlinks(&db, JobId(1)).unwrap());
        assert!(unlinks());
    };
    assert!(
        !afterwards::unlinks(&db, JobId(1)).unwrap(),
        "nothing is going"
    );
    noted();
    assert!(afterwards::going(&db, &case, None, None).unwrap());
    assert!(unlinks(), "what is beside it goes still");
    noted();
    afterwards::did_not_go(&db, JobId(1)).unwrap();
    assert!(!unlinks());
    noted();
    afterwards::done(&db, JobId(1), ("deleted", File::Deleted), at(20)).unwrap();
    assert!(!unlinks());
}

#[test]
fn taking_out_a_watch_changes_nothing_that_was_said_of_a_file_that_went() {
    let db = table();
    done_with_copy(&db);
    let (gone, half) = (case(&db, 1), case(&db, 2));
    afterwards::done(&db, gone.job.id, ("deleted", File::Deleted), at(20)).unwrap();
    afterwards::left(&db, &gone, Some(Went::Deleted), at(20)).unwrap();
    db.execute_batch(
        "UPDATE afterwards SET due_at = '2027-01-15T08:00:00.000Z', action = 'delete'",
    )
    .unwrap();
    afterwards::going(&db, &half, None, Some(Path::new(TO))).unwrap();
    db.execute_batch("UPDATE afterwards SET going_to = '/up/1.mp4' WHERE job_id = 2")
        .unwrap();
    let row = |id| afterwards::of(&db, JobId(id)).unwrap().unwrap();
    let half_before = row(2);
    afterwards::watches_are(&db, &["other".to_owned()], at(30)).unwrap();
    let sidecar = row(1);
    assert_eq!(sidecar.outcome.as_deref(), Some("deleted"));
    assert_eq!((sidecar.due_at, sidecar.done_at), (None, Some(at(20))));
    assert!(sidecar.sidecar_left.is_some());
    assert_eq!(format!("{:?}", row(2)), format!("{half_before:?}"));
    // Sent meanwhile, it waits anyway.
    db.execute_batch("UPDATE afterwards SET due_at = '2027-01-15T08:00:00.000Z', last_error = NULL WHERE job_id = 1")
        .unwrap();
    afterwards::has_no_watch(&db, JobId(1), at(31)).unwrap();
    let sidecar = row(1);
    assert_eq!(
        (sidecar.due_at, sidecar.outcome.as_deref()),
        (None, Some("deleted"))
    );
    // The watch is back: it is looked at again, and what was said stays.
    afterwards::watches_are(&db, &["news".to_owned()], at(40)).unwrap();
    let sidecar = row(1);
    assert_eq!(sidecar.due_at, Some(at(40)));
    assert_eq!(sidecar.outcome.as_deref(), Some("deleted"));
    assert!(sidecar.sidecar_left.is_some() && sidecar.last_error.is_none());
}

#[test]
fn a_place_that_a_file_has_left_is_forgotten() {
    let moved = |db: &Connection| {
        afterwards::done(db, JobId(1), ("moved", File::Moved(Path::new(TO))), at(20)).unwrap();
        assert_eq!(place(db).as_deref(), Some(Path::new(TO)));
    };
    // It came back under its name.
    let db = table();
    done_with_copy(&db);
    moved(&db);
    let mut back = file("/w/1.mp4", 1);
    back.identity.ctime_ns += 1;
    enqueue(&db, &back, at(21)).unwrap();
    assert_eq!(place(&db), None);
    assert_eq!(case(&db, 1).row.outcome, None);
    // And under another one.
    let db = table();
    done_with_copy(&db);
    moved(&db);
    let back = file("/w/9.mp4", 1);
    let old = (JobId(1), Path::new("/w/1.mp4"));
    crate::queue::renames::follow_rename(&db, old, &back, at(21)).unwrap();
    assert_eq!(place(&db), None);
    assert!(case(&db, 1).row.returned, "and it is asked about");
    // It came back and was deleted.
    let db = table();
    done_with_copy(&db);
    moved(&db);
    afterwards::done(&db, JobId(1), ("deleted", File::Deleted), at(22)).unwrap();
    assert_eq!(place(&db), None);
    // The job has followed it there: that is where it is.
    let db = table();
    done_with_copy(&db);
    let first = case(&db, 1);
    moved(&db);
    db.execute_batch("UPDATE jobs SET path = '/up/1.mp4' WHERE id = 1")
        .unwrap();
    let keep = (afterwards::Action::Keep, None);
    assert!(afterwards::plan(&db, &first, keep, None).unwrap());
    assert_eq!(place(&db).as_deref(), Some(Path::new(TO)));
}

/// A file that was away comes back under any name; its video may be gone by then. A rename in the folders
/// looks the same.
#[test]
fn an_uploaded_file_that_is_renamed_is_asked_about() {
    let db = table();
    done_with_copy(&db);
    afterwards::done(&db, JobId(1), ("kept", File::Stayed), at(20)).unwrap();
    let mut back = file("/w/9.mp4", 1);
    back.identity.ctime_ns += 1;
    let old = (JobId(1), Path::new("/w/1.mp4"));
    crate::queue::renames::follow_rename(&db, old, &back, at(21)).unwrap();
    assert!(case(&db, 1).row.returned);
}

/// Another file may get the inode of one that was deleted; with its size and time it is no rename, also where
/// nothing is known of what was uploaded.
#[test]
fn no_file_is_taken_for_one_that_has_no_file() {
    let db = table();
    done_with_copy(&db);
    let other = file("/w/9.mp4", 1);
    let names = |db: &Connection| {
        crate::queue::renames::other_names(db, &other)
            .unwrap()
            .len()
    };
    assert_eq!(names(&db), 1);
    afterwards::done(&db, JobId(1), ("deleted", File::Deleted), at(20)).unwrap();
    assert_eq!(names(&db), 0);
    assert!(matches!(
        enqueue(&db, &other, at(21)).unwrap(),
        Enqueued::New(_)
    ));
}

/// Its content stays what its original relies on: the order would take that away, and find no file.
#[test]
fn a_duplicate_whose_file_was_deleted_is_not_retried() {
    for (is_unlinked, file) in [(true, File::Stayed), (false, File::Deleted)] {
        let db = table();
        done_with_copy(&db);
        let copy = case(&db, 2);
        let delete = (afterwards::Action::Delete, Some(at(20)));
        assert!(afterwards::plan(&db, &copy, delete, None).unwrap());
        if is_unlinked {
            let planned = case(&db, 2);
            let to = Path::new("/w/.jw-ingest-7.going");
            assert!(afterwards::going(&db, &planned, None, Some(to)).unwrap());
            assert!(afterwards::unlinks(&db, JobId(2)).unwrap());
        } else {
            assert!(!job(&db, JobId(2)).has_no_file());
            afterwards::done(&db, JobId(2), ("deleted", file), at(20)).unwrap();
            assert!(job(&db, JobId(2)).has_no_file());
        }
        let answer = operator::retry(&db, JobId(2), at(21)).unwrap();
        let Answer::Refused(why) = answer else {
            panic!("{answer:?}");
        };
        assert!(why.contains("was deleted because"), "{why}");
        assert_eq!(job(&db, JobId(2)).duplicate_of, Some(1));
    }
}

/// What arrived may be of other bytes and as long.
#[test]
fn a_size_is_no_proof() {
    let db = table();
    done_with_copy(&db);
    for (verified, proof) in [("NULL", Proof::None), ("ingest_id", Proof::Checksum)] {
        let sql = format!("UPDATE jobs SET verified = {verified}, platform_size = size");
        db.execute(&sql, []).unwrap();
        assert_eq!(case(&db, 1).proof, proof, "{verified}");
    }
}

fn place(db: &Connection) -> Option<PathBuf> {
    afterwards::gone_to(db, JobId(1)).unwrap()
}
