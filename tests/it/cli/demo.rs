//! `demo`: the story it tells, what it says about videos dropped later, and how it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{ChildStdout, Command, Stdio};

use super::fixture::{Fixture, Ran};

/// Lines up to the one that contains `end`.
fn until(lines: &mut Lines<BufReader<ChildStdout>>, end: &str) -> Vec<String> {
    let mut read = Vec::new();
    for line in lines {
        read.push(line.unwrap());
        if read.last().is_some_and(|line| line.contains(end)) {
            return read;
        }
    }
    panic!("never said {end:?}: {read:#?}");
}

#[test]
fn the_demo_tells_its_story_goes_on_and_leaves_nothing() {
    let fixture = Fixture::new();
    let temporary = fixture.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut child = fixture
        .command(&["demo"])
        .env("TMPDIR", &temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let story = until(&mut out, "Ctrl-C ends");
    let stages: Vec<_> = story
        .iter()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    let mut left = stages.iter();
    for stage in ["seen", "settling", "queued", "created", "uploaded", "ready"] {
        assert!(left.any(|told| *told == stage), "no {stage}: {story:#?}");
    }
    assert!(story.iter().any(|line| line.contains(" 38.7 kB, MD5 ")));
    let command = story.iter().find(|line| line.ends_with(" jobs")).unwrap();
    let mut words = command.split_whitespace();
    assert_eq!(words.next(), Some(env!("CARGO_BIN_EXE_jw-ingest")));
    let table = Command::new(env!("CARGO_BIN_EXE_jw-ingest"))
        .args(words)
        .output()
        .unwrap();
    assert!(Ran::of(&table).done().contains("Harbour at dawn.mp4"));

    let folder = story.iter().find(|line| line.ends_with("/drop-here"));
    let folder = folder.unwrap().split_whitespace().last().unwrap();
    fs::write(format!("{folder}/second film.mp4"), b"\x01nother video").unwrap();
    let told = until(&mut out, "second film.mp4").pop().unwrap();
    assert!(told.starts_with("  ready     second film.mp4  "), "{told}");
    let key = told.split_whitespace().last().unwrap().to_owned();
    fs::write(format!("{folder}/twin.mp4"), b"\x01nother video").unwrap();
    let told = until(&mut out, "twin.mp4").pop().unwrap();
    let words = format!("  ready     twin.mp4, as video {key} with the same content");
    assert_eq!(told, words);

    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(killed.success());
    let end: Vec<_> = out.map(Result::unwrap).collect();
    assert!(
        end[0].is_empty() && end[1].starts_with("The demo is over, and its folder "),
        "{end:?}"
    );
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}
