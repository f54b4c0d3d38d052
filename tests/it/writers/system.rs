//! What these writers ask of the kernel and no safe library offers.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reserves room for a file, which gets that size at once.
#[expect(unsafe_code, reason = "no safe crate here offers fallocate")]
pub(super) fn reserve(file: &File, size: usize) {
    let size = libc::off_t::try_from(size).unwrap();
    // SAFETY: the descriptor is open for as long as `file` is borrowed; no memory is passed.
    let errno = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, size) };
    assert_eq!(errno, 0, "{}", io::Error::from_raw_os_error(errno));
}

/// A file without a name.
pub(super) fn nameless(folder: &Path) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_TMPFILE);
    options.open(folder).unwrap()
}

/// Gives a nameless file a name (open(2), `O_TMPFILE`).
#[expect(unsafe_code, reason = "std's hard_link does not follow /proc/self/fd")]
pub(super) fn name(file: &File, path: &Path) {
    let from = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    let to = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: both are strings that end in a zero byte and live until the call returns.
    let done = unsafe {
        libc::linkat(
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// A file's bytes in memory, shared with the file; gone from there when dropped.
pub(super) struct Mapped {
    at: *mut libc::c_void,
    size: usize,
}

impl Mapped {
    /// The file must have this size already.
    #[expect(unsafe_code, reason = "no safe crate here offers mmap")]
    pub(super) fn new(file: &File, size: usize) -> Self {
        // SAFETY: a new mapping, at a place that the kernel chooses.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(at, libc::MAP_FAILED, "{}", io::Error::last_os_error());
        Self { at, size }
    }

    /// Stores bytes at an offset.
    #[expect(unsafe_code, reason = "a store into the mapping")]
    pub(super) fn store(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.size);
        // SAFETY: inside the mapping, as was just seen, and it is not shortened meanwhile.
        unsafe {
            let to = self.at.cast::<u8>().add(offset);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    }
}

impl Drop for Mapped {
    #[expect(unsafe_code, reason = "ends the mapping")]
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone, and is not used afterwards.
        unsafe {
            libc::munmap(self.at, self.size);
        }
    }
}
