//! A replacement that ended after its last byte without a clear answer: once it is quiet the platform is
//! asked whose content the video has.

use serde_json::{Value, json};

use super::{SMALL, one_is_up, put_over, wait_job, watch};
use crate::support::{Dice, Platform, Site, sha1_of, wait_for};

/// The first file's job is in doubt, and the daemon is off; answers its video's key.
fn doubted(site: &Site, platform: &Platform, v2: bool, put: &Value) -> String {
    let mut dice = Dice::new();
    let (daemon, file, key) = one_is_up(site, &mut dice, SMALL);
    let old = sha1_of(&file);
    platform.faults("s3-put", None, put);
    put_over(site, &file, &dice.bytes(SMALL));
    platform.wait("s3-put", "arrived", 2);
    let on = if v2 { "v2-get" } else { "show" };
    let busy = json!({"kind": "status", "status": 503});
    platform.faults(on, None, &busy);
    wait_job(site, 2, "the job to fail", |job| job.state == "failed");
    drop(daemon);
    platform.clear_faults();
    assert_eq!(arrival(site).as_deref(), Some("perhaps"));
    let arrives = put["kind"] == "answer-lost";
    wait_for("the platform to notice what has arrived", || {
        let video = platform.videos().remove(0);
        let is_new = video.sha1.as_ref() != Some(&old);
        (video.status == "ready" && is_new == arrives).then_some(())
    });
    key
}

fn arrival(site: &Site) -> Option<String> {
    site.value::<Option<String>>("SELECT replaced FROM jobs WHERE id = 1")?
}

/// A quarter of an hour passes.
fn let_time_pass(site: &Site) {
    let db = rusqlite::Connection::open(site.database()).unwrap();
    let earlier = "strftime('%Y-%m-%dT%H:%M:%fZ', replaced_at, '-15 minutes')";
    let sql = format!("UPDATE jobs SET replaced_at = {earlier} WHERE id = 1");
    assert_eq!(db.execute(&sql, []).unwrap(), 1);
}

fn site(v2: bool, platform: &Platform) -> Site {
    let more = format!(
        "[retry]\nfirst-delay = \"100ms\"\nmax-delay = \"300ms\"\ngive-up-after = \"3s\"\n{}",
        watch("replace", "")
    );
    if v2 {
        Site::v2(platform, &more)
    } else {
        Site::with(platform, &more)
    }
}

#[test]
fn the_platform_settles_whose_content_a_video_has() {
    for (v2, kind) in [
        (false, "reset"),
        (false, "answer-lost"),
        (true, "reset"),
        (true, "answer-lost"),
    ] {
        let platform = Platform::start();
        let site = site(v2, &platform);
        let key = doubted(&site, &platform, v2, &json!({"kind": kind}));
        // Too soon: what was sent may be noticed yet.
        let daemon = site.start();
        site.drop_file("other.mp4", &[7; 1000]);
        site.wait_done(2);
        assert_eq!(arrival(&site).as_deref(), Some("perhaps"));
        drop(daemon);
        let_time_pass(&site);
        let asked = platform.count(if v2 { "v2-get" } else { "show" }, "arrived");
        let daemon = site.start();
        let has_arrived = kind == "answer-lost";
        let expected = has_arrived.then(|| "yes".to_owned());
        let said = if has_arrived {
            format!("video {key} has other content by now, although job 2")
        } else {
            format!("video {key} has its content still, and that of job 2 did not arrive")
        };
        site.wait_log(&said);
        wait_for("the answer to be written down", || {
            (arrival(&site) == expected).then_some(())
        });
        let by = site.value::<Option<i64>>("SELECT replaced_by FROM jobs WHERE id = 1");
        assert_eq!(by.flatten(), has_arrived.then_some(2));
        assert!(platform.count(if v2 { "v2-get" } else { "show" }, "arrived") > asked);
        let first = &site.jobs()[0];
        assert_eq!((first.state.as_str(), first.superseded), ("done", false));
        drop(daemon);
    }
}
