//! `[confirm]`: how patiently the platform is asked whether a video is ready.

use std::time::Duration;

use super::section::Section;
use super::value;

/// `[confirm]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Confirm {
    /// The wait before the first look at a video whose bytes are sent; it grows while nothing
    /// changes.
    pub poll_interval: Duration,
    /// How long the platform may take to say `ready` or `failed`.
    pub give_up_after: Duration,
}

impl Default for Confirm {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(10),
            give_up_after: Duration::from_hours(24),
        }
    }
}

impl Confirm {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let interval = Duration::from_millis(100)..=Duration::from_hours(1);
        let patience = Duration::from_secs(1)..=Duration::from_hours(365 * 24);
        let default = Self::default();
        let poll_interval = section
            .get("poll-interval", |value| value::duration(value, interval))
            .unwrap_or(default.poll_interval);
        let give_up_after = section
            .get("give-up-after", |value| value::duration(value, patience))
            .unwrap_or(default.give_up_after);
        if give_up_after < poll_interval {
            let message = format!(
                "below poll-interval ({}), so that no video would ever be seen ready; write it longer",
                value::say(poll_interval)
            );
            section.fault("give-up-after", message);
        }
        Self {
            poll_interval,
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
        let confirm = Confirm::default();
        assert_eq!(confirm.poll_interval, Duration::from_secs(10));
        assert_eq!(confirm.give_up_after, Duration::from_hours(24));
    }

    #[test]
    fn each_fault_is_refused_with_its_line_and_the_way_out() {
        let fixture = Fixture::new();
        for case in [
            (
                "",
                "[confirm]\npoll-interval = \"0s\"",
                2,
                "too short; at least 100ms",
            ),
            (
                "",
                "[confirm]\ngive-up-after = \"5s\"",
                2,
                "below poll-interval (10s)",
            ),
        ] {
            fixture.refuses(case);
        }
    }
}
