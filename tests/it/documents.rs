//! The documents are true where a program can tell: every link leads somewhere, and the tables of
//! `docs/configuration.md` have the keys and defaults of `daemon.example.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// README, the change log and everything in `docs/`.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![
        root().join("README.md"),
        root().join("packaging/CHANGELOG.md"),
    ];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        found.push(entry.unwrap().path());
    }
    found.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    found
}

/// The text without its fenced code, in which nothing is a link or a heading.
fn without_code(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter_map(|letter| match letter {
                ' ' => Some('-'),
                '-' | '_' => Some(letter),
                letter => letter.is_alphanumeric().then_some(letter),
            });
            kept.collect()
        })
        .collect()
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let (mut broken, mut followed) = (Vec::new(), 0);
    for document in documents() {
        let text = without_code(&read(&document));
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            followed += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => document.clone(),
                file => document.parent().unwrap().join(file),
            };
            let leads = path.exists()
                && (anchor.is_empty() || anchors(&without_code(&read(&path))).contains(anchor));
            if !leads {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these lead nowhere: {broken:#?}");
    assert!(followed > 50, "only {followed} links were found");
}

/// Section and key to the value that the example shows, which is the default or a sample.
fn example() -> BTreeMap<(String, String), String> {
    let key = Regex::new(r"^#?([a-z][a-z0-9-]*) = (.*)$").unwrap();
    let section = Regex::new(r"^#?\[+([a-z.]+)\]+$").unwrap();
    let (mut keys, mut current) = (BTreeMap::new(), String::new());
    for line in read(&root().join("daemon.example.toml")).lines() {
        if let Some(found) = section.captures(line) {
            found[1].clone_into(&mut current);
        } else if let Some(found) = key.captures(line) {
            keys.insert((current.clone(), found[1].to_owned()), found[2].to_owned());
        }
    }
    keys
}

/// The same of the tables in the document, which always has a default, in words where none is set.
fn tables() -> BTreeMap<(String, String), String> {
    let row = Regex::new(r"^\| `([a-z0-9-]+)` \| ([^|]+) \| ").unwrap();
    let section = Regex::new(r"^#+ `\[+([A-Za-z.]+)\]+`").unwrap();
    let (mut keys, mut current) = (BTreeMap::new(), String::new());
    for line in read(&root().join("docs/configuration.md")).lines() {
        if let Some(found) = section.captures(line) {
            current = found[1].replace("NAME", "main");
        } else if let Some(found) = row.captures(line) {
            keys.insert((current.clone(), found[1].to_owned()), found[2].to_owned());
        }
    }
    keys
}

#[test]
fn the_tables_of_the_configuration_are_those_of_the_example() {
    let (example, tables) = (example(), tables());
    let names: BTreeSet<_> = example.keys().collect();
    let documented: BTreeSet<_> = tables.keys().collect();
    assert_eq!(names, documented, "keys of the example and of the document");
    assert!(names.len() > 60, "only {} keys were found", names.len());
    // The example shows a use of it; its default is no use of a timetable.
    let sample = ("upload.timetable".to_owned(), "days".to_owned());
    let mut wrong = Vec::new();
    for (key, value) in example.iter().filter(|(key, _)| **key != sample) {
        // A default is code; what has none is said in words.
        let told = &tables[key];
        if told.starts_with('`') && *told != format!("`{value}`") {
            wrong.push(format!(
                "{key:?}: {value} in the example, {told} in the document"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
