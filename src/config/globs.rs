//! File name patterns, which can say which of them matched.
//!
//! A pattern without `/` is held against the file's name, one with `/` against its path below the
//! watched folder. Upper and lower case are the same, as cameras write `.MP4`.

#[cfg(test)]
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Patterns, with the text they came from, so that a message can name the one that decided.
#[derive(Debug, Clone)]
pub(crate) struct Globs {
    /// The patterns as written.
    pub patterns: Vec<String>,
    /// The same, compiled; index `i` belongs to `patterns[i]`.
    pub set: GlobSet,
}

impl Globs {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// A sentence about each pattern that is malformed, or could never match a file.
    pub(crate) fn new(patterns: Vec<String>) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut set = GlobSetBuilder::new();
        for pattern in &patterns {
            if let Some(fault) = never_matches(pattern) {
                faults.push(fault);
                continue;
            }
            let glob = GlobBuilder::new(pattern)
                .case_insensitive(true)
                .literal_separator(true)
                .build();
            match glob {
                Ok(glob) => {
                    set.add(glob);
                }
                Err(fault) => faults.push(format!(
                    "{pattern:?} is not a pattern ({}); write one like \"*.mp4\"",
                    fault.kind()
                )),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        match set.build() {
            Ok(set) => Ok(Self { patterns, set }),
            Err(fault) => Err(vec![format!("the patterns do not work together: {fault}")]),
        }
    }

    /// The first pattern that a file matches, by its path below the watched folder.
    #[cfg(test)]
    pub(crate) fn matching(&self, below: &Path) -> Option<&str> {
        let name = below.file_name()?;
        let by_name = self.set.matches(name);
        let by_path = self.set.matches(below);
        let numbered = self.patterns.iter().enumerate();
        numbered
            .filter(|(at, pattern)| {
                let matches = if pattern.contains('/') {
                    &by_path
                } else {
                    &by_name
                };
                matches.contains(at)
            })
            .map(|(_, pattern)| pattern.as_str())
            .next()
    }
}

/// What is wrong with a pattern that compiles, but that no file below a folder can match.
fn never_matches(pattern: &str) -> Option<String> {
    if pattern.is_empty() {
        return Some("an empty pattern matches nothing; write one like \"*.mp4\"".to_owned());
    }
    if let Some(folder) = pattern.strip_suffix('/') {
        return Some(format!(
            "{pattern:?} would match no file; for all that is in the folder, write {:?}",
            format!("{folder}/**")
        ));
    }
    let inside = pattern.trim_start_matches(['.', '/']);
    let outside = ["/", "./", "../"]
        .iter()
        .any(|way| pattern.starts_with(way));
    outside.then(|| {
        format!(
            "{pattern:?} would match nothing, as patterns begin below the watched folder; \
             write {inside:?}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(patterns: &[&str]) -> Result<Globs, Vec<String>> {
        Globs::new(patterns.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn names_the_pattern_that_matched() {
        let globs = globs(&["*.mp4", "raw/*.mov", "**/final/**", "{a,b}.[mt]s"]).unwrap();
        for (below, pattern) in [
            ("a.mp4", Some("*.mp4")),
            ("A.MP4", Some("*.mp4")),
            ("deep/er/a.mp4", Some("*.mp4")),
            ("raw/x.mov", Some("raw/*.mov")),
            ("x.mov", None),
            ("other/raw/x.mov", None),
            ("raw/deep/x.mov", None),
            ("show/final/x.bin", Some("**/final/**")),
            ("b.ts", Some("{a,b}.[mt]s")),
            ("a.mp4.part", None),
        ] {
            assert_eq!(globs.matching(Path::new(below)), pattern, "{below}");
        }
    }

    #[test]
    fn a_name_that_is_not_utf_8_matches_too() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let name = Path::new(OsStr::from_bytes(b"caf\xe9.mp4"));
        assert_eq!(globs(&["*.mp4"]).unwrap().matching(name), Some("*.mp4"));
    }

    #[test]
    fn patterns_that_cannot_work_are_refused() {
        for (pattern, says) in [
            ("[a", "not a pattern"),
            ("{a", "not a pattern"),
            ("", "empty"),
            ("drafts/", "write \"drafts/**\""),
            ("/news/*.mp4", "write \"news/*.mp4\""),
            ("../x", "write \"x\""),
        ] {
            let faults = globs(&["*.ok", pattern]).unwrap_err();
            assert_eq!(faults.len(), 1);
            assert!(faults[0].contains(says), "{pattern}: {}", faults[0]);
        }
    }
}
