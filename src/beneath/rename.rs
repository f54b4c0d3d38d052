//! Renaming that takes no name over.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat};
use rustix::io::{Errno, Result};

/// A name in a folder.
pub(super) type Name<'a> = (&'a OwnedFd, &'a OsStr);

/// How names begin that only jw-ingest gives, for a moment: no other program writes to a file of such a name.
pub(crate) const HIDDEN: &str = ".jw-ingest-";

/// Renames, unless the name is taken (`EEXIST`).
///
/// `EOPNOTSUPP`: the filesystem cannot do it in one go, as on NFS and where a program serves it, and neither of the
/// names is a hidden one. What is renamed there must go by way of a hidden name: in each of the two steps one name is
/// known to no other program.
pub(super) fn rename_new(from: Name<'_>, to: Name<'_>) -> Result<()> {
    match at_once(from, to) {
        Err(Errno::INVAL | Errno::NOSYS) => in_steps(from, to),
        outcome => outcome,
    }
}

fn at_once(from: Name<'_>, to: Name<'_>) -> Result<()> {
    #[cfg(test)]
    if let Some(errno) = super::tests::refusal_to_rename(from.0, to.0) {
        return Err(errno);
    }
    rustix::fs::renameat_with(from.0, from.1, to.0, to.1, RenameFlags::NOREPLACE)
}

/// As [`rename_new`], with calls that every filesystem knows.
fn in_steps(from: Name<'_>, to: Name<'_>) -> Result<()> {
    if is_hidden(from) {
        return by_a_link(from, to);
    }
    if !is_hidden(to) {
        // A name that others know could have another file by the time it is unlinked, or taken over.
        return Err(Errno::OPNOTSUPP);
    }
    match rustix::fs::statat(to.0, to.1, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => rustix::fs::renameat(from.0, from.1, to.0, to.1),
        Err(errno) => Err(errno),
    }
}

fn is_hidden(name: Name<'_>) -> bool {
    name.1.as_encoded_bytes().starts_with(HIDDEN.as_bytes())
}

/// A hard link is refused where the name is taken, too. `from` is hidden: no other file gets that name before it is
/// unlinked.
fn by_a_link(from: Name<'_>, to: Name<'_>) -> Result<()> {
    match rustix::fs::linkat(from.0, from.1, to.0, to.1, AtFlags::empty()) {
        // A kill came between the two calls.
        Err(Errno::EXIST) if is_one_file(from, to) => {}
        Ok(()) => {}
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
            return by_a_reservation(from, to, || ());
        }
        Err(errno) => return Err(errno),
    }
    rustix::fs::unlinkat(from.0, from.1, AtFlags::empty())
}

/// Whether two names are links to one file. Inode numbers alone are no proof: some filesystems repeat them.
fn is_one_file(one: Name<'_>, other: Name<'_>) -> bool {
    let stat = |name: Name<'_>| rustix::fs::statat(name.0, name.1, AtFlags::SYMLINK_NOFOLLOW);
    let (Ok(one), Ok(other)) = (stat(one), stat(other)) else {
        return false;
    };
    let state = |stat: &Stat| {
        let mtime = (stat.st_mtime, stat.st_mtime_nsec);
        (stat.st_dev, stat.st_ino, stat.st_size, mtime, stat.st_nlink)
    };
    state(&one) == state(&other) && one.st_nlink > 1
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

    /// Files in a folder, and what has become of them.
    fn steps(from: &str, to: &str, files: &[(&str, &str)]) -> (Result<()>, Vec<(String, String)>) {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            match content.strip_prefix("link to ") {
                Some(other) => {
                    fs::hard_link(dir.path().join(other), dir.path().join(name)).unwrap();
                }
                None => fs::write(dir.path().join(name), content).unwrap(),
            }
        }
        let folder = OwnedFd::from(fs::File::open(dir.path()).unwrap());
        let outcome = in_steps((&folder, OsStr::new(from)), (&folder, OsStr::new(to)));
        let mut left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let content = fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), content)
            })
            .collect();
        left.sort();
        (outcome, left)
    }

    /// No name that other programs know is unlinked or taken over: another file may have it by then.
    #[test]
    fn without_a_call_for_it_only_hidden_names_go() {
        const OURS: &str = ".jw-ingest-7.going";
        let files = |files: &[(&str, &str)]| -> Vec<(String, String)> {
            let owned = files.iter();
            owned
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect()
        };
        let both = steps("a", "b", &[("a", "ours")]);
        assert_eq!(both, (Err(Errno::OPNOTSUPP), files(&[("a", "ours")])));
        let hides = steps("a", OURS, &[("a", "ours")]);
        assert_eq!(hides, (Ok(()), files(&[(OURS, "ours")])));
        let is_hidden = [("a", "ours"), (OURS, "left by a kill")];
        let (outcome, left) = steps("a", OURS, &is_hidden);
        assert_eq!((outcome, left.len()), (Err(Errno::EXIST), 2));
        let appears = steps(OURS, "b", &[(OURS, "ours")]);
        assert_eq!(appears, (Ok(()), files(&[("b", "ours")])));
        let taken = [(OURS, "ours"), ("b", "theirs")];
        assert_eq!(steps(OURS, "b", &taken), (Err(Errno::EXIST), files(&taken)));
        // Killed after the link was made.
        let killed = steps(
            OURS,
            "b",
            &[(OURS, "ours"), ("b", "link to .jw-ingest-7.going")],
        );
        assert_eq!(killed, (Ok(()), files(&[("b", "ours")])));
    }

    #[test]
    fn a_name_is_free_again_when_the_rename_failed() {
        let gone = renamed(|folder| fs::remove_file(folder.join("a")).unwrap());
        assert_eq!(gone, (Err(Errno::NOENT), None, None));
    }
}
