//! Which bytes a path stood for at one moment: the answer to "is it still the same file?".
//!
//! Two equal identities mean that the file was not written, replaced or renamed in between, as far
//! as the kernel reports. It says nothing of the content: equal content under two identities is
//! normal.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{AtFlags, Statx, StatxFlags, makedev, statx};
use rustix::io::Errno;

/// What `stat` says about a file, as far as it changes when the content may have changed.
///
/// The numbers are kept as SQLite keeps them (signed 64 bit), so that a row and a `stat` compare
/// without a conversion that could fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Device number of the filesystem.
    pub dev: i64,
    /// Inode number; reused by the filesystem after a delete, so never enough alone.
    pub ino: i64,
    /// Size in bytes.
    pub size: i64,
    /// Modification time, nanoseconds since the epoch. Tools such as `cp -p` set it at will.
    pub mtime_ns: i64,
    /// Change time, nanoseconds since the epoch. It cannot be set, but `chmod` changes it too.
    pub ctime_ns: i64,
}

impl Identity {
    /// Reads the identity out of what `stat` or `fstat` answered.
    pub fn of(meta: &Metadata) -> Self {
        Self {
            dev: meta.dev().cast_signed(),
            ino: meta.ino().cast_signed(),
            size: meta.size().cast_signed(),
            mtime_ns: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: nanoseconds(meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// The identity of an open file now, for a look on which something rests: the filesystem's server is asked, where
    /// `stat` may answer from this machine's cache.
    ///
    /// # Errors
    /// The server does not say.
    pub fn now(file: &File) -> io::Result<Self> {
        Self::now_with_links(file).map(|(identity, _)| identity)
    }

    /// As [`now`](Self::now), and how many names it has.
    ///
    /// "Force the attributes to be synchronized with the server" is `AT_STATX_FORCE_SYNC` of statx(2). NFS, SMB and
    /// FUSE honor it; a local filesystem has nothing to ask.
    ///
    /// # Errors
    /// The server does not say.
    pub fn now_with_links(file: &File) -> io::Result<(Self, u64)> {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
        match statx(file, c"", flags, StatxFlags::BASIC_STATS) {
            Ok(asked) => Ok((Self::of_asked(&asked), asked.stx_nlink.into())),
            // A kernel without the call or the flag; or a file that was deleted on the server, to which nothing is
            // written any more.
            Err(Errno::NOSYS | Errno::INVAL | Errno::NOENT | Errno::STALE) => {
                let meta = file.metadata()?;
                Ok((Self::of(&meta), meta.nlink()))
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn of_asked(asked: &Statx) -> Self {
        let (mtime, ctime) = (&asked.stx_mtime, &asked.stx_ctime);
        Self {
            dev: makedev(asked.stx_dev_major, asked.stx_dev_minor).cast_signed(),
            ino: asked.stx_ino.cast_signed(),
            size: asked.stx_size.cast_signed(),
            mtime_ns: nanoseconds(mtime.tv_sec, mtime.tv_nsec.into()),
            ctime_ns: nanoseconds(ctime.tv_sec, ctime.tv_nsec.into()),
        }
    }

    /// Whether a file seen now may still be the one seen then: size and mtime are the same, and the
    /// inode or the ctime.
    ///
    /// `chmod`, a rename and a hard link move the ctime and no byte; some filesystems number their
    /// inodes again at each mount; and the device number of many changes at each boot.
    pub fn may_still_be(&self, then: &Self) -> bool {
        self.size == then.size
            && self.mtime_ns == then.mtime_ns
            && (self.ino == then.ino || self.ctime_ns == then.ctime_ns)
    }

    /// Whether the file seen later has as many bytes and is no other file: what was learnt of the
    /// end of its writing still holds.
    pub fn goes_on_as(&self, later: &Self) -> bool {
        self.size == later.size && self.ino == later.ino
    }

    /// The size as an unsigned number of bytes; a size is never negative.
    pub fn bytes(&self) -> u64 {
        self.size.cast_unsigned()
    }
}

/// Saturates instead of overflowing: a filesystem may hand out any 64-bit second.
fn nanoseconds(seconds: i64, nanos: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_has_the_form_of_what_stat_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "content").unwrap();
        std::fs::hard_link(&path, folder.path().join("b")).unwrap();
        for (path, links) in [
            (path.as_path(), Some(2)),
            (folder.path(), None),
            // On another device.
            (std::path::Path::new("/proc/self/exe"), None),
            (std::path::Path::new("/dev/null"), None),
        ] {
            let file = File::open(path).unwrap();
            let meta = file.metadata().unwrap();
            let (now, found) = Identity::now_with_links(&file).unwrap();
            assert_eq!(now, Identity::of(&meta), "{}", path.display());
            assert_eq!(found, links.unwrap_or(meta.nlink()));
        }
    }
}
