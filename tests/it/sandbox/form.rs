//! The form upload host of the sandbox.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::stand::{Stand, in_time, target, text};

const ABC_MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

async fn post(stand: &Stand, link: &str, field: &'static str, bytes: &'static str) -> (u16, Value) {
    let part = Part::text(bytes)
        .file_name("clip.mp4")
        .mime_str("video/mp4")
        .unwrap();
    let form = Form::new()
        .text("comment", "not the file")
        .part(field, part);
    let request = stand
        .http
        .post(format!("{link}&api_format=json"))
        .multipart(form);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (
        status,
        serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default(),
    )
}

async fn refusal(stand: &Stand, link: &str) -> (u16, String) {
    let (status, body) = post(stand, link, "file", "abc").await;
    (status, text(&body["code"]))
}

fn denied() -> (u16, String) {
    (403, "PermissionDenied".to_owned())
}

#[tokio::test]
async fn the_field_file_is_stored_and_answered_with_size_and_md5() {
    let stand = Stand::start().await;
    let (key, link) = stand.create(&[("size", "3"), ("md5", ABC_MD5)]).await;
    let (status, body) = post(&stand, &link, "file", "abc").await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({"status": "ok", "file": {"size": 3, "md5": ABC_MD5},
               "media": {"type": "video", "key": key}, "redirect_link": null})
    );
    assert_eq!(stand.stored(&key), b"abc");
    assert_eq!(stand.show(&key).await["status"], "ready");
}

#[tokio::test]
async fn a_link_serves_once() {
    let stand = Stand::start().await;
    let (key, link) = stand.create(&[]).await;
    assert_eq!(post(&stand, &link, "file", "abc").await.0, 200);
    assert_eq!(refusal(&stand, &link).await, denied());
    let videos = stand.control("GET", "videos", Value::Null).await.body;
    assert_eq!(
        (
            &videos["videos"][0]["key"],
            &videos["videos"][0]["received"]
        ),
        (&json!(key), &json!(1))
    );
    assert_eq!(videos["videos"][0]["name"], "clip.mp4");
}

#[tokio::test]
async fn of_two_uploads_at_once_the_first_to_end_counts() {
    let stand = std::sync::Arc::new(Stand::start().await);
    let (key, link) = stand.create(&[]).await;
    stand
        .fault(json!({"on": "form-upload", "fault": {"kind": "hold-before-acting"}}))
        .await;
    let held = {
        let (stand, link) = (std::sync::Arc::clone(&stand), link.clone());
        tokio::spawn(async move { post(&stand, &link, "file", "held").await })
    };
    stand.reached("form-upload", "held", 1).await;
    assert_eq!(post(&stand, &link, "file", "abc").await.0, 200);
    stand.release().await;
    let (status, body) = in_time(held).await.unwrap();
    assert_eq!((status, text(&body["code"])), denied());
    assert_eq!(stand.stored(&key), b"abc");
}

#[tokio::test]
async fn strange_and_expired_tokens_are_refused() {
    let stand = Stand::start().await;
    let (key, link) = stand.create(&[]).await;
    let (other, _) = stand.create(&[]).await;
    let (s3, _) = stand.create(&[("upload_method", "s3")]).await;
    assert_eq!(
        refusal(&stand, &link.replace("token=", "token=0")).await,
        denied()
    );
    assert_eq!(refusal(&stand, &link.replace(&key, &other)).await, denied());
    assert_eq!(refusal(&stand, &link.replace(&key, &s3)).await, denied());
    let absent = refusal(&stand, &link.replace(&key, "absent00")).await;
    assert_eq!(absent, (404, "NotFound".to_owned()));
    let missing = refusal(&stand, &link.replace("token=", "t=")).await;
    assert_eq!(missing, (400, "ParameterMissing".to_owned()));
    let redirect = format!("{link}&redirect_address=http://x/");
    assert_eq!(
        refusal(&stand, &redirect).await,
        (501, "NotImplemented".to_owned())
    );
    stand.advance(7 * 24 * 3600 + 1).await;
    assert_eq!(refusal(&stand, &link).await, denied());
    stand.nothing_incoming().await;
}

#[tokio::test]
async fn a_file_in_another_field_is_not_picked_up() {
    let stand = Stand::start().await;
    let (key, link) = stand.create(&[]).await;
    let (status, body) = post(&stand, &link, "upload", "abc").await;
    assert_eq!((status, &body["code"]), (400, &json!("FileUploadFailed")));
    assert_eq!(stand.show(&key).await["status"], "created");
}

#[tokio::test]
async fn what_was_announced_is_checked_and_the_link_stays_good() {
    let stand = Stand::start().await;
    for (name, value, code) in [
        ("size", "4", "FileSizeInvalid"),
        ("md5", "00000000000000000000000000000000", "DigestInvalid"),
    ] {
        let (key, link) = stand.create(&[(name, value)]).await;
        for _ in 0..2 {
            assert_eq!(refusal(&stand, &link).await, (400, code.to_owned()));
        }
        assert_eq!(stand.show(&key).await["status"], "created");
    }
    let (_, link) = stand.create(&[("size", "3")]).await;
    assert_eq!(post(&stand, &link, "file", "abcd").await.0, 400);
    assert_eq!(post(&stand, &link, "file", "abc").await.0, 200);
    stand.nothing_incoming().await;
}

#[tokio::test]
async fn what_is_not_a_form_is_refused_before_the_api_sees_it() {
    let stand = Stand::start().await;
    let (_, link) = stand.create(&[]).await;
    let target = target(&link);
    let form = "Content-Type: multipart/form-data; boundary=XX\r\n";
    for (method, headers, body, expected) in [
        ("PUT", format!("{form}Content-Length: 0\r\n"), "", "405"),
        ("POST", "Content-Length: 0\r\n".to_owned(), "", "400"),
        (
            "POST",
            "Content-Type: video/mp4\r\nContent-Length: 0\r\n".to_owned(),
            "",
            "415",
        ),
        (
            "POST",
            "Content-Type: multipart/form-data\r\nContent-Length: 0\r\n".to_owned(),
            "",
            "400",
        ),
        (
            "POST",
            format!("{form}Transfer-Encoding: chunked\r\n"),
            "0\r\n\r\n",
            "411",
        ),
        (
            "POST",
            format!("{form}Content-Length: 26300000000\r\n"),
            "",
            "413",
        ),
        // A form that ends before its last boundary.
        (
            "POST",
            format!("{form}Content-Length: 6\r\n"),
            "--XX\r\n",
            "400",
        ),
    ] {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n{body}"
        );
        let answer = stand.raw(request.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected}")),
            "{request}\n{answer}"
        );
    }
}

#[tokio::test]
async fn without_a_format_the_answer_is_xml() {
    let stand = Stand::start().await;
    let (key, link) = stand.create(&[]).await;
    let form = Form::new().part("file", Part::text("abc").file_name("a"));
    let response = stand.http.post(&link).multipart(form).send().await.unwrap();
    let body = response.text().await.unwrap();
    assert!(
        body.contains(&format!(
            "<video key=\"{key}\"><md5>{ABC_MD5}</md5><size>3</size>"
        )),
        "{body}"
    );
}
