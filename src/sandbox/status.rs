//! The status machine: created → processing → ready or failed, and updating in place of processing
//! for a replacement.
//!
//! Nothing runs here. A file carries the moments at which it is noticed and processed, and the
//! status is read off the clock, so a sandbox that was stopped in between is right again at once.
//! Only what the platform gets by itself takes as long as it takes: see `errand`.

use serde::{Deserialize, Serialize};

/// `video.status`, in the platform's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// Metadata only; no file is known of yet.
    Created,
    /// The first file is being processed.
    Processing,
    /// A replacement is being processed.
    Updating,
    /// It can be played.
    Ready,
    /// The platform could not use the file.
    Failed,
}

/// A status put in place of the timer's (control endpoint).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forced {
    pub(super) status: Status,
    /// `error.message` where the status is `failed`.
    #[serde(default)]
    pub(super) message: Option<String>,
}

/// A file that was received whole. Times are UNIX milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Media {
    /// Bytes.
    pub(super) size: u64,
    /// MD5 of the bytes as they came in, hexadecimal.
    pub(super) md5: String,
    /// The file name that the client gave, if it gave one.
    pub(super) name: Option<String>,
    /// Seconds with two decimals, where the file tells.
    pub(super) duration: Option<String>,
    /// When the platform notices it: at once for its own upload host, later for S3.
    pub(super) noticed_at: i64,
    /// When processing ends.
    pub(super) processed_at: i64,
    /// Why processing fails, if it does.
    pub(super) failure: Option<String>,
    /// Whether it came over a link that `/videos/update` gave.
    pub(super) update: bool,
    /// The file that was known of before, and still is until this one is noticed.
    pub(super) before: Option<Box<Self>>,
}

impl Media {
    /// The file that is known of at `now`.
    pub(super) fn noticed(&self, now: i64) -> Option<&Self> {
        if now >= self.noticed_at {
            Some(self)
        } else {
            self.before.as_deref()
        }
    }

    /// The status that the file gives its video at `now`.
    pub(super) fn status(&self, now: i64) -> Status {
        match self.noticed(now) {
            None => Status::Created,
            Some(media) if now < media.processed_at && media.update => Status::Updating,
            Some(media) if now < media.processed_at => Status::Processing,
            Some(media) if media.failure.is_some() => Status::Failed,
            Some(_) => Status::Ready,
        }
    }

    /// The last change of status up to `now`.
    pub(super) fn last_change(&self, now: i64) -> Option<i64> {
        let media = self.noticed(now)?;
        Some(if now < media.processed_at {
            media.noticed_at
        } else {
            media.processed_at
        })
    }
}

/// A file that the platform is getting by itself: it downloads it, or joins its parts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    /// Since when, in UNIX milliseconds.
    pub(super) since: i64,
    /// When and why it was given up.
    pub(super) failed: Option<(i64, String)>,
}

impl Pending {
    /// It begins at `now` (UNIX milliseconds).
    pub(super) fn begin(now: i64) -> Self {
        Self {
            since: now,
            failed: None,
        }
    }

    /// The status that it gives its video; `update` where the video had a file before.
    pub(super) fn status(&self, update: bool) -> Status {
        match (&self.failed, update) {
            (Some(_), _) => Status::Failed,
            (None, true) => Status::Updating,
            (None, false) => Status::Processing,
        }
    }

    /// The last change of status.
    pub(super) fn last_change(&self) -> i64 {
        self.failed.as_ref().map_or(self.since, |(at, _)| *at)
    }

    /// Why it was given up, if it was.
    pub(super) fn message(&self) -> Option<&str> {
        Some(&self.failed.as_ref()?.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(noticed_at: i64, processed_at: i64) -> Media {
        Media {
            size: 1,
            md5: format!("{noticed_at}"),
            name: None,
            duration: None,
            noticed_at,
            processed_at,
            failure: None,
            update: false,
            before: None,
        }
    }

    #[test]
    fn time_alone_moves_a_file_on() {
        let file = media(10, 20);
        assert_eq!(file.status(9), Status::Created);
        assert_eq!(file.status(10), Status::Processing);
        assert_eq!(file.status(19), Status::Processing);
        assert_eq!(file.status(20), Status::Ready);
        assert_eq!(
            (file.last_change(9), file.last_change(19)),
            (None, Some(10))
        );
        assert_eq!(file.last_change(99), Some(20));
    }

    #[test]
    fn a_failure_shows_when_processing_ends() {
        let file = Media {
            failure: Some("empty".into()),
            ..media(10, 20)
        };
        assert_eq!(file.status(19), Status::Processing);
        assert_eq!(file.status(20), Status::Failed);
    }

    #[test]
    fn a_replacement_leaves_the_old_file_standing_until_it_is_noticed() {
        let before = Some(Box::new(media(10, 20)));
        let file = Media {
            update: true,
            before,
            ..media(30, 40)
        };
        assert_eq!(file.status(29), Status::Ready);
        assert_eq!(file.noticed(29).unwrap().md5, "10");
        assert_eq!(file.status(30), Status::Updating);
        assert_eq!(file.noticed(30).unwrap().md5, "30");
        assert_eq!(file.status(40), Status::Ready);
    }
}
