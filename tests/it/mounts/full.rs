//! Disks that are full: half copies are not published, and nothing is lost.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{Mount, ext4, mp4};
use crate::support::{Dice, Platform, Site, wait_for};

/// Takes all room of a disk but so many bytes.
fn fill(disk: &Path, but: u64) -> PathBuf {
    let path = disk.join("ballast");
    let mut file = File::create(&path).unwrap();
    for block in [65_536, 4_096, 512] {
        let zeros = vec![0; block];
        while file.write_all(&zeros).is_ok() {}
    }
    file.sync_all().unwrap();
    let full = file.metadata().unwrap().len();
    file.set_len(full - but).unwrap();
    path
}

fn cp(from: &Path, to: &Path) -> Output {
    Command::new("cp").arg(from).arg(to).output().unwrap()
}

#[test]
fn a_copy_that_ran_out_of_room_is_not_published_on_tmpfs() {
    copies_that_ran_out_of_room(|site| Mount::tmpfs(4096, &site.folder()));
}

#[test]
fn a_copy_that_ran_out_of_room_is_not_published_on_ext4() {
    copies_that_ran_out_of_room(|site| Mount::image(&ext4(site, 8)?, &site.folder()));
}

fn copies_that_ran_out_of_room(disk: impl FnOnce(&Site) -> Option<Mount>) {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let Some(_mount) = disk(&site) else { return };
    let mut daemon = site.start();
    let mut files = Vec::new();
    for (number, index_first) in [false, true].into_iter().enumerate() {
        let ballast = fill(&site.folder(), 300_000);
        let original = site.outside().join(format!("{number}.mp4"));
        fs::write(&original, mp4(&mut dice, 900_000, index_first)).unwrap();
        let copy = site.folder().join(format!("{number}.mp4"));
        let said = cp(&original, &copy);
        assert!(
            !said.status.success(),
            "there was room for all of it: {said:?}"
        );
        assert!(
            fs::metadata(&copy).unwrap().len() > 100_000,
            "half of it is there"
        );
        // One that is whole and came later, so that the half one would have been up by now.
        let less = ballast.metadata().unwrap().len() - 100_000;
        let mut writable = OpenOptions::new();
        writable
            .write(true)
            .open(&ballast)
            .unwrap()
            .set_len(less)
            .unwrap();
        files.push(site.drop_file(
            &format!("{number}-later.mp4"),
            &mp4(&mut dice, 20_000, true),
        ));
        site.wait_done(files.len());
        if index_first {
            daemon.kill9();
            daemon = site.start();
        }
        wait_for("the reason", || {
            let said = site.output(&["explain", copy.to_str().unwrap()]);
            said.contains("incomplete: it").then_some(())
        });
        assert_eq!(
            platform.videos().len(),
            files.len(),
            "half a video is uploaded"
        );
        // Room comes back, and the copy is tried again.
        fs::remove_file(ballast).unwrap();
        let said = cp(&original, &copy);
        assert!(said.status.success(), "{said:?}");
        files.push(copy);
        site.wait_done(files.len());
        fs::remove_file(original).unwrap();
    }
    site.assert_exactly_one_each(&platform, &files);
    drop(daemon);
}

/// Folder and database on one disk, which is full to the last byte: what can still be moved into
/// the folder waits, also over a kill, and is uploaded once there is room.
fn a_full_disk_with_everything_on_it(make: impl FnOnce(&Site, &Path) -> Option<Mount>) {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let disk_name = "[database]\npath = \"{root}/disk/jobs.db\"\n";
    let site = Site::new(&platform);
    let disk = site.root().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_mount) = make(&site, &disk) else {
        return;
    };
    let text = fs::read_to_string(site.config()).unwrap();
    let root = site.root().to_str().unwrap();
    let text = text
        .replace(&format!("{root}/jobs.db"), &format!("{root}/disk/jobs.db"))
        .replace(&format!("{root}/drop"), &format!("{root}/disk/drop"));
    assert!(text.contains(&disk_name.replace("{root}", root)), "{text}");
    fs::write(site.config(), text).unwrap();
    // For those who look: the table, under the name that they know.
    std::os::unix::fs::symlink(disk.join("jobs.db"), site.database()).unwrap();
    let folder = disk.join("drop");
    fs::create_dir(&folder).unwrap();
    let mut files = Vec::new();
    // Whole folders, since not even a name can be added to one on a full disk.
    for number in 0..MANY {
        let part = ["first", "second", "third"][number.min(MANY / 2) / (MANY / 4)];
        fs::create_dir_all(disk.join(part)).unwrap();
        let name = format!("{number}.mp4");
        let bytes = mp4(&mut dice, 3_000 + number, true);
        fs::write(disk.join(part).join(&name), bytes).unwrap();
        files.push(folder.join(part).join(&name));
    }
    let move_in = |part: &str| fs::rename(disk.join(part), folder.join(part)).unwrap();
    let mut daemon = site.start();
    move_in("first");
    site.wait_done(MANY / 4);
    let ballast = fill(&disk, 0);
    let complaint = "the database cannot be written";
    move_in("second");
    site.wait_log(complaint);
    let status = site.command(&["status"]);
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(said.contains("! disk"), "{said}");
    assert_eq!(status.status.code(), Some(1), "{said}");
    daemon.kill9();
    // A new start may find a little room again in what the database has already.
    let before = site.logged(complaint);
    daemon = site.start();
    move_in("third");
    wait_for(
        "the daemon to meet it again, or to have room for all",
        || {
            let again = site.logged(complaint) > before;
            let watches = site.logged("files are found by events") == 2;
            (watches && (again || site.jobs().len() == MANY)).then_some(())
        },
    );
    assert!(!daemon.has_ended(), "{}", site.log());
    fs::remove_file(ballast).unwrap();
    let jobs = site.wait_done(MANY);
    assert_eq!(jobs.len(), MANY, "{jobs:?}");
    site.assert_exactly_one_each(&platform, &files);
}

/// How many jobs find no room in what a database keeps free inside, at least not the first time.
const MANY: usize = 80;

#[test]
fn a_full_tmpfs_with_folder_and_database_loses_nothing() {
    a_full_disk_with_everything_on_it(|_, disk| Mount::tmpfs(16 << 10, disk));
}

#[test]
fn a_full_ext4_with_folder_and_database_loses_nothing() {
    a_full_disk_with_everything_on_it(|site, disk| Mount::image(&ext4(site, 16)?, disk));
}
