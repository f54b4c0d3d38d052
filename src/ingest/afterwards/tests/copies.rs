//! Tests of copies that a kill left at a target on another disk: none stays hidden, and the last one of its bytes is not
//! removed.

use std::fs;
use std::path::PathBuf;

use super::super::copies::{Fate, end};
use super::super::files::Trouble;
use super::super::hiding;
use super::ground::{Ground, MD5};
use super::{content, names};
use crate::beneath;
use crate::queue::afterwards::{Action, Case};

const NAME: &str = "drop/sub/a.mp4";

/// A copy of these bytes was begun.
fn copied(bytes: &str) -> (Ground, Case, PathBuf) {
    let ground = Ground::new();
    let mut case = ground.case(Some(MD5));
    case.row.action = Action::Move;
    fs::create_dir(ground.at("up/sub")).unwrap();
    // Something else is there, as under a mount that is there.
    fs::write(ground.at("up/sub/b.mp4"), "other").unwrap();
    let to = super::at(&ground.at("up/sub/a.mp4"));
    let part = hiding::hidden(&to, &case.job.ingest_id, "part");
    let part = part.path().to_path_buf();
    fs::write(&part, bytes).unwrap();
    case.row.copy = Some(part.clone());
    (ground, case, part)
}

fn settle(ground: &Ground, case: &Case, has_watch: bool, is_over: bool) -> Fate {
    let watch = Some(&ground.watch).filter(|_| has_watch);
    end((case, watch), is_over, &|| false).unwrap()
}

/// What a person does after the kill, and whether the file has its bytes still.
type Since = (&'static str, fn(&Ground, &mut Case), bool);

const SINCE: [Since; 6] = [
    ("nothing", |_, _| {}, true),
    (
        "it has its hidden name",
        |ground, case| {
            let own = super::at(&ground.at(NAME));
            let hidden = hiding::hidden(&own, &case.job.ingest_id, "going");
            fs::rename(ground.at(NAME), hidden.path()).unwrap();
            // The job has begun again since.
            case.job.ingest_id = "another".to_owned();
        },
        true,
    ),
    (
        "it was renamed, and its job followed it",
        |ground, case| {
            fs::rename(ground.at("drop/sub"), ground.at("drop/new")).unwrap();
            case.job.path = ground.at("drop/new/a.mp4");
        },
        true,
    ),
    (
        "it was moved elsewhere by the next attempt",
        |ground, case| {
            fs::rename(ground.at(NAME), ground.at("bad/a.mp4")).unwrap();
            case.row.moved_to = Some(ground.at("bad/a.mp4"));
        },
        true,
    ),
    (
        "it was taken away",
        |ground, _| fs::remove_file(ground.at(NAME)).unwrap(),
        false,
    ),
    (
        "it changed",
        |ground, _| fs::write(ground.at(NAME), "inCIDE").unwrap(),
        false,
    ),
];

#[test]
fn a_copy_that_is_not_needed_is_removed() {
    for (what, since, has_bytes) in SINCE {
        for bytes in ["insi", "inside"] {
            if bytes == "inside" && !has_bytes {
                continue;
            }
            for has_watch in [true, false] {
                for is_over in [true, false] {
                    let (ground, mut case, _) = copied(bytes);
                    since(&ground, &mut case);
                    let fate = settle(&ground, &case, has_watch, is_over);
                    assert_eq!(fate, Fate::Gone, "{what} {bytes} {has_watch} {is_over}");
                    assert_eq!(names(&ground.at("up/sub")), ["b.mp4"], "{what} {bytes}");
                }
            }
        }
    }
}

#[test]
fn a_copy_that_is_the_last_one_of_its_bytes_gets_its_name() {
    for (what, since, _) in SINCE.iter().filter(|(_, _, has_bytes)| !has_bytes) {
        for (there, expected) in [
            (None, "a.mp4"),
            (Some("beside"), "a (2).mp4"),
            // It is a copy already.
            (Some("inside"), ""),
        ] {
            let (ground, mut case, part) = copied("inside");
            since(&ground, &mut case);
            if let Some(there) = there {
                fs::write(ground.at("up/sub/a.mp4"), there).unwrap();
            }
            // An attempt may come, and say how it ends.
            assert_eq!(settle(&ground, &case, true, false), Fate::Unknown, "{what}");
            assert!(part.exists(), "{what}");
            let fate = settle(&ground, &case, true, true);
            assert!(!part.exists(), "{what}");
            if expected.is_empty() {
                assert_eq!(fate, Fate::Gone, "{what}");
                continue;
            }
            let to = ground.at("up/sub").join(expected);
            assert_eq!(content(&to), "inside", "{what}");
            assert_eq!(fate, Fate::Named(to), "{what}");
        }
    }
}

/// Neither the copy nor its file counts as gone while a folder is away.
#[test]
fn while_a_folder_is_away_a_copy_stays() {
    for (away, bare) in [("drop", "drop"), ("up", "up/sub")] {
        for leaves_mount_point in [true, false] {
            for has_watch in [true, false] {
                let (ground, mut case, part) = copied("inside");
                case.job.identity.dev = -1;
                fs::rename(ground.at(away), ground.at("unmounted")).unwrap();
                if leaves_mount_point {
                    fs::create_dir_all(ground.at(bare)).unwrap();
                }
                let fate = settle(&ground, &case, has_watch, true);
                let what = format!("{away} {leaves_mount_point} {has_watch}");
                assert_eq!(fate, Fate::Unknown, "{what}");
                drop(fs::remove_dir_all(ground.at(away)));
                fs::rename(ground.at("unmounted"), ground.at(away)).unwrap();
                assert_eq!(content(&part), "inside", "{what}");
                let fate = settle(&ground, &case, has_watch, true);
                assert_eq!(fate, Fate::Gone, "{what}");
            }
        }
    }
}

#[test]
fn a_copy_in_another_folder_is_removed_when_the_file_goes() {
    let (mut ground, case, part) = copied("inside");
    ground.watch.afterwards.move_to = Some(ground.at("bad"));
    ground.run(&case, Action::Move).unwrap();
    assert!(!part.exists());
    assert_eq!(content(&ground.at("bad/sub/a.mp4")), "inside");
}

/// The name is noted before the first byte, and the copy of a file that is replaced meanwhile is not removed.
#[test]
fn a_copy_is_noted_before_it_is_begun() {
    let place = super::Place::new();
    let Some(base) = place.elsewhere() else {
        return;
    };
    let from = place.file("drop/a.mp4", "one");
    let to = base.join("a.mp4");
    let part = super::hidden(&to, "7", "part");
    let at: beneath::Place = super::at(&to);
    let replace = |_: &std::path::Path| {
        fs::write(place.at("new"), "another").unwrap();
        fs::rename(place.at("new"), &from).unwrap();
    };
    let outcome = super::errand(&from, &replace, |errand| {
        let noted = super::Errand {
            copies: &|copy| {
                assert_eq!(copy, part);
                assert!(!part.exists());
                Err(Trouble::Later("not noted".to_owned()))
            },
            ..*errand
        };
        let outcome = noted.go(&at);
        assert!(matches!(outcome, Err(Trouble::Later(_))), "{outcome:?}");
        assert!(names(&base).is_empty());
        errand.go(&at)
    });
    assert!(matches!(outcome, Err(Trouble::Changed)), "{outcome:?}");
    assert_eq!(content(&part), "one");
}

/// The file was rewritten while it was copied, as long as before: the copy is of neither content.
#[test]
fn a_mixture_gets_no_name_once_its_file_has_gone() {
    for is_known in [true, false] {
        let (ground, mut case, part) = copied("");
        let own = content(&ground.at(NAME));
        let mixed: String = own.chars().rev().collect();
        assert_ne!(mixed, own);
        fs::write(&part, mixed).unwrap();
        fs::remove_file(ground.at(NAME)).unwrap();
        if !is_known {
            case.job.md5 = None;
            case.original.md5 = None;
            case.job.fingerprint = Some("1:of-another-content".to_owned());
        }
        assert_eq!(settle(&ground, &case, true, true), Fate::Gone, "{is_known}");
        assert!(!part.exists(), "{is_known}");
        assert_eq!(names(&ground.at("up/sub")), ["b.mp4"], "{is_known}");
    }
}
