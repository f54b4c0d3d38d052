//! Single promises of the verbs, each by a short story.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::disposition::Need;
use crate::queue::accounts::Cause;
use crate::queue::outcome::Count;
use crate::queue::{State, accounts, confirm, query, withdraw};

#[test]
fn paths_come_back_as_they_were() {
    let db = table();
    let long = format!("/w/{}.mp4", "n".repeat(251));
    let names: [(&[u8], &str); 7] = [
        (b"/w/plain.mp4", "text"),
        (b"/w/caf\xe9.mp4", "blob"),
        (b"/w/two\nlines'\"#?%&.mp4", "text"),
        ("/w/\u{1f3a5}.mp4".as_bytes(), "text"),
        (b"123", "text"),
        (b"-rf", "text"),
        (long.as_bytes(), "text"),
    ];
    for (number, (name, kind)) in (1..).zip(names) {
        let path = Path::new(OsStr::from_bytes(name));
        let id = new_job(&db, &file(path, number), at(0));
        assert_eq!(job(&db, id).path, path);
        let stored = value(
            &db,
            &format!("SELECT typeof(path) FROM jobs WHERE id = {id}"),
        );
        assert_eq!(stored, Value::from((*kind).to_owned()), "{path:?}");
        assert_eq!(query::by_path(&db, path).unwrap().len(), 1);
        assert_eq!(
            enqueue(&db, &file(path, number), at(1)).unwrap(),
            Enqueued::Known(id, State::Queued)
        );
    }
}

#[test]
fn a_paused_accounts_jobs_are_passed_over() {
    let db = table();
    let first = new_job(&db, &file("/w/a.mp4", 1), at(0));
    let second = new_job(
        &db,
        &NewJob {
            account: "other".to_owned(),
            ..file("/w/b.mp4", 2)
        },
        at(1),
    );
    assert!(
        accounts::pause(
            &db,
            "main",
            (Cause::Refused(Need::Credentials), "bad key"),
            (at(60), at(1))
        )
        .unwrap()
    );
    assert!(
        !accounts::pause(
            &db,
            "main",
            (Cause::Refused(Need::Credentials), "bad key"),
            (at(120), at(60))
        )
        .unwrap(),
        "said once"
    );
    assert_eq!(claim::next_due(&db, &ANY).unwrap(), Some(at(1)));
    assert_eq!(take(&db, at(60)).job.id, second);
    assert!(claim::claim(&db, at(60), &ANY).unwrap().is_none());
    assert_eq!(claim::next_due(&db, &ANY).unwrap(), None);
    accounts::resume(&db, "main", at(60)).unwrap().unwrap();
    assert_eq!(take(&db, at(60)).job.id, first);
}

#[test]
fn what_an_outage_put_off_is_due_when_it_ends() {
    let db = table();
    for n in 0..2 {
        new_job(&db, &file(format!("/w/{n}.mp4"), n), at(0));
    }
    let lease = take(&db, at(0));
    let put_off = (at(3600), Count::Yes);
    outcome::again(
        &db,
        &lease,
        put_off,
        ("transient", &Report::default()),
        at(1),
    )
    .unwrap();
    let pause =
        |cause, now| accounts::pause(&db, "main", (cause, "why"), (at(60), at(now))).unwrap();
    assert!(pause(Cause::Unreachable, 2));
    assert!(!pause(Cause::Unreachable, 3), "said once");
    assert!(
        pause(Cause::Refused(Need::Credentials), 4),
        "another cause is news"
    );
    assert!(pause(Cause::Unreachable, 5));
    let ended = accounts::resume(&db, "main", at(10)).unwrap().unwrap();
    assert_eq!(
        (ended.cause, ended.since, ended.probes),
        (Cause::Unreachable, at(2), 0)
    );
    let due = || query::jobs(&db, &query::Filter::default()).unwrap();
    assert_eq!(
        due().iter().map(|job| job.run_at).collect::<Vec<_>>(),
        [at(10), at(0)]
    );
    assert!(due().iter().all(|job| job.failing_since.is_none()));

    let lease = take(&db, at(10));
    outcome::again(
        &db,
        &lease,
        put_off,
        ("transient", &Report::default()),
        at(11),
    )
    .unwrap();
    pause(Cause::Refused(Need::Credentials), 12);
    accounts::resume(&db, "main", at(20)).unwrap();
    assert!(
        due().iter().any(|job| job.run_at == at(3600)),
        "a wrong key put nothing off"
    );
}

#[test]
fn on_probation_one_job_at_a_time_may_try() {
    let db = table();
    for n in 0..3 {
        new_job(&db, &file(format!("/w/{n}.mp4"), n), at(n));
    }
    accounts::pause(
        &db,
        "main",
        (Cause::Refused(Need::Credentials), "quota"),
        (at(10), at(5)),
    )
    .unwrap();
    assert_eq!(claim::next_due(&db, &ANY).unwrap(), None);
    accounts::probation(&db, "main").unwrap();
    assert_eq!(
        claim::next_due(&db, &ANY).unwrap(),
        Some(at(0)),
        "the dispatcher must wake for it"
    );
    let lease = take(&db, at(10));
    assert!(claim::claim(&db, at(10), &ANY).unwrap().is_none());
    assert_eq!(
        claim::next_due(&db, &ANY).unwrap(),
        None,
        "or it would turn in circles"
    );
    let report = Report::default();
    outcome::again(
        &db,
        &lease,
        (at(40), Count::Yes),
        ("transient", &report),
        at(11),
    )
    .unwrap();
    assert_eq!(claim::next_due(&db, &ANY).unwrap(), Some(at(1)));
    take(&db, at(11));
    accounts::probe_now(&db, at(12)).unwrap();
    assert_eq!(
        claim::next_due(&db, &ANY).unwrap(),
        None,
        "a restart probes again"
    );
}

#[test]
fn an_account_has_as_many_under_way_as_it_may() {
    let db = table();
    let accounts = ["main", "main", "main", "other", "free"];
    for (number, account) in (0..).zip(accounts) {
        let job = NewJob {
            account: account.to_owned(),
            ..file(format!("/w/{number}.mp4"), number)
        };
        new_job(&db, &job, at(number));
    }
    let bounds = [("main", 2), ("other", 1), ("it's \"gone\"", 1)];
    let bound = |(name, most): (&str, u32)| (name.to_owned(), most.try_into().unwrap());
    let terms = claim::Terms {
        at_once: bounds.map(bound).into(),
        only_small: false,
    };
    let claim = || claim::claim(&db, at(10), &terms).unwrap();
    let taken: Vec<_> = std::iter::from_fn(claim).collect();
    let accounts: Vec<_> = taken.iter().map(|lease| &lease.job.account).collect();
    assert_eq!(accounts, ["main", "main", "other", "free"]);
    assert_eq!(claim::next_due(&db, &terms).unwrap(), None);
    assert_eq!(claim::next_due(&db, &ANY).unwrap(), Some(at(2)));
    // One that waits for the platform is not in progress any more.
    upload(&db, &taken[0], "key", at(11));
    assert_eq!(claim::next_due(&db, &terms).unwrap(), Some(at(2)));
    assert_eq!(claim().unwrap().job.id, JobId(3));
}

#[test]
fn small_files_can_be_claimed_alone() {
    let db = table();
    let large = i64::try_from(claim::LARGE).unwrap();
    for (number, size) in [(0, large), (1, large - 1), (2, 5)] {
        let mut job = file(format!("/w/{number}.mp4"), number);
        job.identity.size = size;
        new_job(&db, &job, at(number));
    }
    let terms = claim::Terms {
        only_small: true,
        ..claim::Terms::default()
    };
    assert_eq!(claim::next_due(&db, &terms).unwrap(), Some(at(1)));
    let claim = || claim::claim(&db, at(10), &terms).unwrap();
    let taken: Vec<_> = std::iter::from_fn(claim)
        .map(|lease| lease.job.id)
        .collect();
    assert_eq!(taken, [JobId(2), JobId(3)]);
    assert_eq!(claim::next_due(&db, &terms).unwrap(), None);
    assert_eq!(take(&db, at(10)).job.id, JobId(1));
}

#[test]
fn a_withdrawal_is_next_only_where_it_can_be_carried_out() {
    let db = table();
    let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
    let lease = take(&db, at(0));
    create_video(&db, &lease, "key", at(1));
    operator::cancel(&db, id, at(2)).unwrap();
    assert_eq!(withdraw::next_due(&db).unwrap(), Some(at(2)));
    accounts::pause(
        &db,
        "main",
        (Cause::Refused(Need::Credentials), "quota"),
        (at(10), at(5)),
    )
    .unwrap();
    assert!(withdraw::due(&db, at(9)).unwrap().is_none());
    assert_eq!(
        withdraw::next_due(&db).unwrap(),
        None,
        "or the loop would turn in circles"
    );
    accounts::resume(&db, "main", at(20)).unwrap();
    let due = withdraw::due(&db, at(9)).unwrap().unwrap();
    assert_eq!(due.video_key.as_deref(), Some("key"));
    assert_eq!(due.ingest_id, lease.job.ingest_id);
}

/// Anonymous device numbers (btrfs, NFS, overlay) and disk letters change with a reboot.
#[test]
fn a_reboot_does_not_make_another_file_of_it() {
    let db = table();
    let mut seen = file("/w/a.mp4", 1);
    let id = new_job(&db, &seen, at(0));
    upload(&db, &take(&db, at(0)), "key", at(1));
    seen.identity.dev = 99;
    assert!(
        matches!(enqueue(&db, &seen, at(2)).unwrap(), Enqueued::Known(known, _) if known == id)
    );
    assert_eq!(job(&db, id).identity, seen.identity, "the job follows");
    // FUSE filesystems number their inodes again at each mount; size and both times stay.
    seen.identity.ino = 77;
    assert!(
        matches!(enqueue(&db, &seen, at(3)).unwrap(), Enqueued::Known(known, _) if known == id)
    );
    assert_eq!(job(&db, id).identity, seen.identity);
    // Another inode and another ctime: it was replaced, by `cp -p` for one.
    seen.identity.ino = 78;
    seen.identity.ctime_ns += 1;
    new_job(&db, &seen, at(4));
}

#[test]
fn a_chmod_is_no_news_but_to_the_worker_that_reads() {
    let db = table();
    let mut seen = file("/w/a.mp4", 1);
    let id = new_job(&db, &seen, at(0));
    seen.identity.ctime_ns += 1;
    enqueue(&db, &seen, at(1)).unwrap();
    assert_eq!(job(&db, id).identity.ctime_ns, seen.identity.ctime_ns);
    let lease = take(&db, at(1));
    let mut touched = seen.clone();
    touched.identity.ctime_ns += 1;
    enqueue(&db, &touched, at(2)).unwrap();
    assert_eq!(job(&db, id).identity, seen.identity);
    outcome::superseded(&db, &lease, &Report::default(), at(3)).unwrap();
    new_job(&db, &touched, at(4));
    assert_eq!(
        query::by_path(&db, Path::new("/w/a.mp4")).unwrap().len(),
        2,
        "both are told of"
    );
}

#[test]
fn a_second_key_for_a_job_puts_the_first_on_the_list() {
    let db = table();
    new_job(&db, &file("/w/a.mp4", 1), at(0));
    let lease = take(&db, at(0));
    create_video(&db, &lease, "first", at(1));
    assert_eq!(number(&db, "SELECT count(*) FROM withdrawals"), 0);
    create_video(&db, &lease, "first", at(2));
    assert_eq!(
        number(&db, "SELECT count(*) FROM withdrawals"),
        0,
        "a fresh link for the same"
    );
    create_video(&db, &lease, "second", at(3));
    let listed = value(&db, "SELECT group_concat(video_key) FROM withdrawals");
    assert_eq!(listed, Value::from("first".to_owned()));
}

/// A link that is refused each time: create, link expired, start over, create …
#[test]
fn creating_anew_is_no_progress() {
    let db = table();
    let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
    let report = Report {
        message: Some("the link has expired".to_owned()),
        ..Report::default()
    };
    for round in 0..3 {
        let now = at(10 * round);
        let lease = take(&db, now);
        create_video(&db, &lease, &format!("key{round}"), now);
        outcome::start_over(&db, &lease, now, ("link-expired", &report), now).unwrap();
        assert_eq!(job(&db, id).failing_since, Some(at(0)), "round {round}");
    }
    upload(&db, &take(&db, at(50)), "good", at(50));
    assert_eq!(job(&db, id).failing_since, None);
}

#[test]
fn the_first_video_after_an_outage_is_progress() {
    let db = table();
    let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
    let lease = take(&db, at(0));
    outcome::begin(&db, &lease, Step::Create, at(0)).unwrap();
    let report = Report {
        message: Some("503".to_owned()),
        ..Report::default()
    };
    outcome::again(
        &db,
        &lease,
        (at(5), Count::Yes),
        ("transient", &report),
        at(1),
    )
    .unwrap();
    assert_eq!(job(&db, id).failing_since, Some(at(1)));
    create_video(&db, &take(&db, at(5)), "key", at(6));
    assert_eq!(job(&db, id).failing_since, None);
}

/// One look at the platform, whose answer comes after the job has moved on.
#[test]
fn a_late_answer_about_another_video_changes_nothing() {
    let db = table();
    new_job(&db, &file("/w/a.mp4", 1), at(0));
    upload(&db, &take(&db, at(0)), "old", at(1));
    let old = confirm::waiting(&db, "main").unwrap().remove(0);
    confirm::start_over(
        &db,
        &old,
        (at(2), Count::Yes),
        ("mismatch", &Report::said("other bytes")),
        at(2),
    )
    .unwrap();
    nothing_comes_of(&db, &old);
    upload(&db, &take(&db, at(2)), "new", at(2));
    nothing_comes_of(&db, &old);
}

fn nothing_comes_of(db: &Connection, look: &confirm::Waiting) {
    let before = dump(db);
    let facts = confirm::Facts {
        status: "ready".to_owned(),
        ..confirm::Facts::default()
    };
    assert!(!confirm::ready(db, look, &facts, at(3)).unwrap());
    assert!(!confirm::failed(db, look, &facts, (&Report::said("broken"), at(3))).unwrap());
    confirm::later(db, look, Some(&facts), at(9)).unwrap();
    confirm::start_over(
        db,
        look,
        (at(9), Count::Yes),
        ("mismatch", &Report::said("again")),
        at(3),
    )
    .unwrap();
    assert_eq!(dump(db), before);
}

#[test]
fn retry_after_cancel_is_retry_all_the_same() {
    let failed = |status: &str| {
        let db = table();
        let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
        upload(&db, &take(&db, at(0)), "key", at(1));
        let waiting = confirm::waiting(&db, "main").unwrap().remove(0);
        let facts = confirm::Facts {
            status: status.to_owned(),
            ..confirm::Facts::default()
        };
        confirm::failed(&db, &waiting, &facts, (&Report::said("no"), at(2))).unwrap();
        operator::cancel(&db, id, at(3)).unwrap();
        operator::retry(&db, id, at(100)).unwrap();
        let job = job(&db, id);
        (
            job.step,
            job.sent_at,
            number(&db, "SELECT count(*) FROM withdrawals"),
        )
    };
    assert_eq!(
        failed("failed"),
        (Step::Create, None, 1),
        "it is uploaded again"
    );
    assert_eq!(
        failed("processing"),
        (Step::Confirm, Some(at(100)), 0),
        "it is given time again"
    );
}

#[test]
fn a_crash_gives_the_try_back_and_notes_how_far_it_came() {
    let db = table();
    let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
    let lease = take(&db, at(0));
    create_video(&db, &lease, "key", at(1));
    let beat = claim::Beat {
        job: id,
        lease_id: lease.id,
        progress: Some((700, 1)),
    };
    claim::heartbeat(&db, &[beat], at(2)).unwrap();
    assert_eq!(query::progress(&db).unwrap().len(), 1);
    assert_eq!(claim::reclaim(&db, None, &[], at(3)).unwrap(), [id]);
    let tries = query::attempts(&db, id).unwrap();
    assert_eq!(tries[1].outcome.as_deref(), Some("interrupted"));
    assert_eq!(tries[1].bytes_sent, 700);
    let back = take(&db, at(3));
    assert_eq!((back.job.step, back.job.attempts), (Step::Transfer, 1));
    assert!(back.ticket.is_some());
}
