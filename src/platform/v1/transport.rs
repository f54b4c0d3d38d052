//! Makes one signed call: within the rate limit, sent once, its answer read and judged.
//!
//! Each sending is signed afresh, as a repeated signature is not carried out.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;

use super::sign;
use crate::clock;
use crate::platform::code::Code;
use crate::platform::error::{Cause, Effect, Error, Garbage, Garbled, Refusal};
use crate::platform::http::{self, Answer, Payload, Silence};
use crate::platform::lenient;
use crate::platform::limit::{Kind, Limiter};
use crate::platform::read::Head;
use crate::platform::skew::PlatformClock;

/// The connection to one account's API.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    http: reqwest::Client,
    base: Url,
    key: String,
    secret: SecretString,
    limiter: Limiter,
    clock: PlatformClock,
}

impl Transport {
    pub(super) fn new(
        account: &str,
        key: &str,
        secret: &SecretString,
        base: &Url,
    ) -> Result<Self, Error> {
        let http = http::client(base).map_err(|source| Error::Setup {
            whom: format!("account `{account}`"),
            source,
        })?;
        Ok(Self {
            http,
            base: base.clone(),
            key: key.to_owned(),
            secret: secret.clone(),
            limiter: Limiter::new(),
            clock: PlatformClock::default(),
        })
    }

    /// The platform's clock, as far as it is known.
    pub(super) fn clock(&self) -> &PlatformClock {
        &self.clock
    }

    pub(super) fn set_longest_wait(&self, longest: Duration) {
        self.limiter.set_longest_wait(longest);
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
        let permit = permit.map_err(|wait| Error::NoRoom {
            call: path.to_owned(),
            wait,
        })?;
        let payload = Payload {
            kind: "application/x-www-form-urlencoded",
            text: self.signed(params),
        };
        match http::exchange(permit, self.http.post(url), Some(payload)).await {
            Ok(answer) => {
                let skew = answer.skew;
                let judged = call.judge(answer);
                let refused = matches!(&judged, Err(error) if error.is_about_the_time());
                self.clock.learn(skew, refused);
                judged.map_err(|error| error.with_clock(self.clock.skew()))
            }
            Err(Silence::Unsent(source)) => Err(Error::Unreachable {
                call: call.path.to_owned(),
                source,
            }),
            Err(Silence::Lost(source)) => Err(Error::Lost {
                call: call.path.to_owned(),
                effect: call.effect,
                source,
            }),
        }
    }

    fn url(&self, path: &str) -> Result<Url, Error> {
        let trimmed = path.trim_matches('/');
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_-/".contains(&byte);
        if trimmed.is_empty() || !trimmed.bytes().all(known) {
            return Err(Error::Request(format!(
                "`{}` is not the path of a call, such as /videos/show",
                lenient::bound_line(path)
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
    /// had to wait for room; by the platform's clock, which is the one that checks it.
    fn signed(&self, params: &[(&str, &str)]) -> String {
        let nonce = format!("{:08}", rand::random_range(0..100_000_000_u32));
        let timestamp = self.clock.at(clock::now()).as_second().to_string();
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
    fn judge(&self, answer: Answer) -> Result<Map<String, Value>, Error> {
        let Answer {
            head,
            object,
            after,
            body: _,
            skew: _,
        } = answer;
        let garbage = match object {
            Ok(object) => match object.get("status").and_then(Value::as_str) {
                Some("error") => return Err(self.refused(&head, after, &object)),
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
            request_id: head.request_id,
        })))
    }

    fn refused(&self, head: &Head, after: Option<Duration>, object: &Map<String, Value>) -> Error {
        let word = |name| lenient::text(object.get(name)).map(|text| lenient::bound_line(&text));
        let code = word("code");
        Error::Refused(Box::new(Refusal {
            call: self.path.to_owned(),
            effect: self.effect,
            status: head.status,
            cause: Cause::Code(Code::of(code.as_deref().unwrap_or_default())),
            word: code.unwrap_or_else(|| "an error without a code".to_owned()),
            message: word("message")
                .or_else(|| word("title"))
                .unwrap_or_default(),
            after,
            request_id: head.request_id.clone(),
        }))
    }
}
