//! Tests of transfers that continue where an earlier one ended.

use super::super::*;
use super::harness::{Notes, md5, pattern, send};
use super::host::{Deed, Host, PART};
use crate::disposition::Disposition;

/// Five parts, of which some are there.
fn host(there: &[u32]) -> Host {
    let host = Host::new(pattern(4 * PART + 9), |_| Deed::Honest);
    let sums = there.iter().map(|&number| (number, md5(host.part(number))));
    host.state().stored = sums.collect();
    host
}

#[tokio::test]
async fn only_what_is_missing_is_sent() {
    let host = host(&[1, 2, 5]);
    let mut order = host.order();
    // Known and there; known, but lost over there.
    order.known = BTreeMap::from([(2, md5(host.part(2)).to_uppercase()), (4, "old".to_owned())]);
    let notes = Notes::keep(&mut order);
    let (progress, size) = (Arc::clone(&order.progress), order.size);
    let receipt = send(order).await.unwrap();
    host.assert_whole();
    assert!(receipt.verified && receipt.bytes == size);
    assert_eq!(progress.sent(), size);
    let mut received = host.state().received.clone();
    received.sort_unstable();
    assert_eq!(received, [(3, PART), (4, PART)]);
    assert_eq!(notes.numbers(), [1, 3, 4, 5], "what was not known");
    let all = notes.sums();
    assert_eq!(all.get(&5), Some(&md5(host.part(5))));
}

#[tokio::test]
async fn all_there_is_only_completed() {
    let host = host(&[1, 2, 3, 4, 5]);
    let receipt = send(host.order()).await.unwrap();
    host.assert_whole();
    assert!(receipt.verified && host.state().received.is_empty());
}

#[tokio::test]
async fn a_part_that_is_not_the_file_s_ends_it_before_anything_is_sent() {
    let host = host(&[1]);
    host.state().stored.insert(2, md5(b"something else"));
    for known in [BTreeMap::new(), BTreeMap::from([(2, md5(host.part(2)))])] {
        let mut order = host.order();
        order.known = known;
        let error = send(order).await.unwrap_err();
        assert!(
            matches!(error, Error::OtherContent { number: 2 }),
            "{error}"
        );
        assert_eq!(error.disposition(), Disposition::LinkExpired);
        let state = host.state();
        assert_eq!((state.received.len(), state.completions), (0, 0));
    }
}

#[tokio::test]
async fn what_the_server_knew_under_another_name_is_no_other_content() {
    // An old MD5 of ours is no proof against the file, which has that part.
    let host = host(&[1]);
    let mut order = host.order();
    order.known = BTreeMap::from([(1, md5(b"of an older file"))]);
    let notes = Notes::keep(&mut order);
    send(order).await.unwrap();
    host.assert_whole();
    assert_eq!(notes.sums().get(&1), Some(&md5(host.part(1))));
}

#[tokio::test]
async fn a_checksum_that_is_no_md5_is_believed_for_our_own_parts_only() {
    let host = host(&[]);
    // Nothing tells whose part 2 is, and it has no link: nothing is sent, and nothing completed.
    host.state().stored = BTreeMap::from([(1, "a-1".to_owned()), (2, "b-2".to_owned())]);
    let mut order = host.order();
    order.known = BTreeMap::from([(1, md5(host.part(1)))]);
    let error = send(order).await.unwrap_err();
    assert!(matches!(error, Error::List(Lie::NoLink(2))), "{error}");
    assert!(host.state().received.is_empty());
    let mut order = host.order();
    let known = [1, 2].map(|number| (number, md5(host.part(number))));
    order.known = known.into();
    let receipt = send(order).await.unwrap();
    assert!(!receipt.verified);
    assert_eq!(host.state().received.len(), 3);
}
