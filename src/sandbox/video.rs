//! What the stand-in knows of one video, and how the API shows it (JW docs, v1 `/videos/show`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::link::Link;
use super::status::{Forced, Media, Pending, Status};

/// One video. All times are UNIX milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Video {
    pub(super) key: String,
    /// Counts up with every create, so that equal times still have an order.
    pub(super) number: u64,
    pub(super) created: i64,
    /// Last change of the metadata; changes of status are added by [`Video::updated`].
    pub(super) edited: i64,
    /// Title, description and the like, by parameter name.
    pub(super) fields: BTreeMap<String, String>,
    pub(super) custom: BTreeMap<String, String>,
    /// The link that was given out last.
    pub(super) link: Link,
    /// The file that was received last.
    pub(super) media: Option<Media>,
    /// How many times a whole file was received.
    pub(super) received: u32,
    /// A file that the platform is getting by itself, or failed to get.
    #[serde(default)]
    pub(super) pending: Option<Pending>,
    /// A status that was ordered in place of the timer's.
    pub(super) forced: Option<Forced>,
}

impl Video {
    /// The last change of anything, in UNIX milliseconds.
    pub(super) fn updated(&self, now: i64) -> i64 {
        let media = self.media.as_ref().and_then(|media| media.last_change(now));
        let pending = self.pending.as_ref().map(Pending::last_change);
        [media, pending]
            .into_iter()
            .flatten()
            .fold(self.edited, i64::max)
    }

    /// Where the video is at `now` (UNIX milliseconds).
    pub(super) fn status(&self, now: i64) -> Status {
        match (&self.forced, &self.pending, &self.media) {
            (Some(forced), _, _) => forced.status,
            (None, Some(pending), _) => pending.status(self.link.update),
            (None, None, Some(media)) => media.status(now),
            (None, None, None) => Status::Created,
        }
    }

    /// Why it failed, if it did.
    pub(super) fn failure(&self, now: i64) -> Option<&str> {
        if self.status(now) != Status::Failed {
            return None;
        }
        let forced = self
            .forced
            .as_ref()
            .and_then(|forced| forced.message.as_deref());
        let pending = || self.pending.as_ref().and_then(Pending::message);
        let own = || self.noticed(now).and_then(|media| media.failure.as_deref());
        forced
            .or_else(pending)
            .or_else(own)
            .or(Some("The video could not be processed"))
    }

    /// The file that the platform knows of at `now`: an object in S3 may not be noticed yet.
    pub(super) fn noticed(&self, now: i64) -> Option<&Media> {
        self.media.as_ref().and_then(|media| media.noticed(now))
    }

    /// The text of a field that `/videos/list` searches and orders by.
    pub(super) fn text(&self, field: &str, now: i64) -> Option<String> {
        match field {
            "video_key" => Some(self.key.clone()),
            "md5" => self.noticed(now).map(|media| media.md5.clone()),
            _ => match field.strip_prefix("custom.") {
                Some(name) => self.custom.get(name).cloned(),
                None => self.fields.get(field).cloned(),
            },
        }
    }

    /// The publish date: as given, else the creation time; UNIX seconds.
    pub(super) fn date(&self) -> i64 {
        let given = self.fields.get("date").and_then(|text| text.parse().ok());
        given.unwrap_or(self.created.div_euclid(1000))
    }

    /// The video as `/videos/show` and `/videos/list` have it. Sizes and durations are strings
    /// there, and dates are numbers.
    pub(super) fn shown(&self, now: i64) -> Value {
        let field = |name: &str| self.fields.get(name);
        let media = self.noticed(now);
        json!({
            "key": self.key,
            "title": field("title"),
            "status": self.status(now),
            "date": self.date(),
            "updated": self.updated(now).div_euclid(1000),
            "expires_date": field("expires_date").and_then(|text| text.parse::<i64>().ok()),
            "error": self.failure(now).map(|message| json!({"message": message})),
            "tags": field("tags"),
            "category": field("category"),
            "description": field("description"),
            "author": field("author"),
            "custom": self.custom,
            "link": field("link"),
            "views": 0,
            "sourcetype": "file",
            "sourceformat": null,
            "sourceurl": null,
            "upload_session_id": self.link.open_session(now.div_euclid(1000)),
            "mediatype": "video",
            "size": media.map(|media| media.size.to_string()),
            "md5": media.map(|media| &media.md5),
            "duration": media.and_then(|media| media.duration.as_ref()),
            "trim_in_point": field("trim_in_point"),
            "trim_out_point": field("trim_out_point"),
            "protectionrule_key": field("protectionrule_key"),
        })
    }
}
