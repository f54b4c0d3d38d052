//! The control endpoint of the sandbox, and what a restart keeps.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::stand::{Stand, in_time, rest, signed, target};

#[tokio::test]
async fn it_is_off_unless_asked_for() {
    let stand = Stand::with(|options| options.control = false).await;
    for path in ["faults", "requests", "videos"] {
        assert_eq!(stand.control("GET", path, Value::Null).await.status, 404);
    }
    assert_eq!(
        stand
            .control("POST", "clock", json!({"advance_s": 5}))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused() {
    let stand = Stand::start().await;
    for (verb, path, body) in [
        (
            "POST",
            "faults",
            json!({"on": "create", "fault": {"kind": "explode"}}),
        ),
        ("POST", "faults", json!({"on": "create"})),
        ("POST", "clock", json!({"hours": 5})),
        ("GET", "wait?stage=done", Value::Null),
        ("GET", "wait?on=nothing", Value::Null),
        ("POST", "release/first", Value::Null),
    ] {
        let answer = stand.control(verb, path, body).await;
        assert_eq!(answer.status, 400, "{verb} {path}");
        assert!(answer.body["error"].is_string());
    }
    let answer = stand
        .control("POST", "videos/absent00", json!({"status": "ready"}))
        .await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        stand.control("GET", "nothing", Value::Null).await.status,
        404
    );
}

#[tokio::test]
async fn waiting_ends_at_its_time_limit() {
    let stand = Stand::start().await;
    let answer = stand
        .control("GET", "wait?on=create&timeout_ms=1", Value::Null)
        .await;
    assert_eq!(answer.status, 408);
    assert_eq!(answer.body["error"], "waited for 1 requests, saw 0");
}

#[tokio::test]
async fn the_log_counts_and_holds_no_secret() {
    let stand = Stand::start().await;
    let (key, link) = stand
        .create(&[("title", "sesame"), ("upload_method", "s3")])
        .await;
    assert_eq!(stand.put(&link, "abc").await.status(), 200);
    stand.call("show", &[("video_key", "absent00")]).await;
    let log = stand.control("GET", "requests", Value::Null).await.body;
    assert_eq!(
        log["counts"]["create"],
        json!({"arrived": 1, "received": 1, "acted": 1, "answered": 1})
    );
    assert_eq!(
        log["counts"]["show"],
        json!({"arrived": 1, "received": 1, "answered": 1})
    );
    let put = &log["requests"][1];
    assert_eq!(
        (&put["operation"], &put["bytes"], &put["status"]),
        (&json!("s3-put"), &json!(3), &json!(200))
    );
    assert_eq!(put["video"], key);
    let videos = stand
        .control("GET", "videos", Value::Null)
        .await
        .body
        .to_string();
    let index = std::fs::read_to_string(stand.dir.join("index.jsonl")).unwrap();
    let keys: Value = serde_json::from_str(index.lines().next().unwrap()).unwrap();
    for secret in [
        "api_signature",
        "Signature",
        "token",
        keys["keys"]["secret"].as_str().unwrap(),
    ] {
        assert!(
            !log.to_string().contains(secret) && !videos.contains(secret),
            "{secret}"
        );
    }
    stand.control("DELETE", "requests", Value::Null).await;
    let log = stand.control("GET", "requests", Value::Null).await.body;
    assert_eq!(log, json!({"counts": {}, "requests": []}));
}

#[tokio::test]
async fn a_status_can_be_forced_and_given_back() {
    let stand = Stand::start().await;
    let (key, link) = stand.create(&[("upload_method", "s3")]).await;
    let path = format!("videos/{key}");
    stand
        .control(
            "POST",
            &path,
            json!({"status": "failed", "message": "no picture"}),
        )
        .await;
    let video = stand.show(&key).await;
    assert_eq!(
        (&video["status"], &video["error"]["message"]),
        (&json!("failed"), &json!("no picture"))
    );
    let answer = in_time(
        stand
            .http
            .post(stand.url(&format!("/control/{path}")))
            .body("null")
            .send(),
    );
    assert_eq!(answer.await.unwrap().status(), 200);
    let video = stand.show(&key).await;
    assert_eq!(
        (&video["status"], &video["error"]),
        (&json!("created"), &Value::Null)
    );
    stand
        .control("POST", &path, json!({"status": "processing"}))
        .await;
    assert_eq!(stand.show(&key).await["status"], "processing");
    assert_eq!(stand.put(&link, "abc").await.status(), 200);
    assert_eq!(
        stand.show(&key).await["status"],
        "ready",
        "a new file ends it"
    );
}

#[tokio::test]
async fn a_restart_knows_videos_links_and_used_signatures() {
    let dir = tempfile::tempdir().unwrap();
    let stand = Stand::on(dir.path(), |_| {}).await;
    let form = signed(&[("title", "kept")]);
    assert_eq!(stand.post("create", form.clone()).await.status, 200);
    let (key, link) = stand.create(&[("upload_method", "s3")]).await;
    let before = stand.address.clone();
    stand.stop().await;

    let stand = Stand::on(dir.path(), |_| {}).await;
    assert_eq!(
        stand.post("create", form).await.refusal(),
        (400, "SignatureInvalid".to_owned())
    );
    assert_eq!(stand.total().await, 2);
    let link = link.replace(&before, &stand.address);
    assert_eq!(stand.put(&link, "abc").await.status(), 200);
    stand.stop().await;

    let stand = Stand::on(dir.path(), |_| {}).await;
    assert_eq!(stand.show(&key).await["status"], "ready");
    assert_eq!(stand.stored(&key), b"abc");
}

#[tokio::test]
async fn two_sandboxes_do_not_share_a_folder() {
    let stand = Stand::start().await;
    let second = Stand::on(&stand.dir, |_| {}).await;
    let refused = in_time(stand.http.get(second.url("/control/videos")).send()).await;
    assert!(refused.is_err(), "nothing listens there");
    assert_eq!(stand.total().await, 0);
}

#[tokio::test]
async fn a_stop_ends_connections_that_are_held_or_idle() {
    let dir = tempfile::tempdir().unwrap();
    let stand = Stand::on(dir.path(), |_| {}).await;
    let (_, link) = stand.create(&[("upload_method", "s3")]).await;
    stand
        .fault(json!({"on": "s3-put", "fault": {"kind": "stall", "after_bytes": 1}}))
        .await;
    let mut idle = stand.connect().await;
    let mut stalled = stand.connect().await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
        target(&link)
    );
    stalled.write_all(head.as_bytes()).await.unwrap();
    stand.reached("s3-put", "held", 1).await;
    stand
        .fault(json!({"on": "list", "fault": {"kind": "hold-after-acting"}}))
        .await;
    let mut acted = stand.connect().await;
    let head = format!(
        "GET /v1/videos/list?{} HTTP/1.1\r\nHost: x\r\n\r\n",
        signed(&[])
    );
    acted.write_all(head.as_bytes()).await.unwrap();
    stand.reached("list", "held", 1).await;
    stand.stop().await;
    assert_eq!(rest(&mut acted).await.unwrap_or_default(), "");
    assert!(rest(&mut idle).await.is_ok_and(|read| read.is_empty()));
    assert_eq!(rest(&mut stalled).await.unwrap_or_default(), "");
}

#[tokio::test]
async fn without_a_folder_it_makes_one_and_removes_it() {
    let stand = Stand::with(|options| options.dir = None).await;
    let (_, link) = stand.create(&[("upload_method", "s3")]).await;
    assert_eq!(stand.put(&link, "abc").await.status(), 200);
    let videos = stand.control("GET", "videos", Value::Null).await.body;
    let path = std::path::PathBuf::from(videos["videos"][0]["path"].as_str().unwrap());
    assert!(path.exists());
    stand.stop().await;
    assert!(!path.parent().unwrap().parent().unwrap().exists());
}

#[tokio::test]
async fn a_disk_that_refuses_is_an_answer_and_not_a_panic() {
    let stand = Stand::with(|options| options.processing = Duration::from_secs(1)).await;
    let (key, link) = stand.create(&[("upload_method", "s3")]).await;
    // A file in the place of the folder for uploads in progress: nothing can be written there.
    std::fs::remove_dir(stand.dir.join("incoming")).unwrap();
    std::fs::write(stand.dir.join("incoming"), "").unwrap();
    let response = stand.put(&link, "abc").await;
    assert_eq!(response.status(), 503);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("<Code>ServiceUnavailable</Code>")
    );
    assert_eq!(stand.show(&key).await["status"], "created");
}
