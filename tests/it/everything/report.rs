//! What is told when something is wrong: enough to find the fault, and no more.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::table::Table;
use super::verdict::Fault;
use super::world::World;

/// How many faults of one kind are shown in full.
const IN_FULL: usize = 2;

/// How many lines of the log for each path.
const LINES: usize = 30;

pub(super) fn report(world: &World, table: &Table, faults: &[Fault]) -> String {
    let mut text = format!("{} things are wrong\n", faults.len());
    let mut told = HashMap::<&str, usize>::new();
    let log = world.site.log();
    for fault in faults {
        writeln!(text, "== {}: {}", fault.kind, fault.what).unwrap();
        let count = told.entry(fault.kind).or_default();
        *count += 1;
        if *count <= IN_FULL {
            in_full(&mut text, (world, table), fault, &log);
        }
    }
    writeln!(
        text,
        "== what else happened at the end:\n{}",
        world.books.weather()
    )
    .unwrap();
    text
}

fn in_full(text: &mut String, (world, table): (&World, &Table), fault: &Fault, log: &str) {
    let books = &world.books;
    let mut paths: Vec<PathBuf> = fault.path.iter().cloned().collect();
    if let Some(id) = fault.about {
        let past = books.past.iter().filter(|(_, of, _)| *of == id);
        paths.extend(past.map(|(path, ..)| path.clone()));
        let content = &books.contents[id];
        writeln!(
            text,
            "-- content {id}, {} bytes, md5 {}",
            content.size, content.md5
        )
        .unwrap();
    }
    paths.sort();
    paths.dedup();
    let about = fault.about.unwrap_or(usize::MAX);
    text.push_str(&books.history(about, &paths));
    let md5 = fault.about.map(|id| books.contents[id].md5.as_str());
    for job in &table.jobs {
        if paths.contains(&job.path) || (md5.is_some() && job.md5.as_deref() == md5) {
            writeln!(text, "-- {job:?}").unwrap();
            let after = job.afterwards.as_deref().unwrap_or("nothing");
            writeln!(text, "     afterwards: {after}").unwrap();
            for attempt in world.site.attempts(job.id) {
                let at = attempt.started_at.get(11..).unwrap_or_default();
                let (step, outcome) = (attempt.step, attempt.outcome.unwrap_or_default());
                let message = attempt.message.unwrap_or_default();
                writeln!(text, "     {at} {step} {outcome} {message}").unwrap();
            }
        }
    }
    for video in &table.videos {
        if md5.is_some() && video.md5.as_deref() == md5 {
            writeln!(text, "-- {video:?}").unwrap();
        }
    }
    for key in keys(&fault.what) {
        writeln!(text, "-- video {key}").unwrap();
        lines_with(text, log, key);
    }
    for path in &paths {
        let said = world.site.command(&["explain", path.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let answer = said.lines().next().unwrap_or_default();
        writeln!(text, "-- explain {}: {answer}", path.display()).unwrap();
        lines_with(text, log, &path.display().to_string());
    }
}

/// The keys of videos in what is wrong.
fn keys(what: &str) -> impl Iterator<Item = &str> {
    let after = what.split("key: \"").skip(1);
    after.filter_map(|rest| rest.split('"').next())
}

/// The last lines of the log with these words.
fn lines_with(text: &mut String, log: &str, words: &str) {
    let lines: Vec<_> = log.lines().filter(|line| line.contains(words)).collect();
    for line in lines.iter().rev().take(LINES).rev() {
        writeln!(text, "   {line}").unwrap();
    }
}
