//! How long real files wait, by the signs that they are complete.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use super::support::{Bench, globs, mp4};
use crate::config::{Marker, Mode};
use crate::watch::container::Flaw;
use crate::watch::{Missing, Report, Waiting};

/// Much longer than two seconds, and than this test may take on a busy machine.
const LONG: Duration = Duration::from_mins(1);

#[test]
fn a_whole_mp4_settles_two_seconds_after_it_was_closed_or_renamed() {
    let mut bench = Bench::start_with(|watch| watch.settle = LONG, |_| {});
    let (whole, _) = mp4();
    let (closed, moved) = (bench.path("closed.mp4"), bench.path("moved.mp4"));
    let mut file = fs::File::create(&closed).unwrap();
    let (first, rest) = whole.split_at(20);
    file.write_all(first).unwrap();
    bench.waiting(&closed, Waiting::WriterOpen);
    file.write_all(rest).unwrap();
    drop(file);
    let began = Instant::now();
    bench.settled(&closed);
    assert!(began.elapsed() >= Duration::from_secs(2));
    let aside = bench.dir.path().join("aside.mp4");
    fs::write(&aside, &whole).unwrap();
    fs::rename(&aside, &moved).unwrap();
    bench.settled(&moved);
    assert!(
        bench.was_waiting(&moved, Waiting::Sure),
        "{:#?}",
        bench.seen
    );
}

#[test]
fn without_the_evidence_the_settle_time_must_pass() {
    let (whole, _) = mp4();
    let mut bench = Bench::start_with(
        |watch| watch.settle = LONG,
        |root| fs::write(root.join("old.mp4"), &whole).unwrap(),
    );
    let (old, other, linked) = (
        bench.path("old.mp4"),
        bench.path("other.mp4"),
        bench.path("linked.mp4"),
    );
    bench.quietly(Duration::from_millis(100));
    assert!(
        bench.was_waiting(&old, Waiting::Quiet(Missing::Ending)),
        "{:#?}",
        bench.seen
    );
    let aside = bench.dir.path().join("aside.mp4");
    fs::write(&aside, b"no container").unwrap();
    fs::rename(&aside, &other).unwrap();
    bench.waiting(&other, Waiting::Quiet(Missing::Container));
    // A link comes without its writing having ended here.
    fs::hard_link(&old, &linked).unwrap();
    bench.waiting(&linked, Waiting::Quiet(Missing::Ending));
    let holes = bench.path("holes.mp4");
    let file = fs::File::create(&aside).unwrap();
    let head = [&[0, 0x10, 0, 0], &b"mdat"[..]].concat();
    std::os::unix::fs::FileExt::write_all_at(&file, &head, 0).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &whole, 0x0010_0000).unwrap();
    drop(file);
    fs::rename(&aside, &holes).unwrap();
    bench.waiting(&holes, Waiting::Incomplete(Flaw::Holes));
    assert_eq!(bench.all_settled(), 0);
}

/// As where a copy set the full length first and broke off; the last one has only reserved its space.
#[test]
fn a_file_whose_rest_was_never_written_waits_in_any_format() {
    let mut bench = Bench::start_with(|watch| watch.include = globs(&["*"]), |_| {});
    for (name, head) in [
        ("a.mpg", &b"\0\0\x01\xba"[..]),
        ("a.dat", b"a format that is not known"),
        ("a.avi", b"RIFF\0\0\0\0AVI LIST"),
    ] {
        let path = bench.path(name);
        let file = fs::File::create(&path).unwrap();
        if name == "a.dat" {
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 900_000).unwrap();
        }
        std::os::unix::fs::FileExt::write_all_at(&file, head, 0).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &vec![7; 300_000], 20_000).unwrap();
        file.set_len(900_000).unwrap();
        drop(file);
        bench.waiting(&path, Waiting::Incomplete(Flaw::Holes));
        bench.quietly(bench.watch.settle * 4);
        assert_eq!(bench.times_settled(&path), 0);
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &vec![7; 899_000], 1000).unwrap();
        drop(file);
        assert_eq!(bench.settled(&path).flaw, None);
    }
}

#[test]
fn a_whole_file_waits_as_long_as_a_control_file_is_beside_it() {
    for mode in [Mode::Events, Mode::Poll] {
        let mut bench = Bench::start_with(
            |watch| {
                watch.watching.mode = mode;
                watch.watching.poll_interval = Duration::from_millis(200);
            },
            |_| {},
        );
        for suffix in [".aria2", ".part", ".!qB"] {
            let path = bench.path(format!("a{suffix}.mp4"));
            let control = bench.path(format!("a{suffix}.mp4{suffix}"));
            fs::write(&control, b"what is missing").unwrap();
            fs::write(&path, mp4().0).unwrap();
            let waits = bench.until("waiting for the transfer", |report| {
                matches!(report, Report::Waiting { path: at, why: Waiting::Control(_), .. } if *at == path)
            });
            let Report::Waiting { why, .. } = waits else {
                panic!("{waits:?}");
            };
            assert!(why.to_string().contains("delete that file"), "{why}");
            bench.quietly(bench.watch.settle * 4);
            bench.idle();
            assert_eq!(bench.times_settled(&path), 0);
            fs::remove_file(&control).unwrap();
            assert_eq!(bench.settled(&path).flaw, None);
        }
        assert_eq!(bench.all_settled(), 3, "control files are never taken");
    }
}

#[test]
fn an_incomplete_mp4_waits_for_its_rest() {
    let mut bench = Bench::start();
    let (whole, half) = mp4();
    let path = bench.path("a.mp4");
    fs::write(&path, &half).unwrap();
    bench.waiting(&path, Waiting::Incomplete(Flaw::NoIndex));
    // Long after its settle time, and without delaying anything.
    bench.quietly(bench.watch.settle * 4);
    bench.idle();
    assert_eq!(bench.times_settled(&path), 0);
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(&whole[half.len()..]).unwrap();
    drop(file);
    assert_eq!(bench.settled(&path).flaw, None);
}

#[test]
fn an_mp4_that_stays_incomplete_is_handed_on_with_its_flaw() {
    let rest = Duration::from_millis(700);
    let mut bench = Bench::start_with(|watch| watch.watching.incomplete_after = rest, |_| {});
    let path = bench.path("a.mp4");
    fs::write(&path, mp4().1).unwrap();
    let began = Instant::now();
    assert_eq!(bench.settled(&path).flaw, Some(Flaw::NoIndex));
    assert!(began.elapsed() >= rest);
    bench.handle().scan();
    bench.idle();
    assert_eq!(bench.times_settled(&path), 1);
}

#[test]
fn with_a_marker_nothing_else_counts() {
    for (pattern, marker) in [("{name}.done", "a.mp4.done"), ("{stem}.mov", "a.mov")] {
        let pattern = Marker::parse(pattern).unwrap();
        let mut bench = Bench::start_with(
            |watch| {
                watch.settle = LONG;
                watch.watching.done_marker = Some(pattern);
            },
            |_| {},
        );
        let path = bench.path("a.mp4");
        fs::write(&path, mp4().1).unwrap();
        bench.waiting(&path, Waiting::Marker);
        bench.idle();
        fs::write(bench.path("b.mp4.done"), b"").unwrap();
        fs::write(bench.path(marker), b"").unwrap();
        assert_eq!(bench.settled(&path).flaw, None);
        bench.handle().scan();
        bench.idle();
        let of_markers =
            |report: &Report| matches!(report, Report::Waiting { path: at, .. } if *at != path);
        assert!(!bench.seen.iter().any(|(_, report)| of_markers(report)));
        assert_eq!(bench.all_settled(), 1, "markers are never taken");
    }
}

#[test]
fn a_marker_that_is_there_before_its_video_is_enough() {
    let mut bench = Bench::start_with(
        |watch| {
            watch.settle = LONG;
            watch.watching.done_marker = Marker::parse("{stem}.ok").ok();
        },
        |root| {
            fs::write(root.join("a.ok"), b"").unwrap();
            fs::write(root.join("a.mp4"), b"x").unwrap();
        },
    );
    bench.settled(&bench.path("a.mp4"));
    fs::write(bench.path("b.ok"), b"").unwrap();
    fs::write(bench.path("b.mp4"), b"x").unwrap();
    bench.settled(&bench.path("b.mp4"));
}
