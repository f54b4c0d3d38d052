//! ASF (WMV, WMA): objects in a row, which must end where the file ends. A broadcast, whose sizes were
//! never filled in, has no end (Advanced Systems Format Specification, 2 and 3.2).

use std::io::{Read, Seek};
use std::ops::Range;

use super::source::{Source, Stop};
use super::{Flaw, Verdict};

/// The first half of the id of the header object.
const HEAD: [u8; 8] = [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11];
const DATA: [u8; 8] = [0x36, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11];
const PROPERTIES: [u8; 8] = [0xA1, 0xDC, 0xAB, 0x8C, 0x47, 0xA9, 0xCF, 0x11];
const PADDING: [u8; 8] = [0x74, 0xD4, 0x06, 0x18, 0xDF, 0xCA, 0x09, 0x45];

/// The id and the size of an object.
const OBJECT: u64 = 24;
/// What the header has before its objects, and the data before its packets.
const HEADER: u64 = 30;
const DATA_HEADER: u64 = 50;

/// Whether a file that begins so is one.
pub(super) fn is_one(head: [u8; 8]) -> bool {
    head == HEAD
}

/// What the file says about itself.
#[derive(Default)]
struct Properties {
    /// The size of the file, if it was filled in.
    size: u64,
    is_broadcast: bool,
}

/// Judges it.
pub(super) fn judge<R: Read + Seek>(source: &mut Source<R>) -> Result<Verdict, Stop> {
    let (mut at, mut told, mut has_data) = (0, Properties::default(), false);
    while at < source.size() {
        if source.size() - at < OBJECT {
            return Ok(left_over(has_data));
        }
        let id = source.array::<8>(at)?;
        let size = u64::from_le_bytes(source.array(at + 16)?);
        if at == 0 {
            told = properties(source, HEADER..size.min(source.size()))?;
            if told.size > source.size() && !told.is_broadcast {
                return Ok(Verdict::Incomplete(Flaw::CutShort));
            }
        }
        if id == DATA && (size <= DATA_HEADER || told.is_broadcast) {
            return Ok(Verdict::Unended);
        }
        if size < OBJECT {
            return Ok(left_over(has_data));
        }
        let end = at.saturating_add(size);
        if end > source.size() {
            return Ok(Verdict::Incomplete(Flaw::CutShort));
        }
        has_data |= id == DATA;
        at = end;
    }
    Ok(match has_data {
        true if told.size == source.size() => Verdict::Complete,
        true => Verdict::Unended,
        false => Verdict::Incomplete(Flaw::NoData),
    })
}

/// What is no object: something appended, or the place of what is still to come.
fn left_over(has_data: bool) -> Verdict {
    if has_data {
        Verdict::Unknown
    } else {
        Verdict::Incomplete(Flaw::NoData)
    }
}

/// Reads the file properties among the objects of the header.
fn properties<R: Read + Seek>(
    source: &mut Source<R>,
    header: Range<u64>,
) -> Result<Properties, Stop> {
    let Range { mut start, end } = header;
    let mut told = Properties::default();
    while start.saturating_add(OBJECT) <= end {
        let id = source.array::<8>(start)?;
        let size = u64::from_le_bytes(source.array(start + 16)?);
        if size < OBJECT {
            break;
        }
        // The size is after the file's id, the flags after five more numbers of eight bytes.
        if id == PROPERTIES && start.saturating_add(92) <= end {
            told.size = u64::from_le_bytes(source.array(start + 40)?);
            told.is_broadcast = source
                .array::<4>(start + 88)?
                .first()
                .is_some_and(|flags| flags & 1 == 1);
        }
        if id == PADDING {
            source.note_padding(start..start.saturating_add(size));
        }
        start = start.saturating_add(size);
    }
    Ok(told)
}
