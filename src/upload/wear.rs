//! Whether the connection that carried a part is good enough to carry another.
//!
//! On a long line that loses a packet now and then, TCP takes each loss for a jam: a connection sinks
//! within seconds to a fraction of the speed that it had at its start, and stays there. With 200
//! Mbit/s, 80 ms and 0.1 % loss, a new connection for each part of 16 MiB carried nearly twice as
//! much (`cargo bench --bench wan`). On a line that is fast, or just full, a new one only costs its
//! opening. So connections go after one part where parts take long, and clearly longer on kept ones
//! than on new ones; and every so often one is kept, to see whether that still holds.

use std::time::Duration;

/// What is known of the connections to one host, all lanes together.
#[derive(Debug)]
pub(super) struct Wear {
    host: Option<String>,
    /// Nanoseconds for a MiB, the last parts counting most: of those on a new connection.
    fresh: Option<u128>,
    /// Of those on a kept one.
    kept: Option<u128>,
    /// Connections closed in a row.
    closed: u32,
}

/// A part that arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trip<'a> {
    pub(super) host: Option<&'a str>,
    pub(super) bytes: u64,
    pub(super) took: Duration,
    /// Whether it was the first on its connection.
    pub(super) is_first: bool,
}

impl Wear {
    pub(super) const fn new() -> Self {
        Self {
            host: None,
            fresh: None,
            kept: None,
            closed: 0,
        }
    }

    /// Takes note of a part; says whether its connection should carry no other.
    pub(super) fn is_worn_after(&mut self, trip: Trip<'_>) -> bool {
        if self.host.as_deref() != trip.host {
            *self = Self::new();
            self.host = trip.host.map(str::to_owned);
        }
        let bytes = u128::from(trip.bytes.max(1));
        let pace = trip.took.as_nanos().saturating_mul(MIB) / bytes;
        let mean = if trip.is_first {
            &mut self.fresh
        } else {
            &mut self.kept
        };
        *mean = match *mean {
            // One that was kept and is fast ends the suspicion at once.
            Some(mean) if trip.is_first || trip.took >= LONG => {
                Some(mean.saturating_mul(3).saturating_add(pace) / 4)
            }
            _ => Some(pace),
        };
        let (Some(fresh), Some(kept)) = (self.fresh, self.kept) else {
            return false;
        };
        let is_long = kept.saturating_mul(bytes) / MIB >= LONG.as_nanos();
        let is_clear = kept > fresh.saturating_add(fresh / 4);
        let is_worn = is_long && is_clear && self.closed < MOST_CLOSED;
        self.closed = if is_worn { self.closed + 1 } else { 0 };
        is_worn
    }
}

const MIB: u128 = 1 << 20;
/// The few round trips that a new connection costs are a small part of this. It is asked of kept
/// connections only: a new one that was fast sinks like the others.
const LONG: Duration = Duration::from_secs(5);
/// After so many, one is kept.
const MOST_CLOSED: u32 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    fn trip(seconds: u64, is_first: bool) -> Trip<'static> {
        Trip {
            host: Some("s3.example"),
            bytes: 16 << 20,
            took: Duration::from_secs(seconds),
            is_first,
        }
    }

    /// Parts on one lane that take so long on a new connection and on a kept one; tells after which
    /// of them the connection went.
    fn closed(wear: &mut Wear, fresh: u64, kept: u64, parts: usize) -> Vec<usize> {
        let mut is_first = true;
        (1..=parts)
            .filter(|_| {
                let took = if is_first { fresh } else { kept };
                is_first = wear.is_worn_after(trip(took, is_first));
                is_first
            })
            .collect()
    }

    #[test]
    fn where_connections_wear_out_seven_in_eight_go_after_one_part() {
        let gone = closed(&mut Wear::new(), 11, 21, 18);
        assert_eq!(gone, [2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 18]);
    }

    #[test]
    fn on_any_other_line_they_stay() {
        for (what, fresh, kept) in [
            ("fast", 1, 4),
            ("full", 21, 21),
            ("full, and unsteady", 20, 24),
            ("slow to start", 21, 11),
        ] {
            let gone = closed(&mut Wear::new(), fresh, kept, 20);
            assert_eq!(gone, Vec::<usize>::new(), "{what}");
        }
    }

    #[test]
    fn a_line_that_changes_is_followed() {
        let mut wear = Wear::new();
        assert!(!closed(&mut wear, 11, 21, 10).is_empty());
        // It is full now: a new connection is no better than a kept one.
        closed(&mut wear, 40, 40, 20);
        assert_eq!(closed(&mut wear, 40, 40, 20), Vec::<usize>::new());
        assert!(!closed(&mut wear, 11, 41, 20).is_empty(), "and worn again");
        closed(&mut wear, 2, 3, 10);
        assert_eq!(closed(&mut wear, 2, 3, 20), Vec::<usize>::new(), "fast");
    }

    #[test]
    fn parts_of_any_size_count_by_their_pace_and_another_host_by_itself() {
        let mut wear = Wear::new();
        let larger = Trip {
            bytes: 64 << 20,
            ..trip(44, false)
        };
        assert!(!wear.is_worn_after(trip(11, true)));
        assert!(!wear.is_worn_after(larger), "the same pace");
        let elsewhere = Trip {
            host: None,
            ..trip(90, false)
        };
        assert!(!wear.is_worn_after(elsewhere));
        assert!(!wear.is_worn_after(trip(90, false)), "forgotten meanwhile");
    }
}
