//! Rules about the watched folders: each must be usable, and none may lie within another.
//!
//! Two watches that see one file would make two videos of it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::watch::Draft;
use crate::patience;

/// Why a folder cannot be used.
#[derive(Debug)]
pub(super) struct Fault {
    /// What is wrong with it, and what to do.
    pub(super) text: String,
    /// It may become right by itself, as when a share is mounted.
    pub(super) may_pass: bool,
}

/// The canonical path of a folder that is there and can be listed.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(super) fn usable(path: &Path) -> Result<PathBuf, Fault> {
    let shown = path.display();
    let unreachable = |fault: io::Error| Fault {
        text: match fault.kind() {
            io::ErrorKind::NotFound => {
                format!("{shown} does not exist; make the folder, or correct the path")
            }
            io::ErrorKind::PermissionDenied => format!(
                "{shown} cannot be reached: {fault}; let the daemon's user into it and every folder above"
            ),
            _ => format!("{shown} cannot be reached: {fault}"),
        },
        may_pass: true,
    };
    let canonical = path.canonicalize().map_err(unreachable)?;
    let found = fs::metadata(&canonical).map_err(unreachable)?;
    if !found.is_dir() {
        return Err(Fault {
            text: format!("{shown} is not a folder; name the folder that files are put into"),
            may_pass: false,
        });
    }
    // Listing needs one permission of the folder, and reaching what is in it another.
    let listed = fs::read_dir(&canonical).and_then(|_| fs::metadata(canonical.join(".")));
    match listed {
        Ok(_) => Ok(canonical),
        Err(fault) => Err(Fault {
            text: format!(
                "{shown} cannot be read: {fault}; let the daemon's user read and enter it, \
                 such as by its group (see SupplementaryGroups= in systemd)"
            ),
            may_pass: true,
        }),
    }
}

/// The canonical path of a folder, or what is written where nothing canonical is to be had in time:
/// a share whose server is gone must not stop a command that only asks for names.
pub(super) fn resolved_in_time(path: PathBuf) -> PathBuf {
    let asked = path.clone();
    let found = patience::within(PATIENCE, move || asked.canonicalize().ok());
    found.flatten().unwrap_or(path)
}

/// How long a folder may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Notes watches with one name, with one folder, or with one folder inside the other.
pub(super) fn check_distinct(drafts: &[Draft<'_>]) {
    for (at, draft) in drafts.iter().enumerate() {
        for earlier in drafts.iter().take(at) {
            check_pair(earlier, draft);
        }
    }
}

fn check_pair(earlier: &Draft<'_>, draft: &Draft<'_>) {
    if draft.name.is_some() && draft.name == earlier.name {
        let message = format!(
            "the same as that of {}; choose another",
            named(earlier, "name")
        );
        draft.section.fault("name", message);
    }
    let (Some(one), Some(two)) = (&earlier.path, &draft.path) else {
        return;
    };
    let relation = if one == two || same_folder(one, two) {
        "the same folder as that of"
    } else if two.starts_with(one) {
        "inside the folder of"
    } else if one.starts_with(two) {
        "around the folder of"
    } else {
        return;
    };
    let message = format!(
        "{relation} {}, so that a file would belong to both; keep the folders apart",
        named(earlier, "path")
    );
    draft.section.fault("path", message);
}

/// Whether two paths are one folder, as with a bind mount.
fn same_folder(one: &Path, two: &Path) -> bool {
    let (one, two) = (one.to_owned(), two.to_owned());
    let compared = patience::within(PATIENCE, move || {
        let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino()));
        matches!((identity(&one), identity(&two)), (Ok(one), Ok(two)) if one == two)
    });
    compared.unwrap_or(false)
}

/// What is wrong with a database in a watched folder: each of its writes would wake the watch.
pub(super) fn check_database(database: &Path, drafts: &[Draft<'_>]) -> Option<String> {
    let place = resolved(database);
    let within = |draft: &&Draft<'_>| {
        let folder = draft.path.as_ref();
        folder.is_some_and(|folder| place.starts_with(folder))
    };
    let draft = drafts.iter().find(within)?;
    Some(format!(
        "inside the folder of {}; put it elsewhere, such as \"/var/lib/jw-ingest/jobs.db\"",
        named(draft, "path")
    ))
}

/// A watch as messages name it, with the line of one of its keys.
fn named(draft: &Draft<'_>, key: &str) -> String {
    let title = draft.section.title();
    match draft.section.line_of(key) {
        Some(line) => format!("{title} in line {line}"),
        None => title.to_owned(),
    }
}

/// The path with all of it that exists made canonical.
pub(super) fn resolved(path: &Path) -> PathBuf {
    for there in path.ancestors() {
        if let (Ok(canonical), Ok(rest)) = (there.canonicalize(), path.strip_prefix(there)) {
            return canonical.join(rest);
        }
    }
    path.to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, LEAST};
    use super::super::reader::Look;

    #[test]
    fn unusable_folders_are_refused() {
        let fixture = Fixture::new();
        std::os::unix::fs::symlink(fixture.path("loop"), fixture.path("loop")).unwrap();
        for (path, says) in [
            ("news", "path: \"news\" is relative; write the whole path"),
            (
                "{dir}/none",
                "/none does not exist; make the folder, or correct the path",
            ),
            ("{dir}/secret", "/secret is not a folder"),
            (
                "{dir}/loop",
                "/loop cannot be reached: Too many levels of symbolic links",
            ),
        ] {
            fixture.refuses(("{dir}/news", path, 7, says));
        }
    }

    #[test]
    fn a_folder_that_is_away_may_be_waited_for() {
        let fixture = Fixture::new();
        let look = Look::Everything {
            credentials: Some(fixture.path(".")),
            away: true,
        };
        let of = |path: &str| {
            let text = LEAST.replace("{dir}/news", path);
            fixture.parse_with(&text, &look)
        };
        let config = of("{dir}/link/away/still").unwrap();
        assert_eq!(config.watches[0].path, fixture.path("news/away/still"));
        let refusal = of("{dir}/secret").unwrap_err().to_string();
        assert!(refusal.contains("is not a folder"), "{refusal}");
    }

    #[test]
    fn watches_that_would_share_files_are_refused() {
        let fixture = Fixture::new();
        for (name, path, line, says) in [
            (
                "other",
                "news",
                10,
                "path: the same folder as that of [[watch]] \"news\" in line 7",
            ),
            ("other", "news/", 10, "the same folder"),
            ("other", "link", 10, "the same folder"),
            (
                "other",
                "news/deep",
                10,
                "inside the folder of [[watch]] \"news\" in line 7",
            ),
            ("other", "link/deep", 10, "inside the folder"),
            ("other", ".", 10, "around the folder of [[watch]] \"news\""),
            (
                "news",
                "sport",
                9,
                "name: the same as that of [[watch]] \"news\" in line 6; choose another",
            ),
        ] {
            let watch =
                format!("{{dir}}/news\"\n[[watch]]\nname = \"{name}\"\npath = \"{{dir}}/{path}");
            fixture.refuses(("{dir}/news", &watch, line, says));
        }
    }

    #[test]
    fn folders_side_by_side_are_fine_even_if_one_name_begins_with_the_other() {
        let fixture = Fixture::new();
        std::fs::create_dir(fixture.path("news2")).unwrap();
        let second = "\n[[watch]]\nname = \"two\"\npath = \"{dir}/news2\"\n";
        let config = fixture.parse(&format!("{LEAST}{second}")).unwrap();
        assert_eq!(config.watches.len(), 2);
    }
}
