//! Sidecars that the platform was not told: they stay where they are when their video goes, and what
//! is put right is told then.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Platform, Site, wait_for};

fn site(platform: &Platform, v2: bool, keys: &str) -> Site {
    let watch =
        format!("[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nsettle = \"200ms\"\n{keys}\n");
    if v2 {
        Site::v2(platform, &watch)
    } else {
        Site::with(platform, &watch)
    }
}

fn wait_title(platform: &Platform, title: &str) {
    wait_for(title, || {
        let answer = platform.control("GET", "videos", &Value::Null);
        let video = answer["videos"].get(0)?.clone();
        (video["fields"]["title"] == title).then_some(())
    });
}

/// Waits until the file was seen to; answers what is said of it.
fn outcome(site: &Site) -> String {
    wait_for("the file to be seen to", || {
        site.value("SELECT outcome FROM afterwards WHERE outcome IS NOT NULL")
    })
}

#[test]
fn a_sidecar_that_cannot_be_read_stays_until_it_is_put_right() {
    for v2 in [false, true] {
        for action in ["trash", "delete"] {
            let platform = Platform::start();
            let keys = format!("after-upload = \"{action}\"\ngrace = \"0s\"");
            let site = site(&platform, v2, &keys);
            let sidecar = site.folder().join("news.json");
            fs::write(&sidecar, r#"{"title": "Half"#).unwrap();
            let file = site.drop_file("news.mp4", b"one");
            let daemon = site.start();
            let said = outcome(&site);
            assert!(
                said.contains("news.json stayed: the platform was not told"),
                "{said}"
            );
            assert!(!file.exists() && sidecar.exists());
            daemon.kill9();
            fs::write(&sidecar, r#"{"title": "Whole"}"#).unwrap();
            let daemon = site.start();
            wait_title(&platform, "Whole");
            assert!(sidecar.exists());
            drop(daemon);
        }
    }
}

#[test]
fn a_sidecar_that_the_platform_refused_stays() {
    for (v2, on, code) in [
        (false, "update", "ParameterInvalid"),
        (true, "v2-update", "invalid_body"),
    ] {
        let platform = Platform::start();
        let site = site(&platform, v2, "after-upload = \"trash\"\ngrace = \"6s\"");
        let refusal = json!({"kind": "status", "status": 400, "code": code});
        platform.faults(on, None, &refusal);
        site.drop_file("news.mp4", b"one");
        let daemon = site.start();
        site.wait_done(1);
        let sidecar = site.folder().join("news.json");
        fs::write(&sidecar, r#"{"title": "Mine"}"#).unwrap();
        site.wait_log("refused what the sidecar says");
        let said = outcome(&site);
        assert!(
            said.contains("news.json stayed: the platform was not told"),
            "{said}"
        );
        assert!(sidecar.exists());
        platform.clear_faults();
        fs::write(&sidecar, r#"{"title": "Other"}"#).unwrap();
        wait_title(&platform, "Other");
        drop(daemon);
    }
}
