//! Which file goes first: priorities, bumps, fair shares, and the lane for clips.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::support::{Daemon, Dice, Platform, Site, write_film};

const SMALL: usize = 20_000;

/// Each has a folder of its own beside the others; there is one place for uploads.
fn configure(site: &Site, platform: &Platform, watches: [(&str, i64); 2]) {
    let mut text = "[upload]\nfiles-at-once = 1\n".to_owned();
    for (name, priority) in watches {
        let folder = site.root().join(name);
        fs::create_dir_all(&folder).unwrap();
        write!(
            text,
            "[[watch]]\nname = \"{name}\"\npath = \"{}\"\nsettle = \"200ms\"\npriority = {priority}\n",
            folder.display()
        )
        .unwrap();
    }
    site.configure(platform, &text);
}

/// A daemon whose only place is taken, by a file of the watch `archive`, until the platform is
/// told to release it.
fn busy(platform: &Platform, watches: [(&str, i64); 2]) -> (Site, Daemon) {
    let site = Site::new(platform);
    configure(&site, platform, watches);
    platform.fault("create", json!({"kind": "hold-before-acting"}));
    let daemon = site.start();
    drop_file(&site, "archive/first");
    platform.wait("create", "held", 1);
    (site, daemon)
}

/// Drops a small file, and waits for its job.
fn drop_file(site: &Site, name: &str) -> PathBuf {
    let path = site.root().join(name).with_extension("mp4");
    fs::write(&path, Dice::new().bytes(SMALL)).unwrap();
    site.wait_jobs(name, |jobs| {
        jobs.iter().any(|job| job.path == path).then_some(())
    });
    path
}

/// The files in the order in which the platform was asked for their videos.
fn order_of_creation(site: &Site, platform: &Platform) -> Vec<String> {
    platform.release();
    let jobs = site.wait_done(site.jobs().len());
    let file = |key: &str| {
        let job = jobs
            .iter()
            .find(|job| job.video_key.as_deref() == Some(key));
        let name = job.unwrap().path.file_stem().unwrap();
        name.to_str().unwrap().to_owned()
    };
    let videos = platform.videos();
    assert_eq!(videos.len(), jobs.len(), "{videos:?}");
    videos.iter().map(|video| file(&video.key)).collect()
}

#[test]
fn a_file_of_a_greater_priority_overtakes_a_backlog() {
    let platform = Platform::start();
    let (site, daemon) = busy(&platform, [("archive", 0), ("news", 10)]);
    for name in ["archive/a", "archive/b", "archive/c", "news/now"] {
        drop_file(&site, name);
    }
    let table = site.output(&["jobs"]);
    assert_eq!(table.matches("due, 3 ahead").count(), 1, "{table}");
    let order = order_of_creation(&site, &platform);
    assert_eq!(order, ["first", "now", "a", "b", "c"]);
    let first = &site.objects(&["jobs", "--json"])[4];
    assert_eq!(first["priority"], 10, "{first}");
    drop(daemon);
}

#[test]
fn a_bumped_file_overtakes_all_and_a_reload_changes_the_rest() {
    let platform = Platform::start();
    let (site, daemon) = busy(&platform, [("archive", 0), ("news", 10)]);
    for name in [
        "archive/a",
        "archive/b",
        "archive/c",
        "news/now",
        "archive/d",
    ] {
        drop_file(&site, name);
    }
    let said = site.output(&["bump", "4", "3"]);
    assert_eq!(
        said,
        "job 4 is at the front now\njob 3 is at the front now\n"
    );
    configure(&site, &platform, [("archive", 20), ("news", 10)]);
    daemon.signal("HUP");
    site.wait_log("the configuration was reloaded");
    drop_file(&site, "archive/e");
    let order = order_of_creation(&site, &platform);
    assert_eq!(order, ["first", "c", "b", "a", "d", "e", "now"]);
    drop(daemon);
}

#[test]
fn a_start_takes_over_a_priority_that_changed_meanwhile() {
    let platform = Platform::start();
    let (site, daemon) = busy(&platform, [("archive", 0), ("news", 10)]);
    for name in ["archive/a", "news/now"] {
        drop_file(&site, name);
    }
    daemon.kill9();
    configure(&site, &platform, [("archive", 20), ("news", 10)]);
    let daemon = site.start();
    platform.release();
    site.wait_done(3);
    let order = order_of_creation(&site, &platform);
    assert_eq!(order.last().unwrap(), "now", "{order:?}");
    drop(daemon);
}

#[test]
fn two_watches_take_turns_whatever_lies_in_one() {
    let platform = Platform::start();
    let (site, daemon) = busy(&platform, [("archive", 0), ("news", 0)]);
    for name in ["a", "b", "c", "d", "e", "f"] {
        drop_file(&site, &format!("archive/{name}"));
    }
    for name in ["1", "2", "3"] {
        drop_file(&site, &format!("news/{name}"));
    }
    let order = order_of_creation(&site, &platform);
    let expected = ["first", "1", "a", "2", "b", "3", "c", "d", "e", "f"];
    assert_eq!(order, expected);
    drop(daemon);
}

#[test]
fn a_clip_is_not_stuck_behind_the_films_that_fill_its_account() {
    let platform = Platform::start();
    let account = format!(
        "[account.main]\napi = \"v1\"\nkey = \"XOqEAfxj\"\nsecret-file = \"{{root}}/secret\"\n\
         base-url = \"{}\"\nfiles-at-once = 2\n\n",
        platform.base_url()
    );
    let site = Site::with(&platform, &account);
    let stall = json!({"kind": "stall", "after_bytes": 3_000_000});
    platform.faults("s3-put", Some(2), &stall);
    let daemon = site.start();
    let film = |name, size| {
        let path = site.outside().join(name);
        write_film(&path, size);
        let place = site.folder().join(name);
        fs::rename(path, &place).unwrap();
        place
    };
    let mut files = vec![
        film("first.mp4", 100_000_000),
        film("second.mp4", 100_000_001),
    ];
    platform.wait("s3-put", "held", 2);
    files.push(film("third.mp4", 100_000_002));
    site.wait_jobs("all films", |jobs| (jobs.len() == 3).then_some(()));
    files.push(site.drop_file("clip.mp4", &Dice::new().bytes(SMALL)));
    let jobs = site.wait_done(1);
    let states: Vec<_> = jobs.iter().map(|job| job.state.as_str()).collect();
    assert_eq!(states, ["running", "running", "queued", "done"]);
    platform.release();
    site.wait_done(4);
    site.assert_exactly_one_each(&platform, &files);
    drop(daemon);
}
