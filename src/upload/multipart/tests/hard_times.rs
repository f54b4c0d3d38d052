//! Tests of transfers in parts that meet broken connections, old links, and people who stop them.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::*;
use super::harness::{Notes, pattern, send};
use super::host::{Asked, Deed, Host, PART, refused, stored};
use crate::disposition::Disposition;
use crate::platform::tests::stub::answer;

/// A file of four parts; the script is asked about part 2 only, with the number of the attempt.
fn host(second: impl Fn(usize) -> Deed + Send + Sync + 'static) -> Arc<Host> {
    Arc::new(Host::new(pattern(3 * PART + 7), move |asked| match asked {
        Asked::Part(2, times) => second(times),
        _ => Deed::Honest,
    }))
}

#[tokio::test]
async fn a_part_that_fails_is_sent_again_by_itself() {
    let failures: [fn() -> Deed; 6] = [
        || Deed::Cut(PART / 2),
        || Deed::Cut(0),
        || Deed::Say(String::new()),
        || Deed::TakeAndSay(String::new()),
        || Deed::Say(refused("503 Slow Down", "SlowDown", "")),
        || Deed::Say(stored("900150983cd24fb0d6963f7d28e17f72")),
    ];
    for (case, failure) in failures.into_iter().enumerate() {
        let host = host(move |times| if times == 0 { failure() } else { Deed::Honest });
        let order = host.order();
        let (progress, size) = (Arc::clone(&order.progress), order.size);
        let receipt = send(order).await.unwrap();
        host.assert_whole();
        assert!(receipt.verified, "{case}");
        assert_eq!(progress.sent(), size, "{case}");
        let others = host
            .state()
            .received
            .iter()
            .filter(|part| part.0 != 2)
            .count();
        assert_eq!(others, 3, "{case}: only the one is sent again");
    }
}

#[tokio::test]
async fn a_part_that_fails_for_ever_leaves_the_others_recorded() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&tries);
    let host = host(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Deed::Say(answer("502 Bad Gateway", "", ""))
    });
    let mut order = host.order();
    // All are in progress when it gives up.
    order.parts_at_once = NonZeroU32::new(4).unwrap();
    let (progress, size) = (Arc::clone(&order.progress), order.size);
    let notes = Notes::keep(&mut order);
    let error = send(order).await.unwrap_err();
    assert!(matches!(error, Error::Part { number: 2, .. }), "{error}");
    assert_eq!(error.disposition(), Disposition::TRANSIENT);
    assert_eq!(tries.load(Ordering::Relaxed), 3);
    assert_eq!(notes.numbers(), [1, 3, 4]);
    assert_eq!(progress.sent(), size - u64::try_from(PART).unwrap());
    assert_eq!(host.state().completions, 0);
}

#[tokio::test]
async fn what_arrives_damaged_each_time_is_withdrawn() {
    let host = host(|_| Deed::Say(stored("900150983cd24fb0d6963f7d28e17f72")));
    let error = send(host.order()).await.unwrap_err();
    let Error::Part { number: 2, source } = &error else {
        panic!("{error}");
    };
    assert!(matches!(**source, Error::Corrupt { .. }), "{source}");
    assert_eq!(error.disposition(), Disposition::LinkExpired);
    assert_eq!(host.state().completions, 0);
}

#[tokio::test]
async fn expired_links_are_listed_anew_once_for_all_of_their_page() {
    let expired = || refused("403 Forbidden", "AccessDenied", "Request has expired");
    let host = Host::new(pattern(4 * PART), move |asked| match asked {
        Asked::Part(_, 0) => Deed::Say(expired()),
        _ => Deed::Honest,
    });
    let mut order = host.order();
    order.parts_at_once = NonZeroU32::new(4).unwrap();
    send(order).await.unwrap();
    host.assert_whole();
    let pages = host.state().pages.clone();
    assert!((2..=5).contains(&pages.len()), "{pages:?}");
    // One by one, all but the first have their new link before they need it.
    let host = Host::new(pattern(4 * PART), move |asked| match asked {
        Asked::Part(1, 0) => Deed::Say(expired()),
        _ => Deed::Honest,
    });
    let mut order = host.order();
    order.parts_at_once = NonZeroU32::MIN;
    send(order).await.unwrap();
    host.assert_whole();
    assert_eq!(host.state().pages, [1, 1]);
}

#[tokio::test]
async fn fresh_links_that_are_refused_too_are_no_matter_of_age() {
    let host = host(|_| Deed::Say(refused("403 Forbidden", "SignatureDoesNotMatch", "")));
    let error = send(host.order()).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::LinkExpired, "{error}");
    assert_eq!(host.state().pages.len(), 4);
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn an_upload_that_is_over_ends_all_parts() {
    let host = Arc::new(Host::new(pattern(3 * PART), |asked| match asked {
        Asked::Part(1, _) => Deed::Hold(10),
        Asked::Part(2, _) => Deed::SayWhileHeld(refused("404 Not Found", "NoSuchUpload", "")),
        _ => Deed::Honest,
    }));
    let error = send(host.order()).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::LinkExpired, "{error}");
    host.wait_until(|state| state.let_go == 1);
    let state = host.state();
    assert_eq!((state.pages.len(), state.completions), (1, 0));
}

#[tokio::test]
async fn a_token_that_dies_in_the_middle_ends_all_parts() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let host = Arc::new(Host::new(pattern(3 * PART), move |asked| match asked {
            Asked::Part(1, _) => Deed::Hold(10),
            Asked::Part(2, _) => {
                Deed::SayWhileHeld(refused("403 Forbidden", "AccessDenied", "expired"))
            }
            Asked::Page(_, 1..) => Deed::Say(answer(status, "", r#"{"errors":[]}"#)),
            _ => Deed::Honest,
        }));
        let error = send(host.order()).await.unwrap_err();
        assert!(matches!(error, Error::Listing(_)), "{error}");
        assert_eq!(error.disposition(), Disposition::LinkExpired);
        host.wait_until(|state| state.let_go == 1);
        assert_eq!(host.state().completions, 0);
    }
}

#[tokio::test]
async fn a_connection_that_stands_still_is_left_for_another() {
    for taken in [10, PART] {
        let host = host(move |times| {
            if times == 0 {
                Deed::Hold(taken)
            } else {
                Deed::Honest
            }
        });
        let mut order = host.order();
        order.stall_timeout = Duration::from_secs(1);
        order.response_timeout = Duration::from_secs(1);
        send(order).await.unwrap();
        host.assert_whole();
    }
}

#[tokio::test]
async fn a_file_that_shrinks_under_the_upload_says_so() {
    let host = host(|_| Deed::Honest);
    let mut order = host.order();
    order.parts_at_once = NonZeroU32::MIN;
    let file = order.file.try_clone().unwrap();
    order.on_part = Box::new(move |_, _| {
        file.set_len(2 * 1024 * 1024 + u64::try_from(PART).unwrap())
            .map_err(|error: io::Error| error.to_string())
    });
    let error = send(order).await.unwrap_err();
    let Error::Part { number: 2, source } = &error else {
        panic!("{error}");
    };
    assert!(matches!(**source, Error::Shrank { .. }), "{source}");
    assert_eq!(error.disposition(), Disposition::TRANSIENT);
    assert_eq!(host.state().completions, 0);
}

#[tokio::test]
async fn stopping_closes_all_connections_and_completes_nothing() {
    for by_token in [true, false] {
        let host = Arc::new(Host::new(pattern(4 * PART), |asked| match asked {
            Asked::Part(1, _) => Deed::Honest,
            Asked::Part(..) => Deed::Hold(10),
            _ => Deed::Honest,
        }));
        let mut order = host.order();
        let progress = Arc::clone(&order.progress);
        let (first, mut is_first) = tokio::sync::mpsc::unbounded_channel();
        order.on_part = Box::new(move |number, _| {
            first.send(number).unwrap();
            Ok(())
        });
        order.before_complete = Box::new(|| panic!("nothing must be completed"));
        let cancel = CancellationToken::new();
        let mut sending = Box::pin(send_parts(order, cancel.clone()));
        let seen = Arc::clone(&host);
        let held = tokio::task::spawn_blocking(move || {
            seen.wait_until(|state| state.held > 0);
        });
        tokio::select! {
            result = &mut sending => panic!("{result:?}"),
            () = async {
                is_first.recv().await.unwrap();
                held.await.unwrap();
            } => {}
        }
        if by_token {
            cancel.cancel();
            let result = sending.await;
            assert!(
                matches!(result, Err(Error::Cancelled { complete: false })),
                "{result:?}"
            );
            assert_eq!(progress.sent(), u64::try_from(PART).unwrap());
        } else {
            drop(sending);
        }
        host.wait_until(|state| state.let_go >= 1);
        assert_eq!(host.state().completions, 0);
    }
}

#[tokio::test]
async fn a_record_that_fails_ends_the_transfer() {
    let host = host(|_| Deed::Honest);
    let mut order = host.order();
    order.on_part = Box::new(|_, _| Err("disk full".to_owned()));
    let error = send(order).await.unwrap_err();
    assert!(matches!(error, Error::NotRecorded(_)), "{error}");
    let mut order = host.order();
    order.before_complete = Box::new(|| Err("disk full".to_owned()));
    let error = send(order).await.unwrap_err();
    assert!(matches!(error, Error::NotRecorded(_)), "{error}");
    assert_eq!(error.disposition(), Disposition::TRANSIENT);
    assert_eq!(host.state().completions, 0);
}

#[tokio::test]
async fn whether_it_was_completed_only_the_platform_knows() {
    let refusal = |status| answer(status, "", r#"{"errors":[{"code":"x"}]}"#);
    for said in [
        refusal("404 Not Found"),
        refusal("409 Conflict"),
        refusal("500 Internal Server Error"),
        String::new(),
    ] {
        let host = Host::new(pattern(10), move |asked| match asked {
            Asked::Complete(_) => Deed::TakeAndSay(said.clone()),
            _ => Deed::Honest,
        });
        let mut order = host.order();
        let hooks = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&hooks);
        order.before_complete = Box::new(move || {
            *counter.lock().unwrap() += 1;
            Ok(())
        });
        let error = send(order).await.unwrap_err();
        assert!(matches!(error, Error::Completing(_)), "{error}");
        assert_eq!(error.disposition(), Disposition::Ambiguous, "{error}");
        assert_eq!((*hooks.lock().unwrap(), host.state().completions), (1, 1));
    }
    let host = Host::new(pattern(10), |asked| match asked {
        Asked::Complete(_) => Deed::Hold(0),
        _ => Deed::Honest,
    });
    let mut order = host.order();
    order.response_timeout = Duration::from_millis(300);
    let error = send(order).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Ambiguous, "{error}");
}
