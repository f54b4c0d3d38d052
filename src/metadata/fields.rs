//! The fields of a video beside its title and its bytes, as both versions of the API take them.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// What is sent about a video. What is not there is not sent: the platform keeps what it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Some lines of text.
    pub description: Option<String>,
    /// The author.
    pub author: Option<String>,
    /// Its tags; none holds a comma, as API v1 has them all in one text.
    pub tags: Vec<String>,
    /// One of the platform's fixed list; another one is refused there.
    pub category: Option<String>,
    /// From when on it is published.
    pub publish_date: Option<Timestamp>,
    /// Custom fields by name (v1 `custom.<name>`, v2 `custom_params`); the name `ingest_id` is ours.
    pub custom: BTreeMap<String, String>,
}

impl Metadata {
    /// Nothing.
    pub const NONE: Self = Self {
        description: None,
        author: None,
        tags: Vec::new(),
        category: None,
        publish_date: None,
        custom: BTreeMap::new(),
    };

    /// What this one says, and what only the other one says.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut custom = other.custom;
        custom.extend(self.custom);
        Self {
            description: self.description.or(other.description),
            author: self.author.or(other.author),
            tags: if self.tags.is_empty() {
                other.tags
            } else {
                self.tags
            },
            category: self.category.or(other.category),
            publish_date: self.publish_date.or(other.publish_date),
            custom,
        }
    }
}
