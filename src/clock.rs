//! The one place that reads the wall clock.
//!
//! Everything below the loops takes the time as an argument, so that it can be tested without
//! waiting. Only a loop that owns time (daemon, worker, command) calls [`now`].

use jiff::civil::DateTime;
use jiff::{Timestamp, Zoned};

/// The present moment, UTC.
#[expect(clippy::disallowed_methods, reason = "this is the place that owns it")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// What a clock on the wall shows where this machine is.
pub fn local() -> DateTime {
    Zoned::now().datetime()
}

/// The text form that the database and `--json` use: RFC 3339, UTC, always three decimals, so that
/// sorting the text sorts the times.
pub fn text(at: Timestamp) -> String {
    format!("{at:.3}")
}
