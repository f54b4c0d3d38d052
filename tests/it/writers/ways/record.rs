//! Programs that make videos: ffmpeg itself, and its patterns of writing, slower than it would.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::hand::Hand;
use super::super::video::{self, Kind};
use crate::support::Site;

const MASTER: &str = "master.mkv";

/// The clip that the real ffmpeg copies from, two seconds and a half long.
pub(super) fn make_master(site: &Site) {
    let picture = "testsrc2=size=160x120:rate=25:duration=2.5";
    let mut command = Command::new("ffmpeg");
    command.args([
        "-nostdin",
        "-loglevel",
        "error",
        "-y",
        "-f",
        "lavfi",
        "-i",
        picture,
    ]);
    command
        .args(["-c:v", "mpeg4", "-g", "10"])
        .arg(site.outside().join(MASTER));
    assert!(command.status().unwrap().success());
}

fn run_ffmpeg(hand: &mut Hand<'_>, flags: &[&str]) {
    let path = hand.target(Kind::IndexLast);
    let unique = format!("comment={:016x}", hand.dice.below(u64::MAX));
    // At the pace of a live source: it writes for two seconds and a half.
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error", "-y", "-re", "-i"]);
    command
        .arg(hand.shared(MASTER))
        .args(["-c", "copy", "-flush_packets", "1", "-metadata"]);
    command
        .arg(unique)
        .args(flags)
        .arg(&path)
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    hand.finished(&path);
}

pub(super) fn ffmpeg(hand: &mut Hand<'_>) {
    run_ffmpeg(hand, &[]);
}

pub(super) fn ffmpeg_faststart(hand: &mut Hand<'_>) {
    run_ffmpeg(hand, &["-movflags", "+faststart"]);
}

pub(super) fn ffmpeg_fragments(hand: &mut Hand<'_>) {
    run_ffmpeg(hand, &["-movflags", "frag_keyframe+empty_moov"]);
}

/// Writes the beginning and the data, whose length is not known yet and is put in at the end.
fn record(hand: &mut Hand<'_>, path: &Path) -> (File, Vec<u8>, usize) {
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .unwrap();
    let data = hand.video(Kind::Programme);
    let head = [video::ftyp(), video::boxed(*b"free", b"")].concat();
    file.write_all(&head).unwrap();
    file.write_all(b"\0\0\0\0mdat").unwrap();
    hand.pause(300);
    for piece in hand.pieces(&data, 3) {
        file.write_all(piece).unwrap();
        hand.dawdle();
    }
    let length = u32::try_from(data.len() + 8).unwrap().to_be_bytes();
    file.write_all_at(&length, u64::try_from(head.len()).unwrap())
        .unwrap();
    hand.pause(100);
    (file, head, data.len() + 8)
}

/// The index behind the data.
pub(super) fn index_last(hand: &mut Hand<'_>) {
    let path = hand.target(Kind::IndexLast);
    let (mut file, ..) = record(hand, &path);
    let index = video::moov(&mut hand.dice);
    let (first, second) = index.split_at(index.len() / 2);
    file.write_all(first).unwrap();
    hand.dawdle();
    file.write_all(second).unwrap();
    hand.pause(100);
    drop(file);
    hand.finished(&path);
}

/// A whole video first, its index behind the data; then a second pass that moves all data back, and
/// puts the index in front.
pub(super) fn faststart(hand: &mut Hand<'_>) {
    const BLOCK: usize = 64 * 1024;
    let path = hand.target(Kind::IndexFirst);
    let (mut file, head, length) = record(hand, &path);
    let index = video::moov(&mut hand.dice);
    file.write_all(&index).unwrap();
    hand.pause(300);
    let from = u64::try_from(head.len()).unwrap();
    let mut data = vec![0; length];
    File::open(&path)
        .unwrap()
        .read_exact_at(&mut data, from)
        .unwrap();
    let mut at = from + u64::try_from(index.len()).unwrap();
    // Never past what it has read, as ffmpeg does with its two buffers.
    let mut ahead = index;
    for block in data.chunks(BLOCK) {
        file.write_all_at(block, at).unwrap();
        at += u64::try_from(block.len()).unwrap();
        hand.dawdle();
    }
    file.write_all_at(&std::mem::take(&mut ahead), from)
        .unwrap();
    hand.pause(100);
    drop(file);
    hand.finished(&path);
}

/// Fragments that come one by one, as of a live recording.
pub(super) fn fragments(hand: &mut Hand<'_>) {
    let path = hand.target(Kind::Fragmented);
    let mut file = File::create(&path).unwrap();
    file.write_all(&video::ftyp()).unwrap();
    let index = video::moov(&mut hand.dice);
    file.write_all(&index).unwrap();
    hand.pause(200);
    for _ in 0..=hand.index(4) {
        let size = 500 + hand.index(30_000);
        for part in video::fragment(&mut hand.dice, size) {
            file.write_all(&part).unwrap();
            hand.dawdle();
        }
        hand.pause(100);
    }
    if hand.dice.below(2) == 0 {
        let index = video::mfra(&mut hand.dice);
        file.write_all(&index).unwrap();
    }
    drop(file);
    hand.finished(&path);
}
