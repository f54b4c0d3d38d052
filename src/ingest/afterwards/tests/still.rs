//! Tests of what happens between the question and the act: what is written to, moved or replaced then stays.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::super::companions::{Companion, examine};
use super::super::files::{Errand, Trouble};
use super::super::still::Still;
use super::ground::{Ground, MD5};
use super::{Place, at, content, errand, go, hidden, names};
use crate::beneath::tests::by_either_rename;
use crate::identity::Identity;
use crate::ingest::identify::Kind;
use crate::metadata::sidecar;
use crate::queue::afterwards::Action;
use crate::watch::writer;

/// Of "one".
const ONE: &str = "f97c5d29941bfb1b2fdab0874906ab82";

/// A file in `drop/sub` that goes there, also to another filesystem.
fn grounds() -> Vec<(Ground, Action, Option<tempfile::TempDir>)> {
    let mut grounds = Vec::new();
    for action in [Action::Move, Action::Trash, Action::Delete] {
        grounds.push((Ground::new(), action, None));
    }
    if let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") {
        let mut ground = Ground::new();
        ground.watch.afterwards.move_to = Some(elsewhere.path().to_path_buf());
        grounds.push((ground, Action::Move, Some(elsewhere)));
    }
    grounds
}

#[test]
fn a_folder_that_leaves_the_watch_while_it_is_asked_for_keeps_its_files() {
    by_either_rename(|| {
        for (ground, action, elsewhere) in grounds() {
            let case = ground.case(Some(MD5));
            fs::write(ground.at("drop/sub/a.ok"), "").unwrap();
            let outcome = ground.run_if(&case, action, &|_| {
                fs::rename(ground.at("drop/sub"), ground.at("taken")).unwrap();
                Ok(())
            });
            assert!(outcome.is_err(), "{action:?}: {outcome:?}");
            assert_eq!(names(&ground.at("taken")), ["a.mp4", "a.ok"], "{action:?}");
            assert_eq!(content(&ground.at("taken/a.mp4")), "inside");
            let there = elsewhere.map(|dir| dir.path().join("sub"));
            let there = there.filter(|there| there.exists());
            assert!(there.is_none_or(|there| names(&there).is_empty()));
        }
    });
}

/// It did not change: it is not there.
#[test]
fn a_file_that_is_taken_away_while_it_is_asked_for_is_not_called_changed() {
    for (ground, action, _elsewhere) in grounds() {
        let case = ground.case(Some(MD5));
        let outcome = ground.run_if(&case, action, &|_| {
            drop(fs::remove_file(ground.file()));
            Ok(())
        });
        assert!(matches!(outcome, Err(Trouble::Later(_))), "{outcome:?}");
    }
}

/// It leaves while the last note is written: the file has lost its name already, and gets it back where it is.
#[test]
fn a_folder_that_leaves_while_its_file_is_hidden_keeps_it() {
    let ground = Ground::new();
    let case = ground.case(Some(MD5));
    let outcome = ground.task(&case, Action::Delete, &|_| Ok(()), |task| {
        let note = |_| {
            if ground.at("drop/sub").exists() {
                fs::rename(ground.at("drop/sub"), ground.at("taken")).unwrap();
            }
            Ok(())
        };
        let task = super::super::task::Task {
            note: &note,
            ..*task
        };
        task.run().map(|end| end.outcome)
    });
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(names(&ground.at("taken")), ["a.mp4"]);
}

#[test]
fn a_target_that_is_renamed_while_it_is_asked_for_gets_no_file() {
    for (ground, action, elsewhere) in grounds() {
        let base = match (&elsewhere, action) {
            (Some(dir), _) => dir.path().to_path_buf(),
            (None, Action::Move) => ground.at("up"),
            (None, _) => continue,
        };
        let case = ground.case(Some(MD5));
        let outcome = ground.run_if(&case, action, &|_| {
            fs::rename(base.join("sub"), base.join("old")).unwrap();
            fs::create_dir(base.join("sub")).unwrap();
            Ok(())
        });
        assert!(matches!(outcome, Err(Trouble::Later(_))), "{outcome:?}");
        assert_eq!(content(&ground.file()), "inside");
        for folder in ["old", "sub"] {
            assert!(names(&base.join(folder)).is_empty(), "{folder}");
        }
    }
}

#[test]
fn a_companion_whose_folder_has_left_the_watch_stays_beside_its_video() {
    for is_deleted in [false, true] {
        let ground = Ground::new();
        fs::write(ground.at("drop/sub/a.json"), "{\"title\": \"One\"}").unwrap();
        let video = crate::watch::reach::place(Some(&ground.watch), &ground.file()).unwrap();
        let name = OsStr::new("a.json");
        let to = at(&ground.at("up/a.json"));
        let mut all = [Companion::new(&video, (name, to), "7".to_owned())];
        let file = fs::File::open(ground.at("drop/sub/a.json")).unwrap();
        examine(sidecar::digest_of(name, &file).as_deref(), &video, &mut all);
        fs::rename(ground.at("drop/sub"), ground.at("taken")).unwrap();
        let [companion] = &all;
        let stays = companion.with((Some(&ground.watch), &|| false), |errand| {
            if is_deleted {
                errand.take_away()
            } else {
                errand.go(&companion.to).map(drop)
            }
        });
        assert!(matches!(stays, Some(Err(Trouble::Later(_)))), "{stays:?}");
        assert_eq!(names(&ground.at("taken")), ["a.json", "a.mp4"]);
        assert!(names(&ground.at("up")).is_empty());
    }
}

#[test]
fn a_file_that_is_opened_for_writing_while_it_is_asked_for_stays() {
    writer::ignore_sigio();
    by_either_rename(|| {
        for (ground, action, _elsewhere) in grounds() {
            let case = ground.case(Some(MD5));
            let program = Cell::new(None);
            let outcome = ground.run_if(&case, action, &|_| {
                let file = fs::OpenOptions::new().append(true).open(ground.file());
                program.set(file.ok());
                Ok(())
            });
            assert!(matches!(outcome, Err(Trouble::Later(_))), "{outcome:?}");
            assert_eq!(names(&ground.at("drop/sub")), ["a.mp4"], "{action:?}");
            drop(program.take());
            ground.run(&case, action).unwrap();
            assert!(!ground.file().exists(), "{action:?}");
        }
    });
}

/// What is written right after the last look before the rename shows under the new name only.
#[test]
fn a_file_that_is_another_under_its_new_name_gets_its_own_back() {
    writer::ignore_sigio();
    by_either_rename(|| {
        let place = Place::new();
        let from = place.file("drop/a.mp4", "one");
        let to = place.at("up/a.mp4");
        fs::create_dir(place.at("up")).unwrap();
        let outcome = errand(&from, &|_| {}, |errand| {
            let sampled = Errand {
                still: Still {
                    fingerprint: Some(("1:of other samples", Kind::Video)),
                    ..errand.still
                },
                ..*errand
            };
            sampled.go(&at(&to)).map(drop)
        });
        assert!(matches!(outcome, Err(Trouble::Changed)), "{outcome:?}");
        assert_eq!(content(&from), "one");
        assert!(names(&place.at("up")).is_empty());
        errand(&from, &|_| {}, |errand| {
            fs::rename(&from, &to).unwrap();
            errand.check_arrived(&at(&to)).unwrap();
            let _program = fs::OpenOptions::new().append(true).open(&to).unwrap();
            let written = errand.check_arrived(&at(&to));
            assert!(matches!(written, Err(Trouble::Later(_))), "{written:?}");
        });
    });
}

/// One way on which a file is destroyed, with another one that has its bytes.
type Act = fn(&Errand<'_>, &Path) -> Result<(), Trouble>;

/// Another client has written to the file, and `stat` shows what this one remembers: only the content differs.
#[test]
fn where_attributes_may_be_stale_the_whole_content_is_compared() {
    by_either_rename(|| {
        let place = Place::new();
        let from = place.file("drop/a.mp4", "two");
        let kept = place.file("kept.mp4", "one");
        let asked = Cell::new(0);
        let is_one = |file: &fs::File| Ok(std::io::read_to_string(file).unwrap() == "one");
        let acts: [Act; 2] = [
            |errand, _| errand.take_away(),
            |errand, kept| errand.take_away_beside(&at(kept), ONE),
        ];
        for act in acts {
            let before = |_: &Path| asked.set(asked.get() + 1);
            let remote = |act: &dyn Fn(&Errand<'_>) -> Result<(), Trouble>| {
                errand(&from, &before, |errand| {
                    act(&Errand {
                        still: Still {
                            may_be_stale: true,
                            is_sent: &is_one,
                            ..errand.still
                        },
                        ..*errand
                    })
                })
            };
            fs::write(&from, "two").unwrap();
            let outcome = remote(&|errand| act(errand, &kept));
            assert!(matches!(outcome, Err(Trouble::Changed)), "{outcome:?}");
            assert_eq!(names(&place.at("drop")), ["a.mp4"]);
            assert_eq!(content(&from), "two");
            fs::write(&from, "one").unwrap();
            asked.set(0);
            remote(&|errand| act(errand, &kept)).unwrap();
            assert!(asked.get() > 1, "it is asked again after the reading");
            assert!(names(&place.at("drop")).is_empty());
        }
    });
}

/// A share may keep a look waiting after the answer, and then it is of another moment.
#[test]
fn what_was_answered_too_long_ago_counts_for_nothing() {
    by_either_rename(|| {
        let place = Place::new();
        let from = place.file("drop/a.mp4", "one");
        let kept = place.file("kept.mp4", "one");
        let to = place.at("up/a.mp4");
        fs::create_dir_all(place.at("up")).unwrap();
        let is_old = || Err(Trouble::Later("too long ago".to_owned()));
        let acts: [Act; 3] = [
            |errand, _| errand.take_away(),
            |errand, kept| errand.take_away_beside(&at(kept), ONE),
            |errand, kept| {
                let up = kept.with_file_name("up").join("a.mp4");
                errand.go(&at(&up)).map(drop)
            },
        ];
        for act in acts {
            let outcome = errand(&from, &|_| {}, |errand| {
                let old = Errand {
                    still: Still {
                        is_fresh: &is_old,
                        ..errand.still
                    },
                    ..*errand
                };
                act(&old, &kept)
            });
            assert!(matches!(outcome, Err(Trouble::Later(_))), "{outcome:?}");
            assert_eq!(names(&place.at("drop")), ["a.mp4"]);
            assert!(!to.exists());
        }
    });
}

/// The question may take as long as the platform does: meanwhile the file has its name.
#[test]
fn a_move_to_another_disk_asks_once_and_before_the_file_is_hidden() {
    by_either_rename(|| {
        let place = Place::new();
        let Some(base) = place.elsewhere() else {
            return;
        };
        let from = place.file("drop/a.mp4", "one");
        let asked = Cell::new(0);
        go(&from, &base.join("a.mp4"), &|_| {
            asked.set(asked.get() + 1);
            assert_eq!(names(&place.at("drop")), ["a.mp4"]);
            // The copy is whole by then.
            assert_eq!(content(&hidden(&base.join("a.mp4"), "7", "part")), "one");
        })
        .unwrap();
        assert_eq!(
            (asked.get(), content(&base.join("a.mp4"))),
            (1, "one".to_owned())
        );
    });
}

/// Killed between the two calls by which a copy gets its name where a rename would take one over.
#[test]
fn the_second_name_of_a_copy_is_forgotten_after_a_kill() {
    let place = Place::new();
    for base in [Some(place.at("up")), place.elsewhere()]
        .into_iter()
        .flatten()
    {
        fs::create_dir_all(&base).unwrap();
        let to = base.join("a.mp4");
        for name in [
            place.at("drop/a.mp4"),
            hidden(&place.at("drop/a.mp4"), "7", "going"),
        ] {
            fs::write(&name, "one").unwrap();
            fs::write(hidden(&to, "7", "part"), "one").unwrap();
            drop(fs::remove_file(&to));
            fs::hard_link(hidden(&to, "7", "part"), &to).unwrap();
            assert_eq!(go(&place.at("drop/a.mp4"), &to, &|_| {}).unwrap(), to);
            assert_eq!(names(&base), ["a.mp4"]);
        }
    }
    // The original has gone, and nothing wrote down that the copy has its name.
    let ground = Ground::new();
    let mut case = ground.case(Some(MD5));
    let to = ground.at("up/sub/a.mp4");
    fs::create_dir(ground.at("up/sub")).unwrap();
    fs::rename(ground.file(), &to).unwrap();
    let part = hidden(&to, &case.job.ingest_id, "part");
    fs::hard_link(&to, part).unwrap();
    case.job.identity = Identity::of(&fs::metadata(&to).unwrap());
    case.row.going_to = Some(to);
    ground.run(&case, Action::Move).unwrap();
    assert_eq!(names(&ground.at("up/sub")), ["a.mp4"]);
}
