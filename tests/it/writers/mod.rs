//! Thousands of files, written as people and tools write them, while the daemon is killed again and
//! again: every final content is uploaded exactly once, and no other content ever.
//!
//! A content is *final* when its writer has finished and leaves it alone. What is left alone for
//! less than the shortest time after which a file may settle, and then continues, is *passing* and
//! must never be published. What is in between may be: it is impossible to distinguish a writer
//! that closes its file and comes back after a long rest from one that has finished, unless the
//! container reports.
//!
//! `JW_INGEST_TEST_SEED=N` repeats the choices of a run (not the moments at which threads run),
//! `JW_INGEST_TEST_FILES=N` sets how many files there are.

mod crowd;
mod hand;
mod ledger;
mod shelf;
mod system;
pub(crate) mod video;
mod ways;

use std::time::{Duration, Instant};

use self::crowd::Crowd;
use self::hand::rest;
use self::ledger::Ledger;
use self::shelf::Shelf;
use crate::support::{Daemon, Dice, Platform, Site};

/// How many files, unless the environment says otherwise.
const FILES: usize = 2_000;

/// How long it may take from one job that is done to the next. A machine may be slow, and each kill
/// sets the daemon back.
const PATIENCE: Duration = Duration::from_mins(2);

/// How many jobs are done.
const DONE: &str = "SELECT count(*) FROM jobs WHERE state = 'done'";

#[test]
fn every_final_content_is_uploaded_exactly_once_and_no_other_ever() {
    let mut dice = Dice::new();
    let seed = dice.seed();
    let files = std::env::var("JW_INGEST_TEST_FILES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(FILES);
    let platform = Platform::start();
    let site = Site::with(&platform, &hand::configuration());
    hand::make_folders(&site);
    let begun = Instant::now();
    let (ledger, mut shelf, kills) = work(&site, &platform, &mut dice, (seed, files));
    let written = begun.elapsed();
    let trouble = shelf.settle_down(&site, &platform, &ledger, PATIENCE);
    println!(
        "{} files, {} final contents, {kills} kills; written in {written:.0?}, all in {:.0?}; \
         {} contents were there for a moment",
        ledger.files(),
        ledger.finals(),
        begun.elapsed(),
        shelf.withdrawn(),
    );
    // Before the panic: else both would print everything that they know of 2,000 files.
    let report = trouble.map(|trouble| ledger.report(&site, &trouble));
    drop((platform, site));
    if let Some(report) = report {
        panic!("JW_INGEST_TEST_SEED={seed}\n{report}");
    }
}

/// From one kill to the next.
fn interval(dice: &mut Dice) -> Duration {
    Duration::from_millis(3_000 + dice.below(5_000))
}

/// How many jobs must be done between two kills, unless that takes very long.
const LEAST: i64 = 40;
const SLOW: Duration = Duration::from_secs(20);

fn done(site: &Site) -> i64 {
    site.value(DONE).unwrap_or_default()
}

/// Lets all writers write, and kills the daemon meanwhile.
fn work(
    site: &Site,
    platform: &Platform,
    dice: &mut Dice,
    (seed, files): (u64, usize),
) -> (Ledger, Shelf, usize) {
    let crowd = Crowd::new(site, seed, files);
    let (mut shelf, mut kills) = (Shelf::default(), 0);
    std::thread::scope(|scope| {
        let _end = crowd.ends_with_panic();
        crowd.start(scope);
        let mut daemon: Daemon = site.start();
        while !crowd.is_over() {
            let (end, last) = (Instant::now() + interval(dice), Instant::now() + SLOW);
            let enough = done(site) + LEAST;
            // A slow machine gets more time, or it would never be done with more than starting.
            while !crowd.is_over()
                && (Instant::now() < end || (done(site) < enough && Instant::now() < last))
            {
                shelf.look(platform);
                rest(Duration::from_millis(500));
            }
            daemon.kill9();
            kills += 1;
            if dice.below(3) == 0 {
                rest(Duration::from_millis(dice.below(1_500)));
            }
            daemon = site.start();
        }
        shelf.keep(daemon);
    });
    (crowd.into_ledger(), shelf, kills)
}
