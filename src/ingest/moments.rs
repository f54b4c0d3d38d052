//! Moments: how long something waits and how old it is, however the clock jumped meanwhile.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock;

/// A moment after another; the end of time where that overflows.
pub(super) fn later(from: Timestamp, wait: Duration) -> Timestamp {
    from.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// The moment from which the age of something of `then` counts: not while the daemon was off, nor
/// before a jump of the clock. What ends for good by its age asks for this one.
pub(super) fn evenly(then: Timestamp) -> Timestamp {
    then.max(clock::even_since())
}

/// The moment from which a short wait since `then` counts: from a jump of the clock on, the time
/// before it is not known.
pub(super) fn since_a_jump(then: Timestamp) -> Timestamp {
    clock::last_jump().map_or(then, |jump| then.max(jump))
}

/// Whether less than `wait` has passed since `then`, however the clock jumped meanwhile.
pub(super) fn is_within(then: Timestamp, wait: Duration, now: Timestamp) -> bool {
    is_less_apart(since_a_jump(then), wait, now)
}

/// A `then` that is as far ahead was written by a clock that has been corrected since: nothing waits
/// until that comes.
fn is_less_apart(then: Timestamp, wait: Duration, now: Timestamp) -> bool {
    now.duration_since(then).unsigned_abs() < wait
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_also_when_the_clock_was_put_back() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        for (now, expected) in [
            (0, true),
            (9, true),
            (10, false),
            (-9, true),
            (-10, false),
            (-31_536_000, false),
        ] {
            let within = is_less_apart(at(0), Duration::from_secs(10), at(now));
            assert_eq!(within, expected, "{now}");
        }
    }
}
