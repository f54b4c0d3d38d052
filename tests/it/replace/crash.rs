//! `kill -9` around every call of a replacement and in mid transfer: the key stays, nothing is ever
//! deleted, and in the end the content is the new one, whole.

use serde_json::{Value, json};

use super::{assert_replaced, one_is_up, put_over, watch};
use crate::support::{Dice, Platform, Site};

/// More than sockets buffer; three parts where it goes in parts.
const SIZE: usize = 40_000_000;

struct Case<'a> {
    v2: bool,
    more: &'a str,
    at: (&'a str, &'a str),
    fault: Value,
    /// Whether the platform acts on what it holds before the daemon is there again.
    released_first: bool,
}

/// Kills the daemon when a call of the replacement has reached a stage under a fault, and answers
/// how often the video got a whole file.
fn crash_at(case: &Case<'_>) -> u64 {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let more = format!("{}{}", case.more, watch("replace", ""));
    let site = if case.v2 {
        Site::v2(&platform, &more)
    } else {
        Site::with(&platform, &more)
    };
    let (daemon, file, key) = one_is_up(&site, &mut dice, SIZE);
    let (on, stage) = case.at;
    let before = platform.count(on, stage);
    platform.fault(on, case.fault.clone());
    put_over(&site, &file, &dice.bytes(SIZE));
    platform.wait(on, stage, before + 1);
    daemon.kill9();
    if case.released_first {
        platform.release();
    }
    let daemon = site.start();
    let jobs = site.wait_done(2);
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert_eq!(jobs[1].video_key.as_ref(), Some(&key));
    assert_replaced(&platform, (&file, &key));
    assert_eq!(site.value("SELECT count(*) FROM withdrawals"), Some(0));
    site.assert_no_secrets();
    drop(daemon);
    platform.release();
    platform.videos()[0].received
}

/// Both ends of a call: it was not acted on, acted on late, or acted on without an answer.
fn around(v2: bool, more: &str, on: &str) {
    for (stage, fault, released_first) in [
        ("arrived", json!({"kind": "reset"}), false),
        ("held", json!({"kind": "hold-before-acting"}), true),
        ("held", json!({"kind": "hold-after-acting"}), true),
    ] {
        println!("{on} {fault}");
        crash_at(&Case {
            v2,
            more,
            at: (on, stage),
            fault,
            released_first,
        });
    }
}

fn in_mid_body(v2: bool, more: &str, on: &str) {
    let received = crash_at(&Case {
        v2,
        more,
        at: (on, "held"),
        fault: json!({"kind": "stall", "after_bytes": 3_000_000}),
        released_first: false,
    });
    assert_eq!(received, 2, "each content once");
}

const FORM: &str = "[upload]\ns3-limit = \"1 MB\"\n";
const PARTS: &str = "[upload]\ndirect-limit = \"1 MB\"\n";

#[test]
fn around_the_update_call() {
    around(false, "", "update");
}

#[test]
fn around_the_reupload_call() {
    around(true, PARTS, "v2-reupload");
}

#[test]
fn around_the_s3_put() {
    around(false, "", "s3-put");
    in_mid_body(false, "", "s3-put");
}

#[test]
fn around_the_form() {
    around(false, FORM, "form-upload");
    in_mid_body(false, FORM, "form-upload");
}

#[test]
fn around_the_direct_put() {
    around(true, "", "s3-put");
    in_mid_body(true, "", "s3-put");
}

#[test]
fn around_a_part_and_the_complete_call() {
    in_mid_body(true, PARTS, "part-put");
    around(true, PARTS, "v2-complete");
}

#[test]
fn around_the_list_of_parts_and_the_status() {
    around(true, PARTS, "v2-parts");
    around(false, "", "list");
    around(false, "", "show");
}
