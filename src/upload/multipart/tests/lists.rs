//! Tests of lists of parts that come late, in disorder, or are not true.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::super::*;
use super::harness::{md5, pattern, send};
use super::host::{Asked, Deed, Host, PART, listing, open_slot};
use crate::disposition::Disposition;
use crate::platform::tests::stub::answer;

/// A host of a file of three parts, whose listings are told by what the script makes of its slots
/// at the n-th time.
fn host(lists: impl Fn(&str, usize) -> Option<String> + Send + Sync + 'static) -> Arc<Host> {
    let address = Arc::new(std::sync::OnceLock::<String>::new());
    let own = Arc::clone(&address);
    let host = Host::new(pattern(2 * PART + 7), move |asked| match asked {
        Asked::Page(_, times) => lists(own.get().unwrap(), times).map_or(Deed::Honest, Deed::Say),
        _ => Deed::Honest,
    });
    address.set(host.address()).unwrap();
    Arc::new(host)
}

fn slots(host: &str, numbers: &[u32]) -> Vec<Value> {
    numbers
        .iter()
        .map(|&number| open_slot(host, number, 0))
        .collect()
}

/// Makes a list that points to the host at an address.
type Told = fn(&str) -> String;

/// Lists that cannot be true, each with what is wrong with it.
fn lies() -> Vec<(Told, Lie)> {
    vec![
        (
            |host| listing(1, 10_000, &slots(host, &[1, 3])),
            Lie::Missing(2),
        ),
        (
            |host| listing(1, 10_000, &slots(host, &[1, 2, 0, 3])),
            Lie::Number(0),
        ),
        (
            |host| listing(1, 10_000, &slots(host, &[1, 2, 3, 10_001])),
            Lie::Number(10_001),
        ),
        (|host| listing(1, 2, &slots(host, &[1, 2])), Lie::Total(2)),
        (
            |host| listing(1, 10_001, &slots(host, &[1, 2, 3])),
            Lie::Total(10_001),
        ),
        (
            |host| listing(7, 10_000, &slots(host, &[1, 2, 3])),
            Lie::OtherPage { asked: 1, given: 7 },
        ),
        (
            |host| {
                let mut slots = slots(host, &[1, 2, 2, 3]);
                slots[2] = json!({"id": 2, "etag": md5(b"")});
                listing(1, 10_000, &slots)
            },
            Lie::Repeated(2),
        ),
        (
            |host| {
                let mut slots = slots(host, &[1, 2, 3]);
                slots[1] = json!({"id": 2, "etag": null});
                listing(1, 10_000, &slots)
            },
            Lie::NoLink(2),
        ),
    ]
}

#[tokio::test]
async fn a_list_that_cannot_be_true_is_not_followed() {
    for (lie, expected) in lies() {
        let pages = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&pages);
        let host = host(move |host, _| {
            asked.fetch_add(1, Ordering::Relaxed);
            // The page that follows repeats, except for what it says about itself.
            Some(lie(host))
        });
        let error = send(host.order()).await.unwrap_err();
        match (&error, expected) {
            (Error::List(found), expected) if *found == expected => {}
            // The second page claims to be the first.
            (Error::List(Lie::OtherPage { asked: 2, given: 1 }), Lie::Missing(_)) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(error.disposition(), Disposition::TRANSIENT);
        assert!(
            pages.load(Ordering::Relaxed) >= 2,
            "{expected}: asked again"
        );
        let state = host.state();
        assert_eq!((state.received.len(), state.completions), (0, 0));
    }
}

#[tokio::test]
async fn a_list_that_is_true_the_second_time_will_do() {
    for (lie, expected) in lies() {
        let host = host(move |host, times| (times == 0).then(|| lie(host)));
        send(host.order())
            .await
            .unwrap_or_else(|error| panic!("{expected}: {error}"));
        host.assert_whole();
    }
}

#[tokio::test]
async fn pages_that_bring_nothing_new_end_the_reading() {
    let pages = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&pages);
    let host = host(move |host, _| {
        asked.fetch_add(1, Ordering::Relaxed);
        let body = json!({"parts": slots(host, &[1, 3])}).to_string();
        Some(answer("200 OK", "", &body))
    });
    let error = send(host.order()).await.unwrap_err();
    assert!(matches!(error, Error::List(Lie::Missing(2))), "{error}");
    assert_eq!(pages.load(Ordering::Relaxed), 4, "two pages, twice");
}

#[tokio::test]
async fn disorder_quotes_and_short_pages_are_no_lies() {
    let host = host(|host, times| {
        let sum = md5(&pattern(2 * PART + 7)[PART..2 * PART]).to_uppercase();
        let there = json!({"id": "2", "etag": format!("\"{sum}\"")});
        let (page, slots) = match times {
            0 => (1, slots(host, &[9_000, 3])),
            1 => (2, vec![there.clone(), there]),
            _ => (3, slots(host, &[1, 3])),
        };
        // A link that was seen already is signed alike, as it is of one listing.
        Some(listing(page, 10_000, &slots))
    });
    let sum = md5(host.part(2));
    host.state().stored.insert(2, sum);
    send(host.order()).await.unwrap();
    host.assert_whole();
    let mut received: Vec<u32> = host.state().received.iter().map(|part| part.0).collect();
    received.sort_unstable();
    assert_eq!(received, [1, 3]);
}

#[tokio::test]
async fn a_passing_failure_of_the_list_is_waited_for() {
    let host = host(|_, times| {
        (times == 0).then(|| answer("503 Service Unavailable", "", r#"{"errors":[]}"#))
    });
    send(host.order()).await.unwrap();
    host.assert_whole();
}

#[tokio::test]
async fn an_upload_that_is_gone_wants_a_new_one() {
    for status in ["401 Unauthorized", "403 Forbidden", "404 Not Found"] {
        let host = host(move |_, _| Some(answer(status, "", r#"{"errors":[]}"#)));
        let error = send(host.order()).await.unwrap_err();
        assert!(matches!(error, Error::Listing(_)), "{error}");
        assert_eq!(error.disposition(), Disposition::LinkExpired);
    }
}
