//! An account that cannot work: its files wait and lose nothing, the platform is not hammered, and
//! people are told once.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Dice, KEY, Platform, SECRET, Site, wait_for};

const SMALL: usize = 20_000;

fn write_secret(site: &Site, text: &str) {
    fs::write(site.root().join("secret"), text).unwrap();
}

fn drop_files(site: &Site, names: &[&str]) -> Vec<PathBuf> {
    let mut dice = Dice::new();
    let mut drop_one = |name: &&str| site.drop_file(name, &dice.bytes(SMALL));
    names.iter().map(&mut drop_one).collect()
}

fn probes(site: &Site) -> i64 {
    site.value("SELECT probes FROM paused_accounts")
        .unwrap_or(-1)
}

fn wait_probes(site: &Site, count: i64) {
    wait_for("the account to be probed", || {
        (probes(site) >= count).then_some(())
    });
}

fn all_queued_without_a_try(site: &Site, count: usize) {
    site.wait_jobs("all files queued, no attempt lost", |jobs| {
        let unharmed = jobs
            .iter()
            .all(|job| job.state == "queued" && job.attempts == 0);
        (jobs.len() == count && unharmed).then_some(())
    });
}

#[test]
fn a_wrong_secret_pauses_the_account_until_it_is_mended() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    write_secret(&site, "not-the-secret-of-this-key");
    let daemon = site.start();
    let files = drop_files(&site, &["a.mp4", "b.mp4", "c.mp4", "d.mp4"]);
    wait_probes(&site, 4);
    all_queued_without_a_try(&site, 4);
    // Each worker found it out once; from then on one harmless call at a time.
    assert!(platform.count("create", "arrived") <= 2);
    assert!(
        platform.count("list", "arrived") <= 2 * 6,
        "{}",
        platform.story()
    );
    assert_eq!(platform.count("create", "acted"), 0);
    assert_eq!(site.logged("is paused, its files wait"), 1);
    let table = site.output(&["jobs"]);
    let told = table
        .lines()
        .filter(|line| line.starts_with("account main is paused"));
    assert_eq!(told.count(), 1, "{table}");
    let why = site.output(&["explain", files[0].to_str().unwrap()]);
    assert!(why.contains("is paused"), "{why}");

    write_secret(&site, SECRET);
    daemon.signal("HUP");
    site.wait_done(4);
    site.assert_exactly_one_each(&platform, &files);
    assert_eq!(site.logged("works again; it was"), 1);
    assert!(site.jobs().iter().all(|job| job.attempts == 1));
    assert!(!site.output(&["jobs"]).contains("paused"));
    site.assert_no_secrets();
    drop(daemon);
}

#[test]
fn a_restart_keeps_the_pause_in_sight_and_probes_at_once() {
    let platform = Platform::start();
    let retry = "[retry]\nfirst-delay = \"1h\"\nmax-delay = \"2h\"\n";
    let site = Site::with(&platform, retry);
    write_secret(&site, "not-the-secret-of-this-key");
    let daemon = site.start();
    let files = drop_files(&site, &["a.mp4", "b.mp4"]);
    wait_for("the pause", || (probes(&site) >= 0).then_some(()));
    all_queued_without_a_try(&site, 2);
    let since: String = site.value("SELECT since FROM paused_accounts").unwrap();
    daemon.kill9();
    assert!(
        site.output(&["jobs"])
            .contains("account main is paused since")
    );
    let asked = platform.count("list", "answered");
    let daemon = site.start();
    platform.wait("list", "answered", asked + 1);
    wait_probes(&site, 1);
    assert_eq!(
        site.value::<String>("SELECT since FROM paused_accounts"),
        Some(since)
    );
    assert!(
        site.output(&["jobs"])
            .contains("account main is paused since")
    );
    assert_eq!(
        site.logged("is paused, its files wait"),
        1,
        "said once, over the restart too"
    );
    daemon.kill9();
    write_secret(&site, SECRET);
    let daemon = site.start();
    site.wait_done(2);
    site.assert_exactly_one_each(&platform, &files);
    drop(daemon);
}

fn quota() -> Value {
    let body = json!({"status": "error", "code": "CallInvalid", "title": "Call Invalid",
                      "message": "content storage limit exceeded"});
    json!({"kind": "status", "status": 400, "body": body.to_string()})
}

#[test]
fn a_used_up_plan_is_tried_with_one_job_at_a_time() {
    let platform = Platform::start();
    let site = Site::with(&platform, "[upload]\nfiles-at-once = 3\n");
    platform.faults("create", Some(5), &quota());
    platform.fault("create", json!({"kind": "hold-before-acting"}));
    let daemon = site.start();
    let mut files = drop_files(&site, &["a.mp4", "b.mp4", "c.mp4", "d.mp4"]);
    // Three at once ran into it, then one at a time with growing pauses, until one is let through.
    platform.wait("create", "held", 1);
    let running = || {
        site.jobs()
            .iter()
            .filter(|job| job.state == "running")
            .count()
    };
    assert_eq!(running(), 1);
    // Every other one waits for that one.
    files.extend(drop_files(&site, &["e.mp4"]));
    site.wait_jobs("the late file", |jobs| (jobs.len() == 5).then_some(()));
    files.extend(drop_files(&site, &["f.mp4"]));
    site.wait_jobs("the later file", |jobs| (jobs.len() == 6).then_some(()));
    assert_eq!((running(), platform.count("create", "arrived")), (1, 6));
    let table = site.output(&["jobs"]);
    assert!(table.contains("content storage limit exceeded"), "{table}");
    platform.release();
    site.wait_done(6);
    site.assert_exactly_one_each(&platform, &files);
    assert_eq!(site.logged("is paused, its files wait"), 1);
    assert_eq!(site.logged("works again; it was"), 1);
    assert!(site.jobs().iter().all(|job| job.attempts == 1));
    site.assert_no_secrets();
    drop(daemon);
}

#[test]
fn a_used_up_plan_stays_paused_while_other_videos_are_looked_at() {
    let platform = Platform::with(|options| options.processing = Duration::from_mins(10));
    let site = Site::new(&platform);
    let daemon = site.start();
    // One video is uploaded and waits for `ready`: it is listed again and again, with success.
    let mut files = drop_files(&site, &["up.mp4"]);
    site.wait_jobs("the first to wait for ready", |jobs| {
        jobs.first().filter(|job| job.step == "confirm").map(|_| ())
    });
    platform.faults("create", None, &quota());
    files.extend(drop_files(&site, &["a.mp4", "b.mp4"]));
    wait_probes(&site, 5);
    // That a list call works is no proof that there is room: said once, and no end of it.
    assert_eq!(site.logged("is paused, its files wait"), 1);
    assert_eq!(site.logged("works again; it was"), 0);
    assert!(
        platform.count("create", "arrived") <= 1 + 2 + 6,
        "{}",
        platform.story()
    );
    platform.clear_faults();
    site.wait_jobs("all to be up", |jobs| {
        let up = jobs.iter().filter(|job| job.step == "confirm").count();
        (up == 3).then_some(())
    });
    assert_eq!(site.logged("works again; it was"), 1);
    for video in platform.videos() {
        platform.control(
            "POST",
            &format!("videos/{}", video.key),
            &json!({"status": "ready"}),
        );
    }
    site.wait_done(3);
    site.assert_exactly_one_each(&platform, &files);
    drop(daemon);
}

#[test]
fn a_rate_limit_is_kept_without_a_storm_of_refusals() {
    let platform = Platform::with(|options| options.rate_limit = 6);
    let site = Site::with(&platform, "[upload]\nfiles-at-once = 4\n");
    let daemon = site.start();
    let names: Vec<String> = (0..10).map(|n| format!("{n}.mp4")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    drop_files(&site, &names);
    let refused = || {
        let seen = platform.control("GET", "requests", &Value::Null);
        let requests = seen["requests"].as_array().unwrap().clone();
        requests
            .iter()
            .filter(|request| request["status"] == 429)
            .count()
    };
    // What the window has room for goes through; the rest waits for the next one, unharmed.
    site.wait_done(6);
    site.wait_jobs("the others to wait", |jobs| {
        (jobs.len() == 10).then_some(())
    });
    // Workers that meet the limit together learn it together: never more than one refusal each.
    assert!(refused() <= 4, "{}", platform.story());
    let asked = platform.count("list", "answered");
    // New settings know nothing of the window, and must learn it by one refusal at most.
    daemon.signal("HUP");
    site.wait_log("the configuration was reloaded");
    let late = drop_files(&site, &["late.mp4"]);
    site.wait_jobs("the late file", |jobs| {
        jobs.iter().any(|job| job.path == late[0]).then_some(())
    });
    assert!(refused() <= 8, "{}", platform.story());
    assert!(platform.count("list", "answered") <= asked + 4);
    assert!(site.jobs().iter().all(|job| job.state != "failed"));
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
}

/// An upload that hangs in the middle, whose daemon was killed.
fn killed_upload(platform: &Platform, site: &Site) -> PathBuf {
    platform.fault("s3-put", json!({"kind": "stall", "after_bytes": 3_000_000}));
    let daemon = site.start();
    let file = site.drop_file("big.mp4", &Dice::new().bytes(12_000_000));
    platform.wait("s3-put", "held", 1);
    daemon.kill9();
    platform.release();
    file
}

#[test]
fn the_jobs_of_a_renamed_section_go_on_with_the_same_video() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let file = killed_upload(&platform, &site);
    site.change(|text| text.replace("[account.main]", "[account.news]"));
    let daemon = site.start();
    site.wait_done(1);
    assert_eq!(platform.count("create", "acted"), 1);
    site.assert_exactly_one_each(&platform, &[file]);
    let name: Option<String> = site.value("SELECT account FROM jobs");
    assert_eq!(name.as_deref(), Some("news"));
    // While the daemon runs, a worker may hold the old name.
    site.change(|text| text.replace("[account.news]", "[account.sport]"));
    daemon.signal("HUP");
    site.wait_log("a section [account.NAME] was renamed");
    drop(daemon);
    let daemon = site.start();
    let second = site.drop_file("second.mp4", &Dice::new().bytes(SMALL));
    site.wait_done(2);
    assert_eq!(platform.videos().len(), 2, "{}", second.display());
    drop(daemon);
}

#[test]
fn a_job_never_goes_on_with_the_key_of_another_account() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let file = killed_upload(&platform, &site);
    let (ours, theirs) = (KEY, "oThErKey");
    site.change(|text| text.replace(ours, theirs));
    let daemon = site.start();
    let paused = "SELECT reason FROM paused_accounts WHERE account LIKE 'main (v1 %'";
    wait_for("the account to be reported as gone", || {
        site.value::<String>(paused)
            .filter(|reason| reason.contains("put its section back"))
    });
    let told = site.output(&["jobs"]);
    assert!(told.contains("put its section back"), "{told}");
    let why = site.output(&["explain", file.to_str().unwrap()]);
    assert!(why.contains("put its section back"), "{why}");
    assert_eq!(platform.count("create", "arrived"), 1);
    drop(daemon);
    site.change(|text| text.replace(theirs, ours));
    let daemon = site.start();
    site.wait_done(1);
    assert_eq!(platform.count("create", "acted"), 1);
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn a_job_whose_account_is_gone_can_be_cancelled_and_its_video_is_named() {
    let platform = Platform::with(|options| options.processing = Duration::from_mins(10));
    let site = Site::new(&platform);
    let daemon = site.start();
    site.drop_file("a.mp4", &Dice::new().bytes(SMALL));
    let key = site.wait_jobs("it to wait for ready", |jobs| {
        let job = jobs.first().filter(|job| job.step == "confirm")?;
        job.video_key.clone()
    });
    let refused = site.command(&["cancel", "1"]);
    assert_eq!(refused.status.code(), Some(1), "its account is there");
    drop(daemon);
    site.change(|text| text.replace(KEY, "oThErKey"));
    let daemon = site.start();
    site.wait_log("is not in the configuration any more");
    let said = site.output(&["cancel", "1"]);
    assert!(
        said.contains(&format!("video {key} may be there")),
        "{said}"
    );
    let why: Option<String> = site.value("SELECT last_error FROM jobs WHERE state = 'cancelled'");
    assert!(why.is_some_and(|why| why.contains(&key)));
    assert_eq!(
        site.value::<i64>("SELECT count(*) FROM withdrawals"),
        Some(0)
    );
    drop(daemon);
    let daemon = site.start();
    wait_for("nothing to be said of the account any more", || {
        (!site.output(&["jobs"]).contains("put its section back")).then_some(())
    });
    assert_eq!(platform.videos().len(), 1, "nothing was deleted");
    drop(daemon);
}

#[test]
fn an_account_that_is_rate_limited_keeps_no_place_from_another() {
    let (limited, free) = (Platform::start(), Platform::start());
    let more = format!(
        "[account.main]\nkey = \"{KEY}\"\nsecret-file = \"{{root}}/secret\"\nbase-url = \"{}\"\n\n\
         [account.other]\nkey = \"{KEY}\"\nsecret-file = \"{{root}}/secret\"\nbase-url = \"{}\"\n\n\
         [upload]\nfiles-at-once = 2\n\n\
         [[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\naccount = \"main\"\nsettle = \"200ms\"\n\n\
         [[watch]]\nname = \"free\"\npath = \"{{root}}/free\"\naccount = \"other\"\nsettle = \"200ms\"\n\n",
        limited.base_url(),
        free.base_url(),
    );
    let site = Site::with(&limited, &more);
    fs::create_dir(site.root().join("free")).unwrap();
    let hold = json!({"kind": "status", "status": 429, "code": "RateLimitExceeded",
                      "headers": {"Retry-After": "240"}});
    limited.faults("create", Some(1), &hold);
    let daemon = site.start();
    drop_files(&site, &["a.mp4"]);
    limited.wait("create", "answered", 1);
    drop_files(&site, &["b.mp4", "c.mp4", "d.mp4"]);
    let no_room = "SELECT count(*) FROM jobs WHERE last_error LIKE '%rate limit has no room%' AND state = 'queued'";
    wait_for("all of them to wait in the queue", || {
        site.value::<i64>(no_room).filter(|count| *count == 4)
    });
    let file = site.root().join("free/e.mp4");
    fs::write(&file, Dice::new().bytes(SMALL)).unwrap();
    wait_for("the other account's file", || {
        site.value::<i64>("SELECT 1 FROM jobs WHERE state = 'done' AND watch = 'free'")
    });
    let tries = "SELECT group_concat(attempts) FROM (SELECT attempts FROM jobs WHERE watch = 'drop' ORDER BY id)";
    assert_eq!(site.value::<String>(tries).as_deref(), Some("1,0,0,0"));
    assert_eq!(limited.count("create", "arrived"), 1);
    drop(daemon);
}
