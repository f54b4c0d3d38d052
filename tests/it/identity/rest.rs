//! Programs that write a file again and put its time back, between its look-up and its first byte: what is sent has
//! rested, and what is noted of it is what was sent.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::support::{Dice, Platform, Site, wait_for};

const SIZE: usize = 600_000;

/// As a program that edits tags and keeps the date.
pub(super) fn rewrite(file: &Path, content: &[u8]) {
    let then = fs::metadata(file).unwrap().modified().unwrap();
    fs::write(file, content).unwrap();
    let written = fs::File::options().write(true).open(file).unwrap();
    written.set_modified(then).unwrap();
}

/// A platform whose first answer to a create call is held, and a site that uploads by this method.
fn held(method: &str) -> (Platform, Site) {
    let platform = Platform::start();
    let watch = format!(
        "[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nsettle = \"500ms\"\nmethod = \"{method}\"\n"
    );
    let site = Site::with(&platform, &watch);
    platform.faults("create", Some(1), &json!({"kind": "hold-after-acting"}));
    (platform, site)
}

/// The MD5 of everything that a video ever had.
pub(super) fn published(platform: &Platform) -> BTreeSet<String> {
    let mut published = BTreeSet::new();
    platform.record(|line| {
        let md5 = line["video"]["media"]["md5"].as_str();
        published.extend(md5.map(str::to_owned));
    });
    published
}

#[test]
fn what_is_written_again_in_two_goes_is_not_sent_between_them() {
    for method in ["s3", "form"] {
        let ((platform, site), mut dice) = (held(method), Dice::new());
        let daemon = site.start();
        let (first, second) = (dice.bytes(SIZE), dice.bytes(SIZE));
        let file = site.drop_file("a.mp4", &first);
        platform.wait("create", "held", 1);
        let mixed = [&second[..SIZE / 2], &first[SIZE / 2..]].concat();
        rewrite(&file, &mixed);
        platform.release();
        let ends = "SELECT outcome FROM attempts WHERE step = 'transfer' AND outcome IS NOT NULL ORDER BY id LIMIT 1";
        let end: String = wait_for("the first attempt to end", || site.value(ends));
        assert_eq!(end, "touched", "{method}");
        rewrite(&file, &second);
        site.wait_done(1);
        site.assert_exactly_one_each(&platform, &[file]);
        assert_eq!(published(&platform).len(), 1, "{method}");
        drop(daemon);
    }
}

/// As an indexer that sets an attribute of each file again and again.
#[test]
fn a_file_that_is_touched_again_and_again_says_so_and_fills_neither_log_nor_table() {
    let ((platform, site), mut dice) = (held("s3"), Dice::new());
    let daemon = site.start();
    let file = site.drop_file("a.mp4", &dice.bytes(SIZE));
    platform.wait("create", "held", 1);
    let touch = |number: u32| {
        let mode = fs::Permissions::from_mode(0o640 ^ (number % 2 * 0o040));
        fs::set_permissions(&file, mode).unwrap();
    };
    touch(1);
    platform.release();
    let (mut number, mut said) = (1, BTreeSet::new());
    wait_for("three rests, and the reason", || {
        number += 1;
        touch(number);
        let now: Option<String> = site.value("SELECT last_error FROM jobs WHERE state = 'queued'");
        said.extend(now);
        (said.len() > 3).then_some(())
    });
    let explained = site.output(&["explain", file.to_str().unwrap()]);
    let why = "a program touches the file again and again, last at ";
    assert!(explained.contains(why), "{explained}");
    let rows = "SELECT count(*) FROM attempts WHERE outcome = 'touched'";
    assert_eq!(site.value(rows), Some(1));
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    let logs = fs::read_dir(site.root())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let log = logs.filter(|path| path.extension().is_some_and(|kind| kind == "log"));
    let log: String = log.map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(log.matches("a program touche").count(), 1, "{log}");
    drop(daemon);
}

#[test]
fn what_was_written_again_before_it_was_sent_is_not_sent_twice() {
    let ((platform, site), mut dice) = (held("s3"), Dice::new());
    let daemon = site.start();
    let file = site.drop_file("a.mp4", &dice.bytes(SIZE));
    platform.wait("create", "held", 1);
    rewrite(&file, &dice.bytes(SIZE));
    platform.release();
    site.wait_done(1);
    // Its ctime moves: it is compared with what was noted of it.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let next = site.drop_file("b.mp4", &dice.bytes(SIZE / 2));
    site.wait_done(2);
    site.assert_exactly_one_each(&platform, &[file, next]);
    drop(daemon);
}
