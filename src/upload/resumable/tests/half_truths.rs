//! Tests of answers that cannot be true, come too soon, or do not come at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::*;
use super::host::{Asked, Deed, done, holds, host, order_to, pieces, post, sparse};
use crate::disposition::Disposition;
use crate::platform::tests::stub::{Stub, answer};
use crate::upload::tests::on_the_wire::MIB;

const TEN: &[u8] = b"abcdefghij";
const SEGMENT: u64 = 1024 * 1024;

#[tokio::test]
async fn a_list_that_cannot_be_true_is_doubted_once() {
    for (list, hitch) in [
        ("what?", Hitch::Malformed),
        ("", Hitch::Malformed),
        ("0-0/10", Hitch::Malformed),
        ("0-1/10", Hitch::Shrunk),
        ("0-10/10", Hitch::TooMuch),
        ("0-5/11", Hitch::OtherSize),
    ] {
        let lie = holds(list);
        let (stub, _) = host(b"", move |asked: Asked| {
            if asked.number >= 2 {
                Deed::Say(lie.clone())
            } else {
                Deed::Honest
            }
        });
        let error = post(order_to(&stub, TEN, 3)).await.unwrap_err();
        assert!(
            matches!(error, Error::Session(found) if found == hitch),
            "{list:?}: {error}"
        );
        assert_eq!(error.disposition(), Disposition::LinkExpired);
        let last = pieces(&stub).pop();
        assert_eq!(last.as_deref(), Some("bytes 0-1/10"), "{list:?}");
        let lie = holds(list);
        let (stub, held) = host(b"", move |asked: Asked| {
            if asked.number == 2 {
                Deed::Say(lie.clone())
            } else {
                Deed::Honest
            }
        });
        post(order_to(&stub, TEN, 3)).await.unwrap();
        assert_eq!(held(), TEN, "{list:?}");
    }
}

#[tokio::test]
async fn a_server_that_keeps_nothing_is_not_fed_for_ever() {
    let (stub, _) = host(b"", |_| Deed::Say(holds("0-1/10")));
    let error = post(order_to(&stub, TEN, 4)).await.unwrap_err();
    assert!(matches!(error, Error::Session(Hitch::Stuck)), "{error}");
    assert_eq!(pieces(&stub).len(), 4);
}

#[tokio::test]
async fn a_lost_final_answer_is_asked_about_nowhere_but_at_the_platform() {
    for lost in [String::new(), answer("502 Bad Gateway", "", "<html>")] {
        let (stub, held) = host(b"", move |asked: Asked| {
            if asked.last == 9 {
                Deed::TakeAndSay(lost.clone())
            } else {
                Deed::Honest
            }
        });
        let error = post(order_to(&stub, TEN, 4)).await.unwrap_err();
        assert_eq!(error.disposition(), Disposition::Ambiguous, "{error}");
        assert_eq!(held(), TEN);
        assert_eq!(pieces(&stub).len(), 3, "no probe after it");
    }
}

#[tokio::test]
async fn a_last_segment_that_was_not_kept_is_sent_again() {
    let (stub, held) = host(b"", |asked: Asked| match asked.number {
        2 => Deed::Say(holds("0-5/10")),
        _ => Deed::Honest,
    });
    let mut order = order_to(&stub, TEN, 4);
    let notes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&notes);
    order.before_last_byte = Box::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    post(order).await.unwrap();
    // The file may have been written in between.
    assert_eq!((held(), notes.load(Ordering::Relaxed)), (TEN.to_vec(), 2));
}

#[tokio::test]
async fn an_end_that_comes_too_soon_is_not_believed_but_noted() {
    let (stub, _) = host(b"", |_| Deed::Say(done(10)));
    let mut order = order_to(&stub, TEN, 4);
    let notes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&notes);
    order.before_last_byte = Box::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    let error = post(order).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Ambiguous, "{error}");
    assert_eq!(notes.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_session_that_died_wants_a_new_one() {
    let gone = answer("404 Not Found", "", "");
    let spoilt = answer("200 OK", "", r#"{"status":"ok","file":null}"#);
    let refused = answer(
        "400 Bad Request",
        "",
        r#"{"status":"error","code":"ParameterMissing"}"#,
    );
    for reply in [gone, spoilt, refused] {
        let (stub, _) = host(b"", move |asked: Asked| match asked.number {
            1 => Deed::Say(reply.clone()),
            _ => Deed::Honest,
        });
        let error = post(order_to(&stub, TEN, 4)).await.unwrap_err();
        assert_eq!(error.disposition(), Disposition::LinkExpired, "{error}");
    }
}

#[tokio::test]
async fn an_answer_in_mid_segment_ends_the_segment_for_good() {
    let size = u64::try_from(200 * MIB).unwrap();
    let list = |last: u64| holds(&format!("0-{last}/{size}"));
    // Answers the segment on its head, says that it has most of it already, and reads on.
    let (early, late) = (list(size - 5), list(1));
    let end = done(200 * MIB);
    let stub = Stub::serve(move |number, peer| {
        if number == 0 {
            peer.request();
            peer.say(&late);
            peer.head();
            peer.say(&early);
            peer.until_closed();
        } else {
            peer.request();
            peer.say(&end);
        }
    });
    let order = sparse(&stub, size, 150 * SEGMENT);
    let progress = Arc::clone(&order.progress);
    post(order).await.unwrap();
    assert_eq!(progress.sent(), size, "the old body counts no more");
    let tail = pieces(&stub).pop().unwrap();
    assert_eq!(tail, format!("bytes {}-{}/{size}", size - 4, size - 1));
}
