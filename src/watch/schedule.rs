//! When to scan: at start, every five minutes, after lost events, and when asked.

use std::time::Duration;

/// The times of one watch's full scans.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    timer: Duration,
    asked: bool,
    lost: bool,
    /// Scans for lost events come no sooner, so that a flood of events is not made worse by them.
    rest_until: Duration,
    renew: Duration,
}

/// How often everything is scanned although no event was lost, as far as known.
const INTERVAL: Duration = Duration::from_mins(5);
/// How often a scan renews all watches, in case one was lost without a word.
const RENEWAL: Duration = Duration::from_hours(1);
/// The shortest rest after a scan; a long scan is followed by a rest of its own length.
const REST: Duration = Duration::from_secs(1);

impl Schedule {
    /// Somebody wants a scan.
    pub(super) fn wanted(&mut self) {
        self.asked = true;
    }

    /// Events were lost, or could not be had until now: scan, and renew all watches.
    pub(super) fn events_lost(&mut self) {
        self.lost = true;
    }

    /// Another folder stands at the root: scan it without a rest.
    pub(super) fn start_anew(&mut self) {
        self.lost = true;
        self.rest_until = Duration::ZERO;
    }

    /// When the next scan is due.
    pub(super) fn next(&self) -> Duration {
        match (self.asked, self.lost) {
            (true, _) => Duration::ZERO,
            (false, true) => self.rest_until.min(self.timer),
            (false, false) => self.timer,
        }
    }

    /// Whether a scan is wanted for another reason than time.
    pub(super) fn is_wanted(&self) -> bool {
        self.asked || self.lost
    }

    /// A scan begins; says whether it must renew all watches.
    pub(super) fn begin(&mut self, now: Duration) -> bool {
        let again = self.lost || self.renew <= now;
        if again {
            self.renew = now + RENEWAL;
        }
        (self.asked, self.lost) = (false, false);
        self.timer = now + INTERVAL;
        again
    }

    /// The scan that began then has ended.
    pub(super) fn ended(&mut self, began: Duration, now: Duration) {
        let rest = now.saturating_sub(began).max(REST);
        self.rest_until = now + rest;
        self.timer = self.timer.max(self.rest_until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn scans_at_start_by_time_when_asked_and_after_loss_with_a_rest() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.next(), Duration::ZERO);
        assert!(schedule.begin(SECOND), "the first scan makes all watches");
        schedule.events_lost();
        schedule.ended(SECOND, SECOND * 4);
        assert_eq!(
            schedule.next(),
            SECOND * 7,
            "a scan of 3 s is followed by a rest of 3 s"
        );
        schedule.wanted();
        assert_eq!(schedule.next(), Duration::ZERO);
        assert!(
            schedule.begin(SECOND * 5),
            "the loss during the first scan is not forgotten"
        );
        schedule.ended(SECOND * 5, SECOND * 5);
        assert!(!schedule.is_wanted());
        assert!(!schedule.begin(SECOND * 5));
        assert!(schedule.begin(SECOND * 5 + RENEWAL));
        schedule.ended(SECOND * 5, SECOND * 5);
        assert_eq!(schedule.next(), SECOND * 5 + RENEWAL + INTERVAL);
    }
}
