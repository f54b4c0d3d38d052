//! The file behind a job: opening it, and knowing that it is still the one that settled.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest, Md5};

use crate::hex;
use crate::identity::Identity;
use crate::queue::Job;
use crate::watch::writer::{self, Writer};

/// An open file that was, when it was opened, the one the job speaks of.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    path: PathBuf,
    identity: Identity,
}

/// Why the file cannot be read now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// Somebody wrote, replaced or renamed it since it settled.
    #[error(
        "the file changed after it had settled; its new content is uploaded as soon as it settles"
    )]
    Changed,
    /// A program writes it.
    #[error("a program has the file open for writing")]
    BeingWritten,
    /// Nobody will find it at its path any more.
    #[error("the file is gone: it was deleted, moved or renamed before it was uploaded")]
    Gone,
    /// Its whole folder is away: a share that is not mounted, a disk that is unplugged.
    #[error("the watched folder {} is not there; is its disk or share mounted?", folder.display())]
    Offline {
        /// The watched folder.
        folder: PathBuf,
    },
    /// It cannot be opened or read.
    #[error(
        "cannot read the file; if it is for want of rights, give the service's user the right to read it"
    )]
    Unreadable(#[source] io::Error),
    /// Its disk keeps us waiting.
    #[error("its disk or share has not answered for {:.0?}", .0)]
    Silent(Duration),
}

impl Source {
    /// Opens the job's file. `root` is the watched folder it came from, where that is still watched.
    pub(super) fn open(job: &Job, root: Option<&Path>) -> Result<Self, Problem> {
        // Not through a symbolic link, which the watch does not follow either; and never blocking,
        // should a pipe have taken the file's place.
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&job.path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if is_absence(&error) => {
                return Err(absence((&job.path, &job.identity), root));
            }
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
                return Err(Problem::Changed);
            }
            Err(error) => return Err(Problem::Unreadable(error)),
        };
        let meta = file.metadata().map_err(Problem::Unreadable)?;
        let identity = Identity::of(&meta);
        if !meta.is_file() || !identity.may_still_be(&job.identity) {
            return Err(Problem::Changed);
        }
        if matches!(writer::probe(&file), Writer::Present) {
            return Err(Problem::BeingWritten);
        }
        Ok(Self {
            file,
            path: job.path.clone(),
            identity,
        })
    }

    /// The file, for reading.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.identity.bytes()
    }

    /// Whether nobody can have written it since it had this identity, not even somebody who put its
    /// mtime back.
    pub(super) fn is_untouched_since(&self, then: &Identity) -> bool {
        self.identity.ino == then.ino && self.identity.ctime_ns == then.ctime_ns
    }

    /// Whether what was read is the file that settled, and whole.
    pub(super) fn check(&self) -> Result<Freshness, Problem> {
        let meta = self.file.metadata().map_err(Problem::Unreadable)?;
        let open = Identity::of(&meta);
        if !open.may_still_be(&self.identity) {
            return Err(Problem::Changed);
        }
        match fs::symlink_metadata(&self.path) {
            // Another file has its name, and it has none any more: it was replaced.
            Ok(now) if !Identity::of(&now).may_still_be(&self.identity) && meta.nlink() == 0 => {
                Err(Problem::Changed)
            }
            Err(error) if !is_absence(&error) => Err(Problem::Unreadable(error)),
            // Moved away or deleted after it was opened: that takes nothing from what was read.
            Ok(_) | Err(_) if open == self.identity => Ok(Freshness::Same),
            Ok(_) | Err(_) => Ok(Freshness::Touched),
        }
    }

    /// The first bytes of the file, at most `limit`.
    pub(super) fn start(&self, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file()?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// MD5 of the file as it is now, lower-case hex. Reads all of it: not for the async runtime.
    /// `None`: broken off, because `stopped` says so.
    pub(super) fn md5(&self, stopped: &dyn Fn() -> bool) -> io::Result<Option<String>> {
        let mut hash = Md5::new();
        let mut buffer = vec![0; READ_AT_ONCE];
        let mut offset = 0;
        while !stopped() {
            let count = self.file.read_at(&mut buffer, offset)?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                return Ok(Some(hex::lower(&hash.finalize())));
            };
            hash.update(bytes);
            offset += u64::try_from(count).unwrap_or_default();
        }
        Ok(None)
    }
}

/// What a file was found to be after it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// The very same.
    Same,
    /// Its ctime moved, as by a `chmod`, a rename, or a write with a forged mtime: only its content
    /// can tell.
    Touched,
}

/// Large enough that the calls cost nothing beside the hashing.
const READ_AT_ONCE: usize = 256 * 1024;

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// A path that is not there: the file is gone, unless all of the folder is away.
pub(super) fn absence((path, then): (&Path, &Identity), root: Option<&Path>) -> Problem {
    let Some(root) = root.filter(|root| path.starts_with(root)) else {
        return Problem::Gone;
    };
    match fs::metadata(root) {
        // An unmounted share leaves its mount point, which lies on another device.
        Ok(meta)
            if meta.is_dir() && (meta.dev().cast_signed() == then.dev || has_entries(root)) =>
        {
            Problem::Gone
        }
        _ => Problem::Offline {
            folder: root.to_owned(),
        },
    }
}

/// A mount point without its mount is empty; a folder on several devices is not.
fn has_entries(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}
