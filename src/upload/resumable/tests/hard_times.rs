//! Tests of transfers that meet trouble: breaks, refusals, stalls, a caller that gives up.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::super::*;
use super::host::{
    Asked, Deed, SESSION, holds, host, md5, order_to, pattern, pieces, post, sparse,
};
use crate::disposition::Disposition;
use crate::platform::Link;
use crate::platform::tests::stub::{PATIENCE, Stub, answer};
use crate::upload::send;
use crate::upload::tests::on_the_wire::MIB;
use crate::way::Way;

const TEN: &[u8] = b"abcdefghij";
const SEGMENT: u64 = 1024 * 1024;

#[tokio::test]
async fn a_file_or_a_link_that_does_not_fit_says_so() {
    let (stub, _) = host(b"", |_| Deed::Honest);
    let error = post(order_to(&stub, b"a", 4)).await.unwrap_err();
    assert!(matches!(error, Error::OneByte), "{error}");
    assert_eq!(error.disposition(), Disposition::Permanent);
    let mut order = order_to(&stub, TEN, 4);
    order.link = Link::restore(&format!("- http://{}/", stub.address)).unwrap();
    let error = post(order).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::LinkExpired, "{error}");
    assert!(!stub.has_more());
}

#[tokio::test]
async fn too_large_segments_are_halved_down_to_a_limit() {
    let bytes = pattern(2 * MIB);
    let too_large = || Deed::Say(answer("413 Request Entity Too Large", "", "<html>"));
    let (stub, held) = host(b"", move |asked: Asked| {
        if asked.length() > 300 * 1024 {
            too_large()
        } else {
            Deed::Honest
        }
    });
    post(order_to(&stub, &bytes, SEGMENT)).await.unwrap();
    assert!(held() == bytes, "the bytes in their order");
    let lengths: Vec<usize> = std::iter::from_fn(|| stub.next_by_now())
        .map(|request| request.body.len())
        .collect();
    assert_eq!(lengths[..4], [2, MIB, MIB / 2, MIB / 4]);
    let (stub, _) = host(b"", move |asked: Asked| {
        if asked.is_probe() {
            Deed::Honest
        } else {
            too_large()
        }
    });
    let error = post(order_to(&stub, &bytes, SEGMENT)).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Permanent, "{error}");
    assert_eq!(pieces(&stub).len(), 4, "1024, 512 and 256 KiB were tried");
}

#[tokio::test]
async fn a_server_that_hangs_up_on_one_segment_only_is_told_of() {
    let bytes = pattern(3 * MIB);
    let attempt = async |cut: usize| {
        let (stub, _) = host(b"", move |asked: Asked| {
            if asked.is_probe() {
                Deed::Honest
            } else {
                Deed::Cut(cut)
            }
        });
        post(order_to(&stub, &bytes, SEGMENT)).await.unwrap_err()
    };
    // Right after the headers, and right after the body.
    let (at_once, after_all) = tokio::join!(attempt(0), attempt(MIB));
    for error in [at_once, after_all] {
        let Error::HungUp { times, first, last } = error else {
            panic!("{error}");
        };
        assert_eq!((times, first, last), (3, 2, SEGMENT + 1));
        assert_eq!(error.disposition(), Disposition::Permanent);
        assert!(error.to_string().contains("fault of jw-ingest"), "{error}");
    }
}

#[tokio::test]
async fn breaks_of_any_other_kind_are_the_network_s() {
    let bytes = pattern(3 * MIB);
    // Hangs up on the probe: it may be down behind its front.
    let down = async {
        let (stub, _) = host(b"", |_| Deed::Cut(0));
        post(order_to(&stub, &bytes, SEGMENT)).await.unwrap_err()
    };
    // Breaks in mid segment each time: more than any socket buffer holds is still to come.
    let cut = async {
        let (stub, _) = host(b"", |asked: Asked| {
            if asked.is_probe() {
                Deed::Honest
            } else {
                Deed::Cut(MIB / 2)
            }
        });
        let order = sparse(&stub, 300 * SEGMENT, 200 * SEGMENT);
        post(order).await.unwrap_err()
    };
    let (down, cut) = tokio::join!(down, cut);
    for error in [down, cut] {
        assert!(
            matches!(
                error,
                Error::Broken {
                    complete: false,
                    ..
                }
            ),
            "{error:?}"
        );
        assert_eq!(error.disposition(), Disposition::TRANSIENT);
        assert!(!format!("{error:?}").contains(SESSION), "{error:?}");
    }
}

#[tokio::test]
async fn after_a_break_the_server_is_asked_where_it_stands() {
    let bytes = pattern(3 * MIB);
    // The second segment breaks off; it was kept anyway once, as its answer was lost.
    let (stub, held) = host(b"", |asked: Asked| match asked.number {
        2 => Deed::Cut(MIB / 2),
        5 => Deed::TakeAndSay(String::new()),
        _ => Deed::Honest,
    });
    let order = order_to(&stub, &bytes, SEGMENT / 2);
    let progress = Arc::clone(&order.progress);
    let receipt = post(order).await.unwrap();
    assert!(held() == bytes, "the bytes in their order");
    assert_eq!(receipt.md5, Some(md5(&bytes)), "no byte twice in the sum");
    assert_eq!(progress.sent(), 3 * SEGMENT);
    let firsts: Vec<String> = pieces(&stub)
        .iter()
        .filter_map(|piece| Some(piece.split_once('-')?.0.to_owned()))
        .collect();
    let at = |half: usize| format!("bytes {}", 2 + half * MIB / 2);
    let probe = "bytes 0".to_owned();
    let expected = [
        probe.clone(),
        at(0),
        probe.clone(),
        at(1),
        at(2),
        probe,
        at(3),
        at(4),
    ];
    assert_eq!(firsts[..8], expected);
}

#[tokio::test]
async fn passing_failures_are_tried_a_few_times() {
    let busy = || Deed::Say(answer("503 Busy", "", "<html>"));
    let (stub, _) = host(b"", move |asked: Asked| match asked.number {
        1 | 2 => busy(),
        _ => Deed::Honest,
    });
    post(order_to(&stub, TEN, 4)).await.unwrap();
    let (stub, _) = host(b"", move |asked: Asked| {
        if asked.is_probe() {
            Deed::Honest
        } else {
            busy()
        }
    });
    let error = post(order_to(&stub, TEN, 4)).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::TRANSIENT, "{error}");
    assert_eq!(pieces(&stub).len(), 6, "three tries, each after a probe");
    let wait = answer("503 Busy", "Retry-After: 9\r\n", "");
    let (stub, _) = host(b"", move |_| Deed::Say(wait.clone()));
    let error = post(order_to(&stub, TEN, 4)).await.unwrap_err();
    let after = Some(Duration::from_secs(9));
    assert_eq!(error.disposition(), Disposition::Transient { after });
    assert_eq!(pieces(&stub).len(), 1, "not before the time it named");
}

#[tokio::test]
async fn what_cannot_be_recorded_stops_the_transfer() {
    let (stub, _) = host(b"", |_| Deed::Honest);
    let mut order = order_to(&stub, TEN, 4);
    order.on_confirmed = Box::new(|bytes| {
        if bytes > 2 {
            Err("database is locked".to_owned())
        } else {
            Ok(())
        }
    });
    let error = post(order).await.unwrap_err();
    assert!(matches!(error, Error::NotRecorded(_)), "{error}");
    assert_eq!(pieces(&stub).len(), 2);
    let (stub, held) = host(b"", |_| Deed::Honest);
    let mut order = order_to(&stub, TEN, 4);
    order.before_last_byte = Box::new(|_| Err("database is locked".to_owned()));
    let error = post(order).await.unwrap_err();
    assert!(matches!(error, Error::NotRecorded(_)), "{error}");
    assert_eq!(held().len(), 6, "the last segment stayed here");
}

#[tokio::test]
async fn a_segment_that_is_never_answered_or_never_taken_ends_it() {
    let silent = Stub::serve(|_, peer| {
        peer.request();
        std::thread::park_timeout(PATIENCE);
    });
    let mut order = order_to(&silent, TEN, 4);
    order.stall_timeout = Duration::from_secs(1);
    order.response_timeout = Duration::from_millis(1_500);
    let started = std::time::Instant::now();
    let error = post(order).await.unwrap_err();
    assert!(started.elapsed() >= Duration::from_millis(1_500));
    assert!(matches!(error, Error::SegmentUnanswered(_)), "{error}");
    assert_eq!(error.disposition(), Disposition::TRANSIENT);
    let full = Stub::serve(|_, peer| {
        peer.request();
        peer.say(&holds(&format!("0-1/{}", 200 * MIB)));
        peer.head();
        std::thread::park_timeout(PATIENCE);
    });
    let mut order = sparse(&full, 200 * SEGMENT, 100 * SEGMENT);
    order.stall_timeout = Duration::from_millis(500);
    let error = post(order).await.unwrap_err();
    assert!(matches!(error, Error::NetworkStalled(_)), "{error}");
}

#[tokio::test]
async fn cancelling_ends_it_at_once_in_a_segment_and_in_a_wait() {
    for is_waiting in [false, true] {
        let (under_way, mut is_under_way) = tokio::sync::mpsc::unbounded_channel();
        let stub = Stub::serve(move |_, peer| {
            peer.request();
            if is_waiting {
                under_way.send(()).unwrap();
                return;
            }
            peer.say(&holds(&format!("0-1/{}", 64 * MIB)));
            peer.head();
            peer.take(MIB);
            under_way.send(()).unwrap();
            peer.until_closed();
            under_way.send(()).unwrap();
        });
        let cancel = CancellationToken::new();
        let order = sparse(&stub, 64 * SEGMENT, 60 * SEGMENT);
        let sending = send(Way::Resumable, order, cancel.clone());
        let cancelling = async {
            is_under_way.recv().await.unwrap();
            cancel.cancel();
        };
        let (result, ()) = tokio::join!(sending, cancelling);
        assert!(
            matches!(result, Err(Error::Cancelled { complete: false })),
            "{result:?}"
        );
        if !is_waiting {
            let closed = tokio::time::timeout(PATIENCE, is_under_way.recv()).await;
            assert_eq!(closed, Ok(Some(())), "the connection is closed");
        }
    }
}
