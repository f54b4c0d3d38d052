//! What was sent about a video, and which sidecars make which jobs due.

use super::*;
use crate::disposition::Need;
use crate::queue::accounts::{self, Cause};
use crate::queue::metadata::{self, Due};
use crate::queue::operator::cancel;
use crate::queue::renames::moved;
use crate::queue::{ftp, story};

fn changed(db: &Connection, base: &str, stems: &[&str], now: Timestamp) -> bool {
    let belongs = |path: &Path| {
        let names = [path.file_stem(), path.file_name()];
        stems
            .iter()
            .any(|stem| names.contains(&Some(stem.as_ref())))
    };
    metadata::sidecar_changed(db, Path::new(base), belongs, now).unwrap()
}

fn due(db: &Connection, now: Timestamp) -> Vec<i64> {
    let due = metadata::due(db, now, 100).unwrap();
    due.into_iter().map(|due| due.job.0).collect()
}

fn only(db: &Connection, now: Timestamp) -> Due {
    metadata::due(db, now, 100).unwrap().remove(0)
}

#[test]
fn a_sidecar_makes_the_newest_jobs_of_its_videos_due_and_no_other() {
    let db = table();
    let names = [
        "/w/clip.mp4",
        "/w/clip.mp4",
        "/w/clip.mov",
        "/w/clip.de.mp4",
        "/w/clip2.mp4",
        "/w/deep/clip.mp4",
    ];
    for (number, name) in (1..).zip(names) {
        let mut file = file(name, number);
        file.identity.size += number;
        new_job(&db, &file, at(0));
        upload(&db, &take(&db, at(1)), &format!("key{number}"), at(2));
    }
    assert!(changed(&db, "/w/clip", &["clip"], at(3)));
    assert_eq!(due(&db, at(3)), [2, 3]);
    assert!(!changed(&db, "/w/no", &["no"], at(3)));
    assert!(changed(&db, "/w/clip2.mp4", &["clip2.mp4"], at(4)));
    assert_eq!(due(&db, at(4)), [2, 3, 5]);
    let plan: Vec<String> = {
        let sql = "EXPLAIN QUERY PLAN SELECT id, path FROM (
                       SELECT id, path, row_number() OVER (
                           PARTITION BY path ORDER BY coalesce(renamed_at, created_at) DESC, id DESC) AS place
                       FROM jobs
                       WHERE superseded = 0 AND replaced_by IS NULL AND state IN ('queued', 'running', 'done')
                         AND (path = 'a' OR path >= 'a.' AND path < 'a/'))
                   WHERE place = 1";
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(3)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert!(
        plan.iter().all(|step| !step.starts_with("SCAN jobs")),
        "{plan:?}"
    );
}

#[test]
fn a_sidecar_beside_a_renamed_file_makes_its_job_due_and_not_that_of_the_file_before() {
    let db = table();
    let mut here = file("/w/old.mp4", 1);
    new_job(&db, &here, at(0));
    upload(&db, &take(&db, at(1)), "key", at(2));
    let mut before = file("/w/clip.mp4", 2);
    before.identity.ctime_ns += 1;
    let other = new_job(&db, &before, at(3));
    here.path = "/w/clip.mp4".into();
    moved(&db, (JobId(1), Path::new("/w/old.mp4")), &here, at(4)).unwrap();
    for due in metadata::due(&db, at(4), 100).unwrap() {
        metadata::compared(&db, &due, (None, None), at(5)).unwrap();
    }
    assert!(changed(&db, "/w/clip", &["clip"], at(6)));
    assert_eq!(
        due(&db, at(6)),
        [1],
        "and not {other:?}, whose file is gone"
    );
}

#[test]
fn a_video_without_its_bytes_waits_and_one_that_is_told_is_done() {
    let db = table();
    let id = new_job(&db, &file("/w/clip.mp4", 1), at(0));
    assert!(changed(&db, "/w/clip", &["clip"], at(1)));
    let lease = take(&db, at(1));
    metadata::told(&db, &lease, (Some("one"), None), at(2)).unwrap();
    create_video(&db, &lease, "key", at(2));
    assert_eq!(
        (due(&db, at(9)), metadata::next_due(&db).unwrap()),
        (vec![], None)
    );
    outcome::transferred(&db, &lease, None, at(3), (&Report::default(), at(3))).unwrap();
    assert_eq!(metadata::next_due(&db).unwrap(), Some(at(1)));
    let first = only(&db, at(9));
    assert_eq!(
        (first.digest.as_deref(), &*first.video_key),
        (Some("one"), "key")
    );
    metadata::again(&db, &first, at(20), ("no answer", at(9))).unwrap();
    assert!(due(&db, at(19)).is_empty());
    let second = only(&db, at(20));
    assert_eq!((second.attempts, second.failing_since), (1, Some(at(9))));
    // It changes once more while it is being sent.
    changed(&db, "/w/clip", &["clip"], at(21));
    metadata::compared(&db, &second, (Some("two"), None), at(22)).unwrap();
    let third = only(&db, at(22));
    assert_eq!((third.digest.as_deref(), third.attempts), (Some("two"), 0));
    accounts::pause(
        &db,
        "main",
        (Cause::Refused(Need::Credentials), "refused"),
        (at(30), at(22)),
    )
    .unwrap();
    assert_eq!(
        (due(&db, at(23)), metadata::next_due(&db).unwrap()),
        (vec![], None)
    );
    accounts::resume(&db, "main", at(23)).unwrap();
    metadata::compared(&db, &third, (Some("two"), Some("a fault")), at(24)).unwrap();
    assert_eq!(metadata::next_due(&db).unwrap(), None);
    let told = metadata::of(&db, id).unwrap().unwrap();
    assert_eq!(
        (told.last_error.as_deref(), told.due_at),
        (Some("a fault"), None)
    );
}

#[test]
fn whoever_lost_the_lease_tells_nothing() {
    let db = table();
    let id = new_job(&db, &file("/w/clip.mp4", 1), at(0));
    let lease = take(&db, at(1));
    cancel(&db, id, at(2)).unwrap();
    assert!(metadata::told(&db, &lease, (None, None), at(3)).is_err());
    assert!(
        !changed(&db, "/w/clip", &["clip"], at(3)),
        "no video comes of it"
    );
    assert_eq!(metadata::of(&db, id).unwrap(), None);
}

/// An idle daemon asks again and again, with very many jobs done and nothing due.
#[test]
fn what_is_due_is_not_looked_for_among_all_jobs() {
    let plan = schema::plans(&table(), |db| {
        assert!(due(db, at(0)).is_empty());
        assert_eq!(metadata::next_due(db).unwrap(), None);
        assert_eq!(metadata::count_due(db, at(0)).unwrap(), 0);
    });
    let of_jobs = plan.lines().filter(|step| step.contains(" jobs"));
    let found: Vec<_> = of_jobs.collect();
    let expected = "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)";
    assert_eq!(found, [expected; 3], "{plan}");
}

#[test]
fn the_platform_was_told_once_the_video_is_there_and_not_before() {
    let db = table();
    let id = new_job(&db, &file("/w/clip.mp4", 1), at(0));
    let is_told = || {
        let row = story::of(&db, &job(&db, id), at(9)).unwrap().metadata;
        row.expect("a row").is_told
    };
    changed(&db, "/w/clip", &["clip"], at(0));
    assert!(!is_told(), "a sidecar alone changes nothing");
    let lease = take(&db, at(1));
    metadata::told(&db, &lease, (Some("one"), None), at(2)).unwrap();
    assert!(!is_told(), "it is noted before the call");
    create_video(&db, &lease, "key", at(2));
    assert!(is_told());
    let (again, report) = ("transient", Report::default());
    outcome::start_over(&db, &lease, at(3), (again, &report), at(3)).unwrap();
    assert!(!is_told(), "the next video was told nothing yet");
}

/// A video that is found after its bytes went by FTP gets all metadata, even if an earlier one got
/// it.
#[test]
fn what_a_former_video_was_told_counts_for_no_other() {
    let db = table();
    let id = new_job(&db, &file("/w/clip.mp4", 1), at(0));
    let first = take(&db, at(1));
    metadata::told(&db, &first, (Some("one"), None), at(2)).unwrap();
    create_video(&db, &first, "key", at(2));
    let (again, report) = ("transient", Report::default());
    outcome::start_over(&db, &first, at(3), (again, &report), at(3)).unwrap();
    let second = take(&db, at(4));
    ftp::begins(&db, &second, "why", at(4)).unwrap();
    ftp::gets_its_name(&db, &second, ("clip.mp4", None), at(5)).unwrap();
    ftp::sent(&db, &second, (at(5), at(6)), (&report, at(6))).unwrap();
    assert!(ftp::found(&db, id, "found", at(7)).unwrap());
    db.execute("UPDATE jobs SET state = 'done', finished_at = run_at", [])
        .unwrap();
    let due = only(&db, at(8));
    assert!(due.untold && due.digest.is_none(), "{due:?}");
}
