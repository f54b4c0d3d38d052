//! Reading a few bytes here and there of a file that may be hostile or growing, within bounds.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

/// The file cannot be judged: it cannot be read there, or too much would have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop;

/// A file of a known size.
#[derive(Debug)]
pub(super) struct Source<R> {
    file: R,
    size: u64,
    /// The bytes from `at` on, as read last.
    block: Vec<u8>,
    at: u64,
    reads: u32,
    steps: u32,
    /// Parts that were never written.
    holes: Vec<Range<u64>>,
    /// Parts that hold nothing, by what the container says.
    padding: Vec<Range<u64>>,
    /// Long runs of zeros are what a finished file may have.
    zeros_are_data: bool,
}

/// How much is read at once: many small parts beside each other cost one read.
const BLOCK: u64 = 4096;
/// How many reads at most: enough for a recording of some hours in fragments of seconds, and over
/// in a moment on a local disk.
const READS: u32 = 16_384;
/// How many parts at most, however small.
const STEPS: u32 = 100_000;
/// A file of which so much at the end is zeros was not written to its end.
const TAIL: u64 = 64 * 1024;
/// At so many places in between.
const PLACES: u64 = 8;

impl<R: Read + Seek> Source<R> {
    pub(super) fn new(file: R, size: u64, holes: &[Range<u64>]) -> Self {
        Self {
            file,
            size,
            block: Vec::new(),
            at: 0,
            reads: 0,
            steps: 0,
            holes: holes.to_vec(),
            padding: Vec::new(),
            zeros_are_data: false,
        }
    }

    /// The bounds hold again from now on, as for another question.
    pub(super) fn restart(&mut self) {
        (self.reads, self.steps) = (0, 0);
    }

    /// The size of the file, bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The bytes at an offset.
    pub(super) fn array<const N: usize>(&mut self, offset: u64) -> Result<[u8; N], Stop> {
        self.steps += 1;
        if self.steps > STEPS {
            return Err(Stop);
        }
        if let Some(found) = self.held(offset) {
            return Ok(found);
        }
        self.read(offset)?;
        self.held(offset).ok_or(Stop)
    }

    fn held<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        let from = usize::try_from(offset.checked_sub(self.at)?).ok()?;
        let held = self.block.get(from..from.checked_add(N)?)?;
        held.try_into().ok()
    }

    /// Fills the block from an offset on.
    fn read(&mut self, offset: u64) -> Result<(), Stop> {
        self.reads += 1;
        if self.reads > READS || offset >= self.size {
            return Err(Stop);
        }
        self.block.clear();
        self.at = offset;
        let length = BLOCK.min(self.size - offset);
        let read = self
            .file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| (&mut self.file).take(length).read_to_end(&mut self.block));
        read.map(drop).map_err(|_unreadable| Stop)
    }

    /// Whether parts of it were never written.
    pub(super) fn has_holes(&self) -> bool {
        !self.holes.is_empty()
    }

    /// Nothing needs to be there, by what the container says.
    pub(super) fn note_padding(&mut self, part: Range<u64>) {
        self.padding.push(part);
    }

    /// Long runs of zeros are nothing strange, as silence is in sound that is not compressed.
    pub(super) fn zeros_are_data(&mut self) {
        self.zeros_are_data = true;
    }

    fn is_padding(&self, part: &Range<u64>) -> bool {
        let mut padding = self.padding.iter();
        padding.any(|known| known.start <= part.start && part.end <= known.end)
    }

    /// Whether something was never written that is more than padding.
    pub(super) fn lacks_data(&self) -> bool {
        self.holes.iter().any(|hole| !self.is_padding(hole))
    }

    /// Whether there is a block of zeros at an offset.
    pub(super) fn is_zero(&mut self, offset: u64) -> Result<bool, Stop> {
        self.read(offset)?;
        Ok(self.block.iter().all(|byte| *byte == 0))
    }

    /// Whether much of the end is zeros, or half of a small file: it was reserved and not written.
    pub(super) fn is_hollow(&mut self) -> Result<bool, Stop> {
        let from = self.size - TAIL.min(self.size / 2);
        if self.zeros_are_data || self.size - from < BLOCK || self.is_padding(&(from..self.size)) {
            return Ok(false);
        }
        let mut at = from;
        while at < self.size {
            if !self.is_zero(at)? {
                return Ok(false);
            }
            at += BLOCK;
        }
        Ok(true)
    }

    /// Whether there is a block of zeros at one of some places, other than in padding.
    pub(super) fn has_zeros(&mut self) -> Result<bool, Stop> {
        for place in 1..=PLACES {
            let at = self.size / (PLACES + 1) * place;
            let part = at..at.saturating_add(BLOCK).min(self.size);
            if part.end - part.start == BLOCK && !self.is_padding(&part) && self.is_zero(at)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the last block is there and all zero, as where space was reserved and not filled.
    pub(super) fn ends_in_zeros(&mut self) -> bool {
        let read = self.read(self.size.saturating_sub(BLOCK));
        read.is_ok() && self.size >= BLOCK && self.block.iter().all(|byte| *byte == 0)
    }
}
