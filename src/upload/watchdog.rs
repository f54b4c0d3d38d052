//! Ends a transfer that does not move, without a limit on one that does.
//!
//! Two phases, as megabytes lie in socket buffers when the last byte is handed out: before it, each
//! frame must follow within the stall timeout; after it, the answer has a longer time of its own. A
//! file that goes in several requests has both phases in each of them, but only the last byte of the
//! file leaves it open what became of it.
//!
//! It runs on the caller's runtime, so that it also sees a transfer whose thread hangs in the disk.

use std::time::{Duration, Instant};

use super::error::Error;
use super::flight::Flight;

/// How long nothing may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timeouts {
    /// Before the last byte.
    pub(super) stall: Duration,
    /// After it.
    pub(super) response: Duration,
}

/// Waits until the flight is stalled, and closes it.
pub(super) async fn watch(flight: &Flight, timeouts: Timeouts) -> Error {
    let pause = (timeouts.stall.min(timeouts.response) / 8).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    let mut frames = flight.frames();
    let mut since = Instant::now();
    loop {
        tokio::time::sleep(pause).await;
        let now = flight.frames();
        if now != frames {
            frames = now;
            since = Instant::now();
        }
        let still = since.elapsed();
        if flight.is_released() {
            if still >= timeouts.response {
                return Error::NoAnswer(timeouts.response);
            }
        } else if flight.is_waiting() {
            if still >= timeouts.response && flight.close() {
                return Error::SegmentUnanswered(timeouts.response);
            }
        } else if still >= timeouts.stall && flight.close() {
            return if flight.is_reading() {
                Error::DiskStalled(timeouts.stall)
            } else {
                Error::NetworkStalled(timeouts.stall)
            };
        }
    }
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        stall: Duration::from_millis(40),
        response: Duration::from_millis(80),
    };

    fn flight() -> Flight {
        Flight::new(Arc::default(), Box::new(|_| Ok(())))
    }

    #[tokio::test]
    async fn says_who_gave_nothing_and_lets_nothing_out_any_more() {
        let flight = flight();
        flight.set_reading(true);
        assert!(matches!(
            watch(&flight, TIMEOUTS).await,
            Error::DiskStalled(_)
        ));
        assert!(
            flight.hand_out(1, true).is_err(),
            "the disk came back too late"
        );
        let flight = self::flight();
        assert!(matches!(
            watch(&flight, TIMEOUTS).await,
            Error::NetworkStalled(_)
        ));
    }

    #[tokio::test]
    async fn a_segment_s_answer_has_the_longer_time_and_leaves_nothing_open() {
        let flight = flight();
        flight.hand_out(1, false).unwrap();
        flight.wait_for_answer();
        let started = Instant::now();
        let error = watch(&flight, TIMEOUTS).await;
        assert!(matches!(error, Error::SegmentUnanswered(_)), "{error}");
        assert!(started.elapsed() >= TIMEOUTS.response);
        assert!(flight.hand_out(1, true).is_err(), "given up for good");
    }

    #[tokio::test]
    async fn after_the_last_byte_only_the_answer_is_missing() {
        let flight = flight();
        flight.hand_out(1, true).unwrap();
        assert!(matches!(watch(&flight, TIMEOUTS).await, Error::NoAnswer(_)));
        assert!(!flight.close(), "too late to say that nothing was sent");
    }
}
