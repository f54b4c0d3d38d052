//! Which bytes a path stood for at one moment: the answer to "is it still the same file?".
//!
//! Two equal identities mean that the file was not written, replaced or renamed in between, as far
//! as the kernel reports. It says nothing of the content: equal content under two identities is
//! normal.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

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
