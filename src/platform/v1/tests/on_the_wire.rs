//! Tests of the calls against a socket: what goes out, and what is made of what comes back.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::client::Client;
use crate::disposition::{Disposition, Need};
use crate::metadata::Metadata;
use crate::platform::Error;
use crate::platform::tests::stub::{Stub, answer};
use crate::platform::{NewVideo, Update, Video};
use crate::way::Way;

const SECRET: &str = "uA96CFtJa138E2T5GhKfngml";
const NEW: NewVideo<'_> = NewVideo {
    title: "Été +1",
    metadata: &Metadata::NONE,
    ingest_id: "ing:1:",
    way: Way::S3,
    size: Some(3),
    source: None,
};

fn client_at(base_url: &str) -> Client {
    let base_url = base_url.parse().unwrap();
    Client::new("main", ("XOqEAfxj", &SECRET.into()), &base_url).unwrap()
}

fn client(stub: &Stub) -> Client {
    client_at(&format!("http://{}/v1/", stub.address))
}

fn ok(body: &Value) -> String {
    answer("200 OK", "", &body.to_string())
}

fn created() -> String {
    ok(
        &json!({"status": "ok", "media": {"key": "tL17msiU"}, "link": {"protocol": "https",
        "address": "s3.example", "path": "/tL17msiU", "query": {"Signature": "a+b"}}}),
    )
}

fn refused(status: &str, code: &str) -> String {
    answer(
        status,
        "X-Request-Id: r-7\r\n",
        &json!({"status": "error", "code": code}).to_string(),
    )
}

fn list(videos: &Value, total: u64) -> String {
    ok(&json!({"status": "ok", "videos": videos, "total": total}))
}

#[tokio::test]
async fn a_create_is_one_signed_post_with_everything_in_its_body() {
    let stub = Stub::answering([created()]);
    let created = client(&stub).create(NEW).await.unwrap();
    assert_eq!(created.key.as_str(), "tL17msiU");
    let request = stub.request();
    assert!(
        request
            .head
            .starts_with("POST /v1/videos/create HTTP/1.1\r\n"),
        "{}",
        request.head
    );
    assert_eq!(
        request.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        request.header("content-length"),
        Some(&*request.body.len().to_string())
    );
    assert_eq!(request.header("transfer-encoding"), None);
    let body = String::from_utf8(request.body).unwrap();
    let names: Vec<&str> = body.split(['&', '=']).step_by(2).collect();
    let expected = "api_format api_key api_nonce api_timestamp custom.ingest_id size title \
                    upload_method api_signature";
    assert_eq!(names.join(" "), expected);
    assert!(
        body.contains("&title=%C3%89t%C3%A9%20%2B1&upload_method=s3&"),
        "{body}"
    );
    assert!(!body.contains(SECRET));
}

#[tokio::test]
async fn what_a_create_may_have_done_is_never_taken_for_nothing() {
    let huge = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(5 * 1024 * 1024));
    for (reply, expected) in [
        (answer("200 OK", "", ""), Disposition::Ambiguous),
        (answer("200 OK", "", "<html>"), Disposition::Ambiguous),
        (
            answer("200 OK", "", "{\"status\":\"ok\",\"media\":{\"ke"),
            Disposition::Ambiguous,
        ),
        (
            ok(&json!({"status": "ok", "media": {"key": 7}})),
            Disposition::Ambiguous,
        ),
        (ok(&json!({"status": "error"})), Disposition::Ambiguous),
        (ok(&json!({"status": 1})), Disposition::Ambiguous),
        (huge, Disposition::Ambiguous),
        (
            answer("502 Bad Gateway", "", "<html>"),
            Disposition::Ambiguous,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_owned(),
            Disposition::Ambiguous,
        ),
        ("garbage\r\n\r\n".to_owned(), Disposition::Ambiguous),
        (String::new(), Disposition::Ambiguous),
        (
            answer("302 Found", "Location: /x\r\n", ""),
            Disposition::TRANSIENT,
        ),
        (
            refused("400 Bad Request", "ParameterInvalid"),
            Disposition::Permanent,
        ),
        (
            refused("403 Forbidden", "PermissionDenied"),
            Disposition::Blocked(Need::Credentials),
        ),
    ] {
        let shown: String = reply.chars().take(60).collect();
        let stub = Stub::serve(move |_, peer| {
            peer.request();
            peer.say(&reply);
        });
        let error = client(&stub).create(NEW).await.unwrap_err();
        assert_eq!(error.disposition(), expected, "{shown:?}: {error}");
        stub.request();
        assert!(!stub.has_more(), "{shown:?} was not repeated");
    }
}

#[tokio::test]
async fn no_connection_means_nothing_was_done() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/v1", free.local_addr().unwrap());
    drop(free);
    let error = client_at(&base_url).create(NEW).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let chain = format!("{error:?}");
    assert!(
        !chain.contains("videos/create?") && !chain.contains(SECRET),
        "{chain}"
    );
}

#[tokio::test]
async fn a_refused_signature_is_made_anew_once() {
    let refusal = || refused("400 Bad Request", "SignatureInvalid");
    let good = list(&json!([]), 0);
    let stub = Stub::answering([refusal(), good, refusal(), refusal()]);
    let client = client(&stub);
    client.check_credentials().await.unwrap();
    let (first, second) = (stub.request(), stub.request());
    assert_ne!(first.body, second.body, "signed afresh");
    let error = client.check_credentials().await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Blocked(Need::Credentials));
    assert_eq!(error.request_id(), Some("r-7"));
}

#[tokio::test]
async fn a_create_looks_for_its_video_before_it_signs_anew() {
    let refusal = || refused("400 Bad Request", "NonceInvalid");
    let stub = Stub::answering([refusal(), list(&json!([]), 0), created()]);
    client(&stub).create(NEW).await.unwrap();
    let video = json!({"key": "a", "status": "created", "custom": {"ingest_id": "ing:1:"}});
    let stub = Stub::answering([refusal(), list(&json!([video]), 1)]);
    let error = client(&stub).create(NEW).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Ambiguous, "{error}");
}

#[tokio::test]
async fn only_the_exact_ingest_id_is_found_and_the_oldest_comes_first() {
    let video = |key: &str, id: &str, date: u64| json!({"key": key, "status": "created", "date": date, "custom": {"ingest_id": id}});
    let first = json!([video("b", "ing:1:", 9), video("x", "ing:1:2", 1)]);
    let without = json!([{"key": "c", "status": "ready"}]);
    let shown = ok(&json!({"status": "ok", "video": video("c", "ing:1:", 5)}));
    let stub = Stub::answering([list(&first, 3), list(&without, 3), shown]);
    let found = client(&stub).find_by_ingest_id("ing:1:").await.unwrap();
    let keys: Vec<&str> = found.iter().map(|video| video.key.as_str()).collect();
    assert_eq!(keys, ["c", "b"]);
    let body = String::from_utf8(stub.request().body).unwrap();
    assert!(
        body.contains("&search%3Acustom.ingest_id=ing%3A1%3A&"),
        "{body}"
    );
    let body = String::from_utf8(stub.request().body).unwrap();
    assert!(body.contains("&result_offset=2&"), "{body}");
}

#[tokio::test]
async fn files_that_came_without_a_call_are_found_by_their_bytes_or_else_their_title() {
    const MD5: &str = "0123456789abcdef0123456789abcdef";
    let video = |key: &str, title: &str, md5: &Value, date: u64| {
        json!({"key": key, "status": "ready",
        "date": date, "title": title, "md5": md5, "custom": {}})
    };
    let upper = json!("0123456789ABCDEF0123456789ABCDEF");
    let same = [
        video("new", "x", &upper, 60),
        video("old", "x", &json!(MD5), 40),
    ];
    let titled = [
        video("other", "a b", &json!("ffff"), 60),
        video("part", "a b c", &json!(null), 60),
        video("old", "a b", &json!(null), 40),
        video("new", "a b", &json!(null), 70),
        video("first", "a b", &json!(null), 60),
    ];
    let since = Timestamp::from_second(50).unwrap();
    let stub = Stub::answering([
        list(&json!(same), 2),
        list(&json!([]), 0),
        list(&json!(titled), 5),
    ]);
    let client = client(&stub);
    let keys = |found: Vec<Video>| {
        let keys = found.iter().map(|video| video.key.to_string());
        keys.collect::<Vec<_>>().join(" ")
    };
    let found = client.find_by_content(MD5, &["a b"], since).await.unwrap();
    assert_eq!(keys(found), "new");
    let both = ["a b", "never asked for"];
    let found = client.find_by_content(MD5, &both, since).await.unwrap();
    assert_eq!(keys(found), "first new");
    for wanted in [
        "&search%3Amd5=0123",
        "&search%3Amd5=0123",
        "&search%3Atitle=a%20b&",
    ] {
        let body = String::from_utf8(stub.request().body).unwrap();
        assert!(body.contains(wanted), "{body}");
    }
    assert!(!stub.has_more());
}

#[tokio::test]
async fn deleting_what_is_not_there_succeeds() {
    let stub = Stub::answering([
        refused("404 Not Found", "NotFound"),
        refused("403 Forbidden", "PermissionDenied"),
    ]);
    let key = "tL17msiU".parse().unwrap();
    client(&stub).delete(&key).await.unwrap();
    assert!(client(&stub).delete(&key).await.is_err());
}

#[tokio::test]
async fn too_many_calls_wait_as_long_as_the_server_says() {
    let busy = answer(
        "429 Too Many",
        "Retry-After: 7\r\n",
        "{\"status\":\"error\",\"code\":\
        \"RateLimitExceeded\"}",
    );
    let stub = Stub::answering([busy]);
    let error = client(&stub).create(NEW).await.unwrap_err();
    let after = Some(std::time::Duration::from_secs(7));
    assert_eq!(error.disposition(), Disposition::Transient { after });
}

#[tokio::test]
async fn a_raw_call_cannot_be_bent() {
    let client = client_at("http://127.0.0.1:9/v1");
    for (path, params) in [
        ("/videos/show", ("video_key", "")),
        ("/videos/show", ("api_key", "other")),
        ("/videos/../show", ("video_key", "a")),
        ("//evil.example/?", ("video_key", "a")),
        ("", ("video_key", "a")),
    ] {
        let error = client.call(path, &[params]).await.unwrap_err();
        assert!(
            matches!(error, Error::Request(_)),
            "{path} {params:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_draft_whose_create_answer_was_lost_gets_its_link_back() {
    let shown = |status: &str, session: &Value| {
        ok(
            &json!({"status": "ok", "video": {"key": "tL17msiU", "status": status,
            "upload_session_id": session}}),
        )
    };
    let stub = Stub::answering([
        shown("created", &json!("kwJei9j2")),
        shown("created", &json!(null)),
        shown("processing", &json!("kwJei9j2")),
        refused("404 Not Found", "NotFound"),
    ]);
    let (client, key) = (client(&stub), "tL17msiU".parse().unwrap());
    let link = client.reopen(&key).await.unwrap().unwrap();
    let expected = format!(
        "http://{}/v1/videos/upload/resumable?key=tL17msiU&api_format=json",
        stub.address
    );
    assert_eq!(link.expose().as_str(), expected);
    assert_eq!(link.session().unwrap().expose(), "kwJei9j2");
    assert_eq!(client.reopen(&key).await.unwrap(), None);
    assert_eq!(client.reopen(&key).await.unwrap(), None);
    assert!(client.reopen(&key).await.unwrap_err().is_not_found());
}

fn metadata() -> Metadata {
    Metadata {
        description: Some("two\nlines".to_owned()),
        author: Some("J. Doe".to_owned()),
        tags: vec!["a".to_owned(), "b c".to_owned()],
        category: Some("News & Politics".to_owned()),
        publish_date: Some(Timestamp::from_second(1_795_366_800).unwrap()),
        custom: [("show".to_owned(), "Tonight".to_owned())].into(),
    }
}

/// The parameters of a request, decoded.
fn params(body: &[u8]) -> Vec<(String, String)> {
    let pairs = url::form_urlencoded::parse(body).into_owned();
    pairs
        .filter(|(name, _)| !name.starts_with("api_"))
        .collect()
}

fn said(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

#[tokio::test]
async fn what_is_told_of_a_video_goes_with_its_create_and_alone_with_an_update() {
    let stub = Stub::answering([
        created(),
        ok(&json!({"status": "ok"})),
        ok(&json!({"status": "ok"})),
    ]);
    let client = client(&stub);
    let metadata = metadata();
    let video = NewVideo {
        metadata: &metadata,
        ..NEW
    };
    let made = client.create(video).await.unwrap();
    let mut told = vec![
        ("author", "J. Doe"),
        ("category", "News & Politics"),
        ("custom.ingest_id", "ing:1:"),
        ("custom.show", "Tonight"),
        ("date", "1795366800"),
        ("description", "two\nlines"),
        ("size", "3"),
        ("tags", "a,b c"),
        ("title", "Été +1"),
        ("upload_method", "s3"),
    ];
    assert_eq!(params(&stub.request().body), said(&told));
    let update = Update {
        title: Some("new"),
        metadata: &metadata,
        ingest_id: "ing:1:",
    };
    client.describe(&made.key, update).await.unwrap();
    told.retain(|(name, _)| !["custom.ingest_id", "size", "upload_method", "title"].contains(name));
    told.extend([("title", "new"), ("video_key", "tL17msiU")]);
    let request = stub.request();
    assert!(
        request.head.starts_with("POST /v1/videos/update "),
        "{}",
        request.head
    );
    assert_eq!(params(&request.body), said(&told));
    let update = Update {
        title: Some(""),
        metadata: &Metadata::NONE,
        ..update
    };
    client.describe(&made.key, update).await.unwrap();
    let only = [("video_key", "tL17msiU")];
    assert_eq!(
        params(&stub.request().body),
        said(&only),
        "nothing empty is sent"
    );
}

#[tokio::test]
async fn a_reupload_asks_for_a_link_and_leaves_the_rest_of_the_video_alone() {
    let other = ok(
        &json!({"status": "ok", "media": {"key": "oTher123"}, "link": {"protocol": "https",
        "address": "s3.example", "path": "/x", "query": {"Signature": "a"}}}),
    );
    let fetched = ok(&json!({"status": "ok"}));
    let early = refused("412 Precondition Failed", "PreconditionFailed");
    let gone = refused("404 Not Found", "NotFound");
    let stub = Stub::answering([created(), other, fetched, early, gone]);
    let (client, key) = (client(&stub), "tL17msiU".parse().unwrap());
    let granted = client.reupload(&key, NEW).await.unwrap();
    assert_eq!(granted.key, key);
    let request = stub.request();
    assert!(
        request
            .head
            .starts_with("POST /v1/videos/update HTTP/1.1\r\n")
    );
    let body = String::from_utf8(request.body).unwrap();
    let names: Vec<&str> = body.split(['&', '=']).step_by(2).collect();
    let expected = "api_format api_key api_nonce api_timestamp size update_file upload_method \
                    video_key api_signature";
    assert_eq!(names.join(" "), expected);
    assert!(
        body.contains("&update_file=True&upload_method=s3&video_key=tL17msiU"),
        "{body}"
    );

    let error = client.reupload(&key, NEW).await.unwrap_err();
    assert!(
        error.to_string().contains("the key of another video"),
        "{error}"
    );
    let source = "https://m.example/a.mp4".parse().unwrap();
    let fetch = NewVideo {
        way: Way::Fetch,
        source: Some(&source),
        ..NEW
    };
    let granted = client.reupload(&key, fetch).await.unwrap();
    assert!(matches!(granted.grant, crate::platform::Grant::Fetch));
    let error = client.reupload(&key, NEW).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::TRANSIENT);
    assert!(client.reupload(&key, NEW).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_reupload_without_an_answer_may_be_repeated() {
    let stub = Stub::answering([]);
    let key = "tL17msiU".parse().unwrap();
    let error = client(&stub).reupload(&key, NEW).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::TRANSIENT);
}
