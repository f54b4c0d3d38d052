//! The floors of the house: which module may use which. Arrows point down only.
//!
//! Read from the `use` lines and paths of the product code. An edge that the table does not have is
//! refused; an edge that is not used any more leaves the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Each module and all that it may use, the ground floor first: a module may use only what is above
/// it here. `lib.rs` shows the same table.
const FLOORS: &[(&str, &[&str])] = &[
    ("address", &[]),
    ("clock", &[]),
    ("disposition", &[]),
    ("exit", &[]),
    ("hex", &[]),
    ("identity", &[]),
    ("patience", &[]),
    ("shutdown", &[]),
    ("status", &[]),
    ("telemetry", &[]),
    ("text", &[]),
    ("way", &[]),
    ("beneath", &["text"]),
    ("mounts", &["beneath", "text"]),
    ("sandbox", &["clock"]),
    ("metadata", &["beneath", "hex", "text"]),
    ("config", &["address", "metadata", "patience"]),
    (
        "queue",
        &[
            "clock",
            "disposition",
            "hex",
            "identity",
            "mounts",
            "status",
            "text",
            "way",
        ],
    ),
    (
        "platform",
        &[
            "address",
            "clock",
            "config",
            "disposition",
            "hex",
            "metadata",
            "status",
            "way",
        ],
    ),
    (
        "upload",
        &[
            "config",
            "disposition",
            "hex",
            "identity",
            "platform",
            "text",
            "way",
        ],
    ),
    (
        "watch",
        &["beneath", "clock", "config", "identity", "metadata", "text"],
    ),
    (
        "ingest",
        &[
            "address",
            "beneath",
            "clock",
            "config",
            "disposition",
            "hex",
            "identity",
            "metadata",
            "mounts",
            "platform",
            "queue",
            "text",
            "upload",
            "watch",
            "way",
        ],
    ),
    (
        "wording",
        &[
            "clock",
            "config",
            "disposition",
            "identity",
            "ingest",
            "patience",
            "platform",
            "queue",
            "text",
            "watch",
            "way",
        ],
    ),
    (
        "daemon",
        &[
            "clock", "config", "exit", "ingest", "queue", "shutdown", "text", "upload", "watch",
            "wording",
        ],
    ),
    (
        "commands",
        &[
            "clock",
            "config",
            "daemon",
            "disposition",
            "exit",
            "identity",
            "ingest",
            "patience",
            "platform",
            "queue",
            "sandbox",
            "shutdown",
            "text",
            "upload",
            "watch",
            "wording",
        ],
    ),
    ("cli", &["commands", "config", "exit", "telemetry"]),
];

/// The modules that a line of code names by `crate::`, also in a list in braces. What is no module
/// is in `lib.rs` itself, which is below all of them.
fn used_in(code: &str, modules: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => first_names(list),
            None => vec![first_name(rest)],
        };
        used.extend(
            names
                .into_iter()
                .filter(|name| modules.contains(name.as_str())),
        );
    }
    used
}

fn first_name(path: &str) -> String {
    let letters = path.chars();
    letters
        .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
        .collect()
}

/// The first name of each entry of a list whose opening brace was read.
fn first_names(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut is_start) = (0, Vec::new(), true);
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_start = true,
            _ if is_start && !letter.is_whitespace() => {
                names.push(first_name(&list[at..]));
                is_start = false;
            }
            _ => {}
        }
    }
    names
}

/// All Rust files below a path, or the file itself.
fn sources(path: &Path, found: &mut Vec<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            sources(&entry.unwrap().path(), found);
        }
    } else if path
        .extension()
        .is_some_and(|ending| ending == "rs" && !is_test(path))
    {
        found.push(without_comments(&fs::read_to_string(path).unwrap()));
    }
}

/// Whether a whole file is a test: it is in a folder `tests`.
pub(crate) fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests")
}

#[test]
fn modules_have_one_form() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for folder in ["src", "tests", "benches"] {
        check_form(&root.join(folder), &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A module with children is `name/mod.rs`, and a file that is only compiled for tests is in
/// `tests/`.
fn check_form(folder: &Path, wrong: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check_form(&path, wrong);
            continue;
        }
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        if path.with_extension("").is_dir() {
            let form = path.with_extension("").join("mod.rs");
            wrong.push(format!("{}: should be {}", path.display(), form.display()));
        }
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let is_product = path.starts_with(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
        let strays = lines.windows(2).filter(|pair| {
            let is_file = pair[1].ends_with(';') && pair[1].contains("mod ");
            is_product && pair[0] == "#[cfg(test)]" && is_file && !pair[1].ends_with("mod tests;")
        });
        wrong.extend(
            strays.map(|pair| format!("{}: {} should be in tests/", path.display(), pair[1])),
        );
        if text.contains("\n#[path") {
            wrong.push(format!(
                "{}: #[path] hides where a module is",
                path.display()
            ));
        }
    }
}

/// The product code of a file: no comments, and nothing after its own test module begins.
pub(crate) fn without_comments(text: &str) -> String {
    let product = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = product
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What each module uses.
fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let modules: BTreeSet<&str> = FLOORS.iter().map(|(name, _)| *name).collect();
    let mut edges = BTreeMap::new();
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "lib" || name == "main" {
            continue;
        }
        let mut texts = Vec::new();
        sources(&path, &mut texts);
        let mut used: BTreeSet<String> = texts
            .iter()
            .flat_map(|text| used_in(text, &modules))
            .collect();
        used.remove(&name);
        edges
            .entry(name)
            .or_insert_with(BTreeSet::new)
            .append(&mut used);
    }
    edges
}

#[test]
fn modules_use_only_what_is_below_them() {
    let edges = edges();
    let table: BTreeMap<&str, BTreeSet<&str>> = FLOORS
        .iter()
        .map(|(name, uses)| (*name, uses.iter().copied().collect()))
        .collect();
    assert_eq!(
        edges.keys().map(String::as_str).collect::<Vec<_>>(),
        table.keys().copied().collect::<Vec<_>>(),
        "the modules of the crate and those of the table"
    );
    let mut wrong = Vec::new();
    for (name, used) in &edges {
        let allowed = &table[name.as_str()];
        for other in used {
            if !allowed.contains(other.as_str()) {
                wrong.push(format!(
                    "{name} uses {other}, which the table does not allow"
                ));
            }
        }
        for other in allowed {
            if !used.contains(*other) {
                wrong.push(format!("{name} does not use {other} any more: take it out"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_of_floors_points_down_only() {
    let mut below = BTreeSet::new();
    for (name, uses) in FLOORS {
        for other in *uses {
            assert!(
                below.contains(other),
                "{name} uses {other}, which is not below it"
            );
        }
        below.insert(name);
    }
}

#[test]
fn paths_are_read_from_all_forms_of_use() {
    let modules = BTreeSet::from(["queue", "clock", "text", "watch"]);
    let code = "use crate::queue::{Error, Job};\nuse crate::{chain, clock,\n    text::{line, path}};\n\
                fn look() { crate::watch::status(); }";
    let used = used_in(code, &modules);
    assert_eq!(
        used.into_iter().collect::<Vec<_>>(),
        ["clock", "queue", "text", "watch"]
    );
}
