//! The one question that every error answers: will trying again help?
//!
//! The retry logic sees nothing of an error but this, so that no layer ever guesses from a text.

use std::time::Duration;

/// What to do about a failed step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// A passing fault: try again with back-off, and not before `after` where the server named a
    /// time (`Retry-After`, a rate limit's reset).
    Transient {
        /// The shortest wait that the server asked for.
        after: Option<Duration>,
    },
    /// This file can never work as it is: too big, refused, gone.
    Permanent,
    /// The server may or may not have acted: ask what it has before doing the step again.
    Ambiguous,
    /// Nothing of this account can work until a person has seen to this.
    Blocked(Need),
    /// Nothing of this account can work until the platform can be reached again; nothing about the
    /// account needs fixing.
    Unreachable,
    /// The upload link is no good any more, but a fresh one would be.
    LinkExpired,
}

/// What a person must see to before an account that is refused works again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Its key and secret, or the server's; what else has no advice of its own is looked for there too.
    Credentials,
    /// This machine's clock, as the error says with what to do.
    Clock,
    /// The plan, which is used up or unpaid.
    Plan,
    /// This machine's CA certificates.
    Certificates,
}

impl Disposition {
    /// A passing fault without a wish of the server's.
    pub const TRANSIENT: Self = Self::Transient { after: None };

    /// The word that `attempts.outcome` records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Transient { .. } => "transient",
            Self::Permanent => "permanent",
            Self::Ambiguous => "ambiguous",
            Self::Blocked(_) => "blocked",
            Self::Unreachable => "unreachable",
            Self::LinkExpired => "link-expired",
        }
    }
}
