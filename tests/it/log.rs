//! A log that cannot be written, or that nothing reads, stops nothing.

use std::fs::File;
use std::io::{Read, pipe};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Daemon, Dice, Platform, Site};

/// The promise: stopped within ten seconds.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Uploads some files and stops while its log goes there.
fn works_and_stops(log: Stdio) {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    // Each line is of kilobytes by these names, so that a pipe is full soon.
    let folder = "f".repeat(200);
    std::fs::create_dir(site.folder().join(&folder)).unwrap();
    let daemon = Daemon::start_with_log(&site, &["run"], log);
    let files: Vec<_> = (0..30)
        .map(|number| {
            let name = format!("{folder}/{number}-{}.mp4", "n".repeat(200));
            site.drop_file(&name, &dice.bytes(2000))
        })
        .collect();
    site.wait_done(files.len());
    let asked = Instant::now();
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(asked.elapsed() < STOP_LIMIT, "{:?}", asked.elapsed());
    site.assert_exactly_one_each(&platform, &files);
}

#[test]
fn a_disk_that_is_full_takes_no_line_and_ends_nothing() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    works_and_stops(full.into());
}

#[test]
fn a_pipe_whose_reader_went_ends_nothing() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    works_and_stops(writer.into());
}

#[test]
fn a_pipe_that_is_not_read_stops_nothing() {
    let (mut reader, writer) = pipe().unwrap();
    works_and_stops(writer.try_clone().unwrap().into());
    drop(writer);
    let mut read = String::new();
    reader.read_to_string(&mut read).unwrap();
    assert!(read.len() >= 60_000, "the pipe was full: {}", read.len());
}
