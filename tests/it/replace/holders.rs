//! A video belongs to one file at a time: to the one whose content it has, wherever that goes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;

use super::{SMALL, assert_replaced, deleted, one_is_up, put_over, wait_job, watch};
use crate::support::{Daemon, Dice, Platform, Site, sha1_of};

/// The watch that replaces, and another whose folder is beside it.
fn two_watches() -> String {
    format!(
        "{}[[watch]]\nname = \"archive\"\npath = \"{{root}}/outside\"\nsettle = \"200ms\"\non-replace = \"replace\"\n\
         include = [\"*.mp4\"]\n",
        watch("replace", "")
    )
}

fn site(v2: bool, platform: &Platform) -> Site {
    let site = if v2 {
        Site::v2(platform, &two_watches())
    } else {
        Site::with(platform, &two_watches())
    };
    site.outside();
    site
}

/// The file is renamed, and its job follows.
fn rename(site: &Site, id: i64, (from, to): (&Path, &Path)) {
    fs::rename(from, to).unwrap();
    wait_job(site, id, "the job to follow its file", |job| job.path == to);
}

/// A second content has replaced that of the first under the same name: job 2, its video, its file.
fn replaced_once(site: &Site, dice: &mut Dice) -> (Daemon, std::path::PathBuf, String) {
    let (daemon, file, key) = one_is_up(site, dice, SMALL);
    put_over(site, &file, &dice.bytes(SMALL + 1));
    let jobs = site.wait_done(2);
    assert_eq!(jobs[1].video_key.as_ref(), Some(&key));
    (daemon, file, key)
}

/// Each of these files is the content of the video beside it, and there are no others.
fn assert_videos(platform: &Platform, files: &[(&Path, &str)]) {
    let seen: BTreeMap<String, Option<String>> = platform
        .videos()
        .into_iter()
        .map(|video| (video.key, video.sha1))
        .collect();
    let expected = files
        .iter()
        .map(|(file, key)| ((*key).to_owned(), Some(sha1_of(file))))
        .collect();
    assert_eq!(seen, expected);
    assert!(deleted(platform).is_empty());
}

#[test]
fn a_video_goes_with_its_file_and_the_next_file_of_the_name_gets_its_own() {
    for v2 in [false, true] {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let site = site(v2, &platform);
        let (daemon, file, key) = replaced_once(&site, &mut dice);
        let monday = site.folder().join("monday.mp4");
        rename(&site, 2, (&file, &monday));
        put_over(&site, &file, &dice.bytes(SMALL + 2));
        let own = site.wait_done(3)[2].video_key.clone().unwrap();
        assert_ne!(own, key, "the content of monday.mp4 was overwritten");
        assert_videos(&platform, &[(&monday, &key), (&file, &own)]);

        // The same in another watch, and then under its first name again.
        let kept = site.outside().join("kept.mp4");
        rename(&site, 2, (&monday, &kept));
        put_over(&site, &file, &dice.bytes(SMALL + 3));
        assert_eq!(site.wait_done(4)[3].video_key.as_ref(), Some(&own));
        assert_videos(&platform, &[(&kept, &key), (&file, &own)]);
        fs::remove_file(&file).unwrap();
        rename(&site, 2, (&kept, &file));
        put_over(&site, &file, &dice.bytes(SMALL + 4));
        assert_eq!(site.wait_done(5)[4].video_key.as_ref(), Some(&key));
        let jobs = site.objects(&["jobs", "--json"]);
        assert_eq!(jobs[0]["replaced_by"], 2);
        assert_eq!(jobs[1]["replaced_by"], 5);
        drop(daemon);
    }
}

#[test]
fn a_file_that_is_renamed_just_before_the_next_one_comes_keeps_its_video() {
    for v2 in [false, true] {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let site = site(v2, &platform);
        let (daemon, file, key) = replaced_once(&site, &mut dice);
        let next = site.root().join("next");
        fs::write(&next, dice.bytes(SMALL + 2)).unwrap();
        let monday = site.folder().join("monday.mp4");
        fs::rename(&file, &monday).unwrap();
        fs::rename(&next, &file).unwrap();
        let own = site.wait_done(3)[2].video_key.clone().unwrap();
        assert_videos(&platform, &[(&monday, &key), (&file, &own)]);
        drop(daemon);
    }
}

#[test]
fn a_file_that_was_deleted_leaves_its_video_to_the_next_one_of_its_name() {
    for v2 in [false, true] {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let site = site(v2, &platform);
        let (daemon, file, key) = replaced_once(&site, &mut dice);
        fs::remove_file(&file).unwrap();
        fs::write(&file, dice.bytes(SMALL + 2)).unwrap();
        assert_eq!(site.wait_done(3)[2].video_key.as_ref(), Some(&key));
        assert_replaced(&platform, (&file, &key));
        drop(daemon);
    }
}

#[test]
fn a_replacement_that_broke_and_whose_file_is_gone_blocks_its_name_for_nobody() {
    for v2 in [false, true] {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let site = site(v2, &platform);
        let (daemon, file, key) = one_is_up(&site, &mut dice, SMALL);
        platform.faults("s3-put", None, &json!({"kind": "reset"}));
        put_over(&site, &file, &dice.bytes(SMALL));
        platform.wait("s3-put", "arrived", 2);
        fs::remove_file(&file).unwrap();
        let gone = wait_job(&site, 2, "the job to fail", |job| job.state == "failed");
        assert!(gone.last_error.unwrap().contains("gone"));
        platform.clear_faults();
        fs::write(&file, dice.bytes(SMALL)).unwrap();
        assert_eq!(site.wait_done(2).len(), 3);
        assert_replaced(&platform, (&file, &key));
        drop(daemon);
    }
}

#[test]
fn one_question_that_fails_costs_a_replacement_no_hour() {
    for v2 in [false, true] {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let site = site(v2, &platform);
        let (daemon, file, key) = one_is_up(&site, &mut dice, SMALL);
        let on = if v2 { "v2-get" } else { "show" };
        platform.faults(on, Some(2), &json!({"kind": "reset"}));
        put_over(&site, &file, &dice.bytes(SMALL));
        site.wait_done(2);
        assert_replaced(&platform, (&file, &key));
        assert!(
            site.value::<i64>("SELECT updated_before FROM jobs WHERE id = 2")
                .is_some()
        );
        drop(daemon);
    }
}

#[test]
fn no_content_is_replaced_before_the_platform_has_said_how_the_video_is() {
    for v2 in [false, true] {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let site = site(v2, &platform);
        let (daemon, file, key) = one_is_up(&site, &mut dice, SMALL);
        let on = if v2 { "v2-get" } else { "show" };
        platform.faults(on, None, &json!({"kind": "status", "status": 503}));
        put_over(&site, &file, &dice.bytes(SMALL));
        wait_job(&site, 2, "the job to wait in the queue", |job| {
            job.state == "queued" && job.attempts >= 1
        });
        assert_eq!(platform.count("s3-put", "arrived"), 1, "that of the first");
        platform.clear_faults();
        site.wait_done(2);
        assert_replaced(&platform, (&file, &key));
        assert!(
            site.value::<i64>("SELECT updated_before FROM jobs WHERE id = 2")
                .is_some()
        );
        drop(daemon);
    }
}
