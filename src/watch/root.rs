//! Is the watch folder itself there, and is it still the same one?
//!
//! inotify does not report an unmount, of a mount over a folder, or of a folder that is made again
//! under its old name; so the root is looked at every few seconds. While it is away, or another
//! one, nothing that is missing in it means that a file was deleted. An empty folder on another
//! disk than before is no root at all: it is the place of one that is not mounted. Nor is one that is
//! reached through a symbolic link, which was not there when the configuration was read.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{error, info, warn};

use super::lock::{FolderLock, FolderLocks, LockError};
use super::look::FolderId;
use super::report::Away;
use crate::beneath::{Error, Folder};

/// The root folder of one watch.
#[derive(Debug)]
pub(super) struct Root {
    watch: String,
    path: PathBuf,
    locks: FolderLocks,
    /// The lock on the folder that is here, and which folder that is. While it is away, none is held: an open
    /// handle would keep its filesystem from being unmounted for good.
    lock: Option<(FolderId, FolderLock)>,
    /// The folder that was here last, also while it is away.
    last: Option<FolderId>,
    /// Why it is away.
    away: Option<(Away, String)>,
    /// What has been said of its being away.
    said: Option<Away>,
    next: Duration,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// The same folder as before.
    Same,
    /// A folder that was not here before, or was away: watch and scan it.
    Appeared,
    /// There is none, or it cannot be read.
    Away,
}

/// How often to look.
const INTERVAL: Duration = Duration::from_secs(5);
const INTERVAL_AWAY: Duration = Duration::from_secs(2);

impl Root {
    pub(super) fn new(watch: String, path: PathBuf, locks: FolderLocks) -> Self {
        Self {
            watch,
            path,
            locks,
            lock: None,
            last: None,
            away: Some((Away::Missing, String::new())),
            said: None,
            next: Duration::ZERO,
        }
    }

    /// When to check next.
    pub(super) fn next(&self) -> Duration {
        self.next
    }

    /// Something happened to the root: check at once.
    pub(super) fn suspect(&mut self) {
        self.next = Duration::ZERO;
    }

    /// Whether the root was there at the last check.
    pub(super) fn is_here(&self) -> bool {
        self.away.is_none()
    }

    /// Why it is away, as the last check found.
    pub(super) fn away(&self) -> Option<&(Away, String)> {
        self.away.as_ref()
    }

    /// Whether the root is, this moment, the folder that the last check found.
    pub(super) fn is_unchanged(&self) -> bool {
        self.is_here() && reached(&self.path).is_ok_and(|(_, id)| Some(id) == self.last)
    }

    /// Looks at the root, and logs what is news. The second value says whether it is another folder
    /// than the last one that was here.
    pub(super) fn check(&mut self, now: Duration) -> (Presence, bool) {
        let found = inspect(&self.path, self.last).map_err(LockError::Offline);
        let found = found.and_then(|id| self.own(id).map(|()| id));
        let was_away = !self.is_here();
        let id = match found {
            Ok(id) => id,
            Err(error) => {
                self.next = now + INTERVAL_AWAY;
                self.lock = None;
                self.say_away(&error);
                self.away = Some((kind(&error), error.to_string()));
                return (Presence::Away, false);
            }
        };
        self.next = now + INTERVAL;
        (self.away, self.said) = (None, None);
        let other = self.last.is_some_and(|last| last != id);
        let first = self.last.replace(id).is_none();
        match (was_away, other) {
            (false, false) => return (Presence::Same, false),
            (true, false) if !first => info!(watch.name = %self.watch, "the watch folder is back"),
            (_, true) => warn!(
                watch.name = %self.watch, path = ?self.path,
                "there is another folder at this path now (mounted, unmounted or made again); what \
                 is known about the files in the old one is kept"
            ),
            (true, false) => {}
        }
        (Presence::Appeared, other)
    }

    /// Sees to it that the folder is locked for this daemon.
    fn own(&mut self, id: FolderId) -> Result<(), LockError> {
        if !self.lock.as_ref().is_some_and(|(locked, _)| *locked == id) {
            self.lock = None;
            let lock = self.locks.claim(&self.path, id)?;
            self.lock = Some((id, lock));
        }
        Ok(())
    }

    fn say_away(&mut self, why: &LockError) {
        let kind = kind(why);
        if self.said.replace(kind) == Some(kind) {
            return;
        }
        match why {
            LockError::Offline(error) => warn!(
                watch.name = %self.watch, path = ?self.path, %error,
                "the watch folder is offline; it is tried again every few seconds, and no file is \
                 taken for deleted meanwhile"
            ),
            LockError::Taken(taken) => error!(
                watch.name = %self.watch, path = ?self.path,
                "{taken}. Its files wait, and it is tried again every few seconds"
            ),
        }
    }
}

fn kind(why: &LockError) -> Away {
    match why {
        LockError::Taken(_) => Away::Taken,
        LockError::Offline(error) if Error::is_root_link(error) => Away::Linked,
        LockError::Offline(error)
            if error.get_ref().and_then(|inner| inner.downcast_ref()) == Some(&Unmounted) =>
        {
            Away::Unmounted
        }
        LockError::Offline(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Away::Missing,
            io::ErrorKind::PermissionDenied => Away::Denied,
            _ => Away::Failing,
        },
    }
}

/// The place where the disk of the watch folder was mounted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is only an empty folder, on another disk than before; is its disk or share mounted?"
)]
struct Unmounted;

/// The folder at a path, and which one that is. No link is followed.
fn reached(path: &Path) -> Result<(Folder, FolderId), Error> {
    let folder = Folder::root(path)?;
    let id = FolderId::of(&folder.metadata()?);
    Ok((folder, id))
}

/// The folder at a path, if it can be listed. `last` is the one that was here.
fn inspect(path: &Path, last: Option<FolderId>) -> io::Result<FolderId> {
    let (folder, id) = reached(path).map_err(Error::into_source)?;
    let mut entries = folder.list().map_err(Error::into_source)?;
    let elsewhere = last.is_some_and(|last| !last.is_on_disk_of(&id));
    if elsewhere && entries.next().is_none() {
        return Err(io::Error::other(Unmounted));
    }
    Ok(id)
}
