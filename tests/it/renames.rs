//! Files that move while they are on their way: nothing is lost, no matter which is faster, the
//! worker or the watch that sees the new name.

use std::fs;

use serde_json::json;

use crate::support::{Dice, Platform, Site};

#[test]
fn a_rename_while_a_worker_holds_the_job_is_followed() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    platform.fault("create", json!({"kind": "hold-after-acting"}));
    let daemon = site.start();
    let first = site.drop_file("draft.mp4", &dice.bytes(50_000));
    platform.wait("create", "held", 1);
    let second = site.folder().join("final.mp4");
    fs::rename(&first, &second).unwrap();
    // The table has the new name while the worker still has the old one.
    site.wait_jobs("the new name", |jobs| {
        (jobs[0].path == second).then_some(())
    });
    platform.release();
    let jobs = site.wait_done(1);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    site.assert_exactly_one_each(&platform, &[second]);
    drop(daemon);
}

#[test]
fn a_folder_that_is_renamed_with_its_backlog_fails_no_job() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, "[upload]\nfiles-at-once = 1\n");
    let before = site.folder().join("monday");
    fs::create_dir(&before).unwrap();
    platform.fault("create", json!({"kind": "hold-after-acting"}));
    let daemon = site.start();
    for number in 0..30 {
        fs::write(
            before.join(format!("{number:02}.mp4")),
            dice.bytes(3_000 + number),
        )
        .unwrap();
    }
    platform.wait("create", "held", 1);
    site.wait_jobs("all to be queued", |jobs| (jobs.len() == 30).then_some(()));
    let after = site.folder().join("tuesday");
    fs::rename(&before, &after).unwrap();
    // At once: the worker runs into the old names before the new ones have settled.
    platform.release();
    let jobs = site.wait_done(30);
    assert!(jobs.iter().all(|job| job.state == "done"), "{jobs:?}");
    let files: Vec<_> = (0..30).map(|n| after.join(format!("{n:02}.mp4"))).collect();
    site.assert_exactly_one_each(&platform, &files);
    drop(daemon);
}

#[test]
fn a_file_that_goes_and_comes_back_is_uploaded() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    platform.fault("create", json!({"kind": "hold-after-acting"}));
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(40_000));
    platform.wait("create", "held", 1);
    let aside = site.outside().join("news.mp4");
    fs::rename(&file, &aside).unwrap();
    platform.release();
    let message = site.wait_jobs("the file to be missed", |jobs| {
        let failed = jobs.iter().find(|job| job.state == "failed")?;
        failed.last_error.clone()
    });
    assert!(message.contains("gone"), "{message}");
    fs::rename(&aside, &file).unwrap();
    let jobs = site.wait_done(1);
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn a_file_added_by_hand_that_changes_says_what_to_do() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    platform.fault("create", json!({"kind": "hold-after-acting"}));
    let daemon = site.start();
    let file = site.outside().join("archive.mp4");
    fs::write(&file, dice.bytes(20_000)).unwrap();
    let added = site.command(&["add", "--watch", "drop", file.to_str().unwrap()]);
    assert!(added.status.success(), "{added:?}");
    platform.wait("create", "held", 1);
    fs::write(&file, dice.bytes(21_000)).unwrap();
    platform.release();
    let message = site.wait_jobs("the job to fail", |jobs| {
        let failed = jobs.iter().find(|job| job.state == "failed")?;
        failed.last_error.clone()
    });
    assert!(message.contains("jw-ingest add"), "{message}");
    let added = site.command(&["add", "--watch", "drop", file.to_str().unwrap()]);
    assert!(added.status.success(), "{added:?}");
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn a_job_that_is_cancelled_and_retried_at_once_has_one_worker() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    platform.fault("s3-put", json!({"kind": "stall", "after_bytes": 1_000_000}));
    let daemon = site.start();
    let file = site.drop_file("again.mp4", &dice.bytes(30_000_000));
    platform.wait("s3-put", "held", 1);
    assert!(site.command(&["cancel", "1"]).status.success());
    assert!(site.command(&["retry", "1"]).status.success());
    let jobs = site.wait_done(1);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    platform.release();
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn names_that_are_swapped_and_shifted_send_nothing_again() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let daemon = site.start();
    let files: Vec<_> = (0..4)
        .map(|n| site.drop_file(&format!("{n}.mp4"), &dice.bytes(9_000 + n)))
        .collect();
    let before = site.wait_done(4);
    // Each takes the next one's name, the last one the first one's.
    let aside = site.outside().join("aside.mp4");
    fs::rename(&files[3], &aside).unwrap();
    for number in (0..3).rev() {
        fs::rename(&files[number], &files[number + 1]).unwrap();
    }
    fs::rename(&aside, &files[0]).unwrap();
    let place = |path| files.iter().position(|file| file == path).unwrap();
    let shifted: Vec<_> = before
        .iter()
        .map(|job| files[(place(&job.path) + 1) % 4].clone())
        .collect();
    site.wait_jobs("the jobs to follow", |jobs| {
        let paths: Vec<_> = jobs.iter().map(|job| job.path.clone()).collect();
        (paths.len() != 4 || paths == shifted).then_some(())
    });
    assert_eq!(site.jobs().len(), 4, "{:?}", site.jobs());
    site.assert_exactly_one_each(&platform, &files);
    drop(daemon);
}
