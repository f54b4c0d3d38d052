//! Matroska and `WebM`: a header, then one segment, whose size is known and ends with the file, or is
//! unknown, as of a recording, whose clusters must then end with the file (RFC 8794, RFC 9559).

use std::io::{Read, Seek};

use super::source::{Source, Stop};
use super::{Flaw, Verdict};

const HEADER: u32 = 0x1A45_DFA3;
const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1F43_B675;
/// What is beside clusters: seek head, info, tracks, cues, tags, chapters, attachments, void,
/// checksum.
const BESIDE: [u32; 9] = [
    0x114D_9B74,
    0x1549_A966,
    0x1654_AE6B,
    0x1C53_BB6B,
    0x1254_C367,
    0x1043_A770,
    0x1941_A469,
    VOID,
    CHECKSUM,
];
const VOID: u32 = 0xEC;
const CHECKSUM: u32 = 0xBF;
/// What is in a cluster: time, blocks, groups, position, size of the one before, silent tracks,
/// encrypted blocks, void, checksum.
const INSIDE: [u32; 9] = [0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0x5854, 0xAF, VOID, CHECKSUM];

/// Whether a file that begins so is one.
pub(super) fn is_one(head: [u8; 8]) -> bool {
    head.starts_with(&HEADER.to_be_bytes())
}

/// One element.
struct Element {
    id: u32,
    /// Where its content begins.
    body: u64,
    /// Where it ends; `None`: its size is unknown.
    end: Option<u64>,
}

/// What is at a place.
enum Part {
    Element(Element),
    /// The file ends within its head.
    Cut,
    /// No element.
    Junk,
}

/// Judges it.
pub(super) fn judge<R: Read + Seek>(source: &mut Source<R>) -> Result<Verdict, Stop> {
    let mut at = 0;
    let segment = loop {
        if at >= source.size() {
            return Ok(Verdict::Incomplete(Flaw::NoData));
        }
        match (element(source, at)?, at) {
            (Part::Element(segment), _) if segment.id == SEGMENT => break segment,
            (
                Part::Element(Element {
                    id, end: Some(end), ..
                }),
                _,
            ) if id == VOID || (id == HEADER && at == 0) => {
                at = end;
            }
            (Part::Cut, _) => return Ok(Verdict::Incomplete(Flaw::CutShort)),
            (Part::Element(_) | Part::Junk, _) => return Ok(Verdict::Unknown),
        }
    };
    if segment.end.is_some() && source.has_holes() {
        // Only to know where padding is.
        recording(source, segment.body)?;
    }
    match segment.end {
        Some(end) if end > source.size() => Ok(Verdict::Incomplete(Flaw::CutShort)),
        Some(end) if end == source.size() => Ok(Verdict::Complete),
        // Something follows that is not ours to judge.
        Some(_) => Ok(Verdict::Unknown),
        None => recording(source, segment.body),
    }
}

/// A segment of unknown size: its parts, up to the end of the file.
fn recording<R: Read + Seek>(source: &mut Source<R>, mut at: u64) -> Result<Verdict, Stop> {
    let mut clusters = false;
    // Within a cluster whose size is unknown.
    let mut inside = false;
    while at < source.size() {
        let element = match element(source, at)? {
            Part::Element(element) => element,
            Part::Cut => return Ok(Verdict::Incomplete(Flaw::CutShort)),
            Part::Junk => return Ok(Verdict::Unknown),
        };
        if let (VOID, Some(end)) = (element.id, element.end) {
            source.note_padding(at..end);
        }
        match (element.id, element.end) {
            (CLUSTER, None) => (clusters, inside, at) = (true, true, element.body),
            (_, Some(end)) if end > source.size() => {
                return Ok(Verdict::Incomplete(Flaw::CutShort));
            }
            (CLUSTER, Some(end)) => (clusters, inside, at) = (true, false, end),
            (id, Some(end)) if inside && INSIDE.contains(&id) => at = end,
            (id, Some(end)) if BESIDE.contains(&id) => (inside, at) = (false, end),
            (_, _) => return Ok(Verdict::Unknown),
        }
    }
    Ok(if clusters {
        Verdict::Unended
    } else {
        Verdict::Incomplete(Flaw::NoData)
    })
}

/// The head of the element at an offset inside the file.
fn element<R: Read + Seek>(source: &mut Source<R>, at: u64) -> Result<Part, Stop> {
    let [first] = source.array(at)?;
    let length = u64::from(first.leading_zeros()) + 1;
    if length > 4 {
        return Ok(Part::Junk);
    }
    let Some(id) = number(source, at, length)? else {
        return Ok(Part::Cut);
    };
    let Ok(id) = u32::try_from(id) else {
        return Ok(Part::Junk);
    };
    let at = at + length;
    if at >= source.size() {
        return Ok(Part::Cut);
    }
    let [first] = source.array(at)?;
    let length = u64::from(first.leading_zeros()) + 1;
    if length > 8 {
        return Ok(Part::Junk);
    }
    let Some(coded) = number(source, at, length)? else {
        return Ok(Part::Cut);
    };
    // Without the bit that marks the length; all ones mean that the size is unknown.
    let most = (1_u64 << (7 * length)) - 1;
    let size = coded & most;
    let body = at + length;
    let end = (size != most).then(|| body.saturating_add(size));
    Ok(Part::Element(Element { id, body, end }))
}

/// How many bytes as one number; `None`: the file ends before.
fn number<R: Read + Seek>(
    source: &mut Source<R>,
    at: u64,
    length: u64,
) -> Result<Option<u64>, Stop> {
    if length > source.size() - at {
        return Ok(None);
    }
    let mut number = 0;
    for place in 0..length {
        let [byte] = source.array(at + place)?;
        number = number << 8 | u64::from(byte);
    }
    Ok(Some(number))
}
