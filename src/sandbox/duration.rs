//! How long a video plays, read from the `mvhd` box of an MP4 or `QuickTime` file (ISO 14496-12).
//!
//! The stand-in decodes nothing; a file of another kind has no duration here.

use std::io::{Read, Seek, SeekFrom};

/// Seconds, where the file tells. Damage of any kind only means that it does not.
pub(super) fn of(file: &mut (impl Read + Seek)) -> Option<f64> {
    let end = file.seek(SeekFrom::End(0)).ok()?;
    let (moov, moov_end) = find(file, *b"moov", 0, end)?;
    let (mvhd, mvhd_end) = find(file, *b"mvhd", moov, moov_end)?;
    file.seek(SeekFrom::Start(mvhd)).ok()?;
    let mut head = Vec::new();
    file.take((mvhd_end - mvhd).min(MVHD_LENGTH))
        .read_to_end(&mut head)
        .ok()?;
    let word = |at: usize| -> Option<u32> {
        Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?))
    };
    // Version 1 has 64-bit times, version 0 has 32-bit ones; the time scale is between them.
    let (scale, duration) = if *head.first()? == 1 {
        (
            word(20)?,
            f64::from(word(24)?) * 4_294_967_296.0 + f64::from(word(28)?),
        )
    } else {
        (word(12)?, f64::from(word(16)?))
    };
    // A fragmented file says 0 here, and its length elsewhere.
    (scale > 0 && duration > 0.0).then(|| duration / f64::from(scale))
}

/// The content of the first box of that kind between two offsets.
fn find(file: &mut (impl Read + Seek), kind: [u8; 4], from: u64, end: u64) -> Option<(u64, u64)> {
    let mut at = from;
    for _ in 0..BOXES_LOOKED_AT {
        file.seek(SeekFrom::Start(at)).ok()?;
        let mut head = [0; 16];
        file.read_exact(head.get_mut(..8)?).ok()?;
        let (size, found) = head.split_first_chunk::<4>()?;
        let is_it = found.starts_with(&kind);
        let (header, size) = match u32::from_be_bytes(*size) {
            0 => (8, end.checked_sub(at)?),
            1 => {
                file.read_exact(head.get_mut(8..)?).ok()?;
                (16, u64::from_be_bytes(*head.last_chunk::<8>()?))
            }
            size => (8, u64::from(size)),
        };
        let next = at
            .checked_add(size)
            .filter(|next| *next <= end && size >= header)?;
        if is_it {
            return Some((at + header, next));
        }
        at = next;
    }
    None
}

const MVHD_LENGTH: u64 = 108;
const BOXES_LOOKED_AT: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], &kind, content].concat()
    }

    fn movie(mvhd: &[u8]) -> Vec<u8> {
        let moov = [boxed(*b"free", b"xx"), boxed(*b"mvhd", mvhd)].concat();
        [
            boxed(*b"ftyp", b"isom"),
            boxed(*b"mdat", &[9; 50]),
            boxed(*b"moov", &moov),
        ]
        .concat()
    }

    #[test]
    fn both_versions_of_the_header_are_read() {
        let mut old = vec![0; 12];
        old.extend(1000u32.to_be_bytes());
        old.extend(2500u32.to_be_bytes());
        assert_eq!(of(&mut Cursor::new(movie(&old))), Some(2.5));
        let mut new = vec![1];
        new.extend([0; 19]);
        new.extend(600u32.to_be_bytes());
        new.extend(1200u64.to_be_bytes());
        assert_eq!(of(&mut Cursor::new(movie(&new))), Some(2.0));
    }

    #[test]
    fn damage_means_no_duration() {
        let whole = movie(&[0; 20]);
        assert_eq!(of(&mut Cursor::new(&whole)), None, "a time scale of zero");
        for cut in 0..whole.len() {
            assert_eq!(of(&mut Cursor::new(&whole[..cut])), None);
        }
        assert_eq!(of(&mut Cursor::new(vec![0xff; 64])), None);
    }
}
