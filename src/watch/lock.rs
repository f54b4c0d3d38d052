//! The lock on a watch folder: one daemon of this machine has it, with any job table.
//!
//! Two daemons that see one file would make two videos of it. The lock is a `flock` on the folder's
//! own handle: it needs no write permission, it is the same lock by any path or bind mount to the
//! folder, and it ends with the process. On directories the kernel keeps it itself, also on NFS,
//! SMB and FUSE; where a filesystem refuses it, the daemon works without. The folders above are
//! locked as shared, so that a watch around or inside another daemon's watch is refused too.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use tracing::warn;

use super::look::FolderId;
use crate::beneath::{Error, Folder};

/// How often a lock that is held elsewhere is tried before that is believed: `check` looks at it for
/// some microseconds, and another thread of this daemon may be about to register it.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// The locks of one daemon; cheap to clone.
///
/// A lock belongs to the open handle. So a folder that is locked already, by the watch before a reload or
/// as the folder above another, is locked through the same handle.
#[derive(Debug, Clone, Default)]
pub(crate) struct FolderLocks(Arc<Mutex<Registry>>);

#[derive(Debug, Default)]
struct Registry {
    handles: HashMap<FolderId, Weak<Handle>>,
    /// Taken before the watches start, for them to claim.
    reserved: HashMap<PathBuf, FolderLock>,
}

/// One locked folder.
#[derive(Debug)]
struct Handle {
    id: FolderId,
    file: File,
    /// How many watches have it as their folder; none: it is above one.
    owners: AtomicUsize,
}

/// A watch folder that is locked until this is dropped.
#[derive(Debug)]
pub(super) struct FolderLock {
    folder: Arc<Handle>,
    /// Held for as long as the folder is.
    above: Vec<Arc<Handle>>,
    registry: Arc<Mutex<Registry>>,
}

/// Why a folder is not locked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another process has it.
    #[error(transparent)]
    Taken(#[from] Taken),
    /// The folder cannot be opened: it is offline.
    #[error(transparent)]
    Offline(io::Error),
}

/// Another process has the lock on a watch folder, on one above it, or on one inside it.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The watch folder.
    pub folder: PathBuf,
    /// Where the lock is held: the watch folder, or one above it.
    pub locked: PathBuf,
}

impl std::error::Error for Taken {}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folder, locked) = (self.folder.display(), self.locked.display());
        write!(
            f,
            "another jw-ingest daemon on this machine watches {folder}"
        )?;
        if self.folder == self.locked {
            f.write_str(" or a folder inside it")?;
        } else {
            write!(f, " as part of {locked}")?;
        }
        write!(
            f,
            ", or another program has locked {locked} (flock): two daemons would upload each file twice. \
             `fuser -v {locked}` shows the process. Stop the other daemon, or give each its own folder; another \
             program must release its lock"
        )
    }
}

/// What a look at the lock of a folder shows.
#[derive(Debug)]
pub(crate) enum Locking {
    /// It can be locked, or is locked by a daemon of this table.
    Works,
    /// Another process has locked it.
    Taken(Taken),
    /// The filesystem refuses locks.
    Refused(io::Error),
}

/// Whether a folder can be locked, without keeping the lock.
///
/// # Errors
/// The folder cannot be opened.
pub(crate) fn probe(folder: &Path) -> io::Result<Locking> {
    for path in folder.ancestors() {
        let file = match open_folder(path) {
            Ok(file) => file,
            Err(error) if path == folder => return Err(error),
            // The daemon passes over what it may not open, too.
            Err(_) => continue,
        };
        match file.try_lock_shared() {
            Ok(()) => file.unlock()?,
            Err(TryLockError::WouldBlock) => {
                return Ok(Locking::Taken(Taken {
                    folder: folder.to_owned(),
                    locked: path.to_owned(),
                }));
            }
            Err(TryLockError::Error(error)) if path == folder => {
                return Ok(Locking::Refused(error));
            }
            Err(TryLockError::Error(_)) => {}
        }
    }
    Ok(Locking::Works)
}

impl FolderLocks {
    /// Locks the folder for a watch that starts soon. It blocks as long as the disk does.
    ///
    /// # Errors
    /// See [`LockError`].
    pub(crate) fn reserve(&self, folder: &Path) -> Result<(), LockError> {
        let lock = self.take(folder)?;
        let old = self.registry().reserved.insert(folder.to_owned(), lock);
        // Outside of the registry, which a lock that ends asks for.
        drop(old);
        Ok(())
    }

    /// Lets go of what no watch has claimed.
    pub(crate) fn release_reserved(&self) {
        let reserved = std::mem::take(&mut self.registry().reserved);
        drop(reserved);
    }

    /// The lock on the folder that is at this path now, reserved or taken again.
    pub(super) fn claim(&self, folder: &Path, id: FolderId) -> Result<FolderLock, LockError> {
        let reserved = self.registry().reserved.remove(folder);
        let lock = match reserved {
            Some(lock) if lock.folder.id == id => lock,
            _ => self.take(folder)?,
        };
        if lock.folder.id == id {
            return Ok(lock);
        }
        let what = "another folder took its place while it was locked";
        Err(LockError::Offline(io::Error::other(what)))
    }

    fn take(&self, folder: &Path) -> Result<FolderLock, LockError> {
        let taken = |locked: &Path| Taken {
            folder: folder.to_owned(),
            locked: locked.to_owned(),
        };
        let own = self.lock(folder, true)?.ok_or_else(|| taken(folder))?;
        let mut lock = FolderLock {
            folder: own,
            above: Vec::new(),
            registry: Arc::clone(&self.0),
        };
        for above in folder.ancestors().skip(1) {
            match self.lock(above, false) {
                Ok(Some(handle)) => lock.above.push(handle),
                Ok(None) => return Err(taken(above).into()),
                // A folder that we may only pass through cannot be watched by our user either.
                Err(_) => {}
            }
        }
        Ok(lock)
    }

    /// Locks one folder: as the only one (`owned`), or beside others. `None`: another process has it.
    fn lock(&self, path: &Path, owned: bool) -> Result<Option<Arc<Handle>>, LockError> {
        let file = open_folder(path).map_err(LockError::Offline)?;
        let id = FolderId::of(&file.metadata().map_err(LockError::Offline)?);
        for tries in 0..TRIES {
            if tries > 0 {
                // Nothing wakes this thread: it is a pause.
                thread::park_timeout(BETWEEN_TRIES);
            }
            if let Some(known) = self.known(id) {
                if self.join(&known, owned) {
                    return Ok(Some(known));
                }
                continue;
            }
            if try_lock(&file, owned, path) {
                let handle = Arc::new(Handle {
                    id,
                    file,
                    owners: AtomicUsize::new(usize::from(owned)),
                });
                let mut registry = self.registry();
                registry
                    .handles
                    .retain(|_, handle| handle.strong_count() > 0);
                registry.handles.insert(id, Arc::downgrade(&handle));
                return Ok(Some(handle));
            }
        }
        Ok(None)
    }

    fn known(&self, id: FolderId) -> Option<Arc<Handle>> {
        self.registry().handles.get(&id).and_then(Weak::upgrade)
    }

    /// Uses a lock of this daemon once more; one that is shared may have to become the only one.
    fn join(&self, handle: &Handle, owned: bool) -> bool {
        let _registry = self.registry();
        if !owned {
            return true;
        }
        let is_owned = handle.owners.load(Ordering::Relaxed) > 0;
        let has_it = is_owned || !matches!(handle.file.try_lock(), Err(TryLockError::WouldBlock));
        if has_it {
            handle.owners.fetch_add(1, Ordering::Relaxed);
        } else if let Err(error) = handle.file.try_lock_shared() {
            // The kernel gives the shared lock up before it refuses the other.
            warn!(%error, "a folder above a watch is not locked any more");
        }
        has_it
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        let _registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let was_last = self.folder.owners.fetch_sub(1, Ordering::Relaxed) == 1;
        // It may still be a folder above another watch; without one, the handle closes with this.
        if was_last
            && Arc::strong_count(&self.folder) > 1
            && let Err(error) = self.folder.file.try_lock_shared()
        {
            warn!(%error, "a folder above a watch is not locked any more");
        }
    }
}

/// Tries the lock; `false`: another process has it. A filesystem that refuses locks counts as if it had
/// been given: `check` says so.
fn try_lock(file: &File, owned: bool, path: &Path) -> bool {
    let tried = if owned {
        file.try_lock()
    } else {
        file.try_lock_shared()
    };
    match tried {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(error)) => {
            if owned {
                warn!(
                    path = ?path, %error,
                    "the filesystem refuses to lock the watch folder: a second daemon on this machine would not be \
                     noticed"
                );
            }
            true
        }
    }
}

fn open_folder(folder: &Path) -> io::Result<File> {
    let opened = Folder::root(folder).and_then(|folder| folder.open());
    opened.map_err(Error::into_source)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn take(locks: &FolderLocks, path: &Path) -> Result<FolderLock, LockError> {
        locks.take(path)
    }

    fn is_taken(locks: &FolderLocks, path: &Path) -> bool {
        match take(locks, path) {
            Ok(_) => false,
            Err(LockError::Taken(_)) => true,
            Err(LockError::Offline(error)) => panic!("{error}"),
        }
    }

    /// Two sets of locks in one process are equivalent to two processes: the lock belongs to the
    /// handle.
    fn place() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let outer = dir.path().canonicalize().unwrap().join("video");
        let inner = outer.join("news");
        fs::create_dir_all(&inner).unwrap();
        (dir, outer, inner)
    }

    #[test]
    fn a_folder_belongs_to_one_daemon_until_it_lets_go() {
        let (_dir, outer, inner) = place();
        let (ours, theirs) = (FolderLocks::default(), FolderLocks::default());
        let lock = take(&ours, &inner).unwrap();
        assert!(is_taken(&theirs, &inner));
        let link = outer.join("link");
        std::os::unix::fs::symlink(&inner, &link).unwrap();
        let refused = take(&theirs, &link).unwrap_err();
        assert!(matches!(&refused, LockError::Offline(error) if Error::is_root_link(error)));
        // The same daemon may have it twice, as while it reloads.
        let again = take(&ours, &inner).unwrap();
        drop(lock);
        assert!(is_taken(&theirs, &inner));
        drop(again);
        assert!(!is_taken(&theirs, &inner));
    }

    #[test]
    fn a_watch_around_or_inside_another_daemons_is_refused() {
        let (_dir, outer, inner) = place();
        let (ours, theirs) = (FolderLocks::default(), FolderLocks::default());
        let lock = take(&ours, &inner).unwrap();
        assert!(is_taken(&theirs, &outer));
        fs::create_dir(outer.join("sport")).unwrap();
        assert!(
            !is_taken(&theirs, &outer.join("sport")),
            "beside it is fine"
        );
        drop(lock);
        let _lock = take(&ours, &outer).unwrap();
        let refused = take(&theirs, &inner).unwrap_err().to_string();
        let names = |path: &Path| refused.contains(&path.display().to_string());
        assert!(names(&outer) && names(&inner), "{refused}");
    }

    #[test]
    fn a_daemon_that_narrows_its_watch_gives_the_rest_up() {
        let (_dir, outer, inner) = place();
        let (ours, theirs) = (FolderLocks::default(), FolderLocks::default());
        let wide = take(&ours, &outer).unwrap();
        let narrow = take(&ours, &inner).unwrap();
        let beside = outer.join("sport");
        fs::create_dir(&beside).unwrap();
        assert!(is_taken(&theirs, &beside));
        drop(wide);
        assert!(!is_taken(&theirs, &beside) && is_taken(&theirs, &outer));
        // And back again.
        let wide = take(&ours, &outer).unwrap();
        drop(narrow);
        assert!(is_taken(&theirs, &beside));
        drop(wide);
        assert!(!is_taken(&theirs, &outer));
    }

    #[test]
    fn a_look_takes_no_lock_and_shows_who_has_one() {
        let (_dir, outer, inner) = place();
        let ours = FolderLocks::default();
        assert!(matches!(probe(&inner).unwrap(), Locking::Works));
        let lock = take(&ours, &outer).unwrap();
        assert!(matches!(probe(&inner).unwrap(), Locking::Taken(_)));
        drop(lock);
        assert!(matches!(probe(&inner).unwrap(), Locking::Works));
        assert!(probe(&outer.join("none")).is_err());
    }

    #[test]
    fn what_is_reserved_goes_to_the_watch_or_is_let_go() {
        let (_dir, _outer, inner) = place();
        let (ours, theirs) = (FolderLocks::default(), FolderLocks::default());
        ours.reserve(&inner).unwrap();
        assert!(is_taken(&theirs, &inner));
        let id = FolderId::of(&fs::metadata(&inner).unwrap());
        drop(ours.claim(&inner, id).unwrap());
        assert!(!is_taken(&theirs, &inner));
        ours.reserve(&inner).unwrap();
        ours.release_reserved();
        assert!(!is_taken(&theirs, &inner));
        let missing = ours.reserve(&inner.join("none"));
        assert!(matches!(missing, Err(LockError::Offline(_))));
    }
}
