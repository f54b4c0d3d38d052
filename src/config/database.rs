//! `[database]`: where the job table lives.

use std::path::PathBuf;

use super::section::Section;
use super::value;

/// `[database]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Database {
    /// The SQLite file.
    pub path: PathBuf,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            path: PathBuf::from("/var/lib/jw-ingest/jobs.db"),
        }
    }
}

impl Database {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let path = section.get("path", value::absolute).unwrap_or(default.path);
        if path.is_dir() {
            let example = path.join("jobs.db");
            let message = format!(
                "a folder; write the file, such as {:?}",
                example.display().to_string()
            );
            section.fault("path", message);
        }
        Self { path }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::Fixture;
    use super::*;

    #[test]
    fn the_defaults_are_those_that_are_promised() {
        let path = "/var/lib/jw-ingest/jobs.db";
        assert_eq!(Database::default().path, PathBuf::from(path));
    }

    #[test]
    fn each_fault_is_refused_with_its_line_and_the_way_out() {
        let fixture = Fixture::new();
        for case in [
            (
                "",
                "[database]\npath = \"jobs.db\"",
                2,
                "\"jobs.db\" is relative; write the whole path, from the first /",
            ),
            (
                "",
                "[database]\npath = \"{dir}/sport\"",
                2,
                "a folder; write the file, such as",
            ),
            (
                "",
                "[database]\npath = \"{dir}/news/not-yet/jobs.db\"",
                2,
                "path: inside the folder of [[watch]] \"news\" in line 9; put it elsewhere",
            ),
            (
                "",
                "[database]\npath = \"{dir}/link/jobs.db\"",
                2,
                "inside the folder of [[watch]] \"news\"",
            ),
        ] {
            fixture.refuses(case);
        }
    }
}
