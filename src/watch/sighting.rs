//! A file was seen: the one value that events and scans both give.

use std::path::PathBuf;

use super::evidence::Ending;
use super::report::SeenBy;
use crate::identity::Identity;

/// A regular file whose path counts (see [`super::select`]), as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sighting {
    /// Where.
    pub(super) path: PathBuf,
    /// What `lstat` said.
    pub(super) identity: Identity,
    /// By what.
    pub(super) by: SeenBy,
    /// Whether that was the end of its writing.
    pub(super) ending: Ending,
}
