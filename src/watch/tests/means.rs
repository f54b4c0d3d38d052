//! Finding files by polling.

use std::fs;
use std::time::{Duration, Instant};

use super::support::{Bench, mp4};
use crate::config::{Marker, Mode, Watch};
use crate::watch::means::{Means, Why};
use crate::watch::{Report, SeenBy, Waiting};

/// How often that a test can wait for it.
const OFTEN: Duration = Duration::from_millis(300);

pub(super) fn polled(watch: &mut Watch) {
    watch.watching.mode = Mode::Poll;
    watch.watching.poll_interval = OFTEN;
}

fn means(bench: &Bench) -> Option<Means> {
    bench.handle().states()[0].means
}

#[test]
fn a_polled_folder_needs_no_events() {
    let mut bench = Bench::start_with(polled, |_| {});
    assert_eq!(means(&bench), Some(Means::Polling(Why::Configured)));
    fs::create_dir_all(bench.path("in/deep")).unwrap();
    let (path, deep) = (bench.path("a.mp4"), bench.path("in/deep/b.mp4"));
    fs::write(&path, b"x").unwrap();
    fs::write(&deep, b"x").unwrap();
    for path in [&path, &deep] {
        assert_eq!(bench.settled(path).seen_by, SeenBy::Scan);
    }
    fs::write(&path, b"other").unwrap();
    assert_eq!(bench.settled(&path).identity.size, 5);
    fs::rename(bench.path("in"), bench.path("out")).unwrap();
    bench.settled(&bench.path("out/deep/b.mp4"));
    assert_eq!(bench.handle().states()[0].events_missed, 0);
}

/// An index that comes late, with nothing to announce it.
#[test]
fn a_polled_file_goes_on_and_settles() {
    let mut bench = Bench::start_with(polled, |_| {});
    let (whole, half) = mp4();
    let path = bench.path("a.mp4");
    fs::write(&path, half).unwrap();
    bench.quietly(bench.watch.settle * 4);
    assert_eq!(bench.all_settled(), 0);
    fs::write(&path, whole).unwrap();
    assert_eq!(bench.settled(&path).flaw, None);
}

/// No look at it is due: the scan that does not come across it tells.
#[test]
fn a_polled_file_that_waits_for_its_marker_and_goes_is_reported_gone() {
    for folder_instead in [false, true] {
        let mut bench = Bench::start_with(
            |watch| {
                polled(watch);
                watch.watching.done_marker = Marker::parse("{name}.done").ok();
            },
            |_| {},
        );
        let path = bench.path("a.mp4");
        fs::write(&path, b"x").unwrap();
        bench.waiting(&path, Waiting::Marker);
        fs::remove_file(&path).unwrap();
        if folder_instead {
            fs::create_dir(&path).unwrap();
        }
        bench.until(
            "gone",
            |report| matches!(report, Report::Gone { path: at, .. } if *at == path),
        );
    }
}

#[test]
fn events_are_taken_where_they_tell_all() {
    let bench = Bench::start();
    assert_eq!(means(&bench), Some(Means::Events));
}

/// What is announced late or at the same time as it is scanned is no miss.
#[test]
fn an_audit_finds_no_fault_with_good_events() {
    let mut bench = Bench::start();
    let began = Instant::now();
    let mut number = 0;
    // Longer than an event may take, and then until all is worked off.
    while began.elapsed() < Duration::from_secs(4) {
        for _ in 0..20 {
            fs::create_dir_all(bench.path(format!("{number}/deep"))).unwrap();
            fs::write(bench.path(format!("{number}/deep/a.mp4")), b"x").unwrap();
            fs::write(bench.path(format!("{number}.mp4")), b"x").unwrap();
            number += 1;
        }
        bench.handle().scan();
        bench.quietly(Duration::from_millis(20));
    }
    bench.idle();
    bench.quietly(Duration::from_secs(3));
    assert_eq!(bench.handle().states()[0].events_missed, 0);
    assert_eq!(bench.all_settled(), number * 2);
}
