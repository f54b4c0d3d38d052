//! What is mounted where, as the kernel reports (`/proc/self/mountinfo`, proc(5)).
//!
//! The number of a device is given again at each mount; what stays is the source, the type, and
//! which folder of it is shown.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::beneath::Folder;
use crate::text;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Distinct among those that are there now.
    pub id: u64,
    /// What is mounted.
    pub origin: Origin,
}

/// What is mounted, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The device, the share, or a word.
    pub source: String,
    /// The filesystem's type.
    pub kind: String,
    /// The folder of the filesystem that is shown.
    pub root: String,
    /// Where it is shown.
    pub point: PathBuf,
}

impl Origin {
    /// Whether this is what was mounted then. Disks are named again at each start of the machine:
    /// at the same place, another name is the same disk. A source that is but a word (`tmpfs`,
    /// `none`) names nothing, and counts at the same place only.
    pub(crate) fn is(&self, then: &Self) -> bool {
        let is_disk = |origin: &Self| origin.source.starts_with("/dev/");
        let is_named = self.source.contains(['/', ':']);
        (&self.kind, &self.root) == (&then.kind, &then.root)
            && if self.source == then.source {
                is_named || self.point == then.point
            } else {
                is_disk(self) && is_disk(then) && self.point == then.point
            }
    }

    /// In words.
    pub(crate) fn words(&self) -> String {
        let (source, kind) = (text::line(&self.source), text::line(&self.kind));
        format!("{source} ({kind}, at {})", text::path(&self.point))
    }
}

/// The mount that a folder is on. `None`: the kernel does not say.
///
/// # Errors
/// The folder cannot be reached by this path without a symbolic link.
pub(crate) fn of(folder: &Path) -> io::Result<Option<Mount>> {
    let held = Folder::root(folder)?.held()?;
    // By the handle: of several mounts at one place it reports the one that is seen.
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", held.as_raw_fd()));
    let Some(id) = info.ok().as_deref().and_then(mount_id) else {
        return Ok(None);
    };
    let Ok(table) = fs::read("/proc/self/mountinfo") else {
        return Ok(None);
    };
    Ok(parse(&table).find(|mount| mount.id == id))
}

fn mount_id(info: &str) -> Option<u64> {
    let mut lines = info.lines();
    lines.find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
}

fn parse(table: &[u8]) -> impl Iterator<Item = Mount> + '_ {
    table.split(|byte| *byte == b'\n').filter_map(mount)
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    // The parent's number, and the device's.
    let mut fields = fields.skip(2);
    let (root, point) = (fields.next()?, fields.next()?);
    // Options, as many as there are, until the hyphen.
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let (kind, source) = (fields.next()?, fields.next()?);
    let words = |field: &[u8]| String::from_utf8_lossy(&unescaped(field)).into_owned();
    Some(Mount {
        id,
        origin: Origin {
            source: words(source),
            kind: words(kind),
            root: words(root),
            point: PathBuf::from(std::ffi::OsString::from_vec(unescaped(point))),
        },
    })
}

/// `\040` and its like stand for blanks, line breaks and backslashes.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| *byte == b'\\').and_then(octal);
        plain.push(code.unwrap_or(*byte));
        rest = match code {
            Some(_) => after.get(3..).unwrap_or_default(),
            None => after,
        };
    }
    plain
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
40 22 0:30 / /mnt/nas\\040one rw shared:2 master:3 - nfs4 nas:/vol\\134x rw,vers=4.2\n\
41 22 8:17 /video/in /srv/drop rw - xfs /dev/sdb1 rw\n\
42 41 0:31 / /srv/drop rw - tmpfs tmpfs rw\n\
43 22 0:32 / /a\\011b\\012c rw - fuse.x - - rw\n\
44 22 0:33\n\
no line\n\
45 22 0:34 / /caf\xe9 rw - tmpfs none rw";

    #[test]
    fn each_line_is_read_with_its_escapes() {
        let all: Vec<Mount> = parse(TABLE).collect();
        let read = |id: u64| {
            let origin = &all.iter().find(|mount| mount.id == id).unwrap().origin;
            let Origin {
                source,
                kind,
                root,
                point,
            } = origin;
            format!("{source} {kind} {root} {}", point.to_string_lossy())
        };
        assert_eq!(all.len(), 6);
        assert_eq!(read(22), "/dev/sda1 ext4 / /");
        assert_eq!(read(40), "nas:/vol\\x nfs4 / /mnt/nas one");
        // A bind mount shows a folder; another mount is over it.
        assert_eq!(read(41), "/dev/sdb1 xfs /video/in /srv/drop");
        assert_eq!(read(42), "tmpfs tmpfs / /srv/drop");
        assert_eq!(read(43), "- fuse.x / /a\tb\nc");
        assert_eq!(read(45), "none tmpfs / /caf\u{fffd}");
        assert_eq!(unescaped(b"\\04"), b"\\04");
        assert_eq!(unescaped(b"\\999\\1010"), b"\\999A0");
    }

    #[test]
    fn what_comes_back_is_the_same_whatever_its_number() {
        let of = |source: &str, kind: &str, root: &str, point: &str| Origin {
            source: source.to_owned(),
            kind: kind.to_owned(),
            root: root.to_owned(),
            point: PathBuf::from(point),
        };
        let share = of("nas:/vol", "nfs4", "/", "/mnt/nas");
        assert!(share.is(&share));
        assert!(of("nas:/vol", "nfs4", "/", "/mnt/other").is(&share));
        assert!(!of("nas:/vol2", "nfs4", "/", "/mnt/nas").is(&share));
        assert!(!of("nas:/vol", "nfs4", "/sub", "/mnt/nas").is(&share));
        let disk = of("/dev/sdb1", "ext4", "/", "/mnt/disk");
        assert!(of("/dev/sdc1", "ext4", "/", "/mnt/disk").is(&disk));
        assert!(!of("/dev/sdc1", "ext4", "/", "/mnt/else").is(&disk));
        assert!(!of("/dev/sdc1", "xfs", "/", "/mnt/disk").is(&disk));
        assert!(!of("/dev/sda1", "ext4", "/", "/").is(&disk));
        let memory = of("tmpfs", "tmpfs", "/", "/mnt/memory");
        assert!(memory.is(&memory) && !of("tmpfs", "tmpfs", "/", "/mnt").is(&memory));
    }

    #[test]
    fn the_kernel_tells_where_a_folder_lies() {
        let root = of(Path::new("/proc")).unwrap().unwrap();
        assert_eq!(root.origin.kind, "proc");
        assert!(of(Path::new("/none/such")).is_err());
    }
}
