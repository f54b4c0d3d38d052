//! Folders held by handle: nothing is opened, read, written, moved or deleted outside of a root.
//!
//! A path says where something lay when it was written down; by the time it is used, a folder on
//! the way may be a symbolic link to anywhere. So a root is opened once, what is below it is
//! resolved by the kernel without leaving it and without following a link, and what is then done is
//! done to a name in a folder that is held open. The root's own path is canonical: links that the
//! administrator put there were resolved when the configuration was read, and one that is found
//! there later is not followed. Mounts above and below a root are no links.
//!
//! This is a floor: it knows nothing of watches, jobs or the platform.

mod error;
mod list;
mod place;
mod rename;
mod resolve;
#[cfg(test)]
pub(crate) mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

pub(crate) use error::Error;
pub(crate) use list::{Kind, List};
pub(crate) use place::Place;
pub(crate) use rename::HIDDEN;
use resolve::Resolver;

/// A folder that is held open: the root, or one below it.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    handle: Arc<OwnedFd>,
    /// How it is called in messages and records.
    path: PathBuf,
    resolver: Resolver,
}

/// Why there is still no folder after it was made: something else may have its name.
fn in_the_way(place: &Place, error: Error) -> Error {
    match place.metadata() {
        Ok(metadata) if error.is_absence() && !metadata.is_dir() => {
            Error::NotAFolder(place.path().to_path_buf(), Kind::of_metadata(&metadata))
        }
        Ok(_) | Err(_) => error,
    }
}

/// A handle that names a folder without a right to read it.
const HANDLE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Folder {
    /// Opens a root by its canonical path.
    ///
    /// # Errors
    /// There is no folder, it cannot be reached, or a link is in its place or above it.
    pub(crate) fn root(path: &Path) -> Result<Self, Error> {
        Self::root_by(path, Resolver::of_this_kernel())
    }

    fn root_by(path: &Path, resolver: Resolver) -> Result<Self, Error> {
        let top = Path::new("/");
        let below = path.strip_prefix(top);
        let below = below.map_err(|_| Error::new(path, Errno::INVAL))?;
        let handle = rustix::fs::openat(CWD, top, HANDLE, Mode::empty());
        let top = Self {
            handle: Arc::new(handle.map_err(|errno| Error::new(top, errno))?),
            path: top.to_path_buf(),
            resolver,
        };
        let root = top.folder(below).map_err(Error::above_root)?;
        Ok(root.known_as(path))
    }

    /// The same folder under the path by which it is known to people.
    #[must_use]
    pub(crate) fn known_as(self, path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            ..self
        }
    }

    /// How it is called.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A folder below this one; `below` is relative.
    ///
    /// # Errors
    /// There is none, or a link is in its way.
    pub(crate) fn folder(&self, below: &Path) -> Result<Self, Error> {
        if below.as_os_str().is_empty() {
            return Ok(self.clone());
        }
        let path = self.path.join(below);
        resolve::refuse_detours(below, &path)?;
        let handle = self.resolver.folder(&self.handle, below, &self.path)?;
        Ok(Self {
            handle: Arc::new(handle),
            path,
            resolver: self.resolver,
        })
    }

    /// A folder below this one, which is made where it is not there.
    ///
    /// # Errors
    /// It cannot be made, or something else is in its way.
    pub(crate) fn make_folder(&self, below: &Path) -> Result<Self, Error> {
        match self.folder(below) {
            Err(Error::Absent(_)) => {}
            found => return found,
        }
        let mut folder = self.clone();
        for name in below {
            let name = Path::new(name);
            folder = match folder.folder(name) {
                Err(Error::Absent(path)) => {
                    folder.make(name, &path)?;
                    let made = folder.folder(name);
                    made.map_err(|error| in_the_way(&folder.place(name.as_os_str()), error))?
                }
                found => found?,
            };
        }
        Ok(folder)
    }

    fn make(&self, name: &Path, path: &Path) -> Result<(), Error> {
        match rustix::fs::mkdirat(&self.handle, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(Error::new(path, errno)),
        }
    }

    /// A name in this folder, whether or not there is anything of that name.
    pub(crate) fn place(&self, name: &OsStr) -> Place {
        Place::new(self.clone(), name)
    }

    /// What `stat` says about the folder itself.
    ///
    /// # Errors
    /// The system does not say.
    pub(crate) fn metadata(&self) -> Result<std::fs::Metadata, Error> {
        let metadata = self.held().and_then(|held| held.metadata());
        metadata.map_err(|error| Error::of(&self.path, error))
    }

    /// Another handle of the same folder, which needs no right to read it.
    ///
    /// # Errors
    /// The system gives no more handles.
    pub(crate) fn held(&self) -> io::Result<File> {
        self.handle.try_clone().map(File::from)
    }

    /// Opens the folder for reading.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn open(&self) -> Result<File, Error> {
        let opened = self.readable().map(File::from);
        opened.map_err(|errno| Error::new(&self.path, errno))
    }

    /// The names in it, in no order.
    ///
    /// # Errors
    /// It cannot be listed.
    pub(crate) fn names(&self) -> Result<impl Iterator<Item = io::Result<OsString>>, Error> {
        Ok(self.list()?.map(|entry| entry.map(|(name, _)| name)))
    }

    /// Writes the names in it to the disk. Filesystems that know no such order need none.
    ///
    /// # Errors
    /// They cannot be written.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        match self.readable().and_then(rustix::fs::fsync) {
            Ok(()) | Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => Err(Error::new(&self.path, errno)),
        }
    }

    fn readable(&self) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.handle, ".", flags, Mode::empty())
    }
}
