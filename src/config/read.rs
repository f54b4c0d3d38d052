//! From the text of a file to a [`Config`], or to everything that is wrong with it.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::account::{self, Account};
use super::afterwards;
use super::file;
use super::folders;
use super::problem::Problems;
use super::reader::{Look, Reader};
use super::section::Section;
use super::watch::Draft;
use super::{Config, Confirm, Database, Outline, Retry, Upload};

/// Reads the configuration, with the secrets, and looks whether the folders are there.
///
/// # Errors
/// Every fault at once; the exit code for them is [`crate::exit::Exit::Config`].
pub(crate) fn load(path: &Path) -> Result<Config, Problems> {
    parse(&file::text_of(path)?, path)
}

/// Like [`load`], but a folder may be away: the daemon waits for it.
///
/// # Errors
/// Every other fault at once.
pub(crate) fn load_to_wait(path: &Path) -> Result<Config, Problems> {
    let credentials = credentials();
    let look = Look::Everything {
        credentials,
        away: true,
    };
    parse_with(&file::text_of(path)?, path, &look)
}

/// Like [`load`], from a text that is already in memory; `file` is for the messages.
pub(crate) fn parse(text: &str, file: &Path) -> Result<Config, Problems> {
    let credentials = credentials();
    let look = Look::Everything {
        credentials,
        away: false,
    };
    parse_with(text, file, &look)
}

fn credentials() -> Option<PathBuf> {
    env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// Reads the configuration without its secrets, and without looking at the folders.
///
/// For commands such as `jobs` that run without access to the secret, or while a share is offline.
///
/// # Errors
/// Every fault of the text at once.
pub(crate) fn load_outline(path: &Path) -> Result<Outline, Problems> {
    let text = file::text_of(path)?;
    let reader = Reader::new(path, &text, &Look::TextOnly);
    let (outline, _) = read_all(&reader)?;
    reader.problems().map_or(Ok(outline), Err)
}

/// Like [`load_outline`], but only what `[database]` says must be right: for commands that read the job table, also
/// while a person is editing the file, or a daemon refuses it. What else is wrong comes with it.
///
/// # Errors
/// The file is not TOML, or its `[database]` is wrong.
pub(crate) fn load_to_read(path: &Path) -> Result<(Outline, Option<Problems>), Problems> {
    let text = file::text_of(path)?;
    let reader = Reader::new(path, &text, &Look::TextOnly);
    let (outline, _) = read_all(&reader)?;
    let problems = reader.problems();
    let is_of_database = |problems: &Problems| {
        let mut all = problems.iter();
        all.any(|problem| problem.section == "[database]")
    };
    match problems {
        Some(problems) if is_of_database(&problems) => Err(problems),
        problems => Ok((outline, problems)),
    }
}

pub(super) fn parse_with(text: &str, file: &Path, look: &Look) -> Result<Config, Problems> {
    let reader = Reader::new(file, text, look);
    let (outline, accounts) = read_all(&reader)?;
    reader.problems().map_or(Ok(()), Err)?;
    Ok(Config {
        file: outline.file,
        database: outline.database,
        accounts,
        upload: outline.upload,
        retry: outline.retry,
        confirm: outline.confirm,
        watches: outline.watches,
    })
}

/// Reads everything; faults beyond the syntax gather in the reader.
///
/// # Errors
/// The faults of the syntax alone: what follows them in the text cannot be trusted.
fn read_all(reader: &Reader<'_>) -> Result<(Outline, BTreeMap<String, Account>), Problems> {
    let (table, faults) = DeTable::parse_recoverable(reader.text);
    for fault in &faults {
        let line = fault.span().map(|span| reader.line(&span));
        reader.fault(line, "", None, format!("not TOML: {}", fault.message()));
    }
    reader.problems().map_or(Ok(()), Err)?;

    let mut top = Section::new(reader, "", String::new(), None, table.get_ref());
    let (database, database_section) = read_database(&mut top);
    let upload = read_section(&mut top, "upload", Upload::read);
    let retry = read_section(&mut top, "retry", Retry::read);
    let confirm = read_section(&mut top, "confirm", Confirm::read);
    let accounts = account::read_all(&mut top);
    let watches = top.listed_tables("watch");
    if watches.is_empty() && !top.has("watch") {
        top.fault_here("no folder to watch; write a section [[watch]] with name and path");
    }
    let drafts = watches.into_iter().map(Draft::read).collect::<Vec<_>>();
    folders::check_distinct(&drafts);
    afterwards::check_folders(&drafts);
    if let Some(message) = folders::check_database(&database.path, &drafts) {
        match &database_section {
            Some(section) => section.fault("path", message),
            None => top.fault_here(format!("[database] path is {message}")),
        }
    }
    if let Some(section) = database_section {
        section.finish();
    }
    top.finish();
    let watches = drafts
        .into_iter()
        .filter_map(|draft| draft.finish(&accounts));
    let watches = watches.collect();
    let accounts: BTreeMap<String, Account> = accounts
        .into_iter()
        .filter_map(|(name, account)| Some((name, account?)))
        .collect();
    let identities = accounts
        .iter()
        .map(|(name, account)| (name.clone(), account.identity()));
    let outline = Outline {
        file: reader.file.to_path_buf(),
        database,
        upload,
        retry,
        confirm,
        watches,
        identities: identities.collect(),
    };
    Ok((outline, accounts))
}

/// `[database]`, with its section kept open for what the watches have to say about it.
fn read_database<'a>(top: &mut Section<'a>) -> (Database, Option<Section<'a>>) {
    let mut section = top.table("database");
    let database = section.as_mut().map(Database::read).unwrap_or_default();
    (database, section)
}

/// A section that may be left out, with everything at its default.
fn read_section<T: Default>(
    top: &mut Section<'_>,
    key: &'static str,
    read: impl FnOnce(&mut Section<'_>) -> T,
) -> T {
    let Some(mut section) = top.table(key) else {
        return T::default();
    };
    let value = read(&mut section);
    section.finish();
    value
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::super::tests::fixture::{Fixture, LEAST, SECRET};
    use super::super::{Api, Method};
    use super::*;

    #[test]
    fn the_least_configuration_has_every_default() {
        let fixture = Fixture::new();
        let config = fixture.parse(LEAST).unwrap();
        assert_eq!(config.database, Database::default());
        assert_eq!(config.upload, Upload::default());
        assert_eq!(config.retry, Retry::default());
        assert_eq!(config.confirm, Confirm::default());
        let [watch] = config.watches.as_slice() else {
            panic!("{:?}", config.watches)
        };
        assert_eq!(
            (watch.name.as_str(), watch.account.as_str()),
            ("news", "main")
        );
        assert_eq!(watch.path, fixture.path("news"));
        assert_eq!(watch.settle, Duration::from_secs(10));
        assert_eq!(watch.method, Method::Auto);
        assert!(watch.recursive && watch.exclude.patterns.is_empty());
        assert_eq!(watch.include.matching(Path::new("x/A.MOV")), Some("*.mov"));
        let Api::V1 { key, base_url, .. } = &config.accounts["main"].api else {
            panic!("{:?}", config.accounts)
        };
        assert_eq!(key, "abcd1234");
        assert_eq!(base_url.as_str(), "https://api.jwplatform.com/v1");
    }

    #[test]
    fn only_the_database_must_be_right_to_read_its_table() {
        let fixture = Fixture::new();
        let load = |text: String| {
            let file = fixture.path("read.toml");
            let dir = fixture.path("").display().to_string();
            let text = text.replace("{dir}", dir.trim_end_matches('/'));
            std::fs::write(&file, text).unwrap();
            load_to_read(&file)
        };
        let (outline, faults) = load(LEAST.to_owned()).unwrap();
        assert!(faults.is_none() && outline.watches.len() == 1);
        let here = "[database]\npath = \"/srv/jobs.db\"\n";
        let (outline, faults) = load(format!("{here}{LEAST}\nsetle = \"1s\"\n")).unwrap();
        assert_eq!(outline.database.path, Path::new("/srv/jobs.db"));
        assert!(faults.unwrap().to_string().contains("setle"));
        let relative = here.replace("/srv/", "");
        let faults = load(format!("{relative}{LEAST}")).unwrap_err();
        assert!(faults.to_string().contains("relative"), "{faults}");
        assert!(load(format!("{LEAST}\n[[")).is_err());
    }

    #[test]
    fn the_secret_is_never_printed() {
        let config = Fixture::new().parse(LEAST).unwrap();
        let shown = format!("{config:?} {config:#?}");
        assert!(
            shown.contains("REDACTED") && !shown.contains(SECRET),
            "{shown}"
        );
    }

    #[test]
    fn what_is_no_known_section_is_refused() {
        let fixture = Fixture::new();
        for case in [
            (
                "",
                "[uplaod]",
                1,
                "unknown section \"uplaod\"; did you mean \"upload\"? expected one of: account, confirm, database, retry, upload, watch",
            ),
            (
                "",
                "upload = 3",
                1,
                "upload: expected a section [upload], not a number",
            ),
            ("", "[retry\n", 1, "not TOML: "),
            ("", "[retry]\n[retry]", 2, "not TOML: duplicate key"),
        ] {
            fixture.refuses(case);
        }
    }

    #[test]
    fn all_faults_are_told_at_once_in_the_order_of_the_file() {
        let text = "[retry]\nmax-delay = 7\nfrist-delay = \"1s\"\n[account.main]\napi = \"v3\"\n\
                    [[watch]]\nname = \"a\"\npath = \"in\"\nsettle = \"0s\"\naccount = \"mian\"\n";
        let problems = Fixture::new().parse(text).unwrap_err();
        let lines: Vec<_> = problems.iter().filter_map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 3, 5, 8, 9, 10], "{problems}");
        assert_eq!(problems.to_string().lines().count(), 6, "{problems}");
    }

    #[test]
    fn an_empty_file_says_what_is_needed() {
        let problems = Fixture::new().parse("").unwrap_err().to_string();
        assert_eq!(
            problems,
            "daemon.toml: no account; write a section [account.main] with key and secret-file\n\
             daemon.toml: no folder to watch; write a section [[watch]] with name and path"
        );
    }

    #[test]
    fn an_outline_needs_neither_the_secret_nor_the_folders() {
        let fixture = Fixture::new();
        let text = LEAST.replace("{dir}", "/not/there");
        fixture.file("daemon.toml", &text, 0o644);
        let outline = load_outline(&fixture.path("daemon.toml")).unwrap();
        assert_eq!(outline.watches[0].path, Path::new("/not/there/news"));
        fixture.file("daemon.toml", &text.replace("name", "nmae"), 0o644);
        let refusal = load_outline(&fixture.path("daemon.toml")).unwrap_err();
        assert!(
            refusal.to_string().contains("did you mean \"name\"?"),
            "{refusal}"
        );
    }

    #[test]
    fn another_database_needs_a_restart_and_nothing_else_does() {
        let fixture = Fixture::new();
        let config = fixture.parse(LEAST).unwrap();
        let other = format!("[retry]\nmax-delay = \"2h\"\n{LEAST}");
        assert_eq!(config.needs_restart(&fixture.parse(&other).unwrap()), None);
        let other = format!("[database]\npath = \"{{dir}}/other.db\"\n{LEAST}");
        let other = fixture.parse(&other).unwrap();
        assert_eq!(config.needs_restart(&other), Some("database.path"));
    }

    const EXAMPLE: &str = include_str!("../../daemon.example.toml");

    /// The example, with the two things changed that exist on the operator's machine only.
    fn example() -> String {
        EXAMPLE
            .replace("/etc/jw-ingest/secret", "{dir}/secret")
            .replace("/srv/video/news", "{dir}/news")
            .replace("XOqEAfxj", "abcd1234")
    }

    #[test]
    fn the_example_equals_the_defaults() {
        let fixture = Fixture::new();
        let example = fixture.parse(&example()).unwrap();
        let defaults = fixture.parse(LEAST).unwrap();
        assert_eq!(format!("{example:#?}"), format!("{defaults:#?}"));
    }

    /// The example with all that is commented out in it.
    fn full_example() -> String {
        let lines = example();
        let open = lines.lines().map(|line| match line.strip_prefix('#') {
            Some(written) if !written.starts_with(' ') => written,
            _ => line,
        });
        open.flat_map(|line| [line, "\n"]).collect()
    }

    #[test]
    fn the_example_names_every_key_that_the_code_knows() {
        let look = Look::TextOnly;
        let without = |key: &str| -> String {
            let text = full_example();
            let lines = text.lines().filter(|line| !line.starts_with(key));
            lines.flat_map(|line| [line, "\n"]).collect()
        };
        let v1 = without("site =");
        let v2 = without("key =").replace("\"v1\"", "\"v2\"");
        let mut known = BTreeSet::new();
        for text in [&v1, &v2] {
            let reader = Reader::new(Path::new("daemon.toml"), text, &look);
            drop(read_all(&reader).unwrap());
            known.extend(reader.known());
        }
        assert!(known.contains(&("account", "site")), "{known:?}");
        assert!(known.contains(&("ftp", "key-wait")), "{known:?}");
        assert!(known.len() > 30, "{known:?}");
        let text = full_example();
        let kinds: BTreeSet<&str> = known.iter().map(|(kind, _)| *kind).collect();
        // `[account.main]` is of the kind "account", `[[upload.timetable]]` of "timetable".
        let kind_of = |section: &str| -> String {
            let name = section.trim_start_matches('[').split(']').next().unwrap();
            let kind = name.rsplit('.').find(|part| kinds.contains(part));
            kind.unwrap_or_default().to_owned()
        };
        for (kind, key) in known.iter().filter(|(kind, _)| !kind.is_empty()) {
            let sections = text.split("\n[").skip(1);
            let of_kind: Vec<_> = sections
                .filter(|section| kind_of(section) == *kind)
                .collect();
            let named = of_kind.iter().any(|section| {
                let mut lines = section.lines();
                lines.any(|line| line.starts_with(&format!("{key} = ")))
            });
            assert!(of_kind.len() == 1, "one section of kind {kind}");
            assert!(
                named || kinds.contains(key),
                "[{kind}] {key} is not in the example"
            );
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_refused_or_read_but_never_a_panic() {
        let refused = EXAMPLE.char_indices().filter(|(at, _)| {
            let (text, _) = EXAMPLE.split_at(*at);
            let reader = Reader::new(Path::new("daemon.toml"), text, &Look::TextOnly);
            read_all(&reader).is_err() || reader.problems().is_some()
        });
        // Until the watch has its path, the file says too little.
        assert!(refused.count() > EXAMPLE.find("path = \"/srv").unwrap());
    }
}
