//! Tests of transfers that go well: what goes over the wire, and from where on.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use super::super::*;
use super::host::{Asked, Deed, SESSION, done, holds, host, md5, order_to, pattern, pieces, post};
use crate::disposition::Disposition;
use crate::upload::tests::on_the_wire::MIB;

const TEN: &[u8] = b"abcdefghij";

#[tokio::test]
async fn a_fresh_session_is_asked_first_and_then_filled_in_segments() {
    let (stub, held) = host(b"", |_| Deed::Honest);
    let mut order = order_to(&stub, TEN, 4);
    let progress = Arc::clone(&order.progress);
    let confirmed = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&confirmed);
    order.on_confirmed = Box::new(move |bytes| {
        seen.lock().unwrap().push(bytes);
        Ok(())
    });
    let receipt = post(order).await.unwrap();
    assert_eq!(held(), TEN);
    assert_eq!((receipt.bytes, progress.sent()), (10, 10));
    assert_eq!(receipt.md5.as_deref(), Some(&*md5(TEN)));
    assert!(!receipt.verified, "the server names no MD5");
    assert_eq!(receipt.media_key.as_deref(), Some("tL17msiU"));
    assert_eq!(receipt.request_id.as_deref(), Some("R1"));
    assert_eq!(*confirmed.lock().unwrap(), [2, 6]);
    for (range, body) in [("0-1", "ab"), ("2-5", "cdef"), ("6-9", "ghij")] {
        let request = stub.request();
        let line = "POST /v1/videos/upload/resumable?key=vtQ&api_format=json HTTP/1.1\r\n";
        assert!(request.head.starts_with(line), "{}", request.head);
        let length = body.len().to_string();
        for (name, value) in [
            ("x-content-range", &*format!("bytes {range}/10")),
            ("x-session-id", SESSION),
            ("content-length", &length),
            ("content-type", "application/octet-stream"),
            ("content-disposition", "attachment; filename=\"a__b_.mp4\""),
        ] {
            assert_eq!(request.header(name), Some(value), "{name}");
        }
        for absent in ["transfer-encoding", "expect", "content-range"] {
            assert_eq!(request.header(absent), None, "{absent}");
        }
        assert_eq!(request.body, body.as_bytes());
    }
    assert!(!stub.has_more());
}

#[tokio::test]
async fn no_segment_has_one_byte_whatever_the_size() {
    for (size, start, expected) in [
        (7, 0, &["0-1/7", "2-4/7", "5-6/7"][..]),
        (2, 0, &["0-1/2"]),
        (3, 0, &["0-1/3", "1-2/3"]),
        (10, 9, &["0-1/10", "8-9/10"]),
    ] {
        let bytes = &TEN[..size];
        let (stub, held) = host(&bytes[..start], |_| Deed::Honest);
        let receipt = post(order_to(&stub, bytes, 4)).await.unwrap();
        let expected: Vec<String> = expected
            .iter()
            .map(|range| format!("bytes {range}"))
            .collect();
        assert_eq!(pieces(&stub), expected);
        assert_eq!(held(), bytes);
        assert_eq!(receipt.md5, Some(md5(bytes)));
    }
}

#[tokio::test]
async fn it_goes_on_where_the_server_stands_and_sums_up_the_whole_file() {
    let bytes = pattern(7 * MIB + 11);
    let (stub, held) = host(&bytes[..5 * MIB + 3], |_| Deed::Honest);
    let order = order_to(&stub, &bytes, 1024 * 1024);
    let progress = Arc::clone(&order.progress);
    let receipt = post(order).await.unwrap();
    assert!(held() == bytes, "the bytes in their order");
    assert_eq!(receipt.md5, Some(md5(&bytes)));
    assert_eq!(progress.sent(), u64::try_from(bytes.len()).unwrap());
    let sent: usize = std::iter::from_fn(|| stub.next_by_now())
        .map(|request| request.body.len())
        .sum();
    assert_eq!(sent, 2 + 2 * MIB + 8, "the probe and what was missing");
}

#[tokio::test]
async fn progress_counts_what_was_sent_before() {
    let (stub, _) = host(&TEN[..6], |_| Deed::Honest);
    let mut order = order_to(&stub, TEN, 2);
    let progress = Arc::clone(&order.progress);
    let (log, seen) = mpsc::channel();
    order.on_confirmed = Box::new(move |bytes| {
        log.send((bytes, progress.sent())).unwrap();
        Ok(())
    });
    post(order).await.unwrap();
    let (first, _) = seen.try_recv().unwrap();
    assert_eq!(first, 6);
    assert_eq!(seen.try_recv().unwrap(), (8, 8));
}

#[tokio::test]
async fn of_a_list_with_gaps_the_first_range_counts() {
    let probed = holds("0-3/10,6-7/10");
    let second = holds("0-7/10");
    let (stub, _) = host(b"", move |asked: Asked| match asked.number {
        0 => Deed::Say(probed.clone()),
        1 => Deed::Say(second.clone()),
        _ => Deed::Say(done(10)),
    });
    post(order_to(&stub, TEN, 2)).await.unwrap();
    assert_eq!(
        pieces(&stub),
        ["bytes 0-1/10", "bytes 4-5/10", "bytes 8-9/10"]
    );
}

#[tokio::test]
async fn the_note_is_made_before_the_segment_that_completes_the_file() {
    // The last range is there already, so the piece that fills the gap completes it.
    for (list, expected) in [("0-3/10,6-9/10", 2), ("0-3/10", 4)] {
        let probed = holds(list);
        let (stub, _) = host(b"", move |asked: Asked| {
            if asked.is_probe() {
                Deed::Say(probed.clone())
            } else if asked.number < expected - 1 {
                Deed::Say(holds(&format!("0-{}/10", asked.last)))
            } else {
                Deed::Say(done(10))
            }
        });
        let mut order = order_to(&stub, TEN, 2);
        let (log, seen) = mpsc::channel();
        let progress = Arc::clone(&order.progress);
        order.before_last_byte = Box::new(move |_| {
            log.send(progress.sent()).unwrap();
            Ok(())
        });
        post(order).await.unwrap();
        assert_eq!(pieces(&stub).len(), expected, "{list}");
        let at = if expected == 2 { 4 } else { 8 };
        assert_eq!(seen.try_recv(), Ok(at), "{list}");
        assert!(seen.try_recv().is_err(), "once");
    }
}

#[tokio::test]
async fn a_server_that_names_an_md5_is_compared_with() {
    let answer = |md5: &str| {
        let body = format!(r#"{{"status":"ok","file":{{"size":10,"md5":"{md5}"}}}}"#);
        crate::platform::tests::stub::answer("200 OK", "", &body)
    };
    for (theirs, is_right) in [(md5(TEN), true), (md5(b"other"), false)] {
        let end = answer(&theirs);
        let (stub, _) = host(b"", move |asked: Asked| {
            if asked.last == 9 {
                Deed::Say(end.clone())
            } else {
                Deed::Honest
            }
        });
        let result = post(order_to(&stub, TEN, 8)).await;
        match result {
            Ok(receipt) => assert!(is_right && receipt.verified),
            Err(error) => {
                assert!(
                    !is_right && matches!(error, Error::Corrupt { .. }),
                    "{error}"
                );
                assert_eq!(error.disposition(), Disposition::LinkExpired);
            }
        }
    }
}

#[tokio::test]
async fn segments_share_a_connection() {
    let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let answers = ["0-1/10", "0-3/10", "0-5/10", "0-7/10"].map(holds);
    let answers = Mutex::new(answers.into_iter().chain([done(10)]));
    let stub = crate::platform::tests::stub::Stub::serve(move |_, peer| {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        while peer.request() {
            let answer = answers.lock().unwrap().next().unwrap();
            peer.say(&answer);
        }
    });
    post(order_to(&stub, TEN, 2)).await.unwrap();
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 1);
}
