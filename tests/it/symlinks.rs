//! Folders of a watch that are, or turn into, symbolic links to elsewhere: nothing outside is uploaded,
//! read, written, moved or deleted, and it is said why a file waits.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::support::{Dice, Platform, Site, wait_for};

fn site(platform: &Platform, keys: &str) -> Site {
    let site = Site::with(platform, "");
    let watch = format!(
        "[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nsettle = \"200ms\"\ngrace = \"0s\"\n{keys}\n"
    );
    site.configure(platform, &watch);
    site
}

fn why_later(site: &Site) -> String {
    wait_for("the reason why it stays", || {
        site.value("SELECT last_error FROM afterwards WHERE last_error IS NOT NULL")
    })
}

#[test]
fn a_trash_that_is_a_symlink_is_refused_and_said() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    for key in ["trash", "move"] {
        let site = site(
            &platform,
            &format!("after-upload = \"{key}\"\nmove-to = \"{{folder}}/up\"\n"),
        );
        let folder = if key == "trash" { ".trash" } else { "up/sub" };
        let link = site.folder().join(folder);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(site.outside(), &link).unwrap();
        fs::create_dir(site.folder().join("sub")).unwrap();
        let file = site.drop_file("sub/a.mp4", &dice.bytes(4_000));
        let daemon = site.start();
        let why = why_later(&site);
        assert!(why.contains("is a symbolic link"), "{why}");
        let explained = site.output(&["explain", file.to_str().unwrap()]);
        assert!(explained.contains("is a symbolic link"), "{explained}");
        assert!(file.exists());
        assert_eq!(fs::read_dir(site.outside()).unwrap().count(), 0);
        // A folder in its place, and it goes by itself.
        fs::remove_file(&link).unwrap();
        wait_for("the file to go", || (!file.exists()).then_some(()));
        assert_eq!(fs::read_dir(site.outside()).unwrap().count(), 0);
        drop(daemon);
    }
}

#[test]
fn a_folder_that_becomes_a_symlink_before_the_upload_publishes_nothing() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = site(&platform, "after-upload = \"delete\"\n");
    let (sub, aside) = (site.folder().join("sub"), site.root().join("aside"));
    let secret = site.outside().join("a.mp4");
    fs::write(&secret, dice.bytes(5_000)).unwrap();
    fs::create_dir(&sub).unwrap();
    platform.fault("create", json!({"kind": "hold-after-acting"}));
    let content = dice.bytes(4_000);
    let daemon = site.start();
    site.drop_file("sub/a.mp4", &content);
    platform.wait("create", "held", 1);
    fs::rename(&sub, &aside).unwrap();
    symlink(site.outside(), &sub).unwrap();
    platform.release();
    let why = wait_for("the reason", || {
        site.jobs().into_iter().find_map(|job| job.last_error)
    });
    assert!(why.contains("sub is a symbolic link"), "{why}");
    let told = site.output(&["job", "1"]);
    assert!(told.contains("sub is a symbolic link"), "{told}");
    assert!(secret.exists());
    // The folder comes back, and its file is uploaded and deleted; the other one never was touched.
    fs::remove_file(&sub).unwrap();
    fs::rename(&aside, &sub).unwrap();
    wait_for("the file to be deleted", || {
        (!sub.join("a.mp4").exists()).then_some(())
    });
    assert!(secret.exists());
    let videos = platform.videos();
    assert_eq!(videos.len(), 1, "{}", platform.story());
    drop(daemon);
}
