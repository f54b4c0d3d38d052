//! MXF: partitions of keys, lengths and values. The first one says whether it was closed, and where
//! the last one is, which must end with the file (SMPTE ST 377-1, 6 and 7).

use std::io::{Read, Seek};

use super::source::{Source, Stop};
use super::{Flaw, Verdict};

/// The start of the keys of partitions and of what belongs to them.
const PARTITION: [u8; 13] = [
    0x06, 0x0E, 0x2B, 0x34, 0x02, 0x05, 0x01, 0x01, 0x0D, 0x01, 0x02, 0x01, 0x01,
];
/// The start of all keys, and of those of fill, without the version between.
const KEY: [u8; 4] = [0x06, 0x0E, 0x2B, 0x34];
const FILL: [u8; 5] = [0x03, 0x01, 0x02, 0x10, 0x01];

const HEADER: u8 = 2;
const FOOTER: u8 = 4;
const INDEX: u8 = 0x11;

/// Whether a file that begins so is one.
pub(super) fn is_one(head: [u8; 8]) -> bool {
    PARTITION.starts_with(&head)
}

/// A key, a length, and where the value is.
struct Item {
    key: [u8; 16],
    body: u64,
    end: u64,
}

impl Item {
    /// The kind and the status of a partition.
    fn partition(&self) -> Option<(u8, u8)> {
        let [.., kind, status, _] = self.key;
        self.key.starts_with(&PARTITION).then_some((kind, status))
    }

    fn is_footer(&self) -> bool {
        self.partition().is_some_and(|(kind, _)| kind == FOOTER)
    }
}

/// What is at a place.
enum Part {
    Item(Item),
    /// The file ends within its head.
    Cut,
    Junk,
}

/// Judges it.
pub(super) fn judge<R: Read + Seek>(source: &mut Source<R>) -> Result<Verdict, Stop> {
    let header = match item(source, 0)? {
        Part::Item(header) if header.end <= source.size() => header,
        Part::Item(_) | Part::Cut => return Ok(Verdict::Incomplete(Flaw::CutShort)),
        Part::Junk => return Ok(Verdict::Unknown),
    };
    let Some((HEADER, status)) = header.partition() else {
        return Ok(Verdict::Unknown);
    };
    if header.end - header.body < 32 {
        return Ok(Verdict::Unknown);
    }
    let footer = u64::from_be_bytes(source.array(header.body + 24)?);
    let is_closed = status == 2 || status == 4;
    if source.has_holes() {
        // Only to know what is fill.
        walk(source, 0)?;
    }
    if !is_closed || footer == 0 {
        return unclosed(source);
    }
    if footer >= source.size() {
        return Ok(Verdict::Incomplete(Flaw::CutShort));
    }
    match item(source, footer)? {
        Part::Item(found) if found.is_footer() => walk(source, footer),
        Part::Cut => Ok(Verdict::Incomplete(Flaw::CutShort)),
        Part::Junk if source.is_zero(footer)? => Ok(Verdict::Incomplete(Flaw::Hollow)),
        Part::Item(_) | Part::Junk => Ok(Verdict::Unknown),
    }
}

/// A header that was not filled in again, as of a recording that still grows or went through a pipe:
/// it has its last partition, or it may grow.
fn unclosed<R: Read + Seek>(source: &mut Source<R>) -> Result<Verdict, Stop> {
    // A list of all partitions may be at the very end, and its last four bytes are its length.
    let Some(last) = source.size().checked_sub(4) else {
        return Ok(Verdict::Unknown);
    };
    let length = u64::from(u32::from_be_bytes(source.array(last)?));
    if let Some(at) = source.size().checked_sub(length)
        && let Part::Item(list) = item(source, at)?
        && list.partition().is_some_and(|(kind, _)| kind == INDEX)
        && list.end == source.size()
    {
        return Ok(Verdict::Complete);
    }
    walk(source, 0)
}

/// Walks the items from there to the end of the file: whole if the last partition is among them.
fn walk<R: Read + Seek>(source: &mut Source<R>, mut at: u64) -> Result<Verdict, Stop> {
    let mut footer = false;
    while at < source.size() {
        let found = match item(source, at)? {
            Part::Item(found) => found,
            Part::Cut => return Ok(Verdict::Incomplete(Flaw::CutShort)),
            Part::Junk => return Ok(Verdict::Unknown),
        };
        if found.end > source.size() {
            return Ok(Verdict::Incomplete(Flaw::CutShort));
        }
        footer |= found.is_footer();
        if found.key.get(8..13) == Some(&FILL) {
            source.note_padding(found.body..found.end);
        }
        at = found.end;
    }
    Ok(if footer {
        Verdict::Complete
    } else {
        Verdict::Unended
    })
}

/// The item at an offset inside the file.
fn item<R: Read + Seek>(source: &mut Source<R>, at: u64) -> Result<Part, Stop> {
    let left = source.size().saturating_sub(at);
    if left < 4 {
        return Ok(if left == 0 { Part::Junk } else { Part::Cut });
    }
    if source.array::<4>(at)? != KEY {
        return Ok(Part::Junk);
    }
    if left < 17 {
        return Ok(Part::Cut);
    }
    let key = source.array(at)?;
    let [first] = source.array(at + 16)?;
    let more = match first {
        0..=0x7f => 0,
        0x81..=0x88 => u64::from(first - 0x80),
        _ => return Ok(Part::Junk),
    };
    let body = at + 17 + more;
    if body > source.size() {
        return Ok(Part::Cut);
    }
    let mut length = if more == 0 { u64::from(first) } else { 0 };
    for place in 0..more {
        let [byte] = source.array(at + 17 + place)?;
        length = length << 8 | u64::from(byte);
    }
    let end = body.saturating_add(length);
    Ok(Part::Item(Item { key, body, end }))
}
