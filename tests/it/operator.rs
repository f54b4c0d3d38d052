//! What people order and ask, against a running daemon.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Daemon, Dice, Platform, Site, have, wait_for};

/// More than the sockets between daemon and platform hold.
const BIG: usize = 12_000_000;
const SMALL: usize = 20_000;

/// What "within a second" may take on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(5);

fn stalled_upload(platform: &Platform, site: &Site) -> (Daemon, PathBuf) {
    platform.fault("s3-put", json!({"kind": "stall", "after_bytes": 3_000_000}));
    let daemon = site.start();
    let file = site.drop_file("big.mp4", &Dice::new().bytes(BIG));
    platform.wait("s3-put", "held", 1);
    (daemon, file)
}

fn wait_no_video(platform: &Platform) {
    wait_for("the draft to go", || {
        platform.videos().is_empty().then_some(())
    });
}

#[test]
fn cancel_ends_an_upload_for_good_until_it_is_retried() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let (daemon, file) = stalled_upload(&platform, &site);
    wait_for("its progress to be noted", || {
        site.value("SELECT bytes_sent FROM progress")
            .filter(|sent: &i64| *sent > 0)
    });
    let ordered = Instant::now();
    site.output(&["cancel", "1"]);
    site.wait_log("the job was cancelled; its upload has ended");
    assert!(ordered.elapsed() < SOON, "{:?}", ordered.elapsed());
    // The platform reads on, and finds the connection closed before the end.
    platform.release();
    platform.wait("s3-put", "broken", 1);
    assert_eq!(platform.count("s3-put", "received"), 0);
    wait_no_video(&platform);
    assert_eq!(site.story(1).last().unwrap(), "transfer cancelled");
    assert!(site.attempts(1).last().unwrap().bytes_sent > 0);

    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    let daemon = site.start();
    let other = site.drop_file("other.mp4", &Dice::new().bytes(SMALL));
    let jobs = site.wait_done(1);
    assert_eq!(
        jobs.len(),
        2,
        "the cancelled file is not taken again: {jobs:?}"
    );
    assert_eq!(jobs[0].state, "cancelled");
    assert_eq!(site.command(&["cancel", "1"]).status.code(), Some(1));
    site.output(&["retry", "1"]);
    site.wait_done(2);
    site.assert_exactly_one_each(&platform, &[file, other]);
    site.assert_no_secrets();
    drop(daemon);
}

#[test]
fn cancel_in_the_middle_of_a_create_call_leaves_no_draft() {
    for fault in ["hold-after-acting", "hold-before-acting"] {
        let platform = Platform::start();
        let site = Site::new(&platform);
        platform.fault("create", json!({"kind": fault}));
        let daemon = site.start();
        let file = site.drop_file("clip.mp4", &Dice::new().bytes(SMALL));
        platform.wait("create", "held", 1);
        site.output(&["cancel", "1"]);
        // It has been searched for without success, or found; and only then the call takes effect,
        // if at all.
        platform.wait("list", "answered", 1);
        if fault == "hold-before-acting" {
            platform.wait("list", "answered", 3);
        }
        platform.release();
        platform.wait("create", "acted", 1);
        wait_no_video(&platform);
        site.output(&["retry", "1"]);
        site.wait_done(1);
        site.assert_exactly_one_each(&platform, &[file]);
        drop(daemon);
    }
}

#[test]
fn add_takes_a_file_from_anywhere_within_a_second() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let daemon = site.start();
    let file = site.outside().join("archive.mp4");
    fs::write(&file, Dice::new().bytes(SMALL)).unwrap();
    let text = file.to_str().unwrap();
    assert_eq!(
        site.command(&["add", text]).status.code(),
        Some(1),
        "of which watch?"
    );
    // A program writes it: half a file is never taken, not even by order.
    let writer = OpenOptions::new().append(true).open(&file).unwrap();
    let refused = site.command(&["add", "--watch", "drop", text]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(said.contains("open for writing"), "{said}");
    drop(writer);
    let ordered = Instant::now();
    site.output(&["add", "--watch", "drop", text]);
    platform.wait("create", "arrived", 1);
    assert!(ordered.elapsed() < SOON, "{:?}", ordered.elapsed());
    site.wait_done(1);
    let again = site.output(&["add", "--watch", "drop", text]);
    assert!(again.contains("is already uploaded as video"), "{again}");
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn jobs_shows_how_far_a_running_upload_is() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    platform.fault(
        "s3-put",
        json!({"kind": "slow", "bytes_per_second": 1_500_000}),
    );
    let daemon = site.start();
    site.drop_file("big.mp4", &Dice::new().bytes(BIG));
    let row = wait_for("progress with a rate", || {
        let table = site.output(&["jobs"]);
        let row = table
            .lines()
            .find(|line| line.contains("big.mp4"))?
            .to_owned();
        (row.contains(" %)") && row.contains("/s, ") && row.contains(" left")).then_some(row)
    });
    assert!(row.contains("running"), "{row}");
    let progress = wait_for("progress in JSON", || {
        let progress = site.objects(&["jobs", "--json"]).remove(0)["progress"].clone();
        progress["bytes_per_second"]
            .as_i64()
            .filter(|rate| *rate > 0)?;
        progress["bytes_sent"].as_i64()
    });
    assert!((1..=12_000_000).contains(&progress), "{progress}");
    let why = site.output(&["explain", site.folder().join("big.mp4").to_str().unwrap()]);
    assert!(why.contains("uploads now: "), "{why}");
    drop(daemon);
}

/// The verdict and the sentence of `explain`.
fn explain(site: &Site, path: &Path) -> (String, String) {
    let object = site
        .objects(&["explain", "--json", path.to_str().unwrap()])
        .remove(0);
    let text = |name: &str| object[name].as_str().unwrap().to_owned();
    (text("verdict"), text("answer"))
}

#[track_caller]
fn explained(site: &Site, path: &Path, (verdict, words): (&str, &str)) {
    let (found, answer) = explain(site, path);
    assert!(
        found == verdict && answer.contains(words),
        "{}: {found}: {answer}",
        path.display()
    );
}

#[test]
fn explain_tells_of_any_path_why_it_is_up_or_not() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    site.configure(
        &platform,
        &format!(
            "[upload]\nfiles-at-once = 1\n[[watch]]\nname = \"drop\"\npath = \"{}\"\nsettle = \"200ms\"\n\
             exclude = [\"proxy_*\"]\n",
            site.folder().display()
        ),
    );
    let mut dice = Dice::new();
    let daemon = site.start();
    let done = site.drop_file("done.mp4", &dice.bytes(SMALL));
    site.wait_done(1);
    explained(&site, &done, ("job", "is done: its video is "));

    let excluded = site.drop_file("proxy_a.mp4", &dice.bytes(SMALL));
    explained(&site, &excluded, ("ignored", "proxy_*"));
    let hidden = site.drop_file(".hidden.mp4", &dice.bytes(SMALL));
    explained(&site, &hidden, ("ignored", "hidden"));
    let partial = site.drop_file("x.mp4.part", &dice.bytes(SMALL));
    explained(&site, &partial, ("ignored", ".part"));
    let text = site.drop_file("notes.txt", &dice.bytes(SMALL));
    explained(&site, &text, ("ignored", "include"));
    let outside = site.outside().join("a.mp4");
    fs::write(&outside, "x").unwrap();
    explained(&site, &outside, ("outside", "outside every watch folder"));
    explained(
        &site,
        &site.folder().join("nothing.mp4"),
        ("nothing", "there is no such file"),
    );
    explained(
        &site,
        &site.root().join("no/such/folder.mp4"),
        ("outside", "outside"),
    );
    explained(&site, &site.folder(), ("folder", "folder"));

    drop(daemon);
}

#[test]
fn explain_follows_a_file_on_its_way() {
    let platform = Platform::start();
    let site = Site::with(&platform, "[upload]\nfiles-at-once = 1\n");
    let mut dice = Dice::new();
    let daemon = site.start();
    let empty = site.drop_file("empty.mp4", b"");
    wait_for("the empty file to be seen", || {
        explain(&site, &empty)
            .1
            .contains("it is still empty")
            .then_some(())
    });
    let written = site.folder().join("written.mp4");
    let mut writer = fs::File::create(&written).unwrap();
    writer.write_all(&dice.bytes(SMALL)).unwrap();
    wait_for("the open file to be waited for", || {
        let (verdict, answer) = explain(&site, &written);
        let waits = verdict == "settling" && answer.contains("a program has it open for writing");
        waits.then_some(())
    });

    platform.fault("create", json!({"kind": "hold-before-acting"}));
    let running = site.drop_file("running.mp4", &dice.bytes(SMALL));
    platform.wait("create", "held", 1);
    explained(
        &site,
        &running,
        ("job", "creates its video on the platform now"),
    );
    let queued = site.drop_file("queued.mp4", &dice.bytes(SMALL));
    site.wait_jobs("the last to be queued", |jobs| {
        (jobs.len() == 2).then_some(())
    });
    explained(
        &site,
        &queued,
        ("job", "starts as soon as a worker is free"),
    );
    site.output(&["cancel", "2"]);
    explained(
        &site,
        &queued,
        ("job", "`jw-ingest retry 2` queues it again"),
    );
    drop(writer);
    daemon.kill9();
    fs::write(&queued, dice.bytes(SMALL + 1)).unwrap();
    explained(&site, &queued, ("unseen", "the daemon does not run"));
}

#[test]
fn the_table_is_read_with_sqlite3_at_any_time() {
    if !have("sqlite3") {
        return;
    }
    let platform = Platform::start();
    let site = Site::new(&platform);
    let read = || {
        let output = Command::new("sqlite3")
            .arg(site.database())
            .arg("SELECT state, step, video_key IS NOT NULL FROM jobs")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (daemon, file) = stalled_upload(&platform, &site);
    assert_eq!(read(), "running|transfer|1\n");
    daemon.kill9();
    assert_eq!(read(), "running|transfer|1\n");
    let daemon = site.start();
    site.wait_done(1);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    assert_eq!(read(), "done|confirm|1\n");
    site.assert_exactly_one_each(&platform, &[file]);
}

#[test]
fn a_second_daemon_is_refused() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let (daemon, file) = stalled_upload(&platform, &site);
    let output = site.command(&["run", "--until-idle"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("another jw-ingest daemon already works on"),
        "{said}"
    );
    platform.release();
    site.wait_done(1);
    assert_eq!(site.jobs()[0].attempts, 1, "undisturbed");
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}
