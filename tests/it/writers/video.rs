//! Small videos, whole as far as their containers go, each with bytes that no other has.

use crate::support::Dice;

/// How a video is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// MP4, its index behind the data, as most programs write it.
    IndexLast,
    /// MP4, its index in front.
    IndexFirst,
    /// MP4 in fragments, with the index of fragments at the end.
    Fragmented,
    /// An MPEG programme stream: a format that is not judged.
    Programme,
    /// MXF: the same.
    Mxf,
    /// A transport stream: sound so far, never ended.
    Transport,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [
        Self::IndexLast,
        Self::IndexFirst,
        Self::Fragmented,
        Self::Programme,
        Self::Mxf,
        Self::Transport,
    ];

    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::IndexLast | Self::IndexFirst | Self::Fragmented => "mp4",
            Self::Programme => "mpg",
            Self::Mxf => "mxf",
            Self::Transport => "ts",
        }
    }
}

/// A box of an MP4 (ISO/IEC 14496-12, "Object structure").
pub(super) fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
    [&length, &kind, content].concat()
}

/// The box that an MP4 begins with.
pub(super) fn ftyp() -> Vec<u8> {
    boxed(*b"ftyp", b"isom\0\0\x02\0isomiso2avc1mp41")
}

/// An index of the shape that matters here, with bytes of its own: five seconds long.
pub(super) fn moov(dice: &mut Dice) -> Vec<u8> {
    // Version and flags; two times; units a second, and the duration in them.
    let times = [0, 0, 0, 1000, 5000_u32].map(u32::to_be_bytes).concat();
    let length = 100 + usize::try_from(dice.below(3_000)).unwrap();
    let header = boxed(*b"mvhd", &[times.as_slice(), &[0; 80]].concat());
    let own = boxed(*b"udta", &dice.bytes(length));
    boxed(*b"moov", &[header, own].concat())
}

/// A fragment: its head, and its data.
pub(super) fn fragment(dice: &mut Dice, size: usize) -> [Vec<u8>; 2] {
    let head = boxed(*b"moof", &boxed(*b"mfhd", &dice.bytes(96)));
    [head, boxed(*b"mdat", &dice.bytes(size))]
}

/// The index of fragments.
pub(super) fn mfra(dice: &mut Dice) -> Vec<u8> {
    boxed(*b"mfra", &boxed(*b"mfro", &dice.bytes(8)))
}

/// A video of about so many bytes.
pub(crate) fn make(dice: &mut Dice, kind: Kind, size: usize) -> Vec<u8> {
    let head = ftyp();
    match kind {
        Kind::IndexLast => {
            let data = boxed(*b"mdat", &dice.bytes(size));
            [head, data, moov(dice)].concat()
        }
        Kind::IndexFirst => {
            let data = boxed(*b"mdat", &dice.bytes(size));
            [head, moov(dice), data].concat()
        }
        Kind::Fragmented => {
            let mut parts = vec![head, moov(dice)];
            let count = 1 + usize::try_from(dice.below(6)).unwrap();
            for _ in 0..count {
                parts.extend(fragment(dice, size / count + 1));
            }
            parts.push(mfra(dice));
            parts.concat()
        }
        Kind::Programme => [&[0, 0, 1, 0xba], dice.bytes(size).as_slice()].concat(),
        Kind::Mxf => [&[6, 0x0e, 0x2b, 0x34], dice.bytes(size).as_slice()].concat(),
        Kind::Transport => {
            let packets = (size / 188).max(10);
            let packet = |_| [&[0x47, 0x40, 0, 0x10], dice.bytes(184).as_slice()].concat();
            (0..packets).flat_map(packet).collect()
        }
    }
}
