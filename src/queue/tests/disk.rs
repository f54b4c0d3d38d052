//! Disks that are full, and databases that cannot be written.

use std::io::Read;
use std::process::{Command, Stdio};

use super::*;
use crate::queue::{Queue, open};

/// A small filesystem in memory; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where we may not mount.
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Self(folder))
    }

    fn read_only(&self, yes: bool) {
        let mode = if yes { "remount,ro" } else { "remount,rw" };
        // Refused while a child that another test has just forked holds our file for writing.
        let done = (0..500).any(|_| {
            let tried = Command::new("mount")
                .args(["-o", mode])
                .arg(self.0.path())
                .stderr(Stdio::null())
                .status();
            tried.unwrap().success()
        });
        assert!(done, "{mode}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_passes() {
    let Some(disk) = SmallDisk::new("2m") else {
        return skip("only root may mount a small disk to fill");
    };
    let path = disk.0.path().join("jobs.db");
    let queue = Queue::start(&path).unwrap();
    let ballast = disk.0.path().join("ballast");
    let mut kept = 0;
    let add = |n| {
        let queue = queue.clone();
        async move {
            queue
                .write(move |db| enqueue(db, &file(format!("/w/{n}.mp4"), n), at(n)))
                .await
        }
    };
    for _ in 0..10 {
        add(kept).await.unwrap();
        kept += 1;
    }
    // Another program gets the rest of the disk.
    let mut ballast = std::fs::File::create(&ballast).unwrap();
    let filled = std::io::copy(&mut std::io::repeat(1).take(64 << 20), &mut ballast);
    assert!(filled.is_err(), "the disk is full");
    let error = loop {
        // Some commits still fit in what the write-ahead log has already.
        match add(kept).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 10_000, "a full disk must be noticed");
    };
    assert!(error.is_passing(), "{error:?}");
    assert!(add(kept).await.unwrap_err().is_passing());
    let jotted = queue.jot(|db| Ok(claim::heartbeat(db, &[], at(0)))).await;
    assert!(
        jotted.is_ok(),
        "what changes nothing needs no room: {jotted:?}"
    );
    let reader = crate::queue::open_for_reading(&path).unwrap();
    assert_eq!(
        number(&reader, "SELECT count(*) FROM jobs"),
        kept,
        "reading continues"
    );
    // Not removed: a child that another test has just forked could still hold it.
    ballast.set_len(0).unwrap();
    add(kept).await.unwrap();
    kept += 1;
    assert_eq!(number(&reader, "SELECT count(*) FROM jobs"), kept);
    assert_eq!(
        value(&reader, "PRAGMA integrity_check"),
        Value::from("ok".to_owned())
    );
    drop((reader, queue));
}

#[tokio::test]
async fn a_disk_that_turns_read_only_passes_too() {
    let Some(disk) = SmallDisk::new("8m") else {
        return skip("only root may mount a disk to make it read-only");
    };
    let path = disk.0.path().join("jobs.db");
    let made = open(&path).unwrap();
    new_job(&made, &file("/w/a.mp4", 1), at(0));
    drop(made);
    disk.read_only(true);
    let error = open(&path).unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }), "{error:?}");
    assert!(error.to_string().contains("jobs.db"), "{error}");
    let reader = crate::queue::open_for_reading(&path).unwrap();
    assert_eq!(
        number(&reader, "SELECT count(*) FROM jobs"),
        1,
        "looking works"
    );
    drop(reader);
    disk.read_only(false);
    drop(open(&path).unwrap());
}

#[test]
fn a_path_that_cannot_be_looked_at_is_not_called_missing() {
    let (_folder, path) = on_disk();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    let error = crate::queue::open_for_reading(&path).unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
}
