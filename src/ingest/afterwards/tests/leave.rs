//! Tests of leave: on every way by which a file of a person can lose its name, it is asked for right before, and
//! without it everything is where it was.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::files::Trouble;
use super::super::hiding::is_going;
use super::super::{hiding, notes};
use super::ground::{Ground, MD5};
use crate::config::{AfterUpload, Marker};
use crate::identity::Identity;
use crate::metadata::sidecar;
use crate::queue::afterwards::{Action, Case, Proof, Went};

const NAME: &str = "drop/sub/a.mp4";

/// One way on which a file goes.
struct Way {
    name: &'static str,
    action: Action,
    /// What is there before.
    lay: fn(&mut Scene),
    /// Whether a sidecar goes that its video left.
    follows: Option<Went>,
}

struct Scene {
    ground: Ground,
    case: Case,
    /// A folder on another filesystem.
    elsewhere: Option<TempDir>,
}

const WAYS: [Way; 10] = [
    way("a delete", Action::Delete, |_| {}),
    way("a delete that was killed", Action::Delete, |scene| {
        let hidden = scene.hidden();
        fs::rename(scene.ground.at(NAME), &hidden).unwrap();
        scene.case.row.going_to = Some(hidden);
    }),
    way("the rest of a delete", Action::Delete, |scene| {
        scene.case.row.going_to = Some(scene.hidden());
        scene.case.row.unlinks = true;
        fs::remove_file(scene.ground.at(NAME)).unwrap();
    }),
    way("a delete without proof", Action::Delete, |scene| {
        scene.case.proof = Proof::None;
    }),
    way("the trash", Action::Trash, |_| {}),
    way("a move", Action::Move, |_| {}),
    way("a move to where its bytes are", Action::Move, |scene| {
        fs::create_dir_all(scene.ground.at("up/sub")).unwrap();
        fs::copy(scene.ground.at(NAME), scene.ground.at("up/sub/a.mp4")).unwrap();
    }),
    way("a move to another disk", Action::Move, |scene| {
        let elsewhere = tempfile::tempdir_in("/dev/shm").ok();
        let there = elsewhere.as_ref().map(|dir| dir.path().to_path_buf());
        let watch = &mut scene.ground.watch;
        watch.afterwards.move_to = there.or(watch.afterwards.move_to.take());
        scene.elsewhere = elsewhere;
    }),
    Way {
        follows: Some(Went::Deleted),
        ..way("a sidecar of what was deleted", Action::Delete, |scene| {
            fs::remove_file(scene.ground.at(NAME)).unwrap();
        })
    },
    Way {
        follows: Some(Went::Moved),
        ..way("a sidecar of what was moved", Action::Move, |scene| {
            fs::remove_file(scene.ground.at(NAME)).unwrap();
            scene.case.row.moved_to = Some(scene.ground.at("up/sub/a.mp4"));
        })
    },
];

const fn way(name: &'static str, action: Action, lay: fn(&mut Scene)) -> Way {
    Way {
        name,
        action,
        lay,
        follows: None,
    }
}

impl Scene {
    /// The file with a sidecar that was sent, and a marker.
    fn new(way: &Way) -> Self {
        let mut ground = Ground::new();
        ground.watch.afterwards.after_upload = AfterUpload::Delete;
        ground.watch.watching.done_marker = Some(Marker::parse("{name}.ok").unwrap());
        fs::write(ground.at("drop/sub/a.json"), "{\"title\": \"One\"}").unwrap();
        fs::write(ground.at("drop/sub/a.mp4.ok"), "").unwrap();
        let mut case = ground.case(Some(MD5));
        case.row.action = way.action;
        case.row.sidecar_left = way.follows;
        let sidecar = fs::File::open(ground.at("drop/sub/a.json")).unwrap();
        case.told = sidecar::digest_of(OsStr::new("a.json"), &sidecar);
        let mut scene = Self {
            ground,
            case,
            elsewhere: None,
        };
        (way.lay)(&mut scene);
        scene
    }

    fn hidden(&self) -> PathBuf {
        let own = super::at(&self.ground.at(NAME));
        let hidden = hiding::hidden(&own, &self.case.job.ingest_id, "going");
        hidden.path().to_path_buf()
    }

    /// All bytes of people, by name; one that is hidden counts under its own.
    fn bytes(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.ground.at("drop"), self.ground.at("up")];
        folders.extend(self.elsewhere.iter().map(|dir| dir.path().to_path_buf()));
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.extension() == Some(OsStr::new("part")) {
                    continue;
                }
                let content = fs::read_to_string(&path).unwrap();
                let is_hidden = is_going(path.file_name().unwrap());
                let own = if is_hidden {
                    self.ground.at(NAME)
                } else {
                    path
                };
                found.insert(own, content);
            }
        }
        found
    }

    fn run(&self, way: &Way, permit: &dyn Fn(Option<&Path>) -> Result<(), Trouble>) -> bool {
        let end = self
            .ground
            .task(&self.case, way.action, permit, |task| match way.follows {
                Some(went) => task.follow(went),
                None => task.run(),
            });
        end.is_ok()
    }
}

#[test]
fn without_leave_nothing_goes_and_it_is_asked_for_while_all_is_there() {
    for way in &WAYS {
        for refusal in [
            || Trouble::Stopped,
            || Trouble::Later("the platform did not say".to_owned()),
        ] {
            let scene = Scene::new(way);
            let before = scene.bytes();
            let asked = RefCell::new(0);
            let went = scene.run(way, &|_| {
                *asked.borrow_mut() += 1;
                assert_eq!(scene.bytes(), before, "{}: asked too late", way.name);
                Err(refusal())
            });
            assert!(!went && asked.take() > 0, "{}", way.name);
            assert_eq!(scene.bytes(), before, "{}", way.name);
            // It is no matter of the scene: with leave it goes.
            assert!(scene.run(way, &|_| Ok(())), "{}", way.name);
            assert_ne!(scene.bytes(), before, "{}", way.name);
        }
    }
}

/// What is read before the question may be written while it is answered.
#[test]
fn what_changes_while_leave_is_asked_for_stays() {
    for way in WAYS.iter().filter(|way| way.follows.is_none()) {
        let scene = Scene::new(way);
        let file = [scene.hidden(), scene.ground.at(NAME)]
            .into_iter()
            .find(|path| path.exists());
        let Some(file) = file else { continue };
        let then = fs::metadata(&file).unwrap().modified().unwrap();
        let went = scene.run(way, &|_| {
            // Only the ctime tells.
            fs::write(&file, "beside").unwrap();
            let file = fs::File::open(&file).unwrap();
            file.set_modified(then).unwrap();
            Ok(())
        });
        let bytes = scene.bytes();
        let kept = bytes.values().any(|content| content == "beside");
        assert!(!went && kept, "{}: {bytes:?}", way.name);
        assert_eq!(bytes[&scene.ground.at(NAME)], "beside", "{}", way.name);
    }
}

/// The notes need no leave: they are ours, and what is not ours is not touched.
#[test]
fn a_file_that_only_has_the_name_of_a_note_stays() {
    let ground = Ground::new();
    let case = ground.case(Some(MD5));
    for name in ["a.mp4.failed.txt", "a.mp4.jw.json"] {
        let path = ground.at("drop/sub").join(name);
        fs::write(&path, "{\"mine\": true}").unwrap();
        let then = Identity::of(&fs::metadata(&path).unwrap());
        notes::remove(Some(&ground.watch), &path);
        drop(notes::write_key(&ground.watch, &case, "title"));
        drop(notes::write_failure(Some(&ground.watch), &case));
        assert_eq!(Identity::of(&fs::metadata(&path).unwrap()), then, "{name}");
    }
}
