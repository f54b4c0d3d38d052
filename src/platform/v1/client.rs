//! The calls of the Management API v1 that this program makes, one method each.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::answer::{self, Missing, Page};
use super::describe;
use super::transport::{Transport, effect_of};
use crate::clock;
use crate::disposition::Disposition;
use crate::platform::error::{Error, Garbage, Garbled};
use crate::platform::key::VideoKey;
use crate::platform::new::{Created, NewVideo};
use crate::platform::skew::PlatformClock;
use crate::platform::update::Update;
use crate::platform::video::Video;
use crate::way::Way;

/// One account's API; clones are cheap and share one rate limiter.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
}

/// What to list; the default is the platform's own first page.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListQuery<'a> {
    /// The most videos to answer.
    pub limit: Option<u32>,
    /// How many to pass over.
    pub offset: u64,
    /// For example `updated:desc`.
    pub order_by: Option<&'a str>,
    /// Only videos changed at or after this UNIX second.
    pub updated_after: Option<i64>,
    /// Only videos with this text in a field.
    pub search: Option<Search<'a>>,
}

/// A search in one field: the platform finds parts of words, in any case.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// For example `custom.ingest_id`.
    pub field: &'a str,
    /// What it must contain.
    pub text: &'a str,
}

impl Client {
    /// Builds the client of an account, with the API living at `base`.
    ///
    /// # Errors
    /// [`Error::Setup`] if there is no HTTPS on this machine, e.g. because there are no CA
    /// certificates.
    pub fn new(
        account: &str,
        (key, secret): (&str, &SecretString),
        base: &Url,
    ) -> Result<Self, Error> {
        Ok(Self {
            transport: Transport::new(account, key, secret, base)?,
        })
    }

    pub(in crate::platform) fn clock(&self) -> &PlatformClock {
        self.transport.clock()
    }

    /// See [`crate::platform::Client::set_longest_wait`].
    pub(in crate::platform) fn set_longest_wait(&self, longest: Duration) {
        self.transport.set_longest_wait(longest);
    }

    /// Creates a video without bytes.
    ///
    /// # Errors
    /// An [`Ambiguous`](crate::disposition::Disposition::Ambiguous) one whenever the video may exist
    /// now: look for it with [`Client::find_by_ingest_id`] before creating it again.
    pub async fn create(&self, video: NewVideo<'_>) -> Result<Created, Error> {
        let size = video.size.map(|size| size.to_string());
        let described = describe::params(video.metadata);
        let mut params = vec![("custom.ingest_id", video.ingest_id)];
        params.push(how(&video)?);
        if let Some(size) = &size {
            params.push(("size", size));
        }
        if !video.title.is_empty() {
            params.push(("title", video.title));
        }
        params.extend(described.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        let asked_at = Instant::now();
        let answer = match self.transport.once(CREATE, &params).await {
            // A refused signature may also be the answer to a copy of a call that did get through,
            // made by something between here and there: see first, then sign afresh.
            Err(error) if error.wants_fresh_signature() => {
                match self.find_by_ingest_id(video.ingest_id).await {
                    Ok(found) if found.is_empty() => {}
                    Err(error) if matches!(error.disposition(), Disposition::Blocked(_)) => {
                        return Err(error);
                    }
                    // Found, or not to be told: in both cases it may exist.
                    Ok(_) | Err(_) => return Err(Error::Replayed),
                }
                self.transport.once(CREATE, &params).await
            }
            other => other,
        }?;
        let asked_at = self.by_the_platform(asked_at);
        name_missing(CREATE, answer::created(&answer, video.way, asked_at))
    }

    /// Lets another file into a video that is ready (JW docs, v1 videos/update: `update_file`).
    ///
    /// # Errors
    /// For a video that does not exist, one whose [`Error::is_not_found`] is true.
    pub async fn reupload(&self, key: &VideoKey, video: NewVideo<'_>) -> Result<Created, Error> {
        let size = video.size.map(|size| size.to_string());
        let mut params = vec![
            ("video_key", key.as_str()),
            ("update_file", "True"),
            how(&video)?,
        ];
        if let Some(size) = &size {
            params.push(("size", size));
        }
        let asked_at = Instant::now();
        let answer = self.transport.call(UPDATE, &params).await?;
        let asked_at = self.by_the_platform(asked_at);
        name_missing(UPDATE, answer::granted(&answer, (key, video.way), asked_at))
    }

    /// Asks how a video is.
    ///
    /// # Errors
    /// For a video that does not exist, one whose [`Error::is_not_found`] is true.
    pub async fn show(&self, key: &VideoKey) -> Result<Video, Error> {
        let answer = self
            .transport
            .call(SHOW, &[("video_key", key.as_str())])
            .await?;
        name_missing(SHOW, answer::shown(&answer))
    }

    /// Lists one page of videos.
    pub async fn list(&self, query: ListQuery<'_>) -> Result<Page, Error> {
        Ok(self.list_raw(query).await?.0)
    }

    /// Changes what is sent about a video; what is not named stays, its ingest id among that.
    pub async fn describe(&self, key: &VideoKey, update: Update<'_>) -> Result<(), Error> {
        let described = describe::params(update.metadata);
        let mut params: Vec<_> = described
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let title = update.title.filter(|title| !title.is_empty());
        params.extend(title.map(|title| ("title", title)));
        self.update(key, &params).await
    }

    /// Sets metadata of a video.
    pub async fn update(&self, key: &VideoKey, params: &[(&str, &str)]) -> Result<(), Error> {
        refuse_empty(params)?;
        let mut all = vec![("video_key", key.as_str())];
        all.extend_from_slice(params);
        self.transport.call(UPDATE, &all).await.map(|_| ())
    }

    /// Deletes a video; one that does not exist counts as deleted.
    pub async fn delete(&self, key: &VideoKey) -> Result<(), Error> {
        match self
            .transport
            .call("/videos/delete", &[("video_key", key.as_str())])
            .await
        {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes any call, e.g. `/videos/show`, and answers the platform's JSON as it is.
    ///
    /// # Errors
    /// [`Error::Request`] for a parameter that is empty or one of the `api_*` of the signature.
    pub async fn call(&self, path: &str, params: &[(&str, &str)]) -> Result<Value, Error> {
        refuse_empty(params)?;
        self.transport.call(path, params).await.map(Value::Object)
    }

    /// Makes one harmless call to see whether key and secret are good.
    pub async fn check_credentials(&self) -> Result<(), Error> {
        self.list(ListQuery {
            limit: Some(1),
            ..ListQuery::default()
        })
        .await
        .map(|_| ())
    }

    /// What the platform's clock showed at that moment, as far as it is known now.
    fn by_the_platform(&self, at: Instant) -> Timestamp {
        let now = self.clock().at(clock::now());
        now.checked_sub(at.elapsed()).unwrap_or(now)
    }

    /// Where the API lives.
    pub(super) fn base(&self) -> &Url {
        self.transport.base()
    }

    /// Like [`Client::list`]; with each video, whether it came with its custom fields.
    pub(super) async fn list_raw(&self, query: ListQuery<'_>) -> Result<(Page, Vec<bool>), Error> {
        let limit = query.limit.map(|limit| limit.to_string());
        let offset = (query.offset > 0).then(|| query.offset.to_string());
        let updated_after = query.updated_after.map(|second| second.to_string());
        let search = query
            .search
            .map(|search| (format!("search:{}", search.field), search.text));
        let params: Vec<(&str, &str)> = [
            ("result_limit", limit.as_deref()),
            ("result_offset", offset.as_deref()),
            ("order_by", query.order_by),
            ("updated_after", updated_after.as_deref()),
        ]
        .into_iter()
        .chain(
            search
                .as_ref()
                .map(|(name, text)| (name.as_str(), Some(*text))),
        )
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        refuse_empty(&params)?;
        let answer = self.transport.call(LIST, &params).await?;
        name_missing(LIST, answer::listed(&answer, query.offset))
    }
}

/// The parameter that says how the bytes come (JW docs, v1 videos/create; "Upload videos with a
/// resumable protocol").
fn how<'a>(video: &NewVideo<'a>) -> Result<(&'static str, &'a str), Error> {
    match (video.way, video.source) {
        (Way::S3, _) => Ok(("upload_method", "s3")),
        (Way::Form, _) => Ok(("upload_method", "single")),
        (Way::Resumable, _) => Ok(("upload_method", "multipart")),
        (Way::Fetch, Some(source)) => Ok(("download_url", source.as_str())),
        (Way::Fetch | Way::Direct | Way::Multipart | Way::Ftp, _) => Err(Error::Request(format!(
            "API v1 has no upload by {}",
            video.way.word()
        ))),
    }
}

/// An empty value makes the platform refuse the whole call; better to say which one it is.
fn refuse_empty(params: &[(&str, &str)]) -> Result<(), Error> {
    for (name, value) in params {
        if name.is_empty() || name.starts_with("api_") {
            return Err(Error::Request(format!(
                "parameter `{name}` is set by jw-ingest itself"
            )));
        }
        if value.is_empty() {
            return Err(Error::Request(format!(
                "parameter `{name}` is empty, which the platform refuses"
            )));
        }
    }
    Ok(())
}

fn name_missing<T>(call: &str, answer: Result<T, Missing>) -> Result<T, Error> {
    answer.map_err(|missing| garbled(call, missing))
}

pub(super) fn garbled(call: &str, missing: Missing) -> Error {
    Error::Garbled(Box::new(Garbled {
        call: call.to_owned(),
        effect: effect_of(call),
        status: 200,
        garbage: Garbage::Shape(missing),
        after: None,
        request_id: None,
    }))
}

const CREATE: &str = "/videos/create";
const UPDATE: &str = "/videos/update";
const SHOW: &str = "/videos/show";
pub(super) const LIST: &str = "/videos/list";
