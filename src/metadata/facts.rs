//! What the rules of a watch may name: the parts of a file's name, and when it was last changed.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use regex::Regex;

use super::clean;

/// What is known of one file.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its name without its ending.
    pub stem: String,
    /// Its name.
    pub name: String,
    /// Its folder below the watch folder, with `/` between the names; empty right in it.
    pub folder: String,
    /// The watch's name.
    pub watch: String,
    /// When its content was last changed, on the clock of this machine.
    pub changed: Zoned,
    /// What the named groups of `name-pattern` found in its name.
    pub groups: BTreeMap<String, String>,
}

impl Facts {
    /// The facts of a file below `root`. What is no UTF-8 in a name becomes U+FFFD.
    pub fn of(
        (watch, root): (&str, &Path),
        path: &Path,
        changed: Timestamp,
        pattern: Option<&Regex>,
    ) -> Self {
        let text = |part: Option<&std::ffi::OsStr>| {
            clean::composed(&part.unwrap_or_default().to_string_lossy())
        };
        let name = text(path.file_name());
        let folder = path
            .parent()
            .and_then(|folder| folder.strip_prefix(root).ok())
            .unwrap_or(Path::new(""));
        Self {
            stem: text(path.file_stem()),
            folder: text(Some(folder.as_os_str())),
            watch: watch.to_owned(),
            changed: changed.to_zoned(TimeZone::system()),
            groups: pattern.map_or_else(BTreeMap::new, |pattern| match_groups(pattern, &name)),
            name,
        }
    }

    /// What a video is called if its rule gives nothing.
    pub(super) fn fallback_title(&self) -> String {
        clean::clean_line(&self.stem).unwrap_or_else(|| "untitled".to_owned())
    }
}

fn match_groups(pattern: &Regex, name: &str) -> BTreeMap<String, String> {
    let Some(captures) = pattern.captures(name) else {
        return BTreeMap::new();
    };
    let names = pattern.capture_names().flatten();
    names
        .filter_map(|group| Some((group.to_owned(), captures.name(group)?.as_str().to_owned())))
        .collect()
}
