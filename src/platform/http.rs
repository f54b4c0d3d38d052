//! One HTTP exchange with the API: sent once, its answer read within bounds and counted.
//!
//! Nothing here repeats a call by itself: no redirect is followed, and the HTTP library's own
//! retries are off. What an answer means is for the API version that asked.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use reqwest::RequestBuilder;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Map, Value};
use url::Url;

use super::error::Garbage;
use super::limit::{Outcome, Permit};
use super::link::is_loopback;
use super::read::{self, Head};
use super::skew::Skew;
use crate::clock;

/// Builds the HTTP client for an API that lives at `base`.
pub(super) fn client(base: &Url) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        // A connection that the server drops just as a create goes out makes that create
        // ambiguous: do not keep one for long.
        .pool_idle_timeout(IDLE_TIMEOUT);
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    if base.scheme() == "http" {
        // A machine without CA certificates cannot do HTTPS, but the demo needs none.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(reqwest::Error::without_url)
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: Head,
    /// The JSON object in its body.
    pub(super) object: Result<Map<String, Value>, Garbage>,
    /// The body as it came; empty if it was too long.
    pub(super) body: Vec<u8>,
    /// The shortest wait that it asks for.
    pub(super) after: Option<Duration>,
    /// How far the server's clock is from this machine's, where it named its time.
    pub(super) skew: Option<Skew>,
}

/// Nothing came back, or not all of it; the errors have lost their URL.
#[derive(Debug)]
pub(super) enum Silence {
    /// Nothing of the call was sent.
    Unsent(reqwest::Error),
    /// It may have been sent.
    Lost(reqwest::Error),
}

/// A body and its `Content-Type`.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) kind: &'static str,
    pub(super) text: String,
}

/// Sends a request exactly once and reads the whole answer.
pub(super) async fn exchange(
    permit: Permit,
    request: RequestBuilder,
    payload: Option<Payload>,
) -> Result<Answer, Silence> {
    let (request, handed_out) = match payload {
        Some(payload) => {
            let (body, handed_out) = Once::new(payload.text);
            let request = request.header(CONTENT_TYPE, payload.kind);
            (request.body(reqwest::Body::wrap(body)), Some(handed_out))
        }
        None => (request, None),
    };
    let (sent, jumps) = (clock::now(), clock::jumps());
    let response = match request.send().await {
        Ok(response) => response,
        Err(source) => {
            let sent = match handed_out {
                Some(handed_out) => handed_out.load(Ordering::Acquire),
                None => !source.is_connect() && !source.is_builder(),
            };
            let source = source.without_url();
            if sent {
                return Err(Silence::Lost(source));
            }
            permit.finish(Outcome::Unsent);
            return Err(Silence::Unsent(source));
        }
    };
    let head = Head::of(&response);
    let received = clock::now();
    let skew = head
        .date
        .filter(|_| clock::jumps() == jumps)
        .map(|date| Skew::of(date, sent, received));
    let read = match read::bounded(response).await {
        Ok(read) => read,
        Err(source) => {
            permit.finish(head.outcome(None, clock::now()));
            return Err(Silence::Lost(source.without_url()));
        }
    };
    let (object, body) = match read {
        Ok(body) => (read::object(&body), body),
        Err(garbage) => (Err(garbage), Vec::new()),
    };
    let outcome = head.outcome(object.as_ref().ok(), clock::now());
    permit.finish(outcome);
    let after = match outcome {
        Outcome::TooMany { wait } => wait,
        Outcome::Unsent | Outcome::Silent | Outcome::Counted { .. } | Outcome::Left { .. } => {
            head.retry_after
        }
    };
    Ok(Answer {
        head,
        object,
        body,
        after,
        skew,
    })
}

/// A body that remembers whether the HTTP library took it: before that, nothing of the call can
/// have reached the server. It cannot be replayed either.
struct Once {
    text: Option<Bytes>,
    handed_out: Arc<AtomicBool>,
}

impl Once {
    fn new(text: String) -> (Self, Arc<AtomicBool>) {
        let handed_out = Arc::new(AtomicBool::new(false));
        (
            Self {
                text: Some(text.into()),
                handed_out: Arc::clone(&handed_out),
            },
            handed_out,
        )
    }
}

impl Body for Once {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.handed_out.store(true, Ordering::Release);
        Poll::Ready(self.text.take().map(|text| Ok(Frame::data(text))))
    }

    fn is_end_stream(&self) -> bool {
        self.text.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.text.as_ref().map_or(0, Bytes::len);
        u64::try_from(left).map_or_else(|_| SizeHint::default(), SizeHint::with_exact)
    }
}

const USER_AGENT: &str = concat!("jw-ingest/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CALL_TIMEOUT: Duration = Duration::from_mins(1);
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
