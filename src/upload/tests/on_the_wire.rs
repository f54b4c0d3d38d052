//! Tests of whole uploads against sockets that do what real servers do, and worse.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::super::*;
use crate::disposition::Disposition;
use crate::platform::tests::stub::{PATIENCE, Stub, answer};

pub(in crate::upload) const MIB: usize = 1024 * 1024;
/// More than any socket buffer holds, so that what is not read cannot be sent.
pub(in crate::upload) const LARGE: usize = 1_000 * MIB;
const ABC: &str = "900150983cd24fb0d6963f7d28e17f72";

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

pub(in crate::upload) fn order(stub: &Stub, bytes: &[u8]) -> Order {
    let link = Link::restore(&format!(
        "- http://{}/tL17msiU?Signature=a%2Bb",
        stub.address
    ));
    let file = file(bytes);
    Order {
        seen: Seen::now(&file).unwrap(),
        file,
        size: bytes.len().try_into().unwrap(),
        link: link.unwrap(),
        name: "a \"b\".mp4".to_owned(),
        progress: Arc::default(),
        throttle: Throttle::default(),
        stall_timeout: PATIENCE,
        response_timeout: PATIENCE,
        hash: true,
        before_last_byte: Box::new(|_| Ok(())),
        segment_size: SEGMENT_SIZE,
        on_confirmed: Box::new(|_| Ok(())),
    }
}

/// A file of nothing but zeros, which takes no time to make and none to hash.
pub(in crate::upload) fn large(stub: &Stub, size: usize) -> Order {
    let mut order = order(stub, b"");
    order.size = size.try_into().unwrap();
    order.file.set_len(order.size).unwrap();
    order.hash = false;
    order
}

pub(in crate::upload) async fn put(order: Order) -> Result<Receipt, Error> {
    send(Way::S3, order, CancellationToken::new()).await
}

pub(in crate::upload) fn stored(etag: &str) -> String {
    answer(
        "200 OK",
        &format!("ETag: \"{etag}\"\r\nx-amz-request-id: R1\r\n"),
        "",
    )
}

#[tokio::test]
async fn a_put_has_a_length_and_no_header_that_would_break_its_signature() {
    let stub = Stub::answering([stored(ABC)]);
    let receipt = put(order(&stub, b"abc")).await.unwrap();
    assert_eq!(
        (receipt.bytes, receipt.md5.as_deref(), receipt.verified),
        (3, Some(ABC), true)
    );
    assert_eq!(receipt.request_id.as_deref(), Some("R1"));
    let request = stub.request();
    assert!(
        request
            .head
            .starts_with("PUT /tL17msiU?Signature=a%2Bb HTTP/1.1\r\n"),
        "{}",
        request.head
    );
    assert_eq!(request.header("content-length"), Some("3"));
    assert_eq!(
        request.header("content-disposition"),
        Some("attachment; filename=\"a__b_.mp4\"")
    );
    for absent in [
        "content-type",
        "transfer-encoding",
        "expect",
        "content-md5",
        "x-amz-acl",
    ] {
        assert_eq!(request.header(absent), None, "{absent}");
    }
    assert_eq!(request.body, b"abc");
}

#[tokio::test]
async fn a_form_has_one_field_and_an_exact_length() {
    let body =
        format!(r#"{{"status":"ok","file":{{"size":"3","md5":"{ABC}"}},"media":{{"key":"k"}}}}"#);
    let stub = Stub::answering([answer("200 OK", "", &body)]);
    let order = order(&stub, b"abc");
    let receipt = send(Way::Form, order, CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(
        (receipt.verified, receipt.media_key.as_deref()),
        (true, Some("k"))
    );
    let request = stub.request();
    assert!(
        request
            .head
            .starts_with("POST /tL17msiU?Signature=a%2Bb HTTP/1.1\r\n")
    );
    assert_eq!(request.header("transfer-encoding"), None);
    let kind = request.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let body = String::from_utf8(request.body.clone()).unwrap();
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a__b_.mp4\"\r\n\
         Content-Type: video/mp4\r\n\r\nabc\r\n--{boundary}--\r\n"
    );
    assert_eq!(body, expected);
}

#[tokio::test]
async fn one_after_the_other_share_a_connection() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let stub = Stub::serve(move |_, peer| {
        counter.fetch_add(1, Ordering::Relaxed);
        while peer.request() {
            peer.say(&stored(ABC));
        }
    });
    // Other tests run beside this one and take lanes too, so an unlucky turn proves nothing.
    for _ in 0..40 {
        put(order(&stub, b"abc")).await.unwrap();
    }
    let connections = connections.load(Ordering::Relaxed);
    assert!(connections <= 20, "{connections} connections for 40 files");
}

#[tokio::test]
async fn an_early_refusal_is_read() {
    for closes in [true, false] {
        let stub = Stub::serve(move |_, peer| {
            peer.head();
            let xml =
                "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
            peer.say(&answer("403 Forbidden", "", xml));
            if closes {
                peer.finish();
            }
            peer.until_closed();
        });
        let error = put(large(&stub, LARGE)).await.unwrap_err();
        assert_eq!(error.disposition(), Disposition::LinkExpired, "{error}");
        assert!(
            error
                .to_string()
                .contains("AccessDenied): Request has expired"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_refusal_that_hangs_up_at_once_is_read_too() {
    // The reset behind such an answer races with the writing: a few rounds meet both outcomes.
    for _ in 0..8 {
        let stub = Stub::serve(|_, peer| {
            peer.head();
            peer.say(&answer(
                "403 Forbidden",
                "",
                "<Error><Code>AccessDenied</Code></Error>",
            ));
        });
        let error = put(large(&stub, LARGE)).await.unwrap_err();
        assert!(matches!(error, Error::Answered(_)), "{error:?}");
    }
}

#[tokio::test]
async fn an_early_yes_does_not_count() {
    let stub = Stub::serve(|_, peer| {
        peer.head();
        peer.take(MIB);
        peer.say(&stored(ABC));
        peer.finish();
        peer.until_closed();
    });
    let error = put(large(&stub, LARGE)).await.unwrap_err();
    assert!(
        matches!(error, Error::TooEarly { status: 200, .. }),
        "{error}"
    );
    assert_eq!(error.disposition(), Disposition::TRANSIENT);
}

#[tokio::test]
async fn strange_answers_are_classified() {
    let endless = "HTTP/1.1 500 No\r\n\r\n".to_owned() + &"<Error>".repeat(100_000);
    for (method, reply, expected) in [
        (
            Way::S3,
            "nonsense\r\n\r\n".to_owned(),
            Disposition::Ambiguous,
        ),
        (Way::S3, endless, Disposition::Ambiguous),
        (
            Way::S3,
            stored("00000000000000000000000000000000"),
            Disposition::LinkExpired,
        ),
        (
            Way::S3,
            answer(
                "503 Slow",
                "Retry-After: 3\r\n",
                "<Error><Code>SlowDown</Code></Error>",
            ),
            Disposition::Transient {
                after: Some(Duration::from_secs(3)),
            },
        ),
        (Way::Form, answer("200 OK", "", ""), Disposition::Ambiguous),
        (
            Way::Form,
            answer("200 OK", "", "<html>"),
            Disposition::Ambiguous,
        ),
        (
            Way::Form,
            answer("200 OK", "", "{\"status\":\"ok\",\"fi"),
            Disposition::Ambiguous,
        ),
        (
            Way::Form,
            answer("200 OK", "", "[]"),
            Disposition::Ambiguous,
        ),
        (
            Way::Form,
            answer("200 OK", "", "{\"status\":\"error\"}"),
            Disposition::Ambiguous,
        ),
    ] {
        let shown: String = reply.chars().take(70).collect();
        let stub = Stub::serve(move |_, peer| {
            peer.request();
            peer.say(&reply);
        });
        let error = send(method, order(&stub, b"abc"), CancellationToken::new())
            .await
            .unwrap_err();
        assert_eq!(error.disposition(), expected, "{shown:?}: {error}");
    }
}

#[tokio::test]
async fn an_etag_that_is_no_md5_is_not_compared() {
    let stub = Stub::answering([stored("abc-2")]);
    let receipt = put(order(&stub, b"abc")).await.unwrap();
    assert!(!receipt.verified && receipt.md5.as_deref() == Some(ABC));
}

#[tokio::test]
async fn a_success_without_an_etag_is_not_s3_s_word() {
    let stub = Stub::answering([answer("200 OK", "", "welcome to the hotel's network")]);
    let error = put(order(&stub, b"abc")).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Ambiguous, "{error}");
}

#[tokio::test]
async fn the_last_byte_waits_for_the_hook() {
    let size = 5 * MIB;
    let stub = Stub::answering([stored("abc-2")]);
    let (sent_before, hook_saw) = mpsc::channel();
    let mut order = large(&stub, size);
    let progress = Arc::clone(&order.progress);
    order.before_last_byte = Box::new(move |_| {
        sent_before.send(progress.sent()).unwrap();
        Ok(())
    });
    put(order).await.unwrap();
    let before = hook_saw.recv_timeout(PATIENCE).unwrap();
    assert_eq!(before, u64::try_from(size - 256 * 1024).unwrap());
}

#[tokio::test]
async fn s3_may_send_the_upload_elsewhere_twice_at_most() {
    let stub = Stub::answering([
        answer("307 Temporary Redirect", "Location: /second?x=1\r\n", ""),
        stored(ABC),
    ]);
    let receipt = put(order(&stub, b"abc")).await.unwrap();
    assert!(receipt.verified);
    stub.request();
    let second = stub.request();
    assert!(
        second.head.starts_with("PUT /second?x=1 "),
        "{}",
        second.head
    );
    assert_eq!(second.body, b"abc", "all of it again");
    let turn = || answer("307 Temporary Redirect", "Location: /again\r\n", "");
    let away = answer(
        "307 Temporary Redirect",
        "Location: http://203.0.113.1/\r\n",
        "",
    );
    for stub in [
        Stub::answering([turn(), turn(), turn(), turn()]),
        Stub::answering([away]),
    ] {
        let error = put(order(&stub, b"abc")).await.unwrap_err();
        assert!(
            matches!(error, Error::Redirected { status: 307 }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_empty_file_and_a_closed_door() {
    let stub = Stub::answering([]);
    let empty = order(&stub, b"");
    assert!(matches!(put(empty).await, Err(Error::Empty)));
    let mut nowhere = order(&stub, b"abc");
    nowhere.link = Link::restore("- http://127.0.0.1:1/").unwrap();
    let error = put(nowhere).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error}");
    assert_eq!(error.disposition(), Disposition::TRANSIENT);
}
