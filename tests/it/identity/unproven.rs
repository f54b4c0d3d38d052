//! A copy of a file of which the platform says neither that its video has the content nor that it has not.

use std::fs;

use rusqlite::Connection;
use serde_json::json;

use super::{LARGE, wait_state};
use crate::support::{Dice, Platform, Site, wait_for};

#[test]
fn a_copy_without_a_proof_is_uploaded_after_some_answers_and_says_why() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let untold = json!({"kind": "status", "status": 403});
    platform.faults("v2-originals", None, &untold);
    let retry = "[retry]\nfirst-delay = \"100ms\"\nmax-delay = \"200ms\"\n";
    let site = Site::v2(&platform, retry);
    let daemon = site.start();
    let content = dice.bytes(3_000_000);
    site.drop_file("a.mp4", &content);
    let key = site.wait_done(1)[0].video_key.clone().unwrap();
    // As a person does in the dashboard, who may have given it other bytes too.
    let edited = json!({"status": "ready"});
    platform.control("POST", &format!("videos/{key}"), &edited);

    let copy = site.drop_file("copy.mp4", &content);
    let own = wait_state(&site, &copy, "done").video_key.unwrap();
    assert_ne!(own, key);
    let asked = "SELECT count(*) FROM attempts WHERE job_id = 2 AND outcome = 'unproven'";
    assert_eq!(site.value(asked), Some(4), "three answers, and the reason");
    let said = site.output(&["explain", copy.to_str().unwrap()]);
    assert!(
        said.contains("uploaded as a video of its own: job 1"),
        "{said}"
    );
    assert!(said.contains("was changed on the platform"), "{said}");
    wait_for("both videos", || {
        (platform.videos().len() == 2).then_some(())
    });
    drop(daemon);
}

/// The answer to the last byte was lost, no sum of it was noted, as by an earlier release, and the file is gone before
/// one could be computed: the MD5 of the copy itself is compared with the one that the platform reports.
#[test]
fn a_copy_of_what_no_md5_is_known_of_is_compared_with_the_video() {
    for size in [5_000, LARGE] {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let more = "[retry]\nfirst-delay = \"100ms\"\nmax-delay = \"200ms\"\n\n[[watch]]\nname = \"drop\"\n\
                    path = \"{folder}\"\nsettle = \"200ms\"\nafter-upload = \"delete\"\ngrace = \"1s\"\n";
        let site = Site::with(&platform, more);
        platform.fault("s3-put", json!({"kind": "hold-after-acting"}));
        let daemon = site.start();
        let content = dice.bytes(size);
        let first = site.drop_file("first.mp4", &content);
        platform.wait("s3-put", "held", 1);
        daemon.kill9();
        fs::remove_file(&first).unwrap();
        platform.release();
        let db = Connection::open(site.database()).unwrap();
        let noted = db.execute("UPDATE tickets SET md5 = NULL WHERE md5 IS NOT NULL", []);
        assert_eq!(noted, Ok(1));
        drop(db);
        let daemon = site.start();
        wait_state(&site, &first, "done");
        let unknown = "SELECT count(*) FROM jobs WHERE md5 IS NULL AND verified IS NULL";
        assert_eq!(site.value(unknown), Some(1));

        let copy = site.drop_file("copy.mp4", &content);
        wait_state(&site, &copy, "duplicate");
        wait_for("the copy to be deleted", || (!copy.exists()).then_some(()));
        assert_eq!(platform.videos().len(), 1);
        let waited = "SELECT count(*) FROM attempts WHERE outcome = 'unproven'";
        assert_eq!(site.value(waited), Some(0), "nothing was waited for");
        drop(daemon);
    }
}

/// The platform says that what was sent is there, and neither it nor the table has an MD5.
#[test]
fn a_copy_that_nothing_can_be_compared_with_waits_before_it_is_uploaded() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let untold = json!({"kind": "status", "status": 403});
    platform.faults("v2-originals", None, &untold);
    let retry = "[retry]\nfirst-delay = \"100ms\"\nmax-delay = \"200ms\"\n";
    let site = Site::v2(&platform, retry);
    let daemon = site.start();
    let content = dice.bytes(LARGE);
    site.drop_file("a.mp4", &content);
    site.wait_done(1);
    daemon.signal("TERM");
    daemon.wait();
    let db = Connection::open(site.database()).unwrap();
    db.execute("UPDATE jobs SET md5 = NULL", []).unwrap();
    drop(db);

    let daemon = site.start();
    let copy = site.drop_file("copy.mp4", &content);
    wait_state(&site, &copy, "done");
    let asked = "SELECT count(*) FROM attempts WHERE job_id = 2 AND outcome = 'unproven'";
    assert_eq!(site.value(asked), Some(4), "three answers, and the reason");
    let said = site.output(&["explain", copy.to_str().unwrap()]);
    assert!(
        said.contains("the MD5 of what was sent is not known"),
        "{said}"
    );
    drop(daemon);
}
