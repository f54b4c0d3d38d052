//! All parts to be sent, a fixed number at once, and what is recorded of each that arrived.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use super::OnPart;
use super::cut::Piece;
use super::part::{Sender, Sent};
use crate::disposition::Disposition;
use crate::upload::error::Error;

/// Sends the pieces in their order, `at_once` at a time; true if the server named the MD5 of each.
///
/// Even if one of them fails, those that arrive are recorded: they need not be sent again. A fault
/// that passes lets the others end their requests, as those bytes are worth having; any other ends
/// them too.
///
/// # Cancel safety
/// Dropping the future ends all parts at once.
pub(super) async fn send_all(
    sender: &Arc<Sender>,
    pieces: impl IntoIterator<Item = Piece>,
    at_once: NonZeroU32,
    recorder: &Recorder,
) -> Result<bool, Error> {
    let at_once = usize::try_from(at_once.get()).unwrap_or(usize::MAX);
    let mut pieces = pieces.into_iter();
    let mut crew = JoinSet::new();
    let mut verified = true;
    let mut fault = None;
    loop {
        while fault.is_none() && !sender.stop.is_cancelled() && crew.len() < at_once {
            let Some(piece) = pieces.next() else { break };
            let sender = Arc::clone(sender);
            crew.spawn(async move { sender.send(piece).await });
        }
        let Some(ended) = crew.join_next().await else {
            break;
        };
        let noted = match ended.unwrap_or(Err(Error::Died { complete: false })) {
            Ok(sent) => {
                verified &= sent.verified;
                recorder.record(sent).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            let is_passing = matches!(error.disposition(), Disposition::Transient { .. })
                && matches!(error, Error::Part { .. });
            sender.wind_down.cancel();
            if !is_passing {
                sender.stop.cancel();
            }
            fault = Some(graver(fault, error));
        }
    }
    match fault {
        Some(error) => Err(error),
        None if sender.stop.is_cancelled() => Err(Error::Cancelled { complete: false }),
        None => Ok(verified),
    }
}

/// Which of two faults the caller should hear of: the first, unless only the second is for good.
fn graver(first: Option<Error>, second: Error) -> Error {
    let is_passing = |error: &Error| matches!(error.disposition(), Disposition::Transient { .. });
    match first {
        Some(first) if !is_passing(&first) || is_passing(&second) => first,
        _ => second,
    }
}

/// Where arrived parts are noted, off the runtime.
pub(super) struct Recorder(Arc<Mutex<OnPart>>);

impl Recorder {
    pub(super) fn new(on_part: OnPart) -> Self {
        Self(Arc::new(Mutex::new(on_part)))
    }

    pub(super) async fn record(&self, sent: Sent) -> Result<(), Error> {
        let on_part = Arc::clone(&self.0);
        let noting = tokio::task::spawn_blocking(move || {
            let mut on_part = on_part.lock().unwrap_or_else(PoisonError::into_inner);
            on_part(sent.number, &sent.md5)
        });
        noting
            .await
            .map_err(|_| Error::Died { complete: false })?
            .map_err(Error::NotRecorded)
    }
}
