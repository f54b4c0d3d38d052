//! One part, sent until it is there: tried a few times, with a new link where the old one expired.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::cut::Piece;
use super::links::Links;
use crate::platform::Link;
use crate::upload::answered::{Answered, Verdict};
use crate::upload::error::Error;
use crate::upload::flight::{Flight, Progress};
use crate::upload::throttle::Share;
use crate::upload::watchdog::Timeouts;
use crate::upload::{Cargo, fly};
use crate::way::Way;

/// What all parts of a file have in common while they are sent.
pub(super) struct Sender {
    pub(super) file: Arc<File>,
    pub(super) links: Links,
    pub(super) progress: Arc<Progress>,
    /// Of the limit, for all parts together.
    pub(super) share: Share,
    pub(super) timeouts: Timeouts,
    /// Ends all parts at once.
    pub(super) stop: CancellationToken,
    /// Lets each part end its request, and begins none any more.
    pub(super) wind_down: CancellationToken,
}

/// A part that is there.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) number: u32,
    /// Of the bytes as they were sent, lower-case hex.
    pub(super) md5: String,
    /// Whether the server named the same.
    pub(super) verified: bool,
}

impl Sender {
    /// Sends one part.
    ///
    /// # Cancel safety
    /// Dropping the future, or cancelling by `stop`, closes its connection and takes its bytes back.
    pub(super) async fn send(&self, piece: Piece) -> Result<Sent, Error> {
        tokio::select! {
            biased;
            result = self.insist(piece) => result,
            () = self.stop.cancelled() => Err(Error::Cancelled { complete: false }),
        }
    }

    async fn insist(&self, piece: Piece) -> Result<Sent, Error> {
        let number = piece.number;
        let mut issued = self.links.get(number).await?;
        let (mut tries, mut renewals) = (1, 0);
        loop {
            let error = match self.once(piece, &issued.link).await {
                Ok(sent) => {
                    self.links.forget(number).await;
                    return Ok(sent);
                }
                Err(error) => error,
            };
            if wants_new_link(&error) && renewals < MOST_RENEWALS && !self.ends() {
                renewals += 1;
                issued = self.links.renew(number, &issued).await?;
                continue;
            }
            let pause = pause_after(&error).max(BACKOFF * tries);
            if tries >= MOST_TRIES || !is_passing(&error) || pause > LONGEST_PAUSE {
                return Err(in_part(number, error));
            }
            tracing::debug!("part {number}: {error}; sending it again");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.wind_down.cancelled() => return Err(in_part(number, error)),
            }
            tries += 1;
        }
    }

    fn ends(&self) -> bool {
        self.wind_down.is_cancelled() || self.stop.is_cancelled()
    }

    async fn once(&self, piece: Piece, link: &Link) -> Result<Sent, Error> {
        // A part's last byte decides nothing: only the call that completes the upload does.
        let flight = Flight::of_part(Arc::clone(&self.progress), Box::new(|_| Ok(())));
        let mut count = Count {
            flight: Arc::new(flight.sharing(self.share.clone())),
            is_kept: false,
        };
        let cargo = Cargo {
            file: Arc::clone(&self.file),
            at: piece.at,
            size: piece.length,
            seen: None,
            link: link.clone(),
            name: String::new(),
            hash: true,
            segment_size: piece.length,
            is_part: true,
        };
        let way = Way::Multipart;
        let receipt = fly(way, cargo, &count.flight, self.timeouts, &self.stop).await?;
        let md5 = receipt.md5.ok_or(Error::Died { complete: true })?;
        count.is_kept = true;
        Ok(Sent {
            number: piece.number,
            md5,
            verified: receipt.verified,
        })
    }
}

/// The bytes of one attempt, which are taken back unless they are kept.
struct Count {
    flight: Arc<Flight>,
    is_kept: bool,
}

impl Drop for Count {
    fn drop(&mut self) {
        if !self.is_kept {
            self.flight.take_back();
        }
    }
}

/// Whether the part's own request, and not the file or this machine, is what failed.
pub(super) fn is_passing(error: &Error) -> bool {
    match error {
        Error::Start(_)
        | Error::Died { .. }
        | Error::NetworkStalled(_)
        | Error::NoAnswer(_)
        | Error::Unreachable(_)
        | Error::Broken { .. }
        | Error::TooEarly { .. }
        | Error::Corrupt { .. } => true,
        Error::Answered(answered) => {
            matches!(answered.verdict, Verdict::Passing | Verdict::Unclear)
        }
        _ => false,
    }
}

fn wants_new_link(error: &Error) -> bool {
    let Error::Answered(answered) = error else {
        return false;
    };
    let Answered { verdict, code, .. } = &**answered;
    // The whole upload is over, and no link of it helps (AWS, "Error responses").
    code.as_deref() != Some("NoSuchUpload")
        && matches!(verdict, Verdict::LinkExpired | Verdict::LinkRefused)
}

fn pause_after(error: &Error) -> Duration {
    match error {
        Error::Answered(answered) => answered.after.unwrap_or_default(),
        _ => Duration::ZERO,
    }
}

fn in_part(number: u32, error: Error) -> Error {
    match error {
        // Whether the one part arrived is no matter: nothing is completed.
        Error::Cancelled { .. } => Error::Cancelled { complete: false },
        source => Error::Part {
            number,
            source: Box::new(source),
        },
    }
}

/// Attempts of one part; the job's own waits are longer.
const MOST_TRIES: u32 = 3;
/// New links for one part, each of which was refused at once: then it is not their age.
const MOST_RENEWALS: u32 = 3;
const BACKOFF: Duration = Duration::from_millis(250);
/// A longer wait is the job's own matter.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
