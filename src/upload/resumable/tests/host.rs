//! An upload host for tests that keeps a file from its start on, and can be told to misbehave.

use std::sync::{Arc, Mutex};

use crate::platform::Link;
use crate::platform::tests::stub::{Peer, Request, Stub, answer};
use crate::upload::tests::on_the_wire::order;
use crate::upload::{Order, Receipt};

/// What the host does with one request.
pub(super) enum Deed {
    /// Takes the piece and tells the truth.
    Honest,
    /// Drops the piece and says this.
    Say(String),
    /// Takes the piece and says this.
    TakeAndSay(String),
    /// Reads so many bytes of the body and closes.
    Cut(usize),
}

/// One request, as the test's script sees it before its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// How many came before it.
    pub(super) number: usize,
    pub(super) first: usize,
    pub(super) last: usize,
}

impl Asked {
    pub(super) fn is_probe(self) -> bool {
        (self.first, self.last) == (0, 1)
    }

    pub(super) fn length(self) -> usize {
        self.last + 1 - self.first
    }
}

/// What the host has.
#[derive(Default)]
struct State {
    requests: usize,
    held: Vec<u8>,
}

/// Runs a host that has the first bytes already; `script` is asked for each request.
pub(super) fn host(
    held: &[u8],
    script: impl Fn(Asked) -> Deed + Send + Sync + 'static,
) -> (Stub, impl Fn() -> Vec<u8>) {
    let state = Arc::new(Mutex::new(State {
        requests: 0,
        held: held.to_vec(),
    }));
    let shared = Arc::clone(&state);
    let stub = Stub::serve(move |_, peer| {
        while let Some(head) = peer.head() {
            if !serve(peer, head, &shared, &script) {
                return;
            }
        }
    });
    (stub, move || state.lock().unwrap().held.clone())
}

fn serve(
    peer: &mut Peer,
    head: Request,
    state: &Mutex<State>,
    script: impl Fn(Asked) -> Deed,
) -> bool {
    let (first, last, total) = range(&head);
    let number = {
        let mut state = state.lock().unwrap();
        state.requests += 1;
        state.requests - 1
    };
    let deed = script(Asked {
        number,
        first,
        last,
    });
    if let Deed::Cut(bytes) = deed {
        peer.take(bytes);
        return false;
    }
    let Some(request) = peer.rest_of(head) else {
        return false;
    };
    if let Deed::Say(text) = &deed {
        peer.say(text);
        return !text.is_empty();
    }
    let truth = state.lock().unwrap().take(first, &request.body, total);
    let said = match deed {
        Deed::TakeAndSay(text) => text,
        _ => truth,
    };
    peer.say(&said);
    !said.is_empty()
}

impl State {
    fn take(&mut self, first: usize, body: &[u8], total: usize) -> String {
        assert!(first <= self.held.len(), "a gap");
        let known = (self.held.len() - first).min(body.len());
        self.held.extend_from_slice(&body[known..]);
        if self.held.len() == total {
            done(total)
        } else {
            holds(&format!("0-{}/{total}", self.held.len() - 1))
        }
    }
}

fn range(head: &Request) -> (usize, usize, usize) {
    let range = head.header("x-content-range").unwrap();
    let (range, total) = range
        .strip_prefix("bytes ")
        .unwrap()
        .split_once('/')
        .unwrap();
    let (first, last) = range.split_once('-').unwrap();
    (
        first.parse().unwrap(),
        last.parse().unwrap(),
        total.parse().unwrap(),
    )
}

/// The answer to a segment: the list is in a header and again in the body.
pub(super) fn holds(ranges: &str) -> String {
    answer("201 Created", &format!("Range: {ranges}\r\n"), ranges)
}

/// The answer to the last one.
pub(super) fn done(size: usize) -> String {
    let body =
        format!(r#"{{"status":"ok","media":{{"key":"tL17msiU"}},"file":{{"size":"{size}"}}}}"#);
    answer("200 OK", "X-Request-Id: R1\r\n", &body)
}

/// An order with segments of `segment` bytes.
pub(super) fn order_to(stub: &Stub, bytes: &[u8], segment: u64) -> Order {
    let mut order = order(stub, bytes);
    let link = format!(
        "- http://{}/v1/videos/upload/resumable?key=vtQ&api_format=json {SESSION}",
        stub.address
    );
    order.link = Link::restore(&link).unwrap();
    order.segment_size = segment;
    order
}

/// A file of nothing but zeros, larger than any socket buffer, and no sum of it.
pub(super) fn sparse(stub: &Stub, size: u64, segment: u64) -> Order {
    let mut order = order_to(stub, b"", segment);
    order.size = size;
    order.file.set_len(size).unwrap();
    order.hash = false;
    order
}

/// Sends it as a resumable upload.
pub(super) async fn post(order: Order) -> Result<Receipt, crate::upload::Error> {
    let cancel = tokio_util::sync::CancellationToken::new();
    crate::upload::send(crate::way::Way::Resumable, order, cancel).await
}

/// The ranges of all requests that came in whole so far.
pub(super) fn pieces(stub: &Stub) -> Vec<String> {
    std::iter::from_fn(|| stub.next_by_now())
        .map(|request| request.header("x-content-range").unwrap().to_owned())
        .collect()
}

/// Bytes that differ from place to place.
pub(super) fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| u8::try_from(i % 251).unwrap())
        .collect()
}

/// The MD5 of some bytes in hex.
pub(super) fn md5(bytes: &[u8]) -> String {
    use md5::{Digest, Md5};
    crate::hex::lower(&Md5::digest(bytes))
}

pub(super) const SESSION: &str = "kwJei9j2vtQ_-1";
