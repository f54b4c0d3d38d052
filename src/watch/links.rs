//! Symbolic links to folders, where `follow-links` allows them: they must stay inside the watch
//! folder, and never lead to what is looked at in its own place, round in a circle, or to what was put away.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::select::{self, Rule, Verdict};
use crate::config::Watch;

/// Where a symbolic link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leads {
    /// To a folder inside the watch folder that is not looked at otherwise; its canonical path.
    Inside(PathBuf),
    /// Nowhere that is followed.
    Nowhere(Refusal),
}

/// Why a link is not followed. Its text is a clause that follows "a symbolic link".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Links are not followed.
    Disabled,
    /// It leads out of the watch folder.
    Outside,
    /// Its folder is looked at in its own place.
    Twice,
    /// It leads to a folder that it is in.
    Circle,
    /// It leads to a folder that files are moved to, by this key: they would come again and again.
    Aside(&'static str),
    /// It does not lead to a folder.
    NoFolder,
}

impl Refusal {
    /// Whether following it would never end. The person who made the link hardly knows.
    pub(crate) fn is_endless(self) -> bool {
        match self {
            Self::Circle | Self::Aside(_) => true,
            Self::Disabled | Self::Outside | Self::Twice | Self::NoFolder => false,
        }
    }
}

/// Where a link in a watch leads.
pub(super) fn leads(watch: &Watch, link: &Path) -> Leads {
    match find_target(watch, link) {
        Ok(target) => Leads::Inside(target),
        Err(refusal) => Leads::Nowhere(refusal),
    }
}

/// Whether the link at this path is followed, so that what is behind it is known by the link's
/// path.
pub(crate) fn is_followed(watch: &Watch, link: &Path) -> bool {
    matches!(leads(watch, link), Leads::Inside(_))
}

/// Says whether the folder at this path is looked into, as [`select::descend`]; where a link on its way leads to what was
/// put away, it is not.
pub(crate) fn descend(watch: &Watch, path: &Path) -> Verdict {
    let by_path = select::descend(watch, path);
    match behind(watch, path) {
        Some(refusal) if by_path == Verdict::Taken => Verdict::Ignored(Rule::SymbolicLink(refusal)),
        _ => by_path,
    }
}

/// Why a folder is left alone although each link on its way is followed: what a link leads to may have folders in it
/// that files are moved to.
pub(super) fn behind(watch: &Watch, folder: &Path) -> Option<Refusal> {
    if !watch.watching.follow_links {
        return None;
    }
    let real = folder.canonicalize().ok()?;
    if real == folder {
        return None;
    }
    select::set_aside(watch, &real).map(Refusal::Aside)
}

fn find_target(watch: &Watch, link: &Path) -> Result<PathBuf, Refusal> {
    if !watch.watching.follow_links {
        return Err(Refusal::Disabled);
    }
    let missing = |_| Refusal::NoFolder;
    let target = link.canonicalize().map_err(missing)?;
    if !fs::metadata(&target).map_err(missing)?.is_dir() {
        return Err(Refusal::NoFolder);
    }
    if !target.starts_with(&watch.path) {
        return Err(Refusal::Outside);
    }
    if let Some(key) = select::set_aside(watch, &target) {
        return Err(Refusal::Aside(key));
    }
    let place = link.parent().unwrap_or(link).canonicalize();
    if place.map_err(missing)?.starts_with(&target) {
        return Err(Refusal::Circle);
    }
    if select::descend(watch, &target) == Verdict::Taken {
        return Err(Refusal::Twice);
    }
    Ok(target)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            Self::Disabled => "symlinks are not followed (follow-links)",
            Self::Outside => "it leads out of the watch folder",
            Self::Twice => "it leads to a folder that is scanned at its own path",
            Self::Circle => "it leads to a folder that contains it",
            Self::Aside(key) => {
                return write!(
                    f,
                    "it leads to a folder that jw-ingest moves files to ({key})"
                );
            }
            Self::NoFolder => "it does not lead to a folder",
        };
        f.write_str(why)
    }
}
