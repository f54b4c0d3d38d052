//! When the next attempt is: stored, kept, as late as the server asked, and not forever.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Bench, SMALL, status};
use crate::support::{Dice, Platform, Site};

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// How long after the end of the first attempt the second began.
fn pause_after_first(site: &Site, job: i64) -> SignedDuration {
    let tries = site.attempts(job);
    let end = moment(tries[0].ended_at.as_deref().unwrap());
    moment(&tries[1].started_at).duration_since(end)
}

#[test]
fn retry_after_is_honoured_up_to_the_longest_wait() {
    let mut bench = Bench::new("[retry]\nfirst-delay = \"100ms\"\nmax-delay = \"5s\"\n");
    for code in [429, 503] {
        let fault = json!({"kind": "status", "status": code, "headers": {"Retry-After": "2"}});
        let story = bench.meets("create", fault, SMALL);
        assert_eq!(story[0], "create transient");
        let id = bench.site.jobs().last().unwrap().id;
        let pause = pause_after_first(&bench.site, id);
        assert!(
            pause >= SignedDuration::from_millis(1900),
            "{code}: {pause:?}"
        );
    }
    let fault = json!({"kind": "status", "status": 503, "headers": {"Retry-After": "2"}});
    bench.platform.fault("s3-put", fault);
    bench.drop_file(SMALL);
    bench.site.wait_done(3);
    let tries = bench.site.attempts(3);
    let end = moment(tries[1].ended_at.as_deref().unwrap());
    let pause = moment(&tries[2].started_at).duration_since(end);
    assert!(pause >= SignedDuration::from_millis(1900), "{pause:?}");
    bench.end();
}

#[test]
fn the_time_of_the_next_try_survives_a_kill_and_retry_brings_it_forward() {
    let mut bench = Bench::new("[retry]\nfirst-delay = \"1h\"\nmax-delay = \"2h\"\n");
    bench.platform.fault("create", status(503));
    bench.drop_file(SMALL);
    let run_at =
        |site: &Site| -> String { site.value("SELECT run_at FROM jobs WHERE id = 1").unwrap() };
    bench.site.wait_jobs("the first try to fail", |jobs| {
        jobs.first().and_then(|job| job.last_error.clone())
    });
    let stored = run_at(&bench.site);
    let wait = moment(&stored).duration_since(jw_ingest::clock::now());
    assert!(
        (SignedDuration::from_mins(40)..SignedDuration::from_mins(80)).contains(&wait),
        "{wait:?}"
    );
    bench.daemon.take().unwrap().kill9();
    bench.daemon = Some(bench.site.start());
    // Another file goes up meanwhile: the daemon is at work, and leaves the first one its time.
    bench.drop_file(SMALL);
    bench.site.wait_done(1);
    assert_eq!(run_at(&bench.site), stored);
    assert_eq!(bench.site.jobs()[0].state, "queued");
    assert_eq!(bench.site.attempts(1).len(), 1);
    bench.site.output(&["retry", "1"]);
    bench.site.wait_done(2);
    bench.end();
}

#[test]
fn what_fails_for_too_long_is_given_up_with_a_sentence() {
    let retry = "[retry]\nfirst-delay = \"100ms\"\nmax-delay = \"200ms\"\ngive-up-after = \"1s\"\n";
    let mut bench = Bench::new(retry);
    bench.platform.faults("s3-put", None, &status(503));
    bench.drop_file(SMALL);
    let job = bench.site.wait_jobs("the job to be given up", |jobs| {
        jobs.first().filter(|job| job.state == "failed").cloned()
    });
    let message = job.last_error.clone().unwrap();
    assert!(
        message.contains("given up: every attempt since"),
        "{message}"
    );
    assert!(message.contains("SlowDown"), "{message}");
    assert!(job.attempts >= 3, "{job:?}");
    // The draft goes; a retry makes another.
    crate::support::wait_for("the draft to go", || {
        bench.platform.videos().is_empty().then_some(())
    });
    bench.platform.clear_faults();
    bench.site.output(&["retry", "--failed"]);
    bench.site.wait_done(1);
    bench.end();
}

#[test]
fn a_link_that_expired_before_the_upload_costs_one_more_video_which_replaces_it() {
    // The outage lasts longer than the link lives.
    let platform = Platform::with(|options| {
        options.link_lifetime = Duration::from_secs(6);
        options.processing = Duration::from_millis(100);
    });
    let site = Site::with(
        &platform,
        "[retry]\nfirst-delay = \"100ms\"\nmax-delay = \"20s\"\n",
    );
    platform.fault(
        "s3-put",
        json!({"kind": "status", "status": 503, "headers": {"Retry-After": "8"}}),
    );
    let daemon = site.start();
    let file = site.drop_file("late.mp4", &Dice::new().bytes(SMALL));
    site.wait_done(1);
    let expected = [
        "create done",
        "transfer transient",
        "transfer link-expired",
        "create done",
        "transfer done",
    ];
    assert_eq!(site.story(1), expected);
    // It was not even tried with the old link.
    assert_eq!(platform.count("s3-put", "arrived"), 2);
    site.assert_exactly_one_each(&platform, &[file]);
    site.assert_no_secrets();
    drop(daemon);
}

#[test]
fn a_link_that_the_platform_calls_expired_is_replaced_too() {
    let platform = Platform::with(|options| options.processing = Duration::from_millis(100));
    let site = Site::new(&platform);
    platform.fault("create", json!({"kind": "hold-after-acting"}));
    let daemon = site.start();
    let file = site.drop_file("late.mp4", &Dice::new().bytes(SMALL));
    platform.wait("create", "held", 1);
    // A clock that runs ahead on the other side: the link is a week old at once.
    platform.control("POST", "clock", &json!({"advance_s": 8 * 24 * 3600}));
    platform.release();
    // The signed calls are too old for such a clock as well: no account may work until it is fixed.
    site.wait_jobs("the link to be refused", |jobs| {
        let refused = |job: &crate::support::JobRow| {
            site.story(job.id)
                .contains(&"transfer link-expired".to_owned())
        };
        jobs.iter().any(refused).then_some(())
    });
    platform.control("POST", "clock", &json!({"advance_s": -8 * 24 * 3600}));
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    site.assert_no_secrets();
    drop(daemon);
}
