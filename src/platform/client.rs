//! One account's API, whichever version it speaks: the calls that the rest of the program makes.

use std::time::Duration;

use jiff::Timestamp;

use super::error::Error;
use super::key::VideoKey;
use super::link::Link;
use super::new::{Created, NewVideo};
use super::skew::{PlatformClock, Skew};
use super::update::Update;
use super::verb::Verb;
use super::video::Video;
use super::{v1, v2};
use crate::config::{Account, Api};

/// One account's API; clones are cheap and share one rate limiter.
#[derive(Debug, Clone)]
pub enum Client {
    /// Signed parameters.
    V1(v1::Client),
    /// JSON with a bearer token.
    V2(v2::Client),
}

/// A version of the platform's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Signed parameters.
    V1,
    /// JSON, with a bearer token.
    V2,
}

impl Client {
    /// Which version of the API the account speaks.
    pub fn version(&self) -> Version {
        match self {
            Self::V1(_) => Version::V1,
            Self::V2(_) => Version::V2,
        }
    }

    /// Builds the client of an account.
    ///
    /// # Errors
    /// [`Error::Setup`] if there is no HTTPS on this machine, e.g. because there are no CA
    /// certificates.
    pub(crate) fn new(account: &Account) -> Result<Self, Error> {
        match &account.api {
            Api::V1 {
                key,
                secret,
                base_url,
            } => v1::Client::new(&account.name, (key, secret), base_url).map(Self::V1),
            Api::V2 {
                site,
                token,
                base_url,
            } => v2::Client::new(&account.name, (site, base_url), token).map(Self::V2),
        }
    }

    /// Whether lists tell the sizes and checksums of videos; where they do not, [`Client::examine`] does.
    pub fn lists_checksums(&self) -> bool {
        self.version() == Version::V1
    }

    /// How far the platform's clock is from this machine's; none before the first answer.
    pub fn skew(&self) -> Option<Skew> {
        self.clock().skew()
    }

    /// What the platform's clock shows when this machine's shows `here`; the same, before the first
    /// answer.
    pub fn platform_time(&self, here: Timestamp) -> Timestamp {
        self.clock().at(here)
    }

    fn clock(&self) -> &PlatformClock {
        match self {
            Self::V1(client) => client.clock(),
            Self::V2(client) => client.clock(),
        }
    }

    /// Sets the longest wait for room within the rate limit that an answer may ask for; a refusal for
    /// too many calls (429) may ask for more.
    pub fn set_longest_wait(&self, longest: Duration) {
        match self {
            Self::V1(client) => client.set_longest_wait(longest),
            Self::V2(client) => client.set_longest_wait(longest),
        }
    }

    /// Creates a video without bytes.
    ///
    /// # Errors
    /// An [`Ambiguous`](crate::disposition::Disposition::Ambiguous) one whenever the video may exist
    /// now: look for it with [`Client::find_by_ingest_id`] before creating it again.
    pub async fn create(&self, video: NewVideo<'_>) -> Result<Created, Error> {
        match self {
            Self::V1(client) => client.create(video).await,
            Self::V2(client) => client.create(video).await,
        }
    }

    /// Changes what is sent about a video. What the update does not name stays as it is there, and
    /// so does the ingest id by which the video is found.
    ///
    /// # Errors
    /// For a video that does not exist, one whose [`Error::is_not_found`] is true.
    pub async fn update(&self, key: &VideoKey, update: Update<'_>) -> Result<(), Error> {
        match self {
            Self::V1(client) => client.describe(key, update).await,
            Self::V2(client) => client.describe(key, update).await,
        }
    }

    /// Lets another file into a video that is `ready`; nothing else of the video changes, and its
    /// ingest id and title stay. Doing it twice is harmless: no video can arise by it.
    ///
    /// # Errors
    /// For a video that does not exist, one whose [`Error::is_not_found`] is true. How a video is
    /// refused that is not ready yet, no document says for certain: look with [`Client::show`].
    pub async fn reupload(&self, key: &VideoKey, video: NewVideo<'_>) -> Result<Created, Error> {
        match self {
            Self::V1(client) => client.reupload(key, video).await,
            Self::V2(client) => client.reupload(key, video).await,
        }
    }

    /// Asks how a video is.
    ///
    /// # Errors
    /// For a video that does not exist, one whose [`Error::is_not_found`] is true.
    pub async fn show(&self, key: &VideoKey) -> Result<Video, Error> {
        match self {
            Self::V1(client) => client.show(key).await,
            Self::V2(client) => client.show(key).await,
        }
    }

    /// As [`Client::show`], with the size and the MD5 of what the platform received, as far as it
    /// reports them: with API v2 that takes a call more.
    ///
    /// # Errors
    /// For a video that does not exist, one whose [`Error::is_not_found`] is true.
    pub async fn examine(&self, key: &VideoKey) -> Result<Video, Error> {
        match self {
            Self::V1(client) => client.show(key).await,
            Self::V2(client) => client.examine(key).await,
        }
    }

    /// Up to `limit` videos, those that changed last first, after passing over `offset` of them, which
    /// is a whole number of pages.
    pub async fn newest(&self, limit: u32, offset: u64) -> Result<Vec<Video>, Error> {
        match self {
            Self::V1(client) => {
                let query = v1::ListQuery {
                    limit: Some(limit),
                    offset,
                    order_by: Some("updated:desc"),
                    ..v1::ListQuery::default()
                };
                Ok(client.list(query).await?.videos)
            }
            Self::V2(client) => client.newest(limit, offset).await,
        }
    }

    /// All videos whose ingest id is exactly this one, the oldest first.
    ///
    /// # Errors
    /// Also if there are more candidates than can exist, rather than a part of them.
    pub async fn find_by_ingest_id(&self, ingest_id: &str) -> Result<Vec<Video>, Error> {
        match self {
            Self::V1(client) => client.find_by_ingest_id(ingest_id).await,
            Self::V2(client) => client.find_by_ingest_id(ingest_id).await,
        }
    }

    /// All videos made at or after `since` that hold exactly these bytes (`md5` in hex) or, where
    /// the platform reports no checksum, have exactly one of these titles; the oldest first. The
    /// better sign, and the earlier title, come first: once one finds something, the others are not
    /// tried.
    ///
    /// For files that came without a call, so that no id is known.
    ///
    /// # Errors
    /// Also if there are more candidates than can be looked through.
    pub async fn find_by_content(
        &self,
        md5: &str,
        titles: &[&str],
        since: Timestamp,
    ) -> Result<Vec<Video>, Error> {
        match self {
            Self::V1(client) => client.find_by_content(md5, titles, since).await,
            Self::V2(client) => client.find_by_content(titles, since).await,
        }
    }

    /// How long after a create with an unknown end a look-up that finds nothing is not believed.
    ///
    /// API v1 is said to be consistent at once (JW docs, "Getting started"); for v2 see
    /// [`v2::Client::PATIENCE`].
    pub fn patience(&self) -> Duration {
        match self {
            Self::V1(_) => Duration::ZERO,
            Self::V2(_) => v2::Client::PATIENCE,
        }
    }

    /// The way back into an upload whose create answer was lost, where the platform shows one.
    ///
    /// # Errors
    /// Those of [`Client::show`].
    pub async fn reopen(&self, key: &VideoKey) -> Result<Option<Link>, Error> {
        match self {
            Self::V1(client) => client.reopen(key).await,
            // API v2 reports an upload's link or token once.
            Self::V2(_) => Ok(None),
        }
    }

    /// Deletes a video; one that does not exist counts as deleted.
    pub async fn delete(&self, key: &VideoKey) -> Result<(), Error> {
        match self {
            Self::V1(client) => client.delete(key).await,
            Self::V2(client) => client.delete(key).await,
        }
    }

    /// Makes one harmless call to see whether the credentials are good.
    pub async fn check_credentials(&self) -> Result<(), Error> {
        match self {
            Self::V1(client) => client.check_credentials().await,
            Self::V2(client) => client.check_credentials().await,
        }
    }

    /// Makes any call and answers the platform's JSON as it is: with API v1 e.g. `/videos/show`,
    /// which takes no verb, with API v2 below the site, e.g. `/media/tL17msiU`, by GET unless a verb
    /// is given.
    ///
    /// # Errors
    /// [`Error::Request`] for a call that cannot be made.
    pub async fn call(
        &self,
        verb: Option<Verb>,
        path: &str,
        params: &[(&str, &str)],
    ) -> Result<serde_json::Value, Error> {
        match (self, verb) {
            (Self::V1(client), None) => client.call(path, params).await,
            (Self::V1(_), Some(_)) => Err(Error::Request(
                "API v1 makes every call by POST; leave --method out".to_owned(),
            )),
            (Self::V2(client), verb) => client.call(verb.unwrap_or(Verb::Get), path, params).await,
        }
    }
}
