//! Folders of a watch that are, or turn into, symbolic links to elsewhere: nothing outside is uploaded,
//! read, written, moved or deleted, and it is said why a file waits.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

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

/// A watch on `base/drop`, and `vault/drop`, which is in no watch and has files of the same names.
struct Swapped<'a> {
    site: Site,
    platform: &'a Platform,
    /// What is swapped for a link: `base`, or `base/drop`.
    folder: &'static str,
    secrets: Vec<(PathBuf, Vec<u8>)>,
}

const WAITING: [&str; 3] = ["s0.mp4", "s1.mp4", "s2.mp4"];

impl<'a> Swapped<'a> {
    fn new(platform: &'a Platform, dice: &mut Dice, (folder, keys): (&'static str, &str)) -> Self {
        let site = Site::with(platform, "");
        let root = site.root().to_path_buf();
        for folder in ["base/drop", "vault/drop", "up"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let shown = root.display();
        let watch = format!(
            "[[watch]]\nname = \"drop\"\npath = \"{shown}/base/drop\"\nsettle = \"200ms\"\ngrace = \"0s\"\n\
             move-to = \"{shown}/up\"\n{keys}\n"
        );
        site.configure(platform, &watch);
        let secrets = WAITING.iter().map(|name| {
            let (path, content) = (root.join("vault/drop").join(name), dice.bytes(5_000));
            fs::write(&path, &content).unwrap();
            (path, content)
        });
        Self {
            secrets: secrets.collect(),
            platform,
            folder,
            site,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.site.root().join("base/drop").join(name)
    }

    fn swap(&self) {
        let root = self.site.root();
        fs::rename(root.join(self.folder), root.join("aside")).unwrap();
        let vault = self.folder.replace("base", "vault");
        symlink(root.join(vault), root.join(self.folder)).unwrap();
    }

    fn swap_back(&self) {
        let root = self.site.root();
        fs::remove_file(root.join(self.folder)).unwrap();
        fs::rename(root.join("aside"), root.join(self.folder)).unwrap();
    }

    /// Nothing outside was published, moved, changed, or given a note.
    fn check(&self, videos: usize) {
        for (path, content) in &self.secrets {
            assert_eq!(&fs::read(path).unwrap(), content, "{path:?}");
        }
        let vault = self.site.root().join("vault/drop");
        assert_eq!(fs::read_dir(vault).unwrap().count(), self.secrets.len());
        assert_eq!(
            self.platform.videos().len(),
            videos,
            "{}",
            self.platform.story()
        );
    }
}

fn is_gone(path: &Path) {
    wait_for("the file to go", || (!path.exists()).then_some(()));
}

#[test]
fn a_link_in_the_place_of_the_watch_folder_or_above_it_publishes_nothing() {
    for (folder, keys) in [
        ("base", "mode = \"events\"\nafter-upload = \"delete\""),
        (
            "base",
            "mode = \"poll\"\npoll-interval = \"1s\"\nafter-upload = \"move\"",
        ),
        (
            "base/drop",
            "mode = \"poll\"\npoll-interval = \"1s\"\nafter-upload = \"delete\"",
        ),
        ("base/drop", "mode = \"events\"\nafter-upload = \"keep\""),
    ] {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let ground = Swapped::new(&platform, &mut dice, (folder, keys));
        let site = &ground.site;
        let daemon = site.start();
        fs::write(ground.path("first.mp4"), dice.bytes(4_000)).unwrap();
        for name in WAITING {
            fs::write(ground.path(name), "").unwrap();
        }
        site.wait_done(1);
        if !keys.contains("keep") {
            is_gone(&ground.path("first.mp4"));
        }
        let waiting = |words: &str| {
            let sql = format!("SELECT count(*) FROM settling WHERE waiting_for LIKE '%{words}%'");
            wait_for(words, || (site.value::<i64>(&sql) == Some(3)).then_some(()));
        };
        waiting("still empty");
        ground.swap();
        site.wait_log("is a symbolic link");
        // Each was looked at, and none was reached.
        waiting("offline");
        let explained = site.output(&["explain", ground.path("s0.mp4").to_str().unwrap()]);
        assert!(explained.contains("is a symbolic link"), "{explained}");
        ground.check(1);
        // The folder comes back, and so do its files.
        ground.swap_back();
        for name in WAITING {
            fs::write(ground.path(name), dice.bytes(3_000)).unwrap();
        }
        site.wait_done(4);
        ground.check(4);
        drop(daemon);
    }
}

#[test]
fn a_job_waits_while_a_link_is_in_the_place_of_its_watch_folder() {
    for folder in ["base", "base/drop"] {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let keys = "after-upload = \"delete\"";
        let ground = Swapped::new(&platform, &mut dice, (folder, keys));
        platform.fault("create", json!({"kind": "hold-after-acting"}));
        let daemon = ground.site.start();
        let file = ground.path("s0.mp4");
        fs::write(&file, dice.bytes(4_000)).unwrap();
        platform.wait("create", "held", 1);
        ground.swap();
        platform.release();
        let why = wait_for("the reason", || {
            let mut jobs = ground.site.jobs().into_iter();
            jobs.find_map(|job| job.last_error)
        });
        assert!(why.contains("is a symbolic link"), "{why}");
        assert!(why.contains("is offline"), "{why}");
        let explained = ground.site.output(&["explain", file.to_str().unwrap()]);
        assert!(explained.contains("is a symbolic link"), "{explained}");
        ground.check(1);
        ground.swap_back();
        ground.site.wait_done(1);
        is_gone(&file);
        ground.check(1);
        drop(daemon);
    }
}

#[test]
fn a_target_that_becomes_a_symlink_is_offline() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let keys = "after-upload = \"move\"";
    let ground = Swapped::new(&platform, &mut dice, ("base", keys));
    let site = &ground.site;
    let (up, aside) = (site.root().join("up"), site.root().join("up.old"));
    let daemon = site.start();
    fs::write(ground.path("first.mp4"), dice.bytes(4_000)).unwrap();
    is_gone_to(&ground.path("first.mp4"), &up.join("first.mp4"));
    fs::rename(&up, &aside).unwrap();
    symlink(site.outside(), &up).unwrap();
    let file = ground.path("second.mp4");
    fs::write(&file, dice.bytes(4_000)).unwrap();
    let why = why_later(site);
    assert!(why.contains("up is a symbolic link"), "{why}");
    let told = wait_for("jobs to say so", || {
        let told = site.output(&["jobs"]);
        told.contains("is offline").then_some(told)
    });
    assert!(told.contains("up is a symbolic link"), "{told}");
    assert!(file.exists());
    assert_eq!(fs::read_dir(site.outside()).unwrap().count(), 0);
    fs::remove_file(&up).unwrap();
    fs::rename(&aside, &up).unwrap();
    is_gone_to(&file, &up.join("second.mp4"));
    assert_eq!(fs::read_dir(site.outside()).unwrap().count(), 0);
    drop(daemon);
}

#[test]
fn what_was_moved_is_found_again_by_no_link() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    for (keys, target, key) in [
        ("after-upload = \"trash\"", ".trash", ".trash"),
        (
            "after-upload = \"move\"\nmove-to = \"{folder}/up\"",
            "up",
            "move-to",
        ),
    ] {
        let keys = format!("follow-links = true\nmode = \"poll\"\npoll-interval = \"1s\"\n{keys}");
        let site = site(&platform, &keys);
        let target = site.folder().join(target);
        let link = site.folder().join("again");
        fs::create_dir(&target).unwrap();
        symlink(&target, &link).unwrap();
        let daemon = site.start();
        // By the time that the third has gone, scans have passed the link many times.
        for name in ["a.mp4", "b.mp4", "c.mp4"] {
            is_gone(&site.drop_file(name, &dice.bytes(4_000)));
        }
        assert_eq!(site.jobs().len(), 3, "{:?}", site.jobs());
        assert!(!target.join("again").exists());
        let why = format!("it leads to a folder that jw-ingest moves files to ({key})");
        let said = site.log().matches(&why).count();
        assert_eq!(said, 1, "{}", site.log());
        let explained = site.output(&["explain", link.to_str().unwrap()]);
        assert!(explained.contains(&why), "{explained}");
        drop(daemon);
    }
}

fn is_gone_to(from: &Path, to: &Path) {
    wait_for("the file to be moved", || {
        (!from.exists() && to.exists()).then_some(())
    });
}
