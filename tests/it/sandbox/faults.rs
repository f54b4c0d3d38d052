//! The faults that the sandbox plays, each seen from the client's side of the socket.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stand::{Stand, in_time, rest, signed, target, text};

/// A create call over a bare connection.
async fn raw_create(stand: &Stand) -> TcpStream {
    let form = signed(&[("title", "raw")]);
    let mut stream = stand.connect().await;
    let request = format!(
        "POST /v1/videos/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The head of a PUT over a bare connection.
async fn raw_put(stand: &Stand, link: &str, length: usize) -> TcpStream {
    let mut stream = stand.connect().await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n",
        target(link)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn s3_video(stand: &Stand) -> (String, String) {
    stand.create(&[("upload_method", "s3")]).await
}

#[tokio::test]
async fn a_status_is_answered_without_acting() {
    let stand = Stand::start().await;
    stand
        .fault(
            json!({"on": "create", "times": 2, "fault": {"kind": "status", "status": 503,
                      "headers": {"Retry-After": "7"}}}),
        )
        .await;
    for _ in 0..2 {
        let answer = stand.call("create", &[("title", "x")]).await;
        assert_eq!(answer.refusal(), (503, "CallUnavailable".to_owned()));
        assert_eq!(answer.headers["retry-after"], "7");
    }
    assert_eq!(stand.total().await, 0);
    stand.ok("create", &[("title", "x")]).await;

    stand
        .fault(json!({"on": "any", "fault": {"kind": "status", "status": 500, "code": "DatabaseError"}}))
        .await;
    let answer = stand.call("show", &[]).await;
    assert_eq!(answer.refusal(), (500, "DatabaseError".to_owned()));

    let (key, link) = s3_video(&stand).await;
    stand
        .fault(json!({"on": "s3-put", "fault": {"kind": "status", "status": 503}}))
        .await;
    let response = stand.put(&link, "abc").await;
    assert_eq!(response.status(), 503);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("<Code>SlowDown</Code>")
    );
    assert_eq!(stand.show(&key).await["status"], "created");
}

#[tokio::test]
async fn an_early_answer_comes_before_the_body() {
    let stand = Stand::start().await;
    let (key, link) = s3_video(&stand).await;
    let answer = json!({"kind": "early-answer", "status": 403, "body": "go away"});
    stand.fault(json!({"on": "s3-put", "fault": answer})).await;
    let mut stream = raw_put(&stand, &link, 1_000_000).await;
    let mut answer = [0; 12];
    in_time(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 403");
    // A client that continues sending is not cut off before it can have read the answer.
    in_time(stream.write_all(&vec![7; 1_000_000]))
        .await
        .unwrap();
    let answer = rest(&mut stream).await.unwrap();
    assert!(answer.ends_with("go away"), "{answer}");
    let log = stand.control("GET", "requests", Value::Null).await.body;
    assert_eq!(log["requests"][1]["bytes"], 0);
    assert_eq!(stand.show(&key).await["status"], "created");
}

#[tokio::test]
async fn an_abrupt_early_answer_breaks_the_sending() {
    let stand = Stand::start().await;
    let (_, link) = s3_video(&stand).await;
    let answer = json!({"kind": "early-answer", "status": 403, "abrupt": true});
    stand.fault(json!({"on": "s3-put", "fault": answer})).await;
    let mut stream = raw_put(&stand, &link, 100_000_000).await;
    stand.reached("s3-put", "answered", 1).await;
    let error = in_time(async {
        loop {
            if let Err(error) = stream.write_all(&vec![7; 100_000]).await {
                break error;
            }
        }
    });
    let broken = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    assert!(broken.contains(&error.await.kind()));
}

#[tokio::test]
async fn a_stall_reads_no_further_until_released() {
    let stand = Stand::start().await;
    let (key, link) = s3_video(&stand).await;
    let order = json!({"on": "s3-put", "fault": {"kind": "stall", "after_bytes": 1000}});
    stand.fault(order).await;
    // More than the socket buffers of both sides hold: the sender itself is stopped.
    let body = vec![7; 32 * 1024 * 1024];
    let mut stream = raw_put(&stand, &link, body.len()).await;
    let sending = tokio::spawn(async move {
        stream.write_all(&body).await.unwrap();
        rest(&mut stream).await.unwrap()
    });
    stand.reached("s3-put", "held", 1).await;
    let faults = stand.control("GET", "faults", Value::Null).await.body;
    assert_eq!(
        (&faults["faults"][0]["met"], &faults["faults"][0]["held"]),
        (&json!(1), &json!(1))
    );
    assert!(!sending.is_finished());
    assert_eq!(stand.show(&key).await["status"], "created");
    assert_eq!(stand.release().await, 1);
    assert!(in_time(sending).await.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(stand.stored(&key).len(), 32 * 1024 * 1024);
}

#[tokio::test]
async fn a_stall_ends_when_the_client_goes() {
    let stand = Stand::start().await;
    stand
        .fault(json!({"on": "create", "fault": {"kind": "stall"}}))
        .await;
    let stream = raw_create(&stand).await;
    stand.reached("create", "held", 1).await;
    drop(stream);
    stand.reached("create", "broken", 1).await;
    assert_eq!(stand.total().await, 0);
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let stand = Stand::start().await;
    let (key, link) = s3_video(&stand).await;
    for after_bytes in [0, 100_000] {
        let order = json!({"kind": "reset", "after_bytes": after_bytes});
        stand.fault(json!({"on": "s3-put", "fault": order})).await;
        let mut stream = raw_put(&stand, &link, 10_000_000).await;
        // Writing may run into the reset before reading does.
        let written = in_time(stream.write_all(&vec![7; 200_000])).await;
        let error = match written {
            Ok(()) => rest(&mut stream).await.unwrap_err(),
            Err(error) => error,
        };
        let reset = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(reset.contains(&error.kind()), "{error}");
    }
    stand.reached("s3-put", "broken", 2).await;
    assert_eq!(stand.show(&key).await["status"], "created");
    stand
        .fault(json!({"on": "create", "fault": {"kind": "reset"}}))
        .await;
    let error = rest(&mut raw_create(&stand).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(stand.total().await, 1);
}

#[tokio::test]
async fn what_was_received_is_acted_on_though_the_client_went() {
    let stand = Stand::start().await;
    stand
        .fault(json!({"on": "create", "fault": {"kind": "hold-before-acting"}}))
        .await;
    let stream = raw_create(&stand).await;
    stand.reached("create", "held", 1).await;
    assert_eq!(stand.total().await, 0);
    drop(stream);
    assert_eq!(stand.release().await, 1);
    stand.reached("create", "acted", 1).await;
    assert_eq!(stand.total().await, 1);
}

#[tokio::test]
async fn an_upload_held_before_acting_is_not_there_yet() {
    let stand = Stand::start().await;
    let (key, link) = s3_video(&stand).await;
    stand
        .fault(json!({"on": "s3-put", "fault": {"kind": "hold-before-acting"}}))
        .await;
    let mut stream = raw_put(&stand, &link, 3).await;
    stream.write_all(b"abc").await.unwrap();
    stand.reached("s3-put", "held", 1).await;
    assert_eq!(stand.show(&key).await["status"], "created");
    stand.release().await;
    assert!(rest(&mut stream).await.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(stand.show(&key).await["status"], "ready");
}

#[tokio::test]
async fn an_answer_can_be_held_after_acting() {
    let stand = Stand::start().await;
    stand
        .fault(json!({"on": "create", "fault": {"kind": "hold-after-acting"}}))
        .await;
    let mut stream = raw_create(&stand).await;
    stand.reached("create", "held", 1).await;
    assert_eq!(stand.total().await, 1);
    let silent = tokio::time::timeout(Duration::from_millis(100), stream.read_u8()).await;
    assert!(silent.is_err(), "no byte before the release");
    // Taking the fault back releases what it holds.
    stand.control("DELETE", "faults", Value::Null).await;
    assert!(rest(&mut stream).await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_lost_answer_is_an_end_without_a_byte() {
    let stand = Stand::start().await;
    stand
        .fault(json!({"on": "create", "fault": {"kind": "answer-lost"}}))
        .await;
    assert_eq!(rest(&mut raw_create(&stand).await).await.unwrap(), "");
    assert_eq!(stand.total().await, 1);
    let (key, link) = s3_video(&stand).await;
    stand
        .fault(json!({"on": "s3-put", "fault": {"kind": "answer-lost"}}))
        .await;
    let mut stream = raw_put(&stand, &link, 3).await;
    stream.write_all(b"abc").await.unwrap();
    assert_eq!(rest(&mut stream).await.unwrap(), "");
    assert_eq!(stand.stored(&key), b"abc");
}

#[tokio::test]
async fn slow_is_slow() {
    let stand = Stand::start().await;
    let (_, link) = s3_video(&stand).await;
    stand
        .fault(json!({"on": "s3-put", "fault": {"kind": "slow", "bytes_per_second": 200_000}}))
        .await;
    let began = Instant::now();
    assert_eq!(stand.put(&link, vec![7; 100_000]).await.status(), 200);
    assert!(
        began.elapsed() >= Duration::from_millis(400),
        "{:?}",
        began.elapsed()
    );
}

/// What a create call answers when it is spoilt that way.
async fn spoilt(stand: &Stand, how: &str) -> (u16, Vec<u8>) {
    stand
        .fault(json!({"on": "create", "fault": {"kind": "wrong-answer", "how": how}}))
        .await;
    let request = stand
        .http
        .post(stand.url("/v1/videos/create"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(signed(&[("title", "x")]));
    let response = request.send().await.unwrap();
    (
        response.status().as_u16(),
        response.bytes().await.unwrap().to_vec(),
    )
}

#[tokio::test]
async fn answers_are_spoilt_after_acting() {
    let stand = Stand::start().await;
    let (status, body) = spoilt(&stand, "empty").await;
    assert_eq!((status, body.len()), (200, 0));
    let (status, body) = spoilt(&stand, "garbage").await;
    assert!(status == 200 && String::from_utf8(body).is_err());
    let (status, body) = spoilt(&stand, "html").await;
    assert!(status == 200 && body.starts_with(b"<!DOCTYPE html>"));
    let (status, body) = spoilt(&stand, "truncated-json").await;
    assert!(status == 200 && body.starts_with(b"{\""));
    assert!(serde_json::from_slice::<Value>(&body).is_err());
    let (status, body) = spoilt(&stand, "other-types").await;
    let value: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, &value["media"], &value["status"]),
        (200, &json!(17), &json!("ok"))
    );
    let (status, body) = spoilt(&stand, "error").await;
    let value: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, text(&value["status"])), (200, "error".to_owned()));
    assert_eq!(stand.total().await, 6, "each of them acted");

    let order = json!({"kind": "wrong-answer", "how": "html", "act": false});
    stand.fault(json!({"on": "create", "fault": order})).await;
    stand.call("create", &[]).await;
    assert_eq!(stand.total().await, 6, "this one did not");
}

#[tokio::test]
async fn a_huge_answer_goes_on_and_on() {
    let stand = Stand::start().await;
    let order = json!({"kind": "wrong-answer", "how": "huge"});
    stand.fault(json!({"on": "list", "fault": order})).await;
    let mut response = stand
        .http
        .get(format!("{}?{}", stand.url("/v1/videos/list"), signed(&[])))
        .send()
        .await
        .unwrap();
    assert_eq!(response.content_length(), Some(10_000_000_000));
    let mut read = 0;
    while read < 4 * 1024 * 1024 {
        read += response.chunk().await.unwrap().unwrap().len();
    }
    drop(response);
    assert_eq!(stand.total().await, 0, "and the sandbox continues too");
}

#[tokio::test]
async fn processing_fails_as_ordered() {
    let stand = Stand::start().await;
    let order = json!({"kind": "fail-processing", "message": "content storage limit exceeded"});
    stand.fault(json!({"on": "s3-put", "fault": order})).await;
    let (key, link) = s3_video(&stand).await;
    assert_eq!(stand.put(&link, "abc").await.status(), 200);
    let video = stand.show(&key).await;
    assert_eq!(video["status"], "failed");
    assert_eq!(video["error"]["message"], "content storage limit exceeded");
}
