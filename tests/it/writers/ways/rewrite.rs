//! Writers that put other content into a file that they, or others, have written already.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use super::super::hand::{Hand, Left};
use super::super::video::Kind;

/// Written, closed, and soon after that emptied and written again. The first content is final only
/// if it was left alone for long.
pub(super) fn truncated_early(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (first, second, path) = (hand.video(kind), hand.video(kind), hand.target(kind));
    let mut file = File::create(&path).unwrap();
    file.write_all(&first).unwrap();
    let since = Instant::now();
    drop(file);
    let left = Left::alone(&path, since);
    let percent = if hand.dice.below(4) == 0 { 300 } else { 90 };
    hand.pause(percent);
    let mut file = File::create(&path).unwrap();
    hand.back(left);
    hand.dawdle();
    file.write_all(&second).unwrap();
    drop(file);
    hand.finished(&path);
}

/// Emptied and written again once the first content is uploaded: two final contents.
pub(super) fn truncated_after_upload(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (first, second, path) = (hand.video(kind), hand.video(kind), hand.target(kind));
    fs::write(&path, first).unwrap();
    hand.finished(&path);
    hand.uploaded(&path);
    let mut file = File::create(&path).unwrap();
    for piece in hand.pieces(&second, 2) {
        file.write_all(piece).unwrap();
        hand.pause(200);
    }
    drop(file);
    hand.finished(&path);
}

/// Other bytes of the same number in the same place, once the first are uploaded.
pub(super) fn overwritten_in_place(hand: &mut Hand<'_>) {
    let kind = [Kind::Programme, Kind::Mxf, Kind::IndexFirst][hand.index(3)];
    let (first, path) = (hand.video(kind), hand.target(kind));
    fs::write(&path, &first).unwrap();
    hand.finished(&path);
    hand.uploaded(&path);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    // Data, in all of these.
    let at = first.len() - 64;
    let bytes = hand.dice.bytes(64);
    hand.pause(100);
    file.write_all_at(&bytes, u64::try_from(at).unwrap())
        .unwrap();
    hand.pause(200);
    drop(file);
    hand.finished(&path);
}
