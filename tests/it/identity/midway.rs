//! Programs that write a file again and put its time back while it is sent, or before the answer is known: no mixture of
//! two contents is published, and each content that stays becomes a video.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};

use rusqlite::Connection;
use serde_json::json;

use super::rest::{published, rewrite};
use crate::support::{Daemon, Dice, Platform, Site, wait_for};

/// More than the sockets between the two hold.
const BIG: usize = 16_000_000;
const MEDIUM: usize = 4_000_000;

/// The method, its operation, and how many requests of it come before the one with most of the bytes.
const METHODS: [(&str, &str, u32); 3] = [
    ("s3", "s3-put", 0),
    ("form", "form-upload", 0),
    // It begins with a question.
    ("resumable", "resumable", 1),
];

fn watch(method: &str) -> String {
    format!(
        "[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nsettle = \"200ms\"\nmethod = \"{method}\"\n"
    )
}

fn stalls(platform: &Platform, upload: &str, skip: u32, after_bytes: usize) {
    let stall = json!({"kind": "stall", "after_bytes": after_bytes});
    let order = json!({"on": upload, "times": 1, "skip": skip, "fault": stall});
    platform.control("POST", "faults", &order);
}

/// Other bytes in all places that samples are not taken of.
fn outside_samples(content: &[u8]) -> Vec<u8> {
    const EDGE: usize = 256 * 1024;
    const BLOCK: usize = 64 * 1024;
    let gap = (content.len() - 2 * EDGE - 8 * BLOCK) / 9;
    let mut other = content.to_vec();
    for number in 0..9 {
        let at = EDGE + (gap + BLOCK) * number;
        other[at..at + gap].iter_mut().for_each(|byte| *byte ^= 1);
    }
    other
}

fn transfers(site: &Site) -> Option<i64> {
    site.value("SELECT count(*) FROM attempts WHERE step = 'transfer'")
}

#[test]
fn what_is_rewritten_in_mid_upload_and_keeps_its_time_is_at_no_moment_published_half() {
    for (method, upload, skip) in METHODS {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let site = Site::with(&platform, &watch(method));
        stalls(&platform, upload, skip, 1_000_000);
        let daemon = site.start();
        let content = dice.bytes(BIG);
        let file = site.drop_file("live.mp4", &content);
        platform.wait(upload, "held", 1);
        rewrite(&file, &outside_samples(&content));
        platform.release();
        site.wait_done(1);
        site.assert_exactly_one_each(&platform, &[file]);
        assert_eq!(published(&platform).len(), 1, "{method}");
        drop(daemon);
    }
}

/// All that is sent is of the new content: the job is known by that, and not by the samples that were taken before.
#[test]
fn what_is_rewritten_where_nothing_was_sent_yet_is_one_video() {
    for (method, upload, skip) in METHODS {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let site = Site::with(&platform, &watch(method));
        stalls(&platform, upload, skip, 100_000);
        let daemon = site.start();
        let file = site.drop_file("live.mp4", &dice.bytes(BIG * 3));
        platform.wait(upload, "held", 1);
        let then = fs::metadata(&file).unwrap().modified().unwrap();
        let program = fs::File::options().write(true).open(&file).unwrap();
        let near_its_end = u64::try_from(BIG * 3 - 1000).unwrap();
        program.write_all_at(b"another", near_its_end).unwrap();
        program.set_modified(then).unwrap();
        drop(program);
        platform.release();
        site.wait_done(1);
        drop(daemon);
        // The scan at the start looks at what was touched since.
        site.command(&["run", "--until-idle"]);
        assert_eq!(site.jobs().len(), 1, "{method}: {:?}", site.jobs());
        site.assert_exactly_one_each(&platform, &[file]);
    }
}

#[test]
fn what_is_renamed_and_touched_in_mid_upload_is_sent_once() {
    for (method, upload, skip) in METHODS {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let site = Site::with(&platform, &watch(method));
        stalls(&platform, upload, skip, 1_000_000);
        let daemon = site.start();
        let file = site.drop_file("draft.mp4", &dice.bytes(BIG));
        platform.wait(upload, "held", 1);
        let renamed = site.folder().join("final.mp4");
        fs::rename(&file, &renamed).unwrap();
        fs::set_permissions(&renamed, fs::Permissions::from_mode(0o640)).unwrap();
        platform.release();
        let jobs = site.wait_done(1);
        assert_eq!((jobs.len(), transfers(&site)), (1, Some(1)), "{method}");
        site.assert_exactly_one_each(&platform, &[renamed]);
        drop(daemon);
    }
}

/// Its sums are made, and the platform is asked about the first file's video.
#[test]
fn a_copy_that_is_rewritten_before_the_platform_answers_is_no_duplicate() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, &watch("s3"));
    let daemon = site.start();
    let content = dice.bytes(MEDIUM);
    let first = site.drop_file("first.mp4", &content);
    site.wait_done(1);
    // Asked before its sums are made, and after.
    let hold = json!({"kind": "hold-after-acting"});
    let order = json!({"on": "show", "times": 1, "skip": 1, "fault": hold});
    platform.control("POST", "faults", &order);
    let copy = site.drop_file("copy.mp4", &content);
    platform.wait("show", "held", 1);
    rewrite(&copy, &outside_samples(&content));
    platform.release();
    let ended = "SELECT count(*) FROM jobs WHERE state IN ('done', 'duplicate')";
    wait_for("both jobs to end", || {
        (site.value(ended) == Some(2)).then_some(())
    });
    site.assert_exactly_one_each(&platform, &[first, copy]);
    drop(daemon);
}

/// The platform has all of a first content, and the daemon was killed before it heard so.
fn killed_before_the_answer() -> (Platform, Site, std::path::PathBuf, Vec<u8>) {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    // It tells no checksum.
    platform.faults(
        "v2-originals",
        None,
        &json!({"kind": "status", "status": 404}),
    );
    let retry = "[retry]\nfirst-delay = \"100ms\"\nmax-delay = \"200ms\"\n\n";
    let site = Site::v2(&platform, &format!("{retry}{}", watch("direct")));
    platform.fault("s3-put", json!({"kind": "hold-after-acting"}));
    let daemon = site.start();
    let content = dice.bytes(MEDIUM);
    let file = site.drop_file("a.mp4", &content);
    platform.wait("s3-put", "held", 1);
    daemon.kill9();
    (platform, site, file, content)
}

/// As an earlier release left it, or an upload whose sum took longer than its last byte.
fn forget_the_sum(site: &Site) {
    let db = Connection::open(site.database()).unwrap();
    let noted = db.execute("UPDATE tickets SET md5 = NULL WHERE md5 IS NOT NULL", []);
    assert_eq!(noted, Ok(1), "it was noted with the last byte");
}

#[test]
fn what_is_rewritten_before_the_answer_is_known_does_not_count_as_sent() {
    for is_noted in [true, false] {
        let (platform, site, file, content) = killed_before_the_answer();
        if !is_noted {
            forget_the_sum(&site);
        }
        rewrite(&file, &outside_samples(&content));
        platform.release();
        let daemon = site.start();
        site.wait_done(1);
        site.assert_exactly_one_each(&platform, &[file]);
        drop(daemon);
    }
}

#[test]
fn what_is_only_touched_before_the_answer_is_known_counts_as_sent() {
    let (platform, site, file, _) = killed_before_the_answer();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    platform.release();
    let daemon = site.start();
    let jobs = site.wait_done(1);
    assert_eq!(jobs.len(), 1);
    let sent = "SELECT count(*) FROM attempts WHERE step = 'create'";
    assert_eq!(site.value(sent), Some(1), "it is not made again");
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

/// The last segment of an upload is on its way, and the platform has the others.
fn killed_before_the_last_segment() -> (Platform, Site, std::path::PathBuf, Vec<u8>) {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let more = format!(
        "[upload]\nsegment-size = \"1 MiB\"\n[retry]\nfirst-delay = \"100ms\"\nmax-delay = \"200ms\"\n\n{}",
        watch("resumable")
    );
    let site = Site::with(&platform, &more);
    // Two bytes, and three segments.
    stalls(&platform, "resumable", 4, 0);
    let daemon: Daemon = site.start();
    let content = dice.bytes(3 * 1024 * 1024 + 50_000);
    let file = site.drop_file("a.mp4", &content);
    platform.wait("resumable", "held", 1);
    let noted = "SELECT count(*) FROM tickets WHERE last_byte_at IS NOT NULL";
    wait_for("the last byte to be noted", || {
        (site.value(noted) == Some(1)).then_some(())
    });
    daemon.kill9();
    (platform, site, file, content)
}

#[test]
fn a_session_is_not_continued_with_other_bytes_and_it_is_said_why() {
    let (platform, site, file, content) = killed_before_the_last_segment();
    rewrite(&file, &outside_samples(&content));
    platform.release();
    let daemon = site.start();
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    assert_eq!(published(&platform).len(), 1);
    let said = "SELECT message FROM attempts WHERE outcome = 'touched' ORDER BY id DESC LIMIT 1";
    let said: String = site.value(said).unwrap();
    assert!(said.contains("sent from its start"), "{said}");
    drop(daemon);
}
