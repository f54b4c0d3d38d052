//! Resumable uploads of the sandbox as tests drive them: restarts, faults, and what is counted.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::segments::{NAME, Reply, TOTAL, TYPE, Upload, bytes};
use super::stand::{Stand, in_time, rest};

const LAST: usize = TOTAL - 1;

#[tokio::test]
async fn a_session_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let stand = Stand::on(dir.path(), |_| {}).await;
    let upload = Upload::begin(&stand, &[]).await;
    upload.send(0, 399_999).await.has("0-399999/1000000");
    let parts = "0-399999/1000000,700000-999999/1000000";
    upload.send(700_000, LAST).await.has(parts);
    let (key, session) = (upload.key.clone(), upload.session.clone());
    // Left by a kill between two steps: bytes that no state knows, and half a state.
    let sessions = dir.path().join("resumable");
    std::fs::write(sessions.join("orphan"), "x").unwrap();
    std::fs::write(sessions.join(".new"), "{").unwrap();
    let names = |expected: usize| {
        assert_eq!(std::fs::read_dir(&sessions).unwrap().count(), expected);
    };
    stand.stop().await;

    let stand = Stand::on(dir.path(), |_| {}).await;
    let upload = Upload::resumed(&stand, &key, &session);
    assert_eq!(stand.show(&key).await["upload_session_id"], session);
    upload.send(0, 1).await.has(parts);
    names(2);
    assert_eq!(upload.send(400_000, 699_999).await.status, 200);
    assert_eq!(stand.stored(&key), bytes(0, LAST));
    names(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_a_file_that_is_being_put_together() {
    let dir = tempfile::tempdir().unwrap();
    let stand = Stand::on(dir.path(), |_| {}).await;
    let upload = Upload::begin(&stand, &[]).await;
    let body = vec![7; 64 * 1024 * 1024];
    let range = format!("Content-Range: bytes 0-{}/{}", body.len() - 1, body.len());
    let session = format!("Session-ID: {}", upload.session);
    let head = upload.head_of(body.len(), &[TYPE, NAME, &range, &session]);
    let mut stream = stand.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    stand.reached("resumable", "received", 1).await;
    stand.stop().await;
    // The folder is free at once.
    let stand = Stand::on(dir.path(), |_| {}).await;
    assert_eq!(stand.total().await, 1);
}

#[tokio::test]
async fn a_start_drops_sessions_that_are_past_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let stand = Stand::on(dir.path(), |_| {}).await;
    let upload = Upload::begin(&stand, &[]).await;
    upload.send(0, 1).await.has("0-1/1000000");
    let state = dir
        .path()
        .join("resumable")
        .join(format!("{}.state", upload.session));
    let mut written: Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    written["opened"] = json!(1);
    std::fs::write(&state, written.to_string()).unwrap();
    stand.stop().await;
    let stand = Stand::on(dir.path(), |_| {}).await;
    assert_eq!(stand.total().await, 1);
    assert!(!state.exists() && !state.with_extension("").exists());
}

#[tokio::test]
async fn a_state_that_cannot_be_read_fails_its_session() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    upload.send(0, 1).await.has("0-1/1000000");
    let state = stand
        .dir
        .join("resumable")
        .join(format!("{}.state", upload.session));
    std::fs::write(state, "{").unwrap();
    upload.send(2, 9).await.refused(400, "FileUploadFailed");
}

#[tokio::test]
async fn faults_meet_segments() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    let fault = async |fault: Value| {
        stand
            .fault(json!({"on": "resumable", "fault": fault}))
            .await;
    };
    fault(json!({"kind": "status", "status": 503, "headers": {"Retry-After": "7"}})).await;
    let reply = upload.send(0, 9).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("7"))
    );
    // An answer that is wrong about what is there.
    let lie = "0-2000000/1000000";
    fault(json!({"kind": "status", "status": 201, "headers": {"Range": lie}, "body": lie})).await;
    let reply = upload.send(0, 9).await;
    assert_eq!((reply.status, reply.header("range")), (201, Some(lie)));
    // A segment whose answer is lost counts.
    fault(json!({"kind": "answer-lost"})).await;
    assert_eq!(upload.send(0, 9).await.status, 0);
    upload.send(0, 1).await.has("0-9/1000000");
    // One that is reset in its middle does not.
    fault(json!({"kind": "reset", "after_bytes": 500_000})).await;
    assert_eq!(upload.send(10, LAST).await.status, 0);
    upload.send(0, 1).await.has("0-9/1000000");
    fault(json!({"kind": "fail-processing", "message": "no picture"})).await;
    assert_eq!(upload.send(10, LAST).await.status, 200);
    let video = stand.show(&upload.key).await;
    assert_eq!(video["error"]["message"], "no picture");
}

#[tokio::test]
async fn a_segment_that_was_sent_whole_counts_also_when_the_client_has_gone() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    let hold = json!({"on": "resumable", "fault": {"kind": "hold-before-acting"}});
    stand.fault(hold).await;
    let mut gone = stand.connect().await;
    gone.write_all(upload.head(0, 9).as_bytes()).await.unwrap();
    gone.write_all(&bytes(0, 9)).await.unwrap();
    stand.reached("resumable", "held", 1).await;
    drop(gone);
    stand.release().await;
    stand.reached("resumable", "acted", 1).await;
    upload
        .send(100, 109)
        .await
        .has("0-9/1000000,100-109/1000000");
}

#[tokio::test]
async fn a_stalled_segment_goes_on_when_released() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    let stall = json!({"on": "resumable", "fault": {"kind": "stall", "after_bytes": 5}});
    stand.fault(stall).await;
    let mut stalled = stand.connect().await;
    stalled
        .write_all(upload.head(0, 9).as_bytes())
        .await
        .unwrap();
    stalled.write_all(&bytes(0, 9)).await.unwrap();
    stand.reached("resumable", "held", 1).await;
    // Meanwhile others get through, and nothing of it counts.
    upload.send(100, 109).await.has("100-109/1000000");
    stand.release().await;
    let reply = Reply::of(&in_time(rest(&mut stalled)).await.unwrap());
    reply.has("0-9/1000000,100-109/1000000");
}

#[tokio::test]
async fn all_bytes_that_came_for_a_video_are_counted() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand, &[]).await;
    upload.send(0, 599_999).await.has("0-599999/1000000");
    upload.send(0, 1).await.has("0-599999/1000000");
    assert_eq!(upload.send(500_000, LAST).await.status, 200);
    assert_eq!(upload.counts().await, (1, 1_100_002));
    let log = stand.control("GET", "requests", Value::Null).await.body;
    let last = &log["requests"][3];
    assert_eq!(
        (&last["operation"], &last["bytes"], &last["video"]),
        (&json!("resumable"), &json!(500_000), &json!(upload.key))
    );
    let all = stand.control("GET", "videos", Value::Null).await.body;
    assert!(!format!("{log}{all}").contains(&upload.session));

    let (s3, link) = stand.create(&[("upload_method", "s3")]).await;
    for _ in 0..2 {
        assert_eq!(stand.put(&link, "abc").await.status(), 200);
    }
    let (form, link) = stand.create(&[]).await;
    let part = Part::text("x".repeat(10_000)).file_name("a.mp4");
    let sent = stand
        .http
        .post(link)
        .multipart(Form::new().part("file", part));
    assert_eq!(sent.send().await.unwrap().status(), 200);
    let all = stand.control("GET", "videos", Value::Null).await.body;
    let bytes_of = |key: &str| {
        let videos = all["videos"].as_array().unwrap();
        let video = videos.iter().find(|video| video["key"] == key).unwrap();
        video["bytes_received"].as_u64().unwrap()
    };
    assert_eq!(bytes_of(&s3), 6);
    // A form has more to it than its file.
    assert!((10_000..11_000).contains(&bytes_of(&form)));

    stand.control("DELETE", "requests", Value::Null).await;
    assert_eq!(upload.counts().await, (1, 0));
}
