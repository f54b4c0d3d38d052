//! How a file is cut into parts: where each begins, how long it is, and how many there may be.

use crate::upload::Error;

/// Bytes of one part, for a file of `size` bytes: large enough that 25 GB take few requests, small
/// enough that a break costs little. All parts but the last have it.
pub fn part_size(size: u64) -> u64 {
    (size / USUAL_PARTS).clamp(16 * MIB, 256 * MIB)
}

/// A file, cut into parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    size: u64,
    part_size: u64,
    count: u32,
}

/// One part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// From 1.
    pub(super) number: u32,
    /// Its first byte.
    pub(super) at: u64,
    /// At least one byte.
    pub(super) length: u64,
}

impl Cut {
    /// # Errors
    /// [`Error::Empty`], or [`Error::PartSize`] where the platform would take no such parts.
    pub(super) fn new(size: u64, part_size: u64) -> Result<Self, Error> {
        if size == 0 {
            return Err(Error::Empty);
        }
        let refused = Error::PartSize { size, part_size };
        if part_size == 0 || (part_size < SMALLEST_PART && size > part_size) {
            return Err(refused);
        }
        match u32::try_from(size.div_ceil(part_size)) {
            Ok(count) if count <= MOST_PARTS => Ok(Self {
                size,
                part_size,
                count,
            }),
            _ => Err(refused),
        }
    }

    /// How many parts there are.
    pub(super) fn count(self) -> u32 {
        self.count
    }

    /// The parts in their order.
    pub(super) fn pieces(self) -> impl Iterator<Item = Piece> {
        (1..=self.count).map(move |number| {
            let at = u64::from(number - 1).saturating_mul(self.part_size);
            Piece {
                number,
                at,
                length: self.size.saturating_sub(at).min(self.part_size),
            }
        })
    }
}

/// Slots of one upload (JW docs, v2 multipart uploads).
pub(super) const MOST_PARTS: u32 = 10_000;
/// Of every part but the last (JW docs, v2 multipart uploads: 5 MiB).
const SMALLEST_PART: u64 = 5 * MIB;
const USUAL_PARTS: u64 = 2_000;
const MIB: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_part_is_of_a_size_that_suits_the_file() {
        assert_eq!(part_size(1), 16 * MIB);
        assert_eq!(part_size(25_000_000_000), 16 * MIB);
        assert_eq!(part_size(100_000 * MIB), 50 * MIB);
        assert_eq!(part_size(u64::MAX), 256 * MIB);
    }

    #[test]
    fn the_platform_s_limits_are_kept() {
        assert!(matches!(Cut::new(0, MIB), Err(Error::Empty)));
        for (size, part_size, count) in [
            (1, 16 * MIB, Some(1)),
            (16 * MIB, 16 * MIB, Some(1)),
            (16 * MIB + 1, 16 * MIB, Some(2)),
            (3, 3, Some(1)),
            (4, 3, None),
            (1, 0, None),
            (10 * MIB, 5 * MIB - 1, None),
            (50_000 * MIB, 5 * MIB, Some(10_000)),
            (50_000 * MIB + 1, 5 * MIB, None),
            (u64::MAX, 256 * MIB, None),
        ] {
            let cut = Cut::new(size, part_size).ok().map(Cut::count);
            assert_eq!(cut, count, "{size} in {part_size}");
        }
    }

    proptest! {
        #[test]
        fn parts_cover_the_file_once(
            part_size in SMALLEST_PART..300 * MIB, parts in 0..MOST_PARTS, rest in 0_u64..300 * MIB,
        ) {
            let rest = rest % part_size;
            let size = u64::from(parts) * part_size + rest;
            prop_assume!(size > 0);
            let cut = Cut::new(size, part_size).unwrap();
            let mut end = 0;
            let mut number = 0;
            for piece in cut.pieces() {
                number += 1;
                prop_assert_eq!((piece.number, piece.at), (number, end));
                prop_assert!(piece.length > 0);
                end += piece.length;
                prop_assert!(piece.length == part_size || end == size);
            }
            prop_assert_eq!((end, number), (size, cut.count()));
        }
    }
}
