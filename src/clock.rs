//! The one place that reads the wall clock.
//!
//! Everything below the loops takes the time as an argument, so that it can be tested without
//! waiting. Only a loop that owns time (daemon, worker, command) calls [`now`].
//!
//! The wall clock can be set while the program runs. A jump is noticed by a clock that cannot be
//! set, and no age counts from before it: see [`even_since`].

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp, Zoned};

/// The present moment, UTC.
#[expect(clippy::disallowed_methods, reason = "this is the place that owns it")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// What a clock on the wall shows where this machine is.
pub fn local() -> DateTime {
    Zoned::now().datetime()
}

/// The text form that the database and `--json` use: RFC 3339, UTC, always three decimals, so that
/// sorting the text sorts the times.
pub fn text(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Since when the wall clock has run evenly: since its last jump, or since the first call of this
/// function or of [`jumps`].
///
/// An age that ends something for good (`give-up-after`, `confirm.give-up-after`) counts from no
/// earlier moment: what was written before a jump was written by another clock.
pub fn even_since() -> Timestamp {
    let now = now();
    let even_for = observe_clocks(now).even_for;
    now.checked_sub(even_for).unwrap_or(Timestamp::MIN)
}

/// When the wall clock jumped last, by the time that it shows now; none: not since the first call.
pub fn last_jump() -> Option<Timestamp> {
    let now = now();
    let look = observe_clocks(now);
    (look.jumps > 0).then(|| now.checked_sub(look.even_for).unwrap_or(Timestamp::MIN))
}

/// How often the wall clock has jumped since the first call.
pub fn jumps() -> u64 {
    observe_clocks(now()).jumps
}

fn observe_clocks(now: Timestamp) -> Look {
    static COURSE: Mutex<Option<Course>> = Mutex::new(None);
    let mut course = COURSE.lock().unwrap_or_else(PoisonError::into_inner);
    let steady = Instant::now();
    course
        .get_or_insert_with(|| Course::new(now, steady))
        .look(now, steady)
}

/// A difference from the platform's clock, in seconds, that people should know of.
const TOO_FAR_OFF_S: u64 = 5 * 60;

/// Whether this machine's clock, so many seconds ahead of the platform's (negative: behind), should be
/// set.
pub fn is_too_far_off(ahead_s: i64) -> bool {
    ahead_s.unsigned_abs() > TOO_FAR_OFF_S
}

/// What is wrong with this machine's clock, so many seconds ahead of the platform's, and what to do.
pub fn complaint(ahead_s: i64) -> String {
    let minutes = ahead_s.unsigned_abs() / 60;
    let apart = match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    };
    let where_to = if ahead_s < 0 { "behind" } else { "ahead of" };
    format!(
        "this machine's clock is {apart} {where_to} the platform's; set it right (timedatectl set-ntp true)"
    )
}

/// The clock on the wall beside one that cannot be set.
#[derive(Debug)]
struct Course {
    wall: Timestamp,
    steady: Instant,
    jumped_at: Instant,
    jumps: u64,
}

/// What a look at both clocks showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    even_for: Duration,
    jumps: u64,
}

/// A difference that no adjustment by small steps makes.
const JUMP: Duration = Duration::from_mins(1);

impl Course {
    fn new(wall: Timestamp, steady: Instant) -> Self {
        Self {
            wall,
            steady,
            jumped_at: steady,
            jumps: 0,
        }
    }

    fn look(&mut self, wall: Timestamp, steady: Instant) -> Look {
        let by_wall = wall.duration_since(self.wall);
        let by_steady = SignedDuration::try_from(steady.duration_since(self.steady));
        if by_steady.is_ok_and(|by_steady| (by_wall - by_steady).unsigned_abs() > JUMP) {
            self.jumped_at = steady;
            self.jumps = self.jumps.saturating_add(1);
        }
        (self.wall, self.steady) = (wall, steady);
        Look {
            even_for: steady.duration_since(self.jumped_at),
            jumps: self.jumps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_ends_every_age_and_small_steps_end_none() {
        let steady = Instant::now();
        let wall = Timestamp::from_second(1_800_000_000).unwrap();
        let later = |seconds: u64| steady + Duration::from_secs(seconds);
        let mut course = Course::new(wall, steady);
        let mut shift = SignedDuration::ZERO;
        let mut look = |at: u64, step: SignedDuration| {
            shift += step;
            let passed = SignedDuration::from_secs(i64::try_from(at).unwrap());
            let look = course.look(wall + passed + shift, later(at));
            (look.even_for.as_secs(), look.jumps)
        };
        assert_eq!(look(100, SignedDuration::ZERO), (100, 0));
        assert_eq!(look(200, SignedDuration::from_secs(-59)), (200, 0));
        // Six days ahead: longer than `give-up-after`, and nothing is that old.
        assert_eq!(look(300, SignedDuration::from_hours(6 * 24)), (0, 1));
        assert_eq!(look(350, SignedDuration::ZERO), (50, 1));
        assert_eq!(look(360, SignedDuration::from_hours(-26)), (0, 2));
        assert_eq!(look(360, SignedDuration::ZERO), (0, 2));
    }

    #[test]
    fn a_complaint_names_the_difference_and_the_command() {
        for (ahead_s, expected) in [
            (3_670, "61 min ahead of the platform's"),
            (-3_600, "60 min behind the platform's"),
            (26 * 3_600, "26 h ahead of the platform's"),
            (-8 * 86_400, "8 days behind the platform's"),
        ] {
            let said = complaint(ahead_s);
            assert!(
                said.contains(expected) && said.contains("timedatectl set-ntp true"),
                "{said}"
            );
        }
        assert!(!is_too_far_off(300) && is_too_far_off(301) && is_too_far_off(-301));
    }

    #[test]
    fn no_age_is_older_than_the_process() {
        let first = even_since();
        assert!(first <= now() && even_since().duration_since(first).unsigned_abs() < JUMP);
        assert_eq!(jumps(), 0);
    }
}
