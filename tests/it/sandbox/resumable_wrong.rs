//! The resumable upload host of the sandbox: what it refuses, in silence or in words.

use std::time::Duration;

use jw_ingest::sandbox::OneByte;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::segments::{NAME, TOTAL, TYPE, Upload, bytes};
use super::stand::{Stand, rest};

const LAST: usize = TOTAL - 1;
const RANGE: &str = "X-Content-Range: bytes 0-1/1000000";
const SESSION: &str = "X-Session-ID: some-session_1";

#[tokio::test]
async fn the_connection_is_closed_in_silence() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    let cases = [
        [TYPE, NAME, RANGE, "X-Session-ID:"],
        [TYPE, NAME, RANGE, "X-Session-ID: a/b"],
        [TYPE, NAME, RANGE, "Session-ID: a.b"],
        [TYPE, NAME, RANGE, "Session-ID: a+b"],
        [TYPE, NAME, "X-Content-Range: bytes=0-1/1000000", SESSION],
        [TYPE, NAME, "X-Content-Range: 0-1/1000000", SESSION],
        [TYPE, NAME, "X-Content-Range: bytes 0-1/*", SESSION],
        [TYPE, NAME, "Content-Range: bytes */1000000", SESSION],
        [TYPE, NAME, "Content-Range: bytes 3-2/1000000", SESSION],
        [
            TYPE,
            NAME,
            "Content-Range: bytes 999999-1000000/1000000",
            SESSION,
        ],
        [TYPE, NAME, "Content-Range:", SESSION],
        [TYPE, "Content-Disposition: inline", RANGE, SESSION],
        [
            TYPE,
            "Content-Disposition: attachment; filename=\"x",
            RANGE,
            SESSION,
        ],
        // The earlier of two has to be right too.
        [
            TYPE,
            NAME,
            "X-Content-Range: items 0-1/9\r\nContent-Range: bytes 0-1/9",
            SESSION,
        ],
    ];
    // With a body that is still coming when the connection is closed, too.
    let large = vec![7; 3_000_000];
    let coming = [
        [TYPE, "Content-Disposition: inline", NAME, RANGE],
        [
            TYPE,
            NAME,
            "Content-Range: bytes=0-2999999/9000000",
            SESSION,
        ],
        [
            TYPE,
            NAME,
            "Session-ID: a/b",
            "Content-Range: bytes 0-2999999/9000000",
        ],
    ];
    let small = cases.iter().map(|headers| (headers, &b"ab"[..]));
    let large = coming.iter().map(|headers| (headers, large.as_slice()));
    for (headers, body) in small.chain(large) {
        let head = upload.head_of(body.len(), headers);
        let reply = upload.exchange(&head, body).await;
        assert_eq!((reply.status, reply.head.as_str()), (0, ""), "{headers:?}");
    }
    let silent = u64::try_from(cases.len() + coming.len()).unwrap();
    stand.reached("resumable", "broken", silent).await;
    stand.nothing_incoming().await;
    upload.send(0, 1).await.has("0-1/1000000");
}

#[tokio::test]
async fn the_web_server_refuses_by_the_head_alone() {
    let stand = Stand::with(|options| options.segment_limit = Some(5000)).await;
    let upload = Upload::begin(&stand, &[]).await;
    let long = format!("X-Session-ID: {}", "x".repeat(600));
    for (length, headers, status) in [
        (2, vec![NAME, RANGE, SESSION], 400),
        (2, vec![TYPE, RANGE, SESSION], 415),
        (
            2,
            vec!["Content-Type: multipart/form-data; boundary=X", NAME],
            415,
        ),
        (3, vec![TYPE, NAME, RANGE, SESSION], 416),
        (1, vec![TYPE, NAME, RANGE, SESSION], 416),
        (
            5000,
            vec![TYPE, NAME, "Content-Range: bytes 0-/1000000", SESSION],
            416,
        ),
        (
            5001,
            vec![TYPE, NAME, "Content-Range: bytes 0-5000/1000000", SESSION],
            413,
        ),
        (
            2,
            vec![TYPE, NAME, "Content-Range: bytes 0-1/26214400001", SESSION],
            413,
        ),
        (2, vec![TYPE, NAME, RANGE, &long], 503),
        (0, vec![TYPE, NAME, SESSION], 400),
    ] {
        let head = upload.head_of(length, &headers);
        let reply = upload.exchange(&head, &vec![7; length]).await;
        assert_eq!(reply.status, status, "{headers:?} {reply:?}");
    }
    let chunked = [TYPE, NAME, RANGE, SESSION, "Transfer-Encoding: chunked"];
    let head = upload.head_without_length("POST", &chunked);
    let reply = upload.exchange(&head, b"2\r\nab\r\n0\r\n\r\n").await;
    assert_eq!(reply.status, 416);
    for (method, status) in [("PUT", 405), ("GET", 405), ("OPTIONS", 200)] {
        let head = upload.head_without_length(method, &["Content-Length: 0"]);
        assert_eq!(upload.exchange(&head, b"").await.status, status, "{method}");
    }
    // At the limit it is taken.
    upload.send(0, 4999).await.has("0-4999/1000000");
}

#[tokio::test]
async fn a_form_without_a_file_is_an_error_in_json() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    upload.send(0, 399_999).await.has("0-399999/1000000");
    // Another total within the session.
    let session = format!("Session-ID: {}", upload.session);
    let other = [
        TYPE,
        NAME,
        "Content-Range: bytes 400000-400001/1000001",
        &session,
    ];
    let reply = upload.exchange(&upload.head_of(2, &other), b"ab").await;
    reply.refused(400, "FileUploadFailed");
    // No session to keep a range in.
    let reply = upload
        .exchange(&upload.head_of(2, &[TYPE, NAME, RANGE]), b"ab")
        .await;
    reply.refused(400, "FileUploadFailed");
    upload.send(0, 1).await.has("0-399999/1000000");
    assert_eq!(upload.send(400_000, LAST).await.status, 200);
    assert_eq!(stand.stored(&upload.key), bytes(0, LAST));
}

#[tokio::test]
async fn a_full_disk_is_an_error_in_json_and_nothing_counts() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    upload.send(0, 99_999).await.has("0-99999/1000000");
    // A file in the place of the folder for uploads in progress: nothing can be written there.
    let incoming = stand.dir.join("incoming");
    std::fs::remove_dir(&incoming).unwrap();
    std::fs::write(&incoming, "").unwrap();
    let reply = upload.send(100_000, LAST).await;
    reply.refused(400, "FileUploadFailed");
    // It was read to its end anyway.
    assert_eq!(upload.counts().await, (0, 1_000_000));
    std::fs::remove_file(&incoming).unwrap();
    std::fs::create_dir(&incoming).unwrap();
    upload.send(0, 1).await.has("0-99999/1000000");
    // Neither where there is room for the segment, but none for the session's name.
    let long = upload.forged(&upload.key, &"x".repeat(250));
    long.send(0, 99).await.refused(400, "FileUploadFailed");
    assert_eq!(upload.send(100_000, LAST).await.status, 200);
}

#[tokio::test]
async fn one_byte_by_itself_poisons_its_session() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    upload.send(0, 0).await.has("0-0/1000000");
    for (first, last) in [(0, 1), (1, 5), (0, LAST)] {
        let reply = upload.send(first, last).await;
        reply.refused(400, "FileUploadFailed");
    }
    assert_eq!(stand.show(&upload.key).await["status"], "created");
    // One that touches what is there does no harm.
    let upload = Upload::begin(&stand, &[]).await;
    upload.send(0, LAST - 1).await.has("0-999998/1000000");
    assert_eq!(upload.send(LAST, LAST).await.status, 200);
}

#[tokio::test]
async fn an_older_host_refuses_any_single_byte() {
    let stand = Stand::with(|options| options.one_byte = OneByte::Refused).await;
    let upload = Upload::begin(&stand, &[]).await;
    assert_eq!(upload.send(0, 0).await.status, 0);
    upload.send(0, LAST - 1).await.has("0-999998/1000000");
    assert_eq!(upload.send(LAST, LAST).await.status, 0);
    assert_eq!(upload.send(LAST - 1, LAST).await.status, 200);
}

#[tokio::test]
async fn sessions_that_no_video_knows_are_refused_when_the_file_is_complete() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    let other = Upload::begin(&stand, &[]).await;
    let (form, _) = stand.create(&[]).await;
    let made_up = "e0a7c3c4-6d0f-4d0e-9a53-7f9f2c1f0b11";
    for (key, session, status, code) in [
        ("absent00", upload.session.as_str(), 404, "NotFound"),
        (&upload.key, made_up, 403, "PermissionDenied"),
        (&upload.key, &other.session, 403, "PermissionDenied"),
        (&form, &upload.session, 403, "PermissionDenied"),
    ] {
        let forged = upload.forged(key, session);
        forged.send(0, 1).await.has("0-1/1000000");
        forged.send(2, LAST).await.refused(status, code);
    }
    let redirect = upload
        .head(0, LAST)
        .replace("?key=", "?redirect_address=http://x/&key=");
    let reply = upload.exchange(&redirect, &bytes(0, LAST)).await;
    reply.refused(501, "NotImplemented");
    assert_eq!(upload.send(0, LAST).await.status, 200);
    stand.ok("delete", &[("video_key", &other.key)]).await;
    other.send(0, LAST).await.refused(404, "NotFound");
    stand.nothing_incoming().await;
}

#[tokio::test]
async fn a_session_ends_with_its_link() {
    let stand = Stand::with(|options| options.link_lifetime = Duration::from_mins(1)).await;
    let upload = Upload::begin(&stand, &[]).await;
    upload.send(0, 99_999).await.has("0-99999/1000000");
    stand.advance(50).await;
    upload.send(0, 1).await.has("0-99999/1000000");
    stand.advance(30).await;
    let video = stand.show(&upload.key).await;
    assert_eq!(video["upload_session_id"], Value::Null);
    upload.send(0, 1).await.has("0-1/1000000");
    upload.send(2, LAST).await.refused(403, "PermissionDenied");
    assert_eq!(stand.show(&upload.key).await["status"], "created");
}

#[tokio::test]
async fn what_was_announced_is_checked_and_the_session_stays_good() {
    let stand = Stand::start().await;
    let wrong_md5 = "0".repeat(32);
    for (name, value, code) in [
        ("size", "1000001", "FileSizeInvalid"),
        ("md5", wrong_md5.as_str(), "DigestInvalid"),
    ] {
        let upload = Upload::begin(&stand, &[(name, value)]).await;
        for _ in 0..2 {
            upload.send(0, LAST).await.refused(400, code);
        }
        let video = stand.show(&upload.key).await;
        assert_eq!(
            (&video["status"], &video["upload_session_id"]),
            (&json!("created"), &json!(upload.session))
        );
    }
}

#[tokio::test]
async fn what_is_not_asked_for_in_json_is_answered_in_xml() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    let head = upload.head(0, LAST).replace("&api_format=json", "");
    let reply = upload.exchange(&head, &bytes(0, LAST)).await;
    let expected = format!("<video key=\"{}\"><size>1000000</size>", upload.key);
    assert!(reply.body.contains(&expected), "{reply:?}");
}

#[tokio::test]
async fn a_client_that_stops_sending_is_given_up() {
    let stand = Stand::with(|options| options.idle_timeout = Duration::from_millis(50)).await;
    let upload = Upload::begin(&stand, &[]).await;
    let mut stream = stand.connect().await;
    stream
        .write_all(upload.head(0, 9).as_bytes())
        .await
        .unwrap();
    stream.write_all(b"abc").await.unwrap();
    let answer = rest(&mut stream).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}
