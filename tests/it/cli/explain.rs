//! `explain`: an answer for every path, with or without daemon, database, and file.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use jw_ingest::identity::Identity;
use jw_ingest::queue;
use serde_json::Value;

use super::fixture::{Fixture, before, job, text};

/// A text with each time of the clock masked, and the fixture's folder as `{dir}`.
fn masked(fixture: &Fixture, text: &str) -> String {
    let dir = fixture.path("");
    let text = text.replace(dir.to_str().unwrap().trim_end_matches('/'), "{dir}");
    let digits = |c: char| if c.is_ascii_digit() { '#' } else { c };
    let mask = |word: &str| {
        let hidden: String = word.chars().map(digits).collect();
        let is_time = ["##:##:##", "####-##-##", "##:##"].contains(&hidden.as_str());
        if is_time { hidden } else { word.to_owned() }
    };
    let lines = text
        .lines()
        .map(|line| line.split(' ').map(mask).collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

/// The answer to a path below the fixture's folder, in words and as the JSON has it.
fn explain(fixture: &Fixture, path: &str) -> (String, Value) {
    let out = fixture.run(&["explain", path]).done();
    let object = fixture.run(&["explain", "--json", path]).json().remove(0);
    let answer = out.lines().next().unwrap().to_owned();
    assert_eq!(object["answer"], answer.as_str());
    (answer, object)
}

#[test]
fn without_a_database_it_says_what_will_happen() {
    let fixture = Fixture::new();
    fixture.drop_file(b"a.mp4", b"x");
    fixture.drop_file(b"empty.mp4", b"");
    fixture.drop_file(b"b.mp4.part", b"x");
    fixture.drop_file(b"b-draft.mp4", b"x");
    fixture.drop_file(b"notes.txt", b"x");
    symlink("a.mp4", fixture.news(b"link.mp4")).unwrap();
    for (path, verdict, answer) in [
        (
            "news/a.mp4",
            "unseen",
            "the daemon does not run: it will look at the file when it is started",
        ),
        ("news/empty.mp4", "unseen", "there is no byte in it"),
        ("news/b.mp4.part", "ignored", ".part"),
        ("news/b-draft.mp4", "ignored", "*-draft.mp4"),
        ("news/notes.txt", "ignored", "include"),
        ("news/link.mp4", "ignored", "symbolic link"),
        ("news/missing.mp4", "nothing", "nothing lies there"),
        ("news/no/folder/x.mp4", "nothing", "nothing lies there"),
        ("news", "folder", "it is a folder"),
        (
            "secret",
            "outside",
            "it lies outside of every watch: news (",
        ),
        (
            "nowhere/at/all.mp4",
            "outside",
            "it lies outside of every watch",
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
    let path = fixture.drop_file(b"a.mp4", b"x");
    let db = fixture.database();
    let lock = queue::lock(&fixture.path("jobs.db")).unwrap();
    let (answer, object) = explain(&fixture, "news/a.mp4");
    assert!(
        answer.starts_with("the daemon has not noticed it yet"),
        "{answer}"
    );
    assert_eq!(object["daemon_runs"], true);
    db.execute(
        "INSERT INTO settling (path, watch, size, since, seen_by, waiting_for)
         VALUES (?1, 'news', 1, ?2, 'event', 'a program has it open for writing')",
        (path.to_str().unwrap(), before(185)),
    )
    .unwrap();
    let (answer, object) = explain(&fixture, "news/a.mp4");
    assert_eq!(object["verdict"], "settling");
    assert!(answer.starts_with("it waits to settle since "), "{answer}");
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
    let path = fixture.drop_file(b"a.mp4", b"x");
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
            && first.contains("cannot be looked at by you: Permission denied"),
        "{out}"
    );
    let out = explain("news/closed");
    assert!(
        out.starts_with("it is a folder that you cannot look into: Permission denied"),
        "{out}"
    );
    fs::set_permissions(fixture.news(b"closed"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(explain("news/closed").starts_with("it is a folder whose files are looked at"));
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
        "its job 1 waits to be uploaded: its account main is paused; 2 tries so far; last noted: no answer; \
         but the file is gone"
    );
    let out = fixture.run(&["explain", "news/gone.mp4"]).done();
    assert!(out.contains("account main is paused since"), "{out}");
    assert!(
        out.contains("the key was refused; the next probe is due"),
        "{out}"
    );
}

#[test]
fn the_story_is_told_with_its_times() {
    let fixture = Fixture::new();
    let db = fixture.database();
    let path = fixture.drop_file(b"a.mp4", b"xy");
    let identity = Identity::of(&fs::metadata(&path).unwrap());
    let id = job(
        &db,
        &path,
        &[
            ("state", text("done")),
            ("step", text("confirm")),
            ("video_key", text("AbCd1234")),
            ("method", text("s3")),
            ("method_why", text("it is small")),
            ("status", text("ready")),
            ("platform_size", 2.into()),
            ("create_sent_at", text(&before(7000))),
            ("sent_at", text(&before(6900))),
            ("finished_at", text(&before(6800))),
            ("dev", identity.dev.into()),
            ("ino", identity.ino.into()),
            ("size", identity.size.into()),
            ("mtime_ns", identity.mtime_ns.into()),
            ("ctime_ns", identity.ctime_ns.into()),
        ],
    );
    db.execute(
        "INSERT INTO attempts (job_id, step, method, started_at, ended_at, bytes_sent, outcome)
         VALUES (?1, 'transfer', 's3', ?2, ?2, 2, 'done')",
        (id, before(6950)),
    )
    .unwrap();
    let copy = [
        ("state", text("duplicate")),
        ("duplicate_of", id.into()),
        ("finished_at", text(&before(60))),
    ];
    job(&db, &fixture.news(b"copy.mp4"), &copy);
    db.execute(
        "INSERT INTO afterwards (job_id, action, due_at) VALUES (?1, 'move', ?2)",
        (id, before(-9000)),
    )
    .unwrap();
    let out = masked(&fixture, &fixture.run(&["explain", "news/a.mp4"]).done());
    let story: Vec<_> = out
        .lines()
        .skip(2)
        .map(|line| line.trim_start_matches(['#', '-', ':', ' ']))
        .collect();
    let expected = [
        "{dir}/news/a.mp4",
        "job         queued as job 1, when it had settled or was added by hand: 2 bytes, watch news, account main",
        "way         its bytes go by s3: it is small",
        "video       its video on the platform is AbCd1234",
        "try         upload by s3: done, 0.0 s, 2 B sent",
        "platform    it had all bytes",
        "platform    it says `ready`",
        "platform    its size there is that of the file",
        "job         job 1 ended: done",
        "duplicate   job 2 ({dir}/news/copy.mp4, duplicate) is a copy of it, and was not uploaded",
        "file        its content was last changed",
        "now                  file        it has 2 bytes",
    ];
    assert_eq!(story[..expected.len()], expected, "{out}");
    let last = story.last().unwrap();
    assert_eq!(
        *last,
        "afterwards  it is moved to the folder for what is up (after-upload), if it is unchanged by then"
    );
    assert!(
        out.contains("  daemon      the daemon does not run"),
        "{out}"
    );
    let object = fixture
        .run(&["explain", "--json", "news/a.mp4"])
        .json()
        .remove(0);
    assert_eq!(object["story"].as_array().unwrap().len(), story.len() - 1);
    assert_eq!(object["jobs"][0]["copies"][0]["id"], 2);
    assert_eq!(object["jobs"][0]["afterwards"]["action"], "move");
}

#[test]
fn the_program_that_holds_a_file_open_is_named() {
    let fixture = Fixture::new();
    let path = fixture.drop_file(b"a.mp4", b"x");
    let writer = fs::OpenOptions::new().append(true).open(&path).unwrap();
    let (answer, object) = explain(&fixture, "news/a.mp4");
    let me = std::process::id();
    assert!(answer.contains("; it is held open by program "), "{answer}");
    assert!(answer.contains(&format!("(pid {me})")), "{answer}");
    assert_eq!(object["writers"][0]["pid"], me);
    drop(writer);
    let (answer, _) = explain(&fixture, "news/a.mp4");
    assert!(!answer.contains("held open"), "{answer}");
}

#[test]
fn what_lies_behind_a_followed_link_is_known_by_the_link() {
    let fixture = Fixture::new();
    fixture.configure("follow-links = true\n");
    fs::create_dir(fixture.news(b".store")).unwrap();
    fixture.drop_file(b".store/a.mp4", b"x");
    symlink(".store", fixture.news(b"way")).unwrap();
    let (_, object) = explain(&fixture, "news/way/a.mp4");
    assert_eq!(object["verdict"], "unseen");
    assert_eq!(object["path"], fixture.news(b"way/a.mp4").to_str().unwrap());
    let (answer, object) = explain(&fixture, "news/.store/a.mp4");
    assert_eq!(object["verdict"], "ignored", "{answer}");
    fixture.configure("");
    let (_, object) = explain(&fixture, "news/way/a.mp4");
    assert_eq!(
        object["path"],
        fixture.news(b".store/a.mp4").to_str().unwrap()
    );
}

#[test]
fn all_that_waits_is_listed_with_one_reason_each() {
    let fixture = Fixture::new();
    fixture.configure(
        "done-marker = \"{name}.done\"\n[[watch]]\nname = \"away\"\npath = \"{dir}/away\"\n",
    );
    let db = fixture.database();
    for name in [
        "a.mp4",
        "a.mp4.done",
        "b.mp4.part",
        "b-draft.mp4",
        "c.mp4",
        "d.mp4",
        "e.mp4",
        "notes.txt",
    ] {
        fixture.drop_file(name.as_bytes(), b"x");
    }
    fixture.drop_file(b"empty.mp4", b"");
    fs::create_dir(fixture.news(b".hidden")).unwrap();
    symlink("a.mp4", fixture.news(b"link.mp4")).unwrap();
    for (name, columns) in [
        (
            "a.mp4",
            vec![
                ("state", text("done")),
                ("step", text("confirm")),
                ("video_key", text("AbCd1234")),
            ],
        ),
        (
            "c.mp4",
            vec![
                ("state", text("failed")),
                ("last_error", text("it is broken")),
            ],
        ),
        ("d.mp4", vec![]),
    ] {
        let path = fixture.news(name.as_bytes());
        let identity = Identity::of(&fs::metadata(&path).unwrap());
        let mut all = vec![
            ("dev", identity.dev.into()),
            ("ino", identity.ino.into()),
            ("size", identity.size.into()),
            ("mtime_ns", identity.mtime_ns.into()),
        ];
        if !columns.is_empty() {
            all.push(("finished_at", text(&before(60))));
        }
        all.extend(columns);
        job(&db, &path, &all);
    }
    let _daemon = queue::lock(&fixture.path("jobs.db")).unwrap();
    db.execute(
        "INSERT INTO settling (path, watch, size, since, seen_by, waiting_for)
         VALUES (?1, 'news', 1, ?2, 'event', 'a program has it open for writing')",
        (fixture.news(b"e.mp4").to_str().unwrap(), before(185)),
    )
    .unwrap();
    let out = masked(&fixture, &fixture.run(&["explain", "--all-waiting"]).done());
    let time = "####-##-## ##:##:##";
    let expected = [
        format!("{time}  {{dir}}/news/.hidden: a folder that is left alone with all in it: it is in a hidden folder (\".hidden\" begins with a dot)"),
        format!("{time}  {{dir}}/news/b-draft.mp4: left alone: it matches exclude pattern \"*-draft.mp4\""),
        format!("{time}  {{dir}}/news/b.mp4.part: left alone: its name ends in .part, which marks a file still being written"),
        format!("{time}  {{dir}}/news/c.mp4: its job 2 failed at ##:## (1 min ago): it is broken; once the cause is mended: `jw-ingest retry 2`"),
        format!("{time}  {{dir}}/news/d.mp4: its job 3 waits to be uploaded: it is due and starts as soon as a worker is free"),
        format!("{time}  {{dir}}/news/e.mp4: it waits to settle: a program has it open for writing"),
        format!("{time}  {{dir}}/news/empty.mp4: the daemon has not noticed it yet; a scan finds it within five minutes, and a change of it at once; there is no byte in it, and such a file waits until there is one"),
        format!("{time}  {{dir}}/news/link.mp4: left alone: it is or lies below a symbolic link, and those are not followed (follow-links)"),
        format!("{time}  {{dir}}/news/notes.txt: left alone: it matches no include pattern"),
        format!("{:<19}  {{dir}}/away: the watch folder is offline: No such file or directory (os error 2); nothing in it counts as deleted, and it is looked for every few seconds", ""),
        "4 files are not up, 1 is up; 5 things are left alone, 1 place cannot be looked at; 1 file of markers, companions and notes; the daemon runs".to_owned(),
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    let objects = fixture.run(&["explain", "--all-waiting", "--json"]).json();
    assert_eq!(objects.len(), expected.len());
    assert_eq!(objects[3]["kind"], "job");
    assert_eq!(objects.last().unwrap()["summary"]["waiting"], 4);
    let away = fixture
        .run(&["explain", "--all-waiting", "--watch", "away"])
        .done();
    assert_eq!(away.lines().count(), 2, "{away}");
}

#[test]
fn a_path_and_all_exclude_each_other() {
    let fixture = Fixture::new();
    for arguments in [
        &["explain"][..],
        &["explain", "news/a.mp4", "--all-waiting"],
        &["explain", "news/a.mp4", "--watch", "news"],
        &["explain", "--all-waiting", "--watch", "other"],
    ] {
        let ran = fixture.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    }
}
