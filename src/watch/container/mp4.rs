//! MP4, MOV and their kin: boxes in a row, which must end exactly where the file ends, and one of
//! them must be `moov` (ISO/IEC 14496-12, "Object structure").

use std::io::{Read, Seek};

use super::source::{Source, Stop};
use super::{Flaw, Verdict};

/// Boxes that a file begins with.
const FIRST: [&[u8; 4]; 8] = [
    b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot",
];

/// Boxes that hold nothing.
const PADDING: [&[u8; 4]; 3] = [b"free", b"skip", b"wide"];

/// Whether a file that begins so is one.
pub(super) fn is_one(head: [u8; 8]) -> bool {
    FIRST.iter().any(|kind| head.ends_with(*kind))
}

/// What is at one place of the row.
enum Part {
    /// A box of this kind, which ends there.
    Box([u8; 4], u64),
    /// A box that continues to the end of the file, however long that grows.
    Rest([u8; 4]),
    /// A box that is longer than the file.
    Overrun,
    /// No box.
    Junk,
}

/// Which boxes there were.
#[derive(Default)]
struct Census {
    index: bool,
    data: bool,
    /// `meta` at the top: a still picture has that in place of an index.
    meta: bool,
    tail: Tail,
}

/// How it ends, as far as there are fragments.
#[derive(Default, PartialEq, Eq)]
enum Tail {
    /// There are none.
    #[default]
    Plain,
    /// With a fragment's head.
    Half,
    /// With a fragment's data.
    Open,
    /// With the index of fragments, which is written at the very end.
    Closed,
}

/// Judges it.
pub(super) fn judge<R: Read + Seek>(source: &mut Source<R>) -> Result<Verdict, Stop> {
    let mut census = Census::default();
    let mut at = 0;
    while at < source.size() {
        match part(source, at)? {
            Part::Box(kind, end) => {
                census.note(kind);
                if PADDING.contains(&&kind) {
                    source.note_padding(at..end);
                }
                at = end;
            }
            Part::Rest(kind) => {
                census.note(kind);
                return Ok(match census.verdict() {
                    Verdict::Complete => Verdict::Unended,
                    other => other,
                });
            }
            Part::Overrun => return Ok(Verdict::Incomplete(Flaw::CutShort)),
            // Some cameras append what is no box. Before the index is there, it is something else:
            // the place of what is still to come.
            Part::Junk if census.index && census.data => return Ok(Verdict::Unknown),
            Part::Junk => return Ok(census.missing()),
        }
    }
    Ok(census.verdict())
}

impl Census {
    fn note(&mut self, kind: [u8; 4]) {
        match &kind {
            b"moov" => self.index = true,
            b"meta" => self.meta = true,
            b"moof" => self.tail = Tail::Half,
            b"mfra" => self.tail = Tail::Closed,
            b"mdat" => {
                self.data = true;
                if self.tail != Tail::Plain {
                    self.tail = Tail::Open;
                }
            }
            _ => {}
        }
    }

    /// What to say without an index, or without data.
    fn missing(&self) -> Verdict {
        if self.index {
            return Verdict::Incomplete(Flaw::NoData);
        }
        if self.meta || self.tail != Tail::Plain {
            return Verdict::Unknown;
        }
        Verdict::Incomplete(Flaw::NoIndex)
    }

    fn verdict(&self) -> Verdict {
        match self.tail {
            Tail::Half => Verdict::Incomplete(Flaw::HalfFragment),
            _ if !self.index || !self.data => self.missing(),
            Tail::Open => Verdict::Unended,
            Tail::Plain | Tail::Closed => Verdict::Complete,
        }
    }
}

/// The part at an offset inside the file.
fn part<R: Read + Seek>(source: &mut Source<R>, at: u64) -> Result<Part, Stop> {
    let left = source.size() - at;
    if left < 8 {
        return Ok(Part::Junk);
    }
    let [a, b, c, d, kind @ ..]: [u8; 8] = source.array(at)?;
    let printable = |byte: &u8| matches!(*byte, 0x20..=0x7e | 0xa9);
    if !kind.iter().all(printable) {
        return Ok(Part::Junk);
    }
    let size = match u32::from_be_bytes([a, b, c, d]) {
        0 => return Ok(Part::Rest(kind)),
        1 if left < 16 => return Ok(Part::Overrun),
        1 => match u64::from_be_bytes(source.array(at + 8)?) {
            0..16 => return Ok(Part::Junk),
            large => large,
        },
        2..8 => return Ok(Part::Junk),
        small => u64::from(small),
    };
    if size > left {
        return Ok(Part::Overrun);
    }
    Ok(Part::Box(kind, at + size))
}
