//! The fingerprint of a file: a hash over its size and a few samples, so that an unlike file of any
//! size is told apart by reading a MiB.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

use crate::hex;
use crate::watch::filesystem::forget_pages;

/// Up to here, bytes, all of the file is read: equal fingerprints mean equal files.
pub(super) const WHOLE: u64 = 1024 * 1024;

/// Bytes at the head and at the tail of a larger file.
const EDGE: u64 = 256 * 1024;
/// Blocks in between, evenly spread, and the bytes of each.
const BLOCKS: u64 = 8;
const BLOCK: u64 = 64 * 1024;

/// What a file is taken for. The same bytes mean something else in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ingest) enum Kind {
    /// A video.
    Video,
    /// An address to fetch one from.
    Address,
}

/// The fingerprint of the first `size` bytes of a file that is so long: a version, and SHA-256 in
/// hex. It begins with another number if other samples are ever taken. Blocks while it reads.
///
/// # Errors
/// The file cannot be read, or is shorter.
pub(in crate::ingest) fn fingerprint(file: &File, size: u64, kind: Kind) -> io::Result<String> {
    forget_pages(file);
    let mut hash = Sha256::new();
    hash.update(match kind {
        Kind::Video => *b"video  ",
        Kind::Address => *b"address",
    });
    hash.update(size.to_le_bytes());
    let mut buffer = Vec::new();
    for (at, length) in pieces(size) {
        buffer.resize(usize::try_from(length).unwrap_or_default(), 0);
        file.read_exact_at(&mut buffer, at)?;
        hash.update(&buffer);
    }
    Ok(format!("1:{}", hex::lower(&hash.finalize())))
}

/// Which pieces of a file are read: where each begins and how long it is, bytes.
fn pieces(size: u64) -> Vec<(u64, u64)> {
    if size <= WHOLE {
        return vec![(0, size)];
    }
    // Left out between two pieces.
    let gap = (size - WHOLE) / (BLOCKS + 1);
    let blocks = (0..BLOCKS).map(|number| (EDGE + gap + (gap + BLOCK) * number, BLOCK));
    let edges = [(0, EDGE), (size - EDGE, EDGE)];
    edges.into_iter().chain(blocks).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn of(bytes: &[u8]) -> String {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let size = u64::try_from(bytes.len()).unwrap();
        fingerprint(&file, size, Kind::Video).unwrap()
    }

    #[test]
    fn a_small_file_is_read_to_its_last_byte() {
        let size = usize::try_from(WHOLE).unwrap();
        let bytes = vec![7; size];
        let usual = of(&bytes);
        assert!(usual.starts_with("1:") && usual.len() == 66, "{usual}");
        assert_eq!(of(&bytes), usual);
        for at in [0, 300_000, 555_555, size - 1] {
            let mut other = bytes.clone();
            other[at] = 8;
            assert_ne!(of(&other), usual, "{at}");
        }
        assert_ne!(of(&bytes[1..]), usual, "the size counts");
        assert_ne!(of(b""), of(b"\0"));
    }

    #[test]
    fn a_large_file_is_looked_at_in_its_head_its_tail_and_in_between() {
        let size = 5_000_000;
        let bytes = vec![7; size];
        let usual = of(&bytes);
        let pieces = pieces(5_000_000);
        assert_eq!(pieces.iter().map(|piece| piece.1).sum::<u64>(), WHOLE);
        for (at, length) in pieces {
            let mut other = bytes.clone();
            other[usize::try_from(at + length - 1).unwrap()] = 8;
            assert_ne!(of(&other), usual, "{at}");
        }
        let mut other = bytes.clone();
        other[300_000] = 8;
        assert_eq!(of(&other), usual, "what is not sampled is not seen");
    }

    #[test]
    fn all_pieces_lie_inside_and_none_upon_another() {
        for size in [
            WHOLE + 1,
            WHOLE + 12_345,
            3 * WHOLE,
            25_000_000_000,
            u64::MAX,
        ] {
            let mut pieces = pieces(size);
            pieces.sort_unstable();
            for two in pieces.windows(2) {
                assert!(two[0].0 + two[0].1 <= two[1].0, "{size}: {two:?}");
            }
            let (at, length) = pieces[pieces.len() - 1];
            assert_eq!(at.checked_add(length), Some(size), "{size}");
        }
    }

    #[test]
    fn an_address_is_no_video_and_a_file_that_shrank_no_file() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"https://example.org/a.mp4").unwrap();
        let video = fingerprint(&file, 25, Kind::Video).unwrap();
        assert_ne!(fingerprint(&file, 25, Kind::Address).unwrap(), video);
        let error = fingerprint(&file, 26, Kind::Video).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
