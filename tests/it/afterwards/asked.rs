//! Before a file is moved or deleted the platform is asked, and only a clear yes lets it go.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{configure, dice, files, outcome, site, wait_outcome, why_later};
use crate::support::{Daemon, Platform, Site, wait_for};

const ACTIONS: [&str; 3] = [
    "after-upload = \"move\"\nmove-to = \"{outside}\"\n",
    "after-upload = \"trash\"\n",
    "after-upload = \"delete\"\n",
];
/// How long that nothing is due before the test says so.
const LATER: &str = "grace = \"1h\"\n";

/// A site whose account speaks API v2.
fn site_v2(platform: &Platform, keys: &str) -> Site {
    let site = Site::v2(platform, "");
    configure_v2(&site, platform, keys);
    site
}

fn configure_v2(site: &Site, platform: &Platform, keys: &str) {
    let keys = keys.replace("{outside}", &site.outside().display().to_string());
    let account = "[account.main]\napi = \"v2\"\nsite = \"sAnDb0x1\"\nsecret-file = \"{root}/secret\"\nbase-url = \"{v2}\"\n\n";
    let watch = format!(
        "{account}[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nsettle = \"200ms\"\n{keys}\n"
    );
    site.configure(platform, &watch);
}

/// One file is uploaded, and will go once the grace is over; answers it, its content and its key.
fn one_is_up(site: &Site, length: usize) -> (Daemon, PathBuf, String) {
    let daemon = site.start();
    let file = site.drop_file("a.mp4", &dice().bytes(length));
    let key = site.wait_done(1)[0].video_key.clone().unwrap();
    wait_planned(site);
    (daemon, file, key)
}

fn wait_planned(site: &Site) {
    wait_for("the plan", || {
        let sql = "SELECT 1 FROM afterwards WHERE action IN ('move', 'trash', 'delete') AND due_at IS NOT NULL";
        site.value::<i64>(sql)
    });
}

/// The grace is over.
fn end_grace(site: &Site) {
    let db = rusqlite::Connection::open(site.database()).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let sql = "UPDATE afterwards SET due_at = '2020-01-01T00:00:00.000Z' WHERE due_at IS NOT NULL";
    db.execute(sql, []).unwrap();
}

fn delete_there(platform: &Platform, site: &Site, key: &str) {
    let call = if fs::read_to_string(site.config())
        .unwrap()
        .contains("\"v2\"")
    {
        site.command(&["call", "--method", "DELETE", &format!("/media/{key}")])
    } else {
        site.command(&["call", "/videos/delete", &format!("video_key={key}")])
    };
    assert!(call.status.success(), "{call:?}");
    assert!(platform.videos().iter().all(|video| video.key != key));
}

fn force(platform: &Platform, key: &str, status: &Value) {
    platform.control("POST", &format!("videos/{key}"), status);
}

/// The file has another video than that, and is where it was until then.
fn comes_again(site: &Site, platform: &Platform, (file, key): (&Path, &str)) {
    let content = fs::read(file).unwrap();
    end_grace(site);
    let other = site.wait_jobs("another video", |jobs| {
        let other = jobs[0].video_key.clone()?;
        (jobs[0].state == "done" && other != key).then_some(other)
    });
    assert_eq!(fs::read(file).unwrap(), content, "it is where it was");
    assert!(files(&site.outside()).is_empty());
    let videos = platform.videos();
    assert_eq!(videos.len(), 1, "{videos:?}");
    assert_eq!(videos[0].key, other);
    assert_eq!(site.jobs().len(), 1, "the same job");
    assert!(
        site.story(1).contains(&"confirm lost".to_owned()),
        "{:?}",
        site.story(1)
    );
    // Now that it is uploaded, it goes.
    wait_planned(site);
    end_grace(site);
    wait_outcome(site, 1);
    assert!(!file.exists());
}

#[test]
fn what_was_deleted_on_the_platform_during_the_grace_stays_and_is_uploaded_again() {
    for action in ACTIONS {
        let platform = Platform::start();
        let site = site(&platform, &format!("{action}{LATER}"));
        let (daemon, file, key) = one_is_up(&site, 5_000);
        delete_there(&platform, &site, &key);
        comes_again(&site, &platform, (&file, &key));
        drop(daemon);
    }
}

#[test]
fn on_v2_too() {
    let platform = Platform::start();
    let site = site_v2(&platform, &format!("{}{LATER}", ACTIONS[2]));
    let (daemon, file, key) = one_is_up(&site, 5_000);
    delete_there(&platform, &site, &key);
    comes_again(&site, &platform, (&file, &key));
    drop(daemon);
}

#[test]
fn a_video_that_failed_since_is_withdrawn_and_made_again() {
    let platform = Platform::start();
    let site = site(&platform, &format!("{}{LATER}", ACTIONS[2]));
    let (daemon, file, key) = one_is_up(&site, 5_000);
    force(
        &platform,
        &key,
        &json!({"status": "failed", "message": "lost its bytes"}),
    );
    comes_again(&site, &platform, (&file, &key));
    drop(daemon);
}

#[test]
fn where_the_watch_holds_replacements_a_person_decides() {
    let platform = Platform::start();
    let site = site(
        &platform,
        &format!("{}{LATER}on-replace = \"hold\"\n", ACTIONS[2]),
    );
    let (daemon, file, key) = one_is_up(&site, 5_000);
    delete_there(&platform, &site, &key);
    end_grace(&site);
    let said = site.wait_jobs("the job to be held", |jobs| {
        (jobs[0].state == "failed").then(|| jobs[0].last_error.clone().unwrap())
    });
    assert!(
        said.starts_with(&format!("held: video {key} was deleted on the platform")),
        "{said}"
    );
    assert!(file.exists() && platform.videos().is_empty());
    assert!(
        site.output(&["job", "1"])
            .starts_with("job 1 is held since")
    );
    site.output(&["retry", "1"]);
    site.wait_done(1);
    assert_eq!(platform.videos().len(), 1);
    drop(daemon);
}

#[test]
fn a_question_without_an_answer_keeps_the_file_and_is_asked_again() {
    for action in ACTIONS {
        let platform = Platform::start();
        let site = site(&platform, &format!("{action}{LATER}"));
        let (daemon, file, _) = one_is_up(&site, 5_000);
        platform.faults("show", None, &json!({"kind": "status", "status": 503}));
        let asked = platform.count("show", "answered");
        end_grace(&site);
        let why = wait_for("the reason", || why_later(&site, 1));
        assert!(why.starts_with("the platform did not say whether"), "{why}");
        wait_for("the next questions", || {
            (platform.count("show", "answered") >= asked + 3).then_some(())
        });
        assert!(file.exists() && outcome(&site, 1).is_none(), "{action}");
        assert!(
            site.output(&["job", "1"])
                .contains("the platform did not say whether")
        );
        assert_eq!(site.logged("stays for now"), 1, "said once");
        platform.clear_faults();
        wait_outcome(&site, 1);
        assert!(!file.exists());
        drop(daemon);
    }
}

#[test]
fn a_video_that_is_not_ready_now_is_no_yes() {
    let platform = Platform::start();
    let site = site(&platform, &format!("{}{LATER}", ACTIONS[2]));
    let (daemon, file, key) = one_is_up(&site, 5_000);
    force(&platform, &key, &json!({"status": "updating"}));
    end_grace(&site);
    let why = wait_for("the reason", || why_later(&site, 1));
    assert!(why.contains("is `updating` on the platform now"), "{why}");
    assert!(file.exists());
    force(&platform, &key, &json!({"status": "ready"}));
    wait_outcome(&site, 1);
    drop(daemon);
}

/// API v2 without `originals`: a video that was not changed since goes by the `ETag`s of its
/// upload.
#[test]
fn where_no_checksum_is_told_a_change_since_keeps_the_file() {
    for touched in [false, true] {
        let platform = Platform::start();
        platform.faults(
            "v2-originals",
            None,
            &json!({"kind": "status", "status": 404}),
        );
        let site = site_v2(&platform, &format!("{}{LATER}", ACTIONS[2]));
        let (daemon, file, key) = one_is_up(&site, 5_000);
        if touched {
            // As a person does in the dashboard, who may have given it other bytes too; within the same second.
            force(&platform, &key, &json!({"status": "ready"}));
        }
        end_grace(&site);
        if touched {
            let why = wait_for("the reason", || why_later(&site, 1));
            assert!(
                why.contains("was changed on the platform after it was uploaded"),
                "{why}"
            );
            assert!(file.exists());
        } else {
            wait_outcome(&site, 1);
            assert!(!file.exists());
        }
        drop(daemon);
    }
}

/// A change that the program makes itself is not another person's.
#[test]
fn our_own_change_of_a_sidecar_does_not_keep_the_file() {
    let platform = Platform::start();
    platform.faults(
        "v2-originals",
        None,
        &json!({"kind": "status", "status": 403}),
    );
    let site = site_v2(&platform, &format!("{}{LATER}", ACTIONS[2]));
    let (daemon, file, _) = one_is_up(&site, 5_000);
    std::thread::park_timeout(std::time::Duration::from_millis(1_100));
    site.drop_file("a.json", br#"{"title": "Harbour"}"#);
    wait_for("the platform to be told", || {
        platform
            .videos()
            .iter()
            .any(|video| video.title == "Harbour")
            .then_some(())
    });
    wait_for("that to be noted", || {
        site.value::<String>(
            "SELECT updated_at FROM metadata WHERE due_at IS NULL AND digest IS NOT NULL",
        )
    });
    end_grace(&site);
    wait_outcome(&site, 1);
    assert!(!file.exists());
    drop(daemon);
}

/// Nor one whose answer is lost, or does not find the daemon alive.
#[test]
fn our_own_change_without_an_answer_does_not_keep_the_file() {
    for killed in [false, true] {
        let platform = Platform::start();
        let none = json!({"kind": "status", "status": 403});
        platform.faults("v2-originals", None, &none);
        let site = site_v2(&platform, &format!("{}{LATER}", ACTIONS[2]));
        let (mut daemon, file, _) = one_is_up(&site, 5_000);
        let fault = if killed {
            "hold-after-acting"
        } else {
            "answer-lost"
        };
        platform.fault("v2-update", json!({"kind": fault}));
        site.drop_file("a.json", br#"{"title": "Harbour"}"#);
        if killed {
            platform.wait("v2-update", "held", 1);
            daemon.kill9();
            platform.release();
            daemon = site.start();
        }
        wait_for("the platform to be told", || {
            site.value::<String>(
                "SELECT updated_at FROM metadata WHERE due_at IS NULL AND digest IS NOT NULL",
            )
        });
        end_grace(&site);
        wait_outcome(&site, 1);
        assert!(!file.exists());
        drop(daemon);
    }
}

#[test]
fn a_platform_that_cannot_be_reached_is_not_asked_for_each_file() {
    let platform = Platform::start();
    let site = site(&platform, &format!("{}{LATER}", ACTIONS[2]));
    let daemon = site.start();
    for n in 0..12_usize {
        site.drop_file(&format!("{n}.mp4"), &dice().bytes(4_000 + n));
    }
    site.wait_done(12);
    wait_for("the plans", || {
        let planned: i64 = site.value("SELECT count(*) FROM afterwards WHERE action = 'delete'")?;
        (planned == 12).then_some(())
    });
    platform.faults("show", None, &json!({"kind": "status", "status": 503}));
    let before = platform.count("show", "answered");
    end_grace(&site);
    wait_for("all to be put off", || {
        let off: i64 =
            site.value("SELECT count(*) FROM afterwards WHERE last_error IS NOT NULL")?;
        (off == 12).then_some(())
    });
    assert!(
        platform.count("show", "answered") < before + 12,
        "one question answered the others"
    );
    platform.clear_faults();
    for job in 1..=12 {
        wait_outcome(&site, job);
    }
    drop(daemon);
}

#[test]
fn a_watch_that_is_put_back_has_its_files_seen_to_and_the_grace_counts_from_then() {
    let platform = Platform::start();
    let site = site(&platform, &format!("{}grace = \"0s\"\n", ACTIONS[2]));
    platform.faults("show", None, &json!({"kind": "status", "status": 503}));
    let daemon = site.start();
    let file = site.drop_file("a.mp4", &dice().bytes(5_000));
    wait_for("the reason", || why_later(&site, 1));
    let other = site.root().join("other");
    fs::create_dir(&other).unwrap();
    let watch = format!(
        "[[watch]]\nname = \"other\"\npath = \"{}\"\n",
        other.display()
    );
    site.configure(&platform, &watch);
    daemon.signal("HUP");
    let said = wait_outcome(&site, 1);
    assert_eq!(said, "kept: its watch is not configured any more");
    platform.clear_faults();
    // Its end is long past: the grace counted from there would be over.
    let db = rusqlite::Connection::open(site.database()).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let long_past = "UPDATE jobs SET finished_at = '2020-01-01T00:00:00.000Z'";
    db.execute(long_past, []).unwrap();
    drop(db);
    configure(&site, &platform, &format!("{}{LATER}", ACTIONS[2]));
    let back = jw_ingest::clock::now();
    daemon.signal("HUP");
    let due = wait_for("the plan", || {
        site.value::<String>(
            "SELECT due_at FROM afterwards WHERE action = 'delete' AND due_at IS NOT NULL",
        )
    });
    let due: jiff::Timestamp = due.parse().unwrap();
    assert!(due.duration_since(back).as_secs() >= 3_590, "{due}");
    assert!(file.exists());
    end_grace(&site);
    assert_eq!(wait_outcome(&site, 1), "deleted");
    drop(daemon);
}

#[test]
fn the_files_of_a_watch_that_gets_another_name_are_seen_to() {
    let platform = Platform::start();
    let site = site(&platform, &format!("{}grace = \"0s\"\n", ACTIONS[2]));
    platform.faults("show", None, &json!({"kind": "status", "status": 503}));
    let daemon = site.start();
    let file = site.drop_file("a.mp4", &dice().bytes(5_000));
    wait_for("the reason", || why_later(&site, 1));
    let renamed = format!(
        "[[watch]]\nname = \"bulletins\"\npath = \"{{folder}}\"\n{}grace = \"0s\"\n",
        ACTIONS[2]
    );
    site.configure(&platform, &renamed);
    daemon.signal("HUP");
    let watch = || site.value::<String>("SELECT watch FROM jobs");
    wait_for("the job to follow", || {
        watch().filter(|name| name == "bulletins")
    });
    platform.clear_faults();
    wait_for("the file to go", || (!file.exists()).then_some(()));
    assert_eq!(wait_outcome(&site, 1), "deleted");
    drop(daemon);
}

#[test]
fn a_retry_of_a_duplicate_finds_its_file_where_it_was_moved() {
    let platform = Platform::start();
    let site = site(&platform, &format!("{}grace = \"0s\"\n", ACTIONS[0]));
    let daemon = site.start();
    let bytes = dice().bytes(5_000);
    site.drop_file("a.mp4", &bytes);
    wait_outcome(&site, 1);
    site.drop_file("b.mp4", &bytes);
    wait_outcome(&site, 2);
    let there = site.outside().join("b.mp4");
    assert!(there.exists());
    site.output(&["retry", "2"]);
    site.wait_done(2);
    assert_eq!(site.jobs()[1].path, there);
    assert_eq!(platform.videos().len(), 2);
    assert!(wait_outcome(&site, 2).starts_with("kept:"));
    assert_eq!(fs::read(&there).unwrap(), bytes, "it stays where it is");
    drop(daemon);
}
