//! What is in a folder that is held open, name by name.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::{Error, Folder};

/// What a name is, which is never followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, pipe or socket.
    Other,
}

impl Kind {
    /// What has this metadata.
    pub(crate) fn of_metadata(metadata: &Metadata) -> Self {
        Self::of(FileType::from_raw_mode(metadata.mode()))
    }

    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::File => "a regular file",
            Self::Folder => "a folder",
            Self::Link => "a symbolic link",
            Self::Other => "a device, pipe or socket",
        }
    }

    fn of(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Folder,
            FileType::Symlink => Self::Link,
            _ => Self::Other,
        }
    }
}

/// A list in progress, in no order.
pub(crate) struct List {
    folder: Folder,
    entries: Dir,
}

impl List {
    /// The folder that is listed.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("List").field(&self.folder).finish()
    }
}

impl Folder {
    /// Lists it.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn list(&self) -> Result<List, Error> {
        let entries = self.readable().and_then(Dir::new);
        let entries = entries.map_err(|errno| Error::new(self.path(), errno))?;
        let folder = self.clone();
        Ok(List { folder, entries })
    }
}

impl Iterator for List {
    type Item = io::Result<(OsString, Kind)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.entries.next()? {
                Ok(entry) => entry,
                Err(errno) => return Some(Err(errno.into())),
            };
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                // Not every filesystem says it in the list.
                FileType::Unknown => {
                    let flags = AtFlags::SYMLINK_NOFOLLOW;
                    match rustix::fs::statat(&self.folder.handle, name, flags) {
                        Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                        Err(Errno::NOENT) => continue,
                        Err(errno) => return Some(Err(errno.into())),
                    }
                }
                kind => kind,
            };
            return Some(Ok((name.to_owned(), Kind::of(kind))));
        }
    }
}
