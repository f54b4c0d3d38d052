//! What a request asks for, told from its path alone: the unit in which faults are ordered and the
//! log is kept.

use axum::http::Uri;
use serde::{Deserialize, Serialize};

/// The operations of the stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Operation {
    /// `/v1/videos/create`
    Create,
    /// `/v1/videos/show`
    Show,
    /// `/v1/videos/list`
    List,
    /// `/v1/videos/update`
    Update,
    /// `/v1/videos/delete`
    Delete,
    /// `/v1/videos/upload`, the form upload host.
    FormUpload,
    /// `/v1/videos/upload/resumable`, the resumable upload host.
    Resumable,
    /// `/s3/<key>`, the S3-like host.
    S3Put,
    /// Any other path.
    Other,
}

impl Operation {
    /// Reads the operation off the path of a request.
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/v1/videos/create" => Self::Create,
            "/v1/videos/show" => Self::Show,
            "/v1/videos/list" => Self::List,
            "/v1/videos/update" => Self::Update,
            "/v1/videos/delete" => Self::Delete,
            "/v1/videos/upload" => Self::FormUpload,
            "/v1/videos/upload/resumable" => Self::Resumable,
            path if path.starts_with("/s3/") => Self::S3Put,
            _ => Self::Other,
        }
    }

    /// The key of the video that an upload is for, as far as the address tells; for the log.
    pub(super) fn upload_key(self, uri: &Uri) -> Option<String> {
        match self {
            Self::S3Put => uri.path().strip_prefix("/s3/").map(str::to_owned),
            Self::FormUpload | Self::Resumable => {
                let mut pairs = uri.query().unwrap_or_default().split('&');
                pairs
                    .find_map(|pair| pair.strip_prefix("key="))
                    .map(str::to_owned)
            }
            _ => None,
        }
    }
}

/// The operations that a fault or a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Target {
    /// All of them, [`Operation::Other`] too.
    Any,
    Create,
    Show,
    List,
    Update,
    Delete,
    FormUpload,
    Resumable,
    S3Put,
}

impl Target {
    /// Whether the operation is meant.
    pub(super) fn takes(self, operation: Operation) -> bool {
        match self {
            Self::Any => true,
            Self::Create => operation == Operation::Create,
            Self::Show => operation == Operation::Show,
            Self::List => operation == Operation::List,
            Self::Update => operation == Operation::Update,
            Self::Delete => operation == Operation::Delete,
            Self::FormUpload => operation == Operation::FormUpload,
            Self::Resumable => operation == Operation::Resumable,
            Self::S3Put => operation == Operation::S3Put,
        }
    }
}
