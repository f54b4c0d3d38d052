//! Which programs have a file open for writing, as far as the user who asks can see.
//!
//! Read out of `/proc`, where each descriptor of a process is a link to its file and `fdinfo` has
//! the flags that it was opened with (proc(5)). Processes of other users, and those in another
//! container's `/proc`, stay hidden.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::identity::Identity;

/// What was found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holders {
    /// The programs.
    pub(super) known: Vec<Holder>,
    /// Whether there are processes whose files we may not see.
    pub(super) some_hidden: bool,
}

/// One program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// Its process number.
    pub(super) pid: u32,
    /// Its name.
    pub(super) program: String,
}

/// More descriptors than that are not looked at.
const MOST: usize = 200_000;
/// More programs are not named.
const MOST_NAMED: usize = 5;

/// Looks for those who have the file open for writing.
pub(super) fn of(file: &Identity) -> Holders {
    let mut found = Holders::default();
    let mut left = MOST;
    let Ok(processes) = fs::read_dir("/proc") else {
        return found;
    };
    for process in processes.flatten() {
        let Some(pid) = number(&process.file_name()) else {
            continue;
        };
        match holds(&process.path(), file, &mut left) {
            Ok(true) => found.known.push(Holder {
                pid,
                program: name(&process.path()),
            }),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                found.some_hidden = true;
            }
            // Not this one, or it ended meanwhile.
            Ok(false) | Err(_) => {}
        }
        if left == 0 || found.known.len() >= MOST_NAMED {
            break;
        }
    }
    found
}

fn number(name: &OsStr) -> Option<u32> {
    name.to_str()?.parse().ok()
}

/// Whether a process has the file open for writing.
fn holds(process: &Path, file: &Identity, left: &mut usize) -> io::Result<bool> {
    for descriptor in fs::read_dir(process.join("fd"))? {
        if *left == 0 {
            break;
        }
        *left -= 1;
        let descriptor = descriptor?;
        // Through the link, to the file itself; one that was closed meanwhile has no holder.
        let Ok(meta) = fs::metadata(descriptor.path()) else {
            continue;
        };
        let same = meta.dev().cast_signed() == file.dev && meta.ino().cast_signed() == file.ino;
        let info = process.join("fdinfo").join(descriptor.file_name());
        if same && fs::read_to_string(info).is_ok_and(|info| is_for_writing(&info)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the flags of a descriptor, octal, allow writing (open(2)).
fn is_for_writing(info: &str) -> bool {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_ACCMODE != libc::O_RDONLY)
}

fn name(process: &Path) -> String {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let name = name.trim_end();
    if name.is_empty() { "?" } else { name }.to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};

    use super::*;

    #[test]
    fn writers_are_named_and_readers_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "x").unwrap();
        let file = Identity::of(&fs::metadata(&path).unwrap());
        let reader = File::open(&path).unwrap();
        assert_eq!(of(&file).known, []);
        let writer = OpenOptions::new().append(true).open(&path).unwrap();
        let found = of(&file).known;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].pid, std::process::id());
        assert_ne!(found[0].program, "?");
        drop((reader, writer));
        assert_eq!(of(&file).known, []);
    }

    #[test]
    fn flags_are_read_as_open_has_them() {
        for (info, writes) in [
            ("pos:\t0\nflags:\t0100000\nmnt_id:\t1\n", false),
            ("pos:\t0\nflags:\t0100001\n", true),
            ("flags:\t02\n", true),
            ("", false),
        ] {
            assert_eq!(is_for_writing(info), writes, "{info}");
        }
    }
}
