//! Real mounts: which means are taken on them, and what happens when they come and go. Each is left
//! out, with a line that says so, where this machine cannot make it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::support::{Bench, watch};
use crate::config::{Mode, Watch};
use crate::watch::means::{Means, Why};
use crate::watch::{Report, SeenBy};

const OFTEN: Duration = Duration::from_millis(300);

/// A mount, taken away when dropped.
struct Mount(PathBuf);

impl Mount {
    /// Runs a mounting command; says so where it cannot.
    fn new(test: &str, at: &Path, program: &str, args: &[&str]) -> Option<Self> {
        let made = Command::new(program)
            .args(args)
            .arg(at)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if made.is_ok_and(|status| status.success()) {
            return Some(Self(at.to_path_buf()));
        }
        // Written past the test harness, which would hide it.
        writeln!(
            std::io::stderr(),
            "LEFT OUT {test}: {program} does not work here"
        )
        .unwrap();
        None
    }

    fn tmpfs(test: &str, at: &Path) -> Option<Self> {
        Self::new(test, at, "mount", &["-t", "tmpfs", "-o", "size=1m", "none"])
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // It may be gone already.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// Two folders in a temporary one: the root of a watch, and what it shows.
fn two_folders() -> (TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (root, behind) = (dir.path().join("root"), dir.path().join("behind"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&behind).unwrap();
    (dir, root, behind)
}

fn often(root: &Path) -> Watch {
    let mut watch = watch(root);
    watch.watching.poll_interval = OFTEN;
    watch
}

fn until_means(bench: &mut Bench, expected: Option<Means>) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while bench.handle().states()[0].means != expected {
        assert!(Instant::now() < deadline, "{:?}", bench.handle().states());
        bench.quietly(Duration::from_millis(20));
    }
}

#[test]
fn a_fuse_mount_is_polled_and_shows_what_comes_behind_it() {
    let (dir, root, behind) = two_folders();
    let source = behind.to_str().unwrap();
    let Some(_mount) = Mount::new("fuse", &root, "bindfs", &[source]) else {
        return;
    };
    let mut bench = Bench::on(dir, often(&root));
    let fuse = Means::Polling(Why::Filesystem("fuse"));
    assert_eq!(bench.handle().states()[0].means, Some(fuse));
    fs::write(behind.join("a.mp4"), b"x").unwrap();
    assert_eq!(bench.settled(&root.join("a.mp4")).seen_by, SeenBy::Scan);
}

#[test]
fn events_that_miss_a_file_are_given_up() {
    let (dir, root, behind) = two_folders();
    let source = behind.to_str().unwrap();
    let Some(_mount) = Mount::new("missed events", &root, "bindfs", &[source]) else {
        return;
    };
    let mut watch = often(&root);
    watch.watching.mode = Mode::Events;
    let mut bench = Bench::on(dir, watch);
    assert_eq!(bench.handle().states()[0].means, Some(Means::Events));
    fs::write(root.join("seen.mp4"), b"x").unwrap();
    assert_eq!(bench.settled(&root.join("seen.mp4")).seen_by, SeenBy::Event);
    fs::write(behind.join("missed.mp4"), b"x").unwrap();
    bench.handle().scan();
    bench.settled(&root.join("missed.mp4"));
    until_means(&mut bench, Some(Means::Polling(Why::Missed)));
    assert_eq!(bench.handle().states()[0].events_missed, 1);
    // No scan is requested any more.
    fs::write(behind.join("polled.mp4"), b"x").unwrap();
    bench.settled(&root.join("polled.mp4"));
}

#[test]
fn an_overlay_is_polled_and_shows_what_comes_below_it() {
    let (dir, root, lower) = two_folders();
    // An overlay cannot lie on another one: its upper folders get a disk of their own.
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_disk) = Mount::tmpfs("overlay", &disk) else {
        return;
    };
    for name in ["upper", "work"] {
        fs::create_dir(disk.join(name)).unwrap();
    }
    let options = format!(
        "lowerdir={},upperdir={disk}/upper,workdir={disk}/work",
        lower.display(),
        disk = disk.display()
    );
    let args = ["-t", "overlay", "-o", &options, "none"];
    let Some(_mount) = Mount::new("overlay", &root, "mount", &args) else {
        return;
    };
    let mut bench = Bench::on(dir, often(&root));
    let overlay = Means::Polling(Why::Filesystem("overlay"));
    assert_eq!(bench.handle().states()[0].means, Some(overlay));
    for folder in [&root, &lower] {
        fs::write(folder.join("a.mp4"), b"x").unwrap();
        bench.settled(&root.join("a.mp4"));
        fs::remove_file(folder.join("a.mp4")).unwrap();
    }
}

fn gone(bench: &Bench) -> usize {
    let reports = bench.seen.iter();
    reports
        .filter(|(_, report)| matches!(report, Report::Gone { .. }))
        .count()
}

#[test]
fn a_mount_that_goes_and_comes_back_loses_and_repeats_nothing() {
    let (dir, root, source) = two_folders();
    let Some(_source) = Mount::tmpfs("unmounting", &source) else {
        return;
    };
    let bind = ["--bind", source.to_str().unwrap()];
    let Some(mount) = Mount::new("unmounting", &root, "mount", &bind) else {
        return;
    };
    fs::write(source.join("old.mp4"), b"x").unwrap();
    let mut bench = Bench::on(dir, often(&root));
    let old = root.join("old.mp4");
    bench.settled(&old);
    for round in 0..2 {
        // Lazily: the lock on the folder keeps the mount busy.
        assert!(
            Command::new("umount")
                .arg("-l")
                .arg(&root)
                .status()
                .unwrap()
                .success()
        );
        until_means(&mut bench, None);
        // What comes meanwhile is found when it is back.
        let name = format!("{round}.mp4");
        fs::write(source.join(&name), b"x").unwrap();
        let _again = std::mem::ManuallyDrop::new(Mount::new("unmounting", &root, "mount", &bind));
        bench.settled(&root.join(&name));
        let later = root.join(format!("{round}-later.mp4"));
        fs::write(&later, b"x").unwrap();
        assert_eq!(
            bench.settled(&later).seen_by,
            SeenBy::Event,
            "watched again"
        );
    }
    bench.handle().scan();
    bench.idle();
    assert_eq!((bench.times_settled(&old), gone(&bench)), (1, 0));
    drop(mount);
}

#[test]
fn a_mount_over_the_folder_is_watched_and_then_the_folder_again() {
    let (dir, root, _) = two_folders();
    fs::write(root.join("below.mp4"), b"x").unwrap();
    let mut bench = Bench::on(dir, often(&root));
    bench.settled(&root.join("below.mp4"));
    let Some(mount) = Mount::tmpfs("mounting over", &root) else {
        return;
    };
    // An empty disk over a folder that had files is no sign that those were deleted.
    until_means(&mut bench, None);
    fs::write(root.join("above.mp4"), b"x").unwrap();
    bench.settled(&root.join("above.mp4"));
    fs::write(root.join("event.mp4"), b"x").unwrap();
    assert_eq!(
        bench.settled(&root.join("event.mp4")).seen_by,
        SeenBy::Event
    );
    drop(mount);
    fs::write(root.join("after.mp4"), b"x").unwrap();
    bench.settled(&root.join("after.mp4"));
    bench.idle();
    assert_eq!(bench.times_settled(&root.join("below.mp4")), 1);
    assert_eq!(gone(&bench), 0);
}

/// A folder inside that is mounted over is found out by the next scan.
#[test]
fn a_mount_inside_is_found_by_a_scan() {
    let (dir, root, _) = two_folders();
    fs::create_dir(root.join("in")).unwrap();
    let mut bench = Bench::on(dir, often(&root));
    let Some(_mount) = Mount::tmpfs("mounting inside", &root.join("in")) else {
        return;
    };
    let path = root.join("in/a.mp4");
    fs::write(&path, b"x").unwrap();
    bench.handle().scan();
    assert_eq!(bench.settled(&path).seen_by, SeenBy::Scan);
    let later = root.join("in/b.mp4");
    fs::write(&later, b"x").unwrap();
    assert_eq!(bench.settled(&later).seen_by, SeenBy::Event);
}
