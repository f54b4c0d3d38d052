//! The sums that prove a copy: MD5 of the whole file, and over the MD5s of its parts; all in one
//! reading, since a film of 25 GB is read for minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use md5::{Digest, Md5};

use crate::hex;
use crate::watch::filesystem::forget_pages;

/// What a file sums up to, lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ingest) struct Sums {
    /// MD5 of all bytes.
    pub(in crate::ingest) md5: String,
    /// MD5 over the MD5s of all parts, by the bytes of a part.
    parts: BTreeMap<u64, String>,
}

impl Sums {
    /// Whether a file that went in parts, whose sum is stored as `<bytes of a part>:<MD5>`, has this
    /// content. `None`: parts of that size were not summed up.
    pub(in crate::ingest) fn has_parts(&self, stored: &str) -> Option<bool> {
        let (_, md5) = stored.split_once(':')?;
        let ours = self.parts.get(&part_size(stored)?)?;
        Some(ours.eq_ignore_ascii_case(md5))
    }

    /// Whether parts of all these sizes were summed up.
    pub(in crate::ingest) fn is_enough(&self, part_sizes: &BTreeSet<u64>) -> bool {
        part_sizes.iter().all(|size| self.parts.contains_key(size))
    }
}

/// The bytes of a part in a stored sum.
pub(in crate::ingest) fn part_size(stored: &str) -> Option<u64> {
    let (size, _) = stored.split_once(':')?;
    size.parse().ok().filter(|size| *size > 0)
}

/// Sums up the first `size` bytes. `None`: broken off, because `stopped` says so. Blocks.
///
/// # Errors
/// The file cannot be read, or is shorter.
pub(in crate::ingest) fn read(
    file: &File,
    size: u64,
    part_sizes: &BTreeSet<u64>,
    stopped: &dyn Fn() -> bool,
) -> io::Result<Option<Sums>> {
    forget_pages(file);
    let mut whole = Md5::new();
    let mut parts: Vec<Parts> = part_sizes.iter().map(|size| Parts::of(*size)).collect();
    let mut buffer = vec![0; READ_AT_ONCE];
    let mut at = 0;
    while at < size {
        if stopped() {
            return Ok(None);
        }
        let wanted = usize::try_from(size - at).map_or(READ_AT_ONCE, |left| left.min(READ_AT_ONCE));
        buffer.truncate(wanted);
        file.read_exact_at(&mut buffer, at)?;
        whole.update(&buffer);
        for parts in &mut parts {
            parts.update(&buffer);
        }
        at = at.saturating_add(u64::try_from(wanted).unwrap_or(size));
    }
    Ok(Some(Sums {
        md5: hex::lower(&whole.finalize()),
        parts: parts.into_iter().map(Parts::end).collect(),
    }))
}

/// As large as the other readers' pieces: the calls cost nothing beside the hashing.
const READ_AT_ONCE: usize = 256 * 1024;

/// The sum over parts of one size, as far as the file is read.
struct Parts {
    size: u64,
    /// What the part that is being read lacks.
    left: u64,
    part: Md5,
    all: Md5,
}

impl Parts {
    fn of(size: u64) -> Self {
        let size = size.max(1);
        Self {
            size,
            left: size,
            part: Md5::new(),
            all: Md5::new(),
        }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let length =
                usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
            let (here, rest) = bytes.split_at(length);
            self.part.update(here);
            self.left -= u64::try_from(length).unwrap_or(self.left);
            bytes = rest;
            if self.left == 0 {
                self.close_part();
            }
        }
    }

    fn close_part(&mut self) {
        self.all.update(self.part.finalize_reset());
        self.left = self.size;
    }

    fn end(mut self) -> (u64, String) {
        if self.left < self.size {
            self.close_part();
        }
        (self.size, hex::lower(&self.all.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn all_sums_come_of_one_reading() {
        let bytes: Vec<u8> = (0..=250).cycle().take(1_000_000).collect();
        let sizes = BTreeSet::from([1, 1000, 262_144, 300_001, 1_000_000, 5_000_000]);
        let sums = read(&file(&bytes), 1_000_000, &sizes, &|| false).unwrap();
        let sums = sums.unwrap();
        assert_eq!(sums.md5, hex::lower(&Md5::digest(&bytes)));
        for size in sizes {
            let mut all = Md5::new();
            for part in bytes.chunks(usize::try_from(size).unwrap()) {
                all.update(Md5::digest(part));
            }
            let stored = format!("{size}:{}", hex::lower(&all.finalize()));
            assert_eq!(sums.has_parts(&stored), Some(true), "{size}");
            assert_eq!(sums.has_parts(&format!("{size}:00")), Some(false));
        }
        for strange in ["7:00", "00", "0:00", "x:00", ""] {
            assert_eq!(sums.has_parts(strange), None, "{strange}");
        }
    }

    #[test]
    fn ends_when_it_must_and_when_the_file_does() {
        let file = file(&vec![7; 3 * READ_AT_ONCE]);
        let looks = Cell::new(0);
        let stop = || {
            looks.set(looks.get() + 1);
            looks.get() > 2
        };
        let none = BTreeSet::new();
        let size = u64::try_from(3 * READ_AT_ONCE).unwrap();
        assert_eq!(read(&file, size, &none, &stop).unwrap(), None);
        let error = read(&file, size + 1, &none, &|| false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let empty = read(&file, 0, &none, &|| false).unwrap().unwrap();
        assert_eq!(empty.md5, "d41d8cd98f00b204e9800998ecf8427e");
    }
}
