//! After the bytes: the platform cannot be asked, cannot use the file, or has another one.

use serde_json::{Value, json};

use super::{Bench, SMALL, status, wrong};

#[test]
fn a_list_that_is_broken_for_a_while_only_takes_time() {
    let mut bench = Bench::new("");
    for fault in [
        status(500),
        wrong("huge"),
        wrong("garbage"),
        wrong("other-types"),
        wrong("error"),
        json!({"kind": "reset"}),
    ] {
        bench.platform.faults("list", Some(2), &fault);
        bench.drop_file(SMALL);
        bench.site.wait_done(bench.files.len());
        let id = bench.site.jobs().last().unwrap().id;
        assert_eq!(
            bench.site.story(id),
            ["create done", "transfer done"],
            "{fault}"
        );
    }
    assert_eq!(bench.platform.count("s3-put", "received"), 6);
    bench.end();
}

#[test]
fn an_entry_that_nobody_can_read_holds_up_no_other_video() {
    let mut bench = Bench::new("");
    let list =
        json!({"status": "ok", "total": 1, "videos": [{"key": "tL17msiU", "title": "no status"}]});
    let fault = json!({"kind": "status", "status": 200, "body": list.to_string()});
    bench.platform.faults("list", None, &fault);
    bench.drop_file(SMALL);
    bench.site.wait_done(1);
    assert!(bench.platform.count("show", "answered") > 0);
    bench.platform.clear_faults();
    bench.end();
}

#[test]
fn what_the_platform_cannot_process_fails_and_retry_uploads_it_again() {
    let mut bench = Bench::new("");
    let why = "Codec not supported: \"xyz\"";
    bench
        .platform
        .fault("s3-put", json!({"kind": "fail-processing", "message": why}));
    bench.drop_file(SMALL);
    let job = bench.site.wait_jobs("the job to fail", |jobs| {
        jobs.first().filter(|job| job.state == "failed").cloned()
    });
    let message = job.last_error.unwrap();
    assert!(message.contains(why), "{message}");
    assert_eq!(bench.site.story(1).last().unwrap(), "confirm permanent");
    // The failed video stays for a person to look at, until it is tried again.
    assert_eq!(bench.platform.videos()[0].status, "failed");
    bench.site.output(&["retry", "--failed"]);
    bench.site.wait_done(1);
    bench.end();
}

/// Holds the first look, so that the video's key is known before the platform says anything of it.
fn says_of_it(bench: &mut Bench, times: u32, answer: impl Fn(&str) -> Value) {
    bench
        .platform
        .fault("list", json!({"kind": "hold-after-acting"}));
    bench.drop_file(SMALL);
    bench.platform.wait("list", "held", 1);
    let key = bench.site.jobs()[0].video_key.clone().unwrap();
    let processing = json!({"status": "processing"});
    bench
        .platform
        .control("POST", &format!("videos/{key}"), &processing);
    bench.platform.clear_faults();
    let body = answer(&key).to_string();
    let fault = json!({"kind": "status", "status": 200, "body": body});
    bench.platform.faults("list", Some(times), &fault);
}

fn ready_with(key: &str, md5: &str, size: usize) -> Value {
    json!({"status": "ok", "limit": 200, "offset": 0, "total": 1,
           "videos": [{"key": key, "status": "ready", "md5": md5, "size": size.to_string(),
                       "title": "x", "custom": {}, "duration": "4.0"}]})
}

#[test]
fn a_video_with_other_bytes_is_withdrawn_and_sent_once_more() {
    let mut bench = Bench::new("");
    says_of_it(&mut bench, 1, |key| ready_with(key, &"0".repeat(32), SMALL));
    bench.site.wait_done(1);
    let story = bench.site.story(1);
    let expected = [
        "create done",
        "transfer done",
        "confirm mismatch",
        "create done",
        "transfer done",
    ];
    assert_eq!(story, expected);
    bench.end();
}

#[test]
fn a_video_that_was_deleted_there_fails_and_retry_uploads_it_again() {
    let mut bench = Bench::new("");
    says_of_it(&mut bench, 0, |_| Value::Null);
    let key = bench.site.jobs()[0].video_key.clone().unwrap();
    bench
        .site
        .output(&["call", "/videos/delete", &format!("video_key={key}")]);
    let message = bench.site.wait_jobs("the job to fail", |jobs| {
        let job = jobs.first().filter(|job| job.state == "failed")?;
        job.last_error.clone()
    });
    assert!(message.contains("deleted"), "{message}");
    bench.site.output(&["retry", "1"]);
    bench.site.wait_done(1);
    bench.end();
}

#[test]
fn a_video_that_never_gets_its_bytes_is_given_up_and_retry_uploads_it_again() {
    let config = "[confirm]\npoll-interval = \"100ms\"\ngive-up-after = \"1s\"\n";
    let mut bench = Bench::new(config);
    // The store says that it has the file, and has not.
    let lie = json!({"kind": "status", "status": 200, "body": "",
                     "headers": {"ETag": "\"0123-of-an-encrypted-object\""}});
    bench.platform.fault("s3-put", lie);
    bench.drop_file(SMALL);
    let message = bench.site.wait_jobs("the job to fail", |jobs| {
        let job = jobs.first().filter(|job| job.state == "failed")?;
        job.last_error.clone()
    });
    assert!(message.contains("created"), "{message}");
    bench.site.output(&["retry", "1"]);
    bench.site.wait_done(1);
    bench.end();
}
