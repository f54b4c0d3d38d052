//! Moments and spans as people say them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The present and the place, for everything that one command says.
#[derive(Debug, Clone)]
pub(crate) struct Present {
    /// The moment at which the command looked.
    pub now: Timestamp,
    /// The zone in which the clock of the wall is told.
    pub zone: TimeZone,
}

impl Present {
    /// How far away a moment is: "3 min ago", "in 2 h", "now".
    pub(crate) fn distance(&self, at: Timestamp) -> String {
        let seconds = at.duration_since(self.now).as_secs();
        match seconds {
            1.. => format!("in {}", span(seconds)),
            0 => "now".to_owned(),
            _ => format!("{} ago", span(seconds.saturating_neg())),
        }
    }

    /// As [`clock`](Self::clock), to the second: "14:02:07".
    pub(crate) fn clock_with_seconds(&self, at: Timestamp) -> String {
        let seconds = at.to_zoned(self.zone.clone()).strftime(":%S").to_string();
        self.clock(at) + &seconds
    }

    /// The clock of the wall, with the date where it is another day: "14:02", "2026-08-22 14:02".
    pub(crate) fn clock(&self, at: Timestamp) -> String {
        let (there, here) = (
            at.to_zoned(self.zone.clone()),
            self.now.to_zoned(self.zone.clone()),
        );
        if there.date() == here.date() {
            there.strftime("%H:%M").to_string()
        } else {
            there.strftime("%Y-%m-%d %H:%M").to_string()
        }
    }

    /// Both: "14:02 (3 min ago)".
    pub(crate) fn both(&self, at: Timestamp) -> String {
        format!("{} ({})", self.clock(at), self.distance(at))
    }
}

/// A span in its largest sensible unit, rounded down: "59 s", "12 min", "47 h", "5 days".
pub(crate) fn span(seconds: i64) -> String {
    match seconds {
        ..MINUTE => format!("{} s", seconds.max(0)),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..TWO_DAYS => format!("{} h", seconds / HOUR),
        _ => format!("{} days", seconds / DAY),
    }
}

/// A span as [`span`] says it, with a decimal of a second where it is short.
pub(crate) fn fine_span(duration: SignedDuration) -> String {
    if duration < SignedDuration::from_secs(10) {
        let tenths = duration.as_millis() / 100;
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    span(duration.as_secs())
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const TWO_DAYS: i64 = 2 * DAY;

#[cfg(test)]
mod tests {
    use super::*;

    fn present() -> Present {
        Present {
            now: "2026-08-22T12:00:00Z".parse().unwrap(),
            zone: TimeZone::fixed(jiff::tz::offset(2)),
        }
    }

    #[test]
    fn distances_go_both_ways() {
        let present = present();
        for (at, said) in [
            ("2026-08-22T12:00:00Z", "now"),
            ("2026-08-22T11:59:31Z", "29 s ago"),
            ("2026-08-22T12:05:00Z", "in 5 min"),
            ("2026-08-20T13:00:00Z", "47 h ago"),
            ("2026-08-20T12:00:00Z", "2 days ago"),
        ] {
            assert_eq!(present.distance(at.parse().unwrap()), said);
        }
    }

    #[test]
    fn the_clock_has_a_date_on_another_day_of_the_place() {
        let present = present();
        assert_eq!(
            present.clock("2026-08-21T22:30:00Z".parse().unwrap()),
            "00:30"
        );
        assert_eq!(
            present.both("2026-08-21T21:30:00Z".parse().unwrap()),
            "2026-08-21 23:30 (14 h ago)"
        );
    }

    #[test]
    fn short_spans_have_tenths() {
        assert_eq!(fine_span(SignedDuration::from_millis(1260)), "1.2 s");
        assert_eq!(fine_span(SignedDuration::from_secs(61)), "1 min");
    }
}
