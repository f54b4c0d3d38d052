//! A name in a folder that is held open, and what is done to it: it is never followed, should it be
//! a symbolic link, and its folder is the same for as long as the place is kept.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};

use super::{Error, Folder, rename};

/// A name in a folder, whether or not there is anything of that name.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    folder: Folder,
    name: OsString,
    path: PathBuf,
}

impl Place {
    pub(super) fn new(folder: Folder, name: &OsStr) -> Self {
        Self {
            path: folder.path().join(name),
            name: name.to_owned(),
            folder,
        }
    }

    /// The place at a path below a root.
    ///
    /// # Errors
    /// Its folder cannot be reached.
    pub(crate) fn below(root: &Folder, below: &Path) -> Result<Self, Error> {
        let (folder, name) = root.split(below)?;
        Ok(root.folder(folder)?.place(name))
    }

    /// The place at a path below a root; its folder is made where it is not there.
    ///
    /// # Errors
    /// Its folder can be neither reached nor made.
    pub(crate) fn make_below(root: &Folder, below: &Path) -> Result<Self, Error> {
        let (folder, name) = root.split(below)?;
        Ok(root.make_folder(folder)?.place(name))
    }

    /// How it is called.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its name.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Another name in the same folder.
    #[must_use]
    pub(crate) fn beside(&self, name: &OsStr) -> Self {
        Self::new(self.folder.clone(), name)
    }

    /// What is there, held by a handle that can neither read nor write; a link is held itself.
    ///
    /// # Errors
    /// There is nothing, or it cannot be looked at.
    pub(crate) fn hold(&self) -> Result<File, Error> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.open_by(flags, Mode::empty())
    }

    /// What `stat` says about what is there; of a link itself.
    ///
    /// # Errors
    /// There is nothing, or it cannot be looked at.
    pub(crate) fn metadata(&self) -> Result<Metadata, Error> {
        let held = self.hold()?;
        held.metadata()
            .map_err(|error| Error::of(&self.path, error))
    }

    /// Whether there is something; of that which cannot be looked at, too.
    pub(crate) fn is_taken(&self) -> bool {
        !matches!(self.metadata(), Err(Error::Absent(_)))
    }

    /// Opens the regular file that is there, for reading only. No pipe is waited for.
    ///
    /// # Errors
    /// There is nothing, something else, or it cannot be read.
    pub(crate) fn open(&self) -> Result<File, Error> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match self.open_by(flags, Mode::empty()) {
            Err(Error::Other { source, .. }) if source.raw_os_error() == Some(libc::ELOOP) => {
                return Err(Error::Link(self.path.clone()));
            }
            // A socket, or a device that nothing drives.
            Err(Error::Other { source, .. })
                if matches!(source.raw_os_error(), Some(libc::ENXIO | libc::ENODEV)) =>
            {
                return Err(Error::NotAFile(self.path.clone()));
            }
            opened => opened?,
        };
        let metadata = file.metadata();
        let metadata = metadata.map_err(|error| Error::of(&self.path, error))?;
        if metadata.is_file() {
            Ok(file)
        } else {
            Err(Error::NotAFile(self.path.clone()))
        }
    }

    /// Makes a file that was not there, for writing and reading.
    ///
    /// # Errors
    /// The name is taken, or the file cannot be made.
    pub(crate) fn create(&self, mode: u32) -> Result<File, Error> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.open_by(flags, Mode::from_raw_mode(mode))
    }

    fn open_by(&self, flags: OFlags, mode: Mode) -> Result<File, Error> {
        rustix::fs::openat(&self.folder.handle, &self.name, flags, mode)
            .map(File::from)
            .map_err(|errno| Error::new(&self.path, errno))
    }

    /// Gives what is here another name, unless that is taken (`AlreadyExists`).
    ///
    /// # Errors
    /// It cannot be renamed. `Unsupported`: neither name begins with [`HIDDEN`](super::HIDDEN), and the filesystem
    /// cannot rename without taking a name over.
    pub(crate) fn rename_new(&self, to: &Self) -> Result<(), Error> {
        rename::rename_new(self.pair(), to.pair()).map_err(|errno| Error::new(&to.path, errno))
    }

    /// Gives what is here another name, and takes that over.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub(crate) fn rename_over(&self, to: &Self) -> Result<(), Error> {
        let (from, to_pair) = (self.pair(), to.pair());
        rustix::fs::renameat(from.0, from.1, to_pair.0, to_pair.1)
            .map_err(|errno| Error::new(&to.path, errno))
    }

    /// Takes the name away from what is here, unless it is a folder.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        rustix::fs::unlinkat(&self.folder.handle, &self.name, AtFlags::empty())
            .map_err(|errno| Error::new(&self.path, errno))
    }

    fn pair(&self) -> rename::Name<'_> {
        (&self.folder.handle, &self.name)
    }
}

impl Folder {
    /// The folder and the name of a path below this one.
    fn split<'a>(&self, below: &'a Path) -> Result<(&'a Path, &'a OsStr), Error> {
        let name = below.file_name();
        let name = name.ok_or_else(|| Error::Absent(self.path().join(below)))?;
        Ok((below.parent().unwrap_or(Path::new("")), name))
    }
}
