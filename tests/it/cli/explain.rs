//! `explain`: an answer for every path, with or without daemon, database, and file.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use jw_ingest::identity::Identity;
use jw_ingest::queue;
use serde_json::Value;

use super::fixture::{Fixture, before, job, text};

/// The answer to a path below the fixture's folder, in words and as the JSON has it.
pub(super) fn explain(fixture: &Fixture, path: &str) -> (String, Value) {
    let out = fixture.run(&["explain", path]).done();
    let object = fixture.run(&["explain", "--json", path]).json().remove(0);
    let answer = out.lines().next().unwrap().to_owned();
    assert_eq!(object["answer"], answer.as_str());
    (answer, object)
}

#[test]
fn without_a_database_it_says_what_will_happen() {
    let fixture = Fixture::new();
    fixture.drop_file(b"a.mp4", b"\x01");
    fixture.drop_file(b"empty.mp4", b"");
    fixture.drop_file(b"b.mp4.part", b"\x01");
    fixture.drop_file(b"b-draft.mp4", b"\x01");
    fixture.drop_file(b"notes.txt", b"x");
    symlink("a.mp4", fixture.news(b"link.mp4")).unwrap();
    for (path, verdict, answer) in [
        (
            "news/a.mp4",
            "unseen",
            "the daemon does not run: it will find the file when it is started",
        ),
        ("news/empty.mp4", "unseen", "it is empty"),
        ("news/b.mp4.part", "ignored", ".part"),
        ("news/b-draft.mp4", "ignored", "*-draft.mp4"),
        ("news/notes.txt", "ignored", "include"),
        ("news/link.mp4", "ignored", "symbolic link"),
        ("news/missing.mp4", "nothing", "there is no such file"),
        ("news/no/folder/x.mp4", "nothing", "there is no such file"),
        ("news", "folder", "it is a watched folder"),
        (
            "secret",
            "outside",
            "it is outside every watch folder: news (",
        ),
        (
            "nowhere/at/all.mp4",
            "outside",
            "it is outside every watch folder",
        ),
    ] {
        let (said, object) = explain(&fixture, path);
        assert!(said.contains(answer), "{path}: {said}");
        assert_eq!(object["verdict"], verdict, "{path}");
        assert_eq!(object["daemon_runs"], false, "{path}");
    }
    assert!(
        !fixture.path("jobs.db").exists(),
        "looking makes no database"
    );
}

#[test]
fn while_a_daemon_runs_it_says_what_the_file_waits_for() {
    let fixture = Fixture::new();
    let path = fixture.drop_file(b"a.mp4", b"\x01");
    let db = fixture.database();
    let lock = queue::lock(&fixture.path("jobs.db")).unwrap();
    let (answer, object) = explain(&fixture, "news/a.mp4");
    assert!(answer.starts_with("not seen by the daemon yet"), "{answer}");
    assert_eq!(object["daemon_runs"], true);
    db.execute(
        "INSERT INTO settling (path, watch, size, since, seen_by, waiting_for)
         VALUES (?1, 'news', 1, ?2, 'event', 'a program has it open for writing')",
        (path.to_str().unwrap(), before(185)),
    )
    .unwrap();
    let (answer, object) = explain(&fixture, "news/a.mp4");
    assert_eq!(object["verdict"], "settling");
    assert!(answer.starts_with("waiting to settle since "), "{answer}");
    assert!(
        answer.ends_with("(3 min ago): a program has it open for writing"),
        "{answer}"
    );
    drop(lock);
    let (_, object) = explain(&fixture, "news/a.mp4");
    assert_eq!(object["verdict"], "unseen", "the note is a dead daemon's");
}

#[test]
fn a_job_speaks_for_its_own_file_only() {
    let fixture = Fixture::new();
    let db = fixture.database();
    let path = fixture.drop_file(b"a.mp4", b"\x01");
    let of = |identity: Identity| {
        [
            ("dev", identity.dev.into()),
            ("ino", identity.ino.into()),
            ("size", identity.size.into()),
            ("mtime_ns", identity.mtime_ns.into()),
        ]
    };
    let identity = Identity::of(&fs::metadata(&path).unwrap());
    let done = [
        ("state", text("done")),
        ("step", text("confirm")),
        ("video_key", text("AbCd1234")),
        ("finished_at", text(&before(7300))),
    ];
    job(&db, &path, &[&done[..], &of(identity)].concat());
    let (answer, object) = explain(&fixture, "news/a.mp4");
    assert!(
        answer.starts_with("its job 1 is done: its video is AbCd1234, ready since "),
        "{answer}"
    );
    assert!(answer.ends_with("(2 h ago)"), "{answer}");
    assert_eq!(object["jobs"][0]["video_key"], "AbCd1234");

    fs::write(&path, "another content").unwrap();
    let (answer, object) = explain(&fixture, "news/a.mp4");
    assert_eq!(object["verdict"], "unseen");
    assert!(
        answer.contains("it has changed since job 1 (done)"),
        "{answer}"
    );

    fs::remove_file(&path).unwrap();
    let (answer, object) = explain(&fixture, "news/a.mp4");
    assert_eq!(
        (&object["verdict"], &object["exists"]),
        (&"job".into(), &false.into())
    );
    assert!(answer.contains("AbCd1234"), "{answer}");
}

#[test]
fn a_reader_without_rights_is_told_of_the_job_and_of_what_cannot_be_seen() {
    let fixture = Fixture::new();
    let db = fixture.database();
    fs::create_dir(fixture.news(b"closed")).unwrap();
    job(&db, &fixture.news(b"closed/a.mp4"), &[]);
    drop(db);
    fixture.open_to_readers();
    fs::set_permissions(fixture.news(b"closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let explain = |path| fixture.run_as_reader(&["explain", path]).done();
    let out = explain("news/closed/a.mp4");
    let first = out.lines().next().unwrap();
    assert!(
        first.starts_with("its job 1 waits to be uploaded")
            && first.contains("you cannot access the file itself: Permission denied"),
        "{out}"
    );
    let out = explain("news/closed");
    assert!(
        out.starts_with("you cannot read this folder: Permission denied"),
        "{out}"
    );
    fs::set_permissions(fixture.news(b"closed"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(explain("news/closed").starts_with("it is a watched folder"));
    let out = explain("news/closed/b.mp4");
    assert!(
        out.contains("a renamed file is listed under its new name"),
        "{out}"
    );
}

#[test]
fn a_waiting_job_tells_its_pause_and_that_its_file_is_gone() {
    let fixture = Fixture::new();
    let db = fixture.database();
    job(
        &db,
        &fixture.news(b"gone.mp4"),
        &[("last_error", text("no answer")), ("attempts", 2.into())],
    );
    db.execute(
        "INSERT INTO paused_accounts (account, reason, since, probe_at) VALUES ('main', 'the key was refused', ?1, ?1)",
        [before(60)],
    )
    .unwrap();
    let (answer, _) = explain(&fixture, "news/gone.mp4");
    assert_eq!(
        answer,
        "its job 1 waits to be uploaded: its account main is paused; 2 attempts so far; last \
         noted: no answer; but the file is gone"
    );
    let out = fixture.run(&["explain", "news/gone.mp4"]).done();
    assert!(out.contains("account main is paused since"), "{out}");
    assert!(
        out.contains("the key was refused; the next probe is due"),
        "{out}"
    );
}
