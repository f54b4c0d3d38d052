//! Names that are free: which are tried, and renaming that takes none over.

use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Numbered names that are tried where the first ones are taken.
const NAMES: u32 = 1000;

/// `clip.mp4`, `clip (2).mp4`, `clip (3).mp4`, …
pub(super) fn names(wanted: &Path) -> impl Iterator<Item = PathBuf> {
    (1..=NAMES).map(|number| {
        let (Some(stem), 2..) = (wanted.file_stem(), number) else {
            return wanted.to_path_buf();
        };
        let mut name = OsString::from(stem);
        name.push(format!(" ({number})"));
        if let Some(extension) = wanted.extension() {
            name.push(".");
            name.push(extension);
        }
        wanted.with_file_name(name)
    })
}

/// Renames, unless the name is taken (`AlreadyExists`).
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rename_no_replace(from, to) {
        // The filesystem cannot do it in one go. A link is refused where the name is taken, too.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
            match fs::hard_link(from, to) {
                Ok(()) => fs::remove_file(from),
                Err(error)
                    if matches!(
                        error.raw_os_error(),
                        Some(libc::EPERM | libc::EOPNOTSUPP | libc::ENOSYS | libc::EMLINK)
                    ) && fs::symlink_metadata(to).is_err() =>
                {
                    fs::rename(from, to)
                }
                Err(error) => Err(error),
            }
        }
        outcome => outcome,
    }
}

#[expect(unsafe_code, reason = "the standard library has no RENAME_NOREPLACE")]
fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    let from = CString::new(from.as_os_str().as_bytes())?;
    let to = CString::new(to.as_os_str().as_bytes())?;
    let (here, flags) = (libc::AT_FDCWD, libc::RENAME_NOREPLACE);
    // SAFETY: both texts end in a zero byte and live until the call returns.
    let outcome = unsafe { libc::renameat2(here, from.as_ptr(), here, to.as_ptr(), flags) };
    if outcome == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}
