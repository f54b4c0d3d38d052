//! What a clock that was set leaves in the table, and how that is corrected.

use std::time::Duration;

use super::*;
use crate::disposition::Need;
use crate::queue::accounts::{self, Cause};
use crate::queue::times::{self, Longest};

const LONGEST: Longest = Longest {
    delay: Duration::from_hours(1),
    grace: Duration::from_hours(48),
};

#[test]
fn nothing_waits_for_a_time_that_only_a_wrong_clock_can_have_written() {
    let db = table();
    let far = new_job(&db, &file("/w/far.mp4", 1), at(90_000));
    let near = new_job(&db, &file("/w/near.mp4", 2), at(1_800));
    accounts::pause(
        &db,
        "main",
        (Cause::Refused(Need::Credentials), "the clock was wrong"),
        (at(90_000), at(89_000)),
    )
    .unwrap();
    assert_eq!(times::mend(&db, at(0), LONGEST).unwrap(), 2);
    assert_eq!(job(&db, far).run_at, at(0));
    assert_eq!(job(&db, near).run_at, at(1_800), "a wait that may be stays");
    assert_eq!(accounts::paused(&db).unwrap()[0].probe_at, at(0));
    assert_eq!(times::mend(&db, at(0), LONGEST).unwrap(), 0);
}

/// Every column that puts something off, with how far it may be ahead.
#[test]
fn every_table_is_pulled_back_and_what_may_be_stays() {
    let put = |db: &Connection, at: Timestamp| {
        let at = crate::clock::text(at);
        let sql = format!(
            "UPDATE jobs SET run_at = '{at}', lease_until = iif(state = 'running', '{at}', NULL);
             INSERT OR REPLACE INTO metadata (job_id, due_at) VALUES (1, '{at}');
             INSERT OR REPLACE INTO afterwards (job_id, action, due_at) VALUES (1, 'delete', '{at}');
             INSERT OR REPLACE INTO withdrawals (id, job_id, account, ingest_id, reason, created_at, run_at)
             VALUES (1, 1, 'main', 'x', 'y', '{at}', '{at}');
             INSERT OR REPLACE INTO paused_accounts (account, reason, since, probe_at) VALUES ('a', 'b', '{at}', '{at}')"
        );
        db.execute_batch(&sql).unwrap();
    };
    let (hour, days) = (3_600, 48 * 3_600);
    for (column, sql, allowed) in [
        (
            "jobs.run_at",
            "SELECT run_at FROM jobs WHERE state = 'queued'",
            hour,
        ),
        (
            "jobs.lease_until",
            "SELECT lease_until FROM jobs WHERE state = 'running'",
            60,
        ),
        ("metadata.due_at", "SELECT due_at FROM metadata", hour),
        ("withdrawals.run_at", "SELECT run_at FROM withdrawals", hour),
        (
            "paused_accounts.probe_at",
            "SELECT probe_at FROM paused_accounts",
            hour,
        ),
        ("afterwards.due_at", "SELECT due_at FROM afterwards", days),
    ] {
        let db = table();
        new_job(&db, &file("/w/a.mp4", 1), at(0));
        take(&db, at(1));
        new_job(&db, &file("/w/b.mp4", 2), at(0));
        let read = || -> Timestamp {
            let text: String = db.query_row(sql, [], |row| row.get(0)).unwrap();
            text.parse().unwrap()
        };
        put(&db, at(allowed));
        times::mend(&db, at(0), LONGEST).unwrap();
        assert_eq!(read(), at(allowed), "{column}");
        put(&db, at(allowed + 1));
        times::mend(&db, at(0), LONGEST).unwrap();
        assert!(read() <= at(allowed), "{column} is {}", read());
    }
}

#[test]
fn the_time_a_machine_was_off_is_no_time_of_failing() {
    let db = table();
    let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
    let lease = take(&db, at(1));
    let report = Report::default();
    let later = (at(2), outcome::Count::Yes);
    outcome::again(&db, &lease, later, ("transient", &report), at(1)).unwrap();
    db.execute_batch(&format!(
        "INSERT INTO metadata (job_id, failing_since) VALUES (1, '{}')",
        crate::clock::text(at(1))
    ))
    .unwrap();
    assert_eq!(job(&db, id).failing_since, Some(at(1)));
    // Also of a job that runs: its attempt may fail a moment after the jump.
    take(&db, at(3));
    times::mend(&db, at(500_000), LONGEST).unwrap();
    assert_eq!(job(&db, id).failing_since, Some(at(500_000)));
    let told: String = db
        .query_row("SELECT failing_since FROM metadata", [], |row| row.get(0))
        .unwrap();
    assert_eq!(told, crate::clock::text(at(500_000)));
}
