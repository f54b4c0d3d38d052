//! The S3-like host of the sandbox.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha1::Sha1;
use tokio::io::AsyncWriteExt;

use super::stand::{Stand, encode, now, rest, target, text};

const ABC_MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

async fn s3_video(stand: &Stand) -> (String, String) {
    stand.create(&[("upload_method", "s3")]).await
}

/// Status and error code of a PUT with one more header.
async fn put_with(stand: &Stand, link: &str, header: &str, value: &str) -> (u16, String) {
    let request = stand.http.put(link).header(header, value).body("abc");
    code(request.send().await.unwrap()).await
}

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
async fn a_put_is_stored_and_answered_with_its_md5() {
    let stand = Stand::start().await;
    let (key, link) = s3_video(&stand).await;
    let response = stand.put(&link, "abc").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["etag"], format!("\"{ABC_MD5}\""));
    assert_eq!(response.headers()["x-amz-request-id"].len(), 16);
    assert_eq!(response.text().await.unwrap(), "");
    assert_eq!(stand.stored(&key), b"abc");
    let video = stand.show(&key).await;
    assert_eq!(
        (&video["status"], &video["size"]),
        (&"ready".into(), &"3".into())
    );
    assert_eq!(video["md5"], ABC_MD5);
}

#[tokio::test]
async fn headers_that_the_signature_covers_break_it() {
    let stand = Stand::start().await;
    let (key, link) = s3_video(&stand).await;
    let mismatch = refused(403, "SignatureDoesNotMatch");
    for (name, value) in [
        ("content-type", "video/mp4"),
        ("content-md5", "kAFQmDzST7DWlj99KOF/cg=="),
        ("x-amz-acl", "private"),
        ("x-amz-meta-name", "x"),
    ] {
        assert_eq!(
            put_with(&stand, &link, name, value).await,
            mismatch,
            "{name}"
        );
    }
    assert_eq!(stand.show(&key).await["status"], "created");
    let harmless = put_with(
        &stand,
        &link,
        "content-disposition",
        "attachment; filename=\"a\"",
    );
    assert_eq!(harmless.await.0, 200);
}

#[tokio::test]
async fn an_announced_content_type_has_to_be_sent() {
    let stand = Stand::start().await;
    let extra = [
        ("upload_method", "s3"),
        ("upload_content_type", "video/mp4"),
    ];
    let (_, link) = stand.create(&extra).await;
    let mismatch = refused(403, "SignatureDoesNotMatch");
    assert_eq!(code(stand.put(&link, "abc").await).await, mismatch);
    assert_eq!(
        put_with(&stand, &link, "content-type", "video/mpeg").await,
        mismatch
    );
    assert_eq!(
        put_with(&stand, &link, "content-type", "video/mp4").await.0,
        200
    );
}

#[tokio::test]
async fn a_link_that_was_tampered_with_is_refused() {
    let stand = Stand::start().await;
    let (key, link) = s3_video(&stand).await;
    let (other, _) = s3_video(&stand).await;
    let bare = link.split_once('?').unwrap().0.to_owned();
    for (link, expected) in [
        (
            link.replace(&key, &other),
            refused(403, "SignatureDoesNotMatch"),
        ),
        (
            link.replace("Expires=", "Expires=1"),
            refused(403, "SignatureDoesNotMatch"),
        ),
        (
            format!("{link}&partNumber=1"),
            refused(403, "SignatureDoesNotMatch"),
        ),
        (
            link.replace("AKIA", "AKIB"),
            refused(403, "InvalidAccessKeyId"),
        ),
        (
            link.replace("Signature=", "Sig="),
            refused(403, "AccessDenied"),
        ),
        (bare, refused(403, "AccessDenied")),
    ] {
        assert_eq!(
            code(stand.put(&link, "abc").await).await,
            expected,
            "{link}"
        );
    }
    // The method is signed too.
    let get = stand.http.get(&link).send().await.unwrap();
    assert_eq!(code(get).await, refused(403, "SignatureDoesNotMatch"));
    let post = stand.http.post(&link).body("abc").send().await.unwrap();
    assert_eq!(code(post).await, refused(405, "MethodNotAllowed"));
    let both = put_with(&stand, &link, "authorization", "AWS AKIA:sig").await;
    assert_eq!(both, refused(400, "InvalidArgument"));
}

#[tokio::test]
async fn an_expired_link_is_refused_with_both_times() {
    let stand = Stand::start().await;
    let (_, link) = s3_video(&stand).await;
    stand.advance(7 * 24 * 3600 + 1).await;
    let response = stand.put(&link, "abc").await;
    assert_eq!(response.status(), 403);
    let body = response.text().await.unwrap();
    for part in [
        "<Code>AccessDenied</Code>",
        "Request has expired",
        "<Expires>",
        "<ServerTime>",
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
}

#[tokio::test]
async fn a_length_is_needed_and_bounded() {
    let stand = Stand::start().await;
    let (key, link) = s3_video(&stand).await;
    let put = |headers: &str| {
        let target = target(&link);
        format!("PUT {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")
            .into_bytes()
    };
    let chunked = [
        put("Transfer-Encoding: chunked\r\n"),
        b"3\r\nabc\r\n0\r\n\r\n".to_vec(),
    ];
    let answer = stand.raw(&chunked.concat()).await;
    assert!(answer.starts_with("HTTP/1.1 411"), "{answer}");
    assert!(answer.contains("<Code>MissingContentLength</Code>"));
    assert!(stand.raw(&put("")).await.starts_with("HTTP/1.1 411"));
    let large = stand.raw(&put("Content-Length: 5368709121\r\n")).await;
    assert!(large.starts_with("HTTP/1.1 400"), "{large}");
    assert!(large.contains("<Code>EntityTooLarge</Code>"));
    assert_eq!(stand.show(&key).await["status"], "created");
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    let stand = Stand::start().await;
    let (key, link) = s3_video(&stand).await;
    let mut stream = stand.connect().await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
        target(&link)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[7; 99]).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = rest(&mut stream).await.unwrap_or_default();
    assert!(!answer.contains("200 OK"), "{answer}");
    stand.reached("s3-put", "broken", 1).await;
    assert_eq!(stand.show(&key).await["status"], "created");
    assert!(!stand.dir.join("media").join(&key).exists());
    assert_eq!(
        stand.put(&link, "abc").await.status(),
        200,
        "the link is still good"
    );
    stand.nothing_incoming().await;
}

#[tokio::test]
async fn a_body_that_stands_still_is_given_up() {
    let stand =
        Stand::with(|options| options.idle_timeout = std::time::Duration::from_millis(50)).await;
    let (_, link) = s3_video(&stand).await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
        target(&link)
    );
    let answer = stand.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("<Code>RequestTimeout</Code>"), "{answer}");
}

#[tokio::test]
async fn another_put_replaces_the_object_and_is_counted() {
    let stand = Stand::start().await;
    let (key, link) = s3_video(&stand).await;
    for body in ["first", "second"] {
        assert_eq!(stand.put(&link, body).await.status(), 200);
    }
    assert_eq!(stand.stored(&key), b"second");
    let videos = stand
        .control("GET", "videos?digest=sha1", Value::Null)
        .await
        .body;
    let video = &videos["videos"][0];
    assert_eq!(
        (video["received"].as_u64(), video["size"].as_u64()),
        (Some(2), Some(6))
    );
    // SHA-1 of `second`.
    assert_eq!(
        video["stored_sha1"],
        "352f7829a2384b001cc12b0c2613c756454a1f6a"
    );
}

#[tokio::test]
async fn s3_does_not_know_that_a_video_was_deleted() {
    let stand = Stand::start().await;
    let (key, link) = s3_video(&stand).await;
    stand.ok("delete", &[("video_key", &key)]).await;
    assert_eq!(stand.put(&link, "abc").await.status(), 200);
    assert_eq!(stand.total().await, 0);
    stand.nothing_incoming().await;
    let videos = stand.control("GET", "videos", Value::Null).await.body;
    assert_eq!(videos["deleted"][0], key.as_str());
}

#[tokio::test]
async fn what_does_not_match_the_announcement_fails_later() {
    let stand = Stand::start().await;
    for (name, value, why) in [
        ("size", "4", "size announced"),
        ("md5", "00000000000000000000000000000000", "MD5"),
    ] {
        let (key, link) = stand
            .create(&[("upload_method", "s3"), (name, value)])
            .await;
        assert_eq!(stand.put(&link, "abc").await.status(), 200);
        let video = stand.show(&key).await;
        assert_eq!(video["status"], "failed", "{name}");
        assert!(text(&video["error"]["message"]).contains(why), "{video}");
    }
    let (key, link) = s3_video(&stand).await;
    let empty = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        target(&link)
    );
    assert!(
        stand
            .raw(empty.as_bytes())
            .await
            .starts_with("HTTP/1.1 200")
    );
    let video = stand.show(&key).await;
    assert_eq!(text(&video["error"]["message"]), "The file is empty");
}

#[tokio::test]
async fn an_object_is_noticed_late_and_processed_for_a_while() {
    let stand = Stand::with(|options| {
        options.s3_notice = std::time::Duration::from_secs(1000);
        options.processing = std::time::Duration::from_secs(1000);
    })
    .await;
    let (key, link) = s3_video(&stand).await;
    assert_eq!(stand.put(&link, "abc").await.status(), 200);
    let video = stand.show(&key).await;
    assert_eq!(
        (&video["status"], &video["md5"]),
        (&"created".into(), &Value::Null)
    );
    stand.advance(1001).await;
    let video = stand.show(&key).await;
    assert_eq!(
        (&video["status"], &video["md5"]),
        (&"processing".into(), &ABC_MD5.into())
    );
    stand.advance(1000).await;
    assert_eq!(stand.show(&key).await["status"], "ready");
}

/// The platform signs no link with a Content-MD5; a person with the keys can.
#[tokio::test]
async fn a_signed_content_md5_is_held_against_the_body() {
    let stand = Stand::start().await;
    let (key, _) = s3_video(&stand).await;
    let index = std::fs::read_to_string(stand.dir.join("index.jsonl")).unwrap();
    let keys: Value = serde_json::from_str(index.lines().next().unwrap()).unwrap();
    let part = |name: &str| text(&keys["keys"][name]);
    let expires = now() + 60;
    let put = async |content_md5: &str| {
        let to_sign = format!("PUT\n{content_md5}\n\n{expires}\n/s3/{key}");
        let mac = Hmac::<Sha1>::new_from_slice(part("secret").as_bytes()).unwrap();
        let signature = STANDARD.encode(mac.chain_update(to_sign).finalize().into_bytes());
        let link = stand.url(&format!(
            "/s3/{key}?AWSAccessKeyId={}&Expires={expires}&Signature={}",
            part("access"),
            encode(&signature)
        ));
        put_with(&stand, &link, "content-md5", content_md5).await
    };
    assert_eq!(
        put("1B2M2Y8AsgTpgAmY7PhCfg==").await,
        refused(400, "BadDigest")
    );
    assert_eq!(put("bm90IGEgZGlnZXN0").await, refused(400, "InvalidDigest"));
    assert_eq!(stand.show(&key).await["status"], "created");
    assert_eq!(put("kAFQmDzST7DWlj99KOF/cg==").await, refused(200, ""));
}
