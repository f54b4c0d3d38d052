//! FLV: tags in a row, each followed by its length. There is no mark of the end, but many programs
//! write the size of the file into the first tag (Adobe Flash Video File Format 10.1, annex E).

use std::io::{Read, Seek};

use super::source::{Source, Stop};
use super::{Flaw, Verdict};

/// Whether a file that begins so is one.
pub(super) fn is_one(head: [u8; 8]) -> bool {
    head.starts_with(b"FLV\x01")
}

/// A tag's head, and the number after it.
const HEAD: u64 = 11;
const AFTER: u64 = 4;
/// How many tags are looked at from the end.
const RUN: u32 = 8;
/// The size of the file is near the start, behind this and the mark of a number.
const FILE_SIZE: &[u8; 11] = b"\0\x08filesize\0";
const NEAR: u64 = 4096;

/// Judges it.
pub(super) fn judge<R: Read + Seek>(source: &mut Source<R>) -> Result<Verdict, Stop> {
    if source.size() < 9 + AFTER {
        return Ok(Verdict::Incomplete(Flaw::CutShort));
    }
    let first = u64::from(u32::from_be_bytes(source.array(5)?)).saturating_add(AFTER);
    if first >= source.size() {
        return Ok(Verdict::Incomplete(Flaw::NoData));
    }
    let told = told_size(source)?;
    if told.is_some_and(|told| told > source.size()) {
        return Ok(Verdict::Incomplete(Flaw::CutShort));
    }
    if ends_with_tags(source, first)? {
        let is_whole = told == Some(source.size());
        return Ok(if is_whole {
            Verdict::Complete
        } else {
            Verdict::Unended
        });
    }
    forwards(source, first)
}

/// The size that it says it has.
fn told_size<R: Read + Seek>(source: &mut Source<R>) -> Result<Option<u64>, Stop> {
    let last = source.size().min(NEAR).saturating_sub(19);
    for at in 0..last {
        if source.array::<11>(at)? == *FILE_SIZE {
            let told = f64::from_be_bytes(source.array(at + 11)?);
            return Ok(whole(told));
        }
    }
    Ok(None)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within the bounds that are checked, every whole number is exact"
)]
fn whole(number: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && (1.0..EXACT).contains(&number)).then_some(number as u64)
}

/// Whether the file ends with tags, from the last one backwards.
fn ends_with_tags<R: Read + Seek>(source: &mut Source<R>, first: u64) -> Result<bool, Stop> {
    let mut end = source.size();
    for _ in 0..RUN {
        if end == first {
            return Ok(true);
        }
        if end < first.saturating_add(HEAD + AFTER) {
            return Ok(false);
        }
        let length = u64::from(u32::from_be_bytes(source.array(end - AFTER)?));
        let Some(start) = (end - AFTER)
            .checked_sub(length)
            .filter(|start| *start >= first)
        else {
            return Ok(false);
        };
        if tag(source, start)? != Some(end) {
            return Ok(false);
        }
        end = start;
    }
    Ok(true)
}

/// From the first tag on, to where the file ends within one.
fn forwards<R: Read + Seek>(source: &mut Source<R>, first: u64) -> Result<Verdict, Stop> {
    let mut at = first;
    while at < source.size() {
        if source.size() - at < HEAD {
            return Ok(Verdict::Incomplete(Flaw::CutShort));
        }
        match tag(source, at)? {
            None => return Ok(Verdict::Unknown),
            Some(end) if end > source.size() => return Ok(Verdict::Incomplete(Flaw::CutShort)),
            Some(end) => at = end,
        }
    }
    // Its lengths do not agree, as some programs write them.
    Ok(Verdict::Unknown)
}

/// Where the tag there ends, with the number after it; `None`: it is none.
fn tag<R: Read + Seek>(source: &mut Source<R>, at: u64) -> Result<Option<u64>, Stop> {
    let [kind, a, b, c] = source.array(at)?;
    let is_one = matches!(kind & 0x1f, 8 | 9 | 18) && kind & 0xc0 == 0;
    let size = u64::from(u32::from_be_bytes([0, a, b, c]));
    Ok(is_one.then_some(at + HEAD + size + AFTER))
}
