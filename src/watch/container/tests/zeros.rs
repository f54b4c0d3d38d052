//! What was never written, and what holds nothing because it need not.

use super::*;

const BLOCK: usize = 4096;

fn with_hole(bytes: &[u8], from: usize, to: usize) -> Verdict {
    let number = |place: usize| u64::try_from(place).unwrap();
    let hole = number(from)..number(to);
    verdict(Cursor::new(bytes), number(bytes.len()), &[hole])
}

fn data() -> Vec<u8> {
    vec![7; 4 * BLOCK]
}

fn nothing() -> Vec<u8> {
    vec![0; 4 * BLOCK]
}

/// An MP4 with nothing in a box of this kind, before its data.
fn boxes(kind: [u8; 4]) -> Vec<u8> {
    let start = mp4(&[b"ftyp", b"moov"]);
    [start, mp4_box(kind, &nothing()), mp4_box(*b"mdat", &data())].concat()
}

/// A `WebM` with nothing in an element of this kind, before a cluster.
fn segment(id: &[u8]) -> Vec<u8> {
    let parts = [
        element(id, &nothing()),
        element(b"\x1f\x43\xb6\x75", &data()),
    ]
    .concat();
    let head = element(b"\x1a\x45\xdf\xa3", b"webm");
    [head, element(b"\x18\x53\x80\x67", &parts)].concat()
}

fn chunk(id: [u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).unwrap();
    [&id[..], &size.to_le_bytes(), content].concat()
}

/// An AVI with nothing in a chunk of this kind, before its pictures.
fn film(id: [u8; 4]) -> Vec<u8> {
    let movi = chunk(*b"LIST", &[&b"movi"[..], &data()].concat());
    let parts = [&b"AVI "[..], &chunk(id, &nothing()), &movi].concat();
    chunk(*b"RIFF", &parts)
}

/// A key whose middle says what it is, with its content.
fn item(middle: [u8; 5], content: &[u8]) -> Vec<u8> {
    let start = [0x06, 0x0e, 0x2b, 0x34, 0x01, 0x01, 0x01, 0x02];
    let length = u32::try_from(content.len()).unwrap() | 0x8300_0000;
    [
        &start[..],
        &middle,
        &[0, 0, 0],
        &length.to_be_bytes(),
        content,
    ]
    .concat()
}

fn partition(kind: u8, footer: usize) -> Vec<u8> {
    let start = [
        0x06, 0x0e, 0x2b, 0x34, 0x02, 0x05, 0x01, 0x01, 0x0d, 0x01, 0x02, 0x01, 0x01,
    ];
    let footer = u64::try_from(footer).unwrap().to_be_bytes();
    [&start[..], &[kind, 4, 0, 88], &[0; 24], &footer, &[0; 56]].concat()
}

/// An MXF with nothing in an item of this kind, before its essence.
fn mxf(middle: [u8; 5]) -> Vec<u8> {
    let parts = [item(middle, &nothing()), item([0x0d, 1, 3, 1, 2], &data())].concat();
    let footer = partition(2, 0).len() + parts.len();
    [partition(2, footer), parts, partition(4, footer)].concat()
}

/// In each container the place of nothing may be a hole, and the place of data may not.
#[test]
fn a_hole_counts_where_data_belongs() {
    let holes = Verdict::Incomplete(Flaw::Holes);
    for (name, bytes, expected) in [
        ("free", boxes(*b"free"), Verdict::Complete),
        ("skip", boxes(*b"skip"), Verdict::Complete),
        ("a box that is not known", boxes(*b"uuid"), holes),
        ("void", segment(b"\xec"), Verdict::Complete),
        ("tags", segment(b"\x12\x54\xc3\x67"), holes),
        ("junk", film(*b"JUNK"), Verdict::Complete),
        ("index", film(*b"idx0"), holes),
        ("fill", mxf([3, 1, 2, 16, 1]), Verdict::Complete),
        ("essence", mxf([0x0d, 1, 3, 1, 2]), holes),
    ] {
        // The first whole blocks of zeros in it.
        let is_zero = |block: &[u8]| block.iter().all(|byte| *byte == 0);
        let from = bytes.windows(BLOCK).position(is_zero).unwrap() + 100;
        let found = with_hole(&bytes, from, from + 2 * BLOCK);
        assert_eq!(found, expected, "{name}");
        let end = bytes.len() - 500;
        let found = with_hole(&bytes, end - BLOCK, end);
        assert_eq!(found, holes, "{name}: in its data");
    }
    // Of a format that is not known, nothing is padding.
    let unknown = vec![9; 4 * BLOCK];
    assert_eq!(judged(&unknown), Verdict::Unknown);
    assert_eq!(with_hole(&unknown, BLOCK, 2 * BLOCK), holes);
}

#[test]
fn zeros_at_the_end_of_any_format_are_reserved_space_unless_they_may_be_silence() {
    let hollow = Verdict::Incomplete(Flaw::Hollow);
    let unknown = [vec![9; 100_000], vec![0; 65_536]].concat();
    assert_eq!(judged(&unknown), hollow);
    let fewer = [vec![9; 100_000], vec![0; 65_535]].concat();
    assert_eq!(judged(&fewer), Verdict::Unknown);
    let small = [vec![9; 9_000], vec![0; 9_000]].concat();
    assert_eq!(judged(&small), hollow);
    let silence = |size: u32| {
        let head = [
            &b"RIFF"[..],
            &(size + 36).to_le_bytes(),
            b"WAVEfmt \x10\0\0\0\x01\0\x02\0",
        ]
        .concat();
        let head = [&head[..], &[1; 12], b"data", &size.to_le_bytes()].concat();
        [head, vec![0; 200_000]].concat()
    };
    assert_eq!(
        judged(&silence(200_000)),
        Verdict::Unknown,
        "the whole sound is silent"
    );
    assert_eq!(
        judged(&silence(200_100)),
        Verdict::Incomplete(Flaw::CutShort)
    );
    let padded = [
        mp4(&[b"ftyp", b"moov", b"mdat"]),
        mp4_box(*b"free", &vec![0; 200_000]),
    ]
    .concat();
    assert_eq!(judged(&padded), Verdict::Unknown, "padding, and not sure");
    let gap = [
        mp4(&[b"ftyp", b"moov"]),
        mp4_box(
            *b"mdat",
            &[vec![7; 400_000], vec![0; 300_000], vec![7; 400_000]].concat(),
        ),
    ]
    .concat();
    assert_eq!(
        judged(&gap),
        Verdict::Unknown,
        "zeros inside make nothing sure"
    );
}
