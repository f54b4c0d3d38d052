//! What is sent to the platform about a video beside its bytes: by the rules of its watch, and by
//! the files beside it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::support::{Platform, Site, wait_for};

/// A site with these keys for its watch besides, speaking that API.
fn site(platform: &Platform, api: &str, keys: &str) -> Site {
    let watch =
        format!("[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nsettle = \"200ms\"\n{keys}\n");
    match api {
        "v1" => Site::with(platform, &watch),
        _ => Site::v2(platform, &watch),
    }
}

/// What was sent to the platform about its only video.
fn told(platform: &Platform) -> Value {
    let answer = platform.control("GET", "videos", &Value::Null);
    let videos = answer["videos"].as_array().unwrap();
    assert_eq!(videos.len(), 1, "{answer}");
    videos[0].clone()
}

fn wait_title(platform: &Platform, title: &str) -> Value {
    wait_for(title, || {
        let video = told(platform);
        (video["fields"]["title"] == title).then_some(video)
    })
}

/// Updates of any video that came so far.
fn updates(platform: &Platform, api: &str) -> u64 {
    let name = if api == "v1" { "update" } else { "v2-update" };
    platform.count(name, "answered")
}

/// What the job was not sent, and why.
fn not_told(site: &Site) -> Option<String> {
    let job = site.objects(&["job", "1", "--json"]).remove(0);
    job["metadata_error"].as_str().map(str::to_owned)
}

fn write(site: &Site, name: &str, text: &str) {
    // As most editors and tools do it.
    let aside = site.outside().join("aside");
    fs::write(&aside, text).unwrap();
    fs::rename(&aside, site.folder().join(name)).unwrap();
}

/// The ingest id is that of the job, on a video that was told this and that.
fn assert_marked(site: &Site, video: &Value) {
    let mark: String = site.value("SELECT ingest_id FROM jobs").unwrap();
    assert_eq!(video["custom"]["ingest_id"], json!(mark));
}

/// The harness puts the watch folder in the place of that word in braces: one brace is escaped.
const RULES: &str = r#"name-pattern = '^(?<show>\w+?)_(?<date>\d{8})'
title = "{show} in \u007bfolder}, {mtime:%Y}"
tags = ["{show}", "{watch}, {part}"]
category = "News and Politics"
publish-date = "{date}"
author = "Newsroom"
description = "{name}"
custom = { show = "{show}", nothing = "\u007bfolder}" }"#;

#[test]
fn a_video_is_told_what_its_watch_says() {
    for api in ["v1", "v2"] {
        let platform = Platform::start();
        // A group that finds nothing, and another one.
        let rules = RULES.replace(r"\d{8})'", r"\d{8})(?<part>-\d)?'");
        let site = site(&platform, api, &rules);
        fs::create_dir(site.folder().join("e\u{301}t\u{e9}")).unwrap();
        let name = "e\u{301}te\u{301}_20261122.mp4";
        let file = site.drop_file(&format!("e\u{301}t\u{e9}/{name}"), b"\x01ne");
        let year = jiff::Zoned::now().year();
        let daemon = site.start();
        site.wait_done(1);
        let video = told(&platform);
        let fields = &video["fields"];
        let show = "\u{e9}t\u{e9}";
        assert_eq!(fields["title"], format!("{show} in {show}, {year}"));
        assert_eq!(fields["tags"], format!("{show},drop"));
        assert_eq!(fields["category"], "News and Politics");
        assert_eq!(fields["author"], "Newsroom");
        assert_eq!(fields["description"], format!("{show}_20261122.mp4"));
        let day: Date = "2026-11-22".parse().unwrap();
        let date = day.to_zoned(TimeZone::system()).unwrap().timestamp();
        assert_eq!(fields["date"], date.as_second().to_string());
        assert_eq!(video["custom"]["show"], show);
        assert_eq!(video["custom"]["nothing"], show);
        assert_marked(&site, &video);
        assert_eq!(not_told(&site), None);
        site.assert_exactly_one_each(&platform, &[file]);
        drop(daemon);
    }
}

#[test]
fn a_sidecar_comes_first_and_is_never_a_video() {
    for (api, name, text) in [
        (
            "v1",
            "clip.json",
            r#"{"title": "Mine", "tags": ["a", "b"], "custom": {"desk": "west"},
            "publish-date": "2026-11-22T18:00:00Z"}"#,
        ),
        (
            "v2",
            "clip.mp4.toml",
            "title = \"Mine\"\ntags = [\"a\", \"b\"]\n\
            publish-date = 2026-11-22T18:00:00Z\ncustom.desk = \"west\"\n",
        ),
    ] {
        let platform = Platform::start();
        let rules = "include = [\"*\"]\ntags = [\"rule\"]\nauthor = \"Newsroom\"\ncustom = { show = \"x\" }";
        let site = site(&platform, api, rules);
        write(&site, name, text);
        let file = site.drop_file("clip.mp4", b"\x01ne");
        let daemon = site.start();
        site.wait_done(1);
        let video = told(&platform);
        let fields = &video["fields"];
        assert_eq!(
            (&fields["title"], &fields["tags"]),
            (&json!("Mine"), &json!("a,b"))
        );
        assert_eq!(
            (&fields["author"], &fields["date"]),
            (&json!("Newsroom"), &json!("1795370400"))
        );
        assert_eq!(video["custom"]["desk"], "west");
        assert_eq!(video["custom"]["show"], "x");
        assert_marked(&site, &video);
        assert!(daemon_ends(&site, daemon));
        site.assert_exactly_one_each(&platform, &[file]);
        assert_eq!(site.jobs().len(), 1);
        assert_eq!(updates(&platform, api), 0, "it was told all at once");
        let said = site.output(&["explain", site.folder().join(name).to_str().unwrap()]);
        assert!(said.contains("it is ignored: it is a companion"), "{said}");
    }
}

/// The digest of the sidecar that the platform was told last, by the job table.
fn compared(site: &Site) -> Option<String> {
    site.value("SELECT digest FROM metadata")
}

/// Stops the daemon, and runs another one until nothing is left to do: each sidecar was compared.
fn daemon_ends(site: &Site, daemon: crate::support::Daemon) -> bool {
    daemon.signal("TERM");
    daemon.wait();
    site.command(&["run", "--until-idle"]).status.success()
}

#[test]
fn a_faulty_sidecar_holds_nothing_up_and_a_mended_one_is_told() {
    for api in ["v1", "v2"] {
        let platform = Platform::start();
        let site = site(&platform, api, "author = \"Newsroom\"");
        write(&site, "clip.json", r#"{"titel": "Mine", "author": "me"}"#);
        let file = site.drop_file("clip.mp4", b"\x01ne");
        let daemon = site.start();
        site.wait_done(1);
        let video = told(&platform);
        assert_eq!(video["fields"]["title"], "clip");
        assert_eq!(video["fields"]["author"], "Newsroom");
        let fault = not_told(&site).unwrap();
        let says =
            "the sidecar clip.json is not used: unknown field `titel`, expected one of `title`";
        assert!(fault.starts_with(says), "{fault}");
        let shown = site.output(&["job", "1"]);
        assert!(
            shown.contains("metadata      the sidecar clip.json is not used"),
            "{shown}"
        );
        assert!(site.log().contains("WARN") && site.log().contains(says));
        // A person has added something on the platform.
        let key = video["key"].as_str().unwrap();
        let (path, added): (String, &[&str]) = if api == "v1" {
            let path = "/videos/update".to_owned();
            (
                path,
                &["video_key", "custom.theirs=kept", "description=kept"],
            )
        } else {
            let told = r#"metadata={"custom_params":{"theirs":"kept","ingest_id":"gone"},"description":"kept"}"#;
            (format!("/media/{key}"), &["--method", "PATCH", told])
        };
        let keyed = format!("video_key={key}");
        let mut call = vec!["call", path.as_str()];
        call.extend(added.iter().map(|word| {
            if *word == "video_key" {
                keyed.as_str()
            } else {
                word
            }
        }));
        site.output(&call);
        let before = updates(&platform, api);
        write(
            &site,
            "clip.json",
            r#"{"title": "Fixed", "custom": {"desk": "west"}}"#,
        );
        let video = wait_title(&platform, "Fixed");
        assert_eq!(video["fields"]["author"], "Newsroom");
        assert_eq!(video["fields"]["description"], "kept");
        assert_eq!(video["custom"]["theirs"], "kept");
        assert_eq!(video["custom"]["desk"], "west");
        assert_marked(&site, &video);
        wait_for("the note to go", || not_told(&site).is_none().then_some(()));
        site.assert_exactly_one_each(&platform, &[file]);
        assert!(daemon_ends(&site, daemon));
        assert_eq!(updates(&platform, api), before + 1);
    }
}

#[test]
fn a_change_is_told_once_also_one_made_while_the_daemon_was_down() {
    for api in ["v1", "v2"] {
        let platform = Platform::start();
        let site = site(&platform, api, "");
        write(&site, "clip.json", r#"{"title": "One"}"#);
        site.drop_file("clip.mp4", b"\x01ne");
        let daemon = site.start();
        site.wait_done(1);
        let first = compared(&site);
        write(&site, "clip.json", r#"{"title": "Two"}"#);
        wait_title(&platform, "Two");
        // A daemon that is ended before it recorded the answer tells it again.
        wait_for("the record", || (compared(&site) != first).then_some(()));
        assert!(daemon_ends(&site, daemon));
        assert_eq!(updates(&platform, api), 1);
        // The same in other words; then something else.
        write(&site, "clip.json", " {\n \"title\":   \"Two\"}");
        assert!(site.command(&["run", "--until-idle"]).status.success());
        assert_eq!(updates(&platform, api), 1);
        write(&site, "clip.json", r#"{"title": "Three"}"#);
        assert!(site.command(&["run", "--until-idle"]).status.success());
        assert_eq!(told(&platform)["fields"]["title"], "Three");
        fs::remove_file(site.folder().join("clip.json")).unwrap();
        // Another rule concerns new videos only.
        let watch = "[[watch]]\nname = \"drop\"\npath = \"{folder}\"\nsettle = \"200ms\"\ntitle = \"new\"\n";
        if api == "v1" {
            site.configure(&platform, watch);
        }
        assert!(site.command(&["run", "--until-idle"]).status.success());
        assert_eq!(updates(&platform, api), 2);
        assert_eq!(told(&platform)["fields"]["title"], "Three");
    }
}

#[test]
fn a_file_that_is_renamed_is_told_what_the_sidecar_beside_it_says() {
    for api in ["v1", "v2"] {
        let platform = Platform::start();
        let site = site(&platform, api, "");
        let _daemon = site.start();
        let file = site.drop_file("a.mp4", b"\x01ontent");
        site.wait_done(1);
        // It is not requested: no video has its name.
        write(&site, "b.json", r#"{"title": "Beside b"}"#);
        fs::rename(&file, site.folder().join("b.mp4")).unwrap();
        wait_title(&platform, "Beside b");
        assert_eq!(updates(&platform, api), 1);
    }
}

#[test]
fn an_update_that_fails_is_tried_again_and_one_that_is_refused_is_noted() {
    let platform = Platform::start();
    let site = site(&platform, "v1", "");
    site.drop_file("clip.mp4", b"\x01ne");
    let daemon = site.start();
    site.wait_done(1);
    let unwell = json!({"kind": "status", "status": 503});
    platform.faults("update", Some(2), &unwell);
    write(&site, "clip.json", r#"{"title": "One"}"#);
    wait_title(&platform, "One");
    let refusal = json!({"kind": "status", "status": 400, "code": "ParameterInvalid"});
    platform.fault("update", refusal);
    write(&site, "clip.json", r#"{"title": "Two"}"#);
    // That of the 503 may be there still.
    wait_for("the refusal", || {
        let refused = "the platform refused what the sidecar says";
        not_told(&site).filter(|fault| fault.contains(refused))
    });
    assert_eq!(told(&platform)["fields"]["title"], "One");
    write(&site, "clip.json", r#"{"title": "Three"}"#);
    wait_title(&platform, "Three");
    assert!(daemon_ends(&site, daemon));
    assert_eq!(not_told(&site), None);
}

#[test]
fn metadata_that_the_platform_refuses_holds_no_video_up() {
    for (api, create, code) in [
        ("v1", "create", "ParameterInvalid"),
        ("v2", "v2-create", "invalid_body"),
    ] {
        let platform = Platform::start();
        let site = site(&platform, api, "category = \"Nonsense\"");
        let refusal = json!({"kind": "status", "status": 400, "code": code});
        platform.fault(create, refusal);
        let file = site.drop_file("clip.mp4", b"\x01ne");
        let daemon = site.start();
        site.wait_done(1);
        let fault = not_told(&site).unwrap();
        assert!(
            fault.contains("it was made with its title alone"),
            "{fault}"
        );
        let video = told(&platform);
        assert_eq!(
            (&video["fields"]["title"], &video["fields"]["category"]),
            (&json!("clip"), &Value::Null)
        );
        site.assert_exactly_one_each(&platform, &[file]);
        drop(daemon);
    }
}

#[test]
fn a_video_waits_for_its_companion() {
    for mode in ["events", "poll"] {
        let platform = Platform::start();
        let keys = format!(
            "mode = \"{mode}\"\npoll-interval = \"200ms\"\nwait-for = [\"{{stem}}.json\", \"{{name}}.srt\"]"
        );
        let site = site(&platform, "v1", &keys);
        let daemon = site.start();
        let file = site.drop_file("clip.mp4", b"\x01ne");
        write(&site, "clip.mp4.srt", "one of two");
        let path = file.to_str().unwrap();
        wait_for("the reason", || {
            let said = site.output(&["explain", path]);
            said.contains("a companion that wait-for names is missing")
                .then_some(())
        });
        assert!(platform.videos().is_empty());
        write(&site, "clip.json", r#"{"title": "Mine"}"#);
        site.wait_done(1);
        assert_eq!(told(&platform)["fields"]["title"], "Mine");
        assert_eq!(not_told(&site), None);
        site.assert_exactly_one_each(&platform, &[file]);
        drop(daemon);
    }
}

#[test]
fn a_video_whose_companion_does_not_come_goes_without() {
    let platform = Platform::start();
    let site = site(
        &platform,
        "v2",
        "wait-for = [\"{stem}.json\"]\nwait-timeout = \"2s\"",
    );
    let daemon = site.start();
    let began = std::time::Instant::now();
    let file = site.drop_file("clip.mp4", b"\x01ne");
    site.wait_done(1);
    assert!(began.elapsed() >= Duration::from_secs(2));
    let fault = not_told(&site).unwrap();
    assert_eq!(
        fault,
        "it was uploaded without clip.json, which did not appear within wait-timeout"
    );
    assert_eq!(told(&platform)["fields"]["title"], "clip");
    // It comes anyway.
    write(&site, "clip.json", r#"{"title": "Mine"}"#);
    wait_title(&platform, "Mine");
    wait_for("the note to go", || not_told(&site).is_none().then_some(()));
    site.assert_exactly_one_each(&platform, &[file]);
    assert!(Path::new(&site.folder().join("clip.json")).exists());
    drop(daemon);
}
