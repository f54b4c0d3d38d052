//! Real disks under the watched folder: an ext4 image that comes and goes, read-only ones, and full
//! ones. Each is left out, with a line that says so, where it cannot be mounted.

mod full;
mod hanging;
mod targets;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Dice, Platform, Site, left_out, wait_for};
use crate::writers::video::{self, Kind};

/// A mount, taken away when dropped, also by a test that failed.
struct Mount(PathBuf);

impl Mount {
    fn new(what: &str, args: &[&str], at: &Path) -> Option<Self> {
        let made = Command::new("mount").args(args).arg(at).output();
        if made.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_path_buf()));
        }
        left_out(&format!("{what} cannot be mounted here"));
        None
    }

    /// A disk in memory.
    fn tmpfs(kilobytes: u32, at: &Path) -> Option<Self> {
        let options = format!("size={kilobytes}k,mode=0755");
        Self::new("tmpfs", &["-t", "tmpfs", "-o", &options, "tmpfs"], at)
    }

    /// The filesystem in an image.
    fn image(image: &Path, at: &Path) -> Option<Self> {
        Self::new(
            "an ext4 image",
            &["-o", "loop", image.to_str().unwrap()],
            at,
        )
    }

    /// What another folder shows.
    fn bind(from: &Path, at: &Path) -> Option<Self> {
        Self::new("a folder", &["--bind", from.to_str().unwrap()], at)
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount")
            .args(["-o", &options])
            .arg(&self.0)
            .status();
        assert!(status.unwrap().success(), "{options}");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a daemon that a failed test left behind may still be there.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// An ext4 filesystem in a file.
fn ext4(site: &Site, megabytes: u64) -> Option<PathBuf> {
    let image = site.root().join("ext4.img");
    File::create(&image)
        .unwrap()
        .set_len(megabytes << 20)
        .unwrap();
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-F", "-m", "0"])
        .arg(&image)
        .output();
    if made.is_ok_and(|output| output.status.success()) {
        return Some(image);
    }
    left_out("an ext4 image: mkfs.ext4 is not installed");
    None
}

/// A whole MP4, its index in front or behind.
fn mp4(dice: &mut Dice, size: usize, index_first: bool) -> Vec<u8> {
    let kind = if index_first {
        Kind::IndexFirst
    } else {
        Kind::IndexLast
    };
    video::make(dice, kind, size)
}

#[test]
fn an_ext4_disk_that_goes_and_comes_back() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let Some(image) = ext4(&site, 16) else { return };
    let Some(mount) = Mount::image(&image, &site.folder()) else {
        return;
    };
    let daemon = site.start();
    site.wait_log("files are found by events");
    let mut files = vec![site.drop_file("a.mp4", &mp4(&mut dice, 50_000, true))];
    site.wait_done(1);
    // While one is on its way.
    platform.fault("create", serde_json::json!({"kind": "hold-after-acting"}));
    files.push(site.drop_file("b.mp4", &mp4(&mut dice, 60_000, false)));
    platform.wait("create", "held", 1);
    drop(mount);
    site.wait_log("the watch folder is offline");
    platform.release();
    // Nothing is withdrawn or failed because of that, and it is not asked for meanwhile.
    site.wait_jobs("the disk to be waited for", |jobs| {
        assert!(
            jobs.iter()
                .all(|job| job.state != "failed" && job.state != "cancelled")
        );
        let waits = jobs[1].state == "queued" && jobs[1].last_error.is_some();
        (waits || jobs[1].state == "done").then_some(())
    });
    // At the next start, too.
    daemon.kill9();
    let daemon = site.start();
    let Some(_mount) = Mount::image(&image, &site.folder()) else {
        panic!("it could be mounted before");
    };
    files.push(site.drop_file("c.mp4", &mp4(&mut dice, 70_000, true)));
    let jobs = site.wait_done(3);
    assert_eq!(jobs.len(), 3, "{jobs:?}");
    site.assert_exactly_one_each(&platform, &files);
    drop(daemon);
}

#[test]
fn files_on_a_read_only_disk_are_uploaded() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let Some(mount) = Mount::tmpfs(4096, &site.folder()) else {
        return;
    };
    let mut files = vec![site.drop_file("a.mp4", &mp4(&mut dice, 30_000, true))];
    mount.remount("ro");
    let said = site.command(&["check", "--offline"]);
    assert!(said.status.success(), "{said:?}");
    let daemon = site.start();
    site.wait_done(1);
    // Writable for a moment, and read-only again before the file has settled.
    mount.remount("rw");
    files.push(site.drop_file("b.mp4", &mp4(&mut dice, 30_000, false)));
    mount.remount("ro");
    site.wait_done(2);
    // Over a restart, and a file without an end ingest id.
    mount.remount("rw");
    daemon.kill9();
    files.push(site.drop_file("c.mpg", &dice.bytes(20_000)));
    mount.remount("ro");
    let daemon = site.start();
    site.wait_done(3);
    site.assert_exactly_one_each(&platform, &files);
    drop(daemon);
}

#[test]
fn a_read_only_view_of_a_folder_that_others_write_is_watched() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let Some(mount) = Mount::bind(&site.outside(), &site.folder()) else {
        return;
    };
    mount.remount("bind,ro");
    let daemon = site.start();
    site.wait_log("files are found by events");
    // Its writer comes by the other way, and is seen anyway.
    let mut file = File::create(site.outside().join("a.mpg")).unwrap();
    file.write_all(&dice.bytes(10_000)).unwrap();
    wait_for("the writer to be seen", || {
        let path = site.folder().join("a.mpg");
        let said = site.output(&["explain", path.to_str().unwrap()]);
        said.contains("a program has it open for writing")
            .then_some(())
    });
    file.write_all(&dice.bytes(10_000)).unwrap();
    drop(file);
    let jobs = site.wait_done(1);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    site.assert_exactly_one_each(&platform, &[site.folder().join("a.mpg")]);
    drop(daemon);
}
