//! Tools that copy files in: real ones, where the machine has them.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::super::hand::{Hand, rest};
use crate::support::{Site, left_out};

fn succeeds(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
}

/// An original outside, with times of long ago, and where its copy goes.
fn original(hand: &mut Hand<'_>) -> (PathBuf, PathBuf) {
    let kind = hand.any();
    let (from, to) = (hand.original(kind), hand.target(kind));
    set_old(&from, hand.dice.below(100_000_000));
    (from, to)
}

fn set_old(path: &Path, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(then)
        .unwrap();
}

/// With its times, or without.
pub(super) fn cp(hand: &mut Hand<'_>) {
    let (from, to) = original(hand);
    let keep: &[&str] = if hand.dice.below(2) == 0 {
        &["-p"]
    } else {
        &[]
    };
    succeeds(Command::new("cp").args(keep).arg(&from).arg(&to));
    hand.finished(&to);
}

/// A folder with three files in it.
pub(super) fn cp_tree(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let folder = hand.outside("tree");
    fs::create_dir_all(folder.join("in/side")).unwrap();
    let names = ["a", "in/b", "in/side/c"].map(|name| {
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
        Path::new(folder).join(hand.name(file, kind))
    });
    for name in &names {
        let bytes = hand.video(kind);
        fs::write(folder.join(name), bytes).unwrap();
    }
    let to = hand.folder().join(format!("tree {}", hand.name("", kind)));
    succeeds(Command::new("cp").arg("-r").arg(&folder).arg(&to));
    for name in &names {
        hand.finished(&to.join(name));
    }
}

/// From the same filesystem.
pub(super) fn mv(hand: &mut Hand<'_>) {
    let (from, to) = original(hand);
    succeeds(Command::new("mv").arg(&from).arg(&to));
    hand.finished(&to);
}

/// From another one, where there is one: then it is a copy, and the times are put back behind it.
pub(super) fn mv_from_another_disk(hand: &mut Hand<'_>) {
    let (from, to) = original(hand);
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        return mv(hand);
    };
    let elsewhere = dir.path().join(from.file_name().unwrap());
    fs::copy(&from, &elsewhere).unwrap();
    set_old(&elsewhere, 1_000_000);
    succeeds(Command::new("mv").arg(&elsewhere).arg(&to));
    hand.finished(&to);
}

/// Unpacks an archive, which puts the times back behind the files.
pub(super) fn tar(hand: &mut Hand<'_>) {
    let (from, to) = original(hand);
    let archive = hand.outside("archive.tar");
    let name = from.file_name().unwrap();
    let mut pack = Command::new("tar");
    pack.arg("-cf")
        .arg(&archive)
        .arg("-C")
        .arg(from.parent().unwrap());
    succeeds(pack.arg(name));
    let mut unpack = Command::new("tar");
    succeeds(
        unpack
            .arg("-xf")
            .arg(&archive)
            .arg("-C")
            .arg(to.parent().unwrap()),
    );
    hand.finished(&to);
}

/// Writes `.name.XXXXXX` and renames it.
pub(super) fn rsync(hand: &mut Hand<'_>) {
    let (from, to) = original(hand);
    let how = [["-t", "--preallocate"], ["-a", "--bwlimit=2M"]][hand.index(2)];
    succeeds(Command::new("rsync").args(how).arg(&from).arg(&to));
    hand.finished(&to);
}

/// Writes under the final name.
pub(super) fn rsync_in_place(hand: &mut Hand<'_>) {
    let (from, to) = original(hand);
    let how = [["-t", "--bwlimit=200k"], ["-a", "--bwlimit=2M"]][hand.index(2)];
    let mut command = Command::new("rsync");
    succeeds(command.arg("--inplace").args(how).arg(&from).arg(&to));
    hand.finished(&to);
}

/// Gathers all files in `.~tmp~`, and renames them at the end.
pub(super) fn rsync_delayed(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let from = hand.outside("set");
    fs::create_dir(&from).unwrap();
    let names = ["a", "b", "c"].map(|more| hand.name(more, kind));
    for name in &names {
        let bytes = hand.video(kind);
        fs::write(from.join(name), bytes).unwrap();
    }
    let mut command = Command::new("rsync");
    command.args(["-a", "--delay-updates", "--bwlimit=1M"]);
    let to = hand.folder().to_path_buf();
    succeeds(command.arg(format!("{}/", from.display())).arg(&to));
    for name in &names {
        hand.finished(&to.join(name));
    }
}

/// In place, broken off in the middle, and begun again after a while.
pub(super) fn rsync_broken_off(hand: &mut Hand<'_>) {
    let kind = hand.telling();
    let (from, to) = (hand.original(kind), hand.target(kind));
    let mut command = Command::new("rsync");
    command
        .args(["-t", "--inplace", "--bwlimit=100k"])
        .arg(&from)
        .arg(&to);
    let mut first = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    hand.pause(100);
    // Its children end with it: their pipe breaks.
    first.kill().unwrap();
    first.wait().unwrap();
    hand.pause(300);
    succeeds(
        Command::new("rsync")
            .args(["-t", "--inplace"])
            .arg(&from)
            .arg(&to),
    );
    hand.finished(&to);
}

const IN_PLACE_OF_SSH: &str = "in-place-of-ssh";

/// Whether scp is there. Its two ends talk through a script that acts as ssh and its server: the
/// end that writes is the real one.
pub(super) fn has_scp(site: &Site) -> bool {
    let script = site.outside().join(IN_PLACE_OF_SSH);
    // The last argument is what ssh would have run on the other machine.
    fs::write(
        &script,
        "#!/bin/sh\nfor last; do :; done\nexec /bin/sh -c \"$last\"\n",
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let (from, to) = (site.outside().join("probe"), site.outside().join("probed"));
    fs::write(&from, b"x").unwrap();
    let mut command = Command::new("scp");
    command.args(["-q", "-O", "-S"]).arg(&script).arg(&from);
    command.arg(format!("localhost:{}", to.display()));
    let worked = command.output().is_ok_and(|output| output.status.success());
    if !worked {
        left_out("scp does not work here");
    }
    worked && to.exists()
}

/// With times and without, fast and slow.
pub(super) fn scp(hand: &mut Hand<'_>) {
    let (from, to) = original(hand);
    let mut command = Command::new("scp");
    command
        .args(["-q", "-O", "-S"])
        .arg(hand.shared(IN_PLACE_OF_SSH));
    // In kbit/s.
    let limit = ["2000", "8000", "100000"][hand.index(3)];
    command
        .args(["-l", limit])
        .args((hand.dice.below(2) == 0).then_some("-p"));
    let quoted = format!("localhost:'{}'", to.display());
    succeeds(command.arg(&from).arg(quoted));
    hand.finished(&to);
}

/// What scp and sftp do over a line that stutters: open under the final name, write 32 KiB at a
/// time, then set mode and times on the open file.
pub(super) fn like_scp(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    let mut file = File::create(&path).unwrap();
    for chunk in bytes.chunks(32 * 1024) {
        file.write_all(chunk).unwrap();
        hand.dawdle();
    }
    file.set_permissions(fs::Permissions::from_mode(0o640))
        .unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(5))
        .unwrap();
    rest(hand.moment(50));
    drop(file);
    hand.finished(&path);
}
