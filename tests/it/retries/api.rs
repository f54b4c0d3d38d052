//! Bad answers to the calls of the API: create, show, list, delete.

use serde_json::json;

use super::{Bench, SMALL, status, wrong};

#[test]
fn every_bad_answer_to_create_ends_in_one_video() {
    let html = json!({"kind": "status", "status": 503, "body": "<html>Bad gateway</html>"});
    let not_made = json!({"kind": "wrong-answer", "how": "error", "act": false});
    let cases = [
        // What may have been carried out is looked for first…
        (status(500), "ambiguous"),
        (html, "ambiguous"),
        (wrong("garbage"), "ambiguous"),
        (wrong("empty"), "ambiguous"),
        (wrong("html"), "ambiguous"),
        (wrong("truncated-json"), "ambiguous"),
        (wrong("other-types"), "ambiguous"),
        (wrong("error"), "ambiguous"),
        (wrong("huge"), "ambiguous"),
        (not_made, "ambiguous"),
        (json!({"kind": "answer-lost"}), "ambiguous"),
        (json!({"kind": "reset"}), "ambiguous"),
        // … and what certainly was not is simply done again.
        (status(503), "transient"),
        (
            json!({"kind": "status", "status": 404, "body": "not here"}),
            "transient",
        ),
    ];
    let mut bench = Bench::new("");
    for (fault, outcome) in cases {
        let story = bench.meets("create", fault.clone(), SMALL);
        let expected = [
            format!("create {outcome}"),
            "create done".to_owned(),
            "transfer done".to_owned(),
        ];
        assert_eq!(story, expected, "{fault}");
        let attempts = bench.site.jobs().last().unwrap().attempts;
        assert!((2..=3).contains(&attempts), "{fault}: {attempts}");
    }
    bench.end();
}

#[test]
fn a_refused_create_fails_the_job_and_retry_mends_it() {
    let mut bench = Bench::new("");
    let body = json!({"status": "error", "code": "ParameterInvalid", "title": "Parameter Invalid",
                      "message": "title: too long"});
    bench.platform.fault(
        "create",
        json!({"kind": "status", "status": 400, "body": body.to_string()}),
    );
    bench.drop_file(SMALL);
    let message = bench.site.wait_jobs("the job to fail", |jobs| {
        let job = jobs.first().filter(|job| job.state == "failed")?;
        job.last_error.clone()
    });
    assert!(message.contains("title: too long"), "{message}");
    assert!(bench.platform.videos().is_empty());
    bench.site.output(&["retry", "1"]);
    bench.site.wait_done(1);
    bench.end();
}

#[test]
fn a_show_that_is_broken_for_a_while_sends_nothing_twice() {
    let mut bench = Bench::new("");
    for fault in [status(500), wrong("huge"), json!({"kind": "reset"})] {
        bench.platform.faults("show", Some(2), &fault);
        let story = bench.meets("s3-put", json!({"kind": "answer-lost"}), SMALL);
        let expected = [
            "create done",
            "transfer ambiguous",
            "transfer transient",
            "transfer done",
        ];
        // A show that works may still find the object unnoticed.
        let story: Vec<_> = story.iter().map(String::as_str).collect();
        let shown = [&expected[..3], &expected[1..2], &expected[3..]].concat();
        assert!(story == expected || story == shown, "{story:?}");
    }
    assert_eq!(bench.platform.count("s3-put", "received"), 3);
    bench.end();
}

#[test]
fn a_lookup_that_is_broken_for_a_while_makes_no_second_video() {
    let mut bench = Bench::new("");
    bench.platform.faults("list", Some(2), &status(500));
    let story = bench.meets("create", json!({"kind": "answer-lost"}), SMALL);
    let expected = [
        "create ambiguous",
        "create transient",
        "create ambiguous",
        "create done",
        "transfer done",
    ];
    assert_eq!(story, expected);
    assert_eq!(
        bench.platform.count("create", "acted"),
        2,
        "the first is withdrawn"
    );
    bench.end();
}

#[test]
fn a_withdrawal_that_is_refused_for_a_while_is_done_in_the_end() {
    let mut bench = Bench::new("");
    bench.platform.faults("delete", Some(3), &status(500));
    bench.meets("create", json!({"kind": "answer-lost"}), SMALL);
    bench.platform.faults("delete", Some(2), &wrong("html"));
    bench.meets("create", json!({"kind": "answer-lost"}), SMALL);
    bench.end();
}
