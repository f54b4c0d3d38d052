//! The limit around real uploads. How much may have gone by a moment is bounded from above only, so
//! that a slow machine changes nothing.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::super::super::{Error, Progress, send};
use crate::platform::tests::stub::{PATIENCE, Stub, answer};
use crate::upload::tests::on_the_wire::{LARGE, MIB, large, order, put, stored};
use crate::way::Way;

const FRAME: u64 = 256 * 1024;

fn limit(bytes: u64) -> Option<NonZeroU64> {
    NonZeroU64::new(bytes)
}

async fn until_sent(progress: &Progress, bytes: u64) {
    let sent = async {
        while progress.sent() < bytes {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, sent)
        .await
        .expect("it continues");
}

/// The most that may have gone since then: with a tenth of a second's burst.
fn most(limit: u64, since: Instant) -> u64 {
    let millis = u64::try_from(since.elapsed().as_millis()).unwrap() + 1;
    limit * millis / 1000 + limit / 10
}

#[tokio::test]
async fn a_limit_holds_until_it_is_lifted_and_the_upload_goes_on() {
    let form = r#"{"status":"ok","file":{"size":"5242880"},"media":{"key":"k"}}"#;
    for (method, reply) in [
        (Way::S3, stored("abc-2")),
        (Way::Form, answer("200 OK", "", form)),
    ] {
        let stub = Stub::answering([reply]);
        let order = large(&stub, 5 * MIB);
        let (throttle, progress) = (order.throttle.clone(), Arc::clone(&order.progress));
        throttle.set(limit(50_000));
        let began = Instant::now();
        let lifted = async {
            until_sent(&progress, 25_000).await;
            let sent = progress.sent();
            assert!(sent <= most(50_000, began), "{sent} bytes");
            // It would take a minute and a half more.
            throttle.set(None);
        };
        let sending = send(method, order, CancellationToken::new());
        let sending = tokio::time::timeout(PATIENCE, sending);
        let (receipt, ()) = tokio::join!(sending, lifted);
        receipt.expect("obeyed").unwrap();
        assert!(stub.request().body.len() >= 5 * MIB && !stub.has_more());
    }
}

#[tokio::test]
async fn a_limit_that_comes_in_mid_upload_is_obeyed() {
    let (under_way, mut is_under_way) = tokio::sync::mpsc::unbounded_channel();
    let stub = Stub::serve(move |_, peer| {
        peer.head();
        peer.take(MIB);
        under_way.send(()).unwrap();
        peer.until_closed();
    });
    let order = large(&stub, LARGE);
    let (throttle, progress) = (order.throttle.clone(), Arc::clone(&order.progress));
    let limited = async {
        is_under_way.recv().await.unwrap();
        let began = Instant::now();
        throttle.set(limit(1_000_000));
        // One frame may have been let through before, and be counted after.
        let before = progress.sent() + FRAME;
        until_sent(&progress, before + 300_000).await;
        let sent = progress.sent() - before;
        assert!(sent <= most(1_000_000, began), "{sent} bytes");
    };
    tokio::select! {
        result = put(order) => panic!("{result:?}"),
        () = limited => {}
    }
}

#[tokio::test]
async fn who_waits_for_the_limit_is_not_stalled() {
    let stub = Stub::answering([stored("abc-2")]);
    let mut order = order(&stub, b"ab");
    order.stall_timeout = Duration::from_secs(1);
    order.throttle.set(limit(1));
    // Three others are before it, and each holds the line for a second.
    let mut others = [(); 3].map(|()| order.throttle.share().gate());
    let mut cx = Context::from_waker(Waker::noop());
    let served = others.iter_mut().map(|gate| gate.poll(&mut cx, 1));
    assert_eq!(served.filter(Poll::is_ready).count(), 1);
    let began = Instant::now();
    put(order).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2), "it did wait");
}

#[tokio::test]
async fn a_connection_that_stands_still_is_found_below_a_limit_too() {
    let stub = Stub::serve(|_, peer| {
        peer.head();
        peer.take(3);
        // Holds the connection without reading on until the test is over.
        std::thread::park_timeout(PATIENCE);
    });
    let mut order = large(&stub, LARGE);
    order.stall_timeout = Duration::from_millis(500);
    // Frames of the full size, and some that wait: 25 a second.
    order.throttle.set(limit(25 * FRAME));
    let error = put(order).await.unwrap_err();
    assert!(matches!(error, Error::NetworkStalled(_)), "{error}");
}
