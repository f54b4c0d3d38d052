//! One value of the file to one typed value, or the sentence that says what was expected.
//!
//! Nothing here knows which key it reads.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::fmt::friendly::SpanParser;
use jiff::{SignedDuration, SpanRelativeTo};
use toml::de::DeValue;

/// What a value is, with its article, for "expected …, not a number".
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

/// A text in quotes that is not empty.
pub(super) fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) if text.is_empty() => Err("empty; write a text in quotes".to_owned()),
        DeValue::String(text) => Ok(text.clone().into_owned()),
        other => Err(format!("expected a text in quotes, not {}", kind(other))),
    }
}

/// A list of texts.
pub(super) fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let expected = |found: &DeValue<'_>| {
        let found = kind(found);
        format!("expected a list of texts like [\"*.mp4\", \"*.mov\"], not {found}")
    };
    let DeValue::Array(items) = value else {
        return Err(expected(value));
    };
    let one = |item: &DeValue<'_>| match item {
        DeValue::String(text) => Ok(text.clone().into_owned()),
        other => Err(format!("{} within it", expected(other))),
    };
    items.iter().map(|item| one(item.get_ref())).collect()
}

/// `true` or `false`.
pub(super) fn flag(value: &DeValue<'_>) -> Result<bool, String> {
    match value {
        DeValue::Boolean(flag) => Ok(*flag),
        other => Err(format!(
            "expected true or false without quotes, not {}",
            kind(other)
        )),
    }
}

/// A whole number from 1 to `most`.
pub(super) fn count(value: &DeValue<'_>, most: u32) -> Result<NonZeroU32, String> {
    let expected = format!("expected a whole number from 1 to {most}");
    let DeValue::Integer(number) = value else {
        return Err(format!("{expected} without quotes, not {}", kind(value)));
    };
    u32::from_str_radix(number.as_str(), number.radix())
        .ok()
        .filter(|number| *number <= most)
        .and_then(NonZeroU32::new)
        .ok_or_else(|| format!("{expected}, not {number}"))
}

/// A whole number within bounds.
pub(super) fn whole(value: &DeValue<'_>, bounds: RangeInclusive<i64>) -> Result<i64, String> {
    let expected = format!(
        "expected a whole number from {} to {}",
        bounds.start(),
        bounds.end()
    );
    let number = match value {
        DeValue::Integer(number) => number,
        DeValue::Float(_) => return Err(format!("{expected}, not a number with a fraction")),
        other => return Err(format!("{expected} without quotes, not {}", kind(other))),
    };
    i64::from_str_radix(number.as_str(), number.radix())
        .ok()
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| format!("{expected}, not {number}"))
}

/// A length of time with its unit, within bounds; a day has 24 hours.
pub(super) fn duration(
    value: &DeValue<'_>,
    bounds: RangeInclusive<Duration>,
) -> Result<Duration, String> {
    const WRITE: &str = "write a duration like \"10s\", \"90m\", or \"5d\"";
    let text = match value {
        DeValue::String(text) => text,
        DeValue::Integer(number) => return Err(format!("{number} has no unit; {WRITE}")),
        other => return Err(format!("expected a duration, not {}; {WRITE}", kind(other))),
    };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text:?} has no unit; {WRITE}"));
    }
    let length = SpanParser::new()
        .parse_span(text.as_bytes())
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .map_err(|_unhelpful| format!("{text:?} is not a duration; {WRITE}"))?;
    let (least, most) = (*bounds.start(), *bounds.end());
    match Duration::try_from(length) {
        Ok(length) if bounds.contains(&length) => Ok(length),
        Ok(length) if length > most => Err(format!("{text:?} is too long; at most {}", say(most))),
        _ => Err(format!("{text:?} is too short; at least {}", say(least))),
    }
}

/// A length of time as the file would write it.
pub(super) fn say(length: Duration) -> String {
    let days = length.as_secs() / 86_400;
    if days > 0 && length == Duration::from_secs(days * 86_400) {
        return format!("{days}d");
    }
    SignedDuration::try_from(length).map_or_else(
        |_too_long| format!("{}s", length.as_secs()),
        |length| format!("{length:#}"),
    )
}

/// A size with its unit, bytes; not zero.
pub(super) fn size(value: &DeValue<'_>) -> Result<u64, String> {
    const WRITE: &str = "write a size like \"5 GB\" or \"750 MB\"";
    let text = match value {
        DeValue::String(text) => text.trim(),
        DeValue::Integer(number) => return Err(format!("{number} has no unit; {WRITE}")),
        other => return Err(format!("expected a size, not {}; {WRITE}", kind(other))),
    };
    if text.parse::<f64>().is_ok() {
        return Err(format!("{text:?} has no unit; {WRITE}"));
    }
    match text.parse::<ByteSize>() {
        Ok(size) if size.as_u64() == 0 => Err(format!("{text:?} is too small; {WRITE}")),
        Ok(size) => Ok(size.as_u64()),
        Err(_unhelpful) => Err(format!("{text:?} is not a size; {WRITE}")),
    }
}

/// An absolute path.
///
/// A relative one would mean something else to the daemon (started in `/`) than to a shell.
pub(super) fn absolute(value: &DeValue<'_>) -> Result<PathBuf, String> {
    let path = PathBuf::from(text(value)?);
    if path.is_absolute() {
        return Ok(path);
    }
    Err(format!(
        "{:?} is relative; write the whole path, from the first /",
        path.display().to_string()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24 * 365);

    fn toml(text: &str) -> DeValue<'_> {
        DeValue::parse(text).unwrap().into_inner()
    }

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [
            ("\"10s\"", 10),
            ("\"5d\"", 432_000),
            ("\"1h 30m\"", 5400),
            ("\"1w\"", 604_800),
            ("\"2 hours\"", 7200),
        ] {
            let read = duration(&toml(text), ANY);
            assert_eq!(read, Ok(Duration::from_secs(seconds)), "{text}");
        }
        let read = duration(&toml("\"250ms\""), ANY);
        assert_eq!(read, Ok(Duration::from_millis(250)));
    }

    #[test]
    fn durations_are_refused_with_the_way_out() {
        for (text, says) in [
            ("10", "10 has no unit; write a duration like \"10s\""),
            (
                "\"10\"",
                "\"10\" has no unit; write a duration like \"10s\"",
            ),
            ("\"\"", "is not a duration"),
            ("\"soon\"", "\"soon\" is not a duration; write a duration"),
            ("\"2mo\"", "is not a duration"),
            ("\"-5s\"", "\"-5s\" is too short; at least 0s"),
            ("\"400d\"", "\"400d\" is too long; at most 365d"),
            ("true", "expected a duration, not true or false"),
            ("\"99999999999999999999d\"", "is not a duration"),
        ] {
            let refusal = duration(&toml(text), ANY).unwrap_err();
            assert!(refusal.contains(says), "{text}: {refusal}");
        }
    }

    #[test]
    fn sizes_are_read_or_refused() {
        for (text, bytes) in [
            ("\"5 GB\"", 5_000_000_000),
            ("\"5GiB\"", 5 << 30),
            ("\"1.5 MB\"", 1_500_000),
            ("\"7 b\"", 7),
        ] {
            assert_eq!(size(&toml(text)), Ok(bytes), "{text}");
        }
        for (text, says) in [
            ("5000", "5000 has no unit; write a size like \"5 GB\""),
            ("\"5000\"", "\"5000\" has no unit"),
            ("\"5.5\"", "has no unit"),
            ("\"0 GB\"", "too small"),
            ("\"5 bananas\"", "is not a size"),
            ("\"GB\"", "is not a size"),
            ("\"-5 GB\"", "is not a size"),
            ("[]", "expected a size, not a list"),
        ] {
            let refusal = size(&toml(text)).unwrap_err();
            assert!(refusal.contains(says), "{text}: {refusal}");
        }
    }

    #[test]
    fn whole_numbers_are_read_or_refused() {
        for (text, number) in [("-100", -100), ("0", 0), ("+7", 7), ("0x10", 16)] {
            assert_eq!(whole(&toml(text), -100..=100), Ok(number), "{text}");
        }
        for (text, says) in [
            ("101", "expected a whole number from -100 to 100, not 101"),
            ("-101", "not -101"),
            ("99999999999999999999", "not 99999999999999999999"),
            ("1.5", "not a number with a fraction"),
            ("\"7\"", "-100 to 100 without quotes, not a text"),
        ] {
            let refusal = whole(&toml(text), -100..=100).unwrap_err();
            assert!(refusal.contains(says), "{text}: {refusal}");
        }
    }

    #[test]
    fn lengths_are_said_as_the_file_writes_them() {
        for (seconds, says) in [(10, "10s"), (86_400 * 5, "5d"), (5400, "1h 30m")] {
            assert_eq!(say(Duration::from_secs(seconds)), says);
        }
    }
}
