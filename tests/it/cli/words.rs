//! What is said of a job holds, is said once, and helps.

use jw_ingest::queue;

use super::fixture::{Fixture, before, job, one_of_each, text};

#[test]
fn after_a_hard_stop_nothing_is_said_to_be_under_way() {
    let fixture = Fixture::new();
    let db = fixture.database();
    one_of_each(&fixture, &db);
    let said = "was being uploaded (540.0 MB, 45 %) when the daemon was killed; it resumes when the daemon is started\n";
    let out = fixture.run(&["job", "3"]).done();
    assert!(out.starts_with(&format!("job 3 {said}")), "{out}");
    let out = fixture.run(&["explain", "news/up.mp4"]).done();
    assert!(
        out.starts_with(&format!("its job 3 {}", said.trim_end())),
        "{out}"
    );
    db.execute("DELETE FROM progress", []).unwrap();
    for (step, said) in [
        ("create", "was creating its video on the platform when"),
        ("transfer", "was being uploaded when"),
    ] {
        db.execute("UPDATE jobs SET step = ?1 WHERE id = 3", [step])
            .unwrap();
        let out = fixture.run(&["job", "3"]).done();
        assert!(out.starts_with(&format!("job 3 {said}")), "{out}");
    }
}

#[test]
fn a_rate_that_is_not_known_yet_is_left_out() {
    let fixture = Fixture::new();
    let db = fixture.database();
    one_of_each(&fixture, &db);
    db.execute("UPDATE progress SET bytes_per_second = 0", [])
        .unwrap();
    let _daemon = queue::lock(&fixture.path("jobs.db")).unwrap();
    let out = fixture.run(&["job", "3"]).done();
    assert!(
        out.starts_with("job 3 uploads now: 540.0 MB (45 %)\n"),
        "{out}"
    );
}

#[test]
fn files_that_settle_are_told_above_the_jobs() {
    let fixture = Fixture::new();
    let db = fixture.database();
    for (name, watch, age, why) in [
        ("a.mp4", "news", 5, "it changed a moment ago"),
        (
            "big\n.mp4",
            "news",
            500,
            "a program has it open for writing",
        ),
        ("c.mp4", "old", 9, "it is still empty"),
    ] {
        db.execute(
            "INSERT INTO settling (path, watch, size, since, seen_by, waiting_for) VALUES (?1, ?2, 1, ?3, 'event', ?4)",
            (fixture.news(name.as_bytes()).to_str().unwrap(), watch, before(age), why),
        )
        .unwrap();
    }
    let lock = queue::lock(&fixture.path("jobs.db")).unwrap();
    let told = "files are settling (big\\n.mp4: a program has it open for writing); `jw-ingest explain FILE` shows more\n";
    assert_eq!(fixture.run(&["jobs"]).done(), format!("3 {told}"));
    assert_eq!(
        fixture.run(&["jobs", "--watch", "news"]).done(),
        format!("2 {told}")
    );
    assert_eq!(fixture.run(&["jobs", "--state", "failed"]).done(), "");
    assert_eq!(fixture.run(&["jobs", "--json"]).done(), "");
    drop(lock);
    assert_eq!(
        fixture.run(&["jobs"]).done(),
        "",
        "the notes are a dead daemon's"
    );
}

#[test]
fn a_pause_says_what_mends_it_and_says_it_once() {
    for (reason, need, remedy) in [
        (
            "/videos/create: the platform answered TimestampExpired (HTTP 400): set this machine's clock right \
             (timedatectl set-ntp true)",
            "clock",
            "jw-ingest tests the account by itself and resumes",
        ),
        (
            "/videos/create: the platform answered CallInvalid (HTTP 400): content storage limit exceeded",
            "plan",
            "the property's plan is exhausted",
        ),
        (
            "/videos/create: the platform answered ApiKeyInvalid (HTTP 400)",
            "credentials",
            "compare key and secret",
        ),
    ] {
        let fixture = Fixture::new();
        let db = fixture.database();
        let noted = format!("account main is paused: {reason}");
        let id = job(
            &db,
            &fixture.news(b"a.mp4"),
            &[
                ("last_error", text(&noted)),
                ("advice", text("account-paused")),
            ],
        );
        db.execute(
            "INSERT INTO paused_accounts (account, reason, since, probe_at, need) VALUES ('main', ?1, ?2, ?2, ?3)",
            [reason, &before(60), need],
        )
        .unwrap();
        db.execute(
            "INSERT INTO attempts (job_id, step, started_at, ended_at, outcome, message)
             VALUES (?1, 'transfer', '2026-08-22T10:00:07.000Z', '2026-08-22T10:00:08.000Z', 'blocked', ?2)",
            (id, &noted),
        )
        .unwrap();
        let out = fixture.run(&["job", &id.to_string()]).done();
        assert_eq!(out.matches(reason).count(), 1, "{out}");
        assert!(out.lines().nth(1).unwrap().contains(remedy), "{out}");
        let tried = out.lines().last().unwrap();
        assert!(
            tried.contains("10:00:07") && tried.contains("upload") && tried.ends_with("see above"),
            "{out}"
        );
        let out = fixture.run(&["explain", "news/a.mp4"]).done();
        assert_eq!(out.matches(reason).count(), 1, "{out}");
    }
}

#[test]
fn what_is_advised_after_a_failure_can_help() {
    for (reason, advice, end) in [
        (
            "the file is broken",
            "fix-cause",
            "; once the cause is fixed: `jw-ingest retry 1`",
        ),
        (
            "the proxy says: over its size-limit, see jw-ingest retry in its manual",
            "fix-cause",
            "; once the cause is fixed: `jw-ingest retry 1`",
        ),
        (
            "it takes at most 5 GB (s3-limit): set method = \"auto\"",
            "then-retry",
            "; after that: `jw-ingest retry 1`",
        ),
        (
            "when it is whole, run `jw-ingest add` again",
            "in-words",
            "run `jw-ingest add` again",
        ),
    ] {
        let fixture = Fixture::new();
        let db = fixture.database();
        job(
            &db,
            &fixture.news(b"a.mp4"),
            &[
                ("state", text("failed")),
                ("finished_at", text(&before(9))),
                ("last_error", text(reason)),
                ("advice", text(advice)),
                ("size", 2.into()),
            ],
        );
        let out = fixture.run(&["job", "1"]).done();
        assert!(out.lines().next().unwrap().ends_with(end), "{out}");
        assert_eq!(out.matches(reason).count(), 1, "{out}");
        assert!(out.contains("  size          2 bytes\n"), "{out}");
        let out = fixture.run(&["explain", "news/a.mp4"]).done();
        assert_eq!(out.matches(reason).count(), 1, "{out}");
    }
}
