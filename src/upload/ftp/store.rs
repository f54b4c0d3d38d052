//! The bytes: as many as the server lacks, under a name that is ignored.
//!
//! What `SIZE` says decides where to continue, and whether all is there in the end. Nothing else
//! can be asked of a server, as none sums up what it has.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::Order;
use super::error::{Error, Refusal};
use super::pace::Pace;
use super::session::{Data, Session, Store};
use crate::upload::body;
use crate::upload::flight::{Fault, Flight};
use crate::upload::trail::{self, Sum, Trail};

/// What the server has of the file.
pub(super) enum Stored {
    /// All of it, under the temporary name.
    Whole {
        /// Of the file, where there was one to sum up.
        sum: Option<Sum>,
    },
    /// Nothing under the temporary name, where all of it was before: it was renamed.
    Renamed,
}

/// Sends what the server lacks.
pub(super) fn store(
    session: &mut Session,
    order: &mut Order,
    (temporary, flight): (&str, &Arc<Flight>),
) -> Result<Stored, Error> {
    let there = session.size(temporary)?;
    if there.is_none() && order.noted.is_some() {
        return Ok(Stored::Renamed);
    }
    let Some(file) = order.file.take().map(Arc::new) else {
        return if there == Some(order.size) {
            Ok(Stored::Whole { sum: None })
        } else {
            Err(Error::SourceGone)
        };
    };
    let mut at = there.unwrap_or(0);
    // More than the file has, or less than was there before: who knows what it is.
    if at > order.size || at < order.confirmed || order.is_doubted {
        // Without it nothing would tell that it was not renamed.
        (order.on_confirmed)(0).map_err(Error::NotRecorded)?;
        session.delete(temporary)?;
        (order.on_deleted)().map_err(Error::NotRecorded)?;
        at = 0;
    }
    (order.on_confirmed)(at).map_err(Error::NotRecorded)?;
    flight.rewind(at);
    let trail = trail::start(
        Arc::clone(&file),
        (order.size, order.seen),
        Arc::clone(flight),
    );
    let trail = trail.map_err(Error::Start)?;
    if at < order.size {
        let cargo = Cargo {
            file: &file,
            size: order.size,
            temporary,
            flight,
            trail: &trail,
        };
        cargo.send(session, at)?;
        check_size(session, temporary, order.size)?;
    }
    let sum = wait_for_sum(&trail)?;
    Ok(Stored::Whole { sum: Some(sum) })
}

/// A file in progress.
struct Cargo<'a> {
    file: &'a File,
    size: u64,
    temporary: &'a str,
    flight: &'a Flight,
    trail: &'a Trail,
}

impl Cargo<'_> {
    fn send(&self, session: &mut Session, at: u64) -> Result<(), Error> {
        let (data, at) = self.open(session, at)?;
        let mut data = data;
        if let Err(failure) = self.pump(&mut data, at) {
            let answer = session.finish(data);
            return Err(match (failure, answer) {
                // Why the server hung up, if it says so: a full disk, for one.
                (Error::Broken(_), Err(error @ Error::Refused(_))) => error,
                (failure, _) => failure,
            });
        }
        self.flight.wait_for_answer();
        session.finish(data)?;
        self.flight.rewind(self.size);
        Ok(())
    }

    /// Opens the data connection at the place where to continue, or at another where that is
    /// refused.
    fn open(&self, session: &mut Session, at: u64) -> Result<(Data, u64), Error> {
        let mut refused = match session.store(self.temporary, at, Store::At) {
            Ok(data) => return Ok((data, at)),
            Err(error) => error,
        };
        if at > 0 && is_about_resuming(&refused) {
            match session.store(self.temporary, at, Store::AtEnd) {
                Ok(data) => return Ok((data, at)),
                Err(error) => refused = error,
            }
        }
        if at > 0 && is_about_resuming(&refused) {
            session.delete(self.temporary)?;
            self.flight.rewind(0);
            return Ok((session.store(self.temporary, 0, Store::At)?, 0));
        }
        Err(refused)
    }

    fn pump(&self, data: &mut Data, from: u64) -> Result<(), Error> {
        let feed = self.trail.feed();
        let mut pace = Pace::new(self.flight)?;
        let mut at = from;
        while at < self.size {
            let wanted = pace.wait(self.flight, (self.size - at).min(PIECE))?;
            let wanted =
                usize::try_from(wanted).map_err(|error| Error::Disk(io::Error::other(error)))?;
            let piece = self.read(at, wanted)?;
            let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            self.flight
                .hand_out(length, false)
                .map_err(Error::of_fault)?;
            feed.add(at, piece.clone());
            data.write_all(&piece).map_err(|error| self.broken(error))?;
            at = at.saturating_add(length);
        }
        data.flush().map_err(|error| self.broken(error))
    }

    fn read(&self, at: u64, wanted: usize) -> Result<Bytes, Error> {
        let mut buffer = BytesMut::zeroed(wanted);
        self.flight.set_reading(true);
        let filled = body::fill(self.file, &mut buffer, at).map_err(Error::Disk)?;
        self.flight.set_reading(false);
        if filled < wanted {
            let missing = self.size.saturating_sub(at);
            let missing = missing.saturating_sub(u64::try_from(filled).unwrap_or(0));
            return Err(Error::Shrank { missing });
        }
        Ok(buffer.freeze())
    }

    /// A write that failed because the transfer was given up is no break.
    fn broken(&self, error: io::Error) -> Error {
        match self.flight.hand_out(0, false) {
            Err(fault @ Fault::Closed) => Error::of_fault(fault),
            _ => Error::Broken(error),
        }
    }
}

/// Whether a server may have refused the place rather than the file. All that concerns the file
/// itself is met again at the next attempt.
fn is_about_resuming(error: &Error) -> bool {
    matches!(error, Error::Refused(Refusal { code: 500..600, .. }))
        && !matches!(error, Error::Refused(Refusal { code: 552, .. }))
}

/// The server said that it has all: it must have as many bytes as were sent.
fn check_size(session: &mut Session, temporary: &str, size: u64) -> Result<(), Error> {
    let mut there = None;
    for look in 0..LOOKS {
        if look > 0 {
            // Some count a moment late.
            std::thread::park_timeout(PAUSE);
        }
        there = session.size(temporary)?;
        if there == Some(size) {
            return Ok(());
        }
    }
    session.delete(temporary)?;
    Err(Error::WrongSize {
        ours: size,
        theirs: there.map_or_else(|| "none".to_owned(), |there| there.to_string()),
    })
}

/// Waits until the thread that sums up is through the file.
fn wait_for_sum(trail: &Trail) -> Result<Sum, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(Error::Start)?;
    runtime.block_on(trail.finish()).map_err(Error::Disk)
}

/// Read and written at once, bytes: few enough for a slow line to show that it moves.
const PIECE: u64 = 128 * 1024;
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);
