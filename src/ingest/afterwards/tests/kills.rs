//! Tests of what a kill leaves on each line of a delete, and of what comes of it.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::super::files::Trouble;
use super::super::task::{Note, Whereabouts};
use super::super::{companions, hiding};
use super::ground::{Ground, MD5};
use super::names;
use crate::config::Marker;
use crate::metadata::sidecar;
use crate::queue::afterwards::{Action, Case};

const NAME: &str = "drop/sub/a.mp4";

/// The hidden name by which the file is deleted, as it is noted before.
fn noted(ground: &Ground, case: &Case) -> PathBuf {
    let noted = RefCell::new(None);
    let refused = ground.run_if(case, Action::Delete, &|to| {
        *noted.borrow_mut() = to.map(Path::to_path_buf);
        Err(Trouble::Stopped)
    });
    assert!(matches!(refused, Err(Trouble::Stopped)), "{refused:?}");
    noted.take().expect("a name is noted before a delete")
}

fn take_back(ground: &Ground, case: &Case, has_watch: bool) -> Option<(String, Whereabouts)> {
    ground.task(
        case,
        Action::Delete,
        &|_| panic!("nothing is asked"),
        |task| {
            let mut task = super::super::task::Task { ..*task };
            task.watch = task.watch.filter(|_| has_watch);
            let end = task.take_back().unwrap();
            end.map(|end| (end.outcome, end.file))
        },
    )
}

fn take_back_fails(ground: &Ground, case: &Case, has_watch: bool) -> String {
    ground.task(
        case,
        Action::Delete,
        &|_| panic!("nothing is asked"),
        |task| {
            let mut task = super::super::task::Task { ..*task };
            task.watch = task.watch.filter(|_| has_watch);
            match task.take_back() {
                Err(Trouble::Later(why)) => why,
                other => panic!("{other:?}"),
            }
        },
    )
}

/// A kill after the name was noted, after the file got it, after it was unlinked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    Noted,
    Hidden,
    Unlinked,
}

fn killed(kill: Kill) -> (Ground, Case) {
    let ground = Ground::new();
    let mut case = ground.case(Some(MD5));
    case.row.action = Action::Delete;
    let hidden = noted(&ground, &case);
    case.row.going_to = Some(hidden.clone());
    match kill {
        Kill::Noted => {}
        Kill::Hidden => fs::rename(ground.at(NAME), &hidden).unwrap(),
        Kill::Unlinked => {
            fs::remove_file(ground.at(NAME)).unwrap();
            case.row.unlinks = true;
        }
    }
    (ground, case)
}

#[test]
fn a_delete_that_was_killed_ends_as_one() {
    for kill in [Kill::Noted, Kill::Hidden, Kill::Unlinked] {
        let (ground, case) = killed(kill);
        fs::write(ground.at("drop/sub/a.ok"), "").unwrap();
        let asked = RefCell::new(0);
        let said = ground.run_if(&case, Action::Delete, &|_| {
            *asked.borrow_mut() += 1;
            Ok(())
        });
        assert_eq!(said.unwrap(), "deleted", "{kill:?}");
        assert_eq!(*asked.borrow(), 1, "{kill:?}: asked once more");
        assert_eq!(names(&ground.at("drop/sub")), ["a.ok"], "{kill:?}");
    }
}

#[test]
fn a_file_that_is_not_to_be_deleted_any_more_gets_its_name_back() {
    for has_watch in [true, false] {
        for kill in [Kill::Noted, Kill::Hidden] {
            let (ground, case) = killed(kill);
            assert_eq!(take_back(&ground, &case, has_watch), None, "{kill:?}");
            assert_eq!(names(&ground.at("drop/sub")), ["a.mp4"], "{kill:?}");
        }
        let (ground, case) = killed(Kill::Unlinked);
        let said = take_back(&ground, &case, has_watch);
        assert_eq!(said, Some(("deleted".to_owned(), Whereabouts::Deleted)));
    }
}

#[test]
fn no_try_that_fails_leaves_the_file_hidden() {
    let no = |_: Option<&Path>| Err(Trouble::Later("no".to_owned()));
    let (ground, case) = killed(Kill::Hidden);
    let said = ground.run_if(&case, Action::Delete, &no);
    assert!(matches!(said, Err(Trouble::Later(_))), "{said:?}");
    assert_eq!(names(&ground.at("drop/sub")), ["a.mp4"]);
    // A program that had it open continued writing.
    let (ground, case) = killed(Kill::Hidden);
    fs::write(case.row.going_to.as_ref().unwrap(), "insidious").unwrap();
    let said = ground.run(&case, Action::Delete);
    assert!(matches!(said, Err(Trouble::Changed)), "{said:?}");
    assert_eq!(fs::read_to_string(ground.at(NAME)).unwrap(), "insidious");
    // Its name is another file's by now.
    let (ground, case) = killed(Kill::Hidden);
    fs::write(ground.at(NAME), "another").unwrap();
    assert_eq!(take_back(&ground, &case, true), None);
    assert_eq!(names(&ground.at("drop/sub")), ["a (2).mp4", "a.mp4"]);
    assert_eq!(fs::read_to_string(ground.at(NAME)).unwrap(), "another");
}

/// The path that the job knows leads nowhere, and no scan looks at a hidden name.
#[test]
fn what_was_hidden_in_a_folder_that_was_renamed_since_gets_its_name_back() {
    for (has_new_folder, has_new_file, unlinks) in [
        (false, false, false),
        (true, false, false),
        (true, true, false),
        (true, false, true),
        (true, true, true),
    ] {
        let (ground, mut case) = killed(Kill::Hidden);
        // Killed right before the unlink.
        case.row.unlinks = unlinks;
        let sidecar = format!(".jw-ingest-{}.a.json.going", case.job.ingest_id);
        fs::write(ground.at("drop/sub").join(sidecar), "{}").unwrap();
        fs::create_dir_all(ground.at("drop/deep")).unwrap();
        fs::rename(ground.at("drop/sub"), ground.at("drop/deep/new")).unwrap();
        if has_new_folder {
            fs::create_dir(ground.at("drop/sub")).unwrap();
        }
        if has_new_file {
            fs::write(ground.at(NAME), "another").unwrap();
        }
        let said = ground.run(&case, Action::Delete);
        assert!(
            matches!(said, Err(Trouble::Later(_))),
            "{has_new_file} {unlinks} {said:?}"
        );
        assert_eq!(names(&ground.at("drop/deep/new")), ["a.json", "a.mp4"]);
    }
    // Its video was deleted.
    let (ground, case) = killed(Kill::Unlinked);
    let sidecar = format!(".jw-ingest-{}.a.json.going", case.job.ingest_id);
    fs::write(ground.at("drop/sub").join(sidecar), "{}").unwrap();
    fs::rename(ground.at("drop/sub"), ground.at("drop/new")).unwrap();
    assert_eq!(ground.run(&case, Action::Delete).unwrap(), "deleted");
    assert_eq!(names(&ground.at("drop/new")), ["a.json"]);
}

/// The ingest id of a job changes when it begins again: the note knows the old one.
#[test]
fn a_hidden_file_is_found_by_its_note() {
    let (ground, mut case) = killed(Kill::Hidden);
    case.job.ingest_id = "another".to_owned();
    assert_eq!(take_back(&ground, &case, true), None);
    assert_eq!(names(&ground.at("drop/sub")), ["a.mp4"]);
    let (ground, mut case) = killed(Kill::Hidden);
    case.job.ingest_id = "another".to_owned();
    assert_eq!(ground.run(&case, Action::Delete).unwrap(), "deleted");
    assert!(names(&ground.at("drop/sub")).is_empty());
}

#[test]
fn what_lies_beside_the_name_of_a_newer_file_stays() {
    let (ground, mut case) = killed(Kill::Noted);
    // Made before the other is unlinked, so that it has another inode.
    fs::write(ground.at("new"), "another").unwrap();
    fs::remove_file(ground.at(NAME)).unwrap();
    case.row.unlinks = true;
    fs::rename(ground.at("new"), ground.at(NAME)).unwrap();
    fs::write(ground.at("drop/sub/a.mp4.failed.txt"), "mine").unwrap();
    assert_eq!(ground.run(&case, Action::Delete).unwrap(), "deleted");
    assert_eq!(fs::read_to_string(ground.at(NAME)).unwrap(), "another");
    assert_eq!(names(&ground.at("drop/sub")).len(), 2);
}

/// A file that was not about to be deleted is not reported as deleted.
#[test]
fn a_file_that_somebody_took_away_was_not_deleted() {
    let ground = Ground::new();
    let mut case = ground.case(Some(MD5));
    case.row.attempts = 1;
    fs::remove_file(ground.at(NAME)).unwrap();
    let said = ground.run(&case, Action::Delete).unwrap();
    assert_eq!(said, "left alone: the file is not there any more");
}

/// Killed after the name was noted and before the file got it: who moves the file away then is a person.
#[test]
fn a_file_that_a_person_took_after_a_kill_was_not_deleted() {
    for is_replaced in [false, true] {
        let (ground, mut case) = killed(Kill::Noted);
        case.row.attempts = 1;
        fs::write(ground.at("drop/sub/a.ok"), "").unwrap();
        fs::rename(ground.at(NAME), ground.at("outside/taken.mp4")).unwrap();
        if is_replaced {
            fs::write(ground.at(NAME), "another").unwrap();
        }
        let said = ground.run(&case, Action::Delete);
        if is_replaced {
            assert!(matches!(said, Err(Trouble::Changed)), "{said:?}");
        } else {
            let said = said.unwrap();
            assert_eq!(said, "left alone: the file is not there any more");
        }
        assert!(ground.at("drop/sub/a.ok").exists(), "{is_replaced}");
        assert_eq!(take_back(&ground, &case, true), None, "{is_replaced}");
    }
}

type Permit<'a> = &'a dyn Fn(Option<&Path>) -> Result<(), Trouble>;

/// The note must not outlive an attempt after which the file has its own name.
#[test]
fn a_try_that_fails_takes_its_note_back() {
    let (ground, case) = killed(Kill::Noted);
    let touch = |_: Option<&Path>| {
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(ground.at(NAME), mode).unwrap();
        Ok(())
    };
    let no = |_: Option<&Path>| Err(Trouble::Later("no".to_owned()));
    let permits: [Permit<'_>; 2] = [&touch, &no];
    for permit in permits {
        let notes = RefCell::new(Vec::new());
        let said = ground.task(&case, Action::Delete, permit, |task| {
            let note = |note| {
                notes.borrow_mut().push(note);
                Ok(())
            };
            let task = super::super::task::Task {
                note: &note,
                ..*task
            };
            task.run().map(|end| end.outcome)
        });
        assert!(matches!(said, Err(Trouble::Later(_))), "{said:?}");
        assert_eq!(notes.take(), [Note::HasItsName]);
        assert!(ground.at(NAME).exists());
    }
}

/// What cannot be noted is not unlinked.
#[test]
fn a_file_is_unlinked_once_that_is_noted() {
    let (ground, case) = killed(Kill::Noted);
    let said = ground.task(&case, Action::Delete, &|_| Ok(()), |task| {
        let note = |note| match note {
            Note::Unlinks => Err(Trouble::Later("disk full".to_owned())),
            Note::HasItsName | Note::Copies(_) => Ok(()),
        };
        let task = super::super::task::Task {
            note: &note,
            ..*task
        };
        task.run().map(|end| end.outcome)
    });
    assert!(matches!(said, Err(Trouble::Later(_))), "{said:?}");
    assert_eq!(names(&ground.at("drop/sub")), ["a.mp4"]);
}

/// Killed while what is beside a file was on its way, and its watch is in the configuration no
/// more.
#[test]
fn what_was_hidden_beside_a_file_gets_its_name_back() {
    for has_watch in [true, false] {
        for kill in [Kill::Hidden, Kill::Unlinked] {
            let (mut ground, mut case) = killed(kill);
            ground.watch.watching.done_marker = Some(Marker::parse("{name}.ok").unwrap());
            for name in ["a.json", "a.mp4.ok"] {
                fs::write(ground.at("drop/sub").join(name), "{}").unwrap();
            }
            let sidecar = fs::File::open(ground.at("drop/sub/a.json")).unwrap();
            case.told = sidecar::digest_of(OsStr::new("a.json"), &sidecar);
            let video = super::at(&ground.at(NAME));
            companions::delete(&ground.watch, &case, &video, |companion| {
                let hidden = hiding::hidden(&companion.from, &companion.mark, "going");
                fs::rename(companion.from.path(), hidden.path()).unwrap();
                Some(Err(Trouble::Stopped))
            });
            assert!(
                !ground.at("drop/sub/a.json").exists() && !ground.at("drop/sub/a.mp4.ok").exists()
            );
            take_back(&ground, &case, has_watch);
            let mut expected = vec!["a.json", "a.mp4.ok"];
            if kill == Kill::Hidden {
                expected.insert(1, "a.mp4");
            }
            assert_eq!(
                names(&ground.at("drop/sub")),
                expected,
                "{has_watch} {kill:?}"
            );
        }
    }
}

/// The share is unmounted while the file is hidden: a mount point without its mount is empty, and on another device.
#[test]
fn what_is_hidden_in_a_folder_that_is_away_gets_its_name_back_once_it_is_there() {
    for (away, leaves_mount_point) in [
        ("drop", true),
        ("drop", false),
        ("drop/sub", true),
        ("drop/sub", false),
    ] {
        for has_watch in [true, false] {
            for unlinks in [false, true] {
                let (ground, mut case) = killed(Kill::Hidden);
                case.row.unlinks = unlinks;
                // Another device than that of the mount point.
                case.job.identity.dev = -1;
                let what = format!("{away} {leaves_mount_point} {has_watch} {unlinks}");
                fs::rename(ground.at(away), ground.at("unmounted")).unwrap();
                if leaves_mount_point {
                    fs::create_dir(ground.at(away)).unwrap();
                }
                if has_watch && away == "drop/sub" && !leaves_mount_point {
                    // A person may have moved it out of the watch: other files are there still.
                    continue;
                }
                let why = take_back_fails(&ground, &case, has_watch);
                assert!(why.contains("is not there"), "{what}: {why}");
                assert!(why.contains("hidden name"), "{what}: {why}");
                if has_watch {
                    let said = ground.run(&case, Action::Delete);
                    assert!(matches!(said, Err(Trouble::Later(_))), "{what}: {said:?}");
                }
                if leaves_mount_point {
                    fs::remove_dir(ground.at(away)).unwrap();
                }
                fs::rename(ground.at("unmounted"), ground.at(away)).unwrap();
                assert_eq!(take_back(&ground, &case, has_watch), None, "{what}");
                assert_eq!(names(&ground.at("drop/sub")), ["a.mp4"], "{what}");
            }
        }
    }
}

/// Where a file was about to get a name at a target that is offline, it may be there.
#[test]
fn a_file_that_may_be_at_an_offline_target_is_not_said_to_be_nowhere() {
    let ground = Ground::new();
    let mut case = ground.case(Some(MD5));
    case.row.attempts = 1;
    case.row.action = Action::Move;
    case.row.going_to = Some(ground.at("up/sub/a.mp4"));
    fs::remove_file(ground.at(NAME)).unwrap();
    let said = ground.task(&case, Action::Move, &|_| Ok(()), |task| {
        let target = |_: &Path| Err(Trouble::Later("it is offline".to_owned()));
        let task = super::super::task::Task {
            target: &target,
            ..*task
        };
        [task.run().map(drop), task.take_back().map(drop)]
    });
    for said in said {
        assert!(matches!(said, Err(Trouble::Later(_))), "{said:?}");
    }
    let said = ground.run(&case, Action::Move).unwrap();
    assert_eq!(said, "left alone: the file is not there any more");
}
