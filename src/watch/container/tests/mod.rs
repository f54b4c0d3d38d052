//! Containers made by hand, by chance, and (`real`) by ffmpeg.

use std::io::Cursor;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

mod real;
mod zeros;

fn judged(bytes: &[u8]) -> Verdict {
    verdict(Cursor::new(bytes), u64::try_from(bytes.len()).unwrap(), &[])
}

fn mp4_box(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap();
    [&size.to_be_bytes(), &kind[..], content].concat()
}

/// Boxes of these kinds with some content each.
fn mp4(kinds: &[&[u8; 4]]) -> Vec<u8> {
    let boxes = kinds.iter().map(|kind| mp4_box(**kind, &[7; 20]));
    boxes.collect::<Vec<_>>().concat()
}

#[test]
fn rows_of_boxes() {
    let incomplete = Verdict::Incomplete;
    for (kinds, expected) in [
        (&[b"ftyp", b"moov", b"mdat"][..], Verdict::Complete),
        (&[b"ftyp", b"free", b"mdat", b"moov"], Verdict::Complete),
        (&[b"mdat", b"moov", b"free"], Verdict::Complete),
        (&[b"ftyp", b"mdat"], incomplete(Flaw::NoIndex)),
        (&[b"ftyp"], incomplete(Flaw::NoIndex)),
        (&[b"ftyp", b"moov"], incomplete(Flaw::NoData)),
        (&[b"ftyp", b"meta", b"mdat"], Verdict::Unknown),
        (&[b"ftyp", b"moov", b"moof"], incomplete(Flaw::HalfFragment)),
        (&[b"ftyp", b"moov", b"moof", b"mdat"], Verdict::Unended),
        (
            &[b"ftyp", b"moov", b"moof", b"mdat", b"moof"],
            incomplete(Flaw::HalfFragment),
        ),
        (
            &[b"ftyp", b"moov", b"moof", b"mdat", b"mfra"],
            Verdict::Complete,
        ),
        (&[b"styp", b"sidx", b"moof", b"mdat"], Verdict::Unknown),
    ] {
        assert_eq!(judged(&mp4(kinds)), expected, "{kinds:?}");
    }
}

#[test]
fn sizes_of_boxes() {
    let head = mp4(&[b"ftyp", b"moov"]);
    let with = |tail: &[u8]| judged(&[&head[..], tail].concat());
    assert_eq!(
        with(b"\0\0\0\0mdat and more"),
        Verdict::Unended,
        "to the end"
    );
    let large = |size: u64| [&b"\0\0\0\x01mdat"[..], &size.to_be_bytes(), &[7; 4]].concat();
    assert_eq!(with(&large(20)), Verdict::Complete, "a 64-bit size");
    let short = Verdict::Incomplete(Flaw::CutShort);
    for size in [21, u64::MAX, u64::MAX - 7, 1 << 63] {
        assert_eq!(with(&large(size)), short, "{size}");
    }
    assert_eq!(
        with(&large(15)),
        Verdict::Incomplete(Flaw::NoData),
        "smaller than its head"
    );
    assert_eq!(with(b"\0\0\0\x01mdat\0"), short, "cut in its head");
    assert_eq!(with(b"\0\0\0\x09mdat"), short);
    // Zeros where boxes should come, as in a reserved file that is written from its head.
    let reserved = [mp4(&[b"ftyp", b"mdat"]), vec![0; 9000]].concat();
    assert_eq!(judged(&reserved), Verdict::Incomplete(Flaw::NoIndex));
    // What some cameras append.
    let appended = [mp4(&[b"ftyp", b"mdat", b"moov"]), vec![0xfe; 99]].concat();
    assert_eq!(judged(&appended), Verdict::Unknown);
    // Half of it is zeros: it was only reserved.
    let hollow = [mp4(&[b"ftyp", b"moov"]), mp4_box(*b"mdat", &[0; 9000])].concat();
    assert_eq!(judged(&hollow), Verdict::Incomplete(Flaw::Hollow));
    // The data ends in zeros: perhaps it was only reserved.
    let data = [&[7; 9000][..], &[0; 4096]].concat();
    let silent = [mp4(&[b"ftyp", b"moov"]), mp4_box(*b"mdat", &data)].concat();
    assert_eq!(judged(&silent), Verdict::Unknown);
}

#[test]
fn packets() {
    for (length, sync) in [(188, 0), (192, 4), (204, 0)] {
        let mut packet = vec![1; length];
        packet[sync] = 0x47;
        let stream = packet.repeat(500);
        assert_eq!(judged(&stream), Verdict::Unended, "{length}");
        let cut = &stream[..stream.len() - 1];
        assert_eq!(judged(cut), Verdict::Incomplete(Flaw::CutShort), "{length}");
        assert_eq!(judged(&packet.repeat(4)), Verdict::Unended);
        assert_eq!(judged(&packet.repeat(3)), Verdict::Unknown);
        let reserved = [stream.clone(), vec![0; length * 100]].concat();
        assert_eq!(judged(&reserved), Verdict::Incomplete(Flaw::Hollow));
        let damaged = [stream.clone(), vec![9; 50], stream].concat();
        assert_eq!(judged(&damaged), Verdict::Unknown);
    }
}

fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    let size = 1 << 56 | u64::try_from(content.len()).unwrap();
    [id, &size.to_be_bytes(), content].concat()
}

#[test]
fn segments() {
    const UNKNOWN: &[u8] = b"\x01\xff\xff\xff\xff\xff\xff\xff";
    let head = element(b"\x1a\x45\xdf\xa3", b"webm");
    let cluster = element(b"\x1f\x43\xb6\x75", &element(b"\xa3", b"picture"));
    let known = [head.clone(), element(b"\x18\x53\x80\x67", &cluster)].concat();
    assert_eq!(judged(&known), Verdict::Complete);
    for end in head.len()..known.len() {
        let cut = judged(&known[..end]);
        assert!(matches!(cut, Verdict::Incomplete(_)), "{end}: {cut:?}");
    }
    assert_eq!(judged(&[&known[..], b"more"].concat()), Verdict::Unknown);
    // A recording: everything of unknown size, sizes of one byte.
    let live = [&head[..], b"\x18\x53\x80\x67\xff"].concat();
    assert_eq!(judged(&live), Verdict::Incomplete(Flaw::NoData));
    let open = [
        &live[..],
        b"\x1f\x43\xb6\x75\xff",
        &element(b"\xa3", b"picture"),
    ]
    .concat();
    let (twice, closed) = (
        [
            &open[..],
            &cluster,
            b"\x1f\x43\xb6\x75",
            UNKNOWN,
            b"\xe7\x81\x05",
        ]
        .concat(),
        [&open[..], &element(b"\x1c\x53\xbb\x6b", b"cues")].concat(),
    );
    for whole in [&open, &twice, &closed] {
        assert_eq!(judged(whole), Verdict::Unended);
        let cut = judged(&whole[..whole.len() - 1]);
        assert_eq!(cut, Verdict::Incomplete(Flaw::CutShort));
    }
}

/// Ten million boxes, a box in which the next one is announced by each byte, a loop of parts without
/// length: each is over in a moment.
#[test]
fn what_is_made_to_take_long_ends_soon() {
    const MANY: usize = 10_000_000;
    let boxes = [
        mp4(&[b"ftyp", b"moov", b"mdat"]),
        b"\0\0\0\x08free".repeat(MANY),
    ]
    .concat();
    let voids = [
        &element(b"\x1a\x45\xdf\xa3", b"webm")[..],
        b"\x18\x53\x80\x67\xff",
        &b"\xec\x80".repeat(MANY),
    ]
    .concat();
    let zero_clusters = [&voids[..17], &b"\x1f\x43\xb6\x75\xff".repeat(MANY / 5)].concat();
    for bytes in [boxes, voids, zero_clusters] {
        let began = Instant::now();
        assert_eq!(judged(&bytes), Verdict::Unknown);
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{:?}",
            began.elapsed()
        );
    }
}

fn heads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(mp4(&[b"ftyp"])),
        Just(mp4(&[b"ftyp", b"moov"])),
        Just(element(b"\x1a\x45\xdf\xa3", b"webm")),
        Just(
            [
                &element(b"\x1a\x45\xdf\xa3", b"")[..],
                b"\x18\x53\x80\x67\xff"
            ]
            .concat()
        ),
        Just(b"\x47".repeat(1000)),
        Just(b"RIFF\x24\x01\0\0AVI LIST".to_vec()),
        Just(b"RIFF\x24\x01\0\0WAVEfmt \x10\0\0\0".to_vec()),
        Just(b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0".to_vec()),
        Just(b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x12".to_vec()),
        Just(b"OggS\0\x02".to_vec()),
        Just(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c".to_vec()),
        Just(b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02\x04\0\x58".to_vec()),
        Just(Vec::new()),
    ]
}

proptest! {
    /// Nothing panics, and nothing but a whole file counts as one: random bytes never do.
    #[test]
    fn garbage_is_judged(head in heads(), tail in prop::collection::vec(any::<u8>(), 0..600)) {
        let bytes = [head, tail].concat();
        let length = u64::try_from(bytes.len()).unwrap();
        let _: Verdict = verdict(Cursor::new(&bytes), length, &[]);
        // A file that shrank, and one that grew, since its size was asked for.
        let _: Verdict = verdict(Cursor::new(&bytes), length / 2, &[]);
        let _: Verdict = verdict(Cursor::new(&bytes), length * 2, &[]);
        let _: Verdict = verdict(Cursor::new(&bytes), u64::MAX, &[]);
    }

    /// No start of a whole file counts as whole, wherever it was cut.
    #[test]
    fn a_cut_file_is_never_complete(sizes in prop::collection::vec(0..300_usize, 1..6), at in 0.0..1.0) {
        let mut bytes = mp4(&[b"ftyp"]);
        for size in sizes {
            bytes.extend(mp4_box(*b"mdat", &vec![1; size]));
        }
        bytes.extend(mp4_box(*b"moov", &[1; 50]));
        prop_assert_eq!(judged(&bytes), Verdict::Complete);
        let end = proportion(bytes.len(), at);
        prop_assert_ne!(judged(&bytes[..end]), Verdict::Complete);
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a place in a small file"
)]
fn proportion(whole: usize, part: f64) -> usize {
    (whole as f64 * part) as usize
}
