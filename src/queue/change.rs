//! How two moments compare at which the platform changed a video, by its own clock: nanoseconds since the epoch, in
//! the platform's own resolution. API v2 tells fractions of a second; API v1 whole seconds, as earlier releases stored.

/// In nanoseconds.
const SECOND: i64 = 1_000_000_000;

/// Whether the video was not changed between a moment that was stored and the one that is told now. Where only whole
/// seconds were stored, within that second nobody can tell.
pub fn is_same(stored: i64, told: i64) -> bool {
    told == stored || is_whole(stored) && told.div_euclid(SECOND) == stored.div_euclid(SECOND)
}

/// Whether the video was changed for certain after the moment that was stored.
pub fn is_later(stored: i64, told: i64) -> bool {
    told > stored && !is_same(stored, told)
}

fn is_whole(at: i64) -> bool {
    at.rem_euclid(SECOND) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

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
