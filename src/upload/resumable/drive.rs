//! One resumable transfer from what the server has to the end, with what goes wrong on the way.
//!
//! It never continues forever: each turn makes the server hold more, or counts against a small
//! number of faults in a row, or halves the segments.

use std::time::Duration;

use super::range::{Held, Hitch, Piece};
use super::reply::{Reply, Taken, judge_piece};
use super::{Sent, Wire};
use crate::upload::answered::Verdict;
use crate::upload::error::Error;
use crate::upload::exchange::{Answer, is_hang_up};

/// A transfer in progress.
pub(super) struct Drive<'a> {
    wire: Wire<'a>,
    size: u64,
    segment: u64,
    /// What the server said last, and how much of it is at the start without a gap.
    held: Held,
    confirmed: u64,
    faults: Faults,
}

/// What went wrong since the server last had more.
#[derive(Debug, Default)]
struct Faults {
    /// Broken connections and passing failures.
    breaks: u32,
    /// Hang-ups without an answer, and on which piece they all were.
    hang_ups: (u32, Option<Piece>),
    /// Lists that cannot be true.
    hitches: u32,
    /// Segments that were answered and not kept.
    idle: u32,
}

/// What became of a piece.
enum Outcome {
    Reply(Reply),
    Broken { error: Error, is_hang_up: bool },
}

impl<'a> Drive<'a> {
    pub(super) fn new(wire: Wire<'a>) -> Self {
        Self {
            size: wire.cargo.size,
            segment: wire.cargo.segment_size.max(SMALLEST_PIECE),
            wire,
            held: Held::default(),
            confirmed: 0,
            faults: Faults::default(),
        }
    }

    /// Sends piece after piece until the server has the file.
    pub(super) async fn run(mut self) -> Result<Taken, Error> {
        let mut piece = Piece::PROBE;
        loop {
            piece = match self.send(piece).await? {
                Outcome::Reply(Reply::Taken(taken)) => return Ok(taken),
                Outcome::Reply(Reply::Holds(Ok(held))) => self.go_on(held, piece)?,
                Outcome::Reply(Reply::Holds(Err(hitch))) => self.doubt(hitch)?,
                Outcome::Reply(Reply::TooLarge(error)) => self.shorten(piece, error)?,
                Outcome::Reply(Reply::Failed(error)) => self.mend(piece, error, false).await?,
                Outcome::Broken { error, is_hang_up } => {
                    self.mend(piece, error, is_hang_up).await?
                }
            };
        }
    }

    async fn send(&self, piece: Piece) -> Result<Outcome, Error> {
        let is_probe = piece == Piece::PROBE;
        // Two bytes that the server has already are no progress.
        let base = if is_probe { self.confirmed } else { piece.at };
        let is_completing = self.held.is_completed_by(piece, self.size);
        let is_retry = self.faults.breaks > 0 && !is_probe;
        let sent = self.wire.send(piece, base, is_completing, is_retry).await;
        let is_out = sent.out >= piece.length;
        let released = self.wire.flight.is_released();
        let Sent { result, .. } = sent;
        match result {
            Ok(answer) => {
                let reply = judge_piece(&answer, self.size)?;
                if !released && matches!(reply, Reply::Taken(_)) {
                    return Err(self.unexpected(&answer, is_out));
                }
                Ok(Outcome::Reply(reply))
            }
            Err(error @ (Error::Unreachable(_) | Error::Broken { .. })) if !released => {
                // With time for an answer to the head alone, a close in mid body is the network's.
                let is_silent = sent.out == 0 || is_out || !sent.was_paused;
                let is_hang_up = is_silent
                    && matches!(&error, Error::Broken { source, .. } if is_hang_up(source));
                Ok(Outcome::Broken { error, is_hang_up })
            }
            Err(error) => Err(error),
        }
    }

    /// The server says that it has a file of which it said that some is missing.
    fn unexpected(&self, answer: &Answer, is_out: bool) -> Error {
        let flight = self.wire.flight;
        if !is_out {
            return Error::TooEarly {
                status: answer.status,
                sent: flight.sent(),
                size: self.size,
            };
        }
        // It may be so, and the platform knows. The note that it may be is made now.
        match flight.hand_out(0, true) {
            Ok(()) => answer.error(Verdict::Unclear, None, None),
            Err(fault) => Error::of_fault(fault),
        }
    }

    /// The server said what it holds after it got `piece`.
    fn go_on(&mut self, held: Held, piece: Piece) -> Result<Piece, Error> {
        let confirmed = held.confirmed();
        if confirmed < self.confirmed {
            return self.doubt(Hitch::Shrunk);
        }
        if confirmed > self.confirmed {
            let recorded = self.wire.flight.confirm(confirmed);
            recorded.map_err(Error::of_fault)?;
            self.confirmed = confirmed;
            self.faults = Faults::default();
        } else if piece != Piece::PROBE {
            self.faults.idle += 1;
            if self.faults.idle >= MOST_FAULTS {
                return Err(Error::Session(Hitch::Stuck));
            }
        }
        self.held = held;
        Ok(Piece::after(self.confirmed, self.size, self.segment))
    }

    /// The server said something that cannot be: it is asked once more.
    fn doubt(&mut self, hitch: Hitch) -> Result<Piece, Error> {
        self.faults.hitches += 1;
        if self.faults.hitches > 1 {
            return Err(Error::Session(hitch));
        }
        tracing::debug!("{hitch}; asking again");
        Ok(Piece::PROBE)
    }

    /// The server wants smaller segments.
    fn shorten(&mut self, piece: Piece, error: Error) -> Result<Piece, Error> {
        if piece.length <= SMALLEST_SEGMENT {
            return Err(error);
        }
        self.segment = (piece.length / 2).max(SMALLEST_SEGMENT);
        tracing::debug!(
            bytes = self.segment,
            "the server finds segments too large; they are smaller from here on"
        );
        Ok(Piece::after(self.confirmed, self.size, self.segment))
    }

    /// Waits a moment and asks the server how much it has, or gives up for now.
    async fn mend(&mut self, piece: Piece, error: Error, is_hang_up: bool) -> Result<Piece, Error> {
        let faults = &mut self.faults;
        faults.breaks += 1;
        faults.hang_ups = match faults.hang_ups {
            (times, Some(same)) if is_hang_up && same == piece => (times + 1, Some(same)),
            _ if is_hang_up => (1, Some(piece)),
            _ => (0, None),
        };
        let times = faults.hang_ups.0;
        // A server that hangs up on two bytes may well be down behind its front.
        if times >= MOST_FAULTS && piece != Piece::PROBE {
            return Err(Error::HungUp {
                times,
                first: piece.at,
                last: piece.end().saturating_sub(1),
            });
        }
        if faults.breaks >= MOST_FAULTS {
            return Err(error);
        }
        tracing::debug!("{error}; asking the server how much it has");
        tokio::time::sleep(BACKOFF * faults.breaks).await;
        Ok(Piece::PROBE)
    }
}

/// Faults in a row that end a transfer for now; the job's own waits are longer.
const MOST_FAULTS: u32 = 3;
const BACKOFF: Duration = Duration::from_millis(250);
/// Below, it is not the size that a server minds.
const SMALLEST_SEGMENT: u64 = 256 * 1024;
const SMALLEST_PIECE: u64 = 2;
