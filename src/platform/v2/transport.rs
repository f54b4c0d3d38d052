//! Makes one call of a site's API: within the rate limit, sent once, its answer judged.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;

use super::judge::Call;
use super::target::Target;
use crate::platform::error::{Effect, Error};
use crate::platform::http::{self, Payload};
use crate::platform::limit::{Kind, Limiter};
use crate::platform::percent;
use crate::platform::skew::PlatformClock;
use crate::platform::verb::Verb;

/// The connection to one site's API.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    http: reqwest::Client,
    base: Url,
    site: String,
    /// It marks itself as sensitive, so that nothing prints it.
    bearer: HeaderValue,
    limiter: Limiter,
    clock: PlatformClock,
}

/// A call to be made.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) verb: Verb,
    /// Below the site, e.g. `["media", "tL17msiU"]`; each is escaped.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<Value>,
    /// Whether its answer may be something else than a JSON object.
    pub(super) bare: bool,
}

impl Request<'_> {
    /// What is known of it before it is sent.
    pub(super) fn call(&self) -> Call {
        let target = match self.path {
            [_] => Target::Site,
            _ => Target::Media,
        };
        let effect = match self.verb {
            Verb::Post => Effect::Once,
            Verb::Get | Verb::Put | Verb::Patch | Verb::Delete => Effect::Repeatable,
        };
        Call {
            name: format!("{} /{}", self.verb.word(), self.path.join("/")),
            target,
            effect,
            bare: self.bare,
        }
    }
}

impl Transport {
    pub(super) fn new(
        account: &str,
        (site, base): (&str, &Url),
        token: &SecretString,
    ) -> Result<Self, Error> {
        let bearer = format!("Bearer {}", token.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| {
            Error::Request("the token has characters that no HTTP header can carry".to_owned())
        })?;
        bearer.set_sensitive(true);
        let http = http::client(base).map_err(|source| Error::Setup {
            whom: format!("account `{account}`"),
            source,
        })?;
        Ok(Self {
            http,
            base: base.clone(),
            site: site.to_owned(),
            bearer,
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

    /// Sends a call exactly once.
    pub(super) async fn send(&self, request: Request<'_>) -> Result<Map<String, Value>, Error> {
        let url = self.url(&request)?;
        let call = request.call();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, self.bearer.clone());
        let payload = request.body.map(|body| Payload {
            kind: "application/json",
            text: body.to_string(),
        });
        if payload.is_none() && request.verb != Verb::Get {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let permit = self.limiter.acquire(Kind::General).await;
        let permit = permit.map_err(|wait| Error::NoRoom {
            call: call.name.clone(),
            wait,
        })?;
        let request = self.http.request(request.verb.into(), url).headers(headers);
        let outcome = http::exchange(permit, request, payload).await;
        if let Ok(answer) = &outcome {
            self.clock.learn(answer.skew, false);
        }
        call.judge(outcome)
    }

    /// The documented routes end in a slash, and a redirect to there is not followed.
    fn url(&self, request: &Request<'_>) -> Result<Url, Error> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Error::Request("base-url is not an HTTP address".to_owned()))?
            .pop_if_empty()
            .extend(["sites", &self.site])
            .extend(request.path)
            .push("");
        if !request.query.is_empty() {
            let pairs: Vec<_> = request
                .query
                .iter()
                .map(|(name, value)| {
                    format!("{}={}", percent::encode(name), percent::encode(value))
                })
                .collect();
            url.set_query(Some(&pairs.join("&")));
        }
        Ok(url)
    }
}
