//! Writers that append with pauses, the file open all the while or closed in between.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use super::super::hand::{Hand, Left};
use super::super::video::Kind;

fn append_to(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.create(true).append(true).open(path).unwrap()
}

/// Pauses of up to three settle times, the file open all the while.
pub(super) fn held(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    let mut file = append_to(&path);
    let count = 2 + hand.index(3);
    for piece in hand.pieces(&bytes, count) {
        file.write_all(piece).unwrap();
        hand.pause(300);
    }
    drop(file);
    hand.finished(&path);
}

/// Any kind of file, closed and opened again before it can settle.
pub(super) fn closed_quickly(hand: &mut Hand<'_>) {
    let kind = hand.any();
    close_between_pieces(hand, kind, 80, true);
}

/// Closed for up to three settle times: what it lacks holds it.
pub(super) fn closed_slowly(hand: &mut Hand<'_>) {
    let kind = hand.telling();
    close_between_pieces(hand, kind, 300, false);
}

/// The same where nothing says that more will come: each content may be taken for final.
pub(super) fn closed_for_long(hand: &mut Hand<'_>) {
    let kind = [Kind::Programme, Kind::Mxf, Kind::Transport][hand.index(3)];
    close_between_pieces(hand, kind, 300, true);
}

/// `counts`: whether a content counts as one that may have settled, if it was left alone for long.
fn close_between_pieces(hand: &mut Hand<'_>, kind: Kind, percent: u64, counts: bool) {
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    let count = 2 + hand.index(3);
    let mut left = None;
    for piece in hand.pieces(&bytes, count) {
        let mut file = append_to(&path);
        if let Some(left) = left.take() {
            hand.back(left);
        }
        file.write_all(piece).unwrap();
        let since = Instant::now();
        drop(file);
        left = counts.then(|| Left::alone(&path, since));
        hand.pause(percent);
    }
    hand.finished(&path);
}

/// With any pauses, and with any content: nothing counts but its marker.
pub(super) fn marked(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    let count = 1 + hand.index(3);
    for piece in hand.pieces(&bytes, count) {
        append_to(&path).write_all(piece).unwrap();
        hand.pause(300);
    }
    hand.finished(&path);
    fs::write(format!("{}.done", path.display()), b"").unwrap();
}
