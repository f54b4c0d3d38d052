//! What happens when the kernel gives no more watches. Its limits are lowered in a user namespace
//! of their own, so that no other process feels it; the test binary runs itself there.

use std::fs;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use super::support::Bench;
use crate::config::Watch;
use crate::watch::{Report, SeenBy};

/// Runs another test of this file where the kernel's limit is so low, if that can be done on this
/// machine.
fn run_limited(limit: &str, value: u32, test: &str) {
    let set = format!("echo {value} > /proc/sys/user/{limit}");
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", script]);
        command
    };
    if !unshare(&set)
        .output()
        .is_ok_and(|output| output.status.success())
    {
        // Written past the test harness, which would hide it.
        writeln!(std::io::stderr(), "SKIPPED {test}: no user namespaces here").unwrap();
        return;
    }
    let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let output = unshare(&format!("{set} && exec \"$0\" \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(printed.contains("1 passed"), "{printed}");
}

#[test]
fn exhausted_watches_leave_scans() {
    run_limited("max_inotify_watches", 3, "with_three_watches");
}

#[test]
fn exhausted_instances_leave_scans() {
    run_limited("max_inotify_instances", 0, "with_no_instance");
}

#[test]
fn exhausted_watches_lead_to_polling() {
    run_limited("max_inotify_watches", 3, "with_three_watches_and_polling");
}

/// A watch on six folders with a file in each.
fn six_folders() -> Bench {
    six_folders_with(|_| {})
}

fn six_folders_with(configure: impl FnOnce(&mut Watch)) -> Bench {
    Bench::start_with(configure, |root| {
        for number in 0..5 {
            fs::create_dir(root.join(number.to_string())).unwrap();
            fs::write(root.join(format!("{number}/old.mp4")), b"x").unwrap();
        }
    })
}

fn settle_all(bench: &mut Bench, count: usize) {
    while bench.all_settled() < count {
        bench.until("another file", |report| {
            matches!(report, Report::Settled(_))
        });
    }
}

fn write_everywhere(bench: &Bench, name: &str) {
    fs::write(bench.path(name), b"x").unwrap();
    for number in 0..5 {
        fs::write(bench.path(format!("{number}/{name}")), b"x").unwrap();
    }
}

fn by_event(bench: &Bench) -> usize {
    let by_event =
        |report: &Report| matches!(report, Report::Settled(f) if f.seen_by == SeenBy::Event);
    bench
        .seen
        .iter()
        .filter(|(_, report)| by_event(report))
        .count()
}

#[test]
#[ignore = "run by exhausted_watches_leave_scans"]
fn with_three_watches() {
    let mut bench = six_folders();
    settle_all(&mut bench, 5);
    write_everywhere(&bench, "new.mp4");
    bench.settled(&bench.path("new.mp4"));
    bench.idle();
    assert_eq!(by_event(&bench), 3, "three folders are still watched");
    bench.handle().scan();
    settle_all(&mut bench, 11);
    // A folder that goes makes room; the next scan uses it for another.
    let is_watched = |number: &usize| {
        let path = bench.path(format!("{number}/new.mp4"));
        bench.seen.iter().any(|(_, report)| {
            matches!(report, Report::Settled(f) if f.path == path && f.seen_by == SeenBy::Event)
        })
    };
    let watched: Vec<usize> = (0..5).filter(is_watched).collect();
    fs::remove_dir_all(bench.path(watched[0].to_string())).unwrap();
    bench.handle().scan();
    bench.idle();
    for number in (0..5).filter(|number| !watched.contains(number)) {
        fs::write(bench.path(format!("{number}/newest.mp4")), b"x").unwrap();
    }
    let freed = bench.until(
        "a file in a folder that was not watched",
        |report| matches!(report, Report::Settled(file) if file.path.ends_with("newest.mp4")),
    );
    assert!(matches!(freed, Report::Settled(file) if file.seen_by == SeenBy::Event));
}

#[test]
#[ignore = "run by exhausted_watches_lead_to_polling"]
fn with_three_watches_and_polling() {
    let often = Duration::from_millis(300);
    let mut bench = six_folders_with(|watch| watch.watching.poll_interval = often);
    settle_all(&mut bench, 5);
    write_everywhere(&bench, "new.mp4");
    // No scan is requested.
    settle_all(&mut bench, 11);
    assert_eq!(bench.handle().states()[0].events_missed, 0, "it is known");
}

#[test]
#[ignore = "run by exhausted_instances_leave_scans"]
fn with_no_instance() {
    let mut bench = six_folders();
    settle_all(&mut bench, 5);
    write_everywhere(&bench, "new.mp4");
    bench.handle().scan();
    settle_all(&mut bench, 11);
    assert_eq!(by_event(&bench), 0);
}
