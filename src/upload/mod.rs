//! Moves the bytes of one file to one upload link, by the method that the link is for.
//!
//! It knows nothing of jobs: an [`Order`] goes in, a [`Receipt`] or an [`Error`] comes out. Each
//! transfer runs on a thread of its own (see `lane`), so that a hung disk or a slow peer stops only
//! its own file. There is no total timeout, because it is unknown how long 25 GB take; a watchdog
//! ends a transfer that does not move, and a [`Throttle`] keeps all of them together below a limit.

mod answered;
mod body;
mod buffers;
mod error;
mod exchange;
mod flight;
mod form;
pub(crate) mod ftp;
mod hash;
mod lane;
pub mod multipart;
mod name;
mod resumable;
mod s3;
#[cfg(test)]
mod tests;
mod throttle;
mod trail;
mod watchdog;
mod wear;

use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub use self::answered::{Answered, Verdict};
pub use self::error::Error;
use self::flight::Flight;
pub use self::flight::{BeforeLastByte, OnConfirmed, Progress, Sending};
pub use self::resumable::{Hitch, SEGMENT_SIZE};
pub use self::throttle::Throttle;
pub use self::trail::Seen;
use self::watchdog::Timeouts;
use crate::platform::Link;
use crate::way::Way;

/// One file to be sent.
pub struct Order {
    /// The open file; it is read from its first byte, and its position does not matter.
    pub file: File,
    /// Its size in bytes, at least one. Exactly so many are sent, however long the file is by then.
    pub size: u64,
    /// When it was seen to be what is sent.
    pub seen: Seen,
    /// Where it goes.
    pub link: Link,
    /// Its name, as the server may show it; anything but plain ASCII is replaced.
    pub name: String,
    /// Counts along while it is sent.
    pub progress: Arc<Progress>,
    /// The limit for all files together; it may change while this one is sent.
    pub throttle: Throttle,
    /// How long no byte may move before the transfer is given up.
    pub stall_timeout: Duration,
    /// How long the answer may take after the last byte, see [`RESPONSE_TIMEOUT`].
    pub response_timeout: Duration,
    /// Whether to compute the MD5 while sending, and to compare it with what the server says.
    pub hash: bool,
    /// Runs on the transfer's own thread just before the last byte leaves, and may block: from then
    /// on the file may be there even if we are killed. If it fails, the last byte is not sent.
    pub before_last_byte: BeforeLastByte,
    /// Bytes of one segment, for method `resumable` only, see [`SEGMENT_SIZE`]; a server that finds
    /// that too much gets smaller ones.
    pub segment_size: u64,
    /// For method `resumable` only: runs on the transfer's own thread, and may block, with the
    /// number of bytes from the start that the server has for certain, each time that it has more.
    /// If it fails, the transfer ends.
    pub on_confirmed: OnConfirmed,
}

/// The usual time for an answer after the last byte: some MiB may still lie in socket buffers then,
/// and the server may sum up 25 GB before it answers.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_mins(5);

/// A file that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Bytes of the file that the server has: all of them, whenever they were sent.
    pub bytes: u64,
    /// MD5 of the whole file, lower-case hex, if it was asked for.
    pub md5: Option<String>,
    /// Whether the server named the same MD5.
    pub verified: bool,
    /// The server's name for the request.
    pub request_id: Option<String>,
    /// The video key in the answer, where the method has one.
    pub media_key: Option<String>,
}

/// Sends a file and waits for the server's word that it has all of it.
///
/// # Errors
/// See [`Error`]; [`Error::disposition`] says whether the server may have the file anyway.
///
/// # Cancel safety
/// Dropping the future, or cancelling by the token, ends the transfer at once; a read that hangs in
/// the disk ends with its thread once the disk answers, and sends nothing any more.
pub async fn send(way: Way, order: Order, cancel: CancellationToken) -> Result<Receipt, Error> {
    if order.size == 0 {
        return Err(Error::Empty);
    }
    if way == Way::Multipart {
        // The link of one part is no link for a file.
        return Err(Error::NotByLink(way.word()));
    }
    let flight = Flight::new(order.progress, order.before_last_byte);
    let flight = flight
        .confirming(order.on_confirmed)
        .sharing(order.throttle.share());
    let flight = Arc::new(flight);
    let timeouts = Timeouts {
        stall: order.stall_timeout,
        response: order.response_timeout,
    };
    let cargo = Cargo {
        file: Arc::new(order.file),
        at: 0,
        size: order.size,
        seen: Some(order.seen),
        link: order.link,
        name: order.name,
        hash: order.hash,
        segment_size: order.segment_size,
        is_part: false,
    };
    fly(way, cargo, &flight, timeouts, &cancel).await
}

/// Lets a lane carry the cargo, observed by the watchdog and by the code that may cancel.
async fn fly(
    way: Way,
    cargo: Cargo,
    flight: &Arc<Flight>,
    timeouts: Timeouts,
    cancel: &CancellationToken,
) -> Result<Receipt, Error> {
    let stop = cancel.child_token();
    let _stop_when_dropped = stop.clone().drop_guard();
    let (done, result) = oneshot::channel();
    let flight_of_lane = Arc::clone(flight);
    lane::submit(lane::Task {
        way,
        cargo,
        flight: flight_of_lane,
        timeouts,
        stop,
        done,
    })?;
    tokio::select! {
        biased;
        result = result => {
            result.unwrap_or_else(|_| Err(Error::Died { complete: flight.is_released() }))
        }
        error = watchdog::watch(flight, timeouts) => Err(error),
        () = cancel.cancelled() => Err(Error::Cancelled { complete: !flight.close() }),
    }
}

/// What a method needs to know of the file, or about the part to be sent.
struct Cargo {
    file: Arc<File>,
    /// The first byte to be sent: 0 except for a part.
    at: u64,
    /// How many to send from there.
    size: u64,
    seen: Option<Seen>,
    link: Link,
    name: String,
    hash: bool,
    segment_size: u64,
    /// Whether other parts of the file are sent beside it.
    is_part: bool,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("size", &self.size)
            .field("link", &self.link)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
