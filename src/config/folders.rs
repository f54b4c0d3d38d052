//! Rules about the watched folders: each must be usable, and none may lie within another.
//!
//! Two watches that see one file would make two videos of it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
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

/// The canonical path of a folder, or the path as written if the canonical one cannot be found in
/// time: a share whose server is gone must not stop a command that only asks for names.
pub(super) fn resolved_in_time(path: PathBuf) -> PathBuf {
    let asked = path.clone();
    patience::within(PATIENCE, move || resolved(&asked)).unwrap_or(path)
}

/// How long a folder may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Notes watches with one name, with one folder, or with one folder inside the other.
pub(super) fn check_distinct(drafts: &[Draft<'_>]) {
    if drafts.len() < 2 {
        return;
    }
    let places: Vec<_> = drafts
        .iter()
        .map(|draft| draft.path.as_deref().map(Place::of))
        .collect();
    let places = places.iter().map(Option::as_ref);
    let all: Vec<_> = drafts.iter().zip(places).collect();
    for (at, later) in all.iter().enumerate() {
        for earlier in all.iter().take(at) {
            check_pair(*earlier, *later);
        }
    }
}

fn check_pair(
    (earlier, one): (&Draft<'_>, Option<&Place<'_>>),
    (draft, two): (&Draft<'_>, Option<&Place<'_>>),
) {
    if draft.name.is_some() && draft.name == earlier.name {
        let message = format!(
            "the same as that of {}; choose another",
            named(earlier, "name")
        );
        draft.section.fault("name", message);
    }
    let (Some(one), Some(two)) = (one, two) else {
        return;
    };
    let relation = match two.relation(one) {
        Some(Relation::Same) => "the same folder as that of",
        Some(Relation::Inside) => "inside the folder of",
        Some(Relation::Around) => "around the folder of",
        None => return,
    };
    let message = format!(
        "{relation} {}, so that a file would belong to both; keep the folders apart",
        named(earlier, "path")
    );
    draft.section.fault("path", message);
}

/// How a folder relates to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// It is that folder.
    Same,
    /// It is below it.
    Inside,
    /// It is above it.
    Around,
}

/// A folder by its path and, where the disk answers in time, by what it is and what is above it: a bind mount
/// has another path.
pub(super) struct Place<'a> {
    path: &'a Path,
    /// Device and inode, the folder's own first; empty where they are not to be had.
    trail: Vec<Option<(u64, u64)>>,
}

impl<'a> Place<'a> {
    /// Known by its path alone.
    pub(super) fn named(path: &'a Path) -> Self {
        let trail = Vec::new();
        Self { path, trail }
    }

    /// Looked at.
    pub(super) fn of(path: &'a Path) -> Self {
        let asked = path.to_owned();
        let identity = |folder: &Path| {
            let found = fs::metadata(folder).ok()?;
            Some((found.dev(), found.ino()))
        };
        let trail = patience::within(PATIENCE, move || {
            asked.ancestors().map(identity).collect::<Vec<_>>()
        });
        let trail = trail.unwrap_or_default();
        Self { path, trail }
    }

    /// How it relates to the other; `None`: beside it.
    pub(super) fn relation(&self, other: &Self) -> Option<Relation> {
        match (self.is_below(other), other.is_below(self)) {
            (true, true) => Some(Relation::Same),
            (true, false) => Some(Relation::Inside),
            (false, true) => Some(Relation::Around),
            (false, false) => None,
        }
    }

    fn is_below(&self, other: &Self) -> bool {
        let folder = other.trail.first().filter(|folder| folder.is_some());
        self.path.starts_with(other.path) || folder.is_some_and(|it| self.trail.contains(it))
    }
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

/// The path with all of it that exists made canonical. Below that there is no symlink yet, so that `..` is what
/// it looks like.
pub(super) fn resolved(path: &Path) -> PathBuf {
    for there in path.ancestors() {
        if let (Ok(mut whole), Ok(rest)) = (there.canonicalize(), path.strip_prefix(there)) {
            for part in rest.components() {
                if part == Component::ParentDir {
                    whole.pop();
                } else {
                    whole.push(part);
                }
            }
            return whole;
        }
    }
    path.to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::super::reader::Look;
    use super::super::tests::fixture::{Fixture, LEAST};

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
