//! A video as the platform describes it, the same for both versions of its API.

use super::key::VideoKey;
use super::lenient;
use super::session::SessionId;
pub use crate::status::Status;

/// A video as the platform describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Video {
    /// Its key.
    pub key: VideoKey,
    /// How far the platform is with it.
    pub status: Status,
    /// Its title.
    pub title: Option<String>,
    /// The custom field `ingest_id` (v1) or the `external_id` (v2), by which this program knows its
    /// own videos again.
    pub ingest_id: Option<String>,
    /// Bytes, once the platform has them; v2 reports them only when the originals are asked for.
    pub size: Option<u64>,
    /// MD5 of the bytes in hex, once the platform has computed it; v2 reports it only when the
    /// originals are asked for.
    pub md5: Option<String>,
    /// Seconds, once the platform has looked into it.
    pub duration: Option<f64>,
    /// Why it failed, one bounded line.
    pub error: Option<String>,
    /// UNIX seconds: the time of creation, in v1 the publish date, which is the same unless another
    /// was set.
    pub date: Option<i64>,
    /// Last change, nanoseconds since the epoch, as finely as the platform reports it: v1 in whole
    /// seconds.
    pub updated: Option<i64>,
    /// The resumable upload that waits for its bytes, where there is one.
    pub upload_session_id: Option<SessionId>,
}

impl Video {
    /// Whether it failed because the account's plan is used up. There is no code for that, but
    /// words: "content storage limit exceeded" (seen in production for a fetch).
    pub fn found_no_room(&self) -> bool {
        let said = self.error.as_deref().unwrap_or_default();
        let said = said.to_ascii_lowercase();
        self.status == Status::Failed
            && (said.contains("storage limit exceeded") || said.contains("quota"))
    }
}

/// The state that the platform calls this, even if the word contains more.
pub(super) fn status(word: &str) -> Status {
    Status::from_word(&lenient::bound_line(word))
}
