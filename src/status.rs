//! How far the platform is with a video: a closed set of words, and any other.

/// The state of a video on the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// There is a description and no file yet.
    Created,
    /// The file is there and is being worked on.
    Processing,
    /// It can be played.
    Ready,
    /// A replacement is being worked on.
    Updating,
    /// The platform gave up on it.
    Failed,
    /// A word that no document knows: not finished, as far as can be told.
    Other(String),
}

impl Status {
    /// The state that the platform calls so.
    pub fn from_word(word: &str) -> Self {
        match word {
            "created" => Self::Created,
            "processing" => Self::Processing,
            "ready" => Self::Ready,
            "updating" => Self::Updating,
            "failed" => Self::Failed,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The platform's word for it.
    pub fn word(&self) -> &str {
        match self {
            Self::Created => "created",
            Self::Processing => "processing",
            Self::Ready => "ready",
            Self::Updating => "updating",
            Self::Failed => "failed",
            Self::Other(word) => word,
        }
    }
}
