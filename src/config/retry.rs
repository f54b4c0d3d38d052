//! `[retry]`: how long to wait between attempts, and when to stop trying.

use std::time::Duration;

use super::section::Section;
use super::value;

/// `[retry]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retry {
    /// The wait after the first failure.
    pub first_delay: Duration,
    /// The longest wait between two attempts; never below `first_delay`.
    pub max_delay: Duration,
    /// The age of a job at which trying ends.
    pub give_up_after: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_secs(30),
            max_delay: Duration::from_hours(1),
            give_up_after: Duration::from_hours(5 * 24),
        }
    }
}

impl Retry {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        // Below a tenth of a second a retry is a hammer, not a retry.
        let delay = Duration::from_millis(100)..=Duration::from_hours(24);
        let age = Duration::from_secs(1)..=Duration::from_hours(365 * 24);
        let default = Self::default();
        let first = section.get("first-delay", |value| value::duration(value, delay.clone()));
        let max = section.get("max-delay", |value| value::duration(value, delay));
        let give_up_after = section
            .get("give-up-after", |value| value::duration(value, age))
            .unwrap_or(default.give_up_after);
        let first_delay = first.unwrap_or(default.first_delay);
        let max_delay = max.unwrap_or(default.max_delay);
        if max_delay < first_delay {
            let (longest, shortest) = (value::say(max_delay), value::say(first_delay));
            if max.is_some() {
                let message = format!("below first-delay ({shortest}); write at least that");
                section.fault("max-delay", message);
            } else {
                let message = format!("above max-delay ({longest}); write max-delay longer too");
                section.fault("first-delay", message);
            }
        }
        if give_up_after < first_delay {
            let message = format!(
                "below first-delay ({}), so that nothing would ever be retried; write it longer",
                value::say(first_delay)
            );
            section.fault("give-up-after", message);
        }
        Self {
            first_delay,
            max_delay,
            give_up_after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::Fixture;
    use super::*;

    #[test]
    fn the_defaults_are_those_that_are_promised() {
        let retry = Retry::default();
        assert_eq!(retry.first_delay, Duration::from_secs(30));
        assert_eq!(retry.max_delay, Duration::from_hours(1));
        assert_eq!(retry.give_up_after, Duration::from_hours(120));
    }

    #[test]
    fn each_fault_is_refused_with_its_line_and_the_way_out() {
        let fixture = Fixture::new();
        for case in [
            (
                "",
                "[retry]\nfirst-delay = \"10\"",
                2,
                "first-delay: \"10\" has no unit; write a duration like \"10s\"",
            ),
            (
                "",
                "[retry]\nmax-delay = \"5s\"",
                2,
                "max-delay: below first-delay (30s); write at least that",
            ),
            (
                "",
                "[retry]\nfirst-delay = \"2h\"",
                2,
                "first-delay: above max-delay (1h); write max-delay longer too",
            ),
            (
                "",
                "[retry]\ngive-up-after = \"5s\"",
                2,
                "below first-delay (30s)",
            ),
        ] {
            fixture.refuses(case);
        }
    }
}
