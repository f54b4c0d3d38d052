//! When to try again: pure arithmetic from the stored count of attempts.
//!
//! The only place that knows the `backoff` crate, whose exponential policy gives the delays; its
//! retry loops are not used, since a job's next attempt is stored and survives a restart.

use std::time::Duration;

use backoff::SystemClock;
use backoff::backoff::Backoff as _;
use backoff::exponential::ExponentialBackoffBuilder;

/// Each wait is this many times the one before.
const MULTIPLIER: f64 = 2.0;

/// A wait is drawn from ± this part of itself, so that many jobs do not come back at once.
const JITTER: f64 = 0.2;

/// From here on the exponent could only overflow; the longest wait is reached long before.
const STEPS_THAT_MATTER: i64 = 60;

/// The wait before the next attempt after `attempts` failed ones: exponential from `first`, with
/// jitter; not below what the server asked for (`after`), and never above `max`.
///
/// Every number that a server names becomes a stored time through this function, and only here: a
/// wrong or hostile one puts nothing off for longer than the operator allows.
pub fn delay(attempts: i64, first: Duration, max: Duration, after: Option<Duration>) -> Duration {
    let doublings = attempts.saturating_sub(1).clamp(0, STEPS_THAT_MATTER);
    let exponent = i32::try_from(doublings).unwrap_or(i32::MAX);
    let raw = first.as_secs_f64() * MULTIPLIER.powi(exponent);
    let mut policy = ExponentialBackoffBuilder::<SystemClock>::new()
        .with_initial_interval(first)
        .with_multiplier(MULTIPLIER)
        .with_randomization_factor(JITTER)
        .with_max_interval(max)
        // Its default gives up after 15 minutes; giving up is by the job's age, elsewhere.
        .with_max_elapsed_time(None)
        .build();
    policy.current_interval = Duration::from_secs_f64(raw.min(max.as_secs_f64()));
    // Jitter is applied after its own cap, so the result may exceed it: clamp again.
    let wait = policy.next_backoff().unwrap_or(max).min(max);
    wait.max(after.unwrap_or_default()).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: Duration = Duration::from_secs(30);
    const MAX: Duration = Duration::from_hours(1);

    #[test]
    fn waits_double_and_stay_within_the_jitter() {
        for (attempts, expected) in [(1, 30.0), (2, 60.0), (3, 120.0), (6, 960.0), (7, 1920.0)] {
            let wait = delay(attempts, FIRST, MAX, None).as_secs_f64();
            assert!(
                (expected * 0.79..=expected * 1.21).contains(&wait),
                "{attempts}: {wait}"
            );
        }
    }

    #[test]
    fn the_server_can_ask_for_longer_but_not_for_shorter_nor_beyond_the_longest_wait() {
        let long = Duration::from_mins(50);
        assert_eq!(delay(1, FIRST, MAX, Some(long)), long);
        for far in [
            Duration::from_hours(2),
            Duration::from_secs(u64::MAX),
            Duration::MAX,
        ] {
            assert_eq!(delay(1, FIRST, MAX, Some(far)), MAX);
        }
        assert!(delay(3, FIRST, MAX, Some(Duration::from_secs(1))) > Duration::from_secs(90));
    }

    proptest! {
        #[test]
        fn no_count_overflows_or_exceeds_the_longest_wait(attempts in any::<i64>(), first in 1_u64..100_000, max in 1_u64..1_000_000, after in proptest::option::of(any::<u64>())) {
            let (first, max) = (Duration::from_millis(first), Duration::from_millis(first + max));
            prop_assert!(delay(attempts, first, max, after.map(Duration::from_secs)) <= max);
        }
    }
}
