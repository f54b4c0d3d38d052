//! For the tests: a folder with a sound configuration, and what happens when it is changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::read::parse_with;
use super::super::reader::Look;
use super::super::{Config, Problems};

/// The least that a configuration must say; `{dir}` stands for the fixture's folder.
pub(in crate::config) const LEAST: &str = "\
[account.main]
key = \"abcd1234\"
secret-file = \"{dir}/secret\"

[[watch]]
name = \"news\"
path = \"{dir}/news\"
";

/// The secret that must appear nowhere.
pub(in crate::config) const SECRET: &str = "s3cretOfTheProperty";

/// A folder with `news/`, `news/deep/`, `sport/`, `link` to `news/`, and `secret`.
pub(in crate::config) struct Fixture(TempDir);

impl Fixture {
    pub(in crate::config) fn new() -> Self {
        let fixture = Self(TempDir::new().unwrap());
        fs::create_dir_all(fixture.path("news/deep")).unwrap();
        fs::create_dir(fixture.path("sport")).unwrap();
        std::os::unix::fs::symlink(fixture.path("news"), fixture.path("link")).unwrap();
        fixture.file("secret", &format!("{SECRET}\n"), 0o600);
        fixture
    }

    pub(in crate::config) fn path(&self, below: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(below)
    }

    /// Writes a file with the given mode.
    pub(in crate::config) fn file(&self, below: &str, text: &str, mode: u32) {
        fs::write(self.path(below), text).unwrap();
        fs::set_permissions(self.path(below), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Parses a text, with `{dir}` filled in; credentials are looked for in the fixture.
    pub(in crate::config) fn parse(&self, text: &str) -> Result<Config, Problems> {
        let credentials = Some(self.path("."));
        let look = Look::Everything {
            credentials,
            away: false,
        };
        self.parse_with(text, &look)
    }

    pub(in crate::config) fn parse_with(
        &self,
        text: &str,
        look: &Look,
    ) -> Result<Config, Problems> {
        let dir = self.0.path().canonicalize().unwrap();
        let text = text.replace("{dir}", &dir.display().to_string());
        parse_with(&text, Path::new("daemon.toml"), look)
    }

    /// Checks that [`LEAST`], with `find` replaced, gives one fault at `line` that says `says`;
    /// an empty `find` puts the replacement before it.
    pub(in crate::config) fn refuses(
        &self,
        (find, replace, line, says): (&str, &str, usize, &str),
    ) {
        let text = if find.is_empty() {
            format!("{replace}\n{LEAST}")
        } else {
            assert!(LEAST.contains(find), "{find} is not in the text");
            LEAST.replace(find, replace)
        };
        let problems = self.parse(&text).expect_err(replace);
        assert_eq!(problems.iter().count(), 1, "{replace}: {problems}");
        let shown = problems.to_string();
        assert!(
            shown.starts_with(&format!("daemon.toml:{line}: ")) && shown.contains(says),
            "{replace}\n{shown}\ndoes not say, in line {line}: {says}"
        );
        assert!(!shown.contains(SECRET), "{shown}");
    }
}
