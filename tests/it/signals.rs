//! TERM and INT put work down and exit; HUP takes a new configuration over without disturbing any.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Daemon, Dice, Platform, Site};

/// More than the sockets between daemon and platform hold.
const BIG: usize = 12_000_000;
const SMALL: usize = 20_000;

/// The promise: stopped within ten seconds.
const STOP_LIMIT: Duration = Duration::from_secs(10);

fn stalled_upload(platform: &Platform, site: &Site) -> (Daemon, PathBuf) {
    platform.fault("s3-put", json!({"kind": "stall", "after_bytes": 3_000_000}));
    let daemon = site.start();
    let file = site.drop_file("big.mp4", &Dice::new().bytes(BIG));
    platform.wait("s3-put", "held", 1);
    (daemon, file)
}

fn stops_in_mid_upload(signal: &str) {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let (daemon, file) = stalled_upload(&platform, &site);
    let asked = Instant::now();
    daemon.signal(signal);
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(asked.elapsed() < STOP_LIMIT, "{:?}", asked.elapsed());
    let job = &site.jobs()[0];
    assert_eq!(
        (job.state.as_str(), job.step.as_str(), job.attempts),
        ("queued", "transfer", 0),
        "the attempt is given back: {job:?}"
    );
    assert_eq!(site.story(1).last().unwrap(), "transfer parked");
    let daemon = site.start();
    let jobs = site.wait_done(1);
    assert_eq!(jobs[0].attempts, 1);
    assert_eq!(platform.count("create", "acted"), 1);
    site.assert_exactly_one_each(&platform, &[file]);
    site.assert_no_secrets();
    drop(daemon);
}

#[test]
fn term_in_mid_upload_gives_the_attempt_back() {
    stops_in_mid_upload("TERM");
}

#[test]
fn int_in_mid_upload_gives_the_attempt_back() {
    stops_in_mid_upload("INT");
}

#[test]
fn a_stop_waits_for_the_answer_to_a_create_call() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    platform.fault("create", json!({"kind": "hold-after-acting"}));
    let daemon = site.start();
    let file = site.drop_file("clip.mp4", &Dice::new().bytes(SMALL));
    platform.wait("create", "held", 1);
    daemon.signal("TERM");
    site.wait_log("stopping");
    platform.release();
    assert_eq!(daemon.wait().code(), Some(0));
    // It was there in time: nothing to look up, no draft to delete.
    assert!(site.jobs()[0].video_key.is_some(), "{:?}", site.jobs());
    let daemon = site.start();
    site.wait_done(1);
    assert_eq!(platform.count("create", "acted"), 1);
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn a_create_call_that_hangs_holds_no_stop_up() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    platform.fault("create", json!({"kind": "hold-after-acting"}));
    let daemon = site.start();
    let file = site.drop_file("clip.mp4", &Dice::new().bytes(SMALL));
    platform.wait("create", "held", 1);
    let asked = Instant::now();
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(asked.elapsed() < STOP_LIMIT, "{:?}", asked.elapsed());
    platform.release();
    let daemon = site.start();
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn a_second_term_ends_it_at_once() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    // The first one waits some seconds for this answer.
    platform.fault("create", json!({"kind": "hold-after-acting"}));
    let daemon = site.start();
    let file = site.drop_file("clip.mp4", &Dice::new().bytes(SMALL));
    platform.wait("create", "held", 1);
    daemon.signal("TERM");
    site.wait_log("stopping");
    let asked = Instant::now();
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(143));
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    platform.release();
    let daemon = site.start();
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn a_bad_configuration_is_refused_and_disturbs_nothing() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let (daemon, first) = stalled_upload(&platform, &site);
    let good = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), good.replace("settle", "setle")).unwrap();
    daemon.signal("HUP");
    site.wait_log("the new configuration is refused, the old one stays");
    assert!(site.log().contains("setle"), "it says what is wrong");
    // Another database cannot be taken over while running.
    fs::write(site.config(), good.replace("jobs.db", "other.db")).unwrap();
    daemon.signal("HUP");
    site.wait_log("database.path can be changed only by a restart");
    fs::write(site.config(), &good).unwrap();
    platform.release();
    let second = site.drop_file("later.mp4", &Dice::new().bytes(SMALL));
    site.wait_done(2);
    assert_eq!(platform.count("s3-put", "arrived"), 2, "undisturbed");
    site.assert_exactly_one_each(&platform, &[first, second]);
    drop(daemon);
}

fn watch(site: &Site, name: &str) -> String {
    let path = site.root().join(name);
    fs::create_dir_all(&path).unwrap();
    format!(
        "[[watch]]\nname = \"{name}\"\npath = \"{}\"\nsettle = \"200ms\"\n",
        path.display()
    )
}

#[test]
fn a_new_folder_is_watched_and_a_removed_one_keeps_its_uploads() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let (daemon, first) = stalled_upload(&platform, &site);
    let both = watch(&site, "drop") + &watch(&site, "more");
    site.configure(&platform, &both);
    let mut dice = Dice::new();
    // It is there before it is watched.
    let second = site.root().join("more/early.mp4");
    fs::write(&second, dice.bytes(SMALL)).unwrap();
    daemon.signal("HUP");
    site.wait_done(1);
    let third = site.root().join("more/late.mp4");
    fs::write(&third, dice.bytes(SMALL)).unwrap();
    let fourth = site.drop_file("old.mp4", &dice.bytes(SMALL));
    site.wait_done(3);
    // Now without the first one, whose upload is still in progress.
    site.configure(&platform, &watch(&site, "more"));
    daemon.signal("HUP");
    super::support::wait_for("the second reload", || {
        (site.logged("the configuration was reloaded") == 2).then_some(())
    });
    let ignored = site.drop_file("unwatched.mp4", &dice.bytes(SMALL));
    platform.release();
    site.wait_done(4);
    let last = site.root().join("more/last.mp4");
    fs::write(&last, dice.bytes(SMALL)).unwrap();
    site.wait_done(5);
    assert_eq!(platform.count("s3-put", "arrived"), 5, "each was sent once");
    site.assert_exactly_one_each(&platform, &[first, second, third, fourth, last]);
    assert!(site.jobs().iter().all(|job| job.path != ignored));
    drop(daemon);
}

#[test]
fn no_file_of_a_watch_that_was_taken_out_or_begins_anew_stays_settling() {
    let platform = Platform::start();
    let slow = |site: &Site, name| watch(site, name).replace("200ms", "1h");
    let both = |site: &Site| slow(site, "drop") + &slow(site, "more");
    let site = Site::new(&platform);
    site.configure(&platform, &both(&site));
    let daemon = site.start();
    let noted = |what: &str, number: i64| {
        super::support::wait_for(what, || {
            let rows = site.value::<i64>("SELECT count(*) FROM settling");
            (rows == Some(number)).then_some(())
        });
    };
    let file = site.root().join("more/clip.mp4");
    fs::write(&file, Dice::new().bytes(SMALL)).unwrap();
    noted("the file to be noted", 1);
    site.configure(&platform, &slow(&site, "drop"));
    daemon.signal("HUP");
    noted("it to be forgotten with its watch", 0);
    site.configure(&platform, &both(&site));
    daemon.signal("HUP");
    noted("it to be noted again", 1);
    drop(daemon);
}

#[test]
fn files_at_once_changes_while_running() {
    let platform = Platform::start();
    let site = Site::with(&platform, "[upload]\nfiles-at-once = 1\n");
    platform.faults("create", Some(2), &json!({"kind": "hold-before-acting"}));
    let daemon = site.start();
    let mut dice = Dice::new();
    let mut files = vec![
        site.drop_file("a.mp4", &dice.bytes(SMALL)),
        site.drop_file("b.mp4", &dice.bytes(SMALL)),
    ];
    platform.wait("create", "held", 1);
    site.wait_jobs("both to be queued", |jobs| (jobs.len() == 2).then_some(()));
    // A third one that settles makes it look for work: there is a place for none.
    files.push(site.drop_file("c.mp4", &dice.bytes(SMALL)));
    site.wait_jobs("all to be queued", |jobs| (jobs.len() == 3).then_some(()));
    assert_eq!(platform.count("create", "arrived"), 1);
    site.configure(&platform, "[upload]\nfiles-at-once = 2\n");
    daemon.signal("HUP");
    platform.wait("create", "held", 2);
    platform.release();
    site.wait_done(3);
    site.assert_exactly_one_each(&platform, &files);
    drop(daemon);
}
