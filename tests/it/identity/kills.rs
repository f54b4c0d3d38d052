//! Copies of one content, and `kill -9` at the moments that matter: there is still one video of it.

use serde_json::json;

use super::LARGE;
use crate::support::{Dice, Platform, Site, sha1_of, wait_for};

/// Kills the daemon while the first of two copies is held up in an operation, and starts it again.
fn crash_at((on, stage): (&str, &str), fault: serde_json::Value) {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    platform.fault(on, fault);
    let bytes = dice.bytes(LARGE);
    let files = [
        site.drop_file("one.mp4", &bytes),
        site.drop_file("two.mp4", &bytes),
    ];
    let daemon = site.start();
    platform.wait(on, stage, 1);
    site.wait_jobs("both to be known", |jobs| (jobs.len() == 2).then_some(()));
    daemon.kill9();
    platform.release();
    let daemon = site.start();
    site.wait_jobs("both to end", |jobs| {
        let mut states: Vec<_> = jobs.iter().map(|job| job.state.as_str()).collect();
        states.sort_unstable();
        (states == ["done", "duplicate"]).then_some(())
    });
    let videos = wait_for("one video", || {
        let videos = platform.videos();
        (videos.len() == 1).then_some(videos)
    });
    assert_eq!(videos[0].sha1.as_ref(), Some(&sha1_of(&files[0])));
    assert_eq!(videos[0].received, 1, "an upload that was not needed");
    drop(daemon);
}

#[test]
fn a_kill_before_the_video_of_the_first_is_made() {
    crash_at(("create", "held"), json!({"kind": "hold-before-acting"}));
}

#[test]
fn a_kill_after_the_video_of_the_first_is_made() {
    crash_at(("create", "held"), json!({"kind": "hold-after-acting"}));
}

#[test]
fn a_kill_after_the_last_byte_of_the_first() {
    crash_at(("s3-put", "held"), json!({"kind": "hold-after-acting"}));
}

#[test]
fn a_kill_before_the_platform_was_asked_how_the_first_is() {
    crash_at(("list", "held"), json!({"kind": "hold-before-acting"}));
}

/// Kills at random moments while copies of a few contents are dropped.
#[test]
fn kills_at_any_moment_leave_one_video_for_each_content() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, "[upload]\nfiles-at-once = 4\n");
    let contents: Vec<_> = (0..4).map(|n| dice.bytes(1_300_000 + n)).collect();
    let mut firsts = Vec::new();
    for round in 0..12 {
        let which = round % contents.len();
        let file = site.drop_file(&format!("{round}.mp4"), &contents[which]);
        if round < contents.len() {
            firsts.push(file);
        }
        let daemon = site.start();
        // The moment of the kill is the thing under test: any moment will do.
        std::thread::park_timeout(std::time::Duration::from_millis(100 + dice.below(700)));
        daemon.kill9();
    }
    let daemon = site.start();
    site.wait_jobs("all to end", |jobs| {
        let count = |state: &str| jobs.iter().filter(|job| job.state == state).count();
        (count("done") == 4 && count("duplicate") == 8).then_some(())
    });
    let videos = wait_for("one video for each", || {
        let videos = platform.videos();
        (videos.len() == 4).then_some(videos)
    });
    assert!(videos.iter().all(|video| video.received == 1), "{videos:?}");
    for first in &firsts {
        let sum = sha1_of(first);
        assert!(videos.iter().any(|video| video.sha1.as_ref() == Some(&sum)));
    }
    drop(daemon);
}
