//! What a call that changes a video carries.

use crate::metadata::Metadata;

/// What is to be changed about a video; all that is not named stays as it is there.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// Another title.
    pub title: Option<&'a str>,
    /// What else is told anew.
    pub metadata: &'a Metadata,
    /// Its mark, which stays.
    pub ingest_id: &'a str,
}
