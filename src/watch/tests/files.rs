//! Single files, written in the ways in which people and tools write.

use std::ffi::{CString, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use super::support::Bench;
use crate::identity::Identity;
use crate::watch::{Report, SeenBy, Waiting};

const SETTLE: Duration = Duration::from_millis(200);

fn identity(path: &Path) -> Identity {
    Identity::of(&path.symlink_metadata().unwrap())
}

#[test]
fn a_written_file_settles_once_and_in_time() {
    let mut bench = Bench::start();
    let path = bench.path("a.mp4");
    fs::write(&path, b"video").unwrap();
    let written = Instant::now();
    let file = bench.settled(&path);
    let took = written.elapsed();
    assert!(took >= SETTLE, "{took:?}");
    // Half a second more than 50 ms: the test machine may be busy.
    assert!(took < SETTLE + Duration::from_millis(550), "{took:?}");
    assert_eq!(
        (file.identity, file.seen_by),
        (identity(&path), SeenBy::Event)
    );
    bench.handle().scan();
    bench.idle();
    assert_eq!(
        bench.times_settled(&path),
        1,
        "a scan settles nothing twice"
    );
}

#[test]
fn files_moved_in_linked_and_made_without_a_name_settle() {
    let mut bench = Bench::start();
    let outside = bench.dir.path().join("outside.mp4");
    fs::write(&outside, b"1").unwrap();
    fs::hard_link(&outside, bench.path("link.mp4")).unwrap();
    bench.settled(&bench.path("link.mp4"));
    fs::rename(&outside, bench.path("moved.mp4")).unwrap();
    bench.settled(&bench.path("moved.mp4"));
    let mut nameless = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .open(&bench.watch.path)
        .unwrap();
    nameless.write_all(b"2").unwrap();
    let named = bench.path("nameless.mp4");
    link(&nameless, &named);
    bench.waiting(&named, Waiting::WriterOpen);
    drop(nameless);
    bench.settled(&named);
}

/// Gives a name to a file that was opened without one.
#[expect(unsafe_code, reason = "the standard library has no linkat")]
fn link(file: &File, path: &Path) {
    let from = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    let to = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: both strings end in a zero byte and outlive the call.
    let done = unsafe {
        libc::linkat(
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn an_open_file_waits_however_quiet_it_is() {
    let mut bench = Bench::start();
    let path = bench.path("a.mp4");
    let mut file = File::create(&path).unwrap();
    for _ in 0..3 {
        file.write_all(b"some").unwrap();
        bench.quietly(SETTLE * 3);
    }
    assert!(bench.was_waiting(&path, Waiting::WriterOpen));
    assert_eq!(bench.times_settled(&path), 0);
    assert!(!bench.handle().idle());
    drop(file);
    let closed = Instant::now();
    let settled = bench.settled(&path);
    assert!(
        closed.elapsed() >= SETTLE,
        "the settle time begins when the writer goes"
    );
    assert_eq!(settled.identity.size, 12);
}

#[test]
fn rewriting_and_replacing_settle_again() {
    let mut bench = Bench::start();
    let path = bench.path("a.mp4");
    fs::write(&path, b"first").unwrap();
    bench.settled(&path);
    let mut file = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    file.rewind().unwrap();
    file.write_all(b"other").unwrap();
    drop(file);
    assert_eq!(bench.settled(&path).identity, identity(&path));
    let fresh = bench.path("b.tmp");
    fs::write(&fresh, b"third").unwrap();
    fs::rename(&fresh, &path).unwrap();
    assert_eq!(bench.settled(&path).identity, identity(&path));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(bench.settled(&path).identity, identity(&path));
}

#[test]
fn an_empty_file_waits_for_bytes_and_keeps_nobody_waiting() {
    let mut bench = Bench::start();
    let path = bench.path("a.mp4");
    drop(File::create(&path).unwrap());
    bench.waiting(&path, Waiting::Empty);
    bench.idle();
    assert_eq!(bench.times_settled(&path), 0);
    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"x")
        .unwrap();
    assert_eq!(bench.settled(&path).identity.size, 1);
}

#[test]
fn a_partial_name_counts_only_after_its_rename() {
    let mut bench = Bench::start();
    for (partial, name) in [("a.mp4.part", "a.mp4"), (".b.mp4.Ab12Cd", "b.mp4")] {
        fs::write(bench.path(partial), b"x").unwrap();
        bench.quietly(SETTLE * 2);
        fs::rename(bench.path(partial), bench.path(name)).unwrap();
        bench.settled(&bench.path(name));
    }
    assert_eq!(bench.all_settled(), 2);
}

#[test]
fn a_file_that_goes_before_it_settles_is_reported_gone() {
    let mut bench = Bench::start();
    let path = bench.path("a.mp4");
    // Held open, so that it cannot settle before it goes, however slow this machine is.
    let mut writer = File::create(&path).unwrap();
    writer.write_all(b"x").unwrap();
    bench.waiting(&path, Waiting::WriterOpen);
    fs::remove_file(&path).unwrap();
    bench.until(
        "gone",
        |report| matches!(report, Report::Gone { path: at, .. } if *at == path),
    );
    bench.idle();
    assert_eq!(bench.times_settled(&path), 0);
}

#[test]
fn recheck_settles_a_known_file_anew() {
    let mut bench = Bench::start();
    let path = bench.path("a.mp4");
    fs::write(&path, b"x").unwrap();
    let first = bench.settled(&path);
    bench.handle().recheck("test", path.clone());
    bench.handle().recheck("another", path.clone());
    bench.handle().recheck("test", bench.path("absent.mp4"));
    bench.handle().recheck("test", bench.path("ignored.txt"));
    assert_eq!(bench.settled(&path), first);
    bench.idle();
    assert_eq!(bench.all_settled(), 2);
}

#[test]
fn strange_names_settle() {
    let mut bench = Bench::start();
    let names = [
        OsString::from_vec(b"caf\xe9.mp4".to_vec()),
        OsString::from("new\nline.mp4"),
        OsString::from("-rf.mp4"),
        OsString::from("a'b\"c#?%&😀.MP4"),
        OsString::from("x".repeat(251) + ".mp4"),
    ];
    for name in &names {
        fs::write(bench.path(name), b"x").unwrap();
        bench.settled(&bench.path(name));
    }
}

#[test]
fn links_and_pipes_are_left_alone() {
    let mut bench = Bench::start();
    let outside = bench.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a.mp4"), b"x").unwrap();
    symlink(outside.join("a.mp4"), bench.path("link.mp4")).unwrap();
    symlink(&outside, bench.path("way")).unwrap();
    let pipe = CString::new(bench.path("pipe.mp4").as_os_str().as_bytes()).unwrap();
    make_pipe(&pipe);
    fs::write(bench.path("real.mp4"), b"x").unwrap();
    bench.settled(&bench.path("real.mp4"));
    bench.handle().scan();
    bench.idle();
    assert_eq!(bench.all_settled(), 1);
}

#[expect(
    unsafe_code,
    reason = "the standard library makes no pipes with a name"
)]
fn make_pipe(path: &CString) {
    // SAFETY: the string ends in a zero byte and outlives the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

#[test]
fn reading_settles_nothing() {
    let mut bench = Bench::start();
    let path = bench.path("a.mp4");
    fs::write(&path, b"x").unwrap();
    bench.settled(&path);
    bench.idle();
    let told = bench.seen.len();
    for _ in 0..100 {
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }
    bench.quietly(SETTLE * 2);
    assert_eq!(bench.seen.len(), told, "{:#?}", bench.seen);
}
