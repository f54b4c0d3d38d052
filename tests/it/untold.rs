//! Sidecars that were not sent to the platform: they stay where they are when their video goes, and
//! follow it once they were sent.

use std::fs;
use std::path::Path;

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

/// Waits until the sidecar is where its video went, and nothing else is left of it.
fn wait_followed(site: &Site, action: &str, name: &str, content: &str) {
    let sidecar = site.folder().join(name);
    wait_for("the sidecar to follow", || {
        (!sidecar.exists()).then_some(())
    });
    let stem = name.split('.').next().unwrap();
    let went = format!(
        "SELECT moved_to FROM afterwards JOIN jobs ON jobs.id = job_id WHERE path LIKE '%/{stem}.%'"
    );
    match site.value::<Option<String>>(&went).unwrap() {
        Some(to) => {
            let beside = Path::new(&to).with_file_name(name);
            assert_eq!(fs::read_to_string(beside).unwrap(), content);
        }
        None => assert_eq!(action, "delete"),
    }
    let is_over = format!(
        "SELECT 1 FROM afterwards JOIN jobs ON jobs.id = job_id
         WHERE path LIKE '%/{stem}.%' AND due_at IS NULL AND sidecar_left IS NULL"
    );
    wait_for("the end", || site.value::<i64>(&is_over));
    // Another sidecar may have its hidden name for a moment.
    let going = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(".going");
    wait_for("no hidden name", || {
        let mut entries = fs::read_dir(site.folder()).unwrap().flatten();
        (!entries.any(|entry| going(&entry.file_name()))).then_some(())
    });
}

#[test]
fn a_sidecar_that_cannot_be_read_stays_until_it_is_put_right_and_follows_its_video() {
    for v2 in [false, true] {
        for (action, name, half, whole) in [
            (
                "trash",
                "news.json",
                r#"{"title": "Half"#,
                r#"{"title": "Whole"}"#,
            ),
            ("delete", "news.toml", "title = \"Half", "title = \"Whole\""),
        ] {
            let platform = Platform::start();
            let keys = format!("after-upload = \"{action}\"\ngrace = \"0s\"");
            let site = site(&platform, v2, &keys);
            let sidecar = site.folder().join(name);
            fs::write(&sidecar, half).unwrap();
            let file = site.drop_file("news.mp4", b"\x01ne");
            let daemon = site.start();
            let said = outcome(&site);
            let why = format!("{name} stayed: its content was not sent");
            assert!(said.contains(&why), "{said}");
            assert!(!file.exists() && sidecar.exists());
            daemon.kill9();
            fs::write(&sidecar, whole).unwrap();
            let daemon = site.start();
            wait_title(&platform, "Whole");
            wait_followed(&site, action, name, whole);
            drop(daemon);
        }
    }
}

#[test]
fn a_sidecar_whose_update_was_pending_follows_its_video_and_that_of_a_copy_too() {
    let mine = r#"{"title": "Mine"}"#;
    for (v2, on, action) in [(false, "update", "delete"), (true, "v2-update", "trash")] {
        let platform = Platform::start();
        let keys = format!("after-upload = \"{action}\"\ngrace = \"3s\"");
        let site = site(&platform, v2, &keys);
        let unwell = json!({"kind": "status", "status": 503});
        platform.faults(on, None, &unwell);
        site.drop_file("news.mp4", b"\x01ne");
        let daemon = site.start();
        site.wait_done(1);
        fs::write(site.folder().join("news.json"), mine).unwrap();
        fs::write(site.folder().join("copy.json"), mine).unwrap();
        site.drop_file("copy.mp4", b"\x01ne");
        let left =
            "SELECT 1 WHERE (SELECT count(*) FROM afterwards WHERE outcome LIKE '%stayed%') = 2";
        wait_for("both to go without", || site.value::<i64>(left));
        assert!(
            site.folder().join("news.json").exists() && site.folder().join("copy.json").exists()
        );
        platform.clear_faults();
        wait_title(&platform, "Mine");
        for name in ["news.json", "copy.json"] {
            wait_followed(&site, action, name, mine);
        }
        drop(daemon);
    }
}

#[test]
fn a_kill_between_telling_and_moving_leaves_the_sidecar_due() {
    let platform = Platform::start();
    let dir = tempfile::tempdir().unwrap();
    let (target, aside) = (dir.path().join("done"), dir.path().join("aside"));
    fs::create_dir(&target).unwrap();
    let shown = target.display();
    let keys = format!("after-upload = \"move\"\nmove-to = \"{shown}\"\ngrace = \"0s\"");
    let site = site(&platform, false, &keys);
    fs::write(site.folder().join("news.json"), "{").unwrap();
    site.drop_file("news.mp4", b"\x01ne");
    let daemon = site.start();
    outcome(&site);
    // Something is in the way, so that the sidecar does not go yet.
    fs::rename(&target, &aside).unwrap();
    fs::write(&target, "").unwrap();
    let whole = r#"{"title": "Whole"}"#;
    fs::write(site.folder().join("news.json"), whole).unwrap();
    wait_title(&platform, "Whole");
    let is_due = "SELECT 1 FROM afterwards WHERE due_at IS NOT NULL AND attempts > 0";
    wait_for("the sidecar to be due", || site.value::<i64>(is_due));
    daemon.kill9();
    assert!(site.folder().join("news.json").exists());
    fs::remove_file(&target).unwrap();
    fs::rename(&aside, &target).unwrap();
    let daemon = site.start();
    wait_followed(&site, "move", "news.json", whole);
    drop(daemon);
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
        site.drop_file("news.mp4", b"\x01ne");
        let daemon = site.start();
        site.wait_done(1);
        let sidecar = site.folder().join("news.json");
        fs::write(&sidecar, r#"{"title": "Mine"}"#).unwrap();
        site.wait_log("refused what the sidecar says");
        let said = outcome(&site);
        assert!(
            said.contains("news.json stayed: its content was not sent"),
            "{said}"
        );
        assert!(sidecar.exists());
        platform.clear_faults();
        fs::write(&sidecar, r#"{"title": "Other"}"#).unwrap();
        wait_title(&platform, "Other");
        drop(daemon);
    }
}

#[test]
fn the_sidecar_of_a_copy_says_where_it_can_be_told() {
    let mine = r#"{"title": "Mine"}"#;
    let platform = Platform::start();
    let site = site(&platform, false, "after-upload = \"trash\"\ngrace = \"0s\"");
    let file = site.drop_file("news.mp4", b"\x01ne");
    let daemon = site.start();
    site.wait_done(1);
    fs::write(site.folder().join("copy.json"), mine).unwrap();
    site.drop_file("copy.mp4", b"\x01ne");
    let said: String = wait_for("the copy to be seen to", || {
        site.value(
            "SELECT outcome FROM afterwards JOIN jobs ON jobs.id = job_id
             WHERE state = 'duplicate' AND outcome IS NOT NULL",
        )
    });
    let why = format!(
        "copy.json stayed: it is not sent to the platform, because its file is a duplicate: the video is that of \
         job 1 and goes by the sidecar of {}",
        file.display()
    );
    assert!(said.contains(&why), "{said}");
    fs::write(site.folder().join("news.json"), mine).unwrap();
    wait_title(&platform, "Mine");
    wait_followed(&site, "trash", "copy.json", mine);
    drop(daemon);
}

#[test]
fn what_lies_beside_a_video_and_was_told_to_nobody_is_not_deleted() {
    let platform = Platform::start();
    let keys = "after-upload = \"delete\"\ngrace = \"0s\"\ndone-marker = \"{stem}.xml\"\n";
    let site = site(&platform, false, keys);
    site.drop_file("clip.mp4.json", br#"{"title": "Told"}"#);
    site.drop_file("clip.json", br#"{"cuts": [1, 2, 3]}"#);
    site.drop_file("clip.mp4", b"\x01ontent");
    let _daemon = site.start();
    site.drop_file("clip.xml", b"<shots/>");
    site.drop_file("empty.mp4", b"\x01ther content");
    site.drop_file("empty.xml", b"");
    let deleted = "SELECT count(*) FROM afterwards WHERE outcome LIKE 'deleted%'";
    wait_for("both to be deleted", || {
        (site.value(deleted) == Some(2_i64)).then_some(())
    });
    assert!(platform.videos().iter().any(|video| video.title == "Told"));
    let mut left = Vec::new();
    let mut folders = vec![site.folder()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                left.push(entry.file_name());
            }
        }
    }
    left.sort();
    assert_eq!(left, ["clip.json", "clip.xml"]);
    assert!(
        !site.folder().join("clip.xml").exists(),
        "it is in the trash"
    );
    let said: String = site
        .value("SELECT outcome FROM afterwards WHERE outcome LIKE '%clip.json stayed%'")
        .unwrap();
    assert!(said.contains("another sidecar was used"), "{said}");
}
