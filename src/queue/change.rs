//! How two moments compare at which the platform changed a video, by its own clock.
//!
//! In nanoseconds since the epoch, in the platform's own resolution. API v2 reports fractions of a
//! second; API v1 whole seconds, as earlier releases stored.

/// In nanoseconds.
const SECOND: i64 = 1_000_000_000;

/// Whether the video was not changed between a moment that was stored and the one that is reported
/// now. Where only whole seconds were stored, it is impossible to tell within that second.
pub fn is_same(stored: i64, told: i64) -> bool {
    told == stored || is_whole(stored) && told.div_euclid(SECOND) == stored.div_euclid(SECOND)
}

/// Whether the video was changed for certain after the moment that was stored.
pub fn is_later(stored: i64, told: i64) -> bool {
    told > stored && !is_same(stored, told)
}

/// A change of this program's own is dated so long after its call, at the latest; before it only as far as the two
/// clocks are known to agree.
const AFTER: i64 = 180 * SECOND;
const BEFORE: i64 = 5 * SECOND;

/// Whether the video was not changed since a moment that was stored, except for a change of this
/// program's own, called for at `called`, of which it is not known what became.
pub fn is_ours(stored: i64, called: Option<i64>, told: i64) -> bool {
    let is_about_then = |called: i64| {
        let since = told.saturating_sub(called);
        (-BEFORE..=AFTER).contains(&since)
    };
    is_same(stored, told) || called.is_some_and(is_about_then)
}

fn is_whole(at: i64) -> bool {
    at.rem_euclid(SECOND) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_about_the_time_of_our_call_may_be_ours() {
        let second = |at: i64| at * SECOND + 1;
        for (called, told, expected) in [
            (None, 100, true),
            (None, 200, false),
            (Some(200), 100, true),
            (Some(200), 200, true),
            (Some(200), 380, true),
            (Some(200), 381, false),
            (Some(200), 195, true),
            (Some(200), 194, false),
        ] {
            let found = is_ours(second(100), called.map(second), second(told));
            assert_eq!(found, expected, "{called:?} {told}");
        }
    }

    #[test]
    fn moments_compare_as_finely_as_they_were_stored() {
        for (stored, told, same, later) in [
            (5_000_000_000, 5_000_000_000, true, false),
            (5_000_000_000, 5_700_000_000, true, false),
            (5_000_000_000, 6_000_000_000, false, true),
            (5_000_000_000, 4_000_000_000, false, false),
            (5_100_000_000, 5_100_000_000, true, false),
            (5_100_000_000, 5_100_000_001, false, true),
            (5_100_000_000, 5_000_000_000, false, false),
        ] {
            let found = (is_same(stored, told), is_later(stored, told));
            assert_eq!(found, (same, later), "{stored} {told}");
        }
    }
}
