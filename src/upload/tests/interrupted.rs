//! Tests of uploads that do not end as they should: broken, stalled, cancelled, cut short.

use std::sync::mpsc;

use super::super::*;
use super::on_the_wire::{LARGE, MIB, large, order, put};
use crate::disposition::Disposition;
use crate::platform::tests::stub::{PATIENCE, Stub, answer};

#[tokio::test]
async fn a_connection_that_breaks_before_the_last_byte_left_nothing() {
    let stub = Stub::serve(|_, peer| {
        peer.head();
        peer.take(MIB);
        // Closing with unread bytes makes the kernel send a reset.
    });
    let error = put(large(&stub, LARGE)).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Broken {
                complete: false,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.disposition(), Disposition::TRANSIENT);
    assert!(!format!("{error:?}").contains("Signature"), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_it_open() {
    for method in [Way::S3, Way::Form] {
        let stub = Stub::serve(|_, peer| {
            peer.request();
        });
        let error = send(method, order(&stub, b"abc"), CancellationToken::new())
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Broken { complete: true, .. }),
            "{error}"
        );
        assert_eq!(error.disposition(), Disposition::Ambiguous);
    }
}

#[tokio::test]
async fn a_stall_in_mid_body_is_told_from_one_after_it() {
    let quick = Duration::from_millis(200);
    let stub = Stub::serve(|number, peer| {
        peer.head();
        if number == 1 {
            peer.take(3);
        }
        // Holds the connection without reading on until the test is over.
        thread_parked();
    });
    let mut mid_body = large(&stub, LARGE);
    mid_body.stall_timeout = quick;
    let error = put(mid_body).await.unwrap_err();
    assert!(matches!(error, Error::NetworkStalled(_)), "{error}");
    assert_eq!(error.disposition(), Disposition::TRANSIENT);
    let mut after_body = order(&stub, b"abc");
    let longer = Duration::from_millis(1_500);
    after_body.stall_timeout = Duration::from_secs(1);
    after_body.response_timeout = longer;
    let started = std::time::Instant::now();
    let error = put(after_body).await.unwrap_err();
    assert!(matches!(error, Error::NoAnswer(_)), "{error}");
    assert!(
        started.elapsed() >= longer,
        "the shorter time is for the body only"
    );
    assert_eq!(error.disposition(), Disposition::Ambiguous);
}

fn thread_parked() {
    std::thread::park_timeout(PATIENCE);
}

#[tokio::test]
async fn a_slow_but_steady_reader_is_no_stall() {
    let size = 100 * MIB;
    let stub = Stub::serve(move |_, peer| {
        peer.head();
        for _ in 0..size / MIB {
            peer.take(MIB);
            std::thread::park_timeout(Duration::from_millis(15));
        }
        peer.say(&answer("200 OK", "ETag: \"abc-2\"\r\n", ""));
    });
    let mut order = large(&stub, size);
    order.stall_timeout = Duration::from_millis(500);
    let progress = Arc::clone(&order.progress);
    put(order).await.unwrap();
    assert_eq!(progress.sent(), u64::try_from(size).unwrap());
}

#[tokio::test]
async fn cancelling_or_dropping_closes_the_connection() {
    let (under_way, mut is_under_way) = tokio::sync::mpsc::unbounded_channel();
    let (closed, is_closed) = mpsc::channel();
    let stub = Stub::serve(move |_, peer| {
        peer.head();
        peer.take(MIB);
        under_way.send(()).unwrap();
        peer.until_closed();
        closed.send(()).unwrap();
    });
    let cancel = CancellationToken::new();
    let sending = send(Way::S3, large(&stub, LARGE), cancel.clone());
    let cancelling = async {
        is_under_way.recv().await.unwrap();
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(sending, cancelling);
    assert!(
        matches!(result, Err(Error::Cancelled { complete: false })),
        "{result:?}"
    );
    is_closed.recv_timeout(PATIENCE).expect("cancelling closes");

    tokio::select! {
        result = put(large(&stub, LARGE)) => panic!("{result:?}"),
        _ = is_under_way.recv() => {}
    }
    is_closed.recv_timeout(PATIENCE).expect("dropping closes");
}

#[tokio::test]
async fn a_file_that_shrank_says_so() {
    let stub = Stub::serve(|_, peer| peer.until_closed());
    let mut order = large(&stub, MIB);
    order.size += 5;
    let error = put(order).await.unwrap_err();
    assert!(matches!(error, Error::Shrank { missing: 5 }), "{error}");
}

#[tokio::test]
async fn a_hook_that_fails_keeps_the_upload_from_completing() {
    let (received, how_much) = mpsc::channel();
    let stub = Stub::serve(move |_, peer| {
        peer.head();
        received.send(peer.count()).unwrap();
    });
    let mut order = order(&stub, b"abc");
    order.before_last_byte = Box::new(|_| Err("database is locked".to_owned()));
    let error = put(order).await.unwrap_err();
    assert!(matches!(error, Error::NotRecorded(_)), "{error}");
    assert_eq!(error.disposition(), Disposition::TRANSIENT);
    assert_eq!(
        how_much.recv_timeout(PATIENCE).unwrap(),
        0,
        "bytes of the body that got out"
    );
}
