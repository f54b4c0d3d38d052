//! Durations on the command line.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// Reads a duration such as `10s`, `90m`, or `5d`.
///
/// # Errors
/// What to write.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    const WRITE: &str = "write a duration like \"10s\", \"90m\", or \"5d\"";
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "{text} has no unit; write a duration like \"{text}s\""
        ));
    }
    let unclear = |_| format!("{text:?} is not a duration; {WRITE}");
    // The platform's clocks know no daylight saving: a day is 24 hours here.
    let span: Span = text.parse().map_err(unclear)?;
    let signed: SignedDuration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(unclear)?;
    Duration::try_from(signed).map_err(|_| "a time cannot be negative".to_owned())
}
