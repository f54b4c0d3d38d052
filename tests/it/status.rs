//! What the daemon knows of itself and of its folders: in the table, in `status`, and in `jobs`.

use std::fs;

use serde_json::Value;

use crate::support::{Dice, Platform, Site, wait_for};

/// What `status` says, and its exit status.
fn status(site: &Site, args: &[&str]) -> (String, i32) {
    let ran = site.command(&[&["status"], args].concat());
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    (said, ran.status.code().unwrap())
}

/// Waits until `status` says this.
fn wait_status(site: &Site, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || {
        let object: Value = serde_json::from_str(&status(site, &["--json"]).0).ok()?;
        is_so(&object).then_some(object)
    })
}

fn state_of(status: &Value) -> &str {
    status["watches"][0]["state"].as_str().unwrap_or_default()
}

#[test]
fn all_is_well_and_what_was_uploaded_is_counted() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let (said, code) = status(&site, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("! daemon      does not run"), "{said}");
    let (said, _) = status(&site, &["--json"]);
    assert!(
        said.contains("the daemon does not run; 0 interrupted"),
        "{said}"
    );
    let daemon = site.start();
    site.drop_file("a.mp4", &dice.bytes(20_000));
    site.wait_done(1);
    let all = wait_status(&site, "the watch to be ok", |all| state_of(all) == "ok");
    assert_eq!(all["well"], true, "{all}");
    assert_eq!(all["daemon"]["running"], true, "{all}");
    assert_eq!(all["uploaded_24h"]["files"], 1, "{all}");
    assert_eq!(all["uploaded_24h"]["bytes"], 20_000, "{all}");
    let (said, code) = status(&site, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("watch drop  ok, files are found by events"),
        "{said}"
    );
    drop(daemon);
}

#[test]
fn a_folder_that_is_away_is_told_with_the_reason_and_since_when() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let daemon = site.start();
    wait_status(&site, "the watch to be ok", |all| state_of(all) == "ok");
    fs::rename(site.folder(), site.root().join("aside")).unwrap();
    let away = wait_status(&site, "the folder to be missed", |all| {
        state_of(all) == "missing"
    });
    assert_eq!(away["well"], false, "{away}");
    let verdict = away["verdict"].as_str().unwrap();
    assert!(
        verdict.contains("watch drop is offline: No such file"),
        "{verdict}"
    );
    let (said, code) = status(&site, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("! watch drop  is offline"), "{said}");
    assert!(said.contains("mount its disk or share"), "{said}");
    assert!(site.output(&["jobs"]).contains("watch drop is offline"));
    let since: Option<String> = site.value("SELECT since FROM watches WHERE state = 'missing'");
    // A restart does not begin to count again.
    daemon.kill9();
    let dead = wait_status(&site, "the state without a daemon", |_| true);
    assert_eq!(state_of(&dead), "unwatched", "{dead}");
    let daemon = site.start();
    let again = wait_status(&site, "the folder to be missed", |all| {
        state_of(all) == "missing"
    });
    assert_eq!(
        again["watches"][0]["since"].as_str(),
        away["watches"][0]["since"].as_str()
    );
    assert_eq!(site.value("SELECT since FROM watches"), since);
    fs::rename(site.root().join("aside"), site.folder()).unwrap();
    let back = wait_status(&site, "the folder to be back", |all| state_of(all) == "ok");
    assert_eq!(back["well"], true, "{back}");
    drop(daemon);
}

#[test]
fn a_configuration_that_is_refused_is_told_until_it_is_not() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let daemon = site.start();
    wait_status(&site, "the watch to be ok", |all| state_of(all) == "ok");
    let good = fs::read_to_string(site.config()).unwrap();
    let bad = good.replace("settle", "setle");
    assert_ne!(good, bad);
    fs::write(site.config(), bad).unwrap();
    wait_for("the daemon to listen", || {
        daemon.is_listening().then_some(())
    });
    daemon.signal("HUP");
    let refused = wait_status(&site, "the configuration to be refused", |all| {
        all["daemon"]["refused_at"].is_string()
    });
    let why = refused["daemon"]["refused_why"].as_str().unwrap();
    assert!(why.contains("setle"), "{why}");
    let (said, code) = status(&site, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("the one on disk is refused since"), "{said}");
    assert!(said.contains("! config      the file has faults"), "{said}");
    // Reading the table needs no more of the configuration than where it is.
    let jobs = site.command(&["jobs"]);
    assert_eq!(jobs.status.code(), Some(0), "{jobs:?}");
    fs::write(site.config(), good).unwrap();
    daemon.signal("HUP");
    wait_status(&site, "the configuration to be in use", |all| {
        all["well"] == true
    });
    drop(daemon);
}
