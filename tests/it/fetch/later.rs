//! What goes wrong after the platform was asked: it says so by the video's status.

use serde_json::{Value, json};

use super::{SIGNATURE, SIZE, assert_fetched, assert_no_address, drop_link, served, watch};
use crate::support::{Dice, JobRow, Platform, Site, Web, wait_for};

fn wait_failed(site: &Site) -> JobRow {
    site.wait_jobs("the job to fail", |jobs| {
        jobs.iter().find(|job| job.state == "failed").cloned()
    })
}

fn fails(message: &str) -> Value {
    json!({"kind": "fail-processing", "message": message})
}

#[test]
fn a_fetch_that_fails_later_is_tried_again_with_another_video() {
    let (platform, web, mut dice) = (Platform::start(), Web::start(), Dice::new());
    let site = Site::with(&platform, &watch(""));
    let said = format!("no answer from {}?{SIGNATURE} today", web.url("/clip.mp4"));
    platform.faults("create", Some(2), &fails(&said));
    let daemon = site.start();
    let content = dice.bytes(SIZE);
    let file = drop_link(&web, &site, "clip", &content);
    let jobs = site.wait_done(1);
    assert_fetched(&platform, &site, &[(&file, &content)]);
    assert_eq!(jobs[0].attempts, 3);
    let tries = site.attempts(1);
    let story: Vec<_> = tries
        .iter()
        .map(|t| t.outcome.as_deref().unwrap())
        .collect();
    assert_eq!(
        story,
        ["done", "fetch-failed", "done", "fetch-failed", "done"]
    );
    let message = tries[1].message.as_deref().unwrap();
    assert!(
        message.contains("no answer from http://127.0.0.1/… today"),
        "{message}"
    );
    assert_no_address(&site);
    drop(daemon);
}

#[test]
fn a_fetch_that_fails_for_too_long_is_given_up_with_the_platforms_words() {
    let (platform, web) = (Platform::start(), Web::start());
    let retry =
        "[retry]\nfirst-delay = \"100ms\"\nmax-delay = \"300ms\"\ngive-up-after = \"2s\"\n\n";
    let site = Site::with(&platform, &format!("{retry}{}", watch("")));
    let daemon = site.start();
    // The server has nothing at this address.
    let link = format!("{}?{SIGNATURE}", web.url("/gone.mp4"));
    site.drop_file("gone.url", link.as_bytes());
    let job = wait_failed(&site);
    let message = job.last_error.unwrap();
    for says in [
        "given up: every attempt since",
        "HTTP status 404",
        "jw-ingest retry 1",
    ] {
        assert!(message.contains(says), "{message}");
    }
    assert!(job.attempts > 2, "{}", job.attempts);
    wait_for("the others to be withdrawn", || {
        (platform.videos().len() == 1).then_some(())
    });
    // A person fixes the server, and says so.
    web.serve("/gone.mp4", b"there it is");
    site.output(&["retry", "1"]);
    site.wait_done(1);
    let file = site.folder().join("gone.url");
    assert_fetched(&platform, &site, &[(&file, b"there it is")]);
    assert_no_address(&site);
    drop(daemon);
}

#[test]
fn after_a_fetch_in_vain_a_file_of_ours_is_sent() {
    let (platform, web, mut dice) = (Platform::start(), Web::start(), Dice::new());
    let site = Site::with(&platform, &served(&web, ""));
    platform.fault("create", fails("the moon stood wrong"));
    let daemon = site.start();
    let content = dice.bytes(SIZE);
    web.serve("/drop/a.mp4", &content);
    let file = site.drop_file("a.mp4", &content);
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    assert_eq!(
        site.story(1),
        [
            "create done",
            "confirm fetch-failed",
            "create done",
            "transfer done"
        ]
    );
    site.wait_log("the platform could not fetch it");
    drop(daemon);
}

#[test]
fn other_bytes_of_the_same_size_are_found_out_and_the_right_ones_sent() {
    let (platform, web, mut dice) = (Platform::start(), Web::start(), Dice::new());
    let site = Site::with(&platform, &served(&web, ""));
    let daemon = site.start();
    web.serve("/drop/a.mp4", &dice.bytes(SIZE));
    let file = site.drop_file("a.mp4", &dice.bytes(SIZE));
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    assert_eq!(
        site.story(1),
        [
            "create done",
            "confirm mismatch",
            "create done",
            "transfer done"
        ]
    );
    drop(daemon);
}

#[test]
fn a_plan_that_is_used_up_pauses_the_account_until_there_is_room() {
    let (platform, web, mut dice) = (Platform::start(), Web::start(), Dice::new());
    let site = Site::with(&platform, &watch(""));
    platform.faults("create", Some(3), &fails("Content storage limit exceeded"));
    let daemon = site.start();
    let content = dice.bytes(SIZE);
    let file = drop_link(&web, &site, "clip", &content);
    site.wait_log("is paused, its files wait and lose no attempt");
    site.wait_done(1);
    assert_fetched(&platform, &site, &[(&file, &content)]);
    let tries = site.attempts(1);
    let story: Vec<_> = tries
        .iter()
        .map(|t| t.outcome.as_deref().unwrap())
        .collect();
    assert_eq!(
        story,
        [
            "done", "blocked", "done", "blocked", "done", "blocked", "done"
        ]
    );
    wait_for("the pause to end", || {
        let paused: Option<i64> = site.value("SELECT count(*) FROM paused_accounts");
        (paused == Some(0)).then_some(())
    });
    drop(daemon);
}

#[test]
fn a_fetch_under_way_can_be_cancelled() {
    let (platform, web, mut dice) = (Platform::start(), Web::start(), Dice::new());
    let site = Site::with(&platform, &watch(""));
    platform.fault(
        "create",
        json!({"kind": "slow-fetch", "bytes_per_second": 10_000}),
    );
    let daemon = site.start();
    drop_link(&web, &site, "clip", &dice.bytes(SIZE));
    site.wait_jobs("the platform to be at it", |jobs| {
        jobs.first().filter(|job| job.step == "confirm").map(drop)
    });
    let said = site.output(&["job", "1"]);
    assert!(
        said.contains("was given to the platform to fetch"),
        "{said}"
    );
    site.output(&["cancel", "1"]);
    wait_for("its video to go", || {
        platform.videos().is_empty().then_some(())
    });
    assert_eq!(site.jobs()[0].state, "cancelled");
    drop(daemon);
}

#[test]
fn a_refusal_that_repeats_the_address_is_told_without_it() {
    let (platform, web) = (Platform::start(), Web::start());
    let site = Site::with(&platform, &watch(""));
    let message = format!("download_url: {}?{SIGNATURE} is odd", web.url("/a.mp4"));
    let body =
        json!({"status": "error", "code": "ParameterInvalid", "title": "", "message": message});
    let refusal = json!({"kind": "status", "status": 400, "body": body.to_string()});
    platform.fault("create", refusal);
    let daemon = site.start();
    drop_link(&web, &site, "a", b"bytes");
    let said = wait_failed(&site).last_error.unwrap();
    assert!(
        said.contains("download_url: http://127.0.0.1/… is odd"),
        "{said}"
    );
    assert_no_address(&site);
    drop(daemon);
}

#[test]
fn a_file_that_changes_before_it_is_fetched_is_one_video_with_the_new_content() {
    let (platform, web, mut dice) = (Platform::start(), Web::start(), Dice::new());
    let site = Site::with(&platform, &served(&web, ""));
    platform.fault("create", json!({"kind": "hold-before-acting"}));
    let daemon = site.start();
    let (old, new) = (dice.bytes(SIZE), dice.bytes(SIZE));
    web.serve("/drop/a.mp4", &old);
    site.drop_file("a.mp4", &old);
    platform.wait("create", "held", 1);
    web.serve("/drop/a.mp4", &new);
    let file = site.drop_file("a.mp4", &new);
    platform.release();
    let jobs = site.wait_jobs("the old content to give way to the new", |jobs| {
        let done = jobs.iter().any(|job| job.state == "done");
        let over = jobs
            .iter()
            .any(|job| job.state == "cancelled" && job.superseded);
        (done && over).then(|| jobs.to_vec())
    });
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert_fetched(&platform, &site, &[(&file, &new)]);
    drop(daemon);
}
