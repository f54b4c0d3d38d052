//! Tests of the calls against a socket: what goes out, and what is made of what comes back.

use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use super::super::client::Client;
use crate::disposition::{Disposition, Need};
use crate::metadata::Metadata;
use crate::platform::tests::stub::{Request, Stub, answer};
use crate::platform::{Error, Grant, NewVideo, Update, Verb, VideoKey};
use crate::way::Way;

const TOKEN: &str = "v2-s3cret-of-the-account";
const NEW: NewVideo<'_> = NewVideo {
    title: "Été +1",
    metadata: &Metadata::NONE,
    ingest_id: "ing:1:",
    way: Way::Direct,
    size: Some(3),
    source: None,
};
const TRANSIENT: Disposition = Disposition::TRANSIENT;

fn client_at(base: &str) -> Client {
    let base = Url::parse(base).unwrap();
    Client::new("main", ("aBcD1234", &base), &TOKEN.into()).unwrap()
}

fn client(stub: &Stub) -> Client {
    client_at(&format!("http://{}/v2", stub.address))
}

fn key() -> VideoKey {
    "aB3dE6gH".parse().unwrap()
}

fn ok(body: &Value) -> String {
    answer("200 OK", "", &body.to_string())
}

fn created(more: &Value) -> String {
    let mut body = json!({"id": "aB3dE6gH", "status": "created"});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    answer("201 Created", "", &body.to_string())
}

fn refused(status: &str, code: &str, description: &str) -> String {
    let body = json!({"errors": [{"code": code, "description": description}]});
    answer(status, "jw-request-id: r-7\r\n", &body.to_string())
}

fn list(media: &Value, total: u64) -> String {
    ok(&json!({"page": 1, "page_length": 100, "total": total, "media": media}))
}

/// The query of a request, decoded.
fn query(request: &Request) -> Vec<(String, String)> {
    let target = request.head.split(' ').nth(1).unwrap();
    let url = Url::parse(&format!("http://stub{target}")).unwrap();
    url.query_pairs().into_owned().collect()
}

fn hides(error: &Error) {
    let text = format!("{error:?} {error}");
    assert!(
        !text.contains("s3cret") && !text.contains("aBcD1234"),
        "{text}"
    );
}

#[tokio::test]
async fn a_create_is_one_post_of_json_with_the_token_in_its_header() {
    let link = "https://s3.example/k?X-Amz-Signature=0a";
    let stub = Stub::answering([created(&json!({"upload_link": link}))]);
    let client = client(&stub);
    let made = client.create(NEW).await.unwrap();
    assert_eq!(made.key, key());
    assert!(matches!(&made.grant, Grant::Link(read) if read.expose().as_str() == link));
    let request = stub.request();
    let wanted = "POST /v2/sites/aBcD1234/media/ HTTP/1.1\r\n";
    assert!(request.head.starts_with(wanted), "{}", request.head);
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(request.header("authorization"), Some(&*bearer));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let length = request.body.len().to_string();
    assert_eq!(request.header("content-length"), Some(&*length));
    assert_eq!(request.header("transfer-encoding"), None);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let expected = json!({"upload": {"method": "direct"}, "metadata": {"title": "Été +1",
        "external_id": "ing:1:", "custom_params": {"ingest_id": "ing:1:"}}});
    assert_eq!(body, expected);
    assert!(!format!("{client:?} {made:?}").contains("s3cret"));
    assert!(!format!("{made:?}").contains("Signature"));
}

#[tokio::test]
async fn each_way_asks_for_itself() {
    let upload = json!({"upload_id": "Up1", "upload_token": "a.e30.b"});
    let stub = Stub::answering([created(&upload), created(&json!({}))]);
    let client = client(&stub);
    let sent = |request: &Request| serde_json::from_slice::<Value>(&request.body).unwrap();
    let (way, title) = (Way::Multipart, "");
    let made = client.create(NewVideo { title, way, ..NEW }).await.unwrap();
    let Grant::Parts(pass) = made.grant else {
        panic!("{made:?}")
    };
    let upload = format!("http://{}/v2/uploads/Up1", stub.address);
    assert_eq!(pass.expose_upload().as_str(), upload);
    let body = sent(&stub.request());
    assert_eq!(body["upload"], json!({"method": "multipart"}));
    assert_eq!(
        body["metadata"].get("title"),
        None,
        "empty ones are not sent"
    );
    let source = Url::parse("https://files.example/a%20b.mp4?sig=c%2Bd").unwrap();
    let (way, source) = (Way::Fetch, Some(&source));
    let made = client.create(NewVideo { way, source, ..NEW }).await;
    assert_eq!(made.unwrap().grant, Grant::Fetch);
    let expected = json!({"method": "fetch",
        "download_url": "https://files.example/a%20b.mp4?sig=c%2Bd"});
    assert_eq!(sent(&stub.request())["upload"], expected);
    for way in [Way::S3, Way::Form, Way::Resumable, Way::Ftp, Way::Fetch] {
        let error = client.create(NewVideo { way, ..NEW }).await.unwrap_err();
        assert!(matches!(error, Error::Request(_)), "{error}");
    }
    assert!(!stub.has_more());
}

/// Creates with this for an answer, and checks what is made of it.
async fn a_create_answered_by(reply: String, expected: Disposition) {
    let shown: String = reply.chars().take(60).collect();
    let stub = Stub::serve(move |_, peer| {
        peer.request();
        peer.say(&reply);
    });
    let error = client(&stub).create(NEW).await.unwrap_err();
    assert_eq!(error.disposition(), expected, "{shown:?}: {error}");
    hides(&error);
    stub.request();
    assert!(!stub.has_more(), "{shown:?} was not repeated");
}

#[tokio::test]
async fn what_a_create_may_have_done_is_never_taken_for_nothing() {
    use Disposition::Ambiguous;
    let huge = format!(
        "HTTP/1.1 201 Created\r\n\r\n{}",
        "x".repeat(5 * 1024 * 1024)
    );
    let bad = |status, code| refused(status, code, "no");
    for (reply, expected) in [
        (answer("201 Created", "", ""), Ambiguous),
        (answer("200 OK", "", "<html>"), Ambiguous),
        (answer("201 Created", "", "{\"id\":\"aB3"), Ambiguous),
        (created(&json!({})), Ambiguous),
        (created(&json!({"upload_link": 7})), Ambiguous),
        (
            created(&json!({"upload_link": "http://s3.example/k"})),
            Ambiguous,
        ),
        (answer("201 Created", "", "[]"), Ambiguous),
        (huge, Ambiguous),
        (bad("500 Oops", "server_error"), Ambiguous),
        (answer("502 Bad Gateway", "", "<html>"), Ambiguous),
        (answer("503 Unavailable", "", ""), Ambiguous),
        (
            "HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{".to_owned(),
            Ambiguous,
        ),
        ("garbage\r\n\r\n".to_owned(), Ambiguous),
        (String::new(), Ambiguous),
        (bad("409 Conflict", "x"), Ambiguous),
    ] {
        a_create_answered_by(reply, expected).await;
    }
}

#[tokio::test]
async fn a_create_that_was_refused_made_nothing() {
    use Disposition::Permanent;
    let blocked = Disposition::Blocked(Need::Credentials);
    let full = Disposition::Blocked(Need::Plan);
    let bad = |status, code| refused(status, code, "no");
    let quota = |code| refused("403 Forbidden", code, "Content storage limit exceeded");
    for (reply, expected) in [
        (answer("302 Found", "Location: /x\r\n", ""), TRANSIENT),
        (answer("403 Forbidden", "", "<html>"), TRANSIENT),
        (answer("404 Not Found", "", ""), TRANSIENT),
        (
            answer("401 Unauthorized", "", "{\"message\": \"who?\"}"),
            TRANSIENT,
        ),
        (bad("400 Bad Request", "invalid_body"), Permanent),
        (bad("422 Unprocessable", "x"), Permanent),
        (bad("401 Unauthorized", "unauthorized"), blocked),
        (bad("403 Forbidden", "unauthorized"), blocked),
        (bad("404 Not Found", "not_found"), blocked),
        (
            answer("403 Forbidden", "jw-request-id: r\r\n", "no"),
            blocked,
        ),
        (quota("forbidden"), full),
        (quota("invalid_body"), full),
        (refused("400 Bad", "x", "the quota is used up"), full),
        (
            refused("400 Bad", "invalid_body", "'quota.mp4' is no title"),
            Permanent,
        ),
    ] {
        a_create_answered_by(reply, expected).await;
    }
}

#[tokio::test]
async fn no_connection_means_nothing_was_done() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v2", free.local_addr().unwrap());
    drop(free);
    for error in [
        client_at(&base).create(NEW).await.unwrap_err(),
        client_at(&base).show(&key()).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        hides(&error);
    }
}

#[tokio::test]
async fn too_many_calls_wait_for_the_next_window() {
    let body = "{\"errors\":[{\"code\":\"too_many_requests\",\"description\":\"limit exceeded\"}]}";
    for (headers, least, most) in [("", 60, 65), ("Retry-After: 7\r\n", 7, 7)] {
        let stub = Stub::answering([answer("429 Too Many", headers, body)]);
        let error = client(&stub).create(NEW).await.unwrap_err();
        let Disposition::Transient { after: Some(after) } = error.disposition() else {
            panic!("{error}")
        };
        assert!((least..=most).contains(&after.as_secs()), "{after:?}");
    }
}

#[tokio::test]
async fn show_reads_one_media_and_tells_absence_apart() {
    let media = json!({"id": "aB3dE6gH", "status": "ready", "external_id": "ing:1:"});
    let stub = Stub::answering([
        ok(&media),
        refused("404 Not Found", "not_found", "no"),
        answer("404 Not Found", "", "not found"),
        answer("404 Not Found", "", "<html>not found"),
    ]);
    let client = client(&stub);
    let video = client.show(&key()).await.unwrap();
    assert_eq!(video.ingest_id.as_deref(), Some("ing:1:"));
    let request = stub.request();
    let wanted = "GET /v2/sites/aBcD1234/media/aB3dE6gH/ HTTP/1.1\r\n";
    assert!(request.head.starts_with(wanted), "{}", request.head);
    let error = client.show(&key()).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.request_id(), Some("r-7"));
    assert!(client.show(&key()).await.unwrap_err().is_not_found());
    let error = client.show(&key()).await.unwrap_err();
    assert!(!error.is_not_found(), "a stranger does not know: {error}");
    assert_eq!(error.disposition(), TRANSIENT);
}

#[tokio::test]
async fn deleting_what_is_not_there_succeeds() {
    let stub = Stub::answering([
        answer("204 No Content", "", ""),
        answer("200 OK", "", "gone"),
        refused("404 Not Found", "not_found", "no"),
        refused("403 Forbidden", "unauthorized", "no"),
        answer("200 OK", "", "<html>log in"),
        refused("200 OK", "server_error", "no"),
    ]);
    let client = client(&stub);
    for _ in 0..3 {
        client.delete(&key()).await.unwrap();
        let request = stub.request();
        let wanted = "DELETE /v2/sites/aBcD1234/media/aB3dE6gH/ HTTP/1.1\r\n";
        assert!(request.head.starts_with(wanted), "{}", request.head);
    }
    let error = client.delete(&key()).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Blocked(Need::Credentials));
    for _ in 0..2 {
        let error = client.delete(&key()).await.unwrap_err();
        assert_eq!(error.disposition(), TRANSIENT, "{error}");
    }
}

#[tokio::test]
async fn lists_are_asked_for_in_pages() {
    let stub = Stub::answering([list(&json!([]), 0), list(&json!([]), 0)]);
    let client = client(&stub);
    client.newest(500, 1_000).await.unwrap();
    let request = stub.request();
    let wanted = "GET /v2/sites/aBcD1234/media/?page=3&page_length=500&sort=last_modified%3Adsc ";
    assert!(request.head.starts_with(wanted), "{}", request.head);
    client.check_credentials().await.unwrap();
    let request = stub.request();
    assert_eq!(query(&request)[1], ("page_length".into(), "1".into()));
}

fn media(key: &str, id: &str, created: &str) -> Value {
    json!({"id": key, "status": "created", "external_id": id, "created": created,
        "metadata": {"title": format!("title of {id}")}})
}

#[tokio::test]
async fn only_the_exact_ingest_id_is_found_and_the_oldest_comes_first() {
    let day = |day: u8| format!("2026-02-{day:02}T00:00:00+00:00");
    let first = json!([media("b", "ing:1:", &day(9)), media("x", "ING:1", &day(8))]);
    let second = json!([media("b", "ing:1:", &day(9)), media("c", "ing:1:", &day(5))]);
    let stub = Stub::answering([list(&first, 4), list(&second, 4)]);
    let found = client(&stub).find_by_ingest_id("ing:1:").await.unwrap();
    let keys: Vec<&str> = found.iter().map(|video| video.key.as_str()).collect();
    assert_eq!(keys, ["c", "b"]);
    let request = stub.request();
    let sought = ("q".to_owned(), "external_id:\"ing:1:\"".to_owned());
    assert!(query(&request).contains(&sought), "{}", request.head);
    let second = stub.request();
    assert_eq!(query(&second)[0], ("page".into(), "2".into()));
}

#[tokio::test]
async fn a_search_that_finds_everything_is_not_believed() {
    let all: Vec<_> = (0..100).map(|n| media(&format!("k{n}"), "x", "")).collect();
    let answer = list(&json!(all), 1_000_000);
    let stub = Stub::serve(move |_, peer| {
        while peer.request() {
            peer.say(&answer);
        }
    });
    let error = client(&stub).find_by_ingest_id("ing:1:").await.unwrap_err();
    assert_eq!(error.disposition(), TRANSIENT, "{error}");
}

#[tokio::test]
async fn files_that_came_without_a_call_are_found_by_their_title() {
    let page = json!([
        media("new", "b", "2026-02-09T00:00:00+00:00"),
        media("odd", "B", "2026-02-09T00:00:00+00:00"),
        media("old", "b", "2026-02-01T00:00:00+00:00"),
    ]);
    let last = json!([media("more", "c", "2026-02-06T00:00:00+00:00")]);
    let stub = Stub::answering([list(&json!([]), 0), list(&page, 300), list(&last, 1)]);
    let since: Timestamp = "2026-02-05T00:00:00Z".parse().unwrap();
    let titles = ["title of \"a\"", "title of b", "title of c"];
    let found = client(&stub).find_by_content(&titles, since).await.unwrap();
    let keys: Vec<&str> = found.iter().map(|video| video.key.as_str()).collect();
    assert_eq!(keys, ["more", "new"]);
    for wanted in [
        "title:\"title of  a\"",
        "title:\"title of b\"",
        "title:\"title of c\"",
    ] {
        let request = stub.request();
        let sought = ("q".to_owned(), wanted.to_owned());
        assert!(query(&request).contains(&sought), "{}", request.head);
    }
    assert!(!stub.has_more(), "what is older need not be read");
}

#[tokio::test]
async fn a_raw_call_is_made_as_it_is_said_and_cannot_be_bent() {
    let stub = Stub::answering([ok(&json!({"a": 1})), ok(&json!({})), ok(&json!({}))]);
    let client = client(&stub);
    let q = [("q", "title:\"a b\"")];
    let said = client.call(Verb::Get, "/media", &q).await.unwrap();
    assert_eq!(said, json!({"a": 1}));
    let wanted = "GET /v2/sites/aBcD1234/media/?q=title%3A%22a%20b%22 HTTP/1.1\r\n";
    assert!(stub.request().head.starts_with(wanted));
    let fields = [("metadata", "{\"title\":\"x\"}"), ("note", "plain words")];
    let call = client.call(Verb::Patch, "media/aB3dE6gH/", &fields);
    call.await.unwrap();
    let request = stub.request();
    let wanted = "PATCH /v2/sites/aBcD1234/media/aB3dE6gH/ HTTP/1.1\r\n";
    assert!(request.head.starts_with(wanted), "{}", request.head);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        body,
        json!({"metadata": {"title": "x"}, "note": "plain words"})
    );
    for path in [
        "",
        "/",
        "/media/../x",
        "//evil.example/",
        "/media?x=1",
        "/a b",
    ] {
        let error = client.call(Verb::Get, path, &[]).await.unwrap_err();
        assert!(matches!(error, Error::Request(_)), "{path}: {error}");
    }
}

#[tokio::test]
async fn what_is_told_of_a_media_goes_with_its_create_and_an_update_leaves_the_rest() {
    let link = json!({"upload_link": "https://s3.example/k"});
    let had = json!({"id": "aB3dE6gH", "metadata": {
        "custom_params": {"ingest_id": "ing:1:", "desk": "theirs", "show": "old"}}});
    let done = ok(&json!({"id": "aB3dE6gH", "status": "ready"}));
    let stub = Stub::answering([created(&link), ok(&had), done.clone(), done]);
    let client = client(&stub);
    let sent = |request: &Request| serde_json::from_slice::<Value>(&request.body).unwrap();
    let metadata = Metadata {
        description: Some("two\nlines".to_owned()),
        author: Some("J. Doe".to_owned()),
        tags: vec!["a".to_owned(), "b c".to_owned()],
        category: Some("News".to_owned()),
        publish_date: Some(Timestamp::from_second(1_795_366_800).unwrap()),
        custom: [("show".to_owned(), "Tonight".to_owned())].into(),
    };
    let video = NewVideo {
        metadata: &metadata,
        ..NEW
    };
    client.create(video).await.unwrap();
    let mut told = json!({"title": "Été +1", "external_id": "ing:1:", "description": "two\nlines",
        "author": "J. Doe", "tags": ["a", "b c"], "category": "News",
        "publish_start_date": "2026-11-22T17:00:00+00:00",
        "custom_params": {"ingest_id": "ing:1:", "show": "Tonight"}});
    assert_eq!(sent(&stub.request())["metadata"], told);
    let update = Update {
        title: None,
        metadata: &metadata,
        ingest_id: "ing:1:",
    };
    client.describe(&key(), update).await.unwrap();
    assert!(
        stub.request().head.starts_with("GET "),
        "what is there is looked at"
    );
    let fields = told.as_object_mut().unwrap();
    fields.remove("title");
    fields.remove("external_id");
    fields["custom_params"] = json!({"ingest_id": "ing:1:", "desk": "theirs", "show": "Tonight"});
    let request = stub.request();
    let wanted = "PATCH /v2/sites/aBcD1234/media/aB3dE6gH/ ";
    assert!(request.head.starts_with(wanted), "{}", request.head);
    assert_eq!(sent(&request), json!({"metadata": told}));
    let update = Update {
        title: Some("new"),
        metadata: &Metadata::NONE,
        ..update
    };
    client.describe(&key(), update).await.unwrap();
    assert_eq!(sent(&stub.request()), json!({"metadata": {"title": "new"}}));
}

#[tokio::test]
async fn a_reupload_is_one_put_that_says_only_how_the_bytes_come() {
    let link = json!({"upload_link": "https://s3.example/k?X-Amz-Signature=0a"});
    let nameless = answer("200 OK", "", &link.to_string());
    let other = ok(&json!({"id": "oTher123", "upload_link": "https://s3.example/k?a=b"}));
    let parts = created(&json!({"upload_id": "Up1", "upload_token": "a.e30.b"}));
    let early = refused("400 Bad Request", "invalid_state", "not ready");
    let gone = refused("404 Not Found", "not_found", "");
    let stub = Stub::answering([created(&link), nameless, other, parts, early, gone]);
    let client = client(&stub);
    let granted = client.reupload(&key(), NEW).await.unwrap();
    assert!(matches!(&granted.grant, Grant::Link(_)));
    let request = stub.request();
    let wanted = "PUT /v2/sites/aBcD1234/media/aB3dE6gH/reupload/ HTTP/1.1\r\n";
    assert!(request.head.starts_with(wanted), "{}", request.head);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, json!({"upload": {"method": "direct"}}));
    assert_eq!(client.reupload(&key(), NEW).await.unwrap().key, key());
    let error = client.reupload(&key(), NEW).await.unwrap_err();
    assert!(
        error.to_string().contains("the id of another media"),
        "{error}"
    );
    let several = NewVideo {
        way: Way::Multipart,
        ..NEW
    };
    let granted = client.reupload(&key(), several).await.unwrap();
    assert!(matches!(granted.grant, Grant::Parts(_)));
    let error = client.reupload(&key(), NEW).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Permanent);
    assert!(
        client
            .reupload(&key(), NEW)
            .await
            .unwrap_err()
            .is_not_found()
    );
}

#[tokio::test]
async fn a_reupload_without_an_answer_may_be_repeated() {
    let stub = Stub::answering([]);
    let error = client(&stub).reupload(&key(), NEW).await.unwrap_err();
    assert_eq!(error.disposition(), TRANSIENT);
}
