//! Files that take the place of one that is uploaded: who comes before whom, and that no way out of
//! a job withdraws the video whose content it should have replaced.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::*;
use crate::queue::copies::{self, WaitsFor};
use crate::queue::outcome::Count;
use crate::queue::replace::{self, Before, Predecessor, Replaced};
use crate::queue::{Advice, Arrival, State, confirm, fetch, metadata, query};

/// One content after another under the same name.
pub(super) fn content(number: i64) -> NewJob {
    let mut new = file("/w/a.mp4", number);
    new.identity.ctime_ns = number;
    new
}

/// A job of `/w/a.mp4` that is done, with video `Key1`.
fn done(db: &Connection) -> JobId {
    let id = new_job(db, &content(1), at(0));
    upload(db, &take(db, at(0)), "Key1", at(1));
    let waiting = confirm::waiting(db, "main").unwrap();
    let facts = confirm::Facts::default();
    assert!(confirm::ready(db, &waiting[0], &facts, at(2)).unwrap());
    id
}

/// The next job of the path, claimed, in the step `transfer` of a replacement.
pub(super) fn replacing(db: &Connection, number: i64) -> Lease {
    let first = done(db);
    new_job(db, &content(number), at(3));
    let lease = take(db, at(3));
    outcome::begin(db, &lease, Step::Create, at(3)).unwrap();
    let before = replace::before(db, &lease.job).unwrap();
    let up = Predecessor {
        job: first,
        video_key: "Key1".to_owned(),
    };
    assert_eq!(before, Before::Up(up));
    replace::begins(db, &lease, ("s3", "it fits")).unwrap();
    let replaced = Replaced {
        job: first,
        updated_before: Some(77),
    };
    replace::takes(db, &lease, replaced, "Key1").unwrap();
    let ticket = NewTicket {
        video_key: "Key1",
        link: "https://upload.example/secret",
        expires_at: None,
        part_size: None,
    };
    outcome::created(db, &lease, &ticket, &Report::default(), at(4)).unwrap();
    outcome::begin(db, &lease, Step::Transfer, at(4)).unwrap();
    let row = job(db, lease.job.id);
    assert_eq!((row.step, row.replaces), (Step::Transfer, Some(first.0)));
    lease
}

/// Nothing is withdrawn, and the first job has its video still.
fn assert_stays(db: &Connection, what: &str) {
    assert_eq!(number(db, "SELECT count(*) FROM withdrawals"), 0, "{what}");
    let first = job(db, JobId(1));
    assert_eq!(
        (first.state, first.video_key.as_deref()),
        (State::Done, Some("Key1")),
        "{what}"
    );
}

/// A way out of a job, and its name.
type Exit = (&'static str, fn(&Connection, &Lease));

#[test]
fn no_way_out_of_a_transfer_withdraws_the_video_that_was_there() {
    let exits: [Exit; 8] = [
        ("failed", |db, lease| {
            outcome::failed(db, lease, &Report::default(), at(5)).unwrap();
        }),
        ("refused", |db, lease| {
            replace::refused(db, lease, &Report::default(), at(5)).unwrap();
            assert!(job(db, lease.job.id).by_hand);
        }),
        ("held", |db, lease| {
            replace::hold(db, lease, &Report::default(), at(5)).unwrap();
        }),
        ("start over", |db, lease| {
            let why = ("link-expired", &Report::default());
            outcome::start_over(db, lease, at(5), why, at(5)).unwrap();
        }),
        ("superseded", |db, lease| {
            outcome::superseded(db, lease, &Report::default(), at(5)).unwrap();
        }),
        ("vanished", |db, lease| {
            outcome::vanished(db, lease, &Report::default(), at(5)).unwrap();
        }),
        ("cancel", |db, lease| {
            operator::cancel(db, lease.job.id, at(5)).unwrap();
        }),
        ("another was made", |db, lease| {
            let ticket = NewTicket {
                video_key: "Key2",
                link: "https://upload.example/secret",
                expires_at: None,
                part_size: None,
            };
            outcome::created(db, lease, &ticket, &Report::default(), at(5)).unwrap();
        }),
    ];
    for (what, exit) in exits {
        let db = table();
        let lease = replacing(&db, 2);
        exit(&db, &lease);
        assert_stays(&db, what);
        let after = job(&db, lease.job.id);
        if what != "another was made" {
            let forgotten = (after.step, after.video_key, after.replaces);
            assert_eq!(forgotten, (Step::Create, None, None), "{what}");
        }
    }
}

#[test]
fn no_way_out_of_the_wait_for_ready_does_either() {
    for what in [
        "start over",
        "failed, then retried",
        "cancelled",
        "fetched, then cancelled",
    ] {
        let db = table();
        let lease = replacing(&db, 2);
        let id = lease.job.id;
        if what.starts_with("fetched") {
            fetch::asked(&db, &lease, "Key1", (at(5), at(5))).unwrap();
        } else {
            outcome::transferred(&db, &lease, None, at(5), (&Report::default(), at(5))).unwrap();
        }
        let waiting = confirm::waiting(&db, "main").unwrap().remove(0);
        assert_eq!(
            (waiting.replaces, waiting.updated_before),
            (Some(1), Some(77))
        );
        match what {
            "start over" => {
                let why = (fetch::MISMATCH, &Report::said("other content"));
                confirm::start_over(&db, &waiting, (at(6), Count::Yes), why, at(6)).unwrap();
                assert_eq!(job(&db, id).video_key, None);
            }
            "failed, then retried" => {
                let facts = confirm::Facts {
                    status: "failed".to_owned(),
                    ..confirm::Facts::default()
                };
                confirm::failed(&db, &waiting, &facts, (&Report::said("broken"), at(6))).unwrap();
                operator::retry(&db, id, at(7)).unwrap();
                assert_eq!(job(&db, id).step, Step::Create);
            }
            _ => {
                let answer = operator::cancel(&db, id, at(6)).unwrap();
                let said =
                    matches!(&answer, operator::Answer::Refused(why) if why.contains("Key1"));
                assert!(said, "{answer:?}");
            }
        }
        assert_stays(&db, what);
    }
}

#[test]
fn the_newest_that_is_up_comes_before_and_one_under_way_first_of_all() {
    let db = table();
    let before = |id| replace::before(&db, &job(&db, id)).unwrap();
    let first = new_job(&db, &content(1), at(0));
    let lease = take(&db, at(0));
    let second = new_job(&db, &content(2), at(1));
    let stranger = new_job(
        &db,
        &NewJob {
            account: "other".to_owned(),
            ..content(3)
        },
        at(50),
    );
    assert_eq!(before(second), Before::UnderWay(first));
    assert_eq!(
        before(first),
        Before::Nothing,
        "the older waits for no other"
    );
    assert_eq!(before(stranger), Before::Nothing);
    upload(&db, &lease, "Key1", at(2));
    assert_eq!(before(second), Before::UnderWay(first));
    let later = (at(100), Count::No);
    let lease = take(&db, at(2));
    assert_eq!(lease.job.id, second);
    outcome::again(&db, &lease, later, ("waits", &Report::default()), at(2)).unwrap();
    let waiting = confirm::waiting(&db, "main").unwrap();
    confirm::ready(&db, &waiting[0], &confirm::Facts::default(), at(3)).unwrap();
    assert_eq!(job(&db, second).run_at, at(3), "it looks again at once");
    assert!(matches!(before(second), Before::Up(up) if up.job == first));
}

#[test]
fn a_held_job_is_no_failure_and_goes_on_by_hand() {
    let db = table();
    done(&db);
    let second = new_job(&db, &content(2), at(3));
    let lease = take(&db, at(3));
    replace::hold(&db, &lease, &Report::default(), at(4)).unwrap();
    assert_eq!(replace::held_jobs(&db).unwrap(), [second]);
    assert_eq!(operator::failed(&db).unwrap(), []);
    assert_eq!(query::left(&db, at(5), at(0)).unwrap().failed, 0);
    let overview = crate::queue::overview::read_overview(&db).unwrap();
    assert_eq!((overview.failed, overview.held), (0, 1));
    assert_eq!(job(&db, second).attempts, 0);
    operator::cancel(&db, second, at(5)).unwrap();
    operator::retry(&db, second, at(6)).unwrap();
    let row = job(&db, second);
    assert_eq!(
        (row.by_hand, row.held, row.state),
        (true, false, State::Queued)
    );
}

#[test]
fn the_look_at_a_path_needs_no_scan_of_the_table() {
    let db = table();
    for sql in [replace::UNDER_WAY, replace::UP] {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map(("a", "m", 1), |row| row.get::<_, String>("detail"));
        let plan: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("(path=?"), "{plan}");
        assert!(!plan.contains("SCAN"), "{plan}");
    }
}

#[test]
fn a_video_that_a_copy_relies_on_is_shared_also_after_it_was_replaced_before() {
    let db = table();
    let lease = replacing(&db, 2);
    ticket::last_byte(&db, &lease, at(5)).unwrap();
    outcome::transferred(&db, &lease, None, at(5), (&Report::default(), at(5))).unwrap();
    let waiting = confirm::waiting(&db, "main").unwrap();
    assert!(confirm::ready(&db, &waiting[0], &confirm::Facts::default(), at(6)).unwrap());
    let replaced = job(&db, JobId(1)).replaced.unwrap();
    assert_eq!(
        (replaced.by, replaced.arrival),
        (JobId(2), Arrival::Certain)
    );
    new_job(&db, &content(3), at(7));
    let third = take(&db, at(7));
    let Before::Up(before) = replace::before(&db, &third.job).unwrap() else {
        panic!("the video is there");
    };
    let is_shared = || replace::is_shared(&db, third.job.id, &before.video_key).unwrap();
    let copy = |path, of: JobId, ino| {
        let id = new_job(&db, &file(path, ino), at(8));
        let sql = "UPDATE jobs SET state = 'duplicate', duplicate_of = ?1, finished_at = run_at WHERE id = ?2";
        db.execute(sql, [of.0, id.0]).unwrap();
    };
    assert!(!is_shared());
    copy("/w/a.mp4", before.job, 50);
    assert!(!is_shared(), "a backup of itself");
    copy("/w/copy.mp4", before.job, 51);
    assert!(is_shared());
}

/// A copy that is found while another content is on its way into the video is uploaded itself: the video may
/// have other content in a moment.
#[test]
fn a_video_that_is_about_to_get_other_content_is_no_original() {
    let db = table();
    let lease = replacing(&db, 2);
    let first = JobId(1);
    let content = "UPDATE jobs SET fingerprint = '1:aa' WHERE id = 1";
    db.execute(content, []).unwrap();
    new_job(&db, &file("/w/copy.mp4", 60), at(5));
    let copy = take(&db, at(5));
    let originals = || {
        let others = copies::look(&db, &copy, "1:aa", &BTreeSet::new(), at(9)).unwrap();
        others.arrived.len()
    };
    assert!(!replace::holds_its_video(&db, first).unwrap());
    assert_eq!(originals(), 0);
    assert!(!copies::duplicate(&db, &copy, first, at(6)).unwrap());

    // Its last byte was not sent, and never will be: the video has what it had.
    outcome::failed(&db, &lease, &Report::default(), at(7)).unwrap();
    assert!(replace::holds_its_video(&db, first).unwrap());
    assert_eq!(originals(), 1);
    assert!(copies::duplicate(&db, &copy, first, at(8)).unwrap());
}

/// Whether a copy of what a video has needs to be uploaded, is known when the job that is to replace it has sent its
/// bytes, or has failed: two videos of one content would be left otherwise.
#[test]
fn a_copy_waits_for_a_replacement_that_may_fail() {
    let copy = |db: &Connection| {
        db.execute("UPDATE jobs SET fingerprint = '1:aa' WHERE id = 1", [])
            .unwrap();
        new_job(db, &file("/w/copy.mp4", 60), at(5));
        take(db, at(5))
    };
    let under_way = |db: &Connection, copy: &Lease, known: &[JobId]| {
        let known = known.iter().copied().collect();
        copies::look(db, copy, "1:aa", &known, at(9))
            .unwrap()
            .under_way
    };
    let db = table();
    let lease = replacing(&db, 2);
    let waits = WaitsFor::Replacement(lease.job.id);
    let copy_of = copy(&db);
    assert_eq!(under_way(&db, &copy_of, &[]), Some(waits));
    assert_eq!(
        under_way(&db, &copy_of, &[JobId(1)]),
        None,
        "of other content"
    );
    // The last byte is handed out, and may be lost yet.
    assert!(ticket::last_byte(&db, &lease, at(6)).unwrap());
    assert_eq!(under_way(&db, &copy_of, &[]), Some(waits));
    copies::wait(&db, &copy_of, (waits, at(999)), at(7)).unwrap();
    assert_eq!(job(&db, copy_of.job.id).run_at, at(999));
    outcome::failed(&db, &lease, &Report::default(), at(8)).unwrap();
    let woken = job(&db, copy_of.job.id);
    assert_eq!(
        (woken.waits_for, woken.run_at),
        (None, woken.created_at),
        "it looks again at once"
    );

    // It has sent its bytes: the video does not have this content any more, or nothing will ever tell.
    for sql in [
        "UPDATE jobs SET step = 'confirm', state = 'queued', lease_id = NULL, lease_until = NULL WHERE id = 2",
        "UPDATE jobs SET waits_for = 1, state = 'queued', lease_id = NULL, lease_until = NULL WHERE id = 2",
    ] {
        let db = table();
        let lease = replacing(&db, 2);
        assert!(ticket::last_byte(&db, &lease, at(4)).unwrap());
        let copy_of = copy(&db);
        db.execute_batch(sql).unwrap();
        assert_eq!(under_way(&db, &copy_of, &[]), None, "{sql}");
        // Whether it arrived is asked, also once the job that sent it is over.
        db.execute_batch("UPDATE jobs SET replaced = 'perhaps', replaced_at = '2027-01-15T08:00:04.000Z' WHERE id = 1")
            .unwrap();
        let doubt = Some(WaitsFor::Doubt(JobId(1)));
        assert_eq!(under_way(&db, &copy_of, &[]), doubt, "{sql}");
        let later = |minutes: i64| {
            let now = at(4) + SignedDuration::from_mins(minutes);
            let others = copies::look(&db, &copy_of, "1:aa", &BTreeSet::new(), now);
            others.unwrap().under_way
        };
        assert_eq!((later(29), later(31)), (doubt, None), "{sql}");
    }
}

/// A day at most; and the waits of one kind are none of the other.
#[test]
fn a_copy_waits_a_day_for_a_replacement_and_then_still_for_a_proof() {
    let db = table();
    let taker = replacing(&db, 2);
    let id = new_job(&db, &file("/w/copy.mp4", 60), at(5));
    let waits = WaitsFor::Replacement(taker.job.id);
    let begin = |now| {
        let lease = take(&db, now);
        assert_eq!(lease.job.id, id);
        outcome::begin(&db, &lease, Step::Create, now).unwrap();
        lease
    };
    let (mut now, mut waited) = (at(6), 0);
    let mut lease = begin(now);
    while copies::wait_for_replacement(&db, &lease, (waits, now), now).unwrap() {
        waited += 1;
        now += SignedDuration::from_hours(6);
        lease = begin(now);
    }
    assert_eq!(waited, 5, "until a day is over");
    let words = copies::Words {
        waits: "waits".to_owned(),
        advice: Advice::UploadBoth,
        gives_up: "gives up".to_owned(),
    };
    for _ in 0..3 {
        let wait = (JobId(1), now, 3);
        assert!(copies::wait_for_proof(&db, &lease, wait, (&words, now)).unwrap());
        lease = begin(now);
    }
    let said = "SELECT count(*) FROM attempts WHERE outcome = 'replacing'
                    AND message LIKE 'uploaded as a video of its own: it waits for job 2, %'";
    assert_eq!(number(&db, said), 1);
}

/// Another file came to rely on the video after the job was let into it: seen at its last byte, at the latest.
#[test]
fn a_replacement_gives_way_where_another_file_relies_on_the_video() {
    let renamed = "UPDATE jobs SET path = '/w/monday.mp4' WHERE id = 1";
    let copied = "UPDATE jobs SET state = 'duplicate', duplicate_of = 1, finished_at = run_at WHERE path = '/w/copy.mp4'";
    for sql in [renamed, copied] {
        let db = table();
        let lease = replacing(&db, 2);
        let gives_way = || replace::gives_way(&db, &lease, &Report::default(), at(6)).unwrap();
        assert!(!gives_way());
        new_job(&db, &file("/w/copy.mp4", 60), at(5));
        db.execute(sql, []).unwrap();
        let before = dump(&db);
        assert!(!ticket::last_byte(&db, &lease, at(6)).unwrap(), "{sql}");
        assert_eq!(dump(&db), before, "{sql}: nothing is noted");
        assert!(gives_way(), "{sql}");
        assert_stays(&db, sql);
        assert!(job(&db, JobId(1)).replaced.is_none(), "{sql}");
        let after = job(&db, lease.job.id);
        let now = (after.state, after.step, after.video_key, after.replaces);
        assert_eq!(now, (State::Queued, Step::Create, None, None), "{sql}");
        assert_eq!((after.attempts, after.run_at), (0, at(6)), "{sql}");
    }
}

/// The platform may fetch what it was asked for, also where its answer is lost.
#[test]
fn a_fetch_into_a_video_may_have_arrived_from_the_call_on() {
    let db = table();
    done(&db);
    new_job(&db, &content(2), at(3));
    let lease = take(&db, at(3));
    let arrival = || job(&db, JobId(1)).replaced.map(|replaced| replaced.arrival);
    let begins = || replace::fetch_begins(&db, &lease, "Key1", at(4)).unwrap();
    assert!(begins());
    assert_eq!(arrival(), Some(Arrival::Sending));
    replace::fetch_was_refused(&db, &lease).unwrap();
    assert_eq!(arrival(), None, "a clear answer");

    // It is not known what happened to the first of two calls.
    assert!(begins() && begins());
    assert_eq!(arrival(), Some(Arrival::Perhaps));
    replace::fetch_was_refused(&db, &lease).unwrap();
    assert_eq!(arrival(), Some(Arrival::Perhaps));
    let before = replace::before(&db, &lease.job).unwrap();
    assert!(matches!(before, Before::Up(up) if up.video_key == "Key1"));
    outcome::failed(&db, &lease, &Report::default(), at(5)).unwrap();
    assert_eq!(arrival(), Some(Arrival::Perhaps));
    assert!(!replace::holds_its_video(&db, JobId(1)).unwrap());
}

#[test]
fn a_fetch_into_a_video_that_another_file_relies_on_is_not_asked_for() {
    let db = table();
    done(&db);
    new_job(&db, &content(2), at(3));
    let lease = take(&db, at(3));
    db.execute("UPDATE jobs SET path = '/w/monday.mp4' WHERE id = 1", [])
        .unwrap();
    assert!(!replace::fetch_begins(&db, &lease, "Key1", at(4)).unwrap());
    assert!(job(&db, JobId(1)).replaced.is_none());
}

/// Once the last byte is out, the video may have the new content, and no other file can rely on it.
#[test]
fn a_replacement_whose_last_byte_is_out_does_not_give_way() {
    let db = table();
    let lease = replacing(&db, 2);
    assert!(ticket::last_byte(&db, &lease, at(5)).unwrap());
    db.execute("UPDATE jobs SET path = '/w/b.mp4' WHERE id = 1", [])
        .unwrap();
    assert!(!replace::gives_way(&db, &lease, &Report::default(), at(6)).unwrap());
    assert!(
        ticket::last_byte(&db, &lease, at(7)).unwrap(),
        "it is sent again"
    );
}

/// It was not told by a create call, so that its sidecar is compared; by the ingest id of the
/// video.
#[test]
fn a_replaced_video_keeps_its_mark_and_its_sidecar_is_compared() {
    let db = table();
    let first = new_job(&db, &content(1), at(0));
    let lease = take(&db, at(0));
    metadata::told(&db, &lease, (Some("one"), None), at(1)).unwrap();
    upload(&db, &lease, "Key1", at(1));
    let facts = confirm::Facts::default();
    let ready = |second: i64| {
        let waiting = confirm::waiting(&db, "main").unwrap();
        assert!(confirm::ready(&db, &waiting[0], &facts, at(second)).unwrap());
    };
    ready(2);
    assert!(metadata::due(&db, at(9), 9).unwrap().is_empty());
    let mark = job(&db, first).ingest_id;
    let mut before = first;
    for number in 2..4 {
        let second = number * 10;
        let id = new_job(&db, &content(number), at(second));
        let lease = take(&db, at(second));
        outcome::begin(&db, &lease, Step::Create, at(second)).unwrap();
        let replaced = Replaced {
            job: before,
            updated_before: None,
        };
        replace::takes(&db, &lease, replaced, "Key1").unwrap();
        upload(&db, &lease, "Key1", at(second + 1));
        assert!(metadata::due(&db, at(99), 9).unwrap().is_empty());
        ready(second + 2);
        let due = metadata::due(&db, at(99), 9).unwrap();
        assert_eq!(due.len(), 1, "{due:?}");
        assert_eq!((due[0].job, &due[0].ingest_id), (id, &mark));
        assert_ne!(job(&db, id).ingest_id, mark);
        assert_eq!(due[0].digest.as_deref(), Some("one"), "not told twice");
        metadata::compared(&db, &due[0], (Some("one"), None), at(second + 3)).unwrap();
        before = id;
    }
}

/// No matter what ends a replacement whose last byte was handed out, the content before it does not
/// count as uploaded any more, and the video belongs to the next file of the name.
#[test]
fn a_replacement_that_may_have_arrived_is_not_forgotten() {
    let exits: [Exit; 5] = [
        ("failed", |db, lease| {
            outcome::failed(db, lease, &Report::default(), at(5)).unwrap();
        }),
        ("start over", |db, lease| {
            let why = ("link-expired", &Report::default());
            outcome::start_over(db, lease, at(5), why, at(5)).unwrap();
        }),
        ("superseded", |db, lease| {
            outcome::superseded(db, lease, &Report::default(), at(5)).unwrap();
        }),
        ("vanished", |db, lease| {
            outcome::vanished(db, lease, &Report::default(), at(5)).unwrap();
        }),
        ("sent again without success, then cancelled", |db, lease| {
            ticket::last_byte_counts_as_lost(db, lease).unwrap();
            ticket::last_byte(db, lease, at(5)).unwrap();
            ticket::last_byte_was_lost(db, lease).unwrap();
            operator::cancel(db, lease.job.id, at(5)).unwrap();
        }),
    ];
    for (what, exit) in exits {
        let db = table();
        let lease = replacing(&db, 2);
        let arrival = || job(&db, JobId(1)).replaced.map(|replaced| replaced.arrival);
        ticket::last_byte(&db, &lease, at(5)).unwrap();
        assert_eq!(arrival(), Some(Arrival::Sending), "{what}");
        ticket::last_byte_was_lost(&db, &lease).unwrap();
        assert_eq!(arrival(), None, "{what}: a clear answer");
        ticket::last_byte(&db, &lease, at(5)).unwrap();
        let cancelled = operator::cancel(&db, lease.job.id, at(5)).unwrap();
        assert!(
            matches!(cancelled, operator::Answer::Refused(_)),
            "{cancelled:?}"
        );
        exit(&db, &lease);
        assert_eq!(arrival(), Some(Arrival::Perhaps), "{what}");
        // The first file, put back as it was, is another one, and the video is that of its name.
        let back = new_job(&db, &content(1), at(6));
        let before = replace::before(&db, &job(&db, back)).unwrap();
        assert!(
            matches!(&before, Before::Up(up) if up.video_key == "Key1"),
            "{what}: {before:?}"
        );
    }
}

#[test]
fn a_stale_look_wakes_nobody() {
    let db = table();
    let first = new_job(&db, &content(1), at(0));
    upload(&db, &take(&db, at(0)), "Key1", at(1));
    let look = confirm::waiting(&db, "main").unwrap().remove(0);
    let facts = confirm::Facts::default();
    assert!(confirm::ready(&db, &look, &facts, at(2)).unwrap());
    // Put off, without a failure.
    let second = new_job(&db, &content(2), at(900));
    assert!(!confirm::ready(&db, &look, &facts, at(3)).unwrap());
    assert!(!confirm::failed(&db, &look, &facts, (&Report::said("no"), at(3))).unwrap());
    assert_eq!(job(&db, second).run_at, at(900));
    assert_eq!(job(&db, first).state, State::Done);
}
