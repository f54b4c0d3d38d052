//! `[[watch]]`: what the platform is told of a video beside its bytes.

use super::section::Section;

/// Title, tags and the like, and the companions that bring more.
#[derive(Debug, Clone, Default)]
pub struct Metadata {}

impl Metadata {
    pub(super) fn read(_section: &mut Section<'_>) -> Self {
        Self::default()
    }
}
