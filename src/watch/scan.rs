//! Walking a folder: every folder and every file that counts, one at a time.
//!
//! A walk is an iterator, so that its owner can do other things in between. A folder is given out
//! **before** it is listed: a watch that is set at once misses nothing, since what came before the
//! watch is in the list, and what came after it is announced. Links are followed to folders only,
//! where that is wanted, and each folder behind one is walked once.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::evidence::Ending;
use super::links::{self, Leads, Refusal};
use super::look::{self, FolderId, Thing};
use super::reach;
use super::report::SeenBy;
use super::select::{self, Rule, Verdict};
use super::sighting::Sighting;
use crate::beneath::{Error, Folder, Kind, List};
use crate::config::Watch;
use crate::identity::Identity;

/// One thing that a walk came across.
#[derive(Debug)]
pub(super) enum Found {
    /// A folder that will be given out, in a scan; its watch can be asked for.
    Ahead(PathBuf),
    /// A folder, about to be listed.
    Folder(PathBuf, FolderId),
    /// A file that counts.
    File(Sighting),
    /// A symlink that would lead on without end.
    Endless(PathBuf, Refusal),
    /// The sidecar of a video, perhaps.
    Sidecar(PathBuf, Identity),
    /// A folder that cannot be listed, in whole or in part; the walk continues with the others.
    Trouble(PathBuf, io::Error),
}

/// A walk in progress.
#[derive(Debug)]
pub(super) struct Walk {
    watch: Arc<Watch>,
    by: SeenBy,
    folders: Vec<PathBuf>,
    /// The folders behind links that were walked.
    behind: BTreeSet<PathBuf>,
    /// Given out, and to be listed when the walk continues.
    next: Option<(PathBuf, Folder)>,
    open: Option<(PathBuf, List)>,
    /// Where among `folders` those of the open one begin.
    of_open: usize,
}

impl Walk {
    /// Starts a walk at a folder, which is taken as one that counts.
    pub(super) fn new(watch: Arc<Watch>, start: PathBuf, by: SeenBy) -> Self {
        Self {
            watch,
            by,
            folders: vec![start],
            behind: BTreeSet::new(),
            next: None,
            open: None,
            of_open: 0,
        }
    }

    /// Whether all was given out.
    pub(super) fn is_done(&self) -> bool {
        self.next.is_none() && self.open.is_none() && self.folders.is_empty()
    }

    fn entry(&mut self, folder: &Folder, (name, kind): (&OsStr, Kind)) -> Option<Found> {
        let path = folder.path().join(name);
        let is_behind = kind == Kind::Link
            && match self.follow(&path) {
                Ok(is_new) => is_new,
                Err(refusal) => {
                    return refusal
                        .is_endless()
                        .then_some(Found::Endless(path, refusal));
                }
            };
        if kind == Kind::Folder || is_behind {
            if links::descend(&self.watch, &path) == Verdict::Taken {
                let ahead = (self.by == SeenBy::Scan).then(|| Found::Ahead(path.clone()));
                self.folders.push(path);
                return ahead;
            }
            return None;
        }
        if kind != Kind::File {
            return None;
        }
        // Its folder counts, or else that would not be listed.
        let is_sidecar = match select::file_in_folder(&self.watch, &path) {
            Verdict::Taken => false,
            Verdict::Ignored(Rule::Companion) if select::is_sidecar(&self.watch, &path) => true,
            Verdict::Ignored(_) => return None,
        };
        // Asked for by its name in the open folder, which is cheaper than by its path.
        match look::sorted(folder.place(name).metadata()) {
            Ok(Thing::File(identity)) if is_sidecar => Some(Found::Sidecar(path, identity)),
            Ok(Thing::File(identity)) => Some(Found::File(Sighting {
                path,
                identity,
                by: self.by,
                ending: Ending::Unseen,
            })),
            Ok(Thing::Folder | Thing::Other | Thing::Nothing) => None,
            Err(error) => Some(Found::Trouble(path, error)),
        }
    }

    /// Whether a symlink that must be followed has not been; or why it must not.
    fn follow(&mut self, link: &Path) -> Result<bool, Refusal> {
        match links::leads(&self.watch, link) {
            Leads::Inside(target) => Ok(self.behind.insert(target)),
            Leads::Nowhere(refusal) => Err(refusal),
        }
    }

    /// Continues in the folder that is being listed.
    fn listed(&mut self) -> Option<Found> {
        while let Some((folder, entries)) = &mut self.open {
            let found = match entries.next() {
                Some(Ok((name, kind))) => {
                    let folder = entries.folder().clone();
                    self.entry(&folder, (&name, kind))
                }
                Some(Err(error)) => {
                    let trouble = Found::Trouble(folder.clone(), error);
                    self.open = None;
                    Some(trouble)
                }
                None => {
                    self.open = None;
                    // The last is walked first: so they are walked as they were given out.
                    if let Some(found) = self.folders.get_mut(self.of_open..) {
                        found.reverse();
                    }
                    None
                }
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn list(&mut self, path: PathBuf, folder: &Folder) -> Option<Found> {
        match folder.list() {
            Ok(entries) => {
                self.open = Some((path, entries));
                self.of_open = self.folders.len();
                None
            }
            Err(error) => find_trouble(path, error),
        }
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            if let Some((path, folder)) = self.next.take()
                && let Some(trouble) = self.list(path, &folder)
            {
                return Some(trouble);
            }
            if let Some(found) = self.listed() {
                return Some(found);
            }
            let path = self.folders.pop()?;
            let found = reach::folder(&self.watch, &path).and_then(|folder| {
                let id = FolderId::of(&folder.metadata()?);
                Ok((folder, id))
            });
            match found {
                Ok((folder, id)) => {
                    self.next = Some((path.clone(), folder));
                    return Some(Found::Folder(path, id));
                }
                Err(error) => {
                    if let Some(trouble) = find_trouble(path, error) {
                        return Some(trouble);
                    }
                }
            }
        }
    }
}

/// A folder that has just gone, or become a link that is not followed, is no trouble: its parent's events
/// tell.
fn find_trouble(folder: PathBuf, error: Error) -> Option<Found> {
    match error {
        Error::Absent(_) | Error::Link(_) => None,
        error => Some(Found::Trouble(folder, error.into_source())),
    }
}
