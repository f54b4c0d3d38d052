//! A copy of a file of which the platform says neither that its video has the content nor that it has not.

use serde_json::json;

use super::wait_state;
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
