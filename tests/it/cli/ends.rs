//! How commands end: exit codes, closed pipes, signals.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use super::fixture::{Fixture, Ran, many_jobs};

#[test]
fn a_wrong_command_line_is_2_and_says_what_is_right() {
    let fixture = Fixture::new();
    let ran = fixture.run(&["jobs", "--state", "ready"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err
            .contains("queued, running, done, failed, cancelled, duplicate"),
        "{ran:?}"
    );
    for wrong in [
        &["jobs", "--limit", "0"][..],
        &["job"],
        &["job", "abc"],
        &["cancel"],
        &["call", "/videos/show", "video_key"],
        &["call", "/videos/show", "--account", "other"],
        &["sandbox", "--listen", "0.0.0.0:0"],
        &["sandbox", "--processing-time=-2s"],
        &["--log", "loud", "jobs"],
        &["nonsense"],
        &[],
    ] {
        let ran = fixture.run(wrong);
        assert_eq!(ran.code, 2, "{wrong:?}: {ran:?}");
        assert!(
            ran.out.is_empty() && !ran.err.is_empty(),
            "{wrong:?}: {ran:?}"
        );
    }
}

#[test]
fn help_and_version_are_results() {
    let fixture = Fixture::new();
    for command in [
        "check", "jobs", "job", "retry", "cancel", "add", "explain", "call", "sandbox",
    ] {
        let out = fixture.run(&[command, "--help"]).done();
        assert!(
            out.contains("Examples:") && out.contains("Exit status:"),
            "{out}"
        );
    }
    assert!(fixture.run(&["--version"]).done().starts_with("jw-ingest "));
}

#[test]
fn a_wrong_configuration_is_78_for_every_command_that_goes_by_it() {
    let fixture = Fixture::new();
    fixture.configure("nonsense = 1\n");
    for command in [
        &["check"][..],
        &["retry", "1"],
        &["cancel", "1"],
        &["add", "x"],
        &["explain", "x"],
        &["call", "/videos/list"],
    ] {
        let ran = fixture.run(command);
        assert_eq!(ran.code, 78, "{command:?}: {ran:?}");
        let said = format!("{}{}", ran.out, ran.err);
        assert!(
            said.contains("daemon.toml:") && said.contains("nonsense"),
            "{command:?}: {ran:?}"
        );
    }
    // What only reads the job table says what is wrong, and continues.
    drop(fixture.database());
    for (command, code) in [(&["jobs"][..], 0), (&["job", "1"], 1), (&["status"], 1)] {
        let ran = fixture.run(command);
        assert_eq!(ran.code, code, "{command:?}: {ran:?}");
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains("nonsense"), "{command:?}: {ran:?}");
    }
    fs::remove_file(fixture.path("daemon.toml")).unwrap();
    assert_eq!(fixture.run(&["jobs"]).code, 78);
}

#[test]
fn before_the_first_start_there_are_no_jobs_and_that_is_no_failure() {
    let fixture = Fixture::new();
    let ran = fixture.run(&["jobs", "--json"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    assert!(ran.err.contains("no jobs yet"), "{ran:?}");
    let text = fs::read_to_string(fixture.path("daemon.toml")).unwrap();
    fs::write(
        fixture.path("daemon.toml"),
        text.replace("/jobs.db", "/not/there/jobs.db"),
    )
    .unwrap();
    let ran = fixture.run(&["jobs"]);
    assert_eq!(
        ran.code, 1,
        "a folder that is missing is more than that: {ran:?}"
    );
}

#[test]
fn a_damaged_database_is_1_with_the_way_out() {
    let fixture = Fixture::new();
    fs::write(
        fixture.path("jobs.db"),
        "no database at all, but a text\n".repeat(99),
    )
    .unwrap();
    for command in [
        &["jobs"][..],
        &["job", "1"],
        &["retry", "1"],
        &["explain", "news"],
    ] {
        let ran = fixture.run(command);
        assert_eq!(ran.code, 1, "{command:?}: {ran:?}");
        assert!(
            ran.err.contains("move the file aside"),
            "{command:?}: {ran:?}"
        );
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure_and_a_full_disk_is_one() {
    let fixture = Fixture::new();
    let db = fixture.database();
    many_jobs(&fixture, &db, 2000);
    let mut child = fixture
        .command(&["jobs", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert!(first.starts_with("{\"id\":1,"), "{first}");

    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = Ran::of(&fixture.command(&["jobs"]).stdout(full).output().unwrap());
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("cannot write the result"), "{ran:?}");
}

#[test]
fn under_systemd_each_line_of_the_last_words_has_its_priority() {
    let fixture = Fixture::new();
    fixture.configure("nonsense = 1\nmore-nonsense = 2\n");
    let log = fs::File::create(fixture.path("log")).unwrap();
    let meta = log.metadata().unwrap();
    let status = fixture
        .command(&["run"])
        .env("JOURNAL_STREAM", format!("{}:{}", meta.dev(), meta.ino()))
        .stderr(log)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(78));
    let log = fs::read_to_string(fixture.path("log")).unwrap();
    assert!(log.lines().count() >= 2, "{log}");
    assert!(log.lines().all(|line| line.starts_with("<3>")), "{log}");
}

#[test]
fn a_sandbox_that_cannot_start_promises_nothing() {
    let fixture = Fixture::new();
    let ran = fixture.run(&["sandbox", "--listen", "127.0.0.1:0", "--dir", "secret/x"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    let ran = fixture.run(&["sandbox", "--processing-time", "5"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err
            .contains("5 has no unit; write a duration like \"5s\""),
        "{ran:?}"
    );
    let ran = fixture.run(&["sandbox", "--processing-time", "soon"]);
    assert!(
        ran.err.contains("\"soon\" is not a duration; write"),
        "{ran:?}"
    );
}

#[test]
fn the_sandbox_answers_a_call_and_ends_at_a_signal() {
    let fixture = Fixture::new();
    let mut child = fixture
        .command(&[
            "sandbox",
            "--listen",
            "127.0.0.1:0",
            "--secret",
            super::fixture::SECRET,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    let base = first.strip_prefix("base-url").unwrap().trim();
    let text = fs::read_to_string(fixture.path("daemon.toml")).unwrap();
    fs::write(
        fixture.path("daemon.toml"),
        text.replace("http://127.0.0.1:9/v1", base),
    )
    .unwrap();

    assert!(
        fixture
            .run(&["check"])
            .done()
            .contains("the platform accepts the key")
    );
    let answer = fixture.run(&["call", "videos/list"]).done();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (&answer["status"], &answer["total"]),
        (&"ok".into(), &0.into())
    );
    let ran = fixture.run(&["call", "/videos/show", "video_key=AbCd1234"]);
    let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (ran.code, &answer["code"]),
        (1, &"NotFound".into()),
        "{ran:?}"
    );

    let pid = child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
}
