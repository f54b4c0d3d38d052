//! What the server says it holds, and which piece it gets next: pure.

use std::fmt;

/// Pieces of a file that the server holds, as first byte and first byte after, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Held(Vec<(u64, u64)>);

/// A piece of the file to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its first byte.
    pub(super) at: u64,
    /// Its bytes; never just one.
    pub(super) length: u64,
}

/// Why the server's word on what it holds cannot be true, or no upload can continue from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hitch {
    /// The text is no list of ranges.
    Malformed,
    /// It speaks of a file of another size.
    OtherSize,
    /// It claims bytes beyond the end.
    TooMuch,
    /// It lacks bytes that it had before.
    Shrunk,
    /// It takes segments and has no more than before.
    Stuck,
    /// It says that all is done, and names no file, while some of it is missing.
    NoFile,
}

impl Held {
    /// Reads `0-99/200,150-199/200` for a file of `size` bytes (nginx upload module, "Resumable
    /// uploads over HTTP").
    ///
    /// The first two bytes are always sent first, so a list without them is none of this upload's; and
    /// a range of one byte is what spoils a session for good.
    pub(super) fn parse(text: &str, size: u64) -> Result<Self, Hitch> {
        let mut ranges = Vec::new();
        for item in text.trim().split(',') {
            let (range, total) = item.trim().split_once('/').ok_or(Hitch::Malformed)?;
            let (first, last) = range.split_once('-').ok_or(Hitch::Malformed)?;
            let (first, last) = (number(first)?, number(last)?);
            if number(total)? != size {
                return Err(Hitch::OtherSize);
            }
            if last >= size {
                return Err(Hitch::TooMuch);
            }
            if first >= last {
                return Err(Hitch::Malformed);
            }
            ranges.push((first, last + 1));
        }
        ranges.sort_unstable();
        if ranges.first().is_none_or(|(first, _)| *first != 0) {
            return Err(Hitch::Malformed);
        }
        Ok(Self(ranges))
    }

    /// Bytes from the start without a gap.
    pub(super) fn confirmed(&self) -> u64 {
        self.without_gap(&[])
    }

    /// Whether nothing of the file is missing once `piece` is there too.
    pub(super) fn is_completed_by(&self, piece: Piece, size: u64) -> bool {
        self.without_gap(&[(piece.at, piece.end())]) >= size
    }

    fn without_gap(&self, more: &[(u64, u64)]) -> u64 {
        let mut ranges = [self.0.as_slice(), more].concat();
        ranges.sort_unstable();
        ranges.iter().fold(
            0,
            |end, (from, to)| if *from <= end { end.max(*to) } else { end },
        )
    }
}

/// Digits only: a sign or a blank is no number of this protocol's.
fn number(text: &str) -> Result<u64, Hitch> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| Hitch::Malformed)
    } else {
        Err(Hitch::Malformed)
    }
}

impl Piece {
    /// The first two bytes, which make the server tell what it holds; it cannot be asked otherwise.
    pub(super) const PROBE: Self = Self { at: 0, length: 2 };

    /// What follows the first `confirmed` bytes of `size`, in segments of `segment` (all at least
    /// 2, except for `confirmed`).
    ///
    /// Never one byte: the upload host refuses such a segment or is spoilt by it. So before the end a
    /// segment is one byte shorter, or reaches back to what the server has already, which it drops.
    pub(super) fn after(confirmed: u64, size: u64, segment: u64) -> Self {
        let left = size.saturating_sub(confirmed);
        let length = match left {
            0 | 1 => {
                return Self {
                    at: size.saturating_sub(2),
                    length: 2,
                };
            }
            _ if left <= segment => left,
            _ if left - segment > 1 => segment,
            3 => 3,
            _ => segment.saturating_sub(1),
        };
        Self {
            at: confirmed,
            length,
        }
    }

    /// The first byte after it.
    pub(super) fn end(self) -> u64 {
        self.at.saturating_add(self.length)
    }

    /// As `X-Content-Range` has it.
    pub(super) fn header(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.at, self.end().saturating_sub(1))
    }
}

impl fmt::Display for Hitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the server's list of what it has cannot be read",
            Self::OtherSize => "the server has it for a file of another size",
            Self::TooMuch => "the server claims bytes beyond the end of the file",
            Self::Shrunk => "the server has lost bytes that it had",
            Self::Stuck => "the server takes segments and does not keep them",
            Self::NoFile => "the server ended it without the file",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_the_documents_show() {
        for (text, size, confirmed) in [
            ("0-1234566/96768273", 96_768_273, 1_234_567),
            ("0-1/10", 10, 2),
            (" 0-3/10,6-9/10 ", 10, 4),
            ("6-9/10, 0-3/10", 10, 4),
            ("0-3/10,4-5/10,8-9/10", 10, 6),
            ("0-9/10", 10, 10),
        ] {
            let held = Held::parse(text, size).unwrap();
            assert_eq!(held.confirmed(), confirmed, "{text}");
        }
    }

    #[test]
    fn believes_nothing_else() {
        for (text, expected) in [
            ("", Hitch::Malformed),
            ("0-1", Hitch::Malformed),
            ("bytes 0-1/10", Hitch::Malformed),
            ("0-1/10,", Hitch::Malformed),
            ("-1/10", Hitch::Malformed),
            ("+0-1/10", Hitch::Malformed),
            ("3-2/10", Hitch::Malformed),
            ("0-0/10", Hitch::Malformed),
            ("2-9/10", Hitch::Malformed),
            ("0-99999999999999999999/10", Hitch::Malformed),
            ("0-1/11", Hitch::OtherSize),
            ("0-3/10,4-5/11", Hitch::OtherSize),
            ("0-10/10", Hitch::TooMuch),
            ("0-18446744073709551615/10", Hitch::TooMuch),
        ] {
            assert_eq!(Held::parse(text, 10), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn the_piece_that_fills_the_last_gap_is_known() {
        let piece = |at, length| Piece { at, length };
        let gap = Held::parse("0-3/10,6-9/10", 10).unwrap();
        assert!(gap.is_completed_by(piece(4, 2), 10));
        assert!(gap.is_completed_by(piece(2, 8), 10));
        assert!(!gap.is_completed_by(piece(4, 1), 10));
        assert!(Held::default().is_completed_by(Piece::PROBE, 2));
        assert!(!Held::default().is_completed_by(Piece::PROBE, 3));
        assert!(!Held::default().is_completed_by(piece(2, 8), 10));
    }

    #[test]
    fn the_last_two_are_uneven_where_one_byte_would_be_left() {
        let piece = |confirmed| {
            let Piece { at, length } = Piece::after(confirmed, 21, 10);
            (at, length)
        };
        assert_eq!(piece(0), (0, 10));
        assert_eq!(piece(10), (10, 9), "and not ten, which would leave one");
        assert_eq!(piece(19), (19, 2));
        assert_eq!(piece(20), (19, 2), "one byte back");
        assert_eq!(piece(21), (19, 2), "all there, and yet not done");
    }

    proptest! {
        #[test]
        fn every_file_is_covered_without_a_piece_of_one_byte(
            size in 2_u64..2_000,
            segment in 2_u64..50,
            start in 0_u64..2_000,
        ) {
            let mut confirmed = start.min(size);
            while confirmed < size {
                let piece = Piece::after(confirmed, size, segment);
                prop_assert!(piece.length >= 2 && piece.length <= segment.max(3));
                prop_assert!(piece.at <= confirmed && piece.end() <= size);
                prop_assert!(piece.end() > confirmed, "it continues");
                confirmed = piece.end();
            }
        }
    }
}
