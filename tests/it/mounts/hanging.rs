//! A share whose every call blocks: a FUSE filesystem that nothing serves, mounted over a folder that files are moved
//! to. Files of other watches go where they should, and commands say within a bound which folder does not answer.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::Mount;
use crate::support::{Dice, Platform, Site, left_out, wait_for};

/// A command that takes longer hangs.
const LONG: Duration = Duration::from_secs(45);

/// A mount that answers nothing. Once the device is closed, each call fails.
struct Hang {
    _device: File,
    _mount: Mount,
}

impl Hang {
    fn over(folder: &Path) -> Option<Self> {
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let Ok(device) = device else {
            left_out("a share that hangs: /dev/fuse cannot be opened");
            return None;
        };
        let made = Command::new("mount")
            .args(["-i", "-t", "fuse", "-o"])
            .args(["fd=0,rootmode=40000,user_id=0,group_id=0", "hang"])
            .arg(folder)
            .stdin(device.try_clone().unwrap())
            .output();
        if !made.is_ok_and(|output| output.status.success()) {
            left_out("a share that hangs cannot be mounted here");
            return None;
        }
        Some(Self {
            _device: device,
            _mount: Mount(folder.to_path_buf()),
        })
    }
}

/// Two watches: `slow` moves its files to `far`, and `drop` has a trash.
fn site(platform: &Platform) -> Site {
    let site = Site::with(platform, "");
    for folder in ["slow", "far"] {
        fs::create_dir(site.root().join(folder)).unwrap();
    }
    let watch = |name: &str, keys: &str| {
        format!(
            "[[watch]]\nname = \"{name}\"\npath = \"{{root}}/{name}\"\nsettle = \"200ms\"\ngrace = \"0s\"\n{keys}\n"
        )
    };
    let slow = watch("slow", "after-upload = \"move\"\nmove-to = \"{root}/far\"");
    let drop = watch("drop", "after-upload = \"trash\"");
    // What waits for the share itself would wait longer than the test.
    let upload = "[upload]\nstall-timeout = \"10m\"\n";
    site.configure(platform, &format!("{upload}{slow}{drop}"));
    site
}

/// Runs a command that must not hang.
fn in_time(site: &Site, args: &[&str]) -> (Output, String) {
    let began = Instant::now();
    let output = Command::new("timeout")
        .args(["-s", "KILL", &LONG.as_secs().to_string()])
        .arg(env!("CARGO_BIN_EXE_jw-ingest"))
        .arg("--config")
        .arg(site.config())
        .args(args)
        .output()
        .unwrap();
    assert!(began.elapsed() < LONG, "{args:?} hangs");
    let said = [&*output.stdout, &*output.stderr].concat();
    (output, String::from_utf8(said).unwrap())
}

fn is_gone(path: &Path) {
    wait_for("the file to go", || (!path.exists()).then_some(()));
}

fn drop_in(site: &Site, name: &str, dice: &mut Dice) -> PathBuf {
    let path = site.root().join(name);
    fs::write(&path, dice.bytes(4_000)).unwrap();
    path
}

#[test]
fn a_share_that_hangs_keeps_no_file_of_another_watch() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = site(&platform);
    let daemon = site.start();
    is_gone(&drop_in(&site, "slow/first.mp4", &mut dice));
    let Some(hang) = Hang::over(&site.root().join("far")) else {
        return;
    };
    let waits = drop_in(&site, "slow/a.mp4", &mut dice);
    site.wait_done(2);
    for name in ["drop/b.mp4", "drop/c.mp4"] {
        is_gone(&drop_in(&site, name, &mut dice));
    }
    assert!(waits.exists());
    // It is said by whom, and in time.
    let (_, said) = in_time(&site, &["explain", waits.to_str().unwrap()]);
    let why = "far does not answer within 5 s; is the server of its share running?";
    assert!(said.contains(why), "{said}");
    // What comes once it is not mounted any more depends on whether the mount was noted: it is waited for then.
    drop(hang);
    drop(daemon);
}

#[test]
fn commands_say_which_folder_does_not_answer() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = site(&platform);
    let video = drop_in(&site, "slow/a.mp4", &mut dice);
    let daemon = site.start();
    is_gone(&video);
    drop(daemon);
    for folder in ["far", "slow"] {
        let Some(hang) = Hang::over(&site.root().join(folder)) else {
            return;
        };
        let (output, said) = in_time(&site, &["check", "--offline"]);
        let fails = said.lines().find(|line| line.starts_with("FAIL"));
        let fails = fails.unwrap_or_else(|| panic!("{said}"));
        let shown = site.root().join(folder);
        let why = format!("{} does not answer within 5 s", shown.display());
        assert!(
            fails.contains("watch slow") && fails.contains(&why),
            "{said}"
        );
        assert_eq!(output.status.code(), Some(78), "{said}");
        // What is elsewhere is looked at.
        assert!(said.contains("watch drop"), "{said}");
        let other = drop_in(&site, "drop/b.mp4", &mut dice);
        let (output, said) = in_time(&site, &["add", other.to_str().unwrap()]);
        assert!(output.status.success(), "{said}");
        if folder == "slow" {
            let (output, said) = in_time(&site, &["add", video.to_str().unwrap()]);
            assert_eq!(output.status.code(), Some(1), "{said}");
            let why = "not queued: its folder does not answer within 5 s";
            assert!(said.contains(why), "{said}");
        }
        drop(hang);
    }
}

/// Neither the folder of a watch nor that to which its files go, and no reload that looks at them.
#[test]
fn a_stop_waits_for_no_share_that_hangs() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    for (folder, reloads) in [("far", false), ("slow", false), ("slow", true)] {
        let site = site(&platform);
        let daemon = site.start();
        is_gone(&drop_in(&site, "slow/first.mp4", &mut dice));
        let Some(hang) = Hang::over(&site.root().join(folder)) else {
            return;
        };
        if folder == "far" {
            drop_in(&site, "slow/a.mp4", &mut dice);
            site.wait_done(2);
        }
        if reloads {
            daemon.signal("HUP");
        }
        // What follows begins with what hangs.
        is_gone(&drop_in(&site, "drop/b.mp4", &mut dice));
        daemon.signal("TERM");
        assert!(daemon.wait().success(), "{folder} {reloads}");
        drop(hang);
    }
}
