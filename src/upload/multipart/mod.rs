//! Method `multipart`: a large file in parts, over several connections at once (JW docs, v2
//! multipart uploads).
//!
//! What the platform's list of parts says is there is compared with what was sent, or with the
//! file, and only the rest is sent: so a transfer continues where an earlier process left it. Each
//! part goes like a small S3 upload of its own, on a lane of its own, and is tried again by itself.
//! Nothing is a video until the last call, which completes the upload: before that, no failure
//! leaves anything behind; after it, only the platform's word on the video settles what became of
//! it.

mod crew;
mod cut;
mod links;
mod list;
mod part;
mod resume;
mod sums;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::crew::{Recorder, send_all};
use self::cut::Cut;
pub use self::cut::part_size;
use self::links::Links;
pub use self::list::Lie;
use self::part::Sender;
use self::resume::{Rest, Stock};
pub use self::sums::part_sums_match;
use super::error::Error;
use super::flight::Progress;
use super::watchdog::Timeouts;
use super::{Receipt, Throttle};
use crate::platform::v2::Uploads;

/// Hears of each part that is there for certain, with its MD5 in lower-case hex; may block. If it
/// fails, the transfer ends.
pub type OnPart = Box<dyn FnMut(u32, &str) -> Result<(), String> + Send>;

/// The write-ahead hook of the call that completes the upload.
pub type BeforeComplete = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// One file to be sent in parts.
pub struct PartsOrder {
    /// The open file; its position does not matter.
    pub file: File,
    /// Its size in bytes, at least one. Exactly so many are sent, however long the file is by then.
    pub size: u64,
    /// Bytes of each part but the last, see [`part_size`]; the same for as long as the upload lives.
    pub part_size: u64,
    /// Connections at once.
    pub parts_at_once: NonZeroU32,
    /// The upload.
    pub uploads: Uploads,
    /// Parts that an earlier transfer reported: their MD5 by their number.
    pub known: BTreeMap<u32, String>,
    /// Counts along: all parts that are there, and what was handed out of those in progress. The
    /// bytes of a part that is sent again are taken back first.
    pub progress: Arc<Progress>,
    /// The limit for all files together, in which all parts of this one have one share.
    pub throttle: Throttle,
    /// How long no byte may move on a connection before its part is tried again.
    pub stall_timeout: Duration,
    /// How long an answer may take after a part's last byte, and to the call that completes the
    /// upload.
    pub response_timeout: Duration,
    /// Runs once when all parts are there, off the runtime, and may block: from then on the file
    /// may be complete even if we are killed. If it fails, the upload is not completed.
    pub before_complete: BeforeComplete,
    /// Runs off the runtime for each part that arrived, and for those found there that were not
    /// known.
    pub on_part: OnPart,
}

/// Sends what the platform lacks of a file, and completes the upload.
///
/// # Errors
/// See [`Error`]; [`Error::disposition`] says whether the platform may have the file anyway.
///
/// # Cancel safety
/// Dropping the future, or cancelling by the token, ends all connections at once. Until
/// `before_complete` has run, nothing can have been completed.
pub async fn send_parts(order: PartsOrder, cancel: CancellationToken) -> Result<Receipt, Error> {
    let (size, uploads) = (order.size, order.uploads.clone());
    let response = order.response_timeout;
    let (before_complete, verified) = send_missing(order, &cancel).await?;
    if !verified {
        tracing::warn!(
            "the upload server reports no MD5 to compare with; its confirmation is \
                        accepted"
        );
    }
    complete_upload(&uploads, before_complete, response, &cancel).await?;
    Ok(Receipt {
        bytes: size,
        md5: None,
        verified,
        request_id: None,
        media_key: None,
    })
}

/// Brings all parts there; gives the hook back, and whether the server named the MD5 of each.
async fn send_missing(
    order: PartsOrder,
    cancel: &CancellationToken,
) -> Result<(BeforeComplete, bool), Error> {
    order.progress.reset();
    let cut = Cut::new(order.size, order.part_size)?;
    let timeouts = Timeouts {
        stall: order.stall_timeout,
        response: order.response_timeout,
    };
    let entries = tokio::select! {
        biased;
        entries = list::list_slots(&order.uploads, cut.count()) => entries?,
        () = cancel.cancelled() => return Err(Error::Cancelled { complete: false }),
    };
    let (file, recorder) = (Arc::new(order.file), Recorder::new(order.on_part));
    let stock = Stock {
        file: &file,
        cut,
        known: &order.known,
        timeouts,
        progress: &order.progress,
    };
    let Rest { pieces, verified } = stock.rest(&entries, &recorder, cancel).await?;
    let stop = cancel.child_token();
    let _stop_when_dropped = stop.clone().drop_guard();
    let sender = Arc::new(Sender {
        file,
        links: Links::new(order.uploads, cut.count(), entries),
        progress: order.progress,
        share: order.throttle.share(),
        timeouts,
        wind_down: stop.child_token(),
        stop,
    });
    let sent_verified = send_all(&sender, pieces, order.parts_at_once, &recorder).await?;
    Ok((order.before_complete, verified && sent_verified))
}

async fn complete_upload(
    uploads: &Uploads,
    before_complete: BeforeComplete,
    response_timeout: Duration,
    cancel: &CancellationToken,
) -> Result<(), Error> {
    if cancel.is_cancelled() {
        return Err(Error::Cancelled { complete: false });
    }
    let noting = tokio::task::spawn_blocking(before_complete);
    tokio::select! {
        biased;
        noted = noting => noted
            .map_err(|_| Error::Died { complete: false })?
            .map_err(Error::NotRecorded)?,
        // It looks at the file, and on a dead share that may never end.
        () = cancel.cancelled() => return Err(Error::Cancelled { complete: false }),
    }
    if cancel.is_cancelled() {
        return Err(Error::Cancelled { complete: false });
    }
    tokio::select! {
        biased;
        completed = uploads.complete() => completed.map_err(Error::Completing),
        () = tokio::time::sleep(response_timeout) => Err(Error::NoAnswer(response_timeout)),
        () = cancel.cancelled() => Err(Error::Cancelled { complete: true }),
    }
}

impl fmt::Debug for PartsOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartsOrder")
            .field("size", &self.size)
            .field("part_size", &self.part_size)
            .field("parts_at_once", &self.parts_at_once)
            .finish_non_exhaustive()
    }
}
