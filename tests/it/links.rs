//! Upload links are credentials: the group that may read the job table learns none, while they live
//! and after, however the daemon ended; and without the key that seals them nothing is sent twice.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::{Dice, Platform, Site, wait_for};

/// Two parts, or several segments.
const SIZE: usize = 20_000_000;

/// What a way needs, and the request that is held when the daemon is killed.
struct Way {
    method: &'static str,
    v2: bool,
    more: &'static str,
    on: &'static str,
    skip: u32,
}

const WAYS: [Way; 5] = [
    Way {
        method: "s3",
        v2: false,
        more: "",
        on: "s3-put",
        skip: 0,
    },
    Way {
        method: "form",
        v2: false,
        more: "[[watch]]\nname = \"drop\"\npath = \"{folder}\"\nsettle = \"200ms\"\nmethod = \"form\"\n",
        on: "form-upload",
        skip: 0,
    },
    Way {
        method: "resumable",
        v2: false,
        more: "[upload]\nsegment-size = \"8 MiB\"\n\n[[watch]]\nname = \"drop\"\npath = \"{folder}\"\n\
               settle = \"200ms\"\nmethod = \"resumable\"\n",
        on: "resumable",
        skip: 1,
    },
    Way {
        method: "direct",
        v2: true,
        more: "",
        on: "s3-put",
        skip: 0,
    },
    Way {
        method: "multipart",
        v2: true,
        more: "[upload]\ndirect-limit = \"1 MB\"\nparts-at-once = 1\n",
        on: "part-put",
        skip: 1,
    },
];

/// Nothing that others can read beside the table holds the token of an upload; its host is no secret, as the configuration
/// has it too.
fn assert_sealed(site: &Site, platform: &Platform) {
    let mut secrets = platform.upload_tokens();
    assert!(!secrets.is_empty(), "there is nothing to look for");
    secrets.extend(["Signature=", "uploadId="].map(str::to_owned));
    let mut seen = 0;
    for entry in fs::read_dir(site.root()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        if !name.starts_with("jobs.db") {
            continue;
        }
        if name == "jobs.db.key" {
            assert_eq!(mode & 0o777, 0o600);
            continue;
        }
        seen += 1;
        let bytes = fs::read(entry.path()).unwrap();
        for secret in &secrets {
            let found = bytes
                .windows(secret.len())
                .any(|at| at == secret.as_bytes());
            assert!(!found, "{name} (mode {mode:o}) holds {secret}");
        }
    }
    assert!(seen >= 2, "the table and its log");
}

fn tickets(site: &Site, which: &str) -> Option<i64> {
    site.value(&format!("SELECT count(*) FROM tickets WHERE {which}"))
}

/// Kills the daemon in the middle of an upload; the key of the table is lost where `key_is_lost`.
fn kill_in_mid_upload(way: &Way, key_is_lost: bool) {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = if way.v2 {
        Site::v2(&platform, way.more)
    } else {
        Site::with(&platform, way.more)
    };
    let hold = json!({"on": way.on, "times": 1, "skip": way.skip, "fault": {"kind": "hold-before-acting"}});
    platform.control("POST", "faults", &hold);
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(SIZE));
    platform.wait(way.on, "held", 1);
    assert_eq!(tickets(&site, "link LIKE 'sealed:%'"), Some(1));
    assert_sealed(&site, &platform);
    daemon.kill9();
    assert_sealed(&site, &platform);
    if key_is_lost {
        fs::remove_file(site.root().join("jobs.db.key")).unwrap();
    }
    platform.release();
    platform.wait(way.on, "acted", u64::from(way.skip) + 1);
    if way.skip == 0 {
        // The whole file has arrived; the daemon must find that out.
        wait_for("the platform to notice", || {
            (platform.videos().first()?.status != "created").then_some(())
        });
    }
    let daemon = site.start();
    let jobs = site.wait_done(1);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0].method.as_deref(), Some(way.method));
    site.assert_exactly_one_each(&platform, &[file]);
    assert_eq!(tickets(&site, "1"), Some(0), "gone once used");
    assert_sealed(&site, &platform);
    assert!(site.logged("does not open the upload link") <= usize::from(key_is_lost));
    daemon.signal("TERM");
    daemon.wait();
    assert_sealed(&site, &platform);
}

#[test]
fn others_learn_no_upload_link_from_the_table() {
    for way in &WAYS {
        kill_in_mid_upload(way, false);
    }
}

#[test]
fn a_table_without_its_key_asks_what_has_arrived() {
    for way in &WAYS {
        kill_in_mid_upload(way, true);
    }
}

#[test]
fn what_an_upload_server_repeats_of_a_link_is_kept_out_of_the_table() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, WAYS[1].more);
    platform.fault("create", json!({"kind": "hold-after-acting"}));
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(4000));
    platform.wait("create", "held", 1);
    let token = platform.upload_tokens().remove(0);
    let address = platform.address();
    let body = json!({"status": "error", "code": "Failure", "title": "no",
        "message": format!("no upload for {token} at http://{address}/v1/videos/upload?token={token}")});
    let answer = json!({"kind": "status", "status": 500, "body": body.to_string()});
    platform.fault("form-upload", answer);
    platform.release();
    site.wait_log("no upload for");
    assert_sealed(&site, &platform);
    assert!(!site.log().contains(&token), "{}", site.log());
    site.wait_done(1);
    assert!(file.exists());
    drop(daemon);
}
