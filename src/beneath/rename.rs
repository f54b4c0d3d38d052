//! Renaming that takes no name over.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat};
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
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
            by_a_reservation(from, to, || ())
        }
        Err(errno) => Err(errno),
    }
}

/// For filesystems that know neither, as some that a program serves: an empty file reserves the name.
///
/// That is refused where the name is taken. It is looked at once more right before the rename takes it over.
///
/// Between that look and the rename, another program may still replace the empty file, or write to it after
/// opening it. No call of such a filesystem compares and renames in one go, so this cannot be closed here.
/// A kill in between leaves the empty file, which no watch uploads, and which is not taken over later.
fn by_a_reservation(from: Name<'_>, to: Name<'_>, meanwhile: impl FnOnce()) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let reserved = rustix::fs::openat(to.0, to.1, flags, Mode::from_raw_mode(0o600))?;
    meanwhile();
    check_reserved(&reserved, to)?;
    let renamed = rustix::fs::renameat(from.0, from.1, to.0, to.1);
    if renamed.is_err() && check_reserved(&reserved, to).is_ok() {
        // Best effort: an empty file that stays does no harm.
        rustix::fs::unlinkat(to.0, to.1, AtFlags::empty()).ok();
    }
    renamed
}

/// Whether the empty file that reserves a name is there still, and empty.
fn check_reserved(reserved: &OwnedFd, name: Name<'_>) -> Result<()> {
    let ours = rustix::fs::fstat(reserved)?;
    let is_ours = |there: &Stat| (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino);
    match rustix::fs::statat(name.0, name.1, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) if is_ours(&there) && there.st_size == 0 => Ok(()),
        Ok(_) => Err(Errno::EXIST),
        // It was deleted: another program works on the name.
        Err(Errno::NOENT) => Err(Errno::AGAIN),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Renames `a` to `b` in a folder where `meanwhile` is done once `b` was found free; answers what came
    /// of it, and what is in either.
    fn renamed(meanwhile: impl FnOnce(&Path)) -> (Result<()>, Option<String>, Option<String>) {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a"), "ours").unwrap();
        let folder = OwnedFd::from(fs::File::open(dir.path()).unwrap());
        let name = |name: &'static str| (&folder, OsStr::new(name));
        let outcome = by_a_reservation(name("a"), name("b"), || meanwhile(dir.path()));
        let content = |name: &str| fs::read_to_string(at(name)).ok();
        (outcome, content("a"), content("b"))
    }

    #[test]
    fn a_name_that_was_free_is_not_taken_over_once_another_file_has_it() {
        let (ours, theirs) = (Some("ours".to_owned()), Some("theirs".to_owned()));
        assert_eq!(renamed(|_| ()), (Ok(()), None, ours.clone()));
        let moved_there = renamed(|folder| {
            fs::write(folder.join("c"), "theirs").unwrap();
            fs::rename(folder.join("c"), folder.join("b")).unwrap();
        });
        assert_eq!(
            moved_there,
            (Err(Errno::EXIST), ours.clone(), theirs.clone())
        );
        let written_there = renamed(|folder| fs::write(folder.join("b"), "theirs").unwrap());
        assert_eq!(written_there, (Err(Errno::EXIST), ours.clone(), theirs));
        // What asks for a name of its own gets another one.
        let asked = renamed(|folder| {
            assert!(fs::File::create_new(folder.join("b")).is_err());
        });
        assert_eq!(asked, (Ok(()), None, ours.clone()));
        let deleted = renamed(|folder| fs::remove_file(folder.join("b")).unwrap());
        assert_eq!(deleted, (Err(Errno::AGAIN), ours, None));
    }

    #[test]
    fn a_name_is_free_again_when_the_rename_failed() {
        let gone = renamed(|folder| fs::remove_file(folder.join("a")).unwrap());
        assert_eq!(gone, (Err(Errno::NOENT), None, None));
    }
}
