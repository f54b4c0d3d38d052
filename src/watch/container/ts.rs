//! MPEG transport streams: packets of one length, each with a sync byte, down to the last one
//! (ISO/IEC 13818-1, "Transport packet layer"; 192 bytes with a time stamp, 204 with parity).
//!
//! There is no end ingest id: a sound stream is never more than sound so far.

use std::io::{Read, Seek};

use super::source::{Source, Stop};
use super::{Flaw, Verdict};

/// Lengths of a packet, and where the sync byte is in it.
const KINDS: [(u64, u64); 3] = [(188, 0), (192, 4), (204, 0)];
const SYNC: u8 = 0x47;
/// How many packets in a row are looked at, at each place.
const RUN: u64 = 8;
/// With fewer packets than these, one cannot tell what it is.
const LEAST: u64 = 4;
/// At so many places in between.
const PLACES: u64 = 7;

/// Judges what may be one.
pub(super) fn judge<R: Read + Seek>(source: &mut Source<R>) -> Result<Verdict, Stop> {
    for (length, sync) in KINDS {
        let count = source.size() / length;
        if count < LEAST || !in_step(source, 0, RUN.min(count), (length, sync))? {
            continue;
        }
        return stream(source, count, (length, sync));
    }
    Ok(Verdict::Unknown)
}

fn stream<R: Read + Seek>(
    source: &mut Source<R>,
    count: u64,
    kind: (u64, u64),
) -> Result<Verdict, Stop> {
    if source.ends_in_zeros() {
        return Ok(Verdict::Incomplete(Flaw::Hollow));
    }
    let run = RUN.min(count);
    let step = (count / (PLACES + 1)).max(1);
    let places = (1..=PLACES).map(|place| (place * step).min(count - run));
    for first in places.chain([count - run]) {
        // Out of step: damaged on its way through the air, perhaps, which is nothing of ours.
        if !in_step(source, first, run, kind)? {
            let is_zero = source.is_zero(first * kind.0)?;
            return Ok(if is_zero {
                Verdict::Incomplete(Flaw::Hollow)
            } else {
                Verdict::Unknown
            });
        }
    }
    if !source.size().is_multiple_of(kind.0) {
        return Ok(Verdict::Incomplete(Flaw::CutShort));
    }
    Ok(Verdict::Unended)
}

/// Whether these packets have their sync bytes.
fn in_step<R: Read + Seek>(
    source: &mut Source<R>,
    first: u64,
    count: u64,
    (length, sync): (u64, u64),
) -> Result<bool, Stop> {
    for packet in first..first.saturating_add(count) {
        let [byte] = source.array(packet * length + sync)?;
        if byte != SYNC {
            return Ok(false);
        }
    }
    Ok(true)
}
