//! `[[watch]]` `on-replace`: what a file means that takes the place of one that is up.

use super::section::Section;

/// What is made of other content under the name of a file that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnReplace {
    /// Another video.
    #[default]
    New,
}

impl OnReplace {
    pub(super) fn read(_section: &mut Section<'_>) -> Self {
        Self::default()
    }
}
