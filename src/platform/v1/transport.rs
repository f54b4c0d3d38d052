//! Makes one signed call: within the rate limit, sent once, its answer read and judged.
//!
//! Each sending is signed afresh, as a repeated signature is not carried out. Nothing below repeats
//! a call by itself: no redirect is followed, and the HTTP library's own retries are off.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;

use super::read::{self, Head};
use super::sign;
use crate::clock;
use crate::platform::code::Code;
use crate::platform::error::{Effect, Error, Garbage, Garbled, Refusal};
use crate::platform::lenient;
use crate::platform::limit::{Kind, Limiter, Outcome};
use crate::platform::link::is_loopback;

/// The way to one account's API.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    http: reqwest::Client,
    base: Url,
    key: String,
    secret: SecretString,
    limiter: Limiter,
}

impl Transport {
    pub(super) fn new(
        account: &str,
        key: &str,
        secret: &SecretString,
        base: &Url,
    ) -> Result<Self, Error> {
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
        let http = builder.build().map_err(|source| Error::Setup {
            account: account.to_owned(),
            source: source.without_url(),
        })?;
        Ok(Self {
            http,
            base: base.clone(),
            key: key.to_owned(),
            secret: secret.clone(),
            limiter: Limiter::new(),
        })
    }

    /// Where the API lives.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Makes a call that may be repeated, and repeats it once if only its signature was refused.
    pub(super) async fn call(
        &self,
        path: &str,
        params: &[(&str, &str)],
    ) -> Result<Map<String, Value>, Error> {
        let effect = effect_of(path);
        match self.once(path, params).await {
            Err(error) if error.wants_fresh_signature() && effect == Effect::Repeatable => {
                self.once(path, params).await
            }
            other => other,
        }
    }

    /// Sends a call exactly once.
    pub(super) async fn once(
        &self,
        path: &str,
        params: &[(&str, &str)],
    ) -> Result<Map<String, Value>, Error> {
        let url = self.url(path)?;
        let call = Call {
            path,
            effect: effect_of(path),
        };
        let permit = self.limiter.acquire(kind_of(path)).await;
        let (body, handed_out) = Form::new(self.signed(params));
        let sent = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(reqwest::Body::wrap(body))
            .send()
            .await;
        let response = match sent {
            Ok(response) => response,
            Err(source) if !handed_out.load(Ordering::Acquire) => {
                permit.finish(Outcome::Unsent);
                let call = call.path.to_owned();
                return Err(Error::Unreachable {
                    call,
                    source: source.without_url(),
                });
            }
            Err(source) => return Err(call.lost(source)),
        };
        let head = Head::of(&response);
        let read = match read::bounded(response).await {
            Ok(read) => read,
            Err(source) => {
                permit.finish(head.outcome(None, clock::now()));
                return Err(call.lost(source));
            }
        };
        let object = read.and_then(|body| read::object(&body));
        let outcome = head.outcome(object.as_ref().ok(), clock::now());
        permit.finish(outcome);
        let wait = match outcome {
            Outcome::TooMany { wait } => wait,
            Outcome::Unsent | Outcome::Silent | Outcome::Left { .. } => head.retry_after,
        };
        call.judge(&head, wait, object)
    }

    fn url(&self, path: &str) -> Result<Url, Error> {
        let trimmed = path.trim_matches('/');
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_-/".contains(&byte);
        if trimmed.is_empty() || !trimmed.bytes().all(known) {
            return Err(Error::Request(format!(
                "`{}` is not the path of a call, such as /videos/show",
                lenient::line(path)
            )));
        }
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Error::Request("base-url is not an HTTP address".to_owned()))?
            .pop_if_empty()
            .extend(trimmed.split('/'));
        Ok(url)
    }

    /// The time is read here because a signature is dated when it is made, however long the call
    /// had to wait for room.
    fn signed(&self, params: &[(&str, &str)]) -> String {
        let nonce = format!("{:08}", rand::random_range(0..100_000_000_u32));
        let timestamp = clock::now().as_second().to_string();
        let api = [
            ("api_key", self.key.as_str()),
            ("api_nonce", &nonce),
            ("api_timestamp", &timestamp),
            ("api_format", "json"),
        ];
        sign::signed_form(
            api.iter().chain(params).copied(),
            self.secret.expose_secret(),
        )
    }
}

/// Everything but a create may be made twice.
pub(super) fn effect_of(path: &str) -> Effect {
    if path.trim_end_matches('/').ends_with("/create") {
        Effect::Once
    } else {
        Effect::Repeatable
    }
}

fn kind_of(path: &str) -> Kind {
    if path.trim_matches('/') == "videos/list" {
        Kind::List
    } else {
        Kind::General
    }
}

/// A call under judgement.
struct Call<'a> {
    path: &'a str,
    effect: Effect,
}

impl Call<'_> {
    fn lost(&self, source: reqwest::Error) -> Error {
        let source = source.without_url();
        Error::Lost {
            call: self.path.to_owned(),
            effect: self.effect,
            source,
        }
    }

    fn judge(
        &self,
        head: &Head,
        after: Option<Duration>,
        object: Result<Map<String, Value>, Garbage>,
    ) -> Result<Map<String, Value>, Error> {
        let garbage = match object {
            Ok(object) => match object.get("status").and_then(Value::as_str) {
                Some("error") => return Err(self.refused(head, after, &object)),
                Some("ok") if (200..300).contains(&head.status) => return Ok(object),
                _ => Garbage::Shape("no `status` that fits it".to_owned()),
            },
            Err(garbage) => garbage,
        };
        Err(Error::Garbled(Box::new(Garbled {
            call: self.path.to_owned(),
            effect: self.effect,
            status: head.status,
            garbage,
            after,
            request_id: head.request_id.clone(),
        })))
    }

    fn refused(&self, head: &Head, after: Option<Duration>, object: &Map<String, Value>) -> Error {
        let word = |name| lenient::text(object.get(name)).map(|text| lenient::line(&text));
        let code = word("code");
        Error::Refused(Box::new(Refusal {
            call: self.path.to_owned(),
            effect: self.effect,
            status: head.status,
            code: Code::of(code.as_deref().unwrap_or_default()),
            word: code.unwrap_or_else(|| "an error without a code".to_owned()),
            message: word("message")
                .or_else(|| word("title"))
                .unwrap_or_default(),
            after,
            request_id: head.request_id.clone(),
        }))
    }
}

/// A form body that remembers whether the HTTP library took it: before that, nothing of the call
/// can have reached anybody. It cannot be replayed either.
struct Form {
    text: Option<Bytes>,
    handed_out: Arc<AtomicBool>,
}

impl Form {
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

impl Body for Form {
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
