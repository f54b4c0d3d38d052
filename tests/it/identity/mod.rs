//! The same content, dropped again: one video, with any name, watch, inode or moment of a kill; and
//! never one too few.

mod kills;
mod midway;
mod rest;
mod unproven;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Dice, JobRow, Platform, Site, wait_for};

/// Larger than what a fingerprint reads.
const LARGE: usize = 3_000_000;
/// A byte that no sample of a file of [`LARGE`] bytes covers.
const UNSAMPLED: usize = 300_000;
/// One that a sample covers.
const MIDDLE: usize = 1_326_100;

/// Waits until a path has a job in this state.
fn wait_state(site: &Site, path: &Path, state: &str) -> JobRow {
    let what = format!("{} to be {state}", path.display());
    site.wait_jobs(&what, |jobs| {
        let mut its = jobs.iter().filter(|job| job.path == path);
        its.rfind(|job| job.state == state).cloned()
    })
}

fn duplicate_of(site: &Site, job: i64) -> Option<i64> {
    site.value(&format!("SELECT duplicate_of FROM jobs WHERE id = {job}"))
}

/// Two watches of one account, and one of another.
fn two_accounts(site: &Site, platform: &Platform) {
    for name in ["second", "third"] {
        fs::create_dir(site.root().join(name)).unwrap();
    }
    let watch = |name: &str, account: &str| {
        format!(
            "[[watch]]\nname = \"{name}\"\npath = \"{{root}}/{name}\"\nsettle = \"200ms\"\naccount = \"{account}\"\n"
        )
    };
    let account = |name: &str| {
        format!(
            "[account.{name}]\napi = \"v1\"\nkey = \"XOqEAfxj\"\nsecret-file = \"{{root}}/secret\"\nbase-url = \"{}\"\n\n",
            platform.base_url()
        )
    };
    let more = [
        account("main"),
        account("other"),
        watch("drop", "main"),
        watch("second", "main"),
        watch("third", "other"),
    ];
    site.configure(platform, &more.concat());
}

#[test]
fn the_same_content_under_another_name_or_in_another_watch_is_one_video() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    two_accounts(&site, &platform);
    let daemon = site.start();
    for size in [5_000, LARGE] {
        let bytes = dice.bytes(size);
        let first = site.drop_file(&format!("first {size}.mp4"), &bytes);
        let key = wait_state(&site, &first, "done").video_key.unwrap();
        let again = site.drop_file(&format!("again {size}.mp4"), &bytes);
        let there = site.root().join(format!("second/there {size}.mov"));
        fs::write(&there, &bytes).unwrap();
        let other = site.root().join(format!("third/other {size}.mp4"));
        fs::write(&other, &bytes).unwrap();
        for copy in [&again, &there] {
            let copy = wait_state(&site, copy, "duplicate");
            let original = duplicate_of(&site, copy.id).unwrap();
            let shown = site.output(&["job", &copy.id.to_string()]);
            let said =
                format!("is a duplicate: the same content is video {key} of job {original} (");
            assert!(shown.contains(&said), "{shown}");
            assert_eq!(copy.video_key, None);
        }
        wait_state(&site, &other, "done");
        assert!(site.output(&["jobs"]).matches(&key).count() == 3, "{key}");
        assert_eq!(site.logged(&format!(", which is video {key} (job ")), 2);
    }
    assert_eq!(platform.videos().len(), 4, "two contents in two accounts");
    assert_eq!(platform.count("create", "acted"), 4);
    site.assert_no_secrets();
    drop(daemon);
}

#[test]
fn copies_that_are_dropped_at_once_are_one_video() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, "[upload]\nfiles-at-once = 4\n");
    let bytes = dice.bytes(LARGE);
    let files: Vec<_> = (0..6)
        .map(|n| site.drop_file(&format!("{n}.mp4"), &bytes))
        .collect();
    let daemon = site.start();
    let jobs = site.wait_jobs("all to end", |jobs| {
        let ended = jobs
            .iter()
            .filter(|job| job.state == "done" || job.state == "duplicate");
        (ended.count() == files.len()).then(|| jobs.to_vec())
    });
    assert_eq!(
        jobs.iter().filter(|job| job.state == "done").count(),
        1,
        "{jobs:?}"
    );
    assert_eq!(platform.count("create", "acted"), 1);
    assert_eq!(platform.videos().len(), 1);
    drop(daemon);
}

#[test]
fn a_copy_waits_for_the_first_and_is_uploaded_when_that_is_cancelled() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    platform.fault("s3-put", json!({"kind": "stall", "after_bytes": 100_000}));
    let daemon = site.start();
    // More than the sockets hold, so that the last byte is not sent: then it may be cancelled.
    let bytes = dice.bytes(4 * LARGE);
    let first = site.drop_file("first.mp4", &bytes);
    platform.wait("s3-put", "held", 1);
    let second = site.drop_file("second.mp4", &bytes);
    let waiting = site.wait_jobs("the second to wait", |jobs| {
        let second = jobs.iter().find(|job| job.path == second)?;
        let said = second.last_error.as_deref().unwrap_or_default();
        (second.state == "queued" && said.starts_with("waits for job 1")).then(|| second.clone())
    });
    assert_eq!(waiting.attempts, 0);
    let shown = site.output(&["job", &waiting.id.to_string()]);
    assert!(
        shown.contains("waits for job 1, which seems to have the same content"),
        "{shown}"
    );
    let id = site.jobs().iter().find(|job| job.path == first).unwrap().id;
    assert!(site.command(&["cancel", &id.to_string()]).status.success());
    wait_state(&site, &second, "done");
    platform.release();
    site.assert_exactly_one_each(&platform, &[second]);
    drop(daemon);
}

#[test]
fn a_copy_is_uploaded_when_the_platform_cannot_use_the_first() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    platform.fault(
        "s3-put",
        json!({"kind": "fail-processing", "message": "no video in it"}),
    );
    // Until the copy is found to be one.
    platform.fault("list", json!({"kind": "hold-before-acting"}));
    let daemon = site.start();
    let bytes = dice.bytes(20_000);
    let first = site.drop_file("first.mp4", &bytes);
    platform.wait("list", "held", 1);
    let second = site.drop_file("second.mp4", &bytes);
    let said = site.wait_jobs("the copy to wait", |jobs| {
        let second = jobs
            .iter()
            .find(|job| job.path == second && job.state == "queued")?;
        second
            .last_error
            .clone()
            .filter(|said| said.starts_with("waits for job 1, which"))
    });
    assert!(said.contains("not ready on the platform yet"), "{said}");
    platform.release();
    wait_state(&site, &first, "failed");
    wait_state(&site, &second, "done");
    drop(daemon);
}

#[test]
fn files_that_are_alike_but_not_the_same_are_videos_of_their_own() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let daemon = site.start();
    let bytes = dice.bytes(LARGE);
    let mut files = vec![site.drop_file("first.mp4", &bytes)];
    site.wait_done(1);
    for (name, at) in [
        ("unsampled", UNSAMPLED),
        ("middle", MIDDLE),
        ("tail", LARGE - 1),
    ] {
        let mut other = bytes.clone();
        other[at] ^= 1;
        files.push(site.drop_file(&format!("{name}.mp4"), &other));
    }
    site.wait_done(4);
    site.assert_exactly_one_each(&platform, &files);
    // The same samples, so that it took the sum of the whole to tell.
    let same: Option<i64> =
        site.value("SELECT max(n) FROM (SELECT count(*) AS n FROM jobs GROUP BY fingerprint)");
    assert_eq!(same, Some(2));
    drop(daemon);
}

/// As `cp --preserve=timestamps` does.
fn copy_with_times(from: &Path, to: &Path) {
    let part = to.with_extension("part");
    fs::copy(from, &part).unwrap();
    let modified = fs::metadata(from).unwrap().modified().unwrap();
    File::options()
        .write(true)
        .open(&part)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    fs::rename(&part, to).unwrap();
}

#[test]
fn a_folder_put_back_from_its_backup_is_asked_for_and_uploads_nothing() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let daemon = site.start();
    let files: Vec<PathBuf> = [4_000, LARGE, 1 << 20, (1 << 20) + 1]
        .iter()
        .map(|size| site.drop_file(&format!("{size}.mp4"), &dice.bytes(*size)))
        .collect();
    site.wait_done(4);
    drop(daemon);
    let inode = |path: &PathBuf| fs::metadata(path).unwrap().ino();
    for file in &files {
        // What is in the backup keeps its inode, so that what comes back has another.
        let kept = site.outside().join(file.file_name().unwrap());
        fs::rename(file, &kept).unwrap();
        copy_with_times(&kept, file);
        assert_ne!(inode(&kept), inode(file));
    }
    let calls = |on: &str| platform.count(on, "arrived");
    let seen = (calls("show"), calls("create"));
    let daemon = site.start();
    for file in &files {
        wait_state(&site, file, "duplicate");
    }
    assert_eq!(calls("create"), seen.1);
    assert!(calls("show") >= seen.0 + 4, "each was asked for");
    // Once more, deleted in between under the daemon's eyes, and with any inode.
    for file in &files {
        fs::remove_file(file).unwrap();
        copy_with_times(&site.outside().join(file.file_name().unwrap()), file);
    }
    let marker = site.drop_file("marker.mp4", &dice.bytes(7_000));
    wait_state(&site, &marker, "done");
    site.wait_jobs("all to end", |jobs| {
        let is_over = |job: &JobRow| job.state == "done" || job.state == "duplicate";
        jobs.iter().all(is_over).then_some(())
    });
    assert_eq!(calls("create"), seen.1 + 1);
    assert_eq!(platform.videos().len(), 5);
    drop(daemon);
}

#[test]
fn a_file_that_was_touched_is_nothing_new_and_one_that_was_rewritten_is() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let daemon = site.start();
    let mut bytes = dice.bytes(20_000);
    let file = site.drop_file("news.mp4", &bytes);
    site.wait_done(1);
    let ctime = |of: &str| site.value::<i64>(&format!("SELECT ctime_ns FROM jobs WHERE id = {of}"));
    let before = ctime("1");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    wait_for("the chmod to be noted", || {
        (ctime("1") != before).then_some(())
    });
    assert_eq!(site.jobs().len(), 1);

    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    bytes[77] ^= 1;
    let open = File::options().write(true).open(&file).unwrap();
    open.write_all_at(&bytes, 0).unwrap();
    open.set_modified(modified).unwrap();
    drop(open);
    site.wait_done(2);
    site.wait_log("it was rewritten, though its time was put back");
    assert_eq!(platform.videos().len(), 2);
    drop(daemon);
    // Nor does the next start take it for something else again.
    let daemon = site.start();
    let marker = site.drop_file("marker.mp4", &dice.bytes(9_000));
    wait_state(&site, &marker, "done");
    assert_eq!(site.jobs().len(), 3, "{:?}", site.jobs());
    drop(daemon);
}

/// A rename moves the ctime as well, so that it would hide the write before it.
#[test]
fn a_file_that_was_rewritten_and_then_renamed_is_uploaded_and_one_that_was_renamed_only_is_not() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let daemon = site.start();
    let mut bytes = dice.bytes(20_000);
    let rewritten = site.drop_file("rewritten.mp4", &bytes);
    let renamed = site.drop_file("renamed.mp4", &dice.bytes(30_000));
    site.wait_done(2);
    drop(daemon);
    let modified = fs::metadata(&rewritten).unwrap().modified().unwrap();
    bytes[77] ^= 1;
    let open = File::options().write(true).open(&rewritten).unwrap();
    open.write_all_at(&bytes, 0).unwrap();
    open.set_modified(modified).unwrap();
    drop(open);
    let moved = |path: &Path, name: &str| {
        let new = site.folder().join(name);
        fs::rename(path, &new).unwrap();
        new
    };
    let (rewritten, renamed) = (moved(&rewritten, "other.mp4"), moved(&renamed, "same.mp4"));
    let daemon = site.start();
    wait_state(&site, &rewritten, "done");
    wait_state(&site, &renamed, "done");
    site.wait_log("it has the same inode, size and time, and other content");
    assert_eq!(site.jobs().len(), 3, "{:?}", site.jobs());
    assert_eq!(platform.videos().len(), 3);
    drop(daemon);
}

#[test]
fn what_was_deleted_on_the_platform_is_uploaded_again() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let daemon = site.start();
    let bytes = dice.bytes(LARGE);
    let first = site.drop_file("first.mp4", &bytes);
    let key = wait_state(&site, &first, "done").video_key.unwrap();
    let deleted = site.command(&["call", "/videos/delete", &format!("video_key={key}")]);
    assert!(deleted.status.success(), "{deleted:?}");
    let second = site.drop_file("second.mp4", &bytes);
    let other = wait_state(&site, &second, "done").video_key.unwrap();
    assert_ne!(key, other);
    let third = site.drop_file("third.mp4", &bytes);
    let third = wait_state(&site, &third, "duplicate");
    assert_eq!(
        duplicate_of(&site, third.id),
        Some(2),
        "of the one that is there"
    );
    drop(daemon);
}

/// A file is deleted, what its video is changes, and the file comes back with its old times.
fn put_back_after(what: &str, is_one: bool, change: impl Fn(&Platform, &Site, &str)) {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(
        &platform,
        "[[watch]]\nname = \"drop\"\npath = \"{folder}\"\nsettle = \"200ms\"\nafter-upload = \"delete\"\ngrace = \"0s\"\n",
    );
    let daemon = site.start();
    for (name, size) in [("small.mp4", 5_000), ("large.mp4", LARGE)] {
        let bytes = dice.bytes(size);
        let kept = site.outside().join(name);
        fs::write(&kept, &bytes).unwrap();
        let file = site.folder().join(name);
        copy_with_times(&kept, &file);
        let key = wait_state(&site, &file, "done").video_key.unwrap();
        wait_for("the file to go", || (!file.exists()).then_some(()));
        change(&platform, &site, &key);
        copy_with_times(&kept, &file);
        wait_for("the file to go again", || (!file.exists()).then_some(()));
        let whole: Vec<_> = platform
            .videos()
            .into_iter()
            .filter(|video| {
                video.status == "ready"
                    && video.sha1.as_ref() == Some(&crate::support::sha1_of(&kept))
            })
            .collect();
        assert_eq!(whole.len(), 1, "{what}: {whole:?}");
        assert_eq!(whole[0].key == key, is_one, "{what}");
    }
    drop(daemon);
}

#[test]
fn put_back_is_up_where_the_platform_says_so_now() {
    put_back_after("unchanged", true, |_, _, _| {});
}

#[test]
fn put_back_after_its_video_was_deleted_it_is_uploaded_before_it_goes() {
    put_back_after("deleted", false, |_, site, key| {
        site.output(&["call", "/videos/delete", &format!("video_key={key}")]);
    });
}

#[test]
fn put_back_after_its_video_failed_that_is_withdrawn_and_another_made() {
    put_back_after("failed", false, |platform, _, key| {
        let failed = json!({"status": "failed", "message": "lost its bytes"});
        platform.control("POST", &format!("videos/{key}"), &failed);
    });
}

/// The very inode, as after `mv` there and back, or where the filesystem gives the number out again.
#[test]
fn the_very_file_that_comes_back_is_asked_for_too() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let daemon = site.start();
    let file = site.drop_file("a.mp4", &dice.bytes(5_000));
    let key = wait_state(&site, &file, "done").video_key.unwrap();
    let away = site.outside().join("a.mp4");
    fs::rename(&file, &away).unwrap();
    site.output(&["call", "/videos/delete", &format!("video_key={key}")]);
    fs::rename(&away, &file).unwrap();
    let other = site.wait_jobs("another video", |jobs| {
        let other = jobs[0].video_key.clone()?;
        (jobs[0].state == "done" && other != key).then_some(other)
    });
    assert_eq!(site.jobs().len(), 1, "{:?}", site.jobs());
    assert_eq!(
        platform
            .videos()
            .iter()
            .filter(|video| video.key == other)
            .count(),
        1
    );
    assert_eq!(platform.videos().len(), 1);
    drop(daemon);
}

#[test]
fn a_retry_by_hand_makes_a_second_video_of_it() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let daemon = site.start();
    let bytes = dice.bytes(20_000);
    let first = site.drop_file("first.mp4", &bytes);
    wait_state(&site, &first, "done");
    let second = site.drop_file("second.mp4", &bytes);
    let copy = wait_state(&site, &second, "duplicate");
    let said = site.output(&["retry", &copy.id.to_string()]);
    assert!(said.contains("becomes a video of its own"), "{said}");
    wait_state(&site, &second, "done");
    assert_eq!(platform.videos().len(), 2);
    drop(daemon);
}

#[test]
fn the_same_address_twice_is_fetched_once() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let web = crate::support::Web::start();
    web.serve("/a.mp4", &dice.bytes(20_000));
    let address = web.url("/a.mp4");
    let site = Site::with(
        &platform,
        "[[watch]]\nname = \"drop\"\npath = \"{folder}\"\nsettle = \"200ms\"\nallow-private-urls = true\n",
    );
    let daemon = site.start();
    let first = site.drop_file("first.url", address.as_bytes());
    wait_state(&site, &first, "done");
    let second = site.drop_file("second.url", address.as_bytes());
    wait_state(&site, &second, "duplicate");
    assert_eq!(platform.videos().len(), 1);
    drop(daemon);
}

#[test]
fn a_copy_of_what_went_in_parts_is_proven_by_one_reading() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::v2(&platform, "[upload]\ndirect-limit = \"1 MB\"\n");
    let daemon = site.start();
    let bytes = dice.bytes(20_000_000);
    let first = site.drop_file("first.mp4", &bytes);
    let done = wait_state(&site, &first, "done");
    assert_eq!(done.method.as_deref(), Some("multipart"));
    let sum: Option<String> = site.value("SELECT parts_md5 FROM jobs WHERE id = 1");
    assert!(
        sum.is_some_and(|sum| sum.starts_with("16777216:")),
        "of the size of its parts"
    );
    let copy = site.drop_file("copy.mp4", &bytes);
    wait_state(&site, &copy, "duplicate");
    let mut other = bytes;
    other[UNSAMPLED] ^= 1;
    let other = site.drop_file("other.mp4", &other);
    wait_state(&site, &other, "done");
    site.assert_exactly_one_each(&platform, &[first, other]);
    drop(daemon);
}
