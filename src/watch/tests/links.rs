//! Symbolic links to folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::support::{self, Bench};
use crate::beneath::tests::{flip_while, goes_on};
use crate::config::Watch;
use crate::identity::Identity;
use crate::watch::census::{Census, Entry};
use crate::watch::inspection::{Found, inspect};
use crate::watch::links::{self, Refusal};
use crate::watch::select::{Rule, Verdict};
use crate::watch::{SeenBy, verdict_on_disk};

/// A hidden folder with a file, and links: to it, to a folder in sight, out, to a file, nowhere, and
/// round in circles, in sight and hidden.
fn prepare(root: &Path) {
    fs::create_dir_all(root.join(".store/deep")).unwrap();
    fs::create_dir_all(root.join(".other")).unwrap();
    fs::create_dir(root.join("plain")).unwrap();
    for name in [
        ".store/a.mp4",
        ".store/deep/b.mp4",
        ".other/c.mp4",
        "plain/d.mp4",
    ] {
        fs::write(root.join(name), b"x").unwrap();
    }
    let outside = root.with_file_name("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("e.mp4"), b"x").unwrap();
    symlink(".store", root.join("in")).unwrap();
    symlink("plain", root.join("twice")).unwrap();
    symlink(&outside, root.join("out")).unwrap();
    symlink("plain/d.mp4", root.join("file.mp4")).unwrap();
    symlink("nothing", root.join("broken")).unwrap();
    symlink("..", root.join("plain/circle")).unwrap();
    symlink("..", root.join(".store/deep/circle")).unwrap();
    // From one hidden folder to another and back.
    symlink("../.other", root.join(".store/other")).unwrap();
    symlink("../.store", root.join(".other/back")).unwrap();
}

#[test]
fn links_stay_inside_and_loops_end() {
    let mut bench = Bench::start_with(|watch| watch.watching.follow_links = true, prepare);
    for name in ["in/a.mp4", "in/deep/b.mp4", "in/other/c.mp4", "plain/d.mp4"] {
        bench.settled_ever(&bench.path(name));
    }
    // What comes behind a link is announced, and so is a new link.
    fs::write(bench.path(".store/new.mp4"), b"x").unwrap();
    let new = bench.settled(&bench.path("in/new.mp4"));
    assert_eq!(new.seen_by, SeenBy::Event);
    fs::create_dir(bench.path(".late")).unwrap();
    fs::write(bench.path(".late/f.mp4"), b"x").unwrap();
    symlink(".late", bench.path("late")).unwrap();
    bench.settled(&bench.path("late/f.mp4"));
    bench.handle().scan();
    bench.idle();
    assert_eq!(bench.all_settled(), 6, "{:#?}", bench.seen);
}

#[test]
fn links_are_not_followed_unless_that_is_wanted() {
    let mut bench = Bench::start_with(|_| {}, prepare);
    bench.settled_ever(&bench.path("plain/d.mp4"));
    bench.handle().scan();
    bench.idle();
    assert_eq!(bench.all_settled(), 1);
}

#[test]
fn why_a_link_is_not_followed_is_told() {
    let bench = Bench::start_with(|watch| watch.watching.follow_links = true, prepare);
    let verdict = |name: &str| verdict_on_disk(&bench.watch, &bench.path(name));
    assert_eq!(verdict("in/a.mp4"), Verdict::Taken);
    for (name, refusal) in [
        ("out/e.mp4", Refusal::Outside),
        ("twice/d.mp4", Refusal::Twice),
        ("file.mp4", Refusal::NoFolder),
        ("plain/circle/plain/d.mp4", Refusal::Circle),
    ] {
        let expected = Verdict::Ignored(Rule::SymbolicLink(refusal));
        assert_eq!(verdict(name), expected, "{name}");
    }
}

/// Links to the trash, into it, to `failed-dir`, and to a folder that `move-to` is in.
fn put_away(root: &Path) {
    for folder in [".trash/2026-01-01", ".store/up", ".store/new", ".bad"] {
        fs::create_dir_all(root.join(folder)).unwrap();
        fs::write(root.join(folder).join("a.mp4"), b"x").unwrap();
    }
    symlink(".trash", root.join("trash")).unwrap();
    symlink(".trash/2026-01-01", root.join("day")).unwrap();
    symlink(".bad", root.join("bad")).unwrap();
    symlink(".store", root.join("in")).unwrap();
}

fn with_targets(watch: &mut Watch) {
    watch.watching.follow_links = true;
    watch.afterwards.move_to = Some(watch.path.join(".store/up"));
    watch.afterwards.failed_dir = Some(watch.path.join(".bad"));
}

#[test]
fn what_was_put_away_is_reached_by_no_link() {
    let mut bench = Bench::start_with(with_targets, put_away);
    bench.settled_ever(&bench.path("in/new/a.mp4"));
    // What comes there later is announced where the folder is watched by another path.
    symlink(".trash", bench.path("late")).unwrap();
    fs::create_dir(bench.path(".store/up/sub")).unwrap();
    fs::write(bench.path(".store/up/sub/b.mp4"), b"x").unwrap();
    fs::remove_dir_all(bench.path(".store/up")).unwrap();
    fs::create_dir(bench.path(".store/up")).unwrap();
    fs::write(bench.path(".store/up/c.mp4"), b"x").unwrap();
    fs::write(bench.path(".store/new/last.mp4"), b"x").unwrap();
    bench.settled(&bench.path("in/new/last.mp4"));
    bench.handle().recheck("test", bench.path("in/up/c.mp4"));
    bench.handle().scan();
    bench.idle();
    assert_eq!(bench.all_settled(), 2, "{:#?}", bench.seen);
}

#[test]
fn a_link_to_what_was_put_away_is_told() {
    let bench = Bench::start_with(with_targets, put_away);
    let ignored = |key| Verdict::Ignored(Rule::SymbolicLink(Refusal::Aside(key)));
    for (name, key) in [
        ("trash/2026-01-01/a.mp4", ".trash"),
        ("trash", ".trash"),
        ("day/a.mp4", ".trash"),
        ("bad/a.mp4", "failed-dir"),
        ("in/up/a.mp4", "move-to"),
    ] {
        let verdict = verdict_on_disk(&bench.watch, &bench.path(name));
        assert_eq!(verdict, ignored(key), "{name}");
    }
    assert_eq!(
        links::descend(&bench.watch, &bench.path("in/up")),
        ignored("move-to")
    );
    let new = verdict_on_disk(&bench.watch, &bench.path("in/new/a.mp4"));
    assert_eq!(new, Verdict::Taken);
    let taken = Census::new(bench.watch.clone()).filter_map(|entry| match entry {
        Entry::File(path, _) => Some(path),
        _ => None,
    });
    assert_eq!(taken.collect::<Vec<_>>(), [bench.path("in/new/a.mp4")]);
}

/// A folder and a link to one outside, that take each other's place: `sub/a.mp4` has 10 bytes, or 20
/// outside.
#[test]
fn a_look_never_reaches_outside_while_a_folder_flips_into_a_link() {
    crate::watch::writer::ignore_sigio();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let at = |below: &str| root.join(below);
    for (folder, size) in [("drop/sub", 10), ("outside", 20)] {
        fs::create_dir_all(at(folder)).unwrap();
        fs::write(at(folder).join("a.mp4"), vec![b'x'; size]).unwrap();
    }
    symlink(at("outside"), at("link")).unwrap();
    for follow in [false, true] {
        let mut watch = support::watch(&at("drop"));
        watch.watching.follow_links = follow;
        let outside = Identity::of(&fs::metadata(at("outside/a.mp4")).unwrap());
        let (mut seen, mut refused) = (0, 0);
        flip_while(&at("drop/sub"), &at("link"), || {
            let mut number = 0;
            while goes_on(number, 3000, (seen, refused)) {
                number += 1;
                match inspect(&watch, &at("drop/sub/a.mp4")) {
                    Found::Still(found) => {
                        assert_ne!(found.identity, outside, "follow-links: {follow}");
                        seen += 1;
                    }
                    Found::Nothing => refused += 1,
                    Found::Moving => panic!("no program writes it"),
                }
            }
        });
        assert!(seen > 0 && refused > 0, "{seen} {refused}");
    }
}
