//! Everything together: people, commands, signals, kills, and the platforms' bad days, drawn at
//! random against the real daemon; and at the end, what must be true after any sequence.
//!
//! Every content that people left in a folder is exactly one video of its account that can be played,
//! or a recorded copy of one, or is named with the reason. Nothing is there twice or half. No byte that
//! people left and did not take away is lost. Nothing is stuck, and every leftover is explained.
//!
//! `JW_INGEST_TEST_SEED=N` repeats the choices of a run (not the moments at which things happen),
//! `JW_INGEST_TEST_MINUTES=N` makes it longer, and with `JW_INGEST_TEST_KEEP` its folder stays.

mod books;
mod leftovers;
mod orders;
mod people;
mod places;
mod quiet;
mod record;
mod report;
mod sidecars;
mod table;
mod verdict;
mod weather;
mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::record::Record;
use self::table::Table;
use self::verdict::{Fault, Verdict};
use self::world::World;
use crate::support::Dice;

/// One thing that is done, with random numbers of its own.
type Operation = fn(&mut World, &mut Dice);

/// What may be done, and how often in a thousand times.
const OPERATIONS: [(u64, Operation, &str); 20] = [
    (230, World::create, "create"),
    (130, World::replace, "replace"),
    (120, World::rename, "rename"),
    (75, World::copy, "copy"),
    (60, World::delete, "delete"),
    (110, World::put_back, "put back"),
    (35, World::rewrite, "rewrite"),
    (12, World::rewrite_unseen, "rewrite unseen"),
    (25, World::take_away, "take away and back"),
    (90, World::sidecar, "sidecar"),
    (30, World::command, "command"),
    (35, World::delete_video, "person"),
    (40, World::fault, "weather"),
    (4, |world, _| world.hang_up(), "hang up"),
    (3, World::reconfigure, "reconfigure"),
    (3, World::stop, "stop"),
    (6, World::kill, "kill"),
    (2, World::outage, "outages"),
    (2, World::too_many, "quota"),
    (1, |_, _| rest(Duration::from_secs(2)), "a pause"),
];

#[test]
fn whatever_is_done_every_content_is_one_video_or_named_and_none_is_lost() {
    let mut dice = Dice::new();
    let seed = dice.seed();
    let minutes = std::env::var("JW_INGEST_TEST_MINUTES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let mut world = World::new(&mut dice, minutes);
    let operations = run(&mut world, &mut dice, Duration::from_mins(minutes));
    let written = world.books.begun.elapsed();
    let stuck = world.come_to_rest(&mut dice);
    let table = Table::read(&world);
    let files = files(&world);
    let record = Record::read(&world);
    let mut faults = Verdict::of(&world, (&table, &record), &files);
    for (first, second) in record.twice_for_a_while() {
        println!("for a while there were {first:?} and {second:?}");
    }
    let stuck = stuck.into_iter().map(|what| ("stuck", None, what));
    let met = world
        .wrong
        .iter()
        .map(|(about, what)| ("met", *about, what.clone()));
    faults.extend(stuck.chain(met).map(|(kind, about, what)| Fault {
        kind,
        about,
        path: None,
        what,
    }));
    println!(
        "{operations} operations in {written:.0?}, all in {:.0?}: {} contents, {} jobs, {} videos; {:?}",
        world.books.begun.elapsed(),
        world.books.contents.len(),
        table.jobs.len(),
        table.videos.len(),
        world.done,
    );
    // Before the panic: else site and platforms would print everything that they know.
    let report = (!faults.is_empty()).then(|| report::report(&world, &table, &faults));
    if std::env::var_os("JW_INGEST_TEST_KEEP").is_some() {
        println!("kept: {}", world.site.root().display());
        world.keep();
    }
    drop(world);
    if let Some(report) = report {
        panic!("JW_INGEST_TEST_SEED={seed}\n{report}");
    }
}

/// Does one thing after the other.
fn run(world: &mut World, dice: &mut Dice, time: Duration) -> usize {
    let all: u64 = OPERATIONS.iter().map(|(often, ..)| often).sum();
    let (end, mut count, mut looked) = (Instant::now() + time, 0, Instant::now());
    let mut is_busy = false;
    while Instant::now() < end {
        world.do_what_is_due(dice, false);
        if looked.elapsed() > Duration::from_millis(150) {
            (is_busy, looked) = (world.is_busy(), Instant::now());
        }
        if is_busy {
            // An account may rest for a minute: everything continues, more slowly.
            rest(Duration::from_millis(120));
        }
        // Numbers of its own, so that the choices do not depend on what an operation found.
        let mut own = Dice::seeded(dice.below(u64::MAX));
        let mut drawn = own.below(all);
        for (often, operation, name) in OPERATIONS {
            if drawn < often {
                operation(world, &mut own);
                world.count(name);
                break;
            }
            drawn -= often;
        }
        count += 1;
        rest(Duration::from_millis(own.below(20)));
    }
    count
}

/// Every file that the site has, its own excepted.
fn files(world: &World) -> Vec<(PathBuf, Option<books::Id>)> {
    let mut found = Vec::new();
    for folder in ["drop", "moved", "outside"] {
        walk(&world.site.root().join(folder), &mut found);
    }
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let content = world.books.look(&path);
            (path, content)
        })
        .collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Waits; no less, however often something wakes the thread.
fn rest(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
    {
        std::thread::park_timeout(left);
    }
}
