//! Tests of a transfer against a server that follows a script.

mod stub;

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use self::stub::{Say, Stub};
use super::*;
use crate::config::Tls;
use crate::disposition::{Disposition, Need};

const PASSWORD: &str = "pass word of the test";
const MARK: &str = "0190-deadbeef";
const PART: &str = ".0190-deadbeef.part";
/// Several pieces.
const SIZE: usize = 700_000;

fn content() -> Vec<u8> {
    (0..SIZE)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

fn server(stub: &Stub) -> Ftp {
    Ftp {
        host: "127.0.0.1".to_owned(),
        port: stub.address.port(),
        user: "news".to_owned(),
        password: PASSWORD.into(),
        directory: Some("/in".to_owned()),
        tls: Tls::None,
        ca_file: None,
        passive: true,
        key_wait: Duration::from_secs(1),
    }
}

fn order(stub: &Stub) -> Order {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content()).unwrap();
    Order {
        seen: Some(Seen::now(&file).unwrap()),
        file: Some(file),
        is_doubted: false,
        size: u64::try_from(SIZE).unwrap(),
        server: server(stub),
        name: "Été.mp4".to_owned(),
        mark: MARK.to_owned(),
        confirmed: 0,
        noted: None,
        progress: Arc::default(),
        throttle: Throttle::default(),
        stall_timeout: Duration::from_secs(20),
        response_timeout: Duration::from_secs(20),
        on_confirmed: Box::new(|_| Ok(())),
        on_deleted: Box::new(|| Ok(())),
        before_rename: Box::new(|_| Ok(())),
    }
}

async fn sent(order: Order) -> Result<Receipt, Error> {
    send(order, CancellationToken::new()).await
}

/// A stub that says this to one kind of command, and else what is usual.
fn saying(verb: &'static str, say: fn() -> Say) -> Stub {
    Stub::serve(move |command| {
        if command.starts_with(verb) {
            say()
        } else {
            Say::Usual
        }
    })
}

fn put(stub: &Stub, name: &str, bytes: &[u8]) {
    let mut files = stub.files.lock().unwrap();
    files.insert(name.to_owned(), bytes.to_vec());
}

fn assert_arrived(stub: &Stub, name: &str) {
    let files = stub.files.lock().unwrap();
    assert!(files.get(name) == Some(&content()), "{name} is damaged");
    assert!(!files.contains_key(PART));
}

#[tokio::test]
async fn a_file_gets_its_name_when_it_is_whole_and_noted() {
    let stub = saying("nothing", || Say::Usual);
    let noted = Arc::new(Mutex::new(Vec::new()));
    let mut order = order(&stub);
    let (note, files) = (Arc::clone(&noted), Arc::clone(&stub.files));
    order.before_rename = Box::new(move |whole| {
        assert!(files.lock().unwrap()[PART] == content());
        let md5 = whole.md5.map(str::to_owned);
        note.lock().unwrap().push((whole.name.to_owned(), md5));
        Ok(())
    });
    let progress = Arc::clone(&order.progress);
    let receipt = sent(order).await.unwrap();
    assert_eq!(*noted.lock().unwrap(), [(receipt.name, receipt.md5)]);
    assert_eq!(usize::try_from(progress.sent()).unwrap(), SIZE);
    assert_arrived(&stub, "Été.mp4");
    assert_eq!(stub.heard("PASS"), [format!("PASS {PASSWORD}")]);
    assert_eq!(stub.heard("CWD"), ["CWD /in"]);
    assert_eq!(stub.heard("OPTS"), ["OPTS UTF8 ON"]);
}

#[tokio::test]
async fn it_goes_on_where_the_server_stands() {
    let stub = saying("nothing", || Say::Usual);
    put(&stub, PART, &content()[..300_000]);
    let whole = sent(order(&stub)).await.unwrap();
    assert_arrived(&stub, "Été.mp4");
    assert_eq!(stub.heard("REST"), ["REST 300000"]);
    let fresh = saying("nothing", || Say::Usual);
    assert_eq!(
        sent(order(&fresh)).await.unwrap().md5,
        whole.md5,
        "of the whole file"
    );
}

#[tokio::test]
async fn a_server_that_refuses_the_place_gets_the_rest_or_all_again() {
    for refused in [&["REST"][..], &["REST", "APPE"]] {
        let stub = Stub::serve(move |command| {
            if refused.iter().any(|verb| command.starts_with(verb)) {
                Say::Line("502 not here")
            } else {
                Say::Usual
            }
        });
        put(&stub, PART, &content()[..300_000]);
        sent(order(&stub)).await.unwrap();
        assert_arrived(&stub, "Été.mp4");
        assert_eq!(stub.heard("DELE").len(), refused.len() - 1);
    }
}

#[tokio::test]
async fn what_cannot_be_ours_is_sent_anew() {
    for (there, confirmed) in [(SIZE + 1, 0), (300_000, 300_001)] {
        let stub = saying("nothing", || Say::Usual);
        put(&stub, PART, &vec![7; there]);
        let mut order = order(&stub);
        order.confirmed = confirmed;
        sent(order).await.unwrap();
        assert_arrived(&stub, "Été.mp4");
    }
}

/// As many bytes as were there before, and perhaps of other content.
#[tokio::test]
async fn what_is_in_doubt_is_deleted_and_sent_anew() {
    for there in [300_000, SIZE] {
        let stub = saying("nothing", || Say::Usual);
        put(&stub, PART, &vec![7; there]);
        let mut order = order(&stub);
        order.is_doubted = true;
        let (files, deleted) = (Arc::clone(&stub.files), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&deleted);
        order.on_deleted = Box::new(move || {
            assert!(!files.lock().unwrap().contains_key(PART), "said too early");
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        sent(order).await.unwrap();
        assert_arrived(&stub, "Été.mp4");
        assert_eq!(deleted.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_never_overwritten() {
    let stub = saying("nothing", || Say::Usual);
    put(&stub, "Été.mp4", b"theirs");
    assert_eq!(sent(order(&stub)).await.unwrap().name, "Été-deadbeef.mp4");
    assert_eq!(stub.files.lock().unwrap()["Été.mp4"], b"theirs");
    let error = sent(order(&stub)).await.unwrap_err();
    assert!(matches!(error, Error::NameTaken(_)), "{error}");
    assert_eq!(error.disposition(), Disposition::Permanent);
}

#[tokio::test]
async fn a_renaming_that_was_noted_is_settled_by_looking() {
    let stub = saying("nothing", || Say::Usual);
    for (file, there) in [(true, true), (false, true), (true, false), (false, false)] {
        stub.files.lock().unwrap().clear();
        stub.heard.lock().unwrap().clear();
        put(&stub, if there { PART } else { "Été.mp4" }, &content());
        let mut order = order(&stub);
        order.noted = Some("Été.mp4".to_owned());
        order.file = order.file.filter(|_| file);
        let receipt = sent(order).await.unwrap();
        assert_eq!(receipt.name, "Été.mp4");
        assert_eq!(receipt.md5.is_some(), file && there);
        assert_arrived(&stub, "Été.mp4");
        assert!(stub.heard("STOR").is_empty(), "sent without success");
        assert_eq!(stub.heard("RNTO").len(), usize::from(there));
    }
}

#[tokio::test]
async fn an_answer_to_the_renaming_that_is_lost_leaves_it_open() {
    let stub = saying("RNTO", || Say::HangUp);
    let error = sent(order(&stub)).await.unwrap_err();
    assert!(matches!(error, Error::RenameUnclear), "{error}");
    assert_eq!(error.disposition(), Disposition::Ambiguous);
}

#[tokio::test]
async fn every_refusal_has_its_consequence() {
    let transient = Disposition::TRANSIENT;
    for (verb, say, disposition) in [
        ("PASS", "530 no", Disposition::Blocked(Need::Credentials)),
        ("PASS", "421 too many", transient),
        (
            "CWD",
            "550 no such folder",
            Disposition::Blocked(Need::Credentials),
        ),
        (
            "STOR",
            "553 not allowed",
            Disposition::Blocked(Need::Credentials),
        ),
        ("STOR", "552 quota", transient),
        ("STOR", "452 full", transient),
        ("PASV", "227 garbage", transient),
        ("SIZE", "213 many", transient),
        ("TYPE", "what?", transient),
        ("RNTO", "553 bad name", Disposition::Permanent),
        ("RNTO", "450 busy", transient),
    ] {
        let stub = Stub::serve(move |command| {
            if command.starts_with(verb) {
                Say::Line(say)
            } else {
                Say::Usual
            }
        });
        let error = sent(order(&stub)).await.unwrap_err();
        assert_eq!(error.disposition(), disposition, "{verb} {say}: {error}");
        assert!(!stub.files.lock().unwrap().contains_key("Été.mp4"));
    }
}

#[tokio::test]
async fn a_server_that_repeats_the_password_is_not_repeated() {
    let stub = saying("PASS", || {
        Say::Line("530 not pass word of the test, go away")
    });
    let error = sent(order(&stub)).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(
        !shown.contains(PASSWORD) && shown.contains("not ********, go away"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_data_connection_that_is_cut_says_why() {
    let stub = saying("STOR", || Say::Cut(200_000, "452 the disk is full"));
    let error = sent(order(&stub)).await.unwrap_err();
    assert!(
        error.to_string().contains("(452): the disk is full"),
        "{error}"
    );
    let stub = saying("STOR", || Say::Cut(200_000, "226 thanks"));
    let error = sent(order(&stub)).await.unwrap_err();
    assert!(
        matches!(error, Error::Broken(_) | Error::WrongSize { .. }),
        "{error}"
    );
    assert!(!stub.files.lock().unwrap().contains_key("Été.mp4"));
}

#[tokio::test]
async fn a_size_that_is_a_lie_ends_the_transfer() {
    let stub = saying("SIZE", || Say::Line("213 5"));
    let error = sent(order(&stub)).await.unwrap_err();
    assert!(matches!(error, Error::WrongSize { .. }), "{error}");
    assert!(stub.heard("RNTO").is_empty());
}

#[tokio::test]
async fn silence_and_words_without_end_are_cut_short() {
    for (say, verb) in [
        (Say::Silence, "TYPE"),
        (Say::Silence, "STOR"),
        (Say::Endless, "TYPE"),
        (Say::Endless, "FEAT"),
    ] {
        let is_silence = matches!(say, Say::Silence);
        let stub = Stub::serve(
            move |command| match (command.starts_with(verb), is_silence) {
                (false, _) => Say::Usual,
                (true, true) => Say::Silence,
                (true, false) => Say::Endless,
            },
        );
        let mut order = order(&stub);
        order.stall_timeout = Duration::from_millis(300);
        order.response_timeout = Duration::from_millis(300);
        let error = sent(order).await.unwrap_err();
        let expected = if is_silence {
            matches!(error, Error::Stalled(_))
        } else {
            matches!(error, Error::Garbled { .. })
        };
        assert!(expected, "{verb}: {error}");
        assert_eq!(error.disposition(), Disposition::TRANSIENT);
    }
}

#[tokio::test]
async fn cancelling_ends_the_connections_and_the_thread() {
    let stub = saying("STOR", || Say::Silence);
    let (cancel, order) = (CancellationToken::new(), order(&stub));
    let watched = Arc::clone(&order.progress);
    let sending = send(order, cancel.clone());
    let cancelling = async {
        while stub.heard("STOR").is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(sending, cancelling);
    assert!(
        matches!(result, Err(Error::Cancelled { complete: false })),
        "{result:?}"
    );
    let deadline = Instant::now() + crate::platform::tests::stub::PATIENCE;
    while Arc::strong_count(&watched) > 1 {
        assert!(Instant::now() < deadline, "the thread continues");
        thread::yield_now();
    }
}
