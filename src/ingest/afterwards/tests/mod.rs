//! Tests of moving files: nothing is taken over, nothing is lost, and a kill leaves what can be
//! gone on from.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

mod copies;
mod ground;
mod kills;
mod leave;
mod links;
mod odd;
mod sidecars;
mod still;

use super::files::{Errand, Trouble};
use super::hiding;
use super::still::Still;
use crate::beneath::tests::by_either_rename;
use crate::beneath::{self, Folder};
use crate::identity::Identity;

struct Place {
    dir: TempDir,
    shm: Option<TempDir>,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
            shm: tempfile::tempdir_in("/dev/shm").ok(),
        };
        fs::create_dir(place.at("drop")).unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.at(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A folder on another filesystem, where there is one.
    fn elsewhere(&self) -> Option<PathBuf> {
        use std::os::unix::fs::MetadataExt;
        let shm = self.shm.as_ref()?.path();
        let dev = |path: &Path| fs::metadata(path).unwrap().dev();
        if dev(shm) == dev(self.dir.path()) {
            eprintln!("LEFT OUT: there is no second filesystem");
            return None;
        }
        Some(shm.to_path_buf())
    }
}

fn go(from: &Path, to: &Path, before: &dyn Fn(&Path)) -> Result<PathBuf, Trouble> {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    errand(from, before, |errand| {
        errand.go(&at(to)).map(|there| there.path().to_path_buf())
    })
}

fn at(path: &Path) -> beneath::Place {
    let folder = Folder::root(path.parent().unwrap()).unwrap();
    folder.place(path.file_name().unwrap())
}

fn hidden(path: &Path, mark: &str, ending: &str) -> PathBuf {
    hiding::hidden(&at(path), mark, ending).path().to_path_buf()
}

fn errand<T>(from: &Path, before: &dyn Fn(&Path), act: impl FnOnce(&Errand<'_>) -> T) -> T {
    let at = hiding::place(&at(from), "7");
    let held = at.hold().unwrap();
    act(&Errand {
        from: &at,
        identity: Identity::of(&held.metadata().unwrap()),
        held: &held,
        mark: "7",
        md5: None,
        stopped: &|| false,
        before: &|path| {
            before(path);
            Ok(())
        },
        copies: &|_| Ok(()),
        still: Still {
            watch: None,
            fingerprint: None,
            may_be_stale: false,
            is_sent: &|_| Ok(true),
            is_fresh: &|| Ok(()),
        },
    })
}

fn take_away(errand: &Errand<'_>) -> Result<(), Trouble> {
    errand.take_away()
}

fn content(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_taken_name_is_never_taken_over() {
    by_either_rename(|| {
        let place = Place::new();
        let mut targets = vec![place.at("up")];
        targets.extend(place.elsewhere());
        for base in targets {
            let to = base.join("deep/a.mp4");
            for (number, (text, expected)) in [
                ("one", "a.mp4"),
                ("two", "a (2).mp4"),
                ("three", "a (3).mp4"),
                ("one", "a.mp4"),
                ("two", "a (2).mp4"),
            ]
            .into_iter()
            .enumerate()
            {
                let from = place.file("drop/a.mp4", text);
                let there = go(&from, &to, &|_| {}).unwrap();
                assert_eq!(there, to.with_file_name(expected), "{number}");
                assert_eq!(content(&there), text);
                assert!(!from.exists());
            }
            let left = names(&base.join("deep"));
            assert_eq!(left, ["a (2).mp4", "a (3).mp4", "a.mp4"]);
            assert!(names(&place.at("drop")).is_empty());
        }
    });
}

#[test]
fn a_target_that_is_the_folder_itself_costs_no_file() {
    by_either_rename(|| {
        let place = Place::new();
        let from = place.file("drop/a.mp4", "one");
        // As by a bind mount, which has another path.
        let then = Identity::of(&fs::metadata(&from).unwrap());
        let outcome = go(&from, &place.at("drop/a.mp4"), &|_| panic!("it is asked"));
        let Err(Trouble::Later(why)) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(why.contains("its own folder"), "{why}");
        assert_eq!(content(&from), "one");
        assert_eq!(names(&place.at("drop")), ["a.mp4"]);
        // Its ctime shows that it was not hidden.
        assert_eq!(Identity::of(&fs::metadata(&from).unwrap()), then);
        // A second name of the file is another matter: a kill may have left it there.
        fs::create_dir(place.at("up")).unwrap();
        fs::hard_link(&from, place.at("up/a.mp4")).unwrap();
        let there = go(&from, &place.at("up/a.mp4"), &|_| {}).unwrap();
        assert!(!from.exists());
        assert_eq!(content(&there), "one");
    });
}

#[test]
fn a_copy_keeps_its_times_and_rights() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let Some(base) = place.elsewhere() else {
        return;
    };
    let from = place.file("drop/a.mp4", "one");
    fs::set_permissions(&from, fs::Permissions::from_mode(0o640)).unwrap();
    let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    fs::File::open(&from).unwrap().set_modified(then).unwrap();
    let to = go(&from, &base.join("a.mp4"), &|_| {}).unwrap();
    let meta = fs::metadata(&to).unwrap();
    assert_eq!(meta.modified().unwrap(), then);
    assert_eq!(meta.permissions().mode() & 0o777, 0o640);
    assert_eq!(names(&base), ["a.mp4"]);
}

#[test]
fn another_file_that_takes_the_name_in_the_last_moment_stays() {
    by_either_rename(|| {
        let place = Place::new();
        let mut targets = vec![place.at("up")];
        targets.extend(place.elsewhere());
        for base in targets {
            let from = place.file("drop/a.mp4", "one");
            let swap = |_: &Path| {
                fs::write(place.at("new"), "another").unwrap();
                fs::rename(place.at("new"), place.at("drop/a.mp4")).unwrap();
            };
            let outcome = go(&from, &base.join("a.mp4"), &swap);
            assert!(matches!(outcome, Err(Trouble::Changed)), "{outcome:?}");
            assert_eq!(names(&place.at("drop")), ["a.mp4"]);
            assert_eq!(content(&from), "another");
            // A whole copy of what was replaced is the last of its bytes: `copies` sees to it.
            let part = hidden(&base.join("a.mp4"), "7", "part");
            if part.exists() {
                assert_eq!(content(&part), "one");
                fs::remove_file(part).unwrap();
            } else {
                assert_eq!(base, place.at("up"));
            }
            assert!(names(&base).is_empty(), "{:?}", names(&base));
        }
        let from = place.file("drop/a.mp4", "one");
        let outcome = errand(&from, &|_| {}, |errand| {
            fs::write(place.at("new"), "another").unwrap();
            fs::rename(place.at("new"), &from).unwrap();
            errand.take_away()
        });
        assert!(matches!(outcome, Err(Trouble::Changed)), "{outcome:?}");
        assert_eq!(content(&from), "another");
    });
}

#[test]
fn what_a_kill_left_is_gone_on_from() {
    by_either_rename(|| {
        let place = Place::new();
        let mut targets = vec![place.at("up")];
        targets.extend(place.elsewhere());
        for base in targets {
            fs::create_dir_all(&base).unwrap();
            let (from, to) = (place.at("drop/a.mp4"), base.join("a.mp4"));
            // Half a copy.
            place.file("drop/a.mp4", "one");
            fs::write(hidden(&to, "7", "part"), "o").unwrap();
            go(&from, &to, &|_| {}).unwrap();
            assert_eq!(content(&to), "one");
            // A whole copy, and the original under either name.
            for name in [from.clone(), hidden(&from, "7", "going")] {
                fs::write(&name, "one").unwrap();
                assert_eq!(go(&from, &to, &|_| {}).unwrap(), to);
                assert!(!name.exists() && !from.exists());
            }
            assert_eq!(names(&base), ["a.mp4"]);
            assert_eq!(content(&to), "one");
        }
    });
}

#[test]
fn only_what_was_examined_is_deleted() {
    by_either_rename(|| {
        let place = Place::new();
        let from = place.file("drop/a.mp4", "one");
        let then = fs::metadata(&from).unwrap().modified().unwrap();
        // Other bytes of the same length under the old time: neither its name nor its size tells.
        let outcome = errand(&from, &|_| {}, |errand| {
            fs::write(&from, "two").unwrap();
            fs::File::open(&from).unwrap().set_modified(then).unwrap();
            errand.take_away()
        });
        assert!(matches!(outcome, Err(Trouble::Later(_))), "{outcome:?}");
        assert_eq!(content(&from), "two");
        crate::watch::writer::ignore_sigio();
        let writer = fs::OpenOptions::new().append(true).open(&from).unwrap();
        let outcome = errand(&from, &|_| {}, take_away);
        assert!(matches!(outcome, Err(Trouble::Later(_))), "{outcome:?}");
        assert_eq!(names(&place.at("drop")), ["a.mp4"]);
        drop(writer);
        errand(&from, &|_| {}, take_away).unwrap();
        assert!(names(&place.at("drop")).is_empty());
    });
}

/// A name that others know must not go by itself: by then a newer file may have it.
#[test]
fn a_file_goes_by_way_of_its_hidden_name_where_that_is_the_only_safe_one() {
    by_either_rename(|| {
        let place = Place::new();
        let (from, to) = (place.file("drop/a.mp4", "one"), place.at("up/a.mp4"));
        // Written to after it was examined: the last look at its new place shows it.
        let write = |_: &Path| {
            use std::io::Write;
            let mut file = fs::OpenOptions::new().append(true).open(&from).unwrap();
            file.write_all(b" more").unwrap();
        };
        let outcome = go(&from, &to, &write);
        assert!(matches!(outcome, Err(Trouble::Changed)), "{outcome:?}");
        assert_eq!(content(&from), "one more");
        assert_eq!(names(&place.at("drop")), ["a.mp4"]);
        assert!(names(&place.at("up")).is_empty());
        // The name is taken between the look at it and the rename.
        let take = |to: &Path| {
            if !to.exists() && to.file_name() == Some("a.mp4".as_ref()) {
                fs::write(to, "theirs").unwrap();
            }
        };
        // Where it had to be hidden for that, it may have been written to meanwhile: the next attempt compares it.
        let there = match go(&from, &to, &take) {
            Err(Trouble::Later(why)) if why.contains("another file took the name") => {
                assert_eq!(names(&place.at("drop")), ["a.mp4"]);
                go(&from, &to, &take).unwrap()
            }
            outcome => outcome.unwrap(),
        };
        assert_eq!(there, place.at("up/a (2).mp4"));
        assert_eq!(
            (content(&to), content(&there)),
            ("theirs".to_owned(), "one more".to_owned())
        );
        assert!(names(&place.at("drop")).is_empty());
        assert_eq!(names(&place.at("up")), ["a (2).mp4", "a.mp4"]);
    });
}

/// A share may end a file early, after an error.
#[test]
fn a_file_that_is_not_read_to_its_end_has_no_copy() {
    let place = Place::new();
    let from = place.file("drop/a.mp4", "one");
    let outcome = errand(&from, &|_| {}, |errand| {
        let longer = Identity {
            size: 5,
            ..errand.identity
        };
        let errand = Errand {
            identity: longer,
            ..*errand
        };
        let mut copy = Vec::new();
        let read = errand.pour(fs::File::open(&from).unwrap(), |bytes| {
            copy.extend_from_slice(bytes);
            Ok(())
        });
        (read, copy)
    });
    let (Err(Trouble::Later(why)), _) = &outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(why, "its filesystem gave 3 of its 5 bytes when it was read");
}
