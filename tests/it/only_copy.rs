//! A video is not deleted on the strength of what the table says about it: where its file is not in
//! the folder any more, a video that has content is the only copy.

use std::fs;

use rusqlite::Connection;
use serde_json::json;

use crate::support::{Platform, Site};

/// Large enough that no buffer on the way takes all of it.
const LARGE: usize = 24 * 1024 * 1024;

#[test]
fn a_backup_of_the_table_from_before_the_last_byte_costs_no_video() {
    for is_v2 in [false, true] {
        let platform = Platform::start();
        let site = if is_v2 {
            Site::v2(&platform, "")
        } else {
            Site::new(&platform)
        };
        platform.fault("s3-put", json!({"kind": "stall", "after_bytes": 100_000}));
        let daemon = site.start();
        let file = site.drop_file("a.mpg", &vec![7; LARGE]);
        platform.wait("s3-put", "held", 1);
        let backup = site.root().join("backup.db");
        let db = Connection::open(site.database()).unwrap();
        db.execute("VACUUM INTO ?1", [backup.to_str().unwrap()])
            .unwrap();
        drop(db);
        platform.release();
        let key = site.wait_done(1).remove(0).video_key;
        daemon.signal("TERM");
        daemon.wait();
        // The marker would tell that the backup is an older table; another machine has none.
        for ending in ["-wal", "-shm", ".marker"] {
            fs::remove_file(format!("{}{ending}", site.database().display())).ok();
        }
        fs::rename(&backup, site.database()).unwrap();
        fs::remove_file(&file).unwrap();

        let _daemon = site.start();
        let jobs = site.wait_done(1);
        assert_eq!((jobs.len(), &jobs[0].video_key), (1, &key), "{jobs:?}");
        let videos = platform.videos();
        assert_eq!(videos.len(), 1, "{videos:?}");
        assert_eq!(Some(&videos[0].key), key.as_ref());
    }
}

#[test]
fn a_retry_takes_no_video_away_that_has_become_ready_since() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    platform.fault("s3-put", json!({"kind": "fail-processing", "message": "x"}));
    let _daemon = site.start();
    let file = site.drop_file("a.mp4", b"\x01ontent");
    let job = site.wait_jobs("the job to fail", |jobs| {
        jobs.first().filter(|job| job.state == "failed").cloned()
    });
    let key = job.video_key.unwrap();
    let ready = json!({"status": "ready"});
    platform.control("POST", &format!("videos/{key}"), &ready);
    fs::remove_file(&file).unwrap();
    site.output(&["retry", "1"]);
    let jobs = site.wait_done(1);
    assert_eq!(jobs[0].video_key.as_ref(), Some(&key), "{jobs:?}");
    let videos = platform.videos();
    assert!(videos.iter().any(|video| video.key == key), "{videos:?}");
}
