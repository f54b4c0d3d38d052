//! Is a program still writing this file? Asked of the kernel by trying to take a read lease.
//!
//! A read lease is granted only while no process has the inode open for writing or mapped writable,
//! in any process or container (fcntl(2), "Leases"). It is given back at once: while one is held, a
//! writer's `open` waits for us. The answer is advice for settling, never a lock.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::filesystem::Filesystem;

/// What the kernel knows about writers of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Writer {
    /// No process has it open for writing.
    None,
    /// A process has.
    Present,
    /// It cannot be known, and why.
    Unknown(Reason),
}

/// Why nothing is known about writers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Writers may be on other machines, or behind a user-space server that knows no leases.
    Remote(&'static str),
    /// The file belongs to another user, and the daemon lacks `CAP_LEASE`.
    NoRight,
    /// The filesystem has no leases.
    NoLeases,
    /// Another error, by its number.
    Errno(i32),
}

/// Asks whether a process has this file open for writing. The file must be open for reading only.
///
/// [`ignore_sigio`] must have been called: a writer that comes in the microseconds while the lease
/// is held makes the kernel send SIGIO, whose default action ends the process.
pub(crate) fn probe(file: &File) -> Writer {
    if let Ok(Filesystem::Remote(name)) = Filesystem::of(file) {
        return Writer::Unknown(Reason::Remote(name));
    }
    match lease(file, libc::F_RDLCK) {
        Ok(()) => match lease(file, libc::F_UNLCK) {
            Ok(()) => Writer::None,
            // Closing the file ends the lease too, so nothing is left behind.
            Err(errno) => Writer::Unknown(Reason::Errno(errno)),
        },
        Err(libc::EAGAIN) => Writer::Present,
        Err(libc::EACCES) => Writer::Unknown(Reason::NoRight),
        Err(libc::EINVAL) => Writer::Unknown(Reason::NoLeases),
        Err(errno) => Writer::Unknown(Reason::Errno(errno)),
    }
}

/// Makes the process deaf to SIGIO, for good. Harmless when repeated.
#[expect(
    unsafe_code,
    reason = "signal-hook can only add handlers, not set SIG_IGN"
)]
pub(crate) fn ignore_sigio() {
    // SAFETY: SIG_IGN installs no code of ours, and SIGIO is used by nothing else in this program.
    unsafe {
        libc::signal(libc::SIGIO, libc::SIG_IGN);
    }
}

#[expect(unsafe_code, reason = "no safe crate offers F_SETLEASE")]
fn lease(file: &File, kind: libc::c_int) -> Result<(), i32> {
    // SAFETY: the descriptor is open for as long as `file` is borrowed; no memory is passed.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or_default())
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(name) => write!(f, "writers cannot be seen on a {name} filesystem"),
            Self::NoRight => {
                f.write_str("the file belongs to another user, and the daemon lacks CAP_LEASE")
            }
            Self::NoLeases => f.write_str("the filesystem has no leases"),
            Self::Errno(errno) => {
                write!(
                    f,
                    "asking for writers failed: {}",
                    io::Error::from_raw_os_error(*errno)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    #[test]
    fn sees_writers_and_only_writers() {
        ignore_sigio();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, b"x").unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(probe(&file), Writer::None);
        let reader = File::open(&path).unwrap();
        assert_eq!(probe(&file), Writer::None);
        let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
        assert_eq!(probe(&file), Writer::Present);
        writer.write_all(b"y").unwrap();
        drop(writer);
        // Had the first lease been kept, opening the writer above would have hung.
        assert_eq!(probe(&file), Writer::None);
        drop(reader);
    }

    #[test]
    fn what_is_no_file_is_unknown() {
        let folder = File::open(tempfile::tempdir().unwrap().path()).unwrap();
        assert!(matches!(probe(&folder), Writer::Unknown(_)));
    }
}
