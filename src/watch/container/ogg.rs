//! Ogg: pages, of which the last one of each stream is marked (RFC 3533, 6).

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use super::source::{Source, Stop};
use super::{Flaw, Verdict};

/// Whether a file that begins so is one.
pub(super) fn is_one(head: [u8; 8]) -> bool {
    head.starts_with(b"OggS\0")
}

/// The longest page; the last one begins within so much of the end.
const PAGE: u64 = 27 + 255 + 255 * 255;
const HEAD: u64 = 27;
const BEGINS: u8 = 2;
const ENDS: u8 = 4;
/// How many streams at most.
const STREAMS: usize = 64;

/// A page.
struct Page {
    flags: u8,
    stream: [u8; 4],
    end: u64,
}

/// Judges it.
pub(super) fn judge<R: Read + Seek>(source: &mut Source<R>) -> Result<Verdict, Stop> {
    let mut open = BTreeSet::new();
    let mut at = 0;
    while open.len() < STREAMS {
        match page(source, at)? {
            Some(page) if page.flags & BEGINS != 0 => {
                open.insert(page.stream);
                at = page.end;
            }
            _ => break,
        }
    }
    last_pages(source, open)
}

/// Walks the pages at the end: all streams must end there.
fn last_pages<R: Read + Seek>(
    source: &mut Source<R>,
    mut open: BTreeSet<[u8; 4]>,
) -> Result<Verdict, Stop> {
    let from = source.size().saturating_sub(PAGE * 2);
    let Some(mut at) = first_page(source, from)? else {
        return Ok(Verdict::Unknown);
    };
    while at < source.size() {
        if source.size() - at < HEAD {
            return Ok(Verdict::Incomplete(Flaw::CutShort));
        }
        match page(source, at)? {
            None => return Ok(Verdict::Unknown),
            Some(page) if page.end > source.size() => {
                return Ok(Verdict::Incomplete(Flaw::CutShort));
            }
            Some(page) => {
                if page.flags & BEGINS != 0 {
                    open.insert(page.stream);
                }
                if page.flags & ENDS != 0 {
                    open.remove(&page.stream);
                }
                at = page.end;
            }
        }
    }
    Ok(if open.is_empty() {
        Verdict::Complete
    } else {
        Verdict::Unended
    })
}

/// The first page from there on that another one, or the end of the file, follows.
fn first_page<R: Read + Seek>(source: &mut Source<R>, from: u64) -> Result<Option<u64>, Stop> {
    for at in from..source.size().saturating_sub(HEAD) {
        let Some(found) = page(source, at)? else {
            continue;
        };
        let is_last = found.end.saturating_add(HEAD) > source.size();
        if is_last || page(source, found.end)?.is_some() {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// The page there; `None`: there is none. Its end may be after that of the file.
fn page<R: Read + Seek>(source: &mut Source<R>, at: u64) -> Result<Option<Page>, Stop> {
    if source.size().saturating_sub(at) < HEAD || source.array::<5>(at)? != *b"OggS\0" {
        return Ok(None);
    }
    let flags = source.array::<1>(at + 5)?[0];
    let stream = source.array(at + 14)?;
    let segments = u64::from(source.array::<1>(at + 26)?[0]);
    let mut end = at + HEAD + segments;
    for segment in 0..segments {
        let place = at + HEAD + segment;
        if place >= source.size() {
            break;
        }
        end += u64::from(source.array::<1>(place)?[0]);
    }
    Ok(Some(Page { flags, stream, end }))
}
