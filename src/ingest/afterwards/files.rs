//! Moving one file so that nothing is lost, whoever else is about, and wherever a kill comes.
//!
//! A name that is taken is never taken over. Between filesystems the copy is under a hidden name
//! until it has been read back and found the same; only then does it get its name, and only after
//! that the original goes. The original goes by way of a hidden name too: what lies there is looked
//! at once more, so that a file that took its name in the last moment is put back instead.

use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use super::names::{names, rename_new};
use crate::identity::Identity;

/// Why a file did not get where it was to go.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It stays where it is, for good, for this reason.
    Kept(String),
    /// Not now, for this reason.
    Later(String),
    /// The daemon stops, or the job has other plans by now.
    Stopped,
}

/// One file on its way.
pub(super) struct Errand<'a> {
    /// Where it is.
    pub(super) from: &'a Path,
    /// Which file that is.
    pub(super) identity: Identity,
    /// Names what is hidden meanwhile; nobody else's is the same.
    pub(super) mark: &'a str,
    /// MD5 of its content, where known.
    pub(super) md5: Option<&'a str>,
    /// Whether to break off.
    pub(super) stopped: &'a dyn Fn() -> bool,
    /// Before a file gets this name.
    pub(super) before: &'a dyn Fn(&Path) -> Result<(), Trouble>,
}

const CHANGED: &str = "it changed after it was uploaded";

impl Errand<'_> {
    /// Moves the file to this path, or to a numbered one beside it where another file has that.
    pub(super) fn go(&self, wanted: &Path) -> Result<PathBuf, Trouble> {
        if let Some(parent) = wanted.parent() {
            fs::create_dir_all(parent)
                .map_err(|error| cannot("make the folder", parent, &error))?;
        }
        for to in names(wanted) {
            if exists(&to)? {
                if self.is_same(&to)? {
                    self.take_away()?;
                    return Ok(to);
                }
                continue;
            }
            (self.before)(&to)?;
            match rename_new(self.from, &to) {
                Ok(()) => return self.arrived(to),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    return self.across(&to);
                }
                Err(error) => return Err(cannot("move it to", &to, &error)),
            }
        }
        Err(Trouble::Later(format!(
            "every name like {} is taken",
            wanted.display()
        )))
    }

    /// It has the name; should it be another file, which had the old name in the last moment, that
    /// is put back.
    fn arrived(&self, to: PathBuf) -> Result<PathBuf, Trouble> {
        if !self.is_there(&to) {
            rename_new(&to, self.from).map_err(|error| cannot("put back", self.from, &error))?;
            return Err(Trouble::Kept(CHANGED.to_owned()));
        }
        sync_folder_of(&to)?;
        sync_folder_of(self.from)?;
        Ok(to)
    }

    /// Copies it, reads the copy back, gives that its name, and only then takes the original away.
    fn across(&self, wanted: &Path) -> Result<PathBuf, Trouble> {
        let hidden = hidden(wanted, self.mark, "part");
        let outcome = self.copy(&hidden).and_then(|()| self.name(&hidden, wanted));
        if outcome.is_err() {
            // It is of no use; should it stay all the same, the next try overwrites it.
            drop(fs::remove_file(&hidden));
        }
        let (to, is_new) = outcome?;
        match self.take_away() {
            Err(Trouble::Kept(why)) => {
                if is_new {
                    drop(fs::remove_file(&to));
                }
                Err(Trouble::Kept(why))
            }
            Err(other) => Err(other),
            Ok(()) => Ok(to),
        }
    }

    fn copy(&self, hidden: &Path) -> Result<(), Trouble> {
        let unreadable = |error: io::Error| cannot("read", self.from, &error);
        let unwritable = |error: io::Error| cannot("write", hidden, &error);
        let source = open(self.from).map_err(unreadable)?;
        let before = source.metadata().map_err(unreadable)?;
        drop(fs::remove_file(hidden));
        let mut copy = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .custom_flags(libc::O_NOFOLLOW)
            .mode(0o600)
            .open(hidden)
            .map_err(unwritable)?;
        let read = self.pour(source, |bytes| copy.write_all(bytes).map_err(unwritable))?;
        let times = FileTimes::new();
        let times = before.modified().map_or(times, |at| times.set_modified(at));
        let times = before.accessed().map_or(times, |at| times.set_accessed(at));
        copy.set_times(times).map_err(unwritable)?;
        let mode = Permissions::from_mode(before.permissions().mode() & 0o777);
        // Some shares have no such thing.
        drop(copy.set_permissions(mode));
        copy.sync_all().map_err(unwritable)?;
        forget_pages(&copy);
        drop(copy);
        let again = self.pour(open(hidden).map_err(unwritable)?, |_| Ok(()))?;
        if read != again {
            let place = hidden.parent().unwrap_or(hidden).display();
            return Err(Trouble::Later(format!(
                "the copy in {place} differs from the file when it is read back"
            )));
        }
        let differs = self.md5.is_some_and(|md5| md5 != read);
        if differs || !self.is_there(self.from) {
            return Err(Trouble::Kept(CHANGED.to_owned()));
        }
        Ok(())
    }

    /// Reads a file to its end; answers its MD5.
    fn pour(
        &self,
        mut file: File,
        mut to: impl FnMut(&[u8]) -> Result<(), Trouble>,
    ) -> Result<String, Trouble> {
        let mut hash = Md5::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            if (self.stopped)() {
                return Err(Trouble::Stopped);
            }
            let count = match file.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Trouble::Later(format!("cannot read it: {error}"))),
            };
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                return Ok(crate::hex::lower(&hash.finalize()));
            };
            hash.update(bytes);
            to(bytes)?;
        }
    }

    /// Gives the copy its name; answers that, and whether it is the copy's.
    fn name(&self, hidden: &Path, wanted: &Path) -> Result<(PathBuf, bool), Trouble> {
        for to in names(wanted) {
            (self.before)(&to)?;
            match rename_new(hidden, &to) {
                Ok(()) => {
                    sync_folder_of(&to)?;
                    return Ok((to, true));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if self.is_same(&to)? {
                        drop(fs::remove_file(hidden));
                        return Ok((to, false));
                    }
                }
                Err(error) => return Err(cannot("name the copy", &to, &error)),
            }
        }
        Err(Trouble::Later(format!(
            "every name like {} is taken",
            wanted.display()
        )))
    }

    /// Deletes the original, and nothing else that may have its name by now.
    pub(super) fn take_away(&self) -> Result<(), Trouble> {
        let going = hidden(self.from, self.mark, "going");
        if self.from != going {
            rename_new(self.from, &going)
                .map_err(|error| cannot("take away", self.from, &error))?;
        }
        if !self.is_there(&going) {
            rename_new(&going, self.from).map_err(|error| cannot("put back", self.from, &error))?;
            return Err(Trouble::Kept(CHANGED.to_owned()));
        }
        fs::remove_file(&going).map_err(|error| cannot("delete", &going, &error))?;
        sync_folder_of(&going)
    }

    /// Whether the file is at this path, unwritten; a rename moves no more than its ctime.
    fn is_there(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|meta| {
            let now = Identity::of(&meta);
            meta.is_file()
                && (now.ino, now.size, now.mtime_ns)
                    == (
                        self.identity.ino,
                        self.identity.size,
                        self.identity.mtime_ns,
                    )
        })
    }

    /// Whether a regular file has the very bytes of this one.
    fn is_same(&self, other: &Path) -> Result<bool, Trouble> {
        let Ok(meta) = fs::symlink_metadata(other) else {
            return Ok(false);
        };
        if !meta.is_file() || meta.len() != self.identity.bytes() {
            return Ok(false);
        }
        let unreadable = |error: io::Error| cannot("read", self.from, &error);
        let Ok(other) = open(other) else {
            return Ok(false);
        };
        if let Err(error) = other.sync_all() {
            return Err(Trouble::Later(format!(
                "cannot be sure of its copy: {error}"
            )));
        }
        let theirs = self.pour(other, |_| Ok(()))?;
        let ours = self.pour(open(self.from).map_err(unreadable)?, |_| Ok(()))?;
        Ok(ours == theirs)
    }
}

/// Where the file is: under its own name, or under the hidden one that a kill left it with.
pub(super) fn place(path: &Path, mark: &str) -> PathBuf {
    let going = hidden(path, mark, "going");
    let is_there = fs::symlink_metadata(&going).is_ok_and(|meta| meta.is_file());
    if is_there { going } else { path.to_path_buf() }
}

/// A name beside a file that no watch looks at.
pub(super) fn hidden(beside: &Path, mark: &str, ending: &str) -> PathBuf {
    beside.with_file_name(format!(".jw-ingest-{mark}.{ending}"))
}

fn exists(path: &Path) -> Result<bool, Trouble> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(cannot("look at", path, &error)),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

pub(super) fn cannot(what: &str, path: &Path, error: &io::Error) -> Trouble {
    Trouble::Later(format!("cannot {what} {}: {error}", path.display()))
}

/// The names in a folder are on the disk. Filesystems that know no such order need none.
fn sync_folder_of(path: &Path) -> Result<(), Trouble> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if !matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => {
            Err(cannot("write", folder, &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What is read from now on comes from the disk.
#[expect(unsafe_code, reason = "the standard library has no fadvise")]
fn forget_pages(file: &File) {
    // SAFETY: the descriptor is open; it is advice only, and no memory is passed.
    unsafe {
        libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED);
    }
}
