//! What a refusal of API v2 means for a retry, by what was called and the HTTP status: the one table.
//!
//! From the SDKs' error classes and JW's published `OpenAPI` document, which names for each route the
//! statuses that it answers. The codes in the bodies are no closed set and decide nothing.

#![deny(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use crate::disposition::{Disposition, Need};
use crate::platform::error::Effect;

/// What was called, as far as a refusal means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The media of a site as a whole: list, create.
    Site,
    /// One media.
    Media,
    /// The list of parts of an upload, authorised by the upload's own token.
    Parts,
    /// The completion of an upload, authorised by the upload's own token.
    Complete,
}

/// The statuses that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// 400, 422 and every other 4xx: the call is refused for what it says.
    Invalid,
    /// 401, 403: this token may not do this.
    Token,
    /// 402: the account has to be paid first.
    Unpaid,
    /// 404, 410: there is no such thing.
    Missing,
    /// 405, 501: the API has no such call.
    NoCall,
    /// 409: at odds with the state of what was called.
    Conflict,
    /// 412: a state that passes.
    Precondition,
    /// 408, 425, 429: not carried out now, but perhaps later.
    NotNow,
    /// 5xx, and what does not belong to a refusal: the server failed, perhaps after the deed.
    Failed,
}

impl Kind {
    fn of(status: u16) -> Self {
        match status {
            401 | 403 => Self::Token,
            402 => Self::Unpaid,
            404 | 410 => Self::Missing,
            405 | 501 => Self::NoCall,
            409 => Self::Conflict,
            412 => Self::Precondition,
            408 | 425 | 429 => Self::NotNow,
            400..=499 => Self::Invalid,
            _ => Self::Failed,
        }
    }
}

impl Target {
    /// Whether trying again helps after a refusal with this status; `after` is the wait that it
    /// asked for.
    pub(in crate::platform) fn disposition(
        self,
        effect: Effect,
        status: u16,
        after: Option<Duration>,
    ) -> Disposition {
        use Disposition::{Ambiguous, Blocked, LinkExpired, Permanent};
        let later = Disposition::Transient { after };
        match Kind::of(status) {
            Kind::Invalid => Permanent,
            Kind::Unpaid => Blocked(Need::Plan),
            Kind::Token => match self {
                Self::Site | Self::Media => Blocked(Need::Credentials),
                // Another upload can do it.
                Self::Parts => LinkExpired,
                Self::Complete => Ambiguous,
            },
            Kind::Missing => match self {
                // A wrong `site` or `base-url`: no fault of a file, as every other meets it too.
                Self::Site => Blocked(Need::Credentials),
                Self::Media => Permanent,
                Self::Parts => LinkExpired,
                // Perhaps an earlier call completed it, and its answer was lost: the media's status
                // settles it. So with all that completing meets.
                Self::Complete => Ambiguous,
            },
            Kind::NoCall => match self {
                Self::Site => Blocked(Need::Credentials),
                Self::Media | Self::Parts | Self::Complete => Permanent,
            },
            Kind::Conflict => match (self, effect) {
                (Self::Site, Effect::Repeatable) => Permanent,
                (Self::Site, Effect::Once) | (Self::Parts | Self::Complete, _) => Ambiguous,
                (Self::Media, _) => later,
            },
            Kind::Precondition => later,
            Kind::NotNow => match self {
                Self::Site | Self::Media | Self::Parts => later,
                Self::Complete => Ambiguous,
            },
            Kind::Failed => effect.unknown_outcome(after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        use Disposition::{Ambiguous, LinkExpired, Permanent};
        const BLOCKED: Disposition = Disposition::Blocked(Need::Credentials);
        const UNPAID: Disposition = Disposition::Blocked(Need::Plan);
        const LATER: Disposition = Disposition::Transient {
            after: Some(Duration::from_secs(7)),
        };
        for (status, create, list, media, parts, complete) in [
            (400, Permanent, Permanent, Permanent, Permanent, Permanent),
            (401, BLOCKED, BLOCKED, BLOCKED, LinkExpired, Ambiguous),
            (402, UNPAID, UNPAID, UNPAID, UNPAID, UNPAID),
            (403, BLOCKED, BLOCKED, BLOCKED, LinkExpired, Ambiguous),
            (404, BLOCKED, BLOCKED, Permanent, LinkExpired, Ambiguous),
            (405, BLOCKED, BLOCKED, Permanent, Permanent, Permanent),
            (408, LATER, LATER, LATER, LATER, Ambiguous),
            (409, Ambiguous, Permanent, LATER, Ambiguous, Ambiguous),
            (410, BLOCKED, BLOCKED, Permanent, LinkExpired, Ambiguous),
            (412, LATER, LATER, LATER, LATER, LATER),
            (413, Permanent, Permanent, Permanent, Permanent, Permanent),
            (422, Permanent, Permanent, Permanent, Permanent, Permanent),
            (429, LATER, LATER, LATER, LATER, Ambiguous),
            (500, Ambiguous, LATER, LATER, LATER, Ambiguous),
            (501, BLOCKED, BLOCKED, Permanent, Permanent, Permanent),
            (502, Ambiguous, LATER, LATER, LATER, Ambiguous),
            (503, Ambiguous, LATER, LATER, LATER, Ambiguous),
            (504, Ambiguous, LATER, LATER, LATER, Ambiguous),
            (599, Ambiguous, LATER, LATER, LATER, Ambiguous),
        ] {
            let is = |target: Target, effect, expected| {
                let after = Some(Duration::from_secs(7));
                let found = target.disposition(effect, status, after);
                assert_eq!(found, expected, "{target:?} {effect:?} {status}");
            };
            is(Target::Site, Effect::Once, create);
            is(Target::Site, Effect::Repeatable, list);
            is(Target::Media, Effect::Repeatable, media);
            is(Target::Parts, Effect::Repeatable, parts);
            is(Target::Complete, Effect::Once, complete);
        }
    }
}
