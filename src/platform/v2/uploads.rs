//! The calls on one multipart upload: list its parts with their links, and complete it.
//!
//! They are authorised by the upload's own token, not by the account's (JW docs, v2 multipart
//! uploads), and have no part in the account's rate limit.

use reqwest::header::CONTENT_LENGTH;
use serde_json::{Map, Value};
use url::Url;

use super::judge::Call;
use super::link;
use super::target::Target;
use crate::platform::error::{Effect, Error};
use crate::platform::http;
use crate::platform::lenient;
use crate::platform::limit::{Kind, Limiter};
use crate::platform::link::Link;
use crate::platform::pass::Pass;

/// The calls on one multipart upload; clones are cheap and share one rate limiter.
#[derive(Debug, Clone)]
pub struct Uploads {
    http: reqwest::Client,
    pass: Pass,
    limiter: Limiter,
}

/// One page of an upload's part slots, in the server's order: neither sorted nor checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartsPage {
    /// Which page it is, counted from 1, where the server says so.
    pub page: Option<u32>,
    /// How many slots there are on all pages together, where the server says so; 10,000 for every
    /// upload (JW docs, v2 uploads).
    pub total: Option<u64>,
    /// The slots on it.
    pub slots: Vec<Slot>,
}

/// The place for one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its number, counted from 1.
    pub number: u32,
    /// Where its bytes go; a part that is there may have none.
    pub link: Option<Link>,
    /// The checksum of the part that is there, without quotes and in lower case.
    pub etag: Option<String>,
}

impl Uploads {
    /// The calls on the upload that this pass opens.
    ///
    /// # Errors
    /// [`Error::Setup`] if there is no HTTPS on this machine, e.g. because there are no CA
    /// certificates.
    pub fn new(pass: &Pass) -> Result<Self, Error> {
        let http = http::client(pass.expose_upload()).map_err(|source| Error::Setup {
            whom: "an upload in parts".to_owned(),
            source,
        })?;
        Ok(Self {
            http,
            pass: pass.clone(),
            limiter: Limiter::new(),
        })
    }

    /// Lists one page of slots, with fresh links; `page` counts from 1, `length` is at most 1,000
    /// (the official Python client's bound).
    ///
    /// # Errors
    /// [`LinkExpired`](crate::disposition::Disposition::LinkExpired) if upload or token are gone:
    /// the file needs another upload.
    pub async fn page(&self, page: u32, length: u32) -> Result<PartsPage, Error> {
        let call = Call {
            name: "GET /uploads/*/parts".to_owned(),
            target: Target::Parts,
            effect: Effect::Repeatable,
            bare: false,
        };
        let mut url = self.url(&call, "parts")?;
        url.set_query(Some(&format!("page={page}&page_length={length}")));
        let answer = self.send(&call, self.http.get(url)).await?;
        read_page(&answer).map_err(|missing| call.lacks(missing))
    }

    /// Says that all parts are there. Which ones it has, and whether they fit, the server knows.
    ///
    /// # Errors
    /// [`Ambiguous`](crate::disposition::Disposition::Ambiguous) whenever the media's status has to
    /// settle what became of it. Only if nothing was sent, it may simply be repeated.
    pub async fn complete(&self) -> Result<(), Error> {
        let call = Call {
            name: "PUT /uploads/*/complete".to_owned(),
            target: Target::Complete,
            effect: Effect::Once,
            bare: true,
        };
        let url = self.url(&call, "complete")?;
        // Without a body, as the official clients send it; a PUT that does not say so is refused by
        // some servers.
        let request = self.http.put(url).header(CONTENT_LENGTH, 0);
        self.send(&call, request).await.map(|_| ())
    }

    fn url(&self, call: &Call, last: &str) -> Result<Url, Error> {
        let mut url = self.pass.expose_upload().clone();
        url.path_segments_mut()
            .map_err(|()| Error::Request(format!("{}: no address for it", call.name)))?
            .pop_if_empty()
            .push(last);
        Ok(url)
    }

    async fn send(
        &self,
        call: &Call,
        request: reqwest::RequestBuilder,
    ) -> Result<Map<String, Value>, Error> {
        let request = request.bearer_auth(self.pass.expose_token());
        let permit = self.limiter.acquire(Kind::General).await;
        let permit = permit.map_err(|wait| Error::NoRoom {
            call: call.name.clone(),
            wait,
        })?;
        call.judge(http::exchange(permit, request, None).await)
    }
}

/// Reads `{"page","total","parts":[{"id","upload_link","etag"}]}`.
fn read_page(answer: &Map<String, Value>) -> Result<PartsPage, &'static str> {
    let parts = answer.get("parts").and_then(Value::as_array);
    let slots = parts
        .ok_or("no list of parts")?
        .iter()
        .map(parse_slot)
        .collect::<Result<_, _>>()?;
    let page = lenient::unsigned(answer.get("page"));
    Ok(PartsPage {
        page: page.and_then(|page| u32::try_from(page).ok()),
        total: lenient::unsigned(answer.get("total")),
        slots,
    })
}

fn parse_slot(value: &Value) -> Result<Slot, &'static str> {
    let number = lenient::unsigned(value.get("id")).and_then(|id| u32::try_from(id).ok());
    let link = match lenient::text(value.get("upload_link")) {
        Some(text) => {
            Some(link::parse_link(&text).ok_or("a part's link that cannot be used as it is")?)
        }
        None => None,
    };
    let etag = lenient::text(value.get("etag"))
        .map(|etag| etag.trim().trim_matches('"').to_ascii_lowercase())
        .filter(|etag| !etag.is_empty());
    Ok(Slot {
        number: number.ok_or("a part without a number")?,
        link,
        etag,
    })
}
