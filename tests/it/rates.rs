//! How much goes out at once: the limit changes under a running upload, an account keeps to its own
//! number of files, and a clip passes the feature films.

use std::fs;

use serde_json::json;

use crate::support::{Dice, Platform, Site, write_film};

const BIG: usize = 12_000_000;
const SMALL: usize = 20_000;

#[test]
fn a_new_limit_is_obeyed_in_mid_upload_which_goes_on() {
    let platform = Platform::start();
    // By this it would take 25 minutes.
    let site = Site::with(&platform, "[upload]\nbandwidth-limit = \"64 kbit/s\"\n");
    let daemon = site.start();
    let file = site.drop_file("big.mp4", &Dice::new().bytes(BIG));
    platform.wait("s3-put", "arrived", 1);
    assert_eq!(site.logged("uploads are limited to 64 kbit/s"), 1);

    site.configure(&platform, "[upload]\nbandwidth-limit = \"128 kbit/s\"\n");
    daemon.signal("HUP");
    site.wait_log("uploads are limited to 128 kbit/s (bandwidth-limit)");
    assert_eq!(site.jobs()[0].state, "running", "{:?}", site.jobs());
    assert_eq!(platform.count("s3-put", "answered"), 0);

    // The timetable goes before the limit for the rest of the time.
    let always = "[[upload.timetable]]\nfrom = \"00:00\"\nto = \"24:00\"\nlimit = \"none\"\n";
    let both = format!("[upload]\nbandwidth-limit = \"64 kbit/s\"\n{always}");
    site.configure(&platform, &both);
    daemon.signal("HUP");
    let jobs = site.wait_done(1);
    assert_eq!(site.logged("uploads are not limited"), 1);
    assert_eq!(platform.count("s3-put", "arrived"), 1, "the same request");
    assert_eq!(jobs[0].attempts, 1);
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn an_account_keeps_to_its_own_number_of_files() {
    let platform = Platform::start();
    let all = "[upload]\nfiles-at-once = 3\n";
    // What is first belongs to the account.
    let site = Site::with(&platform, &format!("files-at-once = 1\n{all}"));
    platform.faults("create", Some(3), &json!({"kind": "hold-before-acting"}));
    let daemon = site.start();
    let mut dice = Dice::new();
    let mut drop_one = |name| site.drop_file(name, &dice.bytes(SMALL));
    let files = ["a.mp4", "b.mp4", "c.mp4"].map(&mut drop_one);
    platform.wait("create", "held", 1);
    site.wait_jobs("all to be queued", |jobs| (jobs.len() == 3).then_some(()));
    let running = |site: &Site| {
        let jobs = site.jobs();
        jobs.iter().filter(|job| job.state == "running").count()
    };
    assert_eq!(running(&site), 1, "{:?}", site.jobs());
    site.configure(&platform, all);
    daemon.signal("HUP");
    platform.wait("create", "held", 3);
    platform.release();
    site.wait_done(3);
    site.assert_exactly_one_each(&platform, &files);
    drop(daemon);
}

#[test]
fn a_clip_is_not_stuck_behind_a_feature_film() {
    let platform = Platform::start();
    let site = Site::with(&platform, "[upload]\nfiles-at-once = 1\n");
    platform.fault("s3-put", json!({"kind": "stall", "after_bytes": 3_000_000}));
    let daemon = site.start();
    let film = |name, size| {
        let path = site.outside().join(name);
        write_film(&path, size);
        let place = site.folder().join(name);
        fs::rename(path, &place).unwrap();
        place
    };
    let mut files = vec![film("first.mp4", 100_000_000)];
    platform.wait("s3-put", "held", 1);
    files.push(film("second.mp4", 100_000_001));
    site.wait_jobs("both films", |jobs| (jobs.len() == 2).then_some(()));
    files.push(site.drop_file("clip.mp4", &Dice::new().bytes(SMALL)));
    let jobs = site.wait_done(1);
    let states: Vec<_> = jobs.iter().map(|job| job.state.as_str()).collect();
    assert_eq!(states, ["running", "queued", "done"]);
    platform.release();
    site.wait_done(3);
    site.assert_exactly_one_each(&platform, &files);
    drop(daemon);
}
