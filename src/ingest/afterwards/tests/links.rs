//! Tests of what is behind symbolic links: refused and said, the file stays, and nothing outside is
//! read, written, moved or deleted.

use std::fs;
use std::os::unix::fs::symlink;

use super::super::files::Trouble;
use super::super::{noted, notes};
use super::ground::{Ground, MD5};
use crate::beneath::tests::{flip_with_pauses_while, goes_on};
use crate::clock;
use crate::identity::Identity;
use crate::ingest::identify::{Kind, fingerprint};
use crate::ingest::metadata;
use crate::queue::afterwards::{Action, Case};

#[test]
fn a_link_among_the_targets_is_refused_and_said() {
    let today = clock::local().date().to_string();
    for (action, link) in [
        (Action::Trash, "drop/.trash".to_owned()),
        (Action::Trash, format!("drop/.trash/{today}")),
        (Action::Trash, format!("drop/.trash/{today}/sub")),
        (Action::Move, "up/sub".to_owned()),
        (Action::FailedDir, "bad/sub".to_owned()),
    ] {
        for follow in [false, true] {
            let mut ground = Ground::new();
            ground.watch.watching.follow_links = follow;
            let case = ground.case(Some(MD5));
            let link = ground.at(&link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(ground.at("outside"), &link).unwrap();
            let outcome = ground.run(&case, action);
            let Err(Trouble::Later(why)) = outcome else {
                panic!("{link:?}: {outcome:?}");
            };
            let said = format!("{} is a symbolic link", link.display());
            assert!(why.contains(&said), "{why}");
            assert_eq!(fs::read_to_string(ground.file()).unwrap(), "inside");
            ground.check_outside(&why);
            // A folder in its place, and it goes.
            fs::remove_file(&link).unwrap();
            ground.run(&case, action).unwrap();
            assert!(!ground.file().exists());
        }
    }
}

#[test]
fn behind_a_link_nothing_is_moved_deleted_read_or_noted() {
    for action in [
        Action::Move,
        Action::Trash,
        Action::Delete,
        Action::FailedDir,
    ] {
        let ground = Ground::new();
        let mut case = ground.case(Some(MD5));
        let note = notes::of_failure(&case.job.path);
        case.row.note = Some(note.clone());
        fs::rename(ground.at("drop/sub"), ground.at("aside")).unwrap();
        symlink(ground.at("outside"), ground.at("drop/sub")).unwrap();
        // Even a file outside that the job would take for its own.
        case.job.identity = Identity::of(&fs::metadata(ground.file()).unwrap());
        let outcome = ground.run(&case, action);
        assert!(matches!(outcome, Err(Trouble::Later(_))), "{outcome:?}");
        let watch = &ground.watch;
        assert!(notes::write_failure(Some(watch), &case).is_err());
        assert!(notes::write_key(watch, &case, "title").is_err());
        notes::remove(Some(watch), &note);
        assert_eq!(noted::find(&case, Some(watch)), noted::Find::Nothing);
        assert_ne!(metadata::title(watch, &case.job.path, 0), "secret");
        ground.check_outside("afterwards");
    }
}

#[test]
fn through_a_link_in_the_place_of_a_root_nothing_is_done() {
    for (action, root) in [
        (Action::Move, "drop"),
        (Action::Trash, "drop"),
        (Action::Delete, "drop"),
        (Action::FailedDir, "drop"),
        (Action::Move, "up"),
        (Action::FailedDir, "bad"),
    ] {
        let ground = Ground::new();
        let mut case = ground.case(Some(MD5));
        let note = notes::of_failure(&case.job.path);
        fs::create_dir(ground.at("vault")).unwrap();
        fs::rename(ground.at("outside"), ground.at("vault/sub")).unwrap();
        fs::rename(ground.at(root), ground.at("aside")).unwrap();
        symlink(ground.at("vault"), ground.at(root)).unwrap();
        // Even a file outside that the job would take for its own.
        case.job.identity = Identity::of(&fs::metadata(ground.file()).unwrap());
        let outcome = ground.run(&case, action);
        let Err(Trouble::Later(why)) = outcome else {
            panic!("{root} {action:?}: {outcome:?}");
        };
        let said = format!("{} is a symbolic link", ground.at(root).display());
        assert!(why.contains(&said), "{why}");
        if root == "drop" {
            let watch = &ground.watch;
            assert!(notes::write_failure(Some(watch), &case).is_err());
            assert!(notes::write_key(watch, &case, "title").is_err());
            notes::remove(Some(watch), &note);
            assert_eq!(noted::find(&case, Some(watch)), noted::Find::Nothing);
            assert_ne!(metadata::title(watch, &case.job.path, 0), "secret");
        }
        fs::rename(ground.at("vault/sub"), ground.at("outside")).unwrap();
        ground.check_outside(root);
        assert_eq!(fs::read_dir(ground.at("vault")).unwrap().count(), 0);
        // The folder itself comes back, and the file goes.
        fs::remove_file(ground.at(root)).unwrap();
        fs::rename(ground.at("aside"), ground.at(root)).unwrap();
        case.job.identity = Identity::of(&fs::metadata(ground.file()).unwrap());
        ground.run(&case, action).unwrap();
        assert!(!ground.file().exists());
    }
}

#[test]
fn a_companion_that_is_a_link_goes_as_one() {
    for action in [Action::Move, Action::Trash, Action::Delete] {
        let ground = Ground::new();
        let case = ground.case(Some(MD5));
        symlink(ground.at("outside/a.json"), ground.at("drop/sub/a.json")).unwrap();
        assert_ne!(metadata::title(&ground.watch, &case.job.path, 0), "secret");
        ground.run(&case, action).unwrap();
        ground.check_outside("a sidecar that is a link");
    }
}

#[test]
fn what_was_not_sent_is_not_deleted() {
    let ground = Ground::new();
    // The path, size and times say that it is the file, and its bytes do not.
    let case = ground.case(Some("00000000000000000000000000000000"));
    let outcome = ground.run(&case, Action::Delete);
    assert!(matches!(outcome, Err(Trouble::Changed)), "{outcome:?}");
    assert!(ground.file().exists());
    // It is not known what was sent.
    let mut case = ground.case_again(None);
    let outcome = ground.run(&case, Action::Delete).unwrap();
    assert!(
        outcome.contains("/.trash/") && outcome.contains("not deleted"),
        "{outcome}"
    );
    // In parts: of three bytes each.
    fs::write(ground.file(), "inside").unwrap();
    case.job.identity = Identity::of(&fs::metadata(ground.file()).unwrap());
    case.original.parts_md5 = Some("3:00000000000000000000000000000000".to_owned());
    let outcome = ground.run(&case, Action::Delete);
    assert!(matches!(outcome, Err(Trouble::Changed)), "{outcome:?}");
    case.original.parts_md5 = Some(format!("3:{}", parts_md5(&["ins", "ide"])));
    assert_eq!(ground.run(&case, Action::Delete).unwrap(), "deleted");
    assert!(!ground.file().exists());
}

/// As after a restore: the path, size and times are those of the job, and the inode is another one.
#[test]
fn a_file_that_only_has_another_inode_is_compared() {
    let renumber = |ground: &Ground, content: &str| {
        let then = fs::metadata(ground.file()).unwrap();
        let then = then.modified().unwrap();
        fs::write(ground.at("new"), content).unwrap();
        let new = fs::File::open(ground.at("new")).unwrap();
        new.set_modified(then).unwrap();
        fs::rename(ground.at("new"), ground.file()).unwrap();
    };
    for action in [Action::Move, Action::Trash, Action::Delete] {
        for (md5, is_sampled, content, goes) in [
            (Some(MD5), false, "inside", true),
            (Some(MD5), false, "inCIDE", false),
            (None, true, "inside", action != Action::Delete),
            (None, true, "inCIDE", false),
            (None, false, "inside", false),
        ] {
            let ground = Ground::new();
            let mut case = ground.case(md5);
            let file = fs::File::open(ground.file()).unwrap();
            let samples = fingerprint(&file, 6, Kind::Video).unwrap();
            case.job.fingerprint = is_sampled.then_some(samples);
            renumber(&ground, content);
            let outcome = ground.run(&case, action);
            let what = format!("{action:?} {md5:?} {is_sampled} {content}: {outcome:?}");
            if goes {
                assert!(outcome.is_ok() && !ground.file().exists(), "{what}");
            } else if outcome.is_err() {
                assert!(matches!(outcome, Err(Trouble::Changed)), "{what}");
                assert_eq!(fs::read_to_string(ground.file()).unwrap(), content);
            } else {
                // It went to the trash, because the checksum of what was sent is not known.
                assert!(action == Action::Delete && content == "inside", "{what}");
            }
        }
    }
}

fn parts_md5(parts: &[&str]) -> String {
    use md5::{Digest, Md5};
    let sums = parts.iter().flat_map(|part| Md5::digest(part.as_bytes()));
    crate::hex::lower(&Md5::digest(sums.collect::<Vec<u8>>()))
}

/// The folder of the file, and then those of the targets, turn into links and back all the while.
#[test]
fn nothing_outside_is_touched_while_folders_flip_into_links() {
    for (action, folder) in [
        (Action::Move, "drop/sub"),
        (Action::Trash, "drop/sub"),
        (Action::Delete, "drop/sub"),
        (Action::Move, "up/sub"),
        (Action::FailedDir, "bad/sub"),
        (Action::Trash, "drop/.trash"),
        (Action::Move, "drop"),
        (Action::Delete, "drop"),
        (Action::Move, "up"),
        (Action::FailedDir, "bad"),
    ] {
        let ground = Ground::new();
        let mut case = ground.case(Some(MD5));
        fs::create_dir_all(ground.at(folder)).unwrap();
        // In the place of a root there is a folder of the same name as in the root.
        let is_root = !folder.contains('/');
        let outside = ground.at(if is_root { "vault/sub" } else { "outside" });
        if is_root {
            fs::create_dir(ground.at("vault")).unwrap();
            fs::rename(ground.at("outside"), &outside).unwrap();
        }
        let leads_to = if is_root { "vault" } else { "outside" };
        symlink(ground.at(leads_to), ground.at("link")).unwrap();
        let (mut done, mut refused, mut said) = (0, 0, String::new());
        flip_with_pauses_while(&ground.at(folder), &ground.at("link"), || {
            let mut number = 0;
            while goes_on(number, 400, (done, refused)) {
                number += 1;
                match ground.run(&case, action) {
                    Ok(_) => {
                        done += 1;
                        drop(notes::write_key(&ground.watch, &case, "title"));
                        drop(fs::create_dir(ground.at("drop/sub")));
                        lay(&ground, &mut case);
                    }
                    Err(Trouble::Later(why)) => {
                        refused += 1;
                        said = why;
                    }
                    Err(other) => panic!("{other:?}"),
                }
                assert_ne!(metadata::title(&ground.watch, &case.job.path, 0), "secret");
            }
        });
        assert!(
            done > 0 && refused > 0,
            "{action:?} {folder}: {done} {refused}: {said}"
        );
        if is_root {
            fs::rename(&outside, ground.at("outside")).unwrap();
            assert_eq!(fs::read_dir(ground.at("vault")).unwrap().count(), 0);
        }
        ground.check_outside(folder);
    }
}

/// Lays another file there with the same bytes, wherever its folder is just now.
fn lay(ground: &Ground, case: &mut Case) {
    fs::write(ground.at("new"), "inside").unwrap();
    case.job.identity = Identity::of(&fs::metadata(ground.at("new")).unwrap());
    let file = crate::watch::reach::place(Some(&ground.watch), &ground.file());
    let new = crate::watch::reach::place(None, &ground.at("new")).unwrap();
    for _ in 0..100_000 {
        let file = match &file {
            Ok(file) => file.clone(),
            Err(_) => match crate::watch::reach::place(Some(&ground.watch), &ground.file()) {
                Ok(file) => file,
                Err(_) => continue,
            },
        };
        new.rename_over(&file).unwrap();
        return;
    }
    panic!("its folder never came back");
}
