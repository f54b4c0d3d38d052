//! A file that takes the place of one that is uploaded: by `on-replace` another video, its content
//! in the same video, or nothing until a person decides. The video that was there is never
//! withdrawn.

mod crash;
mod doubt;
mod holders;
mod shared;
mod sidecar;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Daemon, Dice, JobRow, Platform, Site, sha1_of, wait_for};

const SMALL: usize = 50_000;
/// More than the sockets between daemon and platform hold.
const BIG: usize = 12_000_000;

/// The watch with a policy, and more keys of its own.
fn watch(policy: &str, more: &str) -> String {
    format!(
        "[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nsettle = \"200ms\"\non-replace = \"{policy}\"\n{more}\n"
    )
}

/// Puts other content under the name of a file, as careful programs do.
fn put_over(site: &Site, file: &Path, content: &[u8]) {
    let beside = site.outside().join("new");
    fs::write(&beside, content).unwrap();
    fs::rename(beside, file).unwrap();
}

/// The first file is uploaded; answers daemon, file, and key.
fn one_is_up(site: &Site, dice: &mut Dice, length: usize) -> (Daemon, PathBuf, String) {
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(length));
    let jobs = site.wait_done(1);
    let key = jobs[0].video_key.clone().unwrap();
    (daemon, file, key)
}

fn deleted(platform: &Platform) -> Vec<Value> {
    let videos = platform.control("GET", "videos", &Value::Null);
    videos["deleted"].as_array().unwrap().clone()
}

/// There is one video, it has this key and the file's content, and none was ever deleted.
fn assert_replaced(platform: &Platform, (file, key): (&Path, &str)) {
    let videos = platform.videos();
    assert_eq!(videos.len(), 1, "{videos:?}");
    assert_eq!(videos[0].key, key);
    assert_eq!(videos[0].sha1, Some(sha1_of(file)), "other content");
    assert_eq!(videos[0].status, "ready");
    assert_eq!(deleted(platform), Vec::<Value>::new());
}

fn wait_job(site: &Site, id: i64, what: &str, is: impl Fn(&JobRow) -> bool) -> JobRow {
    site.wait_jobs(what, |jobs| {
        jobs.iter().find(|job| job.id == id && is(job)).cloned()
    })
}

/// Replaces a file of this size once, by the way that the configuration gives it.
fn replaces_by(v2: bool, (way, more): (&str, &str), length: usize) {
    let (platform, mut dice) = (
        Platform::with(|options| options.s3_notice = Duration::from_millis(700)),
        Dice::new(),
    );
    let site = if v2 {
        Site::v2(&platform, more)
    } else {
        Site::with(&platform, more)
    };
    let (daemon, file, key) = one_is_up(&site, &mut dice, length);
    put_over(&site, &file, &dice.bytes(length + 1));
    let jobs = site.wait_done(2);
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert_eq!(jobs[1].method.as_deref(), Some(way));
    assert_eq!(jobs[1].video_key.as_ref(), Some(&key));
    assert_replaced(&platform, (&file, &key));
    assert_eq!(platform.videos()[0].received, 2, "each content once");
    assert_eq!(
        site.value("SELECT replaces FROM jobs WHERE id = 2"),
        Some(1)
    );
    let told = site.output(&["job", "2"]);
    let words = format!("it replaced the content of video {key} (job 1)");
    assert!(told.contains(&words), "{told}");
    let jobs = site.objects(&["jobs", "--json"]);
    assert_eq!(jobs[1]["replaces"], 1);
    site.assert_no_secrets();
    drop(daemon);
}

#[test]
fn the_same_video_gets_the_new_content_by_s3() {
    replaces_by(false, ("s3", &watch("replace", "")), SMALL);
}

#[test]
fn the_same_video_gets_the_new_content_by_form() {
    let more = format!("[upload]\ns3-limit = \"1 kB\"\n{}", watch("replace", ""));
    replaces_by(false, ("form", &more), SMALL);
}

#[test]
fn the_same_video_gets_the_new_content_by_a_resumable_upload() {
    let more = watch("replace", "method = \"resumable\"");
    replaces_by(false, ("resumable", &more), SMALL);
}

#[test]
fn the_same_video_gets_the_new_content_directly() {
    replaces_by(true, ("direct", &watch("replace", "")), SMALL);
}

#[test]
fn the_same_video_gets_the_new_content_in_parts() {
    let more = format!(
        "[upload]\ndirect-limit = \"1 MB\"\n{}",
        watch("replace", "")
    );
    replaces_by(true, ("multipart", &more), 20_000_000);
}

#[test]
fn without_the_key_another_video_is_made() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let (daemon, file, key) = one_is_up(&site, &mut dice, SMALL);
    put_over(&site, &file, &dice.bytes(SMALL));
    let jobs = site.wait_done(2);
    assert_ne!(jobs[1].video_key.as_ref(), Some(&key));
    assert_eq!(platform.videos().len(), 2);
    assert_eq!(deleted(&platform), Vec::<Value>::new());
    drop(daemon);
}

#[test]
fn a_held_file_waits_for_a_person() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, &watch("hold", ""));
    let (daemon, file, key) = one_is_up(&site, &mut dice, SMALL);
    put_over(&site, &file, &dice.bytes(SMALL));
    let held = wait_job(&site, 2, "the job to be held", |job| job.state == "failed");
    let said = held.last_error.unwrap();
    assert_eq!(
        said,
        format!(
            "held: it took the place of a file that is uploaded as video {key} (job 1), and \
             on-replace = \"hold\"; jw-ingest retry 2 uploads it as another video, jw-ingest \
             cancel 2 leaves it"
        )
    );
    assert_eq!(held.attempts, 0, "that is no failure");
    assert_eq!(site.value("SELECT held FROM jobs WHERE id = 2"), Some(1));
    let listed = site.output(&["jobs"]);
    assert!(
        listed.contains("held") && !listed.contains("failed"),
        "{listed}"
    );
    assert!(
        site.output(&["job", "2"])
            .starts_with("job 2 is held since")
    );

    let all = site.command(&["retry", "--failed"]);
    let said = String::from_utf8_lossy(&all.stderr).into_owned();
    assert!(said.contains("held jobs are not retried: 2"), "{said}");
    assert_eq!(site.jobs()[1].state, "failed");

    let said = site.output(&["retry", "2"]);
    assert_eq!(said, "job 2 is queued again, and becomes another video\n");
    let jobs = site.wait_done(2);
    assert_ne!(jobs[1].video_key.as_ref(), Some(&key));
    assert_eq!(platform.videos().len(), 2);
    assert_eq!(site.value("SELECT held FROM jobs WHERE id = 2"), Some(0));

    // The next one is left alone, and stays so.
    put_over(&site, &file, &dice.bytes(SMALL));
    wait_job(&site, 3, "the job to be held", |job| job.state == "failed");
    site.output(&["cancel", "3"]);
    assert_eq!(site.jobs()[2].state, "cancelled");
    assert_eq!(platform.videos().len(), 2);
    drop(daemon);
}

#[test]
fn held_files_are_no_failures_of_a_run_until_idle() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, &watch("hold", ""));
    let (daemon, file, _) = one_is_up(&site, &mut dice, SMALL);
    put_over(&site, &file, &dice.bytes(SMALL));
    drop(daemon);
    let ended = site.command(&["run", "--until-idle"]);
    assert_eq!(ended.status.code(), Some(0));
    wait_job(&site, 2, "the job to be held", |job| job.state == "failed");
}

#[test]
fn replaced_again_and_again_the_last_content_stays() {
    for v2 in [false, true] {
        let (platform, mut dice) = (
            Platform::with(|options| options.processing = Duration::from_millis(1500)),
            Dice::new(),
        );
        let more = watch("replace", "");
        let site = if v2 {
            Site::v2(&platform, &more)
        } else {
            Site::with(&platform, &more)
        };
        let (daemon, file, key) = one_is_up(&site, &mut dice, SMALL);
        for id in [2, 3] {
            put_over(&site, &file, &dice.bytes(SMALL));
            // The platform is at it still when the next one comes.
            wait_job(&site, id, "the bytes to be sent", |job| {
                job.step == "confirm"
            });
        }
        put_over(&site, &file, &dice.bytes(SMALL));
        let jobs = site.wait_done(4);
        assert_eq!(jobs.len(), 4, "{jobs:?}");
        assert!(jobs.iter().all(|job| job.video_key.as_ref() == Some(&key)));
        assert_replaced(&platform, (&file, &key));
        assert!(site.story(4).contains(&"create waits".to_owned()));
        drop(daemon);
    }
}

#[test]
fn a_run_until_idle_does_not_end_before_the_one_that_waits() {
    let (platform, mut dice) = (
        Platform::with(|options| options.processing = Duration::from_secs(2)),
        Dice::new(),
    );
    let more = format!(
        "[confirm]\npoll-interval = \"500ms\"\n{}",
        watch("replace", "")
    );
    let site = Site::with(&platform, &more);
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(SMALL));
    let first = wait_job(&site, 1, "its bytes to be sent", |job| {
        job.step == "confirm"
    });
    put_over(&site, &file, &dice.bytes(SMALL));
    daemon.kill9();
    let ended = site.command(&["run", "--until-idle"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_replaced(&platform, (&file, &first.video_key.unwrap()));
}

#[test]
fn a_file_that_changes_in_mid_replacement_leaves_the_video_alone() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, &watch("replace", ""));
    let (daemon, file, key) = one_is_up(&site, &mut dice, BIG);
    platform.fault("s3-put", json!({"kind": "stall", "after_bytes": 3_000_000}));
    put_over(&site, &file, &dice.bytes(BIG));
    platform.wait("s3-put", "held", 1);
    put_over(&site, &file, &dice.bytes(BIG + 1));
    platform.release();
    site.wait_done(2);
    let jobs = site.jobs();
    assert_eq!(
        (jobs[1].state.as_str(), jobs[1].superseded),
        ("cancelled", true)
    );
    assert_replaced(&platform, (&file, &key));
    assert_eq!(site.value("SELECT count(*) FROM withdrawals"), Some(0));
    drop(daemon);
}

#[test]
fn cancelled_in_mid_replacement_the_old_content_stays() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, &watch("replace", ""));
    let (daemon, file, key) = one_is_up(&site, &mut dice, BIG);
    let old = sha1_of(&file);
    platform.fault("s3-put", json!({"kind": "stall", "after_bytes": 3_000_000}));
    put_over(&site, &file, &dice.bytes(BIG));
    platform.wait("s3-put", "held", 1);
    site.output(&["cancel", "2"]);
    site.wait_log("the job was cancelled; its upload has ended");
    platform.release();
    platform.wait("s3-put", "broken", 1);
    let videos = platform.videos();
    assert_eq!((videos.len(), videos[0].sha1.as_ref()), (1, Some(&old)));
    assert_eq!(site.value("SELECT count(*) FROM withdrawals"), Some(0));
    site.output(&["retry", "2"]);
    site.wait_done(2);
    assert_replaced(&platform, (&file, &key));
    drop(daemon);
}

#[test]
fn what_was_deleted_on_the_platform_becomes_another_video() {
    for v2 in [false, true] {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let more = watch("replace", "");
        let site = if v2 {
            Site::v2(&platform, &more)
        } else {
            Site::with(&platform, &more)
        };
        let (daemon, file, key) = one_is_up(&site, &mut dice, SMALL);
        let path = format!("/media/{key}");
        let by_key = format!("video_key={key}");
        site.output(&if v2 {
            vec!["call", &path, "--method", "DELETE"]
        } else {
            vec!["call", "/videos/delete", &by_key]
        });
        put_over(&site, &file, &dice.bytes(SMALL));
        let jobs = site.wait_done(2);
        assert_ne!(jobs[1].video_key.as_ref(), Some(&key));
        let videos = platform.videos();
        assert_eq!(videos.len(), 1, "{videos:?}");
        assert_eq!(Some(&videos[0].key), jobs[1].video_key.as_ref());
        assert_eq!(videos[0].sha1, Some(sha1_of(&file)));
        assert_eq!(deleted(&platform), [json!(key)]);
        drop(daemon);
    }
}

#[test]
fn a_video_that_is_not_ready_is_waited_for_and_one_that_failed_is_told() {
    for v2 in [false, true] {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let more = watch("replace", "");
        let site = if v2 {
            Site::v2(&platform, &more)
        } else {
            Site::with(&platform, &more)
        };
        let (daemon, file, key) = one_is_up(&site, &mut dice, SMALL);
        let force = |status: Value| platform.control("POST", &format!("videos/{key}"), &status);
        force(json!({"status": "processing"}));
        put_over(&site, &file, &dice.bytes(SMALL));
        let words = format!("video {key} (job 1), whose content it replaces, takes none now");
        let waits = wait_job(&site, 2, "the job to wait", |job| {
            let said = job.last_error.as_deref();
            job.state == "queued" && said.is_some_and(|said| said.contains(&words))
        });
        assert_eq!(waits.step, "create");
        force(json!({"status": "ready"}));
        site.wait_done(2);
        assert_replaced(&platform, (&file, &key));

        force(json!({"status": "failed", "message": "broken"}));
        put_over(&site, &file, &dice.bytes(SMALL));
        let failed = wait_job(&site, 3, "the job to fail", |job| job.state == "failed");
        let said = failed.last_error.unwrap();
        assert!(
            said.contains("jw-ingest retry 3 uploads the file as another video"),
            "{said}"
        );
        assert_eq!(platform.videos().len(), 1);
        site.output(&["retry", "3"]);
        let jobs = site.wait_done(3);
        assert_ne!(jobs[2].video_key.as_ref(), Some(&key));
        assert_eq!(platform.videos().len(), 2);
        drop(daemon);
    }
}

/// The platform does not notice the new bytes in time: the old video is `ready` all the while, and
/// that must not pass for the new content.
#[test]
fn old_content_never_passes_for_the_new() {
    for v2 in [false, true] {
        let (platform, mut dice) = (
            Platform::with(|options| options.s3_notice = Duration::from_secs(3)),
            Dice::new(),
        );
        let more = watch("replace", "");
        let site = if v2 {
            Site::v2(&platform, &more)
        } else {
            Site::with(&platform, &more)
        };
        let (daemon, file, key) = one_is_up(&site, &mut dice, SMALL);
        drop(daemon);
        let impatient = "[confirm]\npoll-interval = \"100ms\"\ngive-up-after = \"2s\"\n";
        site.change(|text| {
            let (before, _) = text.split_once("[confirm]").unwrap();
            format!("{before}{impatient}")
        });
        let daemon = site.start();
        put_over(&site, &file, &dice.bytes(SMALL));
        site.wait_log("the video still has other content; it is uploaded once more");
        let failed = wait_job(&site, 2, "the job to fail", |job| job.state == "failed");
        let said = failed.last_error.unwrap();
        assert!(said.contains("does not show it"), "{said}");
        let story = [
            "confirm mismatch",
            "create done",
            "transfer done",
            "confirm permanent",
        ];
        assert!(
            site.story(2).ends_with(&story.map(str::to_owned)),
            "{:?}",
            site.story(2)
        );
        assert_eq!(site.value("SELECT count(*) FROM withdrawals"), Some(0));
        assert_eq!(deleted(&platform), Vec::<Value>::new());
        if !v2 {
            // In the end it has noticed, and tells the checksum.
            wait_for("the platform to notice", || {
                let shown = site.output(&["call", "/videos/show", &format!("video_key={key}")]);
                let md5 = site.value::<String>("SELECT md5 FROM jobs WHERE id = 2")?;
                shown.contains(&md5).then_some(())
            });
            site.output(&["retry", "2"]);
            site.wait_done(2);
            wait_for("the video to be ready", || {
                (platform.videos()[0].status == "ready").then_some(())
            });
            assert_replaced(&platform, (&file, &key));
        }
        drop(daemon);
    }
}

#[test]
fn a_file_that_was_uploaded_by_hand_is_the_one_that_is_replaced() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, &watch("hold", ""));
    let (daemon, file, first) = one_is_up(&site, &mut dice, SMALL);
    put_over(&site, &file, &dice.bytes(SMALL));
    wait_job(&site, 2, "the job to be held", |job| job.state == "failed");
    site.output(&["retry", "2"]);
    let second = site.wait_done(2)[1].video_key.clone().unwrap();
    assert_ne!(first, second);
    drop(daemon);
    site.configure(&platform, &watch("replace", ""));
    let daemon = site.start();
    put_over(&site, &file, &dice.bytes(SMALL));
    let jobs = site.wait_done(3);
    assert_eq!(jobs[2].video_key.as_ref(), Some(&second));
    wait_for("both videos", || {
        (platform.videos().len() == 2).then_some(())
    });
    drop(daemon);
}
