//! Files that failed: their folder, their notes, and trying again.

use std::fs;

use serde_json::json;

use super::{files, site, wait_outcome, wait_there};
use crate::support::{Platform, Site, wait_for};

const FAILED: &str = "failed-dir = \"{outside}\"\ngrace = \"0s\"\n";

/// The platform takes the next file, and fails to process it.
fn spoil_one(platform: &Platform) {
    platform.fault(
        "s3-put",
        json!({"kind": "fail-processing", "message": "cannot read the codec"}),
    );
}

fn wait_failed(site: &Site) {
    site.wait_jobs("a job to fail", |jobs| {
        jobs.iter().any(|job| job.state == "failed").then_some(())
    });
}

#[test]
fn what_failed_is_moved_and_found_by_a_retry() {
    let (platform, mut dice) = (Platform::start(), super::dice());
    let site = site(&platform, &format!("{FAILED}notes = true\n"));
    spoil_one(&platform);
    let daemon = site.start();
    let content = dice.bytes(9_000);
    let file = site.drop_file("a.mp4", &content);
    site.drop_file("a.json", b"{}");
    let said = wait_outcome(&site, 1);
    let (there, note) = (
        site.outside().join("a.mp4"),
        site.outside().join("a.mp4.failed.txt"),
    );
    assert_eq!(said, format!("moved to {}", there.display()));
    let expected = [site.outside().join("a.json"), there.clone(), note.clone()];
    assert_eq!(files(&site.outside()), expected);
    let text = fs::read_to_string(&note).unwrap();
    assert!(
        text.contains("cannot read the codec") && text.contains("delete this note"),
        "{text}"
    );
    assert_eq!(site.jobs()[0].path, there, "the job went along");
    assert!(site.command(&["retry", "1"]).status.success());
    site.wait_done(1);
    // It has not failed any more: back to where it lay.
    wait_there(&file);
    wait_for("its note to go", || (!note.exists()).then_some(()));
    assert_eq!(fs::read(&file).unwrap(), content);
    wait_for("the job to follow", || {
        (site.jobs()[0].path == file).then_some(())
    });
    drop(daemon);
    assert!(file.with_extension("json").exists());
    super::nothing_comes_again(&site, &platform, 1);
    site.assert_no_secrets();
}

/// The file of the second job is the one that the first has put there.
#[test]
fn what_fails_twice_is_there_once_and_found_by_both_jobs() {
    let (platform, mut dice) = (Platform::start(), super::dice());
    let site = site(&platform, &format!("{FAILED}notes = true\n"));
    let content = dice.bytes(9_000);
    let there = site.outside().join("a.mp4");
    let _daemon = site.start();
    for (index, job) in [1, 2].into_iter().enumerate() {
        spoil_one(&platform);
        site.drop_file("a.mp4", &content);
        let said = wait_outcome(&site, job);
        assert_eq!(said, format!("moved to {}", there.display()));
        assert_eq!(site.jobs()[index].path, there, "job {job} went along");
    }
    let note = fs::read_to_string(site.outside().join("a.mp4.failed.txt")).unwrap();
    let folder = site.folder();
    assert!(
        note.contains(&format!("a good copy into {};", folder.display())),
        "{note}"
    );
    assert!(site.command(&["retry", "2"]).status.success());
    site.wait_jobs("the second to be uploaded", |jobs| {
        (jobs[1].state == "done").then_some(())
    });
    wait_there(&folder.join("a.mp4"));
}

#[test]
fn a_note_that_is_deleted_has_the_upload_tried_again() {
    let (platform, mut dice) = (Platform::start(), super::dice());
    let site = site(&platform, "notes = true\n");
    spoil_one(&platform);
    let daemon = site.start();
    let file = site.drop_file("a.mp4", &dice.bytes(9_000));
    wait_failed(&site);
    let note = site.folder().join("a.mp4.failed.txt");
    wait_there(&note);
    wait_noted(&site);
    drop(daemon);
    // While the daemon does not run.
    fs::remove_file(&note).unwrap();
    let daemon = site.start();
    site.wait_done(1);
    let key = site.folder().join("a.mp4.jw.json");
    wait_there(&key);
    assert_eq!(files(&site.folder()), [file, key]);
    assert_eq!(site.jobs().len(), 1, "a note is no video");
    drop(daemon);
    site.assert_no_secrets();
}

fn wait_noted(site: &Site) {
    wait_for("the note to be in the table", || {
        site.value::<String>("SELECT note FROM afterwards WHERE note IS NOT NULL")
    });
}

#[test]
fn a_folder_that_is_away_is_no_deleted_note_and_a_file_put_back_is_tried() {
    let (platform, mut dice) = (Platform::start(), super::dice());
    let site = site(&platform, &format!("{FAILED}notes = true\n"));
    spoil_one(&platform);
    let daemon = site.start();
    let file = site.drop_file("a.mp4", &dice.bytes(9_000));
    wait_outcome(&site, 1);
    drop(daemon);
    let away = site.root().join("away");
    fs::rename(site.outside(), &away).unwrap();
    let daemon = site.start();
    site.wait_log("watching");
    drop(daemon);
    assert_eq!(site.jobs()[0].state, "failed");
    fs::rename(&away, site.root().join("outside")).unwrap();
    fs::rename(site.outside().join("a.mp4"), &file).unwrap();
    let daemon = site.start();
    let jobs = site.wait_done(1);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    drop(daemon);
}

#[test]
fn a_file_of_that_name_is_not_written_over() {
    let (platform, mut dice) = (Platform::start(), super::dice());
    let site = site(&platform, "notes = true\n");
    let mine = site.drop_file("a.mp4.jw.json", b"{\"mine\": true}");
    let daemon = site.start();
    site.drop_file("a.mp4", &dice.bytes(9_000));
    site.drop_file("b.mp4", &dice.bytes(9_001));
    site.wait_done(2);
    wait_there(&site.folder().join("b.mp4.jw.json"));
    site.wait_log("cannot write notes in");
    assert_eq!(fs::read(&mine).unwrap(), b"{\"mine\": true}");
    drop(daemon);
}
