//! The credentials of the S3 side.

use serde::{Deserialize, Serialize};

use super::token;

/// The credentials that S3 links are signed with; made up when the folder is new.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Keys {
    pub(super) access: String,
    pub(super) secret: String,
}

impl Keys {
    /// New ones.
    pub(super) fn new() -> Self {
        Self {
            access: format!("AKIA{}", token::upper(16)),
            secret: token::alphanumeric(40),
        }
    }
}
