//! `kill -9` around the create call of a fetch, and while the platform downloads: one video each.

use std::fs;

use serde_json::{Value, json};

use super::{SIZE, assert_fetched, assert_no_address, drop_link, served, sha1};
use crate::support::{Dice, Platform, Site, Web, wait_for};

/// Which API the account speaks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Api {
    V1,
    V2,
}

impl Api {
    pub(super) const BOTH: [Self; 2] = [Self::V1, Self::V2];

    pub(super) fn site(self, platform: &Platform, more: &str) -> Site {
        println!("with {self:?}");
        match self {
            Self::V1 => Site::with(platform, more),
            Self::V2 => Site::v2(platform, more),
        }
    }

    /// Its create call, for the platform's faults and counts.
    fn create(self) -> &'static str {
        match self {
            Self::V1 => "create",
            Self::V2 => "v2-create",
        }
    }
}

/// Kills the daemon when a create call has reached a stage under a fault, lets the platform
/// continue, restarts, and expects exactly one video. Answers how many were made.
fn crash_at(api: Api, stage: &str, fault: Value, released_first: bool) -> u64 {
    let (platform, web, mut dice) = (Platform::start(), Web::start(), Dice::new());
    let site = api.site(&platform, &served(&web, ""));
    platform.fault(api.create(), fault);
    let daemon = site.start();
    let (one, two) = (dice.bytes(SIZE), dice.bytes(SIZE));
    web.serve("/drop/b.mp4", &two);
    let link = drop_link(&web, &site, "a", &one);
    platform.wait(api.create(), stage, 1);
    daemon.kill9();
    if released_first {
        platform.release();
    }
    let ours = site.drop_file("b.mp4", &two);
    let daemon = site.start();
    let jobs = site.wait_done(2);
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert_fetched(&platform, &site, &[(&link, &one), (&ours, &two)]);
    assert_no_address(&site);
    drop(daemon);
    platform.count(api.create(), "acted")
}

#[test]
fn killed_before_the_create_call_is_acted_on() {
    for api in Api::BOTH {
        crash_at(api, "held", json!({"kind": "hold-before-acting"}), true);
    }
}

#[test]
fn killed_before_the_create_call_reaches_the_platform() {
    for api in Api::BOTH {
        crash_at(api, "arrived", json!({"kind": "reset"}), false);
    }
}

#[test]
fn killed_after_it_acted_and_before_its_answer_the_video_is_taken_over() {
    for api in Api::BOTH {
        let made = crash_at(api, "held", json!({"kind": "hold-after-acting"}), true);
        assert_eq!(
            made, 2,
            "one video for each file, and none made for nothing"
        );
    }
}

#[test]
fn killed_while_the_platform_fetches() {
    for api in Api::BOTH {
        killed_while_it_fetches(api);
    }
}

fn killed_while_it_fetches(api: Api) {
    let (platform, web, mut dice) = (Platform::start(), Web::start(), Dice::new());
    let site = api.site(&platform, &served(&web, ""));
    let pace = json!({"kind": "slow-fetch", "bytes_per_second": 200_000});
    platform.faults(api.create(), Some(2), &pace);
    let daemon = site.start();
    let (one, two) = (dice.bytes(SIZE), dice.bytes(SIZE));
    web.serve("/drop/b.mp4", &two);
    let link = drop_link(&web, &site, "a", &one);
    let ours = site.drop_file("b.mp4", &two);
    site.wait_jobs("the platform to be at both", |jobs| {
        let waiting = jobs.iter().filter(|job| job.step == "confirm").count();
        (waiting == 2).then_some(())
    });
    daemon.kill9();
    let daemon = site.start();
    site.wait_done(2);
    assert_fetched(&platform, &site, &[(&link, &one), (&ours, &two)]);
    assert_eq!(platform.count(api.create(), "acted"), 2);
    drop(daemon);
}

/// The answer to the call that asks for other content in the same video is lost: a copy of the first file that comes
/// then is no duplicate of a video that has other content.
#[test]
fn killed_after_a_replacement_was_asked_for_the_video_counts_for_the_first_file_no_more() {
    let (platform, web, mut dice) = (Platform::start(), Web::start(), Dice::new());
    let site = Api::V2.site(&platform, &served(&web, "on-replace = \"replace\""));
    let daemon = site.start();
    let (one, two) = (dice.bytes(SIZE), dice.bytes(SIZE));
    let link = drop_link(&web, &site, "a", &one);
    let address = fs::read(&link).unwrap();
    let key = site.wait_done(1)[0].video_key.clone().unwrap();
    platform.fault("v2-reupload", json!({"kind": "hold-after-acting"}));
    web.serve("/b.mp4", &two);
    let other = format!("{}?Signature=other\n", web.url("/b.mp4"));
    fs::remove_file(&link).unwrap();
    fs::write(&link, other).unwrap();
    platform.wait("v2-reupload", "held", 1);
    daemon.kill9();
    platform.release();
    wait_for("the platform to have fetched it", || {
        let video = platform.videos().remove(0);
        (video.status == "ready" && video.sha1 == Some(sha1(&two))).then_some(())
    });
    let busy = json!({"kind": "status", "status": 503});
    platform.faults("v2-reupload", None, &busy);
    site.drop_file("copy.url", &address);
    let daemon = site.start();
    // What the video has is not known while the call is tried again, and the copy waits for that.
    site.wait_jobs("the copy's job to wait", |jobs| {
        let job = jobs.iter().find(|job| job.id == 3)?;
        let why = job.last_error.as_ref()?;
        assert_ne!(job.state, "duplicate");
        why.contains("waits for job 1, whose video seems to have the same content and may have been replaced")
            .then_some(())
    });
    platform.clear_faults();
    let jobs = site.wait_done(3);
    assert_eq!(jobs[1].video_key.as_ref(), Some(&key));
    let copied = &jobs[2];
    assert_ne!(copied.video_key.as_ref(), Some(&key));
    let of = |key: &str| {
        platform
            .videos()
            .into_iter()
            .find(|video| video.key == key)
            .unwrap()
    };
    assert_eq!(of(&key).sha1, Some(sha1(&two)));
    assert_eq!(
        of(copied.video_key.as_ref().unwrap()).sha1,
        Some(sha1(&one))
    );
    drop(daemon);
}
