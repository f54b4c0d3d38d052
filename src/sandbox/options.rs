//! The options of the stand-in: its credentials, its times and its limits.

use std::path::PathBuf;
use std::time::Duration;

use super::ranges::OneByte;

/// The site of the v2 API unless another is given.
pub const SAMPLE_SITE: &str = "sAnDb0x1";

/// The v2 bearer token unless another is given; it opens nothing but a sandbox.
pub const SAMPLE_V2_SECRET: &str = "sandbox-v2-secret-that-opens-nothing-else";

/// The options of the stand-in.
#[derive(Clone)]
pub struct Options {
    /// The only API key that it knows.
    pub key: String,
    /// The secret that belongs to the key.
    pub secret: String,
    /// Where it keeps what it got; `None` is a temporary folder that is removed at the end.
    pub dir: Option<PathBuf>,
    /// Whether `/control/…` answers.
    pub control: bool,
    /// How long a video is `processing` (or `updating`).
    pub processing: Duration,
    /// How long after a PUT to S3 the platform notices the object; until then it is `created`.
    pub s3_notice: Duration,
    /// How long upload links, resumable sessions and v2 uploads live (the platform's form links:
    /// 7 days).
    pub link_lifetime: Duration,
    /// Calls a minute, other than list, and v2 requests a minute for each token; 0 means no limit
    /// (the platform: 60).
    pub rate_limit: u32,
    /// List calls a minute; 0 means no limit (the platform: 30).
    pub list_rate_limit: u32,
    /// How long a server waits for the next byte of a body before it gives the request up.
    pub idle_timeout: Duration,
    /// The longest segment of a resumable upload, in bytes; above it the answer is 413.
    pub segment_limit: Option<u64>,
    /// What becomes of a segment of one byte.
    pub one_byte: OneByte,
    /// The only site that the v2 API knows.
    pub site: String,
    /// The v2 API's bearer token for the site.
    pub v2_secret: String,
    /// How upload links begin, e.g. `https://127.0.0.9`, where something is in front of this
    /// listener; `None` is plain HTTP to the listener.
    pub public_url: Option<String>,
    /// How long the link of one part lives (v2; undocumented).
    pub part_link_lifetime: Duration,
    /// How long the token of a v2 upload is good for (undocumented).
    pub upload_token_lifetime: Duration,
    /// How long a new media is not found by a v2 search.
    pub search_lag: Duration,
}

impl Options {
    /// The platform's own numbers, a processing time of two seconds, and S3 objects that are
    /// noticed, and media that are found, after one.
    pub fn new(key: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            secret: secret.into(),
            dir: None,
            control: false,
            processing: Duration::from_secs(2),
            s3_notice: Duration::from_secs(1),
            link_lifetime: Duration::from_hours(7 * 24),
            rate_limit: 60,
            list_rate_limit: 30,
            // S3 gives up after some twenty seconds.
            idle_timeout: Duration::from_secs(20),
            segment_limit: None,
            one_byte: OneByte::Poisons,
            site: SAMPLE_SITE.to_owned(),
            v2_secret: SAMPLE_V2_SECRET.to_owned(),
            public_url: None,
            part_link_lifetime: Duration::from_hours(1),
            upload_token_lifetime: Duration::from_hours(7 * 24),
            search_lag: Duration::from_secs(1),
        }
    }
}
