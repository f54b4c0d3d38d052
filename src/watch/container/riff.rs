//! AVI and WAV: RIFF chunks, whose sizes must end with the file. A recording that went through a pipe
//! has 0 or all ones in their place, and nothing can be known (`OpenDML` 1.02; EBU Tech 3306).

use std::io::{Read, Seek};

use super::source::{Source, Stop};
use super::{Flaw, Verdict};

/// Whether a file that begins so is one.
pub(super) fn is_one(head: [u8; 8]) -> bool {
    head.starts_with(b"RIFF") || head.starts_with(b"RF64")
}

/// A chunk whose head was read.
struct Chunk {
    id: [u8; 4],
    /// Where its content begins.
    body: u64,
    /// Its size; `None` where that was never filled in.
    size: Option<u64>,
}

impl Chunk {
    /// Where it ends, padded to an even length.
    fn end(&self) -> Option<u64> {
        let size = self.size?;
        Some(self.body.saturating_add(size).saturating_add(size % 2))
    }
}

/// Some programs count the head of the file in, which no cut makes: so much more says nothing.
const SLOPPY: u64 = 8;

/// Judges it.
pub(super) fn judge<R: Read + Seek>(source: &mut Source<R>) -> Result<Verdict, Stop> {
    if source.size() < 12 {
        return Ok(Verdict::Incomplete(Flaw::CutShort));
    }
    match source.array::<4>(8)? {
        [b'A', b'V', b'I', b' ' | 0x19] => film(source),
        [b'W', b'A', b'V', b'E'] => sound(source),
        _ => Ok(Verdict::Unknown),
    }
}

/// An AVI: one RIFF chunk or, if it is large, several in a row. The first has a list `movi`.
fn film<R: Read + Seek>(source: &mut Source<R>) -> Result<Verdict, Stop> {
    let mut at = 0;
    while at < source.size() {
        let Some(riff) = chunk(source, at)? else {
            return Ok(Verdict::Unknown);
        };
        if riff.id != *b"RIFF" {
            return Ok(Verdict::Unknown);
        }
        let Some(end) = riff.end() else {
            return Ok(Verdict::Unended);
        };
        if let Some(short) = overrun(source, end) {
            return Ok(short);
        }
        // After the word that says what it is.
        let pictures = inside(source, riff.body.saturating_add(4), end)?;
        if at == 0 && !pictures {
            return Ok(Verdict::Incomplete(Flaw::NoData));
        }
        at = end;
    }
    Ok(Verdict::Complete)
}

/// Looks through the chunks of a RIFF chunk: whether the pictures are there. Notes what is padding.
fn inside<R: Read + Seek>(source: &mut Source<R>, mut at: u64, end: u64) -> Result<bool, Stop> {
    let mut pictures = false;
    while at < end.min(source.size()) {
        let Some(part) = chunk(source, at)? else {
            break;
        };
        let Some(next) = part.end() else { break };
        if part.id == *b"LIST" && part.body + 4 <= source.size() {
            pictures |= source.array::<4>(part.body)? == *b"movi";
        }
        note_padding(source, &part, next);
        at = next;
    }
    Ok(pictures)
}

/// A WAV, whose one chunk `data` has the sound. Above 4 GB its sizes are in a chunk `ds64`.
fn sound<R: Read + Seek>(source: &mut Source<R>) -> Result<Verdict, Stop> {
    // Silence is zeros.
    source.zeros_are_data();
    let is_large = source.array::<4>(0)? == *b"RF64";
    let (mut data_size, mut at) = (None, 12);
    while at < source.size() {
        let Some(part) = chunk(source, at)? else {
            return Ok(Verdict::Unknown);
        };
        if is_large && part.id == *b"ds64" && part.body + 16 <= source.size() {
            data_size = Some(u64::from_le_bytes(source.array(part.body + 8)?));
        }
        if part.id == *b"data" {
            let size = part.size.or(data_size.filter(|size| *size > 0));
            return Ok(data(source, &Chunk { size, ..part }));
        }
        let Some(next) = part.end() else {
            return Ok(Verdict::Unended);
        };
        note_padding(source, &part, next);
        at = next;
    }
    Ok(Verdict::Incomplete(Flaw::NoData))
}

/// What the chunk with the sound says. What follows it (marks, tags) is small and may be anything.
fn data<R: Read + Seek>(source: &Source<R>, data: &Chunk) -> Verdict {
    let Some(size) = data.size else {
        return Verdict::Unended;
    };
    let end = data.body.saturating_add(size);
    if let Some(short) = overrun(source, end) {
        return short;
    }
    // Some programs leave the byte out that would make it even.
    if source.size() - end.min(source.size()) <= 1 {
        return Verdict::Complete;
    }
    Verdict::Unknown
}

/// What to say about an end that is after that of the file.
fn overrun<R: Read + Seek>(source: &Source<R>, end: u64) -> Option<Verdict> {
    match end.checked_sub(source.size())? {
        0 => None,
        1..=SLOPPY => Some(Verdict::Unknown),
        _ => Some(Verdict::Incomplete(Flaw::CutShort)),
    }
}

fn note_padding<R: Read + Seek>(source: &mut Source<R>, part: &Chunk, end: u64) {
    if [*b"JUNK", *b"PAD ", *b"FLLR", *b"junk"].contains(&part.id) {
        source.note_padding(part.body..end);
    }
}

/// The head of a chunk; `None`: the file ends before.
fn chunk<R: Read + Seek>(source: &mut Source<R>, at: u64) -> Result<Option<Chunk>, Stop> {
    if source.size() - at < 8 {
        return Ok(None);
    }
    let [a, b, c, d, size @ ..]: [u8; 8] = source.array(at)?;
    let size = u32::from_le_bytes(size);
    let id = [a, b, c, d];
    // An empty chunk is sound, but not one that must have content.
    let must_have = [*b"RIFF", *b"RF64", *b"data", *b"LIST"].contains(&id);
    let unknown = size == u32::MAX || (size == 0 && must_have);
    let size = (!unknown).then(|| u64::from(size));
    let body = at + 8;
    Ok(Some(Chunk { id, body, size }))
}
