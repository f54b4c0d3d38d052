//! The whole line: files that arrive in every way people and tools have, bit for bit, once each.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::json;

use crate::support::{Dice, Platform, Site, wait_for};

#[test]
fn a_dropped_file_becomes_one_ready_video_with_its_key() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let daemon = site.start();
    let file = site.drop_file("clip.mp4", &dice.bytes(300_000));
    let jobs = site.wait_done(1);
    assert_eq!(
        (jobs.len(), jobs[0].attempts, jobs[0].method.as_deref()),
        (1, 1, Some("s3"))
    );
    site.assert_exactly_one_each(&platform, &[file]);
    assert_eq!(platform.videos()[0].title, "clip");
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn until_idle_does_what_lies_there_and_ends() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let files: Vec<_> = (0..5)
        .map(|n| site.drop_file(&format!("{n}.mov"), &dice.bytes(10_000 + n)))
        .collect();
    let output = site.command(&["run", "--until-idle"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    site.assert_exactly_one_each(&platform, &files);
    // Once more: nothing is new, nothing is sent.
    let output = site.command(&["run", "--until-idle"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(platform.count("create", "answered"), 5);
}

#[test]
fn above_the_s3_limit_the_form_is_taken() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(
        &platform,
        "[upload]\ns3-limit = \"100 kB\"\nsize-limit = \"200 kB\"\n",
    );
    let daemon = site.start();
    let big = site.drop_file("big.mp4", &dice.bytes(150_000));
    let jobs = site.wait_done(1);
    assert_eq!(jobs[0].method.as_deref(), Some("form"));
    site.assert_exactly_one_each(&platform, std::slice::from_ref(&big));
    site.drop_file("huge.mp4", &dice.bytes(250_000));
    let message = site.wait_jobs("the huge file to fail", |jobs| {
        jobs.iter()
            .find(|job| job.state == "failed")
            .and_then(|job| job.last_error.clone())
    });
    assert!(message.contains("size-limit"), "{message}");
    // No video was begun for it.
    assert_eq!(platform.videos().len(), 1);
    drop(daemon);
}

#[test]
fn a_renamed_file_is_followed_and_a_chmod_changes_nothing() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let daemon = site.start();
    let first = site.drop_file("a.mp4", &dice.bytes(50_000));
    site.wait_done(1);
    let second = site.folder().join("b.mp4");
    fs::rename(&first, &second).unwrap();
    site.wait_jobs("the job to follow the rename", |jobs| {
        (jobs[0].path == second).then_some(())
    });
    let mut rights = fs::metadata(&second).unwrap().permissions();
    rights.set_readonly(true);
    fs::set_permissions(&second, rights).unwrap();
    // A later file is uploaded: by then the chmod has been looked at, since both settle alike.
    let third = site.drop_file("c.mp4", &dice.bytes(50_000));
    site.wait_done(2);
    assert_eq!(site.jobs().len(), 2);
    site.assert_exactly_one_each(&platform, &[second, third]);
    drop(daemon);
}

#[test]
fn any_file_name_is_uploaded_and_can_be_read_in_jobs() {
    use std::os::unix::ffi::OsStrExt;
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let daemon = site.start();
    let long = format!("{}.mp4", "x".repeat(251));
    let names: [&[u8]; 8] = [
        b"caf\xe9.mp4",
        long.as_bytes(),
        b"a \"quoted\" 'name'.mp4",
        b"two\nlines.mp4",
        b"#?%&+ ~.mp4",
        "\u{1f3a5} \u{e9}te\u{301}.mp4".as_bytes(),
        b"-rf.mp4",
        b"back\\slash;semi.mp4",
    ];
    let files: Vec<_> = names
        .iter()
        .map(|name| {
            let path = site.folder().join(std::ffi::OsStr::from_bytes(name));
            fs::write(&path, dice.bytes(5_000)).unwrap();
            path
        })
        .collect();
    site.wait_done(files.len());
    site.assert_exactly_one_each(&platform, &files);
    let table = site.command(&["jobs"]);
    assert!(table.status.success());
    let lines = String::from_utf8(table.stdout).unwrap().lines().count();
    assert!(lines >= files.len(), "one line a job at least");
    let objects = site.command(&["jobs", "--json"]);
    let text = String::from_utf8(objects.stdout).unwrap();
    let parsed: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(parsed.len(), files.len());
    assert_eq!(
        parsed
            .iter()
            .filter(|job| job["path_base64"].is_string())
            .count(),
        1
    );
    drop(daemon);
}

#[test]
fn a_file_that_changes_during_the_upload_is_withdrawn_and_sent_anew() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    platform.fault("s3-put", serde_json::json!({"kind": "hold-after-acting"}));
    let daemon = site.start();
    let file = site.drop_file("live.mp4", &dice.bytes(400_000));
    platform.wait("s3-put", "held", 1);
    fs::write(&file, dice.bytes(420_000)).unwrap();
    platform.release();
    let jobs = site.wait_done(1);
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert!(
        jobs[0].superseded && jobs[0].state == "cancelled",
        "{jobs:?}"
    );
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn a_file_that_is_rewritten_in_mid_upload_is_at_no_moment_published_half() {
    const BIG: usize = 16_000_000;
    // A resumable upload begins with a question.
    for (method, upload, skip) in [
        ("s3", "s3-put", 0),
        ("form", "form-upload", 0),
        ("resumable", "resumable", 1),
    ] {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let watch = format!(
            "[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nsettle = \"200ms\"\nmethod = \"{method}\"\n"
        );
        let site = Site::with(&platform, &watch);
        let stall = json!({"kind": "stall", "after_bytes": 1_000_000});
        let order = json!({"on": upload, "times": 1, "skip": skip, "fault": stall});
        platform.control("POST", "faults", &order);
        let daemon = site.start();
        let file = site.drop_file("live.mp4", &dice.bytes(BIG));
        platform.wait(upload, "held", 1);
        // In place, as by a program that writes the file again: it is the same one still.
        fs::write(&file, dice.bytes(BIG)).unwrap();
        platform.release();
        site.wait_done(1);
        site.assert_exactly_one_each(&platform, &[file]);
        let mut published = BTreeSet::new();
        platform.record(|line| {
            let md5 = line["video"]["media"]["md5"].as_str();
            published.extend(md5.map(str::to_owned));
        });
        assert_eq!(published.len(), 1, "{method}: {published:?}");
        drop(daemon);
    }
}

#[test]
fn ten_files_a_second_from_many_hands() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let daemon = site.start();
    let source = site.outside().join("source.mp4");
    fs::write(&source, dice.bytes(80_000)).unwrap();
    let copied = site.folder().join("cp.mp4");
    assert!(
        Command::new("cp")
            .arg("-p")
            .arg(&source)
            .arg(&copied)
            .status()
            .unwrap()
            .success()
    );
    let moved = site.folder().join("mv.mp4");
    let inner = site.outside().join("inner.mp4");
    fs::write(&inner, dice.bytes(70_000)).unwrap();
    fs::rename(&inner, &moved).unwrap();
    let linked = site.folder().join("ln.mp4");
    let other = site.outside().join("other.mp4");
    fs::write(&other, dice.bytes(60_000)).unwrap();
    fs::hard_link(&other, &linked).unwrap();
    let nested = site.folder().join("2026/november/deep.mp4");
    fs::create_dir_all(nested.parent().unwrap()).unwrap();
    fs::write(&nested, dice.bytes(40_000)).unwrap();
    site.wait_done(4);
    site.assert_exactly_one_each(&platform, &[copied, moved, linked, nested]);
    wait_for("no job left", || {
        site.jobs()
            .iter()
            .all(|job| job.state == "done")
            .then_some(())
    });
    drop(daemon);
}
