//! Which filesystem a file is on, and what follows for events and for leases.
//!
//! The kernel announces only what is done through it: on a network filesystem others write past it,
//! a FUSE server may change what it shows, and so may the lower folder of an overlay. Where attributes may be stale, or
//! a write can be hidden from them, only the content tells.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::path::Path;

use crate::beneath::Folder;

/// A filesystem, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filesystem {
    /// All writers are on this machine, and the kernel knows them.
    Local,
    /// As local, but its ctime says no more than its mtime: a program that puts the mtime back hides its write.
    Timeless(&'static str),
    /// Writers are known, but changes of its lower folders are not announced.
    Layered(&'static str),
    /// Writers may be on other machines, or behind a program that tells nothing.
    Remote(&'static str),
}

/// Numbers (statfs(2)) and usual names.
const NAMED: [(u32, Filesystem); 11] = [
    (0x6969, Filesystem::Remote("nfs")),
    (0x517B, Filesystem::Remote("smb")),
    (0xFF53_4D42, Filesystem::Remote("cifs")),
    (0xFE53_4D42, Filesystem::Remote("smb2")),
    (0x6573_5546, Filesystem::Remote("fuse")),
    (0x0102_1997, Filesystem::Remote("9p")),
    (0x00C3_6400, Filesystem::Remote("ceph")),
    (0x5346_414F, Filesystem::Remote("afs")),
    (0x794C_7630, Filesystem::Layered("overlay")),
    (0x4D44, Filesystem::Timeless("fat")),
    (0x2011_BAB0, Filesystem::Timeless("exfat")),
];

impl Filesystem {
    /// The filesystem of a folder; one that cannot be looked at counts as local.
    pub(crate) fn at(folder: &Path) -> Self {
        let held = Folder::root(folder).ok().and_then(|it| it.held().ok());
        held.and_then(|folder| Self::of(&folder).ok())
            .unwrap_or(Self::Local)
    }

    /// The filesystem of an open file or folder.
    ///
    /// # Errors
    /// The system does not say.
    #[expect(unsafe_code, reason = "the standard library has no statfs")]
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let mut answer = MaybeUninit::<libc::statfs>::uninit();
        // SAFETY: `answer` is large enough, and read only after the call said that it filled it.
        let magic = unsafe {
            if libc::fstatfs(file.as_raw_fd(), answer.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            answer.assume_init().f_type
        };
        Ok(Self::numbered(magic))
    }

    fn numbered(magic: i64) -> Self {
        let found = NAMED.iter().find(|(number, _)| i64::from(*number) == magic);
        found.map_or(Self::Local, |(_, filesystem)| *filesystem)
    }

    /// Whether its attributes may stay the same though a file was written to.
    pub(crate) fn may_be_stale(self) -> bool {
        match self {
            Self::Local | Self::Layered(_) => false,
            Self::Timeless(_) | Self::Remote(_) => true,
        }
    }
}

/// Whether the attributes of an open file may stay the same though it was written to.
pub(crate) fn may_be_stale(file: &File) -> bool {
    Filesystem::of(file).map_or(true, Filesystem::may_be_stale)
}

/// What is read of it from here on comes from its filesystem, and not from what this machine remembers.
pub(crate) fn forget_pages(file: &File) {
    // What the kernel does not give up is read as before.
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_prove_nothing_on_shares_and_on_fat() {
        for (magic, expected, may_be_stale) in [
            (0xEF53, Filesystem::Local, false),
            (0x794C_7630, Filesystem::Layered("overlay"), false),
            (0x4D44, Filesystem::Timeless("fat"), true),
            (0x2011_BAB0, Filesystem::Timeless("exfat"), true),
            (0x6969, Filesystem::Remote("nfs"), true),
            (0x6573_5546, Filesystem::Remote("fuse"), true),
        ] {
            let found = Filesystem::numbered(magic);
            assert_eq!(found, expected);
            assert_eq!(found.may_be_stale(), may_be_stale, "{found:?}");
        }
    }
}
