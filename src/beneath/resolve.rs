//! From a relative path to a folder's handle, without leaving the folder that it begins in.
//!
//! `openat2` does it in one call. Where the kernel lacks it (before 5.6), or a filter of system
//! calls keeps it away (older container runtimes), and where it gives up over renames that happen
//! meanwhile, it is done name by name: each is opened in the folder before it, and must not be a
//! link.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Error, HANDLE};

/// How paths are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolver {
    /// By the kernel in one call.
    Kernel,
    /// Name by name.
    Names,
}

/// How often the kernel is asked again while renames are in progress.
const ATTEMPTS: u32 = 16;

impl Resolver {
    /// The one that works here; found out once.
    pub(super) fn of_this_kernel() -> Self {
        static FOUND: OnceLock<Resolver> = OnceLock::new();
        *FOUND.get_or_init(|| {
            let root = rustix::fs::openat(CWD, "/", HANDLE, Mode::empty());
            match root.and_then(|root| in_one_call(&root, Path::new("."))) {
                // ENOSYS from an old kernel; EPERM or EACCES from a filter of system calls.
                Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS) => Self::Names,
                Ok(_) | Err(_) => Self::Kernel,
            }
        })
    }

    /// Opens the folder at `below` in the folder `from`, which is called `path`.
    pub(super) fn folder(
        self,
        from: &OwnedFd,
        below: &Path,
        path: &Path,
    ) -> Result<OwnedFd, Error> {
        if self == Self::Kernel {
            for _ in 0..ATTEMPTS {
                match in_one_call(from, below) {
                    Ok(folder) => return Ok(folder),
                    Err(Errno::AGAIN) => {}
                    // Name by name it turns out which of them is a link, or whether it still is one.
                    Err(_) => break,
                }
            }
        }
        name_by_name(from, below, path)
    }
}

fn in_one_call(from: &OwnedFd, below: &Path) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(from, below, HANDLE, Mode::empty(), resolve)
}

fn name_by_name(from: &OwnedFd, below: &Path, path: &Path) -> Result<OwnedFd, Error> {
    let mut at: PathBuf = path.to_path_buf();
    let mut folder: Option<OwnedFd> = None;
    for name in below {
        at.push(name);
        let from = folder.as_ref().unwrap_or(from);
        let flags = HANDLE | OFlags::NOFOLLOW;
        folder = match rustix::fs::openat(from, name, flags, Mode::empty()) {
            Ok(next) => Some(next),
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(no_folder(from, Path::new(name), at)),
            Err(errno) => return Err(Error::new(&at, errno)),
        };
    }
    folder.ok_or(Error::Absent(at))
}

/// Why a name is no folder.
fn no_folder(from: &OwnedFd, name: &Path, path: PathBuf) -> Error {
    match rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            // A folder by now: it was something else a moment ago, which may come back.
            FileType::Symlink | FileType::Directory => Error::Link(path),
            _ => Error::Absent(path),
        },
        Err(Errno::NOENT) => Error::Absent(path),
        Err(errno) => Error::new(&path, errno),
    }
}

/// Refuses what is no plain way down: `..`, `.`, and absolute paths.
pub(super) fn refuse_detours(below: &Path, path: &Path) -> Result<(), Error> {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if below.components().all(is_plain) {
        return Ok(());
    }
    Err(Error::new(path, Errno::INVAL))
}
