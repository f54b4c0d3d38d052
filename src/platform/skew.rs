//! How far this machine's clock is from the platform's, by the `Date` of its answers.
//!
//! Signatures are dated, and links end, by the platform's clock: with the difference both are right
//! even if this machine's clock is wrong.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::clock;

/// The platform's clock as one client knows it; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct PlatformClock {
    samples: Arc<Mutex<Samples>>,
}

/// How far the platform's clock is ahead of this machine's, by one answer or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skew {
    platform_ahead: SignedDuration,
}

impl Skew {
    /// How far this machine's clock is ahead of the platform's; negative where it is behind.
    pub fn machine_ahead(self) -> SignedDuration {
        -self.platform_ahead
    }

    /// What an answer shows whose head arrived at `received`, to a request that was sent at `sent`.
    /// `Date` has whole seconds, and the platform wrote it at some moment in between: clocks that may
    /// agree do agree.
    pub(super) fn of(date: Timestamp, sent: Timestamp, received: Timestamp) -> Self {
        let least = date.duration_since(received);
        let most = date.duration_since(sent) + SignedDuration::from_secs(1);
        let platform_ahead = if least <= SignedDuration::ZERO && SignedDuration::ZERO <= most {
            SignedDuration::ZERO
        } else {
            least + (most - least) / 2
        };
        Self { platform_ahead }
    }
}

/// The last few samples: one odd answer, such as a proxy's, decides nothing.
#[derive(Debug, Default)]
struct Samples {
    recent: VecDeque<Skew>,
    /// How often this machine's clock had jumped when they were taken.
    jumps: u64,
}

impl PlatformClock {
    /// Takes an answer's sample in; `refused` for one that was refused for the time of its request,
    /// which shows that what was known before is wrong.
    pub(super) fn learn(&self, sample: Option<Skew>, refused: bool) {
        let Some(sample) = sample else {
            return;
        };
        let mut samples = self.samples();
        if refused {
            samples.recent.clear();
        }
        if samples.recent.len() >= MOST_SAMPLES {
            samples.recent.pop_front();
        }
        samples.recent.push_back(sample);
    }

    /// The difference, as soon as there was an answer.
    pub(super) fn skew(&self) -> Option<Skew> {
        let samples = self.samples();
        match samples.recent.len() {
            MOST_SAMPLES => {
                let mut sorted: Vec<Skew> = samples.recent.iter().copied().collect();
                sorted.sort_unstable();
                sorted.get(MOST_SAMPLES / 2).copied()
            }
            _ => samples.recent.back().copied(),
        }
    }

    /// What the platform's clock shows when this machine's shows `here`; the same, while nothing is
    /// known.
    pub(super) fn at(&self, here: Timestamp) -> Timestamp {
        let ahead = self
            .skew()
            .map_or(SignedDuration::ZERO, |skew| skew.platform_ahead);
        here.checked_add(ahead).unwrap_or(here)
    }

    /// A jump of this machine's clock ends what was known.
    fn samples(&self) -> MutexGuard<'_, Samples> {
        let jumps = clock::jumps();
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.jumps != jumps {
            samples.recent.clear();
            samples.jumps = jumps;
        }
        samples
    }
}

const MOST_SAMPLES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millisecond).unwrap()
    }

    fn ahead(seconds: i64) -> Skew {
        Skew {
            platform_ahead: SignedDuration::from_secs(seconds),
        }
    }

    #[test]
    fn clocks_that_may_agree_do_and_others_differ_by_the_middle() {
        for (date, sent, received, expected_ms) in [
            (0, 0, 100, 0),
            // A whole second of the platform's, seen at its end.
            (0, 900, 950, 0),
            (0, 0, 60_000, 0),
            (3_600_000, 0, 100, 3_600_450),
            (-3_600_000, 0, 100, -3_599_550),
            (3_600_000, 0, 10_000, 3_595_500),
        ] {
            let skew = Skew::of(at(date), at(sent), at(received));
            assert_eq!(
                skew.platform_ahead.as_millis(),
                i128::from(expected_ms),
                "{date} {sent} {received}"
            );
        }
    }

    #[test]
    fn one_odd_answer_decides_nothing_and_a_refusal_for_its_time_everything() {
        let clock = PlatformClock::default();
        assert_eq!((clock.skew(), clock.at(at(0))), (None, at(0)));
        clock.learn(None, true);
        assert_eq!(clock.skew(), None);
        clock.learn(Some(ahead(10)), false);
        assert_eq!(
            (clock.skew(), clock.at(at(0))),
            (Some(ahead(10)), at(10_000))
        );
        for sample in [11, 12, 90_000, 13] {
            clock.learn(Some(ahead(sample)), false);
        }
        assert_eq!(clock.skew(), Some(ahead(13)));
        clock.learn(Some(ahead(-7_200)), true);
        assert_eq!(clock.clone().skew(), Some(ahead(-7_200)));
        assert_eq!(ahead(-7_200).machine_ahead(), SignedDuration::from_hours(2));
    }
}
