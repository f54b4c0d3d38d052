//! The resumable upload host of the sandbox: what it takes, and what it says about what it has. The
//! expected answers were seen on a running nginx-upload-module.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::segments::{NAME, TOTAL, TYPE, Upload, bytes, next_answer};
use super::stand::{Stand, rest, text};

const LAST: usize = TOTAL - 1;

#[tokio::test]
async fn create_gives_a_session_and_show_has_it_while_it_is_open() {
    let stand = Stand::start().await;
    for (name, value) in [
        ("upload_method", "multipart"),
        ("resumable", "true"),
        ("resumable", "True"),
        ("resumable", "resumable"),
    ] {
        let answer = stand.ok("create", &[(name, value)]).await;
        let key = text(&answer["media"]["key"]);
        let link = json!({"protocol": "http", "address": stand.address,
                          "path": "/v1/videos/upload/resumable", "query": {"key": key}});
        assert_eq!(answer["link"], link, "{name}={value}");
        let session = text(&answer["session_id"]);
        assert!(session.len() == 40 && session.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(stand.show(&key).await["upload_session_id"], session);
        let upload = Upload::over(&stand, &answer);
        assert_eq!(upload.send(0, LAST).await.status, 200);
        assert_eq!(stand.show(&key).await["upload_session_id"], Value::Null);
    }
    let form = stand.ok("create", &[]).await;
    assert_eq!(form["session_id"], Value::Null);
    let video = stand.show(&text(&form["media"]["key"])).await;
    assert_eq!(video["upload_session_id"], Value::Null);
}

#[tokio::test]
async fn segments_are_merged_and_the_last_gap_completes_the_file() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    upload.send(0, 1).await.has("0-1/1000000");
    upload.send(2, 399_999).await.has("0-399999/1000000");
    let two = "0-399999/1000000,700000-999999/1000000";
    upload.send(700_000, LAST).await.has(two);
    upload.send(2, 399_999).await.has(two);
    upload.send(0, 1).await.has(two);
    let overlap = upload.send(300_000, 499_999).await;
    overlap.has("0-499999/1000000,700000-999999/1000000");
    assert_eq!(stand.show(&upload.key).await["status"], "created");
    let whole = upload.send(500_000, 699_999).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.header("range"), None);
    assert_eq!(
        serde_json::from_str::<Value>(&whole.body).unwrap(),
        json!({"status": "ok", "file": {"size": "1000000"}, "redirect_link": null,
               "media": {"type": "video", "key": upload.key}})
    );
    assert_eq!(stand.stored(&upload.key), bytes(0, LAST));
    let video = upload.stored().await;
    assert_eq!(
        (&video["received"], &video["size"]),
        (&json!(1), &json!(TOTAL))
    );
    assert_eq!(video["name"], "clip one.mp4");
    assert_eq!(stand.show(&upload.key).await["size"], "1000000");
    stand.nothing_incoming().await;
}

#[tokio::test]
async fn after_a_lost_final_answer_the_session_seems_new_and_the_video_is_finished() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    upload.send(0, 499_999).await.has("0-499999/1000000");
    let lost = json!({"on": "resumable", "fault": {"kind": "answer-lost"}});
    stand.fault(lost).await;
    assert_eq!(upload.send(500_000, LAST).await.status, 0);
    assert_eq!(stand.show(&upload.key).await["status"], "ready");
    upload.send(0, 1).await.has("0-1/1000000");
    let again = upload.send(500_000, LAST).await;
    again.has("0-1/1000000,500000-999999/1000000");
    // All of it once more, with other bytes: the session served already.
    let other = vec![7; TOTAL];
    let reply = upload.exchange(&upload.head(0, LAST), &other).await;
    reply.refused(403, "PermissionDenied");
    assert_eq!(stand.stored(&upload.key), bytes(0, LAST));
    assert_eq!(upload.stored().await["received"], 1);
    // Refused as it was, that upload is over as well.
    upload.send(0, 1).await.has("0-1/1000000");
}

#[tokio::test]
async fn a_segment_that_is_cut_off_never_was() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    for (begun, (first, last), then) in [
        (0, (0, 99_999), "0-1/1000000"),
        (1, (2, 99_999), "0-1/1000000"),
    ] {
        let mut stream = stand.connect().await;
        let head = upload.head(first, last);
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&bytes(first, 49_999)).await.unwrap();
        drop(stream);
        stand.reached("resumable", "broken", begun + 1).await;
        upload.send(0, 1).await.has(then);
    }
    let (received, arrived) = upload.counts().await;
    // What was cut off counts as far as it was read.
    assert!(
        received == 0 && (4..=100_002).contains(&arrived),
        "{arrived}"
    );
}

#[tokio::test]
async fn segments_may_come_at_the_same_time() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    // All three have arrived whole before the first one is acted on.
    let hold = json!({"on": "resumable", "times": 3, "fault": {"kind": "hold-before-acting"}});
    stand.fault(hold).await;
    let release = async {
        stand.reached("resumable", "held", 3).await;
        assert_eq!(stand.release().await, 3);
    };
    let (one, two, three, ()) = tokio::join!(
        upload.send(0, 299_999),
        upload.send(300_000, 599_999),
        upload.send(600_000, LAST),
        release
    );
    let mut statuses = [one.status, two.status, three.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201, 201]);
    assert_eq!(stand.stored(&upload.key), bytes(0, LAST));

    let upload = Upload::begin(&stand, &[]).await;
    let (one, two) = tokio::join!(upload.send(0, 299_999), upload.send(0, 299_999));
    one.has("0-299999/1000000");
    two.has("0-299999/1000000");
    assert_eq!(upload.counts().await, (0, 600_000));
}

#[tokio::test]
async fn of_two_headers_that_mean_the_same_the_later_one_wins() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    let session = |name: &str, value: &str| format!("{name}: {value}");
    let range = |name: &str, from: usize| format!("{name}: bytes {from}-{}/{TOTAL}", from + 1);
    for (headers, has) in [
        (
            [
                session("X-Session-ID", &upload.session),
                range("Content-Range", 0),
                range("x-content-range", 10),
                session("SESSION-ID", "other"),
            ],
            "10-11/1000000",
        ),
        (
            [
                session("Session-ID", "another"),
                range("X-Content-Range", 20),
                range("content-range", 30),
                session("x-session-id", "other"),
            ],
            "10-11/1000000,30-31/1000000",
        ),
    ] {
        let mut all = vec![TYPE, NAME];
        all.extend(headers.iter().map(String::as_str));
        upload
            .exchange(&upload.head_of(2, &all), b"ab")
            .await
            .has(has);
    }
    upload.send(0, 1).await.has("0-1/1000000");
}

#[tokio::test]
async fn a_connection_serves_many_segments_and_waits_for_a_go_ahead() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    let mut stream = stand.connect().await;
    for (first, last, has) in [(0, 9, "0-9/1000000"), (20, 29, "0-9/1000000,20-29/1000000")] {
        let head = upload
            .head(first, last)
            .replace("Connection: close\r\n", "");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&bytes(first, last)).await.unwrap();
        next_answer(&mut stream).await.has(has);
    }
    let head = upload
        .head(10, 19)
        .replace("Host", "Expect: 100-continue\r\nHost");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(next_answer(&mut stream).await.status, 100);
    stream.write_all(&bytes(10, 19)).await.unwrap();
    next_answer(&mut stream).await.has("0-29/1000000");
    assert_eq!(rest(&mut stream).await.unwrap(), "");
}

#[tokio::test]
async fn a_list_that_is_too_long_ends_early() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    let mut longest = 0;
    for at in 0..30 {
        let reply = upload.send(at * 100, at * 100 + 1).await;
        longest = longest.max(reply.body.len());
        assert_eq!(
            (reply.status, reply.body.starts_with("0-1/1000000")),
            (201, true)
        );
    }
    assert!((256..280).contains(&longest), "{longest}");
    // What is not shown is known anyway.
    assert_eq!(
        upload.send(0, 2899).await.body.len(),
        "0-2901/1000000".len()
    );
}

#[tokio::test]
async fn without_a_range_the_body_is_the_file() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    let session = format!("X-Session-ID: {}", upload.session);
    let head = upload.head_of(3, &[TYPE, NAME, &session]);
    assert_eq!(upload.exchange(&head, b"abc").await.status, 200);
    assert_eq!(stand.stored(&upload.key), b"abc");
}

#[tokio::test]
async fn a_finished_upload_is_processed_and_may_replace_a_file() {
    let stand = Stand::with(|options| options.processing = Duration::from_hours(1)).await;
    let upload = Upload::begin(&stand, &[]).await;
    let status = async |expected: &str| {
        assert_eq!(stand.show(&upload.key).await["status"], expected);
    };
    upload.send(0, 499_999).await.has("0-499999/1000000");
    status("created").await;
    assert_eq!(upload.send(500_000, LAST).await.status, 200);
    status("processing").await;
    stand.advance(3600).await;
    status("ready").await;

    let extra = [
        ("video_key", upload.key.as_str()),
        ("update_file", "True"),
        ("upload_method", "multipart"),
    ];
    let again = Upload::over(&stand, &stand.ok("update", &extra).await);
    assert_ne!(again.session, upload.session);
    assert_eq!(
        stand.show(&upload.key).await["upload_session_id"],
        again.session
    );
    let first = upload
        .exchange(&upload.head(0, LAST), &vec![1; TOTAL])
        .await;
    first.refused(403, "PermissionDenied");
    let second = again.exchange(&again.head(0, LAST), &vec![2; TOTAL]).await;
    assert_eq!(second.status, 200);
    status("updating").await;
    stand.advance(3600).await;
    status("ready").await;
    assert_eq!(stand.stored(&upload.key), vec![2; TOTAL]);
}
