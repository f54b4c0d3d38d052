//! Which parts of a file were never written, as far as its filesystem tells: holes, and space that
//! was only reserved (lseek(2), `SEEK_HOLE`).
//!
//! A copy that broke off after its full length was set has them. How much is allocated does not tell:
//! filesystems that compress allocate less for whole files, and reserved space is allocated. Where a
//! filesystem knows of no holes, as on most shares, there are none.

use std::fs::File;
use std::ops::Range;

use rustix::fs::{SeekFrom, seek};

/// More than this many say nothing more.
const MOST: usize = 64;

/// The parts of a file of this size that were never written, in order.
pub(super) fn of(file: &File, size: u64) -> Vec<Range<u64>> {
    let mut found = Vec::new();
    let mut at = 0;
    while found.len() < MOST && at < size {
        // There is one at the end of every file.
        let Some(hole) = seek(file, SeekFrom::Hole(at))
            .ok()
            .filter(|hole| *hole < size)
        else {
            break;
        };
        // No data follows, or the file has shrunk.
        let end = seek(file, SeekFrom::Data(hole)).map_or(size, |data| data.min(size));
        found.push(hole..end);
        at = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    /// What a filesystem that knows of no holes, or has larger ones, cannot fail.
    #[test]
    fn what_was_never_written_is_found_and_what_was_is_not() {
        const PART: u64 = 1 << 20;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        assert_eq!(of(&file, 0), []);
        file.write_all_at(&[7; 10], 0).unwrap();
        assert_eq!(of(&file, 10), []);
        file.write_all_at(&[7; 10], 2 * PART).unwrap();
        file.set_len(4 * PART).unwrap();
        let found = of(&file, 4 * PART);
        let [inside, tail] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert!(inside.start < PART && inside.contains(&PART) && inside.end <= 2 * PART);
        assert!(
            tail.contains(&(3 * PART)) && tail.end == 4 * PART,
            "{tail:?}"
        );
        // Zeros that were written are no hole.
        file.write_all_at(&vec![0; 4 << 20], 0).unwrap();
        assert_eq!(of(&file, 4 * PART), []);
        for part in 0..200 {
            file.write_all_at(&[7], part * PART + (5 << 20)).unwrap();
        }
        assert_eq!(of(&file, 205 << 20).len(), MOST);
    }
}
