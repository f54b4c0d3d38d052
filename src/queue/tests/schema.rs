//! What the schema itself promises: its checks by name, its indices, its age.

use super::*;
use crate::queue::{confirm, withdraw};

/// Asserts that the statement is refused by the check of this name.
fn refused(db: &Connection, sql: &str, check: &str) {
    let error = db.execute(sql, []).expect_err(sql).to_string();
    assert!(
        error.contains(&format!("CHECK constraint failed: {check}")),
        "{sql}: {error}"
    );
}

#[test]
fn each_check_refuses_its_bad_row_by_name() {
    let db = table();
    new_job(&db, &file("/w/a.mp4", 1), at(0));
    let finished = "finished_at = '2027-01-01T00:00:00.000Z'";
    for (change, check) in [
        ("state = 'lost'".to_owned(), "state_valid"),
        ("step = 'dream'".to_owned(), "step_valid"),
        ("path = 5".to_owned(), "path_is_text_or_blob"),
        ("state = 'running'".to_owned(), "lease_iff_running"),
        (
            "lease_id = 'x', lease_until = 'y'".to_owned(),
            "lease_iff_running",
        ),
        (
            "state = 'running', lease_id = 'x'".to_owned(),
            "lease_iff_running",
        ),
        (
            format!("state = 'running', lease_until = 'y', {finished}"),
            "lease_iff_running",
        ),
        ("state = 'failed'".to_owned(), "finished_iff_final"),
        (finished.to_owned(), "finished_iff_final"),
        (
            format!("state = 'done', step = 'confirm', {finished}"),
            "done_has_key",
        ),
        (
            format!("state = 'done', step = 'confirm', method = 's3', {finished}"),
            "done_has_key",
        ),
        (
            format!("state = 'done', step = 'transfer', video_key = 'k', {finished}"),
            "done_is_confirmed",
        ),
        ("step = 'transfer'".to_owned(), "sent_has_key"),
        ("step = 'confirm', method = 's3'".to_owned(), "sent_has_key"),
        (
            format!("state = 'duplicate', {finished}"),
            "duplicate_has_original",
        ),
        ("duplicate_of = 1".to_owned(), "duplicate_has_original"),
        ("superseded = 1".to_owned(), "superseded_is_over"),
        (
            format!("state = 'cancelled', superseded = 2, {finished}"),
            "superseded_is_over",
        ),
        ("size = -1".to_owned(), "size_not_negative"),
        ("attempts = -1".to_owned(), "size_not_negative"),
        ("by_hand = 2".to_owned(), "by_hand_valid"),
    ] {
        refused(&db, &format!("UPDATE jobs SET {change}"), check);
    }
}

#[test]
fn the_other_tables_check_theirs() {
    let db = table();
    new_job(&db, &file("/w/a.mp4", 1), at(0));
    let attempt = "INSERT INTO attempts (job_id, step, started_at, ended_at, outcome) VALUES (1,";
    refused(
        &db,
        &format!("{attempt} 'create', 'x', 'y', NULL)"),
        "ended_iff_outcome",
    );
    refused(
        &db,
        &format!("{attempt} 'create', 'x', NULL, 'done')"),
        "ended_iff_outcome",
    );
    refused(
        &db,
        &format!("{attempt} 'dream', 'x', NULL, NULL)"),
        "attempt_step_valid",
    );
    refused(
        &db,
        "INSERT INTO paused_accounts (account, reason, since, probe_at, trying) VALUES ('a', 'b', 'c', 'd', 2)",
        "trying_valid",
    );
    refused(
        &db,
        "INSERT INTO settling VALUES (7, 'w', 1, 's', 'scan', 'quiet')",
        "settling_path_is_text_or_blob",
    );
}

/// The plans of the statements that a call has prepared, as SQLite tells them.
pub(super) fn plans(db: &Connection, act: impl FnOnce(&Connection)) -> String {
    db.flush_prepared_statement_cache();
    act(db);
    let mut plan = String::new();
    for (sql, _) in cached_statements(db) {
        plan.push_str(&plan_of(db, &sql));
    }
    assert!(!plan.is_empty());
    plan
}

/// The plan of one statement.
pub(super) fn plan_of(db: &Connection, sql: &str) -> String {
    let mut plan = String::new();
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().unwrap() {
        plan.push_str(&row.get::<_, String>(3).unwrap());
        plan.push('\n');
    }
    plan
}

/// What a call costs, in steps of SQLite's machine.
pub(super) fn steps(db: &Connection, act: impl FnOnce(&Connection)) -> i64 {
    db.flush_prepared_statement_cache();
    act(db);
    let counts = cached_statements(db).into_iter().map(|(_, steps)| steps);
    counts.sum()
}

/// The statements in the connection's cache: their text, and the steps that they took.
fn cached_statements(db: &Connection) -> Vec<(String, i64)> {
    use rusqlite::ffi::{
        SQLITE_STMTSTATUS_VM_STEP, sqlite3_next_stmt, sqlite3_sql, sqlite3_stmt_status,
    };
    let mut all = Vec::new();
    let mut statement = std::ptr::null_mut();
    loop {
        #[expect(unsafe_code, reason = "rusqlite does not list its statements")]
        // SAFETY: `db` is open, and no statement is finalised while we walk through them; the text
        // of a statement is NUL-terminated and lives as long as the statement.
        let (text, steps) = unsafe {
            statement = sqlite3_next_stmt(db.handle(), statement);
            if statement.is_null() {
                return all;
            }
            let steps = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0);
            (std::ffi::CStr::from_ptr(sqlite3_sql(statement)), steps)
        };
        all.push((text.to_str().unwrap().to_owned(), i64::from(steps)));
    }
}

#[test]
fn what_runs_often_has_its_index() {
    let db = table();
    new_job(&db, &file("/w/a.mp4", 1), at(0));
    for n in 2..300 {
        new_job(&db, &file(format!("/w/{n}.mp4"), n), at(n));
    }
    // As it is in a daemon, and with statistics that a person may have created by hand.
    what_runs_often(&db);
    db.execute_batch("ANALYZE").unwrap();
    what_runs_often(&db);
}

fn what_runs_often(db: &Connection) {
    let claimed = plans(db, |db| drop(take(db, at(500))));
    assert!(claimed.contains("is_large=? AND run_at<?)"), "{claimed}");
    assert!(!claimed.contains("TEMP B-TREE"), "{claimed}");
    assert!(!claimed.contains("SCAN jobs"), "{claimed}");
    let due = plans(db, |db| {
        assert!(claim::next_due(db, &ANY).unwrap().is_some());
    });
    assert!(due.contains("USING COVERING INDEX jobs_due"), "{due}");
    let known = plans(db, |db| {
        enqueue(db, &file("/w/5.mp4", 5), at(0)).unwrap();
    });
    assert!(known.contains("USING INDEX jobs_once (path=?"), "{known}");
    let waiting = plans(db, |db| drop(confirm::waiting(db, "main").unwrap()));
    assert!(waiting.contains("jobs_waiting (account=?)"), "{waiting}");
    assert!(!waiting.contains("TEMP B-TREE"), "{waiting}");
    let next = plans(db, |db| {
        assert!(confirm::accounts_due(db).unwrap().is_empty());
    });
    assert!(next.contains("COVERING INDEX jobs_waiting"), "{next}");
    let withdrawals = plans(db, |db| {
        withdraw::due(db, at(0)).unwrap();
        withdraw::next_due(db).unwrap();
    });
    assert_eq!(
        withdrawals.matches("withdrawals_due").count(),
        2,
        "{withdrawals}"
    );
    let path = plans(db, |db| {
        drop(crate::queue::query::by_path(db, Path::new("/w/5.mp4")).unwrap());
    });
    assert!(!path.contains("SCAN jobs"), "{path}");
    let running = plans(db, |db| {
        drop(claim::reclaim(db, Some(at(0)), &[], at(0)).unwrap());
    });
    assert!(!running.contains("SCAN jobs\n"), "{running}");
    assert!(!running.contains("SCAN attempts"), "{running}");
}

proptest::proptest! {
    #[test]
    fn sorting_the_text_sorts_the_times(a in 0_i64..253_402_207_200_000, b in 0_i64..253_402_207_200_000) {
        let time = |ms| Timestamp::from_millisecond(ms).unwrap();
        let text = |ms| crate::clock::text(time(ms));
        proptest::prop_assert_eq!(a.cmp(&b), text(a).cmp(&text(b)));
        proptest::prop_assert_eq!(text(a).parse::<Timestamp>().unwrap(), time(a));
        proptest::prop_assert_eq!(text(a).len(), "2027-01-15T08:00:00.000Z".len());
    }
}

/// The last moment there is has a text like all others, so year 10000 cannot break the order.
#[test]
fn the_end_of_time_sorts_last() {
    assert_eq!(
        crate::clock::text(Timestamp::MAX),
        "9999-12-30T22:00:00.999Z"
    );
}
