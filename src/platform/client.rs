//! One account's API, whichever version it speaks: the calls that the rest of the program makes.

use super::error::Error;
use super::key::VideoKey;
use super::link::Link;
use super::new::{Created, NewVideo};
use super::v1;
use super::video::Video;
use crate::config::{Account, Api};

/// One account's API; clones are cheap and share one rate limiter.
#[derive(Debug, Clone)]
pub enum Client {
    /// Signed parameters.
    V1(v1::Client),
}

impl Client {
    /// Builds the client of an account.
    ///
    /// # Errors
    /// [`Error::Setup`] if there is no HTTPS on this machine, e.g. for want of CA certificates.
    pub fn new(account: &Account) -> Result<Self, Error> {
        match &account.api {
            Api::V1 { .. } => v1::Client::new(account).map(Self::V1),
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
        }
    }

    /// Asks how a video is.
    ///
    /// # Errors
    /// For a video that does not exist, one whose [`Error::is_not_found`] is true.
    pub async fn show(&self, key: &VideoKey) -> Result<Video, Error> {
        match self {
            Self::V1(client) => client.show(key).await,
        }
    }

    /// Up to `limit` videos, those that changed last first, after passing over `offset` of them.
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
        }
    }

    /// All videos whose ingest id is exactly this one, the oldest first.
    ///
    /// # Errors
    /// Also if there are more candidates than anybody could have made, rather than a part of them.
    pub async fn find_by_ingest_id(&self, ingest_id: &str) -> Result<Vec<Video>, Error> {
        match self {
            Self::V1(client) => client.find_by_ingest_id(ingest_id).await,
        }
    }

    /// The way back into an upload whose create answer was lost, where the platform shows one.
    ///
    /// # Errors
    /// Those of [`Client::show`].
    pub async fn reopen(&self, key: &VideoKey) -> Result<Option<Link>, Error> {
        match self {
            Self::V1(client) => client.reopen(key).await,
        }
    }

    /// Deletes a video; one that does not exist is as good as deleted.
    pub async fn delete(&self, key: &VideoKey) -> Result<(), Error> {
        match self {
            Self::V1(client) => client.delete(key).await,
        }
    }

    /// Makes one harmless call to see whether the credentials are good.
    pub async fn check_credentials(&self) -> Result<(), Error> {
        match self {
            Self::V1(client) => client.check_credentials().await,
        }
    }

    /// Makes any call, e.g. `/videos/show`, and answers the platform's JSON as it is.
    ///
    /// # Errors
    /// [`Error::Request`] for a call that cannot be made.
    pub async fn call(
        &self,
        path: &str,
        params: &[(&str, &str)],
    ) -> Result<serde_json::Value, Error> {
        match self {
            Self::V1(client) => client.call(path, params).await,
        }
    }
}
