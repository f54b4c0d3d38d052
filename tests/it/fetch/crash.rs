//! `kill -9` around the create call of a fetch, and while the platform downloads: one video each.

use serde_json::{Value, json};

use super::{SIZE, assert_fetched, assert_no_address, drop_link, served};
use crate::support::{Dice, Platform, Site, Web};

/// Which API the account speaks.
#[derive(Debug, Clone, Copy)]
enum Api {
    V1,
    V2,
}

impl Api {
    const BOTH: [Self; 2] = [Self::V1, Self::V2];

    fn site(self, platform: &Platform, more: &str) -> Site {
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

/// Kills the daemon when a create call has reached a stage under a fault, lets the platform go on,
/// restarts, and expects exactly one video. Answers how many were made.
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
        assert_eq!(made, 2, "one video for each file, and none made in vain");
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
