//! Reading a few bytes here and there of a file that may be hostile or growing, within bounds.

use std::io::{Read, Seek, SeekFrom};

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
}

/// How much is read at once: many small parts beside each other cost one read.
const BLOCK: u64 = 4096;
/// How many reads at most: enough for a recording of some hours in fragments of seconds, and over
/// in a moment on a local disk.
const READS: u32 = 16_384;
/// How many parts at most, however small.
const STEPS: u32 = 100_000;

impl<R: Read + Seek> Source<R> {
    pub(super) fn new(file: R, size: u64) -> Self {
        Self {
            file,
            size,
            block: Vec::new(),
            at: 0,
            reads: 0,
            steps: 0,
        }
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

    /// Whether the last block is there and all zero, as where space was reserved and not filled.
    pub(super) fn ends_in_zeros(&mut self) -> bool {
        let read = self.read(self.size.saturating_sub(BLOCK));
        read.is_ok() && self.size >= BLOCK && self.block.iter().all(|byte| *byte == 0)
    }
}
