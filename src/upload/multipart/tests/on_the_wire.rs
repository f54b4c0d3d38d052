//! Tests of transfers in parts that go well.

use std::num::NonZeroU64;
use std::sync::Mutex;

use super::super::*;
use super::harness::{Notes, md5, pattern, send};
use super::host::{Asked, Deed, Host, PART};

#[tokio::test]
async fn a_file_goes_in_parts_and_is_completed_once() {
    for (size, lengths) in [
        (3, vec![3]),
        (PART, vec![PART]),
        (2 * PART, vec![PART, PART]),
        (2 * PART + 7, vec![PART, PART, 7]),
    ] {
        let host = Arc::new(Host::new(pattern(size), |_| Deed::Honest));
        let mut order = host.order();
        let notes = Notes::keep(&mut order);
        let progress = Arc::clone(&order.progress);
        let (seen, log) = (Arc::clone(&host), Arc::new(Mutex::new(Vec::new())));
        let (hook_log, hook_notes) = (Arc::clone(&log), notes.clone());
        order.before_complete = Box::new(move || {
            let state = seen.state();
            let recorded = hook_notes.numbers().len();
            let all = (state.stored.len(), recorded, state.completions);
            hook_log.lock().unwrap().push(all);
            Ok(())
        });
        let receipt = send(order).await.unwrap();
        host.assert_whole();
        let whole = u64::try_from(size).unwrap();
        assert_eq!((receipt.bytes, receipt.verified), (whole, true));
        assert_eq!((receipt.md5, progress.sent()), (None, whole));
        let parts = lengths.len();
        assert_eq!(*log.lock().unwrap(), [(parts, parts, 0)], "once, and then");
        assert_eq!(notes.sums(), host.state().stored);
        let mut received = host.state().received.clone();
        received.sort_unstable();
        let expected: Vec<(u32, usize)> = (1..).zip(lengths).collect();
        assert_eq!(received, expected);
        assert_eq!(host.state().pages, [1], "one page has all of them");
    }
}

#[tokio::test]
async fn as_many_parts_as_allowed_go_at_once_and_no_more() {
    for at_once in [1, 3, 4] {
        let host = Host::new(pattern(7 * PART), move |asked| match asked {
            Asked::Part(..) => Deed::Gather(at_once),
            _ => Deed::Honest,
        });
        let mut order = host.order();
        order.parts_at_once = u32::try_from(at_once).unwrap().try_into().unwrap();
        send(order).await.unwrap();
        host.assert_whole();
        assert_eq!(host.state().most_under_way, at_once);
    }
}

#[tokio::test]
async fn only_pages_that_are_needed_are_asked_for() {
    let count = 1_200;
    let host = Host::new(Vec::new(), |_| Deed::Honest);
    let sum = md5(&vec![0; PART]);
    let mut order = host.order();
    order.size = u64::from(count) * order.part_size;
    order.file.set_len(order.size).unwrap();
    order.known = (1..=count).map(|number| (number, sum.clone())).collect();
    host.state().stored = order.known.clone();
    let notes = Notes::keep(&mut order);
    let (progress, size) = (Arc::clone(&order.progress), order.size);
    let receipt = send(order).await.unwrap();
    assert!(receipt.verified && progress.sent() == size);
    let state = host.state();
    assert_eq!((&*state.pages, state.completions), (&[1, 2][..], 1));
    assert!(state.received.is_empty(), "all was there");
    assert!(notes.numbers().is_empty(), "all was known");
}

#[tokio::test]
async fn a_server_without_md5s_is_believed() {
    let host = Host::new(pattern(PART + 1), |asked| match asked {
        Asked::Part(1, _) => Deed::TakeAndSay(super::host::stored("5d41402a-2")),
        _ => Deed::Honest,
    });
    let receipt = send(host.order()).await.unwrap();
    assert!(!receipt.verified);
    assert_eq!(host.state().completions, 1);
}

#[tokio::test]
async fn a_limit_holds_for_all_parts_together_and_can_be_lifted() {
    let host = Host::new(pattern(4 * PART), |_| Deed::Honest);
    let mut order = host.order();
    order.parts_at_once = NonZeroU32::new(4).unwrap();
    // No wait for the limit is a stall.
    order.stall_timeout = Duration::from_millis(500);
    let (throttle, progress) = (order.throttle.clone(), Arc::clone(&order.progress));
    throttle.set(NonZeroU64::new(64 * 1024));
    let mut sending = Box::pin(send(order));
    let limited = tokio::time::timeout(Duration::from_secs(1), &mut sending).await;
    assert!(limited.is_err(), "not all of it in a second");
    let sent = progress.sent();
    assert!(sent < u64::try_from(PART).unwrap(), "{sent} bytes");
    throttle.set(None);
    sending.await.unwrap();
    host.assert_whole();
}
