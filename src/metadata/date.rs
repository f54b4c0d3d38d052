//! Dates as people write them in names and sidecars.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// A moment: RFC 3339 with its offset, or, on the clock of this machine, a date with or without a
/// time of day (`2026-11-22`, `20261122`, `2026-11-22T18:30`).
pub fn parse_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let civil = text
        .parse::<DateTime>()
        .or_else(|_| text.parse::<Date>().map(DateTime::from))
        .ok()?;
    let zoned = civil.to_zoned(TimeZone::system()).ok()?;
    Some(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_with_and_without_a_time() {
        let utc = |text: &str| text.parse::<Timestamp>().ok();
        for text in ["2026-11-22T18:30:00Z", "2026-11-22T19:30:00+01:00"] {
            assert_eq!(parse_date(text), utc("2026-11-22T18:30:00Z"), "{text}");
        }
        let here = |text: &str| {
            let civil: DateTime = text.parse().ok()?;
            Some(civil.to_zoned(TimeZone::system()).ok()?.timestamp())
        };
        for text in ["2026-11-22", "20261122", " 2026-11-22 "] {
            assert_eq!(parse_date(text), here("2026-11-22T00:00:00"), "{text}");
        }
        for text in ["2026-11-22T18:30", "2026-11-22 18:30:00", "20261122T183000"] {
            assert_eq!(parse_date(text), here("2026-11-22T18:30:00"), "{text}");
        }
        for text in ["", "today", "22.11.2026", "2026-13-01", "1795366800"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
