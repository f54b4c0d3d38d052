//! The ways in over API v2 with the real daemon: each takes a whole file once, also when it is
//! killed on the way, and sends nothing again that the platform has.

use std::fs::{self, File};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Dice, Platform, Site};

/// Three parts: two of 16 MiB, and the rest.
const SIZE: usize = 40_000_000;
const PART: u64 = 16 << 20;

const MULTIPART: &str = "[upload]\ndirect-limit = \"1 MB\"\nparts-at-once = 2\n";

/// Kills the daemon when the operation has reached a stage under the fault, and expects one video
/// after the restart. Answers the bytes that were sent before and after it.
fn crash_at(
    (method, more): (&str, &str),
    (on, stage): (&str, &str),
    fault: &Value,
    (skip, released_first): (u32, bool),
) -> (u64, u64, Platform) {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::v2(&platform, more);
    platform.control(
        "POST",
        "faults",
        &json!({"on": on, "times": 1, "skip": skip, "fault": fault}),
    );
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(SIZE));
    platform.wait(on, stage, 1);
    daemon.kill9();
    let before = platform.bytes_received();
    if released_first {
        platform.release();
    }
    let daemon = site.start();
    let jobs = site.wait_done(1);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0].method.as_deref(), Some(method));
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
    site.assert_no_secrets();
    let after = platform.bytes_received() - before;
    let last = "SELECT bytes_sent FROM attempts WHERE step = 'transfer' ORDER BY id DESC LIMIT 1";
    let told: i64 = site.value(last).unwrap();
    assert!(
        u64::try_from(told).unwrap() <= after,
        "the table tells of {told} bytes, and {after} came"
    );
    (before, after, platform)
}

fn whole() -> u64 {
    u64::try_from(SIZE).unwrap()
}

#[test]
fn a_small_file_goes_directly_and_a_large_one_in_parts() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::v2(&platform, MULTIPART);
    let daemon = site.start();
    let small = site.drop_file("small.mp4", &dice.bytes(900_000));
    site.wait_done(1);
    let large = site.drop_file("large.mp4", &dice.bytes(SIZE));
    let jobs = site.wait_done(2);
    let methods: Vec<_> = jobs.iter().map(|job| job.method.as_deref()).collect();
    assert_eq!(methods, [Some("direct"), Some("multipart")]);
    site.assert_exactly_one_each(&platform, &[small, large]);
    assert_eq!(platform.count("part-put", "received"), 3);
    let told = site.output(&["job", &jobs[1].id.to_string()]);
    assert!(told.contains("multipart: above direct-limit"), "{told}");
    drop(daemon);
}

#[test]
fn in_mid_body_of_the_direct_put() {
    let direct = "[upload]\ndirect-limit = \"5 GB\"\n";
    let stall = json!({"kind": "stall", "after_bytes": 3_000_000});
    crash_at(("direct", direct), ("s3-put", "held"), &stall, (0, false));
}

#[test]
fn after_the_last_byte_of_the_direct_put_and_before_its_answer() {
    let direct = "[upload]\ndirect-limit = \"5 GB\"\n";
    let hold = json!({"kind": "hold-after-acting"});
    let (_, after, _) = crash_at(("direct", direct), ("s3-put", "held"), &hold, (0, true));
    assert_eq!(after, 0, "an upload that was not needed");
}

#[test]
fn in_mid_part_of_a_multipart_upload_only_what_is_missing_is_sent() {
    // One after the other, so that two parts have arrived for certain when the third hangs.
    let one = "[upload]\ndirect-limit = \"1 MB\"\nparts-at-once = 1\n";
    let stall = json!({"kind": "stall", "after_bytes": 300_000});
    let (before, after, _) = crash_at(("multipart", one), ("part-put", "held"), &stall, (2, false));
    assert!(before >= 2 * PART, "two parts had arrived: {before}");
    let left = whole() - 2 * PART;
    assert!(after <= left, "{after} bytes for {left} that were left");
}

#[test]
fn in_mid_parts_of_a_parallel_upload_at_most_what_was_under_way_is_sent_again() {
    let stall = json!({"kind": "stall", "after_bytes": 300_000});
    let (_, after, platform) = crash_at(
        ("multipart", MULTIPART),
        ("part-put", "held"),
        &stall,
        (1, false),
    );
    assert!(
        platform.count("part-put", "received") <= 3 + 2,
        "more than the two parts in progress came again"
    );
    assert!(after <= whole(), "{after}");
}

#[test]
fn before_the_complete_call_is_acted_on() {
    let hold = json!({"kind": "hold-before-acting"});
    let (_, after, _) = crash_at(
        ("multipart", MULTIPART),
        ("v2-complete", "held"),
        &hold,
        (0, true),
    );
    assert_eq!(after, 0, "an upload that was not needed");
}

#[test]
fn a_complete_call_that_never_reaches_the_platform() {
    let (_, after, _) = crash_at(
        ("multipart", MULTIPART),
        ("v2-complete", "arrived"),
        &json!({"kind": "reset"}),
        (0, false),
    );
    assert_eq!(after, 0, "an upload that was not needed");
}

#[test]
fn after_the_complete_call_was_acted_on_and_before_its_answer() {
    let hold = json!({"kind": "hold-after-acting"});
    let (_, after, _) = crash_at(
        ("multipart", MULTIPART),
        ("v2-complete", "held"),
        &hold,
        (0, true),
    );
    assert_eq!(after, 0, "an upload that was not needed");
}

#[test]
fn after_the_create_call_was_acted_on_and_before_its_answer() {
    let hold = json!({"kind": "hold-after-acting"});
    let (_, _, platform) = crash_at(
        ("multipart", MULTIPART),
        ("v2-create", "held"),
        &hold,
        (0, true),
    );
    assert_eq!(platform.count("v2-complete", "acted"), 1);
}

#[test]
fn an_upload_that_is_gone_on_the_platform_starts_over() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::v2(&platform, MULTIPART);
    platform.fault("part-put", json!({"kind": "stall", "after_bytes": 300_000}));
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(SIZE));
    platform.wait("part-put", "held", 1);
    daemon.kill9();
    platform.fault("v2-parts", json!({"kind": "status", "status": 404}));
    let daemon = site.start();
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    assert_eq!(platform.count("v2-create", "acted"), 2);
    drop(daemon);
}

#[test]
fn a_list_of_parts_that_lies_never_makes_a_wrong_video() {
    for how in [
        "holes",
        "duplicated",
        "unsorted",
        "wrong-total",
        "quoted-etags",
        "wrong-etags",
        "no-links",
        "first-page-again",
        "empty",
    ] {
        println!("how: {how}");
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let site = Site::v2(&platform, MULTIPART);
        platform.faults(
            "v2-parts",
            Some(2),
            &json!({"kind": "parts-list", "how": how}),
        );
        let daemon = site.start();
        let file = site.drop_file("news.mp4", &dice.bytes(SIZE / 2));
        site.wait_done(1);
        site.assert_exactly_one_each(&platform, &[file]);
        drop(daemon);
    }
}

/// Other content of the same size, with the mtime put back: only the ctime tells.
fn rewrite_unseen(file: &Path, content: &[u8]) {
    let mtime = fs::metadata(file).unwrap().modified().unwrap();
    fs::write(file, content).unwrap();
    File::options()
        .write(true)
        .open(file)
        .unwrap()
        .set_modified(mtime)
        .unwrap();
}

#[test]
fn parts_of_a_file_that_was_rewritten_unseen_after_a_crash_are_not_its_own() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let one = "[upload]\ndirect-limit = \"1 MB\"\nparts-at-once = 1\n";
    let site = Site::v2(&platform, one);
    platform.control(
        "POST",
        "faults",
        &json!({"on": "part-put", "times": 1, "skip": 2,
                "fault": {"kind": "stall", "after_bytes": 300_000}}),
    );
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(SIZE));
    platform.wait("part-put", "held", 1);
    daemon.kill9();
    rewrite_unseen(&file, &dice.bytes(SIZE));
    let daemon = site.start();
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn a_file_that_is_rewritten_unseen_while_its_parts_are_sent_settles_anew() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::v2(&platform, MULTIPART);
    platform.control(
        "POST",
        "faults",
        &json!({"on": "part-put", "times": 1, "skip": 2, "fault": {"kind": "hold-after-acting"}}),
    );
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(SIZE));
    platform.wait("part-put", "held", 1);
    rewrite_unseen(&file, &dice.bytes(SIZE));
    platform.release();
    let jobs = site.wait_done(1);
    assert!(jobs[0].superseded, "{jobs:?}");
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

/// Sends one file in parts under these faults; answers how many videos were created for it.
fn created_under(faults: &[Value]) -> u64 {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::v2(&platform, MULTIPART);
    for fault in faults {
        platform.control("POST", "faults", fault);
    }
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(SIZE / 2));
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
    platform.count("v2-create", "acted")
}

#[test]
fn an_upload_that_is_closed_after_a_lost_complete_call_is_waited_for() {
    let lost = json!({"on": "v2-complete", "times": 1, "fault": {"kind": "reset"}});
    let closed = json!({"on": "v2-parts", "times": 2, "skip": 1,
                        "fault": {"kind": "status", "status": 404}});
    assert_eq!(created_under(&[lost, closed]), 1);
}

#[test]
fn an_upload_that_can_never_be_completed_is_replaced() {
    let refused = json!({"on": "v2-complete", "times": 9,
                         "fault": {"kind": "status", "status": 409}});
    assert_eq!(created_under(&[refused]), 2);
}
