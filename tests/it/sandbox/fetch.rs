//! Fetch, by both APIs: the sandbox really downloads.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::stand::{Stand, in_time, text};
use super::v2::{create, media, seen, until};

/// A server that sends the same to everybody, and counts.
struct Origin {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Origin {
    async fn start(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let byte = stream.read_u8().await.unwrap();
                    request.push(byte);
                }
                assert!(request.starts_with(b"GET /v/film.mp4?token=s3cret HTTP/1.1\r\n"));
                stream.write_all(&answer).await.unwrap();
            }
        });
        Self { address, task }
    }

    fn url(&self) -> String {
        format!("http://{}/v/film.mp4?token=s3cret", self.address)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(status: &str, length: usize, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// The video, once v1 says that it has that status.
async fn shown(stand: &Stand, key: &str, status: &str) -> Value {
    in_time(async {
        loop {
            let video = stand.show(key).await;
            if video["status"] == status {
                return video;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_file_is_downloaded_for_either_api() {
    let stand = Stand::start().await;
    let origin = Origin::start(answer("200 OK", 3, "abc")).await;
    let created = create(
        &stand,
        json!({"method": "fetch", "download_url": origin.url()}),
    )
    .await;
    assert!(created.get("upload_link").is_none() && created.get("upload_id").is_none());
    assert_eq!(created["status"], "processing");
    let id = text(&created["id"]);
    until(&stand, &id, "ready").await;
    assert_eq!(stand.stored(&id), b"abc");
    let seen = seen(&stand, &id).await;
    assert_eq!(
        (&seen["received"], &seen["method"]),
        (&json!(1), &json!("fetch"))
    );
    assert_eq!(seen["name"], "film.mp4");

    let created = stand.ok("create", &[("download_url", &origin.url())]).await;
    assert!(created.get("link").is_none(), "{created}");
    let key = text(&created["media"]["key"]);
    let video = shown(&stand, &key, "ready").await;
    assert_eq!(video["md5"], "900150983cd24fb0d6963f7d28e17f72");
    let other = Origin::start(answer("200 OK", 3, "new")).await;
    let extra = [
        ("video_key", key.as_str()),
        ("update_file", "True"),
        ("download_url", &other.url()),
    ];
    stand.ok("update", &extra).await;
    shown(&stand, &key, "ready").await;
    assert_eq!(stand.stored(&key), b"new");
    let log = stand
        .control("GET", "videos", Value::Null)
        .await
        .body
        .to_string();
    assert!(!log.contains("s3cret"), "{log}");
}

#[tokio::test]
async fn what_cannot_be_downloaded_fails_later() {
    let stand = Stand::start().await;
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/x.mp4", listener.local_addr().unwrap())
    };
    let missing = Origin::start(answer("404 Not Found", 0, "")).await;
    let large = Origin::start(answer("200 OK", 30_000_000_000, "x")).await;
    let short = Origin::start(answer("200 OK", 10, "abc")).await;
    let empty = Origin::start(answer("200 OK", 0, "")).await;
    for (url, message) in [
        (
            gone,
            "The file could not be downloaded: the server cannot be reached",
        ),
        (
            missing.url(),
            "The file could not be downloaded: HTTP status 404",
        ),
        (large.url(), "The file is larger than 25 GB"),
        (
            short.url(),
            "The file could not be downloaded: the connection broke",
        ),
        (empty.url(), "The file is empty"),
    ] {
        let created = create(&stand, json!({"method": "fetch", "download_url": url})).await;
        let id = text(&created["id"]);
        let failed = until(&stand, &id, "failed").await;
        assert_eq!(failed["error_message"], message);
        let video = stand.show(&id).await;
        assert_eq!(video["error"]["message"], message);
        // A failed media is not ready: nothing can be put in its place.
        let again = json!({"upload": {"method": "direct"}});
        assert_eq!(
            media(&stand, "PUT", &format!("/{id}/reupload/"), again)
                .await
                .status,
            400
        );
    }
    stand.nothing_incoming().await;
    let refused = [("download_url", "file:///etc/passwd")];
    assert_eq!(
        stand.call("create", &refused).await.refusal(),
        (400, "ParameterInvalid".to_owned())
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let stand = Stand::with(|options| options.idle_timeout = Duration::from_millis(300)).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x.mp4", silent.local_addr().unwrap());
    let created = create(&stand, json!({"method": "fetch", "download_url": url})).await;
    let failed = until(&stand, &text(&created["id"]), "failed").await;
    assert_eq!(
        failed["error_message"],
        "The file could not be downloaded: the server is too slow"
    );
}

#[tokio::test]
async fn a_download_is_slow_and_its_processing_fails_as_ordered() {
    let stand = Stand::start().await;
    let origin = Origin::start(answer("200 OK", 3, "abc")).await;
    let order = json!({"kind": "slow-fetch", "bytes_per_second": 1});
    stand
        .fault(json!({"on": "v2-create", "fault": order}))
        .await;
    let upload = json!({"method": "fetch", "download_url": origin.url()});
    let slow = text(&create(&stand, upload.clone()).await["id"]);
    let order = json!({"kind": "fail-processing", "message": "content storage limit exceeded"});
    stand
        .fault(json!({"on": "v2-create", "fault": order}))
        .await;
    let failing = text(&create(&stand, upload).await["id"]);
    let failed = until(&stand, &failing, "failed").await;
    assert_eq!(failed["error_message"], "content storage limit exceeded");
    assert_eq!(
        until(&stand, &slow, "processing").await["status"],
        "processing"
    );
    assert_eq!(seen(&stand, &slow).await["received"], 0);
    until(&stand, &slow, "ready").await;
}

#[tokio::test]
async fn a_download_begins_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let stand = Stand::on(dir.path(), |_| {}).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let url = format!("http://{address}/x.mp4");
    let created = create(&stand, json!({"method": "fetch", "download_url": url})).await;
    let id = text(&created["id"]);
    in_time(silent.accept()).await.unwrap();
    stand.stop().await;

    let stand = Stand::on(dir.path(), |_| {}).await;
    let (mut stream, _) = in_time(silent.accept()).await.unwrap();
    stream
        .write_all(answer("200 OK", 3, "abc").as_bytes())
        .await
        .unwrap();
    until(&stand, &id, "ready").await;
    assert_eq!(stand.stored(&id), b"abc");
}
