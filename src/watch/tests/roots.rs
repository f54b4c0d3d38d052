//! The watch folder itself going and coming back; lost events; stopping.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::support::{Bench, watch};
use crate::beneath::tests::flip_while;
use crate::config::Mode;
use crate::watch::{KnownFiles, Report, SeenBy, Waiting, start_watching};

#[test]
fn a_root_made_again_is_watched_again_and_nothing_is_gone() {
    let mut bench = Bench::start();
    let root = bench.watch.path.clone();
    let waiting = bench.path("waiting.mp4");
    let known = bench.path("known.mp4");
    fs::write(&known, b"x").unwrap();
    bench.settled(&known);
    let mut writer = fs::File::create(&waiting).unwrap();
    std::io::Write::write_all(&mut writer, b"x").unwrap();
    bench.waiting(&waiting, Waiting::WriterOpen);
    let aside = bench.dir.path().join("aside");
    fs::rename(&root, &aside).unwrap();
    bench.waiting(&waiting, Waiting::OutOfReach);
    fs::create_dir(&root).unwrap();
    let fresh = bench.path("fresh.mp4");
    fs::write(&fresh, b"x").unwrap();
    bench.settled(&fresh);
    let later = bench.path("later.mp4");
    fs::write(&later, b"x").unwrap();
    assert_eq!(
        bench.settled(&later).seen_by,
        SeenBy::Event,
        "the new root is watched"
    );
    // The old one comes back: what was known is not settled again, what waited continues waiting.
    fs::rename(&root, bench.dir.path().join("other")).unwrap();
    fs::rename(&aside, &root).unwrap();
    bench.waiting(&waiting, Waiting::WriterOpen);
    drop(writer);
    bench.settled(&waiting);
    let last = bench.path("last.mp4");
    fs::write(&last, b"x").unwrap();
    assert_eq!(
        bench.settled(&last).seen_by,
        SeenBy::Event,
        "the old root is watched again"
    );
    bench.handle().scan();
    bench.idle();
    assert_eq!(bench.times_settled(&known), 1);
    let gone = bench
        .seen
        .iter()
        .filter(|(_, report)| matches!(report, Report::Gone { .. }));
    assert_eq!(gone.count(), 0);
}

/// A watch on `base/drop` in the temporary folder, and `vault/drop` with a video of the same name.
fn with_a_vault(mode: Mode) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let (root, vault) = (dir.path().join("base/drop"), dir.path().join("vault/drop"));
    for folder in [&root, &vault] {
        fs::create_dir_all(folder).unwrap();
    }
    for name in ["waiting.mp4", "other.mp4"] {
        fs::write(vault.join(name), b"secret").unwrap();
    }
    let mut watch = watch(&root);
    watch.watching.mode = mode;
    watch.watching.poll_interval = Duration::from_millis(200);
    Bench::on(dir, watch)
}

#[test]
fn nothing_is_seen_through_a_link_in_the_place_of_the_root_or_of_a_folder_above() {
    for mode in [Mode::Events, Mode::Poll] {
        for (swapped, vault) in [("base", "vault"), ("base/drop", "vault/drop")] {
            let mut bench = with_a_vault(mode);
            let at = |below: &str| bench.dir.path().join(below);
            let (folder, vault, aside) = (at(swapped), at(vault), at("aside"));
            let (waiting, other) = (bench.path("waiting.mp4"), bench.path("other.mp4"));
            let mut writer = fs::File::create(&waiting).unwrap();
            std::io::Write::write_all(&mut writer, b"x").unwrap();
            bench.waiting(&waiting, Waiting::WriterOpen);
            fs::rename(&folder, &aside).unwrap();
            symlink(&vault, &folder).unwrap();
            fs::write(bench.path("new.mp4"), b"secret").unwrap();
            bench.waiting(&waiting, Waiting::OutOfReach);
            bench.handle().scan();
            bench.handle().recheck("test", other);
            // The folder itself comes back, and what waits in it continues.
            fs::remove_file(&folder).unwrap();
            fs::rename(&aside, &folder).unwrap();
            bench.waiting(&waiting, Waiting::WriterOpen);
            drop(writer);
            let settled = bench.settled(&waiting);
            assert_eq!(settled.identity.size, 1, "{mode:?} {swapped}");
            bench.handle().scan();
            bench.idle();
            assert_eq!(bench.all_settled(), 1, "{mode:?}: {:#?}", bench.seen);
        }
    }
}

#[test]
fn a_root_that_flips_into_a_link_shows_nothing_of_what_it_leads_to() {
    let mut bench = with_a_vault(Mode::Poll);
    let dir = bench.dir.path();
    let (folder, link) = (dir.join("base/drop"), dir.join("link"));
    symlink(dir.join("vault/drop"), &link).unwrap();
    let waiting = bench.path("waiting.mp4");
    let mut writer = fs::File::create(&waiting).unwrap();
    std::io::Write::write_all(&mut writer, b"x").unwrap();
    bench.waiting(&waiting, Waiting::WriterOpen);
    flip_while(&folder, &link, || {
        for _ in 0..400 {
            bench.handle().scan();
            bench.handle().recheck("test", waiting.clone());
            bench.quietly(Duration::from_millis(5));
        }
    });
    if folder.is_symlink() {
        fs::remove_file(&folder).unwrap();
        fs::rename(&link, &folder).unwrap();
    }
    drop(writer);
    assert_eq!(bench.settled(&waiting).identity.size, 1);
    assert_eq!(bench.all_settled(), 1, "{:#?}", bench.seen);
}

#[test]
fn a_root_that_is_missing_at_start_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let (sender, mut reports) = tokio::sync::mpsc::channel(64);
    let handle = start_watching(
        &[watch(&root)],
        |_| KnownFiles::none(),
        sender,
        &crate::watch::FolderLocks::default(),
    )
    .unwrap();
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a.mp4"), b"x").unwrap();
    assert_eq!(settled(&mut reports).0, root.join("a.mp4"));
    handle.stop();
    while reports.blocking_recv().is_some() {}
}

#[test]
fn stopping_ends_a_watch_that_cannot_report() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..100 {
        fs::write(dir.path().join(format!("{number}.mp4")), b"x").unwrap();
    }
    let (sender, mut reports) = tokio::sync::mpsc::channel(1);
    let handle = start_watching(
        &[watch(dir.path())],
        |_| KnownFiles::none(),
        sender,
        &crate::watch::FolderLocks::default(),
    )
    .unwrap();
    assert!(reports.blocking_recv().is_some());
    let began = std::time::Instant::now();
    handle.stop();
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    // The channel ends with the thread; by then it holds what it has room for, or nothing, if the
    // stop came before the thread had filled it again.
    let left = std::iter::from_fn(|| reports.blocking_recv()).count();
    assert!(left <= 1, "{left} reports came after the stop");
}

#[test]
fn stopping_an_idle_watch_is_quick() {
    let mut bench = Bench::start();
    bench.idle();
    assert!(bench.stop() < Duration::from_secs(1));
}

#[test]
fn lost_events_are_made_good_by_a_scan() {
    const FILES: usize = 12_000;
    let dir = tempfile::tempdir().unwrap();
    let (sender, mut reports) = tokio::sync::mpsc::channel(1);
    let handle = start_watching(
        &[watch(dir.path())],
        |_| KnownFiles::none(),
        sender,
        &crate::watch::FolderLocks::default(),
    )
    .unwrap();
    assert!(matches!(
        reports.blocking_recv(),
        Some(Report::Started { .. })
    ));
    assert!(matches!(reports.blocking_recv(), Some(Report::Root { .. })));
    assert!(matches!(
        reports.blocking_recv(),
        Some(Report::Scanned { .. })
    ));
    // No one takes reports, so the thread is blocked, and events pile up until they are dropped:
    // those of the folder, too, which comes last.
    for number in 0..FILES {
        fs::write(dir.path().join(format!("{number}.mp4")), b"x").unwrap();
    }
    fs::create_dir_all(dir.path().join("late/deep")).unwrap();
    fs::write(dir.path().join("late/deep/a.mp4"), b"x").unwrap();
    let mut by_scan = 0;
    for _ in 0..=FILES {
        by_scan += usize::from(settled(&mut reports).1 == SeenBy::Scan);
    }
    assert!(by_scan > 0, "no event was lost: make more files");
    let later = dir.path().join("late/deep/b.mp4");
    fs::write(&later, b"x").unwrap();
    assert_eq!(
        settled(&mut reports),
        (later, SeenBy::Event),
        "the late folder is watched"
    );
    handle.stop();
}

fn settled(reports: &mut Receiver<Report>) -> (PathBuf, SeenBy) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let next = async {
        loop {
            if let Report::Settled(file) = reports.recv().await.unwrap() {
                return (file.path, file.seen_by);
            }
        }
    };
    runtime
        .block_on(async { timeout(Duration::from_secs(30), next).await })
        .expect("a settled file")
}
