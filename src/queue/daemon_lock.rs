//! One daemon for one job table: the lock that it holds, and how others see whether it does.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::db::{MODE, give_to_owner_of, parent};
use super::error::Error;

/// How often in a row may a command be just looking whether a daemon runs, which takes
/// microseconds.
const LOOKS_AT_ONCE: u32 = 10_000;

/// The proof that no other daemon works on this database; dropped with the process, even by
/// `kill -9`.
#[derive(Debug)]
pub struct DaemonLock {
    _file: File,
}

/// Takes the daemon's lock on the database at `path`.
///
/// # Errors
/// [`Error::DaemonRuns`] while another process holds it.
pub fn lock(path: &Path) -> Result<DaemonLock, Error> {
    let beside = lock_file(path);
    let refused = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::ReadOnlyFilesystem => Error::ReadOnly {
            path: path.to_owned(),
        },
        _ => Error::Folder {
            path: parent(path),
            source,
        },
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(MODE)
        .open(&beside)
        .map_err(refused)?;
    // Root may try the daemon by hand before the service's user starts it.
    give_to_owner_of(&beside, &parent(path));
    for _ in 0..LOOKS_AT_ONCE {
        match file.try_lock() {
            Ok(()) => return Ok(DaemonLock { _file: file }),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        // A daemon does not share its lock; a command that looks whether one runs does.
        if file.try_lock_shared().is_err() {
            break;
        }
        file.unlock().map_err(refused)?;
        std::thread::yield_now();
    }
    Err(Error::DaemonRuns {
        path: path.to_owned(),
    })
}

/// Whether a daemon works on the database at `path` now, as far as we may look; `None` where not.
pub fn daemon_runs(path: &Path) -> Option<bool> {
    let file = match File::open(lock_file(path)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    match file.try_lock_shared() {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}

fn lock_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-daemon");
    PathBuf::from(name)
}
