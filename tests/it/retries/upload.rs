//! Bad ends of an upload, by S3 and by form.

use serde_json::{Value, json};

use super::{BIG, Bench, SMALL, s3_error, status, wrong};

const QUICK_TO_STALL: &str = "[upload]\nstall-timeout = \"1s\"\n";
const FORM: &str = "[upload]\ns3-limit = \"1 kB\"\nstall-timeout = \"1s\"\n";

const AGAIN: [&str; 3] = ["create done", "transfer transient", "transfer done"];
const ANEW: [&str; 4] = [
    "create done",
    "transfer link-expired",
    "create done",
    "transfer done",
];
const ASKED: [&str; 3] = ["create done", "transfer ambiguous", "transfer done"];

fn all(bench: &mut Bench, on: &str, cases: Vec<(Value, usize, &[&str])>) {
    for (fault, size, expected) in cases {
        let before = bench.platform.count("create", "acted");
        let story = bench.meets(on, fault.clone(), size);
        // An answer that comes early may be read when all bytes are out: then the platform is asked.
        let asked = fault["kind"] == "early-answer" && expected == AGAIN && story == ASKED;
        assert!(story == expected || asked, "{fault}: {story:?}");
        let made = bench.platform.count("create", "acted") - before;
        let anew = expected
            .iter()
            .filter(|told| **told == "create done")
            .count();
        assert_eq!(usize::try_from(made), Ok(anew), "{fault}");
    }
}

#[test]
fn every_bad_end_of_an_s3_put_ends_in_one_video() {
    let mut bench = Bench::new(QUICK_TO_STALL);
    let expired = s3_error(403, "AccessDenied", "Request has expired");
    let mismatch = s3_error(
        403,
        "SignatureDoesNotMatch",
        "The request signature differs",
    );
    let idle = s3_error(
        400,
        "RequestTimeout",
        "Your socket connection was not read from",
    );
    let early_refusal = json!({"kind": "early-answer", "status": 403, "body": expired["body"]});
    let cases: Vec<(Value, usize, &[&str])> = vec![
        (expired, SMALL, &ANEW),
        (mismatch, SMALL, &ANEW),
        (early_refusal, BIG, &ANEW),
        (
            s3_error(503, "SlowDown", "Reduce your request rate"),
            SMALL,
            &AGAIN,
        ),
        (idle, SMALL, &AGAIN),
        (
            json!({"kind": "reset", "after_bytes": 1_000_000}),
            BIG,
            &AGAIN,
        ),
        (
            json!({"kind": "stall", "after_bytes": 1_000_000}),
            BIG,
            &AGAIN,
        ),
        (
            json!({"kind": "early-answer", "status": 200, "body": ""}),
            BIG,
            &AGAIN,
        ),
        (
            json!({"kind": "early-answer", "status": 503, "abrupt": true}),
            BIG,
            &AGAIN,
        ),
    ];
    all(&mut bench, "s3-put", cases);
    let attempts = bench.site.attempts(7);
    let stalled = attempts[1].message.as_deref().unwrap();
    assert!(stalled.contains("took no data"), "{stalled}");
    assert!(attempts[1].bytes_sent > 0, "{attempts:?}");
    bench.end();
}

#[test]
fn an_s3_put_whose_answer_says_nothing_is_not_sent_twice() {
    let mut bench = Bench::new("");
    let gateway = json!({"kind": "status", "status": 502, "body": "<html>Bad gateway</html>"});
    let cases: Vec<(Value, usize, &[&str])> = vec![
        (json!({"kind": "answer-lost"}), SMALL, &ASKED),
        // None of these names an ETag, as S3 always does.
        (wrong("empty"), SMALL, &ASKED),
        (wrong("huge"), SMALL, &ASKED),
        (wrong("html"), SMALL, &ASKED),
    ];
    let sent = u64::try_from(cases.len()).unwrap();
    all(&mut bench, "s3-put", cases);
    assert_eq!(bench.platform.count("s3-put", "received"), sent);
    // These did not get through: they are asked for, waited for, and sent again.
    let lie = json!({"kind": "wrong-answer", "how": "empty", "act": false});
    let lost: Vec<(Value, usize, &[&str])> = vec![(gateway, SMALL, &ASKED), (lie, SMALL, &ASKED)];
    all(&mut bench, "s3-put", lost);
    assert_eq!(bench.platform.count("s3-put", "received"), sent + 4);
    bench.end();
}

#[test]
fn every_bad_end_of_a_form_upload_ends_in_one_video() {
    let mut bench = Bench::new(FORM);
    let other_md5 = json!({"status": "ok", "file": {"size": SMALL, "md5": "0".repeat(32)},
                           "media": {"type": "video", "key": "x"}});
    let other_size = json!({"status": "ok", "file": {"size": 17, "md5": "0".repeat(32)}});
    let used = json!({"status": "error", "code": "PermissionDenied",
                      "message": "token: The upload token has expired"});
    let canned = |status: u16, body: Value| json!({"kind": "status", "status": status, "body": body.to_string()});
    let cases: Vec<(Value, usize, &[&str])> = vec![
        (canned(200, other_md5), SMALL, &ANEW),
        (canned(200, other_size), SMALL, &ANEW),
        (canned(403, used), SMALL, &ANEW),
        (status(503), SMALL, &AGAIN),
        (status(500), SMALL, &ASKED),
        (
            json!({"kind": "reset", "after_bytes": 1_000_000}),
            BIG,
            &AGAIN,
        ),
        (
            json!({"kind": "stall", "after_bytes": 1_000_000}),
            BIG,
            &AGAIN,
        ),
        (json!({"kind": "early-answer", "status": 200}), BIG, &AGAIN),
        (
            json!({"kind": "early-answer", "status": 502, "body": "<html>"}),
            BIG,
            &AGAIN,
        ),
    ];
    all(&mut bench, "form-upload", cases);
    bench.end();
}

#[test]
fn a_form_upload_whose_answer_says_nothing_is_not_sent_twice() {
    let mut bench = Bench::new(FORM);
    let cases: Vec<(Value, usize, &[&str])> = vec![
        (json!({"kind": "answer-lost"}), SMALL, &ASKED),
        (wrong("garbage"), SMALL, &ASKED),
        (wrong("empty"), SMALL, &ASKED),
        (wrong("html"), SMALL, &ASKED),
        (wrong("truncated-json"), SMALL, &ASKED),
        (wrong("error"), SMALL, &ASKED),
        (wrong("huge"), SMALL, &ASKED),
        (wrong("other-types"), SMALL, &ASKED),
    ];
    let sent = u64::try_from(cases.len()).unwrap();
    all(&mut bench, "form-upload", cases);
    assert_eq!(bench.platform.count("form-upload", "received"), sent);
    bench.end();
}
