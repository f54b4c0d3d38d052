//! A clock that is wrong is said, and costs no video: the platform's clock is set here, which is
//! equivalent to setting the machine's.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Dice, Platform, Site, wait_for};

const HALF_AN_HOUR: Duration = Duration::from_mins(30);

/// A platform whose links end before a clock that is an hour off would use them.
fn platform(machine_ahead_s: i64) -> Platform {
    let platform = Platform::with(|options| {
        options.link_lifetime = HALF_AN_HOUR;
        options.part_link_lifetime = HALF_AN_HOUR;
        options.upload_token_lifetime = HALF_AN_HOUR;
    });
    advance(&platform, -machine_ahead_s);
    platform
}

fn advance(platform: &Platform, seconds: i64) {
    platform.control("POST", "clock", &json!({"advance_s": seconds}));
}

fn site(platform: &Platform, api: &str, more: &str) -> Site {
    match api {
        "v1" => Site::with(platform, more),
        _ => Site::v2(platform, more),
    }
}

fn creates(platform: &Platform) -> u64 {
    platform.count("create", "arrived") + platform.count("v2-create", "arrived")
}

fn stdout(site: &Site, args: &[&str]) -> String {
    String::from_utf8_lossy(&site.command(args).stdout).into_owned()
}

#[test]
fn a_wrong_clock_costs_no_video_and_every_command_says_it() {
    let (hour, day) = (3_690, 26 * 3_600 + 90);
    for (machine_ahead_s, expected) in [
        (hour, "clock is 61 min ahead of the platform's"),
        (-hour, "clock is 61 min behind the platform's"),
        (day, "clock is 26 h ahead of the platform's"),
        (-day, "clock is 26 h behind the platform's"),
        // Beyond what the signatures of v1 bear.
        (3 * day, "clock is 3 days ahead of the platform's"),
        (-3 * day, "clock is 3 days behind the platform's"),
    ] {
        for api in ["v1", "v2"] {
            let platform = platform(machine_ahead_s);
            let site = site(&platform, api, "[upload]\ndirect-limit = \"1 MB\"\n");
            let (mut dice, daemon) = (Dice::new(), site.start());
            let files: Vec<PathBuf> = [30_000, 31_000, 6_000_000]
                .into_iter()
                .map(|size| site.drop_file(&format!("{size}.mp4"), &dice.bytes(size)))
                .collect();
            let jobs = site.wait_done(3);
            site.assert_exactly_one_each(&platform, &files);
            let stories: Vec<_> = jobs.iter().map(|job| site.story(job.id)).collect();
            for story in &stories {
                assert_eq!(story, &["create done", "transfer done"], "{api} {expected}");
            }
            wait_for(&format!("{api}: jobs to say {expected}"), || {
                stdout(&site, &["jobs"]).contains(expected).then_some(())
            });
            let explained = stdout(&site, &["explain", files[0].to_str().unwrap()]);
            assert!(explained.contains(expected), "{explained}");
            let checked = stdout(&site, &["check"]);
            assert!(checked.contains(expected), "{checked}");
            let line = checked
                .lines()
                .find(|line| line.contains(expected))
                .unwrap();
            assert!(
                line.starts_with("warn") && line.contains("timedatectl"),
                "{line}"
            );
            assert!(checked.contains("the platform accepts"), "{checked}");
            assert_eq!(site.logged(expected), 1);
            site.assert_no_secrets();
            drop(daemon);
        }
    }
}

#[test]
fn a_clock_that_is_set_right_while_the_daemon_runs_is_said_too() {
    for api in ["v1", "v2"] {
        let platform = platform(3 * 24 * 3_600 + 90);
        let site = site(&platform, api, "");
        let (mut dice, daemon) = (Dice::new(), site.start());
        let mut files = vec![site.drop_file("a.mp4", &dice.bytes(30_000))];
        site.wait_done(1);
        site.wait_log("clock is 3 days ahead");
        advance(&platform, 3 * 24 * 3_600 + 90);
        files.push(site.drop_file("b.mp4", &dice.bytes(31_000)));
        site.wait_done(2);
        site.wait_log("clock agrees again");
        wait_for("jobs to say nothing of a clock", || {
            (!stdout(&site, &["jobs"]).contains("clock")).then_some(())
        });
        site.assert_exactly_one_each(&platform, &files);
        drop(daemon);
    }
}

#[test]
fn a_job_that_waits_says_how_wrong_the_clock_is() {
    let platform = platform(3_690);
    let retry = "[retry]\nfirst-delay = \"1h\"\nmax-delay = \"2h\"\n";
    let site = site(&platform, "v1", retry);
    platform.faults("s3-put", None, &json!({"kind": "status", "status": 503}));
    let daemon = site.start();
    site.drop_file("a.mp4", &Dice::new().bytes(30_000));
    wait_for("the clock to be known, and the job to wait", || {
        site.value::<i64>(
            "SELECT 1 FROM jobs, clocks WHERE state = 'queued' AND jobs.last_error IS NOT NULL",
        )
    });
    let words = "clock is 61 min ahead of the platform's";
    for command in [&["job", "1"][..], &["explain", "--all-waiting"][..]] {
        let said = stdout(&site, command);
        assert!(said.contains(words), "{command:?}: {said}");
    }
    for command in [&["job", "1", "--json"][..], &["jobs", "--json"][..]] {
        let said: Value = serde_json::from_str(&stdout(&site, command)).unwrap();
        let ahead = said["clock_ahead_seconds"].as_i64().unwrap();
        assert!((3_680..3_700).contains(&ahead), "{command:?}: {said}");
    }
    drop(daemon);
}

#[test]
fn a_link_that_lives_a_few_seconds_is_used_at_once() {
    for api in ["v1", "v2"] {
        for seconds in [8, 40] {
            let platform = Platform::with(|options| {
                options.link_lifetime = Duration::from_secs(seconds);
            });
            let site = site(&platform, api, "");
            let daemon = site.start();
            let file = site.drop_file("a.mp4", &Dice::new().bytes(30_000));
            site.wait_done(1);
            assert_eq!(creates(&platform), 1, "{api} {seconds}");
            site.assert_exactly_one_each(&platform, &[file]);
            drop(daemon);
        }
    }
}

/// The platform is believed: one more video at once, and then the usual back-off.
#[test]
fn links_that_are_refused_each_time_make_no_video_after_video() {
    let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code>\
                <Message>Request has expired</Message><RequestId>ABC</RequestId></Error>";
    let expired = json!({"kind": "status", "status": 403, "body": body});
    for api in ["v1", "v2"] {
        let platform = Platform::start();
        let more = "[retry]\nfirst-delay = \"1h\"\nmax-delay = \"2h\"\n";
        let site = site(&platform, api, more);
        platform.faults("s3-put", None, &expired);
        let daemon = site.start();
        let file = site.drop_file("a.mp4", &Dice::new().bytes(30_000));
        let job = site.wait_jobs("the second refusal", |jobs| {
            let job = jobs.first()?;
            let refused = site.story(job.id);
            let refused = refused.iter().filter(|end| *end == "transfer link-expired");
            (refused.count() == 2).then(|| job.clone())
        });
        let wait = "SELECT (julianday(run_at) - julianday('now')) * 1440 FROM jobs";
        let minutes: f64 = site.value(wait).unwrap();
        assert!(
            minutes > 30.0,
            "{api}: the third is due in {minutes} min: {job:?}"
        );
        assert_eq!(creates(&platform), 2, "{api}");
        platform.clear_faults();
        site.output(&["retry", &job.id.to_string()]);
        site.wait_done(1);
        assert_eq!(creates(&platform), 3, "{api}");
        site.assert_exactly_one_each(&platform, &[file]);
        drop(daemon);
    }
}

/// What no knowledge of the platform's time helps against: the account says why it is paused, and
/// resumes by itself.
#[test]
fn an_account_whose_calls_are_refused_for_their_time_is_paused_with_that_reason() {
    let platform = platform(3_690);
    let site = site(&platform, "v1", "");
    let body = json!({"status": "error", "code": "TimestampExpired", "title": "Timestamp Expired",
                      "message": "The timestamp is too old"});
    let refused = json!({"kind": "status", "status": 403, "body": body.to_string()});
    platform.faults("create", None, &refused);
    let daemon = site.start();
    let file = site.drop_file("a.mp4", &Dice::new().bytes(30_000));
    let reason = "this machine's clock is 61 min ahead of the platform's; set it right (timedatectl set-ntp true)";
    let lines = wait_for("the pause with its reason", || {
        let told = stdout(&site, &["jobs"]);
        let is_told = |line: &str| line.contains("is paused since") && line.contains(reason);
        told.lines().any(is_told).then_some(told)
    });
    assert!(!lines.contains("compare key and secret"), "{lines}");
    assert_eq!(
        platform.control("GET", "videos", &Value::Null)["videos"],
        json!([])
    );
    platform.clear_faults();
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn a_daemon_that_is_killed_in_an_upload_keeps_its_video_whatever_the_clock() {
    for (api, machine_ahead_s) in [("v1", 3_690), ("v2", 3_690), ("v1", -3_690), ("v2", 93_690)] {
        let platform = platform(machine_ahead_s);
        let site = site(&platform, api, "");
        platform.fault("s3-put", json!({"kind": "stall", "after_bytes": 1_000_000}));
        let daemon = site.start();
        let file = site.drop_file("a.mp4", &Dice::new().bytes(12_000_000));
        platform.wait("s3-put", "held", 1);
        daemon.kill9();
        platform.clear_faults();
        let daemon = site.start();
        site.wait_done(1);
        assert_eq!(creates(&platform), 1, "{api} {machine_ahead_s}");
        site.assert_exactly_one_each(&platform, &[file]);
        drop(daemon);
    }
}
