//! When to scan: at start, every five minutes (a very large folder less often), after lost events,
//! and when asked; and where files are found by polling, as often as its cost allows.

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
    /// Where files are found by scans alone: the shortest time from one to the next.
    polls: Option<Duration>,
}

/// How often everything is scanned although no event was lost, as far as known.
const INTERVAL: Duration = Duration::from_mins(5);
/// How often a scan renews all watches, in case one was lost without a word.
const RENEWAL: Duration = Duration::from_hours(1);
/// The shortest rest after a scan; a long scan is followed by a rest of its own length.
const REST: Duration = Duration::from_secs(1);

/// A scan may take this part of one core's time, as its inverse; and of the disk's or server's.
const SHARE_OF_CORE: u32 = 50;
const SHARE_OF_DISK: u32 = 4;
/// The same for a scan that is for safety only, so that an idle daemon costs next to nothing.
const SHARE_FOR_SAFETY: u32 = 500;

impl Schedule {
    /// Scans are all there is (at least so far apart), or only for safety.
    pub(super) fn poll(&mut self, polls: Option<Duration>, now: Duration) {
        if self.polls == polls {
            return;
        }
        self.polls = polls;
        self.timer = self.timer.min(now + polls.unwrap_or(INTERVAL));
    }

    /// A scan is wanted.
    #[cfg(test)]
    pub(super) fn wanted(&mut self) {
        self.asked = true;
    }

    /// Events were lost, or could not be had until now: scan, and renew all watches.
    pub(super) fn events_lost(&mut self) {
        self.lost = true;
    }

    /// Another folder is at the root: scan it without a rest.
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

    /// Whether events were lost since the last scan began.
    pub(super) fn has_lost(&self) -> bool {
        self.lost
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

    /// The scan that began then has ended, and took so much processor time.
    pub(super) fn ended(&mut self, began: Duration, now: Duration, cost: Duration) {
        let took = now.saturating_sub(began);
        self.rest_until = now + took.max(REST);
        if let Some(least) = self.polls {
            let cheap = (cost * SHARE_OF_CORE).max(took * SHARE_OF_DISK);
            self.timer = began + least.max(cheap);
            return;
        }
        let cheap = began + cost * SHARE_FOR_SAFETY;
        self.timer = self.timer.max(self.rest_until).max(cheap);
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
        schedule.ended(SECOND, SECOND * 4, SECOND);
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
        schedule.ended(SECOND * 5, SECOND * 5, Duration::ZERO);
        assert!(!schedule.is_wanted());
        assert!(!schedule.begin(SECOND * 5));
        assert!(schedule.begin(SECOND * 5 + RENEWAL));
        schedule.ended(SECOND * 5, SECOND * 5, Duration::ZERO);
        assert_eq!(schedule.next(), SECOND * 5 + RENEWAL + INTERVAL);
    }

    #[test]
    fn polling_costs_no_more_than_its_share() {
        let least = SECOND * 10;
        for (took, cost, next) in [
            (SECOND / 10, SECOND / 10, least),
            (SECOND, SECOND, SECOND * 50),
            (SECOND * 30, SECOND, SECOND * 120),
        ] {
            let mut schedule = Schedule::default();
            schedule.poll(Some(least), Duration::ZERO);
            schedule.begin(SECOND);
            schedule.ended(SECOND, SECOND + took, cost);
            assert_eq!(schedule.next(), SECOND + next, "{took:?} {cost:?}");
        }
    }

    #[test]
    fn polling_begins_soon_and_safety_comes_back() {
        let mut schedule = Schedule::default();
        schedule.begin(Duration::ZERO);
        schedule.ended(Duration::ZERO, SECOND, SECOND / 2);
        assert_eq!(schedule.next(), INTERVAL);
        schedule.poll(Some(SECOND * 10), SECOND * 2);
        assert_eq!(schedule.next(), SECOND * 12);
        schedule.begin(SECOND * 12);
        schedule.poll(None, SECOND * 13);
        schedule.ended(SECOND * 12, SECOND * 13, SECOND / 2);
        assert_eq!(schedule.next(), SECOND * 12 + INTERVAL);
    }

    #[test]
    fn a_dear_scan_for_safety_comes_less_often() {
        let mut schedule = Schedule::default();
        schedule.begin(SECOND);
        schedule.ended(SECOND, SECOND * 4, SECOND * 2);
        assert_eq!(schedule.next(), SECOND * 1001);
    }
}
