//! Symbolic links to folders, where `follow-links` allows them: they must stay inside the watch
//! folder, and never lead to what is looked at in its own place, or round in a circle.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::select::{self, Verdict};
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
pub enum Refusal {
    /// Links are not followed.
    Disabled,
    /// It leads out of the watch folder.
    Outside,
    /// Its folder is looked at in its own place.
    Twice,
    /// It leads to a folder that it is in.
    Circle,
    /// It does not lead to a folder.
    NoFolder,
}

/// Where a link in a watch leads.
pub(super) fn leads(watch: &Watch, link: &Path) -> Leads {
    match target(watch, link) {
        Ok(target) => Leads::Inside(target),
        Err(refusal) => Leads::Nowhere(refusal),
    }
}

/// Whether the link at this path is followed, so that what is behind it is known by the link's
/// path.
pub fn is_followed(watch: &Watch, link: &Path) -> bool {
    matches!(leads(watch, link), Leads::Inside(_))
}

fn target(watch: &Watch, link: &Path) -> Result<PathBuf, Refusal> {
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
        f.write_str(match self {
            Self::Disabled => "symlinks are not followed (follow-links)",
            Self::Outside => "it leads out of the watch folder",
            Self::Twice => "it leads to a folder that is scanned at its own path",
            Self::Circle => "it leads to a folder that contains it",
            Self::NoFolder => "it does not lead to a folder",
        })
    }
}
