//! `[[watch]]`: what becomes of a file once its job has ended.
//!
//! A folder that files are moved to may lie inside the watch's own folder, and is then left alone
//! by it; inside that of another watch everything would be uploaded a second time.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use toml::de::DeValue;

use super::folders::{self, PATIENCE, Place, Relation};
use super::reader::Look;
use super::section::Section;
use super::value;
use super::watch::Draft;
use crate::patience;

/// The folder for `"trash"`, at the top of the watch folder.
pub(crate) const TRASH: &str = ".trash";

/// What is done with files that are uploaded, and with those that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Afterwards {
    /// What is done with a file that is uploaded.
    pub after_upload: AfterUpload,
    /// Where files that are uploaded are moved to; there with [`AfterUpload::Move`] at least.
    pub move_to: Option<PathBuf>,
    /// Where files are moved to whose job has failed for good.
    pub failed_dir: Option<PathBuf>,
    /// How long a file stays where it is after its job has ended.
    pub grace: Duration,
    /// Whether notes are written beside the files.
    pub notes: bool,
}

/// What is done with a file that is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterUpload {
    /// It stays where it is.
    Keep,
    /// It is moved to `move-to`.
    Move,
    /// It is moved to the folder `.trash` at the top of the watch folder.
    Trash,
    /// It is deleted.
    Delete,
}

impl AfterUpload {
    const ALL: [Self; 4] = [Self::Keep, Self::Move, Self::Trash, Self::Delete];

    /// Its word in the configuration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Move => "move",
            Self::Trash => "trash",
            Self::Delete => "delete",
        }
    }
}

impl Default for Afterwards {
    fn default() -> Self {
        Self {
            after_upload: AfterUpload::Keep,
            move_to: None,
            failed_dir: None,
            grace: Duration::from_mins(10),
            notes: false,
        }
    }
}

impl Afterwards {
    pub(super) fn read(section: &mut Section<'_>, own: Option<&Path>) -> Self {
        const YEAR: Duration = Duration::from_hours(24 * 365);
        let default = Self::default();
        let after_upload = section.get("after-upload", after_upload);
        let move_to = read_folder(section, "move-to", own);
        if after_upload == Some(AfterUpload::Move) && !section.has("move-to") {
            section.fault(
                "after-upload",
                "\"move\" needs a target; write move-to = \"/srv/video/uploaded\", the folder",
            );
        }
        Self {
            after_upload: after_upload.unwrap_or(default.after_upload),
            move_to,
            failed_dir: read_folder(section, "failed-dir", own),
            grace: section
                .get("grace", |v| value::duration(v, Duration::ZERO..=YEAR))
                .unwrap_or(default.grace),
            notes: section.get("notes", value::flag).unwrap_or(default.notes),
        }
    }

    /// The folders that files are moved to, with the key that names each.
    pub(crate) fn folders(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let named = [("move-to", &self.move_to), ("failed-dir", &self.failed_dir)];
        named
            .into_iter()
            .filter_map(|(key, folder)| Some((key, folder.as_deref()?)))
    }
}

fn after_upload(value: &DeValue<'_>) -> Result<AfterUpload, String> {
    let word = value::text(value)?;
    let known = AfterUpload::ALL
        .into_iter()
        .find(|known| known.word() == word);
    known.ok_or_else(|| {
        format!("{word:?} is not known here; expected one of: keep, move, trash, delete")
    })
}

/// A folder; it is written with all of it that exists made canonical, as that of the watch (`own`)
/// is. Below the watch folder nothing is: a user who can write there could put a symlink in the
/// place of the folder, and lead the daemon elsewhere.
fn read_folder(
    section: &mut Section<'_>,
    key: &'static str,
    own: Option<&Path>,
) -> Option<PathBuf> {
    let path = section.get(key, value::absolute)?;
    match section.look() {
        Look::TextOnly => {
            let (asked, own) = (path.clone(), own.map(Path::to_path_buf));
            let place = patience::within(PATIENCE, move || located(&asked, own.as_deref()));
            Some(place.unwrap_or(path))
        }
        Look::Everything { .. } => Some(located(&path, own)),
    }
}

/// Where a folder is: in the watch folder by its path below that, else by its canonical path.
fn located(path: &Path, own: Option<&Path>) -> PathBuf {
    if let Some(inside) = own.and_then(|own| inside(path, own)) {
        return inside;
    }
    path.canonicalize()
        .unwrap_or_else(|_| folders::resolved(path))
}

/// Where a path is in the watch folder, if it leads into that.
fn inside(path: &Path, own: &Path) -> Option<PathBuf> {
    let parts: Vec<&Path> = path.ancestors().collect();
    let is_own =
        |part: &&Path| *part == own || part.canonicalize().is_ok_and(|canonical| canonical == own);
    let entry = parts.into_iter().rev().find(is_own)?;
    let below = path.strip_prefix(entry).ok()?;
    // A `..` leads out of it again, through a symlink even to another place than it says.
    let is_plain = |part| matches!(part, Component::Normal(_));
    if !below.components().all(is_plain) {
        return None;
    }
    Some(own.components().chain(below.components()).collect())
}

/// Notes folders that conflict with a watch, and those that are not there.
pub(super) fn check_folders(drafts: &[Draft<'_>]) {
    let mut targets = drafts.iter().flat_map(|draft| draft.afterwards.folders());
    if targets.next().is_none() {
        return;
    }
    let watched: Vec<_> = drafts
        .iter()
        .filter_map(|watch| Some((watch, place(watch, watch.path.as_deref()?))))
        .collect();
    for draft in drafts {
        for (key, folder) in draft.afterwards.folders() {
            let target = place(draft, folder);
            let fault = watched
                .iter()
                .find_map(|watch| find_clash(draft, watch, (folder, &target)))
                .or_else(|| find_unusable(draft, folder));
            if let Some(fault) = fault {
                draft.section.fault(key, fault);
            }
        }
    }
}

/// A caller that only reads the text does not wait for a disk.
fn place<'a>(draft: &Draft<'_>, folder: &'a Path) -> Place<'a> {
    match draft.section.look() {
        Look::TextOnly => Place::named(folder),
        Look::Everything { .. } => Place::of(folder),
    }
}

/// How a folder of a draft conflicts with a watch, its own or another.
fn find_clash(
    draft: &Draft<'_>,
    (watch, watched): &(&Draft<'_>, Place<'_>),
    (folder, target): (&Path, &Place<'_>),
) -> Option<String> {
    let root = watch.path.as_ref()?;
    let (shown, own) = (folder.display(), root.display());
    let title = watch.section.title();
    let is_own = draft.path == watch.path;
    match target.relation(watched)? {
        Relation::Same => Some(format!(
            "{shown} is the folder of {title} itself; choose one beside it, or one inside your own, \
             such as \"{own}/uploaded\""
        )),
        Relation::Around => Some(format!(
            "{shown} contains the folder of {title}; choose one beside it"
        )),
        // The watch leaves it alone by its path.
        Relation::Inside if is_own && folder.starts_with(root) => None,
        Relation::Inside if is_own => Some(format!(
            "{shown} is inside the folder of {title} by another path, so that the watch would take what is moved \
             there; write its path below {own}"
        )),
        Relation::Inside => Some(format!(
            "{shown} is inside the folder of {title}, which would upload everything again; \
             choose one outside of it"
        )),
    }
}

/// A folder that is not there: made by us, it would lie beneath a share that is not mounted. One
/// inside the watch folder is made when it is needed.
fn find_unusable(draft: &Draft<'_>, folder: &Path) -> Option<String> {
    let own = draft.path.as_ref()?;
    match draft.section.look() {
        Look::TextOnly => None,
        Look::Everything { .. } if folder.starts_with(own) && !folder.exists() => None,
        Look::Everything { away, .. } => match folders::usable(folder) {
            Err(fault) if !(*away && fault.may_pass) => Some(fault.text),
            Ok(_) | Err(_) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::{Fixture, LEAST};
    use super::*;

    #[test]
    fn each_fault_is_refused() {
        let fixture = Fixture::new();
        for (line, at, says) in [
            (
                "after-upload = \"remove\"",
                7,
                "\"remove\" is not known here; expected one of: keep, move, trash, delete",
            ),
            (
                "after-upload = \"move\"",
                7,
                "after-upload: \"move\" needs a target; write move-to =",
            ),
            ("move-to = \"done\"", 7, "\"done\" is relative"),
            (
                "move-to = \"{dir}/none\"",
                7,
                "none does not exist; make the folder",
            ),
            ("move-to = \"{dir}/secret\"", 7, "is not a folder"),
            (
                "failed-dir = \"{dir}/news\"",
                7,
                "failed-dir: {dir}/news is the folder of [[watch]] \"news\" itself",
            ),
            ("failed-dir = \"{dir}/link\"", 7, "itself"),
            (
                "move-to = \"{dir}\"",
                7,
                "contains the folder of [[watch]] \"news\"",
            ),
            ("grace = 10", 7, "grace: 10 has no unit"),
            ("grace = \"400d\"", 7, "too long; at most 365d"),
            ("notes = \"yes\"", 7, "notes: expected true or false"),
        ] {
            let written = format!("name = \"news\"\n{line}");
            let says = says.replace("{dir}", &fixture.path("").display().to_string());
            let says = says.replace("//", "/");
            fixture.refuses(("name = \"news\"", &written, at, &says));
        }
    }

    #[test]
    fn a_folder_inside_another_watch_is_refused_and_in_its_own_is_not() {
        let fixture = Fixture::new();
        let with = |first: &str, second: &str| {
            let text = LEAST.replace("name = \"news\"", &format!("name = \"news\"\n{first}"));
            let other = "[[watch]]\nname = \"sport\"\npath = \"{dir}/sport\"\n";
            fixture.parse(&format!("{text}{other}{second}\n"))
        };
        for (key, place) in [
            ("move-to", "sport/up"),
            ("failed-dir", "sport"),
            ("failed-dir", "news/none/../../sport"),
            ("move-to", "link/../sport/up"),
        ] {
            let refusal = with(&format!("{key} = \"{{dir}}/{place}\""), "").unwrap_err();
            let shown = refusal.to_string();
            assert!(shown.contains("[[watch]] \"sport\""), "{shown}");
            assert_eq!(refusal.iter().count(), 1, "{shown}");
        }
        let config = with(
            "after-upload = \"move\"\nmove-to = \"{dir}/news/up\"\ngrace = \"0s\"\nnotes = true",
            "failed-dir = \"{dir}/sport/deep/bad\"\nafter-upload = \"delete\"",
        )
        .unwrap();
        let (news, sport) = (&config.watches[0].afterwards, &config.watches[1].afterwards);
        assert_eq!(news.after_upload, AfterUpload::Move);
        assert_eq!(news.move_to, Some(fixture.path("news/up")));
        assert_eq!((news.grace, news.notes), (Duration::ZERO, true));
        assert_eq!(sport.after_upload, AfterUpload::Delete);
        assert_eq!(sport.failed_dir, Some(fixture.path("sport/deep/bad")));
        assert_eq!((sport.grace, sport.notes), (Duration::from_mins(10), false));
    }

    #[test]
    fn a_link_in_the_watch_folder_leads_no_target_out_of_it() {
        let fixture = Fixture::new();
        std::os::unix::fs::symlink(fixture.path("sport"), fixture.path("news/up")).unwrap();
        for (written, expected) in [
            ("news/up", "news/up"),
            ("news/up/deep", "news/up/deep"),
            ("link/up", "news/up"),
        ] {
            let keys = format!("name = \"news\"\nfailed-dir = \"{{dir}}/{written}\"");
            let config = fixture.parse(&LEAST.replace("name = \"news\"", &keys));
            let failed_dir = &config.unwrap().watches[0].afterwards.failed_dir;
            assert_eq!(*failed_dir, Some(fixture.path(expected)), "{written}");
        }
    }

    #[test]
    fn a_folder_that_is_away_is_waited_for_by_the_daemon_only() {
        let fixture = Fixture::new();
        let look = Look::Everything {
            credentials: Some(fixture.path(".")),
            away: true,
        };
        let text = LEAST.replace("name =", "failed-dir = \"{dir}/share/bad\"\nname =");
        assert!(fixture.parse_with(&text, &look).is_ok());
        assert!(fixture.parse(&text).is_err());
    }
}
