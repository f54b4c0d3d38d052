//! Tests of an upload's calls against a socket: what goes out, and what is made of what comes back.

use serde_json::{Value, json};
use url::Url;

use super::super::uploads::{PartsPage, Uploads};
use crate::disposition::Disposition;
use crate::platform::tests::stub::{Stub, answer};
use crate::platform::{Error, Pass};

const TOKEN: &str = "eyJ0.t0kenOfTheUpload.c2ln";

fn uploads(stub: &Stub) -> Uploads {
    let address = format!("http://{}/v2/uploads/UpId_1", stub.address);
    let pass = Pass::new(Url::parse(&address).unwrap(), TOKEN, None).unwrap();
    Uploads::new(&pass).unwrap()
}

fn ok(body: &Value) -> String {
    answer("200 OK", "", &body.to_string())
}

fn errors(status: &str, code: &str) -> String {
    let body = json!({"errors": [{"code": code, "description": "no"}]});
    answer(status, "jw-request-id: r-7\r\n", &body.to_string())
}

fn hides(error: &Error) {
    let text = format!("{error:?} {error}");
    assert!(!text.contains("t0ken") && !text.contains("UpId"), "{text}");
}

#[tokio::test]
async fn a_page_is_one_get_with_the_upload_s_own_token() {
    let link = "https://s3.example/k?partNumber=2&uploadId=U%2Fx&X-Amz-Signature=0a";
    let parts = json!([{"id": 2, "upload_link": link, "etag": null}, {"id": "1",
        "etag": "\"0123456789ABCDEF0123456789abcdef\""}]);
    let stub = Stub::answering([
        ok(&json!({"page": 1, "page_length": 2, "total": 10_000, "parts": parts})),
        ok(&json!({"parts": []})),
    ]);
    let uploads = uploads(&stub);
    let page = uploads.page(1, 1_000).await.unwrap();
    assert_eq!((page.page, page.total), (Some(1), Some(10_000)));
    let [second, first] = page.slots.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!(second.link.as_ref().unwrap().expose().as_str(), link);
    assert_eq!((second.number, &second.etag), (2, &None));
    assert_eq!((first.number, &first.link), (1, &None));
    assert_eq!(
        first.etag.as_deref(),
        Some("0123456789abcdef0123456789abcdef")
    );
    let request = stub.request();
    let wanted = "GET /v2/uploads/UpId_1/parts?page=1&page_length=1000 HTTP/1.1\r\n";
    assert!(request.head.starts_with(wanted), "{}", request.head);
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(request.header("authorization"), Some(&*bearer));
    let empty = PartsPage {
        page: None,
        total: None,
        slots: Vec::new(),
    };
    assert_eq!(uploads.page(11, 1_000).await.unwrap(), empty);
    assert!(!format!("{uploads:?} {page:?}").contains("t0ken"));
}

#[tokio::test]
async fn completing_is_one_put_and_any_success_is_one() {
    for (status, body) in [
        ("202 Accepted", "{}"),
        ("200 OK", ""),
        ("200 OK", "done"),
        ("201 Created", "[]"),
        ("204 No Content", ""),
    ] {
        let stub = Stub::answering([answer(status, "", body)]);
        uploads(&stub).complete().await.unwrap();
        let request = stub.request();
        let line = "PUT /v2/uploads/UpId_1/complete HTTP/1.1\r\n";
        assert!(request.head.starts_with(line), "{}", request.head);
        assert_eq!(request.header("content-length"), Some("0"));
        assert_eq!(request.header("content-type"), None);
        let bearer = format!("Bearer {TOKEN}");
        assert_eq!(request.header("authorization"), Some(&*bearer));
    }
}

#[tokio::test]
async fn what_answers_mean_for_a_page_and_for_completing() {
    use Disposition::{Ambiguous, LinkExpired, Permanent};
    const TRANSIENT: Disposition = Disposition::TRANSIENT;
    let huge = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(5 * 1024 * 1024));
    for (reply, page, complete) in [
        (
            errors("403 Forbidden", "unauthorized"),
            LinkExpired,
            Ambiguous,
        ),
        (errors("401 Unauthorized", "x"), LinkExpired, Ambiguous),
        (errors("404 Not Found", "not_found"), LinkExpired, Ambiguous),
        (
            answer("404 Not Found", "", "not found\n"),
            LinkExpired,
            Ambiguous,
        ),
        (
            errors("409 Conflict", "invalid_state"),
            Ambiguous,
            Ambiguous,
        ),
        (
            errors("400 Bad Request", "invalid_body"),
            Permanent,
            Permanent,
        ),
        (errors("500 Oops", "server_error"), TRANSIENT, Ambiguous),
        (
            answer("502 Bad Gateway", "", "<html>"),
            TRANSIENT,
            Ambiguous,
        ),
        (answer("200 OK", "", "<html>log in"), TRANSIENT, Ambiguous),
        (answer("404 Not Found", "", "<html>"), TRANSIENT, TRANSIENT),
        (
            answer("302 Found", "Location: /x\r\n", ""),
            TRANSIENT,
            TRANSIENT,
        ),
        (huge, TRANSIENT, Ambiguous),
        ("garbage\r\n\r\n".to_owned(), TRANSIENT, Ambiguous),
        (String::new(), TRANSIENT, Ambiguous),
    ] {
        let shown: String = reply.chars().take(60).collect();
        let stub = Stub::serve(move |_, peer| {
            peer.request();
            peer.say(&reply);
        });
        // A client for each call: the stub hangs up after one.
        let error = uploads(&stub).page(1, 10).await.unwrap_err();
        assert_eq!(error.disposition(), page, "page: {shown:?}: {error}");
        hides(&error);
        let error = uploads(&stub).complete().await.unwrap_err();
        assert_eq!(error.disposition(), complete, "{shown:?}: {error}");
        hides(&error);
        stub.request();
        stub.request();
        assert!(!stub.has_more(), "{shown:?} was not repeated");
    }
}

#[tokio::test]
async fn a_page_that_lacks_something_is_none() {
    let bad_link = json!({"parts": [{"id": 1, "upload_link": "http://s3.example/k"}]});
    for body in [
        json!({}),
        json!({"parts": {}}),
        json!({"parts": [{"upload_link": "https://s3.example/k"}]}),
        json!({"parts": [{"id": -1}]}),
        json!({"parts": [{"id": 5_000_000_000_u64}]}),
        json!({"parts": [7]}),
        bad_link,
    ] {
        let stub = Stub::answering([ok(&body)]);
        let error = uploads(&stub).page(1, 10).await.unwrap_err();
        assert_eq!(
            error.disposition(),
            Disposition::TRANSIENT,
            "{body}: {error}"
        );
    }
}

#[tokio::test]
async fn an_upload_that_nobody_answers_for_was_not_completed() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v2/uploads/UpId_1", free.local_addr().unwrap());
    drop(free);
    let pass = Pass::new(Url::parse(&address).unwrap(), TOKEN, None).unwrap();
    let error = Uploads::new(&pass).unwrap().complete().await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Unreachable);
    hides(&error);
}
