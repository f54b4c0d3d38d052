//! What watching costs: the figures of a large folder, beside `find` in the same run.
//!
//! Run it with `cargo bench --bench watch`; it takes about six minutes. It makes a tree of 200,000
//! files in 20,000 folders in the temporary folder, runs the real daemon on it, whose account is
//! paused so that nothing is uploaded, and prints a table. In the end all of it is deleted.
//!
//! The daemon counts as idle from the moment on when it uses no processor time any more, as the
//! kernel counts it. Ratios hold from machine to machine; seconds do not.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

mod daemon;
mod platform;
mod tree;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Site};
use crate::platform::Platform;

/// How often what is compared is done.
const ROUNDS: usize = 5;
/// How many clips are dropped one after the other.
const CLIPS: usize = 20;
/// How many files are dropped at once.
const DROPPED: u32 = 10_000;
/// How often the table is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long the idle daemon is looked at.
const IDLE: Duration = Duration::from_mins(1);

type Outcome<T> = Result<T, String>;

fn main() -> Outcome<()> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let root = folder.path().join("tree");
    tree::make(&root)?;
    let site = Site::new(folder.path())?;
    let empty = memory_when_empty(&site)?;
    first_start(&site, &root, empty)?;
    site.finish_all_jobs()?;
    let daemon = restarts(&site, &root, empty)?;
    idle(&daemon)?;
    drop(daemon);
    for settle in ["1s", "10s"] {
        many_at_once(&site, settle)?;
    }
    clips(&site)
}

/// Prints a row of the table.
fn row(what: &str, figure: &str) {
    println!("{what:64} {figure}");
}

fn memory_when_empty(site: &Site) -> Outcome<u64> {
    let folder = site.folder("empty")?;
    let daemon = site.start(&folder, "1s")?;
    daemon.idle()?;
    let memory = daemon.memory()?;
    drop(daemon);
    site.pause_account()?;
    Ok(memory)
}

/// All files are new: each is looked at twice, must rest, and becomes a job.
fn first_start(site: &Site, root: &Path, empty: u64) -> Outcome<()> {
    let find = tree::find(root)?;
    let daemon = site.start(root, "1s")?;
    let took = daemon.idle()?;
    let jobs = site.jobs()?;
    if jobs != u64::from(tree::FILES) {
        return Err(format!("{jobs} jobs, not one for each file"));
    }
    row(
        "first start, all files new (settle 1s): until all are queued",
        &format!(
            "{:.2} s, {:.1} x find",
            took.as_secs_f64(),
            ratio(took, find)
        ),
    );
    row(
        "  processor time of it",
        &format!("{:.2} s", daemon.cost()?.as_secs_f64()),
    );
    let memory = per_file(daemon.memory()?, empty);
    row(
        "  resident memory for each file",
        &format!("{memory} bytes"),
    );
    Ok(())
}

/// All files are done with since the run before. Leaves the last daemon running.
fn restarts(site: &Site, root: &Path, empty: u64) -> Outcome<Daemon> {
    let mut rounds = Vec::new();
    let mut running = None;
    for _ in 0..ROUNDS {
        drop(running.take());
        let find = tree::find(root)?;
        let daemon = site.start(root, "10s")?;
        let took = daemon.idle()?;
        let find = (find + tree::find(root)?) / 2;
        rounds.push((ratio(took, find), took, find));
        running = Some(daemon);
    }
    let daemon = running.ok_or("no round")?;
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, took, find) = *rounds.get(ROUNDS / 2).ok_or("no round")?;
    let all: Vec<_> = rounds
        .iter()
        .map(|round| format!("{:.2}", round.0))
        .collect();
    row(
        "restart, all files known: scan to idle (limit 3 x find)",
        &format!(
            "{ratio:.2} x find ({:.2} s to {:.2} s; all rounds {})",
            took.as_secs_f64(),
            find.as_secs_f64(),
            all.join(" ")
        ),
    );
    row(
        "  processor time of it",
        &format!("{:.2} s", daemon.cost()?.as_secs_f64()),
    );
    let memory = per_file(daemon.memory()?, empty);
    row(
        "  resident memory for each file (limit 600)",
        &format!("{memory} bytes"),
    );
    if site.jobs()? != u64::from(tree::FILES) {
        return Err("a restart made jobs of files that had one".to_owned());
    }
    Ok(daemon)
}

fn idle(daemon: &Daemon) -> Outcome<()> {
    let (before, began) = (daemon.cost()?, Instant::now());
    thread::park_timeout(IDLE);
    let (cost, time) = (daemon.cost()?.saturating_sub(before), began.elapsed());
    row(
        "idle with events, of one core (limit 0.5 %)",
        &format!("{:.2} %", cost.as_secs_f64() / time.as_secs_f64() * 100.0),
    );
    Ok(())
}

/// Files whose format cannot be checked, so that the whole settle time must pass.
fn many_at_once(site: &Site, settle: &str) -> Outcome<()> {
    let folder = site.folder(&format!("drop {settle}"))?;
    let daemon = site.start(&folder, settle)?;
    daemon.idle()?;
    let before = site.jobs()?;
    for number in 0..DROPPED {
        tree::write(&folder.join(format!("take {number:05}.mp4")), b"some words")?;
    }
    let dropped = Instant::now();
    let wanted = before + u64::from(DROPPED);
    while site.jobs()? < wanted {
        if dropped.elapsed() > Duration::from_mins(2) {
            return Err("the dropped files do not become jobs".to_owned());
        }
        thread::park_timeout(LOOK);
    }
    row(
        &format!("{DROPPED} files dropped, settle {settle}: all queued after (limit 20 s)"),
        &format!("{:.2} s", dropped.elapsed().as_secs_f64()),
    );
    Ok(())
}

/// From the end of writing a whole MP4 to the first request about it.
fn clips(site: &Site) -> Outcome<()> {
    let folder = site.folder("clips")?;
    let platform = Platform::start()?;
    let site = site.at(platform.address())?;
    let daemon = site.start(&folder, "10s")?;
    daemon.idle()?;
    let mut times = Vec::new();
    for number in 0..CLIPS {
        let name = format!("clip{number:03}");
        tree::write(&folder.join(format!("{name}.mp4")), &tree::mp4(1 << 20))?;
        let closed = Instant::now();
        let asked = platform.request_about(&name)?;
        times.push(asked.saturating_duration_since(closed));
    }
    times.sort_unstable();
    let (Some(median), Some(most)) = (times.get(CLIPS / 2), times.last()) else {
        return Err("no clip".to_owned());
    };
    row(
        "close of a whole MP4 to the first request (limit 3 s)",
        &format!(
            "median {:.2} s, at most {:.2} s",
            median.as_secs_f64(),
            most.as_secs_f64()
        ),
    );
    Ok(())
}

fn ratio(took: Duration, find: Duration) -> f64 {
    took.as_secs_f64() / find.as_secs_f64()
}

fn per_file(memory: u64, empty: u64) -> u64 {
    memory.saturating_sub(empty) / u64::from(tree::FILES)
}
