//! Tests of odd things in the place of others: names without room for a number, files where folders should be, and
//! pipes, symlinks and folders that have the names of markers and notes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::super::files::Trouble;
use super::super::notes;
use super::ground::{Ground, MD5};
use super::{Place, content, go};
use crate::config::Marker;
use crate::queue::afterwards::Action;

const LONG: Duration = Duration::from_secs(20);

/// What it is called, and how it is made.
type Odd = (&'static str, fn(&Path));

/// What may have the name of a file or folder.
const KINDS: [Odd; 3] = [
    ("a device, pipe or socket", |path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }),
    ("a symbolic link", |path| {
        symlink("/etc/passwd", path).unwrap();
    }),
    ("a folder", |path| fs::create_dir(path).unwrap()),
];

#[test]
fn a_long_name_that_is_taken_gets_a_number() {
    let place = Place::new();
    let mut targets = vec![place.at("up")];
    targets.extend(place.elsewhere());
    for base in targets {
        for name in [
            "x".repeat(251) + ".mp4",
            "é".repeat(125) + "x.mp4",
            "y".repeat(255),
        ] {
            let to = base.join(&name);
            for text in ["one", "two", "three"] {
                let from = place.file(&format!("drop/{name}"), text);
                let there = go(&from, &to, &|_| {}).unwrap();
                assert_eq!(content(&there), text);
                assert_eq!(there.extension(), to.extension());
                assert!(!from.exists());
            }
        }
    }
}

#[test]
fn a_file_in_the_place_of_a_folder_is_named() {
    for (action, obstacle) in [
        (Action::Trash, "drop/.trash"),
        (Action::Move, "up/sub"),
        (Action::FailedDir, "bad/sub"),
    ] {
        for (kind, make) in [
            KINDS[0],
            ("a regular file", |path| fs::write(path, "x").unwrap()),
        ] {
            let ground = Ground::new();
            let case = ground.case(Some(MD5));
            make(&ground.at(obstacle));
            let Err(Trouble::Later(why)) = ground.run(&case, action) else {
                panic!("{obstacle} is {kind}");
            };
            let words = format!("{obstacle} is {kind}, not a folder; move it away");
            assert!(why.contains(&words), "{why}");
            assert!(ground.file().exists());
            // It is moved away, and the file goes.
            fs::rename(ground.at(obstacle), ground.at("aside")).unwrap();
            ground.run(&case, action).unwrap();
            assert!(!ground.file().exists());
        }
    }
}

#[test]
fn what_is_no_file_stays_beside_and_is_said() {
    for (kind, make) in KINDS {
        for action in [Action::Move, Action::Trash, Action::Delete] {
            let mut ground = Ground::new();
            ground.watch.watching.done_marker = Some(Marker::parse("{name}.ok").unwrap());
            let case = ground.case(Some(MD5));
            let odd = ["a.mp4.ok", "a.mp4.jw.json"].map(|name| ground.file().with_file_name(name));
            for path in &odd {
                make(path);
            }
            // A thread of its own: one that hangs must fail the test, and not stop it.
            let (done, ended) = mpsc::channel();
            thread::spawn(move || {
                let outcome = ground.run(&case, action);
                done.send((ground, outcome)).ok();
            });
            let (ground, outcome) = ended.recv_timeout(LONG).unwrap();
            let outcome = outcome.unwrap();
            let words = format!("a.mp4.ok stayed: it is {kind}, not a file");
            assert!(outcome.contains(&words), "{outcome}");
            assert!(!ground.file().exists());
            for path in &odd {
                assert!(fs::symlink_metadata(path).is_ok(), "{path:?} {outcome}");
            }
        }
    }
}

#[test]
fn what_has_the_name_of_a_note_is_named() {
    for (kind, make) in KINDS {
        let ground = Ground::new();
        let case = ground.case(Some(MD5));
        make(&notes::of_failure(&ground.file()));
        let watch = ground.watch.clone();
        let (done, ended) = mpsc::channel();
        thread::spawn(move || done.send(notes::write_failure(Some(&watch), &case)));
        let refused = ended.recv_timeout(LONG).unwrap().unwrap_err().to_string();
        let words =
            format!("a.mp4.failed.txt is {kind}, not a note as jw-ingest wrote it; move it away");
        assert!(refused.contains(&words), "{refused}");
    }
}
