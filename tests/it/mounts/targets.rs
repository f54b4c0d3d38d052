//! Targets that are away: files wait for the mount that the target lay on, and never go to the empty
//! folder below it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::{Mount, mp4};
use crate::support::{Daemon, Dice, Platform, Site, wait_for};

/// A daemon that moves files to the site's outer folder, which it has seen.
fn start(platform: &Platform, site: &Site) -> Daemon {
    let folder = site.outside();
    let watch = format!(
        "[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nsettle = \"200ms\"\ngrace = \"0s\"\n\
         after-upload = \"move\"\nmove-to = \"{}\"\n",
        folder.display()
    );
    site.configure(platform, &watch);
    let daemon = site.start();
    wait_for("the target to be seen", || {
        site.value::<i64>("SELECT 1 FROM targets")
    });
    daemon
}

#[test]
fn a_target_whose_mount_is_away_is_waited_for() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, "");
    let folder = site.outside();
    let Some(mount) = Mount::tmpfs(4096, &folder) else {
        return;
    };
    let daemon = start(&platform, &site);
    // It is known before any file goes there.
    drop(mount);
    let file = site.drop_file("a.mp4", &mp4(&mut dice, 30_000, true));
    let why: String = wait_for("the reason", || {
        site.value("SELECT last_error FROM afterwards WHERE last_error IS NOT NULL")
    });
    let shown = folder.display();
    let words =
        format!("the folder {shown} is offline: tmpfs (tmpfs, at {shown}) is not mounted there");
    assert!(why.contains(&words), "{why}");
    let jobs = wait_for("the list to say so", || {
        let said = site.output(&["jobs"]);
        said.contains(&words).then_some(said)
    });
    assert!(jobs.contains("moved when it is back"), "{jobs}");
    let explained = site.output(&["explain", file.to_str().unwrap()]);
    assert!(explained.contains(&words), "{explained}");
    let check = site.command(&["check", "--offline"]);
    let check = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.contains(&words), "{check}");
    assert!(file.exists());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    // Another mount, with another number: the same target.
    let Some(_mount) = Mount::tmpfs(4096, &folder) else {
        panic!("it could be mounted before");
    };
    // For a moment it has neither name: a hidden one.
    wait_for("the file to be moved", || {
        (!file.exists() && folder.join("a.mp4").exists()).then_some(())
    });
    wait_for("the list to say nothing of it", || {
        (!site.output(&["jobs"]).contains("is offline")).then_some(())
    });
    drop(daemon);
}

#[test]
fn a_target_on_no_mount_of_its_own_is_judged_by_its_parent() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, "");
    let folder = site.outside();
    let daemon = start(&platform, &site);
    fs::remove_dir(&folder).unwrap();
    let file = site.drop_file("a.mp4", &mp4(&mut dice, 30_000, true));
    wait_for("the file to be moved", || {
        (!file.exists() && folder.join("a.mp4").exists()).then_some(())
    });
    drop(daemon);
}

#[test]
fn a_target_that_is_in_the_watch_folder_by_another_path_is_refused() {
    let platform = Platform::start();
    let site = Site::with(&platform, "");
    let (folder, other) = (site.folder(), site.outside());
    fs::create_dir(folder.join("up")).unwrap();
    let Some(_mount) = Mount::bind(&folder, &other) else {
        return;
    };
    for (target, words) in [
        (other.clone(), "is the folder of [[watch]] \"drop\" itself"),
        (other.join("up"), "by another path"),
    ] {
        let watch = format!(
            "[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nafter-upload = \"move\"\nmove-to = \"{}\"\n",
            target.display()
        );
        site.configure(&platform, &watch);
        let check = site.command(&["check", "--offline"]);
        let said = String::from_utf8_lossy(&check.stdout) + String::from_utf8_lossy(&check.stderr);
        assert_eq!(check.status.code(), Some(78), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

/// An overlay shows a file that it has copied up under another inode number, and remembers it.
#[test]
fn a_target_that_shows_the_watch_folder_through_an_overlay_costs_no_file() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::with(&platform, "");
    let (folder, other) = (site.folder(), site.outside());
    let (lower, work) = (site.root().join("lower"), site.root().join("work"));
    for made in [&lower, &work] {
        fs::create_dir(made).unwrap();
    }
    fs::write(lower.join("a.mp4"), mp4(&mut dice, 30_000, true)).unwrap();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        folder.display(),
        work.display()
    );
    let overlay = ["-t", "overlay", "-o", &options, "overlay"];
    let Some(_mount) = Mount::new("an overlay", &overlay, &other) else {
        return;
    };
    // This copies it up.
    fs::set_permissions(other.join("a.mp4"), fs::Permissions::from_mode(0o640)).unwrap();
    let file = folder.join("a.mp4");
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    assert_ne!(inode(&file), inode(&other.join("a.mp4")));
    let ctime = || {
        let meta = fs::metadata(&file).unwrap();
        (meta.ctime(), meta.ctime_nsec())
    };
    let then = ctime();
    let daemon = start(&platform, &site);
    let why: String = wait_for("a second attempt", || {
        site.value(
            "SELECT last_error FROM afterwards WHERE attempts > 1 AND last_error IS NOT NULL",
        )
    });
    assert!(why.contains("is its own folder"), "{why}");
    // It was not hidden: then it would have been looked at again each time, without a wait.
    assert_eq!(ctime(), then);
    drop(daemon);
}
