//! Writers that have the room first and the bytes later, in order or out of it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::super::hand::{Hand, rest};
use super::super::system::{self, Mapped};

/// How much a file server writes at a time.
const CHUNK: usize = 64 * 1024;

/// What Samba does for a client that copies: the size first, with or without the room, then the bytes
/// in order, then the times, then close.
pub(super) fn samba_in_order(hand: &mut Hand<'_>) {
    let (file, path, bytes) = reserved(hand);
    fill(hand, &file, &bytes, false);
    finish(hand, file, &path);
}

/// The same with requests that overtake each other.
pub(super) fn samba_out_of_order(hand: &mut Hand<'_>) {
    let (file, path, bytes) = reserved(hand);
    fill(hand, &file, &bytes, true);
    finish(hand, file, &path);
}

fn reserved(hand: &mut Hand<'_>) -> (File, PathBuf, Vec<u8>) {
    let kind = hand.any();
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    if hand.dice.below(2) == 0 {
        system::reserve(&file, bytes.len());
    } else {
        file.set_len(u64::try_from(bytes.len()).unwrap()).unwrap();
    }
    (file, path, bytes)
}

fn fill(hand: &mut Hand<'_>, file: &File, bytes: &[u8], shuffled: bool) {
    let size = CHUNK.min(bytes.len() / 3 + 1);
    let mut chunks: Vec<(usize, &[u8])> = bytes.chunks(size).enumerate().collect();
    if shuffled {
        for last in (1..chunks.len()).rev() {
            let other = hand.index(last + 1);
            chunks.swap(last, other);
        }
    }
    for (number, chunk) in chunks {
        file.write_all_at(chunk, u64::try_from(number * size).unwrap())
            .unwrap();
        hand.dawdle();
    }
}

fn finish(hand: &mut Hand<'_>, file: File, path: &std::path::Path) {
    let age = Duration::from_secs(hand.dice.below(10_000_000));
    file.set_modified(SystemTime::now() - age).unwrap();
    rest(hand.moment(150));
    drop(file);
    hand.finished(path);
}

/// Two programs, each with the file open and a share of its chunks; one ends before the other.
pub(super) fn two_writers(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    let open = || {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .unwrap()
    };
    let files = [open(), open()];
    let size = bytes.len() / 6 + 1;
    let (mut even, mut odd) = (Vec::new(), Vec::new());
    for (number, chunk) in bytes.chunks(size).enumerate() {
        let list = if number % 2 == 0 { &mut even } else { &mut odd };
        list.push((
            u64::try_from(number * size).unwrap(),
            chunk,
            hand.moment(150),
        ));
    }
    std::thread::scope(|scope| {
        for (file, chunks) in files.into_iter().zip([even, odd]) {
            scope.spawn(move || {
                for (at, chunk, moment) in chunks {
                    file.write_all_at(chunk, at).unwrap();
                    rest(moment);
                }
            });
        }
    });
    hand.finished(&path);
}

/// Stores through a memory map, the file itself long closed. They move no time stamp once a page is
/// dirty.
pub(super) fn mapped(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    file.set_len(u64::try_from(bytes.len()).unwrap()).unwrap();
    let mut map = Mapped::new(&file, bytes.len());
    drop(file);
    let mut at = 0;
    for piece in hand.pieces(&bytes, 4) {
        map.store(at, piece);
        at += piece.len();
        hand.pause(200);
    }
    drop(map);
    hand.finished(&path);
}
