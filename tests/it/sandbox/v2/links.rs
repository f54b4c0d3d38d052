//! Links of signature version 4: what the signature covers, and for how long.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::super::stand::{Stand, rest, target, text};
use super::{Upload, create};

async fn direct(stand: &Stand) -> (String, String) {
    let created = create(stand, json!({"method": "direct"})).await;
    (text(&created["id"]), text(&created["upload_link"]))
}

/// Status and S3's code.
async fn code(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.text().await.unwrap();
    let code = body
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    (
        status,
        code.map(|(code, _)| code.to_owned()).unwrap_or_default(),
    )
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a_link_that_was_tampered_with_is_refused() {
    let stand = Stand::start().await;
    let (key, link) = direct(&stand).await;
    let (other, _) = direct(&stand).await;
    let mismatch = refused(403, "SignatureDoesNotMatch");
    let malformed = refused(400, "AuthorizationQueryParametersError");
    for (changed, expected) in [
        (link.replace(&key, &other), mismatch.clone()),
        (format!("{link}&partNumber=1"), mismatch.clone()),
        (
            link.replace("X-Amz-Expires=604800", "X-Amz-Expires=604799"),
            mismatch.clone(),
        ),
        (
            link.replace("X-Amz-Expires=604800", "X-Amz-Expires=604801"),
            malformed.clone(),
        ),
        (link.replace("us-east-1", "us-west-1"), mismatch.clone()),
        (
            link.replace("AKIA", "AKIB"),
            refused(403, "InvalidAccessKeyId"),
        ),
        (
            link.replace("X-Amz-Signature=", "X-Amz-Sig="),
            malformed.clone(),
        ),
        (
            link.replace("SignedHeaders=host", "SignedHeaders=via"),
            malformed.clone(),
        ),
        (
            link.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
            malformed,
        ),
        (
            link.split_once('?').unwrap().0.to_owned(),
            refused(403, "AccessDenied"),
        ),
    ] {
        assert_ne!(changed, link);
        assert_eq!(
            code(stand.put(&changed, "abc").await).await,
            expected,
            "{changed}"
        );
    }
    let get = stand.http.get(&link).send().await.unwrap();
    assert_eq!(code(get).await, mismatch, "it is for PUT only");
    let host = stand
        .http
        .put(&link)
        .header("host", "other.host")
        .body("abc");
    assert_eq!(code(host.send().await.unwrap()).await, mismatch);
    assert_eq!(stand.show(&key).await["status"], "created");
}

#[tokio::test]
async fn headers_that_nobody_announced_are_refused() {
    let stand = Stand::start().await;
    let (_, link) = direct(&stand).await;
    let put = async |name: &str, value: &str| {
        let request = stand.http.put(&link).header(name, value).body("abc");
        code(request.send().await.unwrap()).await
    };
    assert_eq!(
        put("content-type", "video/mp4").await,
        refused(403, "SignatureDoesNotMatch")
    );
    assert_eq!(
        put("x-amz-acl", "private").await,
        refused(403, "AccessDenied")
    );
    assert_eq!(
        put("authorization", "Bearer x").await,
        refused(400, "InvalidArgument")
    );
    assert_eq!(
        put("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==").await,
        refused(400, "BadDigest")
    );
    assert_eq!(put("content-md5", "kAFQmDzST7DWlj99KOF/cg==").await.0, 200);
    assert_eq!(
        put("content-disposition", "attachment; filename=\"a\"")
            .await
            .0,
        200
    );

    let typed = create(
        &stand,
        json!({"method": "direct", "mime_type": "video/mp4"}),
    )
    .await;
    let link = text(&typed["upload_link"]);
    let mismatch = refused(403, "SignatureDoesNotMatch");
    assert_eq!(code(stand.put(&link, "abc").await).await, mismatch);
    let other = stand
        .http
        .put(&link)
        .header("content-type", "video/mpeg")
        .body("abc");
    assert_eq!(code(other.send().await.unwrap()).await, mismatch);
    let right = stand
        .http
        .put(&link)
        .header("content-type", "video/mp4")
        .body("abc");
    assert_eq!(code(right.send().await.unwrap()).await.0, 200);
}

#[tokio::test]
async fn a_body_needs_its_length() {
    let stand = Stand::start().await;
    let (_, link) = direct(&stand).await;
    let request = format!(
        "PUT {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\n\r\n",
        target(&link),
        stand.address
    );
    let answer = stand.raw(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 411"), "{answer}");
    assert!(
        answer.contains("<Code>MissingContentLength</Code>"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_request_line_with_the_whole_address_is_as_good() {
    let stand = Stand::start().await;
    let (key, link) = direct(&stand).await;
    let mut stream = stand.connect().await;
    let request = format!(
        "PUT {link} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
        stand.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(stand.stored(&key), b"abc");
}

#[tokio::test]
async fn links_expire_each_in_its_time() {
    let stand = Stand::with(|options| {
        options.link_lifetime = Duration::from_hours(2);
        options.part_link_lifetime = Duration::from_mins(1);
    })
    .await;
    let (_, link) = direct(&stand).await;
    let upload = Upload::begin(&stand).await;
    let part = upload.link(&stand, 1).await;
    stand.advance(61).await;
    let response = stand.put(&part, "abc").await;
    assert_eq!(response.status(), 403);
    let body = response.text().await.unwrap();
    assert!(body.contains("<Code>AccessDenied</Code><Message>Request has expired</Message>"));
    assert!(body.contains("<X-Amz-Expires>60</X-Amz-Expires>"), "{body}");
    // The list has a new one.
    upload.put(&stand, 1, "abc").await;
    assert_eq!(stand.put(&link, "abc").await.status(), 200);
    stand.advance(2 * 3600).await;
    assert_eq!(
        code(stand.put(&link, "abc").await).await,
        refused(403, "AccessDenied")
    );
}

#[tokio::test]
async fn links_begin_as_ordered_and_are_signed_for_that_host() {
    let stand = Stand::with(|options| {
        options.public_url = Some("https://videos.example:8443".to_owned());
    })
    .await;
    let (_, link) = direct(&stand).await;
    assert!(
        link.starts_with("https://videos.example:8443/s3/"),
        "{link}"
    );
    let (_, v1) = stand.create(&[("upload_method", "s3")]).await;
    assert!(v1.starts_with("https://videos.example:8443/s3/"), "{v1}");
    let there = stand.url(target(&link));
    assert_eq!(
        code(stand.put(&there, "abc").await).await,
        refused(403, "SignatureDoesNotMatch")
    );
    let request = stand.http.put(&there).header("host", "videos.example:8443");
    assert_eq!(request.body("abc").send().await.unwrap().status(), 200);
}
