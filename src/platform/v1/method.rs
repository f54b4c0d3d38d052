//! The ways in that the platform takes a video's bytes by.

/// Which way the bytes of a new video will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// One PUT to a signed S3 link.
    S3,
    /// The regular form upload.
    Form,
    /// Segment by segment in an upload session that outlives a broken connection.
    Resumable,
}

impl Method {
    /// The value of `upload_method` (JW docs, v1 videos/create; "Upload videos with a resumable
    /// protocol").
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Form => "single",
            Self::Resumable => "multipart",
        }
    }
}
