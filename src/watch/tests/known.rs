//! Files that are known since an earlier run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use super::support::{Bench, watch};
use crate::identity::Identity;
use crate::watch::means::Means;
use crate::watch::{Away, KnownFiles, Report, RootState};

fn identity(path: &Path) -> Identity {
    Identity::of(&path.symlink_metadata().unwrap())
}

fn known(files: Vec<(PathBuf, Identity)>) -> KnownFiles {
    KnownFiles::told_by(move |tell| {
        for (path, identity) in &files {
            tell(path, identity);
        }
    })
}

/// A folder with these files, all of which are known, and what is changed behind the watch's back.
fn start(names: &[&str], change: impl FnOnce(&Path)) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let watch = watch(&dir.path().join("root"));
    fs::create_dir_all(watch.path.join("in")).unwrap();
    let paths = names.iter().map(|name| {
        let path = watch.path.join(name);
        fs::write(&path, name).unwrap();
        let identity = identity(&path);
        (path, identity)
    });
    let files = paths.collect();
    change(&watch.path);
    Bench::knowing(dir, watch, known(files))
}

/// The next report; none once the watch has stopped.
fn next(reports: &mut Receiver<Report>) -> Option<Report> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    let next = async { tokio::time::timeout(Duration::from_secs(20), reports.recv()).await };
    runtime.block_on(next).expect("a report in time")
}

fn is_missing(report: Option<&Report>) -> bool {
    matches!(
        report,
        Some(Report::Root {
            state: RootState::Away(Away::Missing, _),
            ..
        })
    )
}

#[test]
fn what_is_known_and_unchanged_is_passed_over_without_a_word() {
    let mut bench = start(&["a.mp4", "in/b.mp4", "in/gone.mp4"], |root| {
        fs::remove_file(root.join("in/gone.mp4")).unwrap();
    });
    bench.idle();
    bench.handle().scan();
    bench.idle();
    let others = bench.seen.iter();
    let mut others = others.filter(|(_, report)| {
        !matches!(
            report,
            Report::Started { .. } | Report::Root { .. } | Report::Scanned { .. }
        )
    });
    assert_eq!(others.next(), None);
    // It is known as if it had settled in this run: a change is noticed.
    for name in ["a.mp4", "in/b.mp4", "in/gone.mp4"] {
        let path = bench.path(name);
        fs::write(&path, "something else").unwrap();
        assert_eq!(bench.settled(&path).identity, identity(&path));
    }
}

#[test]
fn what_changed_meanwhile_settles_like_any_other() {
    let names = [
        "same.mp4",
        "other.mp4",
        "rights.mp4",
        "renamed.mp4",
        "copied.mp4",
    ];
    let mut bench = start(&names, |root| {
        let at = |name: &str| root.join(name);
        fs::write(at("other.mp4"), "other, and longer").unwrap();
        fs::set_permissions(at("rights.mp4"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(at("renamed.mp4"), at("in/renamed.mp4")).unwrap();
        // Another inode under the same name, with the same size and mtime.
        let then = at("copied.mp4").metadata().unwrap().modified().unwrap();
        fs::copy(at("copied.mp4"), at("copy")).unwrap();
        fs::rename(at("copy"), at("copied.mp4")).unwrap();
        let copy = fs::File::options().write(true).open(at("copied.mp4"));
        copy.unwrap().set_modified(then).unwrap();
        fs::write(at("new.mp4"), "new").unwrap();
    });
    for name in [
        "other.mp4",
        "rights.mp4",
        "in/renamed.mp4",
        "copied.mp4",
        "new.mp4",
    ] {
        bench.settled_ever(&bench.path(name));
    }
    bench.idle();
    assert_eq!(bench.all_settled(), 5);
}

#[test]
fn who_asks_for_a_known_file_gets_it() {
    let mut bench = start(&["a.mp4", "b.mp4"], |_| {});
    bench.idle();
    let path = bench.path("a.mp4");
    bench.handle().recheck("test", path.clone());
    bench.settled(&path);
    bench.idle();
    assert_eq!(bench.all_settled(), 1);
}

#[test]
fn a_file_asked_for_before_it_was_seen_is_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let watch = watch(&dir.path().join("root"));
    fs::create_dir(&watch.path).unwrap();
    let path = watch.path.join("a.mp4");
    fs::write(&path, "x").unwrap();
    let aside = dir.path().join("aside");
    let files = vec![(path.clone(), identity(&path))];
    fs::rename(&watch.path, &aside).unwrap();
    let (sender, mut reports) = tokio::sync::mpsc::channel(64);
    let known = |_: &_| known(files.clone());
    let handle = crate::watch::start_watching(
        std::slice::from_ref(&watch),
        known,
        sender,
        &crate::watch::FolderLocks::default(),
    )
    .unwrap();
    // A report that was not taken keeps the watch from being idle.
    let begins = next(&mut reports);
    assert!(matches!(begins, Some(Report::Started { .. })));
    let away = next(&mut reports);
    assert!(is_missing(away.as_ref()), "{away:?}");
    handle.recheck("test", path.clone());
    while handle.states()[0].means.is_some() || !handle.idle() {
        std::thread::yield_now();
    }
    fs::rename(&aside, &watch.path).unwrap();
    let settled = std::iter::from_fn(|| next(&mut reports))
        .find(|report| matches!(report, Report::Settled(_)));
    assert!(matches!(settled, Some(Report::Settled(file)) if file.path == path));
}

#[test]
fn a_folder_that_comes_late_brings_its_known_files() {
    let dir = tempfile::tempdir().unwrap();
    let watch = watch(&dir.path().join("root"));
    fs::create_dir(&watch.path).unwrap();
    let path = watch.path.join("a.mp4");
    fs::write(&path, "x").unwrap();
    let files = vec![(path.clone(), identity(&path))];
    let aside = dir.path().join("aside");
    fs::rename(&watch.path, &aside).unwrap();
    let (sender, mut reports) = tokio::sync::mpsc::channel(64);
    let known = |_: &_| known(files.clone());
    let handle = crate::watch::start_watching(
        std::slice::from_ref(&watch),
        known,
        sender,
        &crate::watch::FolderLocks::default(),
    )
    .unwrap();
    // A report that was not taken keeps the watch from being idle.
    let begins = next(&mut reports);
    assert!(matches!(begins, Some(Report::Started { .. })));
    let away = next(&mut reports);
    assert!(is_missing(away.as_ref()), "{away:?}");
    while !handle.idle() {
        std::thread::yield_now();
    }
    fs::rename(&aside, &watch.path).unwrap();
    let here = next(&mut reports);
    let is_found = |state: &RootState| *state == RootState::Here(Means::Events);
    assert!(
        matches!(&here, Some(Report::Root { state, .. }) if is_found(state)),
        "{here:?}"
    );
    let first = next(&mut reports);
    assert!(matches!(first, Some(Report::Scanned { waiting: 0, .. })));
    handle.stop();
    assert_eq!(next(&mut reports), None);
}
