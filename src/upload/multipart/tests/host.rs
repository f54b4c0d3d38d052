//! A platform for tests that keeps one upload's parts, minds every rule, and can be told to
//! misbehave.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroU32;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use serde_json::{Value, json};
use url::Url;

use super::super::PartsOrder;
use super::harness::md5;
use crate::platform::Pass;
use crate::platform::tests::stub::{PATIENCE, Peer, Request, Stub, answer};
use crate::platform::v2::Uploads;
use crate::upload::Throttle;

/// The least that the platform takes.
pub(super) const PART: usize = 5 * 1024 * 1024;

/// What a request is about; the second number counts the requests of that kind from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Page(u32, usize),
    Part(u32, usize),
    Complete(usize),
}

/// What the host does with one request.
pub(super) enum Deed {
    Honest,
    /// Reads it, does nothing, and says this; nothing said closes the connection.
    Say(String),
    /// Does it and says this.
    TakeAndSay(String),
    /// Reads so many bytes of the body and closes.
    Cut(usize),
    /// Reads as much, and then no more until the client closes.
    Hold(usize),
    /// The same as `Say` once a connection is held.
    SayWhileHeld(String),
    /// Waits until so many parts are on their way at once.
    Gather(usize),
}

#[derive(Default)]
pub(super) struct State {
    /// `ETag` of each part that is there.
    pub(super) stored: BTreeMap<u32, String>,
    /// Each part that came in whole, with its length.
    pub(super) received: Vec<(u32, usize)>,
    /// The pages that were asked for.
    pub(super) pages: Vec<u32>,
    pub(super) completions: usize,
    /// Rules that were broken.
    pub(super) faults: Vec<String>,
    /// How often each thing was asked for.
    asked: BTreeMap<u32, usize>,
    under_way: usize,
    pub(super) most_under_way: usize,
    /// Connections that a deed held.
    pub(super) held: usize,
    /// Those of them that the client closed.
    pub(super) let_go: usize,
}

pub(super) struct Host {
    address: std::net::SocketAddr,
    /// What the whole file is.
    bytes: Arc<Vec<u8>>,
    shared: Arc<(Mutex<State>, Condvar)>,
    _stub: Mutex<Stub>,
}

impl Host {
    /// A host for a file with these bytes, in parts of [`PART`].
    pub(super) fn new(
        bytes: Vec<u8>,
        script: impl Fn(Asked) -> Deed + Send + Sync + 'static,
    ) -> Self {
        let bytes = Arc::new(bytes);
        let shared = Arc::<(Mutex<State>, Condvar)>::default();
        let (of_stub, file) = (Arc::clone(&shared), Arc::clone(&bytes));
        let stub = Stub::serve(move |_, peer| {
            while let Some(head) = peer.head() {
                let desk = Desk {
                    shared: &of_stub,
                    file: &file,
                };
                if !desk.serve(peer, head, &script) {
                    return;
                }
            }
        });
        Self {
            address: stub.address,
            bytes,
            shared,
            _stub: Mutex::new(stub),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap()
    }

    /// Waits until the host's state is so.
    pub(super) fn wait_until(&self, is_so: impl Fn(&State) -> bool) {
        let state = self.state();
        let (state, _) = self
            .shared
            .1
            .wait_timeout_while(state, PATIENCE, |state| !is_so(state))
            .unwrap();
        assert!(is_so(&state), "it did not come to that");
    }

    pub(super) fn part(&self, number: u32) -> &[u8] {
        part(&self.bytes, number)
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    /// An order to send the file here, two parts at once.
    pub(super) fn order(&self) -> PartsOrder {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&self.bytes).unwrap();
        let upload = Url::parse(&format!("http://{}/v2/uploads/UpId1234", self.address)).unwrap();
        PartsOrder {
            file,
            size: self.bytes.len().try_into().unwrap(),
            part_size: PART.try_into().unwrap(),
            parts_at_once: NonZeroU32::new(2).unwrap(),
            uploads: Uploads::new(&Pass::new(upload, TOKEN, None).unwrap()).unwrap(),
            known: BTreeMap::new(),
            progress: Arc::default(),
            throttle: Throttle::default(),
            stall_timeout: PATIENCE,
            response_timeout: PATIENCE,
            before_complete: Box::new(|| Ok(())),
            on_part: Box::new(|_, _| Ok(())),
        }
    }

    /// Whether the host has all of the file, each part exactly, and was told so once.
    pub(super) fn assert_whole(&self) {
        let state = self.state();
        assert_eq!(state.faults, Vec::<String>::new());
        let count = u32::try_from(self.bytes.len().div_ceil(PART)).unwrap();
        for number in 1..=count {
            let sum = md5(self.part(number));
            assert_eq!(state.stored.get(&number), Some(&sum), "part {number}");
        }
        assert_eq!(state.completions, 1);
    }
}

/// One request's view of the host.
struct Desk<'a> {
    shared: &'a (Mutex<State>, Condvar),
    file: &'a [u8],
}

impl Desk<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap()
    }

    fn serve(&self, peer: &mut Peer, head: Request, script: &impl Fn(Asked) -> Deed) -> bool {
        let asked = self.asked(&head);
        let is_part = matches!(asked, Asked::Part(..));
        if is_part {
            let mut state = self.state();
            state.under_way += 1;
            state.most_under_way = state.most_under_way.max(state.under_way);
            self.shared.1.notify_all();
        }
        let goes_on = self.act(peer, head, asked, script(asked));
        if is_part {
            self.state().under_way -= 1;
        }
        self.shared.1.notify_all();
        goes_on
    }

    fn act(&self, peer: &mut Peer, head: Request, asked: Asked, deed: Deed) -> bool {
        match deed {
            Deed::Cut(bytes) => {
                peer.take(bytes);
                return false;
            }
            Deed::Hold(bytes) => {
                peer.take(bytes);
                self.state().held += 1;
                self.shared.1.notify_all();
                peer.until_closed();
                self.state().let_go += 1;
                return false;
            }
            Deed::Gather(count) => self.wait_while(|state| state.most_under_way < count),
            Deed::SayWhileHeld(_) => self.wait_while(|state| state.held == 0),
            _ => {}
        }
        let Some(request) = peer.rest_of(head) else {
            return false;
        };
        let said = if let Deed::Say(text) | Deed::SayWhileHeld(text) = &deed {
            text.clone()
        } else {
            let truth = self.take(asked, &request);
            match deed {
                Deed::TakeAndSay(text) => text,
                _ => truth,
            }
        };
        // Before the answer, so that the next part is not counted beside this one.
        if matches!(asked, Asked::Part(..)) {
            self.state().under_way -= 1;
        }
        peer.say(&said);
        if matches!(asked, Asked::Part(..)) {
            self.state().under_way += 1;
        }
        !said.is_empty()
    }

    fn wait_while(&self, is_so: impl Fn(&State) -> bool) {
        let wait = self
            .shared
            .1
            .wait_timeout_while(self.state(), PATIENCE, |state| is_so(state));
        drop(wait.unwrap());
    }

    fn asked(&self, head: &Request) -> Asked {
        let target = head.head.split(' ').nth(1).unwrap();
        let url = Url::parse("http://x").unwrap().join(target).unwrap();
        let mut state = self.state();
        let mut count = |kind: u32| {
            let times = state.asked.entry(kind).or_default();
            *times += 1;
            *times - 1
        };
        if let Some(number) = url.path().strip_prefix("/s3/") {
            let number = number.parse().unwrap();
            Asked::Part(number, count(number))
        } else if url.path().ends_with("/complete") {
            Asked::Complete(count(COMPLETE))
        } else {
            let page = url.query_pairs().find(|(name, _)| name == "page").unwrap();
            Asked::Page(page.1.parse().unwrap(), count(LISTING))
        }
    }

    fn take(&self, asked: Asked, request: &Request) -> String {
        let mut state = self.state();
        if !matches!(asked, Asked::Part(..))
            && request.header("authorization") != Some(&format!("Bearer {TOKEN}"))
        {
            state.faults.push(format!("{asked:?} without its token"));
        }
        match asked {
            Asked::Page(page, times) => {
                state.pages.push(page);
                let first = (page - 1) * PAGE + 1;
                let slots: Vec<Value> = (first..first + PAGE)
                    .map(|number| slot(request, number, times, state.stored.get(&number)))
                    .collect();
                listing(page, 10_000, &slots)
            }
            Asked::Part(number, _) => state.put(number, request, self.file),
            Asked::Complete(_) => {
                state.completions += 1;
                answer("202 Accepted", "", "{}")
            }
        }
    }
}

impl State {
    fn put(&mut self, number: u32, request: &Request, file: &[u8]) -> String {
        let expected = part(file, number);
        for absent in [
            "content-type",
            "transfer-encoding",
            "content-md5",
            "authorization",
            "content-disposition",
        ] {
            if request.header(absent).is_some() {
                self.faults.push(format!("part {number} with {absent}"));
            }
        }
        if !request.head.starts_with("PUT ") {
            self.faults.push(format!("part {number} by no PUT"));
        }
        if request.header("content-length") != Some(&expected.len().to_string()) {
            self.faults
                .push(format!("part {number} with a wrong length"));
        }
        if request.body != expected {
            self.faults.push(format!("part {number} with other bytes"));
        }
        let etag = md5(&request.body);
        self.received.push((number, request.body.len()));
        self.stored.insert(number, etag.clone());
        stored(&etag)
    }
}

/// The slot of one part, as the platform shows it: what is there has no link any more.
fn slot(request: &Request, number: u32, listing: usize, etag: Option<&String>) -> Value {
    match etag {
        Some(etag) => json!({"id": number, "etag": etag}),
        None => open_slot(request.header("host").unwrap(), number, listing),
    }
}

/// A slot whose part is not there; each listing signs its links again.
pub(super) fn open_slot(host: &str, number: u32, listing: usize) -> Value {
    let link = format!("http://{host}/s3/{number}?X-Amz-Signature=secret{listing}");
    json!({"id": number, "upload_link": link, "etag": null})
}

pub(super) fn listing(page: u32, total: u64, slots: &[Value]) -> String {
    let body = json!({"page": page, "page_length": slots.len(), "total": total, "parts": slots});
    let body = body.to_string();
    answer("200 OK", "Content-Type: application/json\r\n", &body)
}

/// S3's answer to a part.
pub(super) fn stored(etag: &str) -> String {
    answer("200 OK", &format!("ETag: \"{etag}\"\r\n"), "")
}

/// S3's answer in its own words.
pub(super) fn refused(status: &str, code: &str, message: &str) -> String {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    answer(status, "Content-Type: application/xml\r\n", &body)
}

fn part(bytes: &[u8], number: u32) -> &[u8] {
    let at = (usize::try_from(number).unwrap() - 1) * PART;
    &bytes[at.min(bytes.len())..(at + PART).min(bytes.len())]
}

const TOKEN: &str = "eyJ0.eyJl.c2ln";
const PAGE: u32 = 1_000;
/// Beyond the numbers of parts.
const LISTING: u32 = 20_000;
const COMPLETE: u32 = 20_001;
