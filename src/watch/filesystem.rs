//! Which filesystem a file is on, and what follows for events and for leases.
//!
//! The kernel announces only what is done through it: on a network filesystem others write past it,
//! a FUSE server may change what it shows, and so may the lower folder of an overlay.

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
    /// Writers are known, but changes of its lower folders are not announced.
    Layered(&'static str),
    /// Writers may be on other machines, or behind a program that tells nothing.
    Remote(&'static str),
}

/// Numbers (statfs(2)) and usual names.
const NAMED: [(u32, Filesystem); 9] = [
    (0x6969, Filesystem::Remote("nfs")),
    (0x517B, Filesystem::Remote("smb")),
    (0xFF53_4D42, Filesystem::Remote("cifs")),
    (0xFE53_4D42, Filesystem::Remote("smb2")),
    (0x6573_5546, Filesystem::Remote("fuse")),
    (0x0102_1997, Filesystem::Remote("9p")),
    (0x00C3_6400, Filesystem::Remote("ceph")),
    (0x5346_414F, Filesystem::Remote("afs")),
    (0x794C_7630, Filesystem::Layered("overlay")),
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
        let found = NAMED.iter().find(|(number, _)| i64::from(*number) == magic);
        Ok(found.map_or(Self::Local, |(_, filesystem)| *filesystem))
    }
}
