//! Folders held by handle: nothing is opened, read, written, moved or deleted outside of a root.
//!
//! A path says where something lay when it was written down; by the time it is used, a folder on the
//! way may be a symbolic link to anywhere. So a root is opened once, what lies below it is resolved
//! by the kernel without leaving it and without following a link, and what is then done is done to a
//! name in a folder that is held open. The root's own path is the administrator's: it may contain
//! links, and is opened afresh each time. Mounts below it are part of it.
//!
//! This is a floor: it knows nothing of watches, jobs or the platform.

mod error;
mod place;
mod rename;
mod resolve;
#[cfg(test)]
pub(crate) mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Dir, Mode, OFlags};
use rustix::io::Errno;

pub use error::Error;
pub use place::Place;
use resolve::Resolver;

/// A folder that is held open: the root, or one below it.
#[derive(Debug, Clone)]
pub struct Folder {
    handle: Arc<OwnedFd>,
    /// How it is called in messages and records.
    path: PathBuf,
    resolver: Resolver,
}

/// A handle that names a folder without a right to read it.
const HANDLE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Folder {
    /// Opens a root. Links in its path are followed.
    ///
    /// # Errors
    /// There is no folder, or it cannot be reached.
    pub fn root(path: &Path) -> Result<Self, Error> {
        Self::root_by(path, Resolver::of_this_kernel())
    }

    fn root_by(path: &Path, resolver: Resolver) -> Result<Self, Error> {
        let handle = rustix::fs::openat(CWD, path, HANDLE, Mode::empty())
            .map_err(|errno| Error::new(path, errno))?;
        Ok(Self {
            handle: Arc::new(handle),
            path: path.to_path_buf(),
            resolver,
        })
    }

    /// The same folder under the path by which it is known to people.
    #[must_use]
    pub fn known_as(self, path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            ..self
        }
    }

    /// How it is called.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder below this one; `below` is relative.
    ///
    /// # Errors
    /// There is none, or a link is in its way.
    pub fn folder(&self, below: &Path) -> Result<Self, Error> {
        if below.as_os_str().is_empty() {
            return Ok(self.clone());
        }
        let path = self.path.join(below);
        resolve::check(below, &path)?;
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
    pub fn make_folder(&self, below: &Path) -> Result<Self, Error> {
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
                    folder.folder(name)?
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
    pub fn place(&self, name: &OsStr) -> Place {
        Place::new(self.clone(), name)
    }

    /// What `stat` says of the folder itself.
    ///
    /// # Errors
    /// The system does not say.
    pub fn metadata(&self) -> Result<std::fs::Metadata, Error> {
        let handle = self.handle.try_clone();
        let metadata = handle.and_then(|handle| File::from(handle).metadata());
        metadata.map_err(|error| Error::of(&self.path, error))
    }

    /// The names in it, in no order.
    ///
    /// # Errors
    /// It cannot be listed.
    pub fn names(&self) -> Result<impl Iterator<Item = io::Result<OsString>>, Error> {
        let entries = self.readable().and_then(Dir::new);
        let entries = entries.map_err(|errno| Error::new(&self.path, errno))?;
        let names = entries.map(|entry| {
            let entry = entry?;
            Ok(OsStr::from_bytes(entry.file_name().to_bytes()).to_owned())
        });
        Ok(names.filter(|name| !name.as_ref().is_ok_and(|name| name == "." || name == "..")))
    }

    /// Has the names in it written to the disk. Filesystems that know no such order need none.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn sync(&self) -> Result<(), Error> {
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
