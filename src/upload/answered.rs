//! An upload server's answer that is no success, and what it comes to.

#![deny(clippy::wildcard_enum_match_arm)]

use std::fmt;
use std::time::Duration;

/// An answer that is no success.
#[derive(Debug)]
pub struct Answered {
    /// What it comes to.
    pub verdict: Verdict,
    /// HTTP status.
    pub status: u16,
    /// S3's or the platform's error code, where there is one.
    pub code: Option<String>,
    /// The server's message, one bounded line.
    pub message: Option<String>,
    /// The shortest wait that the server asked for.
    pub after: Option<Duration>,
    /// The server's name for the request.
    pub request_id: Option<String>,
}

/// What an unsuccessful answer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The link's time is over.
    LinkExpired,
    /// The link is refused for another reason. A second fresh link that meets the same is no
    /// passing matter: the caller counts.
    LinkRefused,
    /// This file cannot be uploaded by this method.
    Refused,
    /// A passing fault; nothing was stored.
    Passing,
    /// The whole request was out, and the answer does not tell what became of it.
    Unclear,
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.verdict {
            Verdict::LinkExpired => "the upload link has expired",
            Verdict::LinkRefused => "the upload link was refused",
            Verdict::Refused => "the server refused the file",
            Verdict::Passing => "the server failed temporarily",
            Verdict::Unclear => "the server's answer leaves open whether it has the file",
        };
        write!(f, "{what} (HTTP {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        write!(f, ")")?;
        if let Some(message) = &self.message {
            write!(f, ": {message}")
        } else {
            Ok(())
        }
    }
}
