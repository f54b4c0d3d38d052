//! A video to be created, and what the platform gives for it: its key and the right to send
//! its bytes.

use jiff::Timestamp;
use url::Url;

use super::Error;
use super::key::VideoKey;
use super::link::Link;
use super::pass::Pass;
use crate::metadata::Metadata;
use crate::way::Way;

/// A video to be created.
#[derive(Clone, Copy)]
pub struct NewVideo<'a> {
    /// Its title; an empty one is not sent.
    pub title: &'a str,
    /// What else is sent about it.
    pub metadata: &'a Metadata,
    /// The ingest id by which it is found again; distinct for each file.
    pub ingest_id: &'a str,
    /// How its bytes will come.
    pub way: Way,
    /// Its bytes, as far as they are known.
    pub size: Option<u64>,
    /// For [`Way::Fetch`]: where the platform finds it. It may hold a signature of its own, and is
    /// never shown.
    pub source: Option<&'a Url>,
}

/// A video that was created and waits for its bytes.
#[derive(Debug, Clone)]
pub struct Created {
    /// Its key.
    pub key: VideoKey,
    /// How its bytes may come.
    pub grant: Grant,
}

/// The right to send a video's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// To one link: s3, form, resumable, direct.
    Link(Link),
    /// In parts, whose links are listed when they are needed: multipart.
    Parts(Pass),
    /// There is nothing to send, as the platform fetches it.
    Fetch,
}

impl Grant {
    /// When it ends, as far as the platform said so.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Self::Link(link) => link.expires_at(),
            Self::Parts(pass) => pass.expires_at(),
            Self::Fetch => None,
        }
    }

    /// Whether its time is over; one of unknown lifetime is taken as good.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at().is_some_and(|at| at <= now)
    }

    /// The text that the job table keeps; a credential.
    pub fn store(&self) -> String {
        match self {
            Self::Link(link) => link.store(),
            Self::Parts(pass) => pass.store(),
            Self::Fetch => String::new(),
        }
    }

    /// Reads what [`Grant::store`] wrote for this method.
    ///
    /// # Errors
    /// [`Error::StoredLink`] for any other text; it does not repeat the text.
    pub fn restore(way: Way, stored: &str) -> Result<Self, Error> {
        match way {
            Way::S3 | Way::Form | Way::Resumable | Way::Direct => {
                Link::restore(stored).map(Self::Link)
            }
            Way::Multipart => Pass::restore(stored).map(Self::Parts),
            Way::Fetch => Ok(Self::Fetch),
            Way::Ftp => Err(Error::StoredLink),
        }
    }
}
