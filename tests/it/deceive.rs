//! Names, titles and messages that would turn a line around or drive a terminal: every command, the
//! notes and the log show what they are, and JSON means the same when it is read.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::{Platform, Site, wait_for};

/// C1 controls, and what turns the direction of text.
const HIDDEN: &str =
    "\u{7f}\u{85}\u{9b}31m\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}4pm\u{2066}\u{2069}";

fn assert_visible(what: &str, text: &str) {
    let hidden = |c: char| {
        ('\u{7f}'..='\u{9f}').contains(&c)
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(hidden), "{what}: {text:?}");
    assert!(!text.contains('\u{1b}'), "{what}: {text:?}");
}

/// Runs a command, looks at all that it says, and answers what it printed.
fn run(site: &Site, args: &[&str]) -> String {
    let Output { stdout, stderr, .. } = site.command(args);
    let (out, err) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    assert_visible(&args.join(" "), &out);
    assert_visible(&args.join(" "), &err);
    out
}

#[test]
fn nothing_that_is_shown_deceives() {
    let platform = Platform::start();
    let watch =
        "[[watch]]\nname = \"drop\"\npath = \"{folder}\"\nsettle = \"200ms\"\nnotes = true\n";
    let site = Site::with(&platform, watch);
    let name = format!("a{HIDDEN}.mp4");
    let file = site.drop_file(&name, b"\x01ne");
    let sidecar = json!({"title": format!("T{HIDDEN}")}).to_string();
    fs::write(site.folder().join(format!("a{HIDDEN}.json")), sidecar).unwrap();
    let daemon = site.start();
    site.wait_done(1);
    let refusal =
        json!({"status": "error", "code": "ParameterInvalid", "message": format!("M{HIDDEN}")});
    platform.faults(
        "create",
        None,
        &json!({"kind": "status", "status": 400, "body": refusal.to_string()}),
    );
    let bad = site.drop_file(&format!("b{HIDDEN}.mp4"), b"\x01wo");
    site.wait_jobs("the refusal", |jobs| {
        jobs.iter().any(|job| job.state == "failed").then_some(())
    });
    for (file, ending) in [(&file, "jw.json"), (&bad, "failed.txt")] {
        let mut note = file.clone().into_os_string();
        note.push(format!(".{ending}"));
        let text = wait_for("the note", || fs::read_to_string(&note).ok());
        assert_visible(ending, &text);
        if ending == "jw.json" {
            let note: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(note["file"], name);
        }
    }
    let [file, bad] = [&file, &bad].map(|path| path.to_str().unwrap());
    walk_texts(&site, (file, bad));
    walk_json(&site, (file, bad));
    platform.clear_faults();
    drop(daemon);
    let as_json = site.command(&["--log-format", "json", "run", "--until-idle"]);
    let log = String::from_utf8(as_json.stderr).unwrap();
    assert_visible("the log as JSON", &log);
    assert!(
        log.lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    assert_visible("the log", &site.log());
}

/// Every command that prints texts.
fn walk_texts(site: &Site, (file, bad): (&str, &str)) {
    for args in [
        &["jobs"][..],
        &["jobs", file],
        &["job", "1"],
        &["job", "2"],
        &["explain", file],
        &["explain", bad],
        &["explain", "--all-waiting"],
        &["explain", "--all-waiting", "--json"],
        &["check"],
        &["bump", bad],
        &["cancel", "2"],
        &["retry", bad],
        &["add", file],
        &["add", bad],
        &[HIDDEN],
        &["job", HIDDEN],
        &["--config", HIDDEN, "check"],
    ] {
        run(site, args);
    }
}

/// What the others print is JSON, and means what it meant.
fn walk_json(site: &Site, (file, bad): (&str, &str)) {
    let paths: Vec<Value> = run(site, &["jobs", "--json"])
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["path"].take())
        .collect();
    assert!(
        paths.contains(&json!(file)) && paths.contains(&json!(bad)),
        "{paths:?}"
    );
    for id in ["1", "2"] {
        let job: Value = serde_json::from_str(&run(site, &["job", id, "--json"])).unwrap();
        assert!(paths.contains(&job["path"]));
    }
    let told: Value = serde_json::from_str(&run(site, &["explain", "--json", bad])).unwrap();
    assert_eq!(told["path"], bad);
    let key = format!("video_key={}", site.jobs()[0].video_key.clone().unwrap());
    let video: Value = serde_json::from_str(&run(site, &["call", "/videos/show", &key])).unwrap();
    assert!(video["video"]["title"].as_str().unwrap().starts_with('T'));
}
