//! `explain`, the whole story and the list of all that waits: what the command prints, with the times
//! masked.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use jw_ingest::identity::Identity;
use jw_ingest::queue;
use rusqlite::types::Value;

use super::explain::explain;
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

/// The columns that make a job one of this very file.
fn of(path: &Path) -> Vec<(&'static str, Value)> {
    let identity = Identity::of(&fs::metadata(path).unwrap());
    vec![
        ("dev", identity.dev.into()),
        ("ino", identity.ino.into()),
        ("size", identity.size.into()),
        ("mtime_ns", identity.mtime_ns.into()),
        ("ctime_ns", identity.ctime_ns.into()),
    ]
}

/// Job 1, which is done, with an attempt and a copy, and whose file will be moved.
fn uploaded(fixture: &Fixture) {
    let db = fixture.database();
    let path = fixture.drop_file(b"a.mp4", b"\x01y");
    let mut columns = of(&path);
    for (column, value) in [
        ("state", "done"),
        ("step", "confirm"),
        ("video_key", "AbCd1234"),
        ("method", "s3"),
        ("method_why", "it is small"),
        ("status", "ready"),
        ("create_sent_at", &before(7000)),
        ("sent_at", &before(6900)),
        ("finished_at", &before(6800)),
    ] {
        columns.push((column, text(value)));
    }
    columns.push(("platform_size", 2.into()));
    let id = job(&db, &path, &columns);
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
        "INSERT OR REPLACE INTO afterwards (job_id, action, due_at) VALUES (?1, 'move', ?2)",
        (id, before(-9000)),
    )
    .unwrap();
}

#[test]
fn the_story_is_told_with_its_times() {
    let fixture = Fixture::new();
    uploaded(&fixture);
    let out = masked(&fixture, &fixture.run(&["explain", "news/a.mp4"]).done());
    let clock = ['#', '-', ':', ' '];
    let story: Vec<_> = out
        .lines()
        .skip(2)
        .map(|line| line.trim_start_matches(clock))
        .collect();
    let expected = [
        "{dir}/news/a.mp4",
        "job         queued as job 1, when it had settled or was added by hand: 2 bytes, watch news, account main",
        "method      its upload method is s3: it is small",
        "video       its video on the platform is AbCd1234",
        "attempt     upload by s3: done, 0.0 s, 2 B sent",
        "platform    it had all bytes",
        "platform    it says `ready`",
        "platform    its size there is that of the file",
        "job         job 1 ended: done",
        "duplicate   job 2 ({dir}/news/copy.mp4, duplicate) is a copy of it, and was not uploaded",
        "file        its content was last changed",
    ];
    assert_eq!(story[..expected.len()], expected, "{out}");
    assert!(
        story[expected.len()].ends_with("file        it has 2 bytes"),
        "{out}"
    );
    let last = story.last().unwrap();
    let plan = "afterwards  it is moved to the folder for uploaded files (after-upload), if it is \
                unchanged by then";
    assert_eq!(*last, plan);
    assert!(
        out.contains("  daemon      the daemon does not run"),
        "{out}"
    );
    let object = fixture
        .run(&["explain", "--json", "news/a.mp4"])
        .json()
        .remove(0);
    assert_eq!(object["story"].as_array().unwrap().len(), story.len() - 1);
    assert_eq!(object["jobs"][0]["neighbours"]["copies"][0]["id"], 2);
    assert_eq!(object["jobs"][0]["afterwards"]["action"], "move");
}

#[test]
fn the_program_that_holds_a_file_open_is_named() {
    let fixture = Fixture::new();
    let path = fixture.drop_file(b"a.mp4", b"\x01");
    let writer = fs::OpenOptions::new().append(true).open(&path).unwrap();
    let (answer, object) = explain(&fixture, "news/a.mp4");
    let me = std::process::id();
    assert!(answer.contains("; it is held open by program "), "{answer}");
    assert!(answer.contains(&format!("(pid {me})")), "{answer}");
    let writers = object["writers"].as_array().unwrap();
    assert!(writers.iter().any(|writer| writer["pid"] == me), "{object}");
    drop(writer);
}

#[test]
fn what_lies_behind_a_followed_link_is_known_by_the_link() {
    let fixture = Fixture::new();
    fixture.configure("follow-links = true\n");
    fs::create_dir(fixture.news(b".store")).unwrap();
    fixture.drop_file(b".store/a.mp4", b"\x01");
    symlink(".store", fixture.news(b"way")).unwrap();
    let (_, object) = explain(&fixture, "news/way/a.mp4");
    assert_eq!(object["verdict"], "unseen");
    assert_eq!(object["path"], fixture.news(b"way/a.mp4").to_str().unwrap());
    let (answer, object) = explain(&fixture, "news/.store/a.mp4");
    assert_eq!(object["verdict"], "ignored", "{answer}");
    let checked = fixture.run(&["check", "--offline"]);
    let takes = "/news: it takes 1 file\n";
    assert!(checked.out.contains(takes), "{}", checked.out);
    fixture.configure("");
    let (_, object) = explain(&fixture, "news/way/a.mp4");
    let real = fixture.news(b".store/a.mp4");
    assert_eq!(object["path"], real.to_str().unwrap());
}

/// A folder with one file of each kind, and another watch whose folder is away.
fn everything(fixture: &Fixture) {
    fixture.configure(
        "done-marker = \"{name}.done\"\n[[watch]]\nname = \"away\"\npath = \"{dir}/away\"\n",
    );
    let db = fixture.database();
    let names = [
        "a.mp4",
        "a.mp4.done",
        "b.mp4.part",
        "b-draft.mp4",
        "c.mp4",
        "d.mp4",
        "e.mp4",
        "notes.txt",
    ];
    for name in names {
        fixture.drop_file(name.as_bytes(), b"x");
    }
    fixture.drop_file(b"empty.mp4", b"");
    fs::create_dir(fixture.news(b".hidden")).unwrap();
    symlink("a.mp4", fixture.news(b"link.mp4")).unwrap();
    let ended = || ("finished_at", text(&before(60)));
    let done = vec![
        ("state", text("done")),
        ("step", text("confirm")),
        ("video_key", text("AbCd1234")),
        ended(),
    ];
    let failed = vec![
        ("state", text("failed")),
        ("last_error", text("it is broken")),
        ended(),
    ];
    for (name, columns) in [("a.mp4", done), ("c.mp4", failed), ("d.mp4", vec![])] {
        let path = fixture.news(name.as_bytes());
        job(&db, &path, &[of(&path), columns].concat());
    }
    db.execute(
        "INSERT INTO settling (path, watch, size, since, seen_by, waiting_for)
         VALUES (?1, 'news', 1, ?2, 'event', 'a program has it open for writing')",
        (fixture.news(b"e.mp4").to_str().unwrap(), before(185)),
    )
    .unwrap();
}

#[test]
fn all_that_waits_is_listed_with_one_reason_each() {
    let fixture = Fixture::new();
    everything(&fixture);
    let _daemon = queue::lock(&fixture.path("jobs.db")).unwrap();
    let out = masked(&fixture, &fixture.run(&["explain", "--all-waiting"]).done());
    let expected = [
        ".hidden: a folder that is ignored with everything in it: it is in a hidden folder \
         (\".hidden\" begins with a dot)",
        "b-draft.mp4: ignored: it matches exclude pattern \"*-draft.mp4\"",
        "b.mp4.part: ignored: its name ends in .part, which marks a file still being written",
        "c.mp4: its job 2 failed at ##:## (1 min ago): it is broken; once the cause is fixed: \
         `jw-ingest retry 2`",
        "d.mp4: its job 3 waits to be uploaded: it is due and starts as soon as a worker is free",
        "e.mp4: waiting to settle: a program has it open for writing",
        "empty.mp4: not seen by the daemon yet; the next scan (within 5 minutes) will find it; it \
         is empty, and an empty file waits for its first byte",
        "link.mp4: ignored: it is a symbolic link or is below one: symlinks are not followed \
         (follow-links)",
        "notes.txt: ignored: it matches no include pattern",
    ];
    let mut expected: Vec<_> = expected
        .map(|line| format!("####-##-## ##:##:##  {{dir}}/news/{line}"))
        .into();
    expected.push(format!(
        "{:<19}  {{dir}}/away: the watch folder is offline: No such file or directory (os error \
         2); nothing in it counts as deleted, and jw-ingest checks for it every few seconds",
        ""
    ));
    expected.push(
        "4 files waiting, 1 uploaded, 5 ignored, 1 unreadable; 1 file of markers, companions and \
         notes; the daemon runs"
            .to_owned(),
    );
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    let objects = fixture.run(&["explain", "--all-waiting", "--json"]).json();
    assert_eq!(objects.len(), expected.len());
    assert_eq!(
        (&objects[3]["kind"], &objects[3]["job"]),
        (&"job".into(), &2.into())
    );
    assert_eq!(objects.last().unwrap()["summary"]["waiting"], 4);
    let away = fixture.run(&["explain", "--all-waiting", "--watch", "away"]);
    assert_eq!(away.done().lines().count(), 2);
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
