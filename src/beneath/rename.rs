//! Renaming that takes no name over.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::{Errno, Result};

/// A name in a folder.
pub(super) type Name<'a> = (&'a OwnedFd, &'a OsStr);

/// Renames, unless the name is taken (`EEXIST`).
pub(super) fn rename_new(from: Name<'_>, to: Name<'_>) -> Result<()> {
    match rustix::fs::renameat_with(from.0, from.1, to.0, to.1, RenameFlags::NOREPLACE) {
        // The filesystem cannot do it in one go.
        Err(Errno::INVAL | Errno::NOSYS) => by_a_link(from, to),
        outcome => outcome,
    }
}

/// A hard link is refused where the name is taken, too.
fn by_a_link(from: Name<'_>, to: Name<'_>) -> Result<()> {
    match rustix::fs::linkat(from.0, from.1, to.0, to.1, AtFlags::empty()) {
        Ok(()) => rustix::fs::unlinkat(from.0, from.1, AtFlags::empty()),
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK)
            if matches!(
                rustix::fs::statat(to.0, to.1, AtFlags::SYMLINK_NOFOLLOW),
                Err(Errno::NOENT)
            ) =>
        {
            rustix::fs::renameat(from.0, from.1, to.0, to.1)
        }
        Err(errno) => Err(errno),
    }
}
