//! Why something below a root was not reached.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::Kind;
use crate::text;

/// Why something was not reached, or not done. Each text names the path.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is nothing of that name.
    #[error("{} is not there", text::path(.0))]
    Absent(PathBuf),
    /// A symbolic link is there or on the way: it may lead anywhere.
    #[error("{} is a symbolic link, which is not followed", text::path(.0))]
    Link(PathBuf),
    /// A symbolic link is in the place of a root, or of a folder above it.
    #[error(
        "{} is a symbolic link, and links are followed only while the configuration is read; put the folder back, or \
         have it read again (SIGHUP) to use the folder behind the link",
        text::path(.0)
    )]
    RootLink(PathBuf),
    /// Something else is in the place of a folder that should be made.
    #[error("{} is {}, not a folder", text::path(.0), .1.words())]
    NotAFolder(PathBuf, Kind),
    /// It is neither a file nor a link.
    #[error("{} is not a regular file", text::path(.0))]
    NotAFile(PathBuf),
    /// No right to do it.
    #[error("permission denied: {}", text::path(path))]
    Denied {
        /// What should have been reached.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refuses it for another reason.
    #[error("{}: {source}", text::path(path))]
    Other {
        /// What should have been reached.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    pub(super) fn new(path: &Path, errno: Errno) -> Self {
        Self::of(path, errno.into())
    }

    /// What an error of the system means for this path.
    pub(crate) fn of(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Absent(path),
            io::ErrorKind::PermissionDenied => Self::Denied { path, source },
            _ => Self::Other { path, source },
        }
    }

    /// The kind of the system's error.
    pub(crate) fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Absent(_) => io::ErrorKind::NotFound,
            Self::Link(_) | Self::RootLink(_) => io::ErrorKind::Other,
            Self::NotAFolder(..) => io::ErrorKind::NotADirectory,
            Self::NotAFile(_) => io::ErrorKind::InvalidInput,
            Self::Denied { source, .. } | Self::Other { source, .. } => source.kind(),
        }
    }

    /// Whether there is nothing of that name.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Absent(_))
    }

    /// Of what was found on the way to a root.
    pub(super) fn above_root(self) -> Self {
        match self {
            Self::Link(link) => Self::RootLink(link),
            other => other,
        }
    }

    /// Whether it came through [`io::Error`] from a symbolic link in the place of a root.
    pub(crate) fn is_root_link(error: &io::Error) -> bool {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        matches!(inner, Some(Self::RootLink(_)))
    }

    /// What the system said, for texts that name the path themselves.
    pub(crate) fn into_source(self) -> io::Error {
        match self {
            Self::Denied { source, .. } | Self::Other { source, .. } => source,
            Self::Absent(_) => io::Error::from_raw_os_error(libc::ENOENT),
            other => io::Error::new(other.kind(), other),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}
