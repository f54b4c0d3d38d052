//! What a call that changes a video carries.

use crate::metadata::Metadata;

/// What to change about a video; the platform keeps every field that is not named.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// Another title.
    pub title: Option<&'a str>,
    /// What else is sent again.
    pub metadata: &'a Metadata,
    /// Its ingest id, which stays.
    pub ingest_id: &'a str,
}
