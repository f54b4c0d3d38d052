//! `[[watch]]`: what becomes of a file once its job has ended.

use super::section::Section;

/// What is done with files that are up, and with those that failed.
#[derive(Debug, Clone, Default)]
pub struct Afterwards {}

impl Afterwards {
    pub(super) fn read(_section: &mut Section<'_>) -> Self {
        Self::default()
    }
}
