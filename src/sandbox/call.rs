//! One request on its way through the stand-in: its place in the log, and the fault that it met.
//!
//! The hosts call [`Call::ready`] between "everything was received" and "it is acted on", and read
//! bodies through [`Incoming`]. So they hold no code for faults.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;

use super::Sandbox;
use super::canned;
use super::conn::Conn;
use super::faults::{Canned, Kind, Met, WrongList};
use super::operation::Operation;
use super::refusal::Refusal;
use super::requests::{Entry, Stage};

/// A request and what should happen to it.
pub(super) struct Call {
    pub(super) operation: Operation,
    sandbox: Arc<Sandbox>,
    conn: Conn,
    entry: Arc<Entry>,
    met: Option<Met>,
}

/// Why a host stops short of its own answer.
#[derive(Debug)]
pub(super) enum Halt {
    /// A fault has the answer.
    Answer(Box<Response>),
    /// There is no answer: no client is there any more, or the server hangs up.
    Gone,
}

/// Why a host has no success to report: its own refusal, or a [`Halt`].
#[derive(Debug)]
pub(super) enum Stop<R> {
    Refused(R),
    Halted(Halt),
}

impl<R> From<Halt> for Stop<R> {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

impl From<Refusal> for Stop<Refusal> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Call {
    /// Notes the request and finds the fault that it meets.
    pub(super) fn begin(
        sandbox: &Arc<Sandbox>,
        conn: Conn,
        operation: Operation,
        request: &Request,
    ) -> Self {
        let entry = sandbox.requests.begin(operation, request, sandbox.now_ms());
        let met = sandbox.faults.meet(operation);
        Self {
            operation,
            sandbox: Arc::clone(sandbox),
            conn,
            entry,
            met,
        }
    }

    fn kind(&self) -> Option<&Kind> {
        self.met.as_ref().map(|met| &met.kind)
    }

    /// After the head, before the body.
    pub(super) async fn open(&self) -> Result<(), Halt> {
        match self.kind() {
            Some(Kind::EarlyAnswer(answer)) => Err(self.answer_with(answer)),
            Some(Kind::Stall { after_bytes: 0 }) => self.hold_while_connected().await,
            Some(Kind::Reset { after_bytes: 0 }) => Err(self.reset()),
            _ => Ok(()),
        }
    }

    /// All was received; the next step acts on it.
    pub(super) async fn ready(&self) -> Result<(), Halt> {
        self.sandbox.requests.reach(&self.entry, Stage::Received);
        match self.kind() {
            Some(Kind::Status(answer)) => Err(self.answer_with(answer)),
            Some(Kind::HoldBeforeActing {}) => {
                self.hold().await;
                Ok(())
            }
            Some(Kind::WrongAnswer { how, act: false }) => {
                let right = Response::new(Body::from(NOTHING_DONE));
                let answer = canned::spoilt(*how, right, self.operation).await;
                Err(Halt::Answer(Box::new(answer)))
            }
            _ => Ok(()),
        }
    }

    /// The message with which processing should fail.
    pub(super) fn failure(&self) -> Option<String> {
        match self.kind() {
            Some(Kind::FailProcessing { message }) => Some(message.clone()),
            _ => None,
        }
    }

    /// Bytes a second of a download.
    pub(super) fn pace(&self) -> Option<u64> {
        match self.kind() {
            Some(Kind::SlowFetch { bytes_per_second }) => Some(*bytes_per_second),
            _ => None,
        }
    }

    /// Whether the links in the answer should have expired.
    pub(super) fn expired_links(&self) -> bool {
        matches!(self.kind(), Some(Kind::ExpiredLinks {}))
    }

    /// How the list of parts should be wrong.
    pub(super) fn wrong_list(&self) -> Option<WrongList> {
        match self.kind() {
            Some(Kind::PartsList { how }) => Some(*how),
            _ => None,
        }
    }

    /// The answer is there; what goes out may be another one, or none.
    pub(super) async fn finish(self, outcome: Result<Response, Halt>) -> Response {
        let response = match outcome {
            Ok(right) => self.after_acting(right).await,
            Err(Halt::Answer(answer)) => Ok(*answer),
            Err(Halt::Gone) => Err(()),
        };
        if let Ok(response) = response {
            self.entry.answered(response.status().as_u16());
            self.sandbox.requests.reach(&self.entry, Stage::Answered);
            return response;
        }
        self.sandbox.requests.reach(&self.entry, Stage::Broken);
        // hyper cannot write this one: the connection is closed before it is handed over.
        self.conn.close();
        Response::default()
    }

    async fn after_acting(&self, right: Response) -> Result<Response, ()> {
        if !right.status().is_success() {
            return Ok(right);
        }
        self.sandbox.requests.reach(&self.entry, Stage::Acted);
        match self.kind() {
            Some(Kind::HoldAfterActing {}) => {
                self.hold().await;
                Ok(right)
            }
            Some(Kind::AnswerLost {}) => Err(()),
            Some(Kind::Delay { milliseconds }) => {
                tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
                Ok(right)
            }
            Some(Kind::WrongEtag { etag }) => Ok(canned::relabelled(right, etag.as_deref())),
            Some(Kind::WrongAnswer { how, .. }) => {
                Ok(canned::spoilt(*how, right, self.operation).await)
            }
            _ => Ok(right),
        }
    }

    /// Bytes of the body came in; `bytes` is the size of the piece.
    async fn passed(&self, bytes: usize) -> Result<(), Halt> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let total = self.entry.received(bytes);
        let crossed = |mark: u64| total >= mark && total - bytes < mark;
        match self.kind() {
            Some(Kind::Reset { after_bytes }) if crossed(*after_bytes) => Err(self.reset()),
            Some(Kind::Stall { after_bytes }) if crossed(*after_bytes) => {
                self.hold_while_connected().await
            }
            Some(Kind::Slow { bytes_per_second }) => {
                let nanos = bytes.saturating_mul(1_000_000_000) / (*bytes_per_second).max(1);
                tokio::time::sleep(Duration::from_nanos(nanos)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn answer_with(&self, answer: &Canned) -> Halt {
        if answer.abrupt {
            self.conn.be_abrupt();
        }
        Halt::Answer(Box::new(canned::answer(answer, self.operation)))
    }

    fn reset(&self) -> Halt {
        self.conn.reset();
        Halt::Gone
    }

    async fn hold(&self) {
        let id = self.met.as_ref().map_or(0, |met| met.id);
        let released = self.sandbox.faults.hold(id);
        self.sandbox.requests.reach(&self.entry, Stage::Held);
        // The sender is gone when the table is: then there is nothing left to hold for.
        released.await.ok();
    }

    async fn hold_while_connected(&self) -> Result<(), Halt> {
        tokio::select! {
            () = self.hold() => Ok(()),
            () = self.conn.over() => Err(Halt::Gone),
        }
    }
}

/// The body of a request, counted and subject to faults.
pub(super) struct Incoming<'a> {
    body: Body,
    call: &'a Call,
}

/// Why a body ended early.
#[derive(Debug)]
pub(super) enum Broken {
    /// No byte came for so long that the server gives up.
    Idle,
    Halted(Halt),
}

impl<'a> Incoming<'a> {
    pub(super) fn new(body: Body, call: &'a Call) -> Self {
        Self { body, call }
    }

    /// The next piece; `None` at the end. A body that ends short of its length is broken.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        let idle = self.call.sandbox.options.idle_timeout;
        loop {
            let frame = tokio::time::timeout(idle, self.body.frame());
            match frame.await.map_err(|_| Broken::Idle)? {
                None => return Ok(None),
                Some(Err(_)) => return Err(Broken::Halted(Halt::Gone)),
                // Trailers mean nothing here.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.call.passed(data.len()).await.map_err(Broken::Halted)?;
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

const NOTHING_DONE: &str = r#"{"status": "ok", "media": {"type": "video", "key": "nothing0"}}"#;
