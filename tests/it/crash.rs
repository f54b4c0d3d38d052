//! `kill -9` at every point that matters: after the restart there is exactly one video, with the
//! right bytes, and one key, without an upload that was not needed.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Dice, Platform, Site};

/// Large enough that a kill in mid body is in mid body: more than sockets buffer.
const SIZE: usize = 12_000_000;

/// Kills the daemon when an operation has reached a stage under a fault, lets the platform
/// continue, restarts, and expects exactly one video. Answers how often the bytes were asked for.
fn crash_at(method: &str, (on, stage): (&str, &str), fault: Value, released_first: bool) -> u64 {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let limit = if method == "form" {
        "[upload]\ns3-limit = \"1 MB\"\n"
    } else {
        ""
    };
    let site = Site::with(&platform, limit);
    platform.fault(on, fault);
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(SIZE));
    platform.wait(on, stage, 1);
    daemon.kill9();
    if released_first {
        platform.release();
    }
    let daemon = site.start();
    let jobs = site.wait_done(1);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0].method.as_deref(), Some(method));
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
    let uploads = if method == "form" {
        "form-upload"
    } else {
        "s3-put"
    };
    platform.count(uploads, "received")
}

#[test]
fn before_the_create_call_is_acted_on() {
    crash_at(
        "s3",
        ("create", "held"),
        json!({"kind": "hold-before-acting"}),
        true,
    );
}

#[test]
fn before_the_create_call_reaches_the_platform() {
    crash_at("s3", ("create", "arrived"), json!({"kind": "reset"}), false);
}

#[test]
fn a_create_call_that_acts_only_after_another_was_made_in_its_place() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    platform.fault("create", json!({"kind": "hold-before-acting"}));
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(50_000));
    platform.wait("create", "held", 1);
    daemon.kill9();
    let daemon = site.start();
    site.wait_done(1);
    platform.release();
    platform.wait("create", "acted", 2);
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn after_the_video_was_created_and_before_its_answer() {
    let sent = crash_at(
        "s3",
        ("create", "held"),
        json!({"kind": "hold-after-acting"}),
        true,
    );
    assert_eq!(sent, 1);
}

#[test]
fn in_mid_body_of_the_s3_put() {
    crash_at(
        "s3",
        ("s3-put", "held"),
        json!({"kind": "stall", "after_bytes": 3_000_000}),
        false,
    );
}

#[test]
fn in_mid_body_of_the_form() {
    crash_at(
        "form",
        ("form-upload", "held"),
        json!({"kind": "stall", "after_bytes": 3_000_000}),
        false,
    );
}

#[test]
fn after_the_last_byte_of_the_s3_put_and_before_its_answer() {
    let sent = crash_at(
        "s3",
        ("s3-put", "held"),
        json!({"kind": "hold-after-acting"}),
        true,
    );
    assert_eq!(sent, 1, "an upload that was not needed");
}

#[test]
fn after_the_last_byte_of_the_form_and_before_its_answer() {
    let sent = crash_at(
        "form",
        ("form-upload", "held"),
        json!({"kind": "hold-after-acting"}),
        true,
    );
    assert_eq!(sent, 1, "an upload that was not needed");
}

#[test]
fn between_the_answer_to_the_upload_and_the_commit() {
    // The answer is on its way into a daemon that dies: the same as an answer that was lost.
    let sent = crash_at(
        "s3",
        ("s3-put", "acted"),
        json!({"kind": "answer-lost"}),
        false,
    );
    assert_eq!(sent, 1, "an upload that was not needed");
}

#[test]
fn before_the_status_answer() {
    let sent = crash_at(
        "s3",
        ("list", "held"),
        json!({"kind": "hold-after-acting"}),
        true,
    );
    assert_eq!(sent, 1);
}

const RESUMABLE: &str = "[upload]\nsegment-size = \"1 MiB\"\n\n[[watch]]\nname = \"drop\"\npath = \"{folder}\"\n\
                         settle = \"200ms\"\nmethod = \"resumable\"\n";

/// Kills a resumable upload at a stage of its request number `skip` + 1; answers the file's size and
/// how many bytes the platform was sent before and after the restart.
fn crash_in_a_resumable_upload(stage: &str, skip: u32, fault: &Value) -> (u64, u64, u64) {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, RESUMABLE);
    platform.control(
        "POST",
        "faults",
        &json!({"on": "resumable", "times": 1, "skip": skip, "fault": fault}),
    );
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(SIZE));
    platform.wait("resumable", stage, 1);
    daemon.kill9();
    let before = platform.bytes_received();
    platform.release();
    let daemon = site.start();
    let jobs = site.wait_done(1);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0].method.as_deref(), Some("resumable"));
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
    let whole = u64::try_from(SIZE).unwrap();
    (whole, before, platform.bytes_received() - before)
}

#[test]
fn in_mid_segment_of_a_resumable_upload_it_goes_on_from_where_the_platform_stands() {
    let stall = json!({"kind": "stall", "after_bytes": 300_000});
    let (size, before, after) = crash_in_a_resumable_upload("held", 6, &stall);
    assert!(
        before >= 5 << 20,
        "five segments and the probe had arrived: {before}"
    );
    let left = size - (5 << 20);
    assert!(
        after <= left + (1 << 20),
        "{after} bytes for {left} that were left"
    );
}

#[test]
fn after_the_last_byte_of_a_resumable_upload_nothing_is_sent_again() {
    // The probe, eleven segments of 1 MiB, and the rest.
    let hold = json!({"kind": "hold-after-acting"});
    let (_, _, after) = crash_in_a_resumable_upload("held", 12, &hold);
    assert_eq!(after, 0, "an upload that was not needed");
}

#[test]
fn a_resumable_upload_whose_create_answer_was_lost_is_adopted() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, RESUMABLE);
    platform.fault("create", json!({"kind": "hold-after-acting"}));
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(3_000_000));
    platform.wait("create", "held", 1);
    daemon.kill9();
    platform.release();
    let daemon = site.start();
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    assert_eq!(
        platform.count("create", "acted"),
        1,
        "no second video was made"
    );
    drop(daemon);
}

/// 50 kills at random moments over 40 files.
#[test]
fn fifty_kills_at_random_moments() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(
        &platform,
        "[upload]\ns3-limit = \"1 MB\"\nfiles-at-once = 4\n",
    );
    let mut files: Vec<PathBuf> = Vec::new();
    for kill in 0..50 {
        if files.len() < 40 {
            // One of three goes by the form.
            let length = if dice.below(3) == 0 {
                2_000_000
            } else {
                200_000
            };
            let content = dice.bytes(length + files.len());
            files.push(site.drop_file(&format!("{:02}.mp4", files.len()), &content));
        }
        let daemon = site.start();
        // The moment of the kill is the thing under test: any moment will do.
        std::thread::park_timeout(std::time::Duration::from_millis(20 + dice.below(700)));
        println!("kill {kill}");
        daemon.kill9();
    }
    let daemon = site.start();
    site.wait_done(40);
    site.assert_exactly_one_each(&platform, &files);
    drop(daemon);
}
