//! Waits are bounded: for any `Retry-After` of a server, nothing is delayed for longer than
//! `max-delay`.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Dice, Platform, Site, wait_for};

/// What no operator would wait for: ten years, the end of time, and a date.
const FAR: [&str; 3] = [
    "315360000",
    "18446744073709551615",
    "Fri, 31 Dec 2100 23:59:59 GMT",
];

/// The section's defaults in these tests have a `max-delay` of one second.
fn site(platform: &Platform, api: &str, method: &str) -> Site {
    let more = format!(
        "[upload]\ndirect-limit = \"1 MB\"\n\n[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\n\
         settle = \"200ms\"\nmethod = \"{method}\"\n"
    );
    match api {
        "v1" => Site::with(platform, &more),
        _ => Site::v2(platform, &more),
    }
}

fn refused(status: u16, wait: &str) -> Value {
    json!({"kind": "status", "status": status, "headers": {"Retry-After": wait}})
}

/// Every place at which a server can name a time for a job.
#[test]
fn no_server_puts_a_job_off_for_longer_than_max_delay() {
    for (api, method, size, places) in [
        (
            "v1",
            "s3",
            30_000,
            &[
                ("create", 503),
                ("s3-put", 429),
                ("s3-put", 503),
                ("list", 503),
            ][..],
        ),
        ("v1", "form", 30_000, &[("form-upload", 503)]),
        ("v1", "resumable", 30_000, &[("resumable", 503)]),
        (
            "v2",
            "direct",
            30_000,
            &[
                ("v2-create", 503),
                ("s3-put", 429),
                ("s3-put", 503),
                ("v2-list", 503),
            ],
        ),
        (
            "v2",
            "multipart",
            20_000_000,
            &[
                ("part-put", 429),
                ("part-put", 503),
                ("v2-parts", 503),
                ("v2-complete", 503),
            ],
        ),
    ] {
        let platform = Platform::start();
        let site = site(&platform, api, method);
        let daemon = site.start();
        let (mut dice, mut files) = (Dice::new(), Vec::new());
        for (index, (on, status)) in places.iter().enumerate() {
            platform.faults(on, Some(2), &refused(*status, FAR[index % FAR.len()]));
            files.push(site.drop_file(&format!("{index}.mp4"), &dice.bytes(size)));
            site.wait_jobs(&format!("{api} {method}: {on} answers {status}"), |jobs| {
                let done = jobs.iter().filter(|job| job.state == "done").count();
                (done > index).then_some(())
            });
            platform.clear_faults();
        }
        site.assert_exactly_one_each(&platform, &files);
        drop(daemon);
    }
}

#[test]
fn no_server_puts_a_sidecar_or_a_withdrawal_off_for_longer_than_max_delay() {
    for (api, method, update, delete, create) in [
        ("v1", "s3", "update", "delete", "create"),
        ("v2", "direct", "v2-update", "v2-delete", "v2-create"),
    ] {
        let platform = Platform::start();
        let site = site(&platform, api, method);
        let daemon = site.start();
        let file = site.drop_file("told.mp4", &Dice::new().bytes(30_000));
        site.wait_done(1);
        platform.faults(update, Some(2), &refused(503, FAR[0]));
        fs::write(site.folder().join("told.json"), r#"{"title": "Harbour"}"#).unwrap();
        wait_for("the sidecar to be told", || {
            let videos = platform.videos();
            videos
                .iter()
                .any(|video| video.title == "Harbour")
                .then_some(())
        });
        // Its answer is lost, so that what it made is withdrawn.
        platform.faults(delete, Some(2), &refused(503, FAR[1]));
        platform.fault(create, json!({"kind": "answer-lost"}));
        let other = site.drop_file("begun.mp4", &Dice::new().bytes(31_000));
        site.wait_done(2);
        site.assert_exactly_one_each(&platform, &[file, other]);
        drop(daemon);
    }
}
