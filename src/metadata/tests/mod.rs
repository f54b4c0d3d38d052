use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::beneath::Folder;
use crate::metadata::sidecar::{self, Beside};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn facts(path: &Path, pattern: Option<&str>) -> Facts {
    let pattern = pattern.map(|text| Regex::new(text).unwrap());
    let changed = at("2026-11-22T12:00:00Z");
    Facts::of(("news", Path::new("/v")), path, changed, pattern.as_ref())
}

fn filled(template: &str, path: &str, pattern: Option<&str>) -> String {
    let facts = facts(Path::new(path), pattern);
    let pattern = pattern.map(|text| Regex::new(text).unwrap());
    let names: Vec<&str> = pattern
        .iter()
        .flat_map(|pattern| pattern.capture_names().flatten())
        .collect();
    Template::parse(template, &names).unwrap().fill(&facts)
}

#[test]
fn templates_name_all_parts_of_a_path() {
    for (template, text) in [
        ("{stem}", "Harbour.v2"),
        ("{name}", "Harbour.v2.mp4"),
        ("{folder}: {watch}", "sport/2026: news"),
        ("{{{stem}}}", "{Harbour.v2}"),
        ("plain", "plain"),
        ("", ""),
        ("{mtime:%Y-%m}", "2026-11"),
    ] {
        assert_eq!(filled(template, "/v/sport/2026/Harbour.v2.mp4", None), text);
    }
    assert_eq!(filled("[{folder}]", "/v/a.mp4", None), "[]");
    assert_eq!(filled("[{folder}]", "/elsewhere/a.mp4", None), "[]");
}

#[test]
fn groups_come_from_the_name_and_are_empty_where_it_does_not_match() {
    let pattern = Some(r"^(?<show>[a-z]+)_(?<date>\d{8})(?:_(?<part>\d))?");
    let path = "/v/tonight_20261122.mp4";
    assert_eq!(
        filled("{show} of {date}, {part}", path, pattern),
        "tonight of 20261122, "
    );
    let rules = Rules {
        title: Template::parse("{show}", &["show"]).unwrap(),
        ..Rules::default()
    };
    for (name, title) in [
        ("tonight_20261122.mp4", "tonight"),
        ("x.mp4", "x"),
        (" .mp4", "untitled"),
    ] {
        let facts = facts(Path::new(name), pattern);
        assert_eq!(describe(&rules, &facts, &Sidecar::default()).title, title);
    }
}

#[test]
fn a_template_that_cannot_be_filled_is_refused() {
    for (template, says) in [
        (
            "{stm}",
            "unknown placeholder {stm}; expected one of: {stem}, {name}, {folder}, {watch}, \
             {mtime:%Y-%m-%d}, {show}",
        ),
        ("{stem", "an unpaired brace; write {{ or }}"),
        ("stem}", "an unpaired brace"),
        ("{}", "unknown placeholder {}"),
        ("{mtime}", "{mtime} needs a format"),
        ("{mtime:}", "{mtime:} has no format"),
        ("{mtime:%!}", "has no format of a date"),
    ] {
        let fault = Template::parse(template, &["show"]).unwrap_err();
        assert!(fault.contains(says), "{template}: {fault}");
    }
    let fault = Template::parse("{show}", &[]).unwrap_err();
    assert!(
        fault.ends_with("and the named groups of name-pattern"),
        "{fault}"
    );
}

#[test]
fn names_that_are_no_utf8_or_decomposed_give_composed_titles() {
    let rules = Rules::default();
    for (name, title) in [
        ("E\u{301}te\u{301}.mp4".as_bytes(), "\u{c9}t\u{e9}"),
        (b"two\nlines.mp4", "two lines"),
        (b"caf\xe9.mp4", "caf\u{fffd}"),
        (b"-rf.mp4", "-rf"),
        ("\u{1f3a5} #?%&.mov".as_bytes(), "\u{1f3a5} #?%&"),
        (b"{stem}.mp4", "{stem}"),
    ] {
        let facts = facts(Path::new(OsStr::from_bytes(name)), None);
        assert_eq!(describe(&rules, &facts, &Sidecar::default()).title, title);
    }
}

#[test]
fn a_date_that_a_rule_did_not_give_is_said_unless_the_sidecar_has_one() {
    let rules = Rules {
        publish_date: Some(Template::stem()),
        ..Rules::default()
    };
    let good = describe(
        &rules,
        &facts(Path::new("/v/20261122.mp4"), None),
        &Sidecar::default(),
    );
    assert_eq!(good.metadata.publish_date, date::parse_date("2026-11-22"));
    assert_eq!(good.fault, None);
    let bad = facts(Path::new("/v/soon.mp4"), None);
    let told = describe(&rules, &bad, &Sidecar::default());
    assert_eq!(told.metadata.publish_date, None);
    assert_eq!(
        told.fault.as_deref(),
        Some("publish-date became \"soon\", which is not a date, and was not sent")
    );
    let dated = read(".json", br#"{"publish-date": "2026-11-22T18:00:00Z"}"#);
    let told = describe(&rules, &bad, &dated.sidecar);
    assert_eq!(
        (told.metadata.publish_date, told.fault),
        (Some(at("2026-11-22T18:00:00Z")), None)
    );
}

fn beside(video: &Path) -> Beside {
    let folder = Folder::root(video.parent().unwrap()).unwrap();
    sidecar::beside(&folder.place(video.file_name().unwrap()))
}

/// What is made of a sidecar with this ending and content.
fn read(ending: &str, content: &[u8]) -> Beside {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(format!("clip{ending}")), content).unwrap();
    beside(&dir.path().join("clip.mp4"))
}

#[test]
fn json_and_toml_say_the_same() {
    let json = read(
        ".json",
        "\u{feff}{\"title\": \"E\u{301}te\u{301}\", \"description\": \"a\\nb\", \"author\": \"\",
          \"tags\": [\"x, y\", 7, \"x\"], \"category\": null,
          \"custom\": {\"episode\": 12, \"live\": true, \"none\": \"\"},
          \"publish-date\": \"2026-11-22T18:00:00+01:00\"}"
            .as_bytes(),
    );
    let toml = read(
        ".toml",
        "title = \"\u{c9}t\u{e9}\"\ndescription = \"a\\nb\"\ntags = [\"x\", \"y\", \"7\"]\n\
         publish-date = 2026-11-22T18:00:00+01:00\n[custom]\nepisode = 12\nlive = true\n"
            .as_bytes(),
    );
    assert_eq!((&json.fault, &toml.fault), (&None, &None));
    assert_eq!(json.sidecar, toml.sidecar);
    assert!(json.digest.is_some() && json.digest == toml.digest);
    assert_eq!(json.sidecar.title().as_deref(), Some("\u{c9}t\u{e9}"));
    let expected = Metadata {
        description: Some("a\nb".to_owned()),
        author: None,
        tags: ["x", "y", "7"].map(str::to_owned).to_vec(),
        category: None,
        publish_date: Some(at("2026-11-22T17:00:00Z")),
        custom: BTreeMap::from([
            ("episode".to_owned(), "12".to_owned()),
            ("live".to_owned(), "true".to_owned()),
        ]),
    };
    assert_eq!(json.sidecar.metadata(), expected);
    assert_ne!(json.digest, read(".json", b"{}").digest);
    assert!(read(".json", b"{}").sidecar.is_empty());
}

#[test]
fn what_is_wrong_with_a_sidecar_is_said() {
    let long = [b"{\"title\": \"", &b"x".repeat(64 * 1024)[..], b"\"}"].concat();
    let cases: [(&str, &[u8], &str); 14] = [
        (
            ".json",
            b"{\"titel\": \"x\"}",
            "unknown field `titel`, expected one of `title`, `description`, `author`, `tags`, `category`, `custom`, `publish-date`",
        ),
        (
            ".toml",
            b"\ntitel = \"x\"",
            "unknown field `titel`, expected one of",
        ),
        (
            ".json",
            b"{\"title\": \"x\"",
            "EOF while parsing an object at line 1",
        ),
        (".json", b"", "expected an object like {"),
        (".json", b"[]", "expected an object like {"),
        (".toml", b"title = \"a\"\ntitle =", "at line 2"),
        (".json", b"{\"tags\": \"a\"}", "expected a sequence"),
        (".json", b"{\"title\": {}}", "expected a text in quotes"),
        (".json", b"{\"title\": \"caf\xe9\"}", "it is not UTF-8"),
        (
            ".json",
            b"{\"publish-date\": \"soon\"}",
            "publish-date: \"soon\" is not a date; write one like",
        ),
        (
            ".json",
            b"{\"custom\": {\"ingest_id\": \"x\"}}",
            "custom: the name \"ingest_id\" is jw-ingest's own",
        ),
        (
            ".json",
            b"{\"custom\": {\"a b\": \"x\"}}",
            "\"a b\" is not a valid name for a custom field",
        ),
        (".json", &long, "it is longer than 64 KiB"),
        (
            ".json",
            b"{\"title\": \"a\", \"title\": \"b\"}",
            "duplicate field `title`",
        ),
    ];
    for (ending, content, says) in cases {
        let read = read(ending, content);
        let fault = read.fault.unwrap();
        let whose = format!("the sidecar clip{ending} is not used: ");
        assert!(fault.starts_with(&whose) && fault.contains(says), "{fault}");
        assert!(
            fault.chars().count() < 600 && !fault.contains('\n'),
            "{fault}"
        );
        assert_eq!((read.digest, read.sidecar), (None, Sidecar::default()));
    }
    let deep = b"[".repeat(60_000);
    assert!(read(".json", &deep).fault.is_some() && read(".toml", &deep).fault.is_some());
}

#[test]
fn the_first_of_several_counts_and_no_other_file_does() {
    let dir = tempfile::tempdir().unwrap();
    let (video, at) = (dir.path().join("clip.mp4"), |name: &str| {
        dir.path().join(name)
    });
    assert!(beside(&video).fault.is_none() && beside(&video).digest.is_none());
    fs::write(at("clip.toml"), "title = \"4\"").unwrap();
    for (name, title) in [
        ("clip.json", "3"),
        ("clip.mp4.toml", "2"),
        ("clip.mp4.json", "1"),
    ] {
        let text = if name.ends_with("json") {
            format!("{{\"title\": \"{title}\"}}")
        } else {
            format!("title = \"{title}\"")
        };
        fs::write(at(name), text).unwrap();
        assert_eq!(beside(&video).sidecar.title().as_deref(), Some(title));
    }
    fs::remove_file(at("clip.mp4.json")).unwrap();
    std::os::unix::fs::symlink(at("clip.json"), at("clip.mp4.json")).unwrap();
    let fault = beside(&video).fault.unwrap();
    assert!(fault.ends_with("it is not a regular file"), "{fault}");
    let long = dir.path().join("x".repeat(253) + "é");
    assert!(
        beside(&long).fault.is_none(),
        "no name has room for an ending"
    );
}

#[test]
fn sidecars_are_known_by_their_names() {
    for (name, video, belongs) in [
        ("clip.json", "clip.mp4", true),
        ("clip.mp4.toml", "clip.mp4", true),
        ("clip.json", "clip.de.mp4", false),
        ("clip.json", "clip", true),
        ("clip.jw.json", "clip.jw", false),
        ("clip.JSON", "clip.mp4", false),
        (".json", ".mp4", false),
        (".clip.json", ".clip.mp4", false),
    ] {
        let found = sidecar::belongs(OsStr::new(name), Path::new(video));
        assert_eq!(found, belongs, "{name} of {video}");
    }
    assert!(!sidecar::is_one(OsStr::new("clip.mp4")));
    assert!(sidecar::is_one(OsStr::from_bytes(b"caf\xe9.json")));
}

proptest! {
    #[test]
    fn no_name_breaks_a_template(
        name in prop::collection::vec(1_u8..=255, 1..60),
        template in "[a-z{}: %]{0,20}|\\{stem\\} \\{folder\\} \\{g\\}",
    ) {
        let name: Vec<u8> = name.into_iter().filter(|byte| *byte != b'/').collect();
        let path = Path::new("/v").join(OsStr::from_bytes(&name));
        let facts = facts(&path, Some("(?<g>.[0-9])"));
        if let Ok(title) = Template::parse(&template, &["g"]) {
            let rules = Rules { title, ..Rules::default() };
            let told = describe(&rules, &facts, &Sidecar::default());
            prop_assert!(!told.title.is_empty() && told.title.chars().count() <= clean::LINE);
            prop_assert_eq!(&clean::composed(&told.title), &told.title);
            prop_assert!(!told.title.chars().any(char::is_control));
        }
    }

    #[test]
    fn no_content_breaks_a_sidecar(content in prop::collection::vec(any::<u8>(), 0..200)) {
        for ending in [".json", ".toml"] {
            let found = read(ending, &content);
            prop_assert!(found.fault.is_some() != found.digest.is_some());
        }
    }
}
