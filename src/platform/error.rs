//! What can go wrong in a call, and the one answer that the retry logic wants of it.
//!
//! No message here holds a URL or a secret: transport errors are stripped of their URL where they
//! enter, and the platform's own words are cut to one bounded line.

#![deny(clippy::wildcard_enum_match_arm)]

use std::fmt;
use std::time::Duration;

use super::code::{Class, Code};
use super::skew::Skew;
use super::v2::Target;
use crate::clock;
use crate::disposition::{Disposition, Need};

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client could not be built, e.g. because the machine has no CA certificates.
    #[error("cannot set up HTTPS for {whom}")]
    Setup {
        /// What it was for, e.g. "account `main`".
        whom: String,
        /// What the HTTP library says.
        #[source]
        source: reqwest::Error,
    },
    /// A text that cannot be a video key.
    #[error("not a video key: letters and digits are expected")]
    Key,
    /// A stored upload link that cannot be read back.
    #[error("the stored upload link is damaged")]
    StoredLink,
    /// The call cannot be made as it was asked for; the text says why.
    #[error("{0}")]
    Request(String),
    /// Nothing of the call was sent.
    #[error("{call}: cannot reach the platform")]
    Unreachable {
        /// The path of the call, e.g. `/videos/create`.
        call: String,
        /// What the HTTP library says, without the URL.
        #[source]
        source: reqwest::Error,
    },
    /// The call was not made: its account's rate limit has no room for so long.
    #[error("{call}: the account's rate limit has no room for another {} s", wait.as_secs())]
    NoRoom {
        /// The path of the call.
        call: String,
        /// How long.
        wait: Duration,
    },
    /// The call may have been sent, and its answer never came.
    #[error("{call}: no answer from the platform")]
    Lost {
        /// The path of the call.
        call: String,
        /// Whether the call may be repeated.
        effect: Effect,
        /// What the HTTP library says, without the URL.
        #[source]
        source: reqwest::Error,
    },
    /// An answer came that is none of the platform's.
    #[error("{0}")]
    Garbled(Box<Garbled>),
    /// The platform said no.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// A create was refused for its signature, yet its video exists: an earlier copy of the call
    /// got through.
    #[error("/videos/create: refused, but the video exists already")]
    Replayed,
}

/// Whether a call may be made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Each time makes another thing: never repeat it blindly.
    Once,
    /// Doing it twice is harmless.
    Repeatable,
}

/// An answer that cannot be understood.
#[derive(Debug)]
pub struct Garbled {
    /// The path of the call.
    pub call: String,
    /// Whether the call may be repeated.
    pub effect: Effect,
    /// HTTP status.
    pub status: u16,
    /// What is wrong with it.
    pub garbage: Garbage,
    /// The shortest wait that the server asked for.
    pub after: Option<Duration>,
    /// The server's name for this request, where it gave one.
    pub request_id: Option<String>,
}

/// In which way an answer cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Garbage {
    /// It has no body.
    Empty,
    /// It is a web page, as proxies and log-in portals send.
    Html,
    /// It is not JSON, or broken off.
    NotJson,
    /// It is longer than any answer may be.
    TooLong,
    /// It is JSON without what belongs there; the text names the missing part.
    Shape(String),
}

/// A refusal in the platform's own form.
#[derive(Debug)]
pub struct Refusal {
    /// The path of the call.
    pub call: String,
    /// Whether the call may be repeated.
    pub effect: Effect,
    /// HTTP status.
    pub status: u16,
    /// Why, as far as it is known.
    pub cause: Cause,
    /// The code as the platform spelt it.
    pub word: String,
    /// The platform's message, one bounded line.
    pub message: String,
    /// The shortest wait that the server asked for.
    pub after: Option<Duration>,
    /// The server's name for this request, where it gave one.
    pub request_id: Option<String>,
}

/// What a refusal is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// By its code: API v1.
    Code(Code),
    /// By its HTTP status, and what was called: API v2, whose codes are no closed set.
    Status(Target),
}

impl Error {
    /// Whether trying again will help.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Setup { .. } => Disposition::Blocked(Need::Certificates),
            Self::Key | Self::Request(_) => Disposition::Permanent,
            Self::StoredLink => Disposition::LinkExpired,
            Self::Unreachable { .. } => Disposition::Unreachable,
            Self::NoRoom { wait, .. } => Disposition::Transient { after: Some(*wait) },
            Self::Lost { effect, .. } => effect.unknown_outcome(None),
            Self::Replayed => Disposition::Ambiguous,
            Self::Garbled(garbled) => garbled.disposition(),
            Self::Refused(refusal) => refusal.disposition(),
        }
    }

    /// The server's name for the request, for a support case.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Garbled(garbled) => garbled.request_id.as_deref(),
            Self::Refused(refusal) => refusal.request_id.as_deref(),
            Self::Setup { .. }
            | Self::Key
            | Self::StoredLink
            | Self::Request(_)
            | Self::Unreachable { .. }
            | Self::NoRoom { .. }
            | Self::Lost { .. }
            | Self::Replayed => None,
        }
    }

    /// Whether an answer came that is the platform's and lacks what belongs there.
    pub fn is_misshapen(&self) -> bool {
        matches!(self, Self::Garbled(garbled) if matches!(garbled.garbage, Garbage::Shape(_)))
    }

    /// Whether the platform says that there is no such video.
    pub fn is_not_found(&self) -> bool {
        let Self::Refused(refusal) = self else {
            return false;
        };
        // Some unknown keys are answered by 404 NotFound, others by 400 ParameterInvalid with this
        // text (JW docs, v1 error handling, both shown).
        match refusal.cause {
            Cause::Code(Code::NotFound) => true,
            Cause::Code(code) => {
                code == Code::ParameterInvalid && refusal.message.contains("does not exist")
            }
            Cause::Status(target) => target == Target::Media && refusal.status == 404,
        }
    }

    /// Whether the platform certainly did not carry the call out.
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Refused(refusal) => (400..500).contains(&refusal.status) && refusal.status != 408,
            Self::Setup { .. }
            | Self::Key
            | Self::StoredLink
            | Self::Request(_)
            | Self::Unreachable { .. }
            | Self::NoRoom { .. } => true,
            Self::Lost { .. } | Self::Garbled(_) | Self::Replayed => false,
        }
    }

    /// Whether the call was refused for the time that it was dated with.
    pub(super) fn is_about_the_time(&self) -> bool {
        matches!(self, Self::Refused(refusal)
            if matches!(refusal.cause, Cause::Code(code) if code.is_about_the_time()))
    }

    /// The same error; one about the time says how far the clocks are apart, as far as that is known.
    pub(super) fn with_clock(mut self, skew: Option<Skew>) -> Self {
        if self.is_about_the_time()
            && let Self::Refused(refusal) = &mut self
        {
            let ahead_s = skew.map_or(0, |skew| skew.machine_ahead().as_secs());
            let what = if clock::is_too_far_off(ahead_s) {
                clock::complaint(ahead_s)
            } else {
                "set this machine's clock right (timedatectl set-ntp true)".to_owned()
            };
            let said = std::mem::take(&mut refusal.message);
            let and = if said.is_empty() { "" } else { "; " };
            refusal.message = format!("{said}{and}{what}");
        }
        self
    }

    /// Whether the platform has no such thing for this account, or does not let it be seen.
    pub(super) fn is_not_offered(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(refusal.status, 400 | 403 | 404 | 405 | 410 | 501),
            Self::Garbled(garbled) => matches!(garbled.status, 404 | 405 | 410),
            Self::Setup { .. }
            | Self::Key
            | Self::StoredLink
            | Self::Request(_)
            | Self::Unreachable { .. }
            | Self::NoRoom { .. }
            | Self::Lost { .. }
            | Self::Replayed => false,
        }
    }

    pub(super) fn wants_fresh_signature(&self) -> bool {
        matches!(self, Self::Refused(refusal)
            if matches!(refusal.cause, Cause::Code(code) if code.wants_fresh_signature()))
    }
}

impl Effect {
    /// What to do when it is not known whether the call was carried out.
    pub(super) fn unknown_outcome(self, after: Option<Duration>) -> Disposition {
        match self {
            Self::Once => Disposition::Ambiguous,
            Self::Repeatable => Disposition::Transient { after },
        }
    }
}

impl Garbled {
    fn disposition(&self) -> Disposition {
        match self.status {
            // A server that sent a redirect or a refusal in a foreign form (a proxy, a portal, a
            // wrong base URL) did not carry the call out.
            300..=499 => Disposition::Transient { after: self.after },
            // All of 5xx: also a gateway's 502, 503 and 504 may hide an answer that was lost.
            _ => self.effect.unknown_outcome(self.after),
        }
    }
}

impl Refusal {
    fn disposition(&self) -> Disposition {
        let judged = self.judge();
        let is_blocked = matches!(judged, Disposition::Blocked(_));
        if self.is_quota() || is_blocked && self.speaks_of_a_plan() {
            return Disposition::Blocked(Need::Plan);
        }
        judged
    }

    fn judge(&self) -> Disposition {
        let code = match self.cause {
            Cause::Code(code) => code,
            Cause::Status(target) => {
                return target.disposition(self.effect, self.status, self.after);
            }
        };
        match code.class(self.status) {
            Class::NotRun => Disposition::Transient { after: self.after },
            Class::MaybeRun => self.effect.unknown_outcome(self.after),
            // A create that the API does not know at all is no fault of the file: every other would
            // meet it too (a wrong base-url, an API that was switched off).
            Class::Refused if self.effect == Effect::Once && code.is_about_the_api() => {
                Disposition::Blocked(Need::Credentials)
            }
            Class::Refused => Disposition::Permanent,
            Class::Exists => match self.effect {
                Effect::Once => Disposition::Ambiguous,
                Effect::Repeatable => Disposition::Permanent,
            },
            Class::Account => Disposition::Blocked(code.need(self.status)),
        }
    }

    /// The platform has no code for a used-up plan, but words, e.g. "content storage limit exceeded".
    /// `invalid_body` and its like (API v2) speak of what was sent.
    fn is_quota(&self) -> bool {
        // A refusal that names a parameter or this file's size speaks of the file.
        let is_about_the_file = match self.cause {
            Cause::Code(code) => code.is_about_the_file(),
            Cause::Status(_) => self.word.starts_with("invalid_"),
        };
        !is_about_the_file
            && self.cause != Cause::Code(Code::RateLimitExceeded)
            && self.status != 429
            && self.speaks_of_a_plan()
    }

    fn speaks_of_a_plan(&self) -> bool {
        let message = self.message.to_ascii_lowercase();
        message.contains("limit exceeded") || message.contains("quota")
    }
}

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: the answer (HTTP {}) ", self.call, self.status)?;
        match &self.garbage {
            Garbage::Empty => write!(f, "is empty"),
            Garbage::Html => write!(f, "is a web page, not the platform's JSON"),
            Garbage::NotJson => write!(f, "is not JSON, or cut off"),
            Garbage::TooLong => write!(f, "is too long to be the platform's"),
            Garbage::Shape(missing) => write!(f, "has {missing}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: the platform answered {} (HTTP {})",
            self.call, self.word, self.status
        )?;
        if self.message.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(effect: Effect, status: u16, word: &str, message: &str) -> Error {
        Error::Refused(Box::new(Refusal {
            call: "/videos/create".to_owned(),
            effect,
            status,
            cause: Cause::Code(Code::of(word)),
            word: word.to_owned(),
            message: message.to_owned(),
            after: Some(Duration::from_secs(7)),
            request_id: Some("r1".to_owned()),
        }))
    }

    fn garbled(effect: Effect, status: u16) -> Disposition {
        let call = "/videos/create".to_owned();
        let garbage = Garbage::Html;
        let answer = Garbled {
            call,
            effect,
            status,
            garbage,
            after: None,
            request_id: None,
        };
        Error::Garbled(Box::new(answer)).disposition()
    }

    #[test]
    fn refusals_of_a_create() {
        use Disposition::{Ambiguous, Permanent};
        let blocked = |need| Disposition::Blocked(need);
        let later = Disposition::Transient {
            after: Some(Duration::from_secs(7)),
        };
        for (status, word, message, expected) in [
            (403, "PermissionDenied", "", blocked(Need::Credentials)),
            (400, "ApiKeyInvalid", "", blocked(Need::Credentials)),
            (400, "SignatureInvalid", "", blocked(Need::Credentials)),
            (403, "TimestampExpired", "", blocked(Need::Clock)),
            (
                400,
                "CallInvalid",
                "content storage limit exceeded",
                blocked(Need::Plan),
            ),
            (429, "RateLimitExceeded", "rate limit exceeded", later),
            (503, "CallUnavailable", "", later),
            (500, "CallFailed", "", Ambiguous),
            (500, "DatabaseError", "", Ambiguous),
            (400, "UnknownError", "", Ambiguous),
            (409, "ItemAlreadyExists", "", Ambiguous),
            (200, "", "", Ambiguous),
            (400, "ParameterInvalid", "", Permanent),
            (404, "NotFound", "", blocked(Need::Credentials)),
            (402, "", "", blocked(Need::Plan)),
            (400, "NoMethod", "", blocked(Need::Credentials)),
            (
                400,
                "FileSizeInvalid",
                "file size limit exceeded",
                Permanent,
            ),
        ] {
            let error = refused(Effect::Once, status, word, message);
            assert_eq!(error.disposition(), expected, "{status} {word} {message}");
        }
    }

    #[test]
    fn a_repeatable_call_is_never_ambiguous() {
        for (word, _) in [("CallFailed", 0), ("UnknownError", 0), ("InternalError", 0)] {
            let error = refused(Effect::Repeatable, 500, word, "");
            let later = Disposition::Transient {
                after: Some(Duration::from_secs(7)),
            };
            assert_eq!(error.disposition(), later, "{word}");
        }
        for status in [200, 500, 502, 503] {
            assert_eq!(
                garbled(Effect::Repeatable, status),
                Disposition::TRANSIENT,
                "{status}"
            );
        }
    }

    #[test]
    fn a_create_answered_by_strangers() {
        for status in [200, 201, 500, 502, 503, 504] {
            assert_eq!(
                garbled(Effect::Once, status),
                Disposition::Ambiguous,
                "{status}"
            );
        }
        for status in [301, 302, 403, 404, 429] {
            assert_eq!(
                garbled(Effect::Once, status),
                Disposition::TRANSIENT,
                "{status}"
            );
        }
    }

    #[test]
    fn absence_has_two_spellings() {
        let message = "video_key: Video with the key aT2u4xRa does not exist";
        assert!(refused(Effect::Repeatable, 400, "ParameterInvalid", message).is_not_found());
        assert!(refused(Effect::Repeatable, 404, "NotFound", "").is_not_found());
        assert!(!refused(Effect::Repeatable, 400, "ParameterInvalid", "title").is_not_found());
    }
}
