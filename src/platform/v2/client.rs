//! The calls of the Management API v2 that this program makes, one method each.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value, json};
use url::Url;

use super::answer;
use super::describe;
use super::search::Listing;
use super::transport::{Request, Transport};
use crate::platform::error::Error;
use crate::platform::key::VideoKey;
use crate::platform::lenient;
use crate::platform::new::{Created, NewVideo};
use crate::platform::skew::PlatformClock;
use crate::platform::update::Update;
use crate::platform::verb::Verb;
use crate::platform::video::{Status, Video};
use crate::way::Way;

/// One account's API; clones are cheap and share one rate limiter.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
}

impl Client {
    /// How long after a create whose answer was lost a search that finds nothing is not believed.
    ///
    /// Searches go through an index, and how far it lags behind is not documented (JW docs,
    /// "Building a request", warn that filters on media vary and change); a minute is more than
    /// such indexes usually take.
    pub const PATIENCE: Duration = Duration::from_mins(1);

    /// Builds the client of an account, for one site, with the API living at `base`.
    ///
    /// # Errors
    /// [`Error::Setup`] if there is no HTTPS on this machine, e.g. because there are no CA
    /// certificates.
    pub fn new(account: &str, site: (&str, &Url), token: &SecretString) -> Result<Self, Error> {
        Ok(Self {
            transport: Transport::new(account, site, token)?,
        })
    }

    pub(in crate::platform) fn clock(&self) -> &PlatformClock {
        self.transport.clock()
    }

    /// See [`crate::platform::Client::set_longest_wait`].
    pub(in crate::platform) fn set_longest_wait(&self, longest: Duration) {
        self.transport.set_longest_wait(longest);
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Creates a media without bytes.
    ///
    /// # Errors
    /// An [`Ambiguous`](crate::disposition::Disposition::Ambiguous) one whenever the media may exist
    /// now: look for it with [`Client::find_by_ingest_id`] before creating it again.
    pub async fn create(&self, video: NewVideo<'_>) -> Result<Created, Error> {
        // The search knows `external_id`; the custom parameter is for people.
        let mut metadata = Map::new();
        metadata.insert("external_id".to_owned(), video.ingest_id.into());
        let custom = describe::custom_params(None, video.metadata, video.ingest_id);
        metadata.insert("custom_params".to_owned(), custom);
        if !video.title.is_empty() {
            metadata.insert("title".to_owned(), video.title.into());
        }
        describe::insert(&mut metadata, video.metadata);
        let request = Request {
            verb: Verb::Post,
            path: &[MEDIA],
            query: &[],
            body: Some(json!({"upload": how(&video)?, "metadata": metadata})),
            bare: false,
        };
        let call = request.call();
        let answer = self.transport.send(request).await?;
        answer::created(&answer, video.way, self.transport.base())
            .map_err(|missing| call.lacks(missing))
    }

    /// Lets another file into a media that is ready (JW docs, v2 "Reupload media"). Its body has no
    /// room for metadata.
    ///
    /// # Errors
    /// For a media that does not exist, one whose [`Error::is_not_found`] is true.
    pub async fn reupload(&self, key: &VideoKey, video: NewVideo<'_>) -> Result<Created, Error> {
        let request = Request {
            verb: Verb::Put,
            path: &[MEDIA, key.as_str(), "reupload"],
            query: &[],
            body: Some(json!({"upload": how(&video)?})),
            bare: false,
        };
        let call = request.call();
        let mut answer = self.transport.send(request).await?;
        // Which media it is need not be repeated to the caller, who named it.
        answer.entry("id").or_insert_with(|| key.as_str().into());
        let granted = answer::created(&answer, video.way, self.transport.base());
        match granted {
            Ok(granted) if granted.key == *key => Ok(granted),
            Ok(_) => Err(call.lacks("the id of another media")),
            Err(missing) => Err(call.lacks(missing)),
        }
    }

    /// Asks how a media is.
    ///
    /// # Errors
    /// For a media that does not exist, one whose [`Error::is_not_found`] is true.
    pub async fn show(&self, key: &VideoKey) -> Result<Video, Error> {
        let request = Request {
            verb: Verb::Get,
            path: &[MEDIA, key.as_str()],
            query: &[],
            body: None,
            bare: false,
        };
        let call = request.call();
        let answer = self.transport.send(request).await?;
        answer::video(&answer).map_err(|missing| call.lacks(missing))
    }

    /// As [`Client::show`], and with what the platform received where it is ready: the size and the
    /// MD5 of its original, as far as the platform reports them.
    ///
    /// # Errors
    /// As those of [`Client::show`]. A list of originals that is refused, or is not there, is none.
    pub async fn examine(&self, key: &VideoKey) -> Result<Video, Error> {
        let mut video = self.show(key).await?;
        if video.status != Status::Ready {
            return Ok(video);
        }
        let request = Request {
            verb: Verb::Get,
            path: &[MEDIA, key.as_str(), "originals"],
            query: &[],
            body: None,
            bare: false,
        };
        match self.transport.send(request).await {
            Ok(answer) => (video.size, video.md5) = answer::received(&answer),
            Err(error) if error.is_not_offered() => {}
            Err(error) => return Err(error),
        }
        Ok(video)
    }

    /// Changes what is sent about a media; what is not named stays, its ingest id among that.
    pub async fn describe(&self, key: &VideoKey, update: Update<'_>) -> Result<(), Error> {
        let path: &[&str] = &[MEDIA, key.as_str()];
        let mut metadata = Map::new();
        if let Some(title) = update.title.filter(|title| !title.is_empty()) {
            metadata.insert("title".to_owned(), title.into());
        }
        describe::insert(&mut metadata, update.metadata);
        if !update.metadata.custom.is_empty() {
            let shown = self.transport.send(Request {
                verb: Verb::Get,
                path,
                query: &[],
                body: None,
                bare: false,
            });
            let shown = shown.await?;
            let had = shown.get("metadata").and_then(|m| m.get("custom_params"));
            let custom = describe::custom_params(had, update.metadata, update.ingest_id);
            metadata.insert("custom_params".to_owned(), custom);
        }
        let request = Request {
            verb: Verb::Patch,
            path,
            query: &[],
            body: Some(json!({"metadata": metadata})),
            bare: true,
        };
        self.transport.send(request).await.map(|_| ())
    }

    /// Up to `limit` media, those that changed last first, after passing over `offset` of them, which
    /// is a whole number of pages.
    pub async fn newest(&self, limit: u32, offset: u64) -> Result<Vec<Video>, Error> {
        let length = limit.max(1);
        let listing = Listing {
            page: offset / u64::from(length) + 1,
            length,
            sort: "last_modified:dsc",
            query: None,
        };
        Ok(self.list(listing).await?.videos)
    }

    /// Deletes a media; one that does not exist counts as deleted.
    pub async fn delete(&self, key: &VideoKey) -> Result<(), Error> {
        let request = Request {
            verb: Verb::Delete,
            path: &[MEDIA, key.as_str()],
            query: &[],
            body: None,
            bare: true,
        };
        match self.transport.send(request).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes one harmless call to see whether site and token are good.
    pub async fn check_credentials(&self) -> Result<(), Error> {
        self.newest(1, 0).await.map(|_| ())
    }

    /// Makes any call below the site, e.g. `/media/tL17msiU`, and answers the platform's JSON as it
    /// is. The parameters go into the query, or, where the call changes something, are the fields
    /// of a JSON object; one that is JSON itself goes as that, any other as a text.
    ///
    /// # Errors
    /// [`Error::Request`] for a path that is none.
    pub async fn call(
        &self,
        verb: Verb,
        path: &str,
        params: &[(&str, &str)],
    ) -> Result<Value, Error> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if segments
            .iter()
            .any(|segment| segment.is_empty() || !segment.bytes().all(known))
        {
            return Err(Error::Request(format!(
                "`{}` is not the path of a call below the site, such as /media/tL17msiU",
                lenient::bound_line(path)
            )));
        }
        let (query, body) = match verb {
            Verb::Get | Verb::Delete => (params, None),
            Verb::Post | Verb::Put | Verb::Patch => {
                let fields = params
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), field(value)));
                (&[][..], Some(Value::Object(fields.collect::<Map<_, _>>())))
            }
        };
        let request = Request {
            verb,
            path: &segments,
            query,
            body,
            bare: verb != Verb::Get,
        };
        self.transport.send(request).await.map(Value::Object)
    }
}

fn field(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// The `upload` of a create (JW docs, v2 "Create media"). Never a `mime_type`: a caller that names
/// one has to send it with the bytes.
fn how(video: &NewVideo<'_>) -> Result<Value, Error> {
    match (video.way, video.source) {
        (Way::Direct | Way::Multipart, _) => Ok(json!({"method": video.way.word()})),
        (Way::Fetch, Some(source)) => {
            Ok(json!({"method": "fetch", "download_url": source.as_str()}))
        }
        (Way::Fetch | Way::S3 | Way::Form | Way::Resumable | Way::Ftp, _) => Err(Error::Request(
            format!("API v2 has no upload by {}", video.way.word()),
        )),
    }
}

/// Where a site's media are.
pub(super) const MEDIA: &str = "media";
