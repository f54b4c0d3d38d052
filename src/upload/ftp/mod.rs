//! Sends one file to an FTP or FTPS server: under a temporary name, from where an earlier attempt
//! left off, and with its own name only once the server has all of it.
//!
//! Each transfer is a thread of its own with sockets that block; the watchdog and the caller end it
//! by shutting the sockets. It knows nothing of jobs: the hooks of the [`Order`] write down what
//! must outlive a crash.

mod error;
mod name;
mod pace;
mod publish;
mod reply;
mod session;
mod store;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub(crate) use self::error::Error;
pub(crate) use self::name::{other, plain};
use self::session::Session;
use self::store::Stored;
use self::tls::Wires;
use super::flight::{Flight, OnConfirmed, Progress};
use super::throttle::Throttle;
use super::trail::Seen;
use super::watchdog::{self, Timeouts};
use crate::config::Ftp;

/// One file for an FTP server.
pub(crate) struct Order {
    /// The open file. `None`: it is gone, and there is only a renaming left to be settled.
    pub file: Option<File>,
    /// Its size in bytes, at least one. Exactly so many are sent, however long the file is by then.
    pub size: u64,
    /// When the file was seen to be what is sent.
    pub seen: Option<Seen>,
    /// Whether what the server has of it may be of other bytes: it is deleted.
    pub is_doubted: bool,
    /// Where it goes.
    pub server: Ftp,
    /// Its name there, see [`plain`]; where that is taken, a part of the ingest id is put in.
    pub name: String,
    /// The job's own ingest id, which makes the temporary name: the same for each attempt of the
    /// same bytes.
    pub mark: String,
    /// Bytes that the server was seen to have before; fewer make the transfer start over.
    pub confirmed: u64,
    /// The name that was about to be given when an earlier attempt ended without a word.
    pub noted: Option<String>,
    /// Counts along, from where the transfer continues.
    pub progress: Arc<Progress>,
    /// The limit of all uploads.
    pub throttle: Throttle,
    /// How long nothing may move before the transfer is given up.
    pub stall_timeout: Duration,
    /// How long the server may take to answer after the last byte.
    pub response_timeout: Duration,
    /// Hears how many bytes the server has when the transfer begins; may block.
    pub on_confirmed: OnConfirmed,
    /// Hears that what the server had of the file was deleted; may block.
    pub on_deleted: OnDeleted,
    /// Runs just before the file gets its name; may block.
    pub before_rename: BeforeRename,
}

/// A file that the server has all of, and the name that it is about to get.
pub(crate) struct Whole<'a> {
    /// MD5 of the file, lower-case hex; none where the file is gone.
    pub md5: Option<&'a str>,
    /// Whether that is certainly the MD5 of what was sent, also of a file that was touched meanwhile.
    pub is_of_what_was_sent: bool,
    /// The name.
    pub name: &'a str,
    /// To be called now and then by who takes long.
    pub pulse: &'a dyn Fn(),
}

/// See [`Order::on_deleted`]. If it fails, the transfer ends.
pub(crate) type OnDeleted = Box<dyn FnMut() -> Result<(), String> + Send>;

/// The write-ahead hook. If it fails, the file does not get its name.
pub(crate) type BeforeRename = Box<dyn FnMut(Whole<'_>) -> Result<(), String> + Send>;

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Its name on the server.
    pub name: String,
    /// MD5 of the file; none where an earlier attempt had sent and named it.
    pub md5: Option<String>,
}

/// Sends a file, and gives it its name.
///
/// # Errors
/// See [`Error`]; [`Error::disposition`] says whether it may have its name anyway.
///
/// # Cancel safety
/// Dropping the future, or cancelling by the token, ends the connections at once. What the server
/// has by then is where the next attempt continues.
pub(crate) async fn send(order: Order, cancel: CancellationToken) -> Result<Receipt, Error> {
    if order.size == 0 {
        return Err(Error::Empty);
    }
    let timeouts = Timeouts {
        stall: order.stall_timeout,
        response: order.response_timeout,
    };
    let progress = Arc::clone(&order.progress);
    let flight = Flight::new(progress, Box::new(|_| Ok(())));
    let flight = flight.sharing(order.throttle.share());
    run_session(flight, timeouts, cancel, move |flight, wires| {
        carry_file(order, &flight, &wires)
    })
    .await
}

/// Logs in, goes to the folder, and leaves again.
///
/// # Errors
/// What an upload would meet first.
pub(crate) async fn check_login(server: Ftp, stall_timeout: Duration) -> Result<(), Error> {
    visit_server(server, stall_timeout, |_| Ok(())).await
}

/// Deletes what a transfer that will never continue has left under its temporary name.
pub(crate) async fn sweep(server: Ftp, mark: &str, stall_timeout: Duration) -> Result<(), Error> {
    let temporary = name::temporary(mark);
    visit_server(server, stall_timeout, move |session| {
        session.delete(&temporary)
    })
    .await
}

async fn visit_server(
    server: Ftp,
    stall: Duration,
    errand: impl FnOnce(&mut Session) -> Result<(), Error> + Send + 'static,
) -> Result<(), Error> {
    let timeouts = Timeouts {
        stall,
        response: stall,
    };
    let never = CancellationToken::new();
    let flight = Flight::new(Arc::default(), Box::new(|_| Ok(())));
    run_session(flight, timeouts, never, move |flight, wires| {
        let mut session = Session::open(&server, flight, &wires, stall)?;
        errand(&mut session)?;
        session.quit();
        Ok(())
    })
    .await
}

/// Runs a session on a thread of its own, until it ends, stalls, or is no longer wanted.
async fn run_session<T: Send + 'static>(
    flight: Flight,
    timeouts: Timeouts,
    cancel: CancellationToken,
    work: impl FnOnce(Arc<Flight>, Wires) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let flight = Arc::new(flight);
    // The watchdog is the one who judges; a socket gives up later, if no one listens any more.
    let wires = Wires::new(timeouts.stall.max(timeouts.response) * 2);
    let _end = End(Arc::clone(&flight), wires.clone());
    let (done, result) = oneshot::channel();
    let of_thread = Arc::clone(&flight);
    thread::Builder::new()
        .name("ftp".to_owned())
        // A caller that is gone wants no result.
        .spawn(move || done.send(work(of_thread, wires)).ok())
        .map_err(Error::Start)?;
    tokio::select! {
        biased;
        result = result => {
            result.unwrap_or_else(|_| Err(Error::Died { complete: flight.is_released() }))
        }
        error = watchdog::watch(&flight, timeouts) => Err(stalled(&error, timeouts)),
        () = cancel.cancelled() => Err(Error::Cancelled { complete: !flight.close() }),
    }
}

fn stalled(error: &super::Error, timeouts: Timeouts) -> Error {
    match error {
        super::Error::DiskStalled(time) => Error::DiskStalled(*time),
        super::Error::NoAnswer(_) => Error::RenameUnclear,
        super::Error::SegmentUnanswered(time) => Error::Stalled(*time),
        _ => Error::Stalled(timeouts.stall),
    }
}

/// Ends the thread when its caller ends.
struct End(Arc<Flight>, Wires);

impl Drop for End {
    fn drop(&mut self) {
        self.0.close();
        self.1.close();
    }
}

fn carry_file(mut order: Order, flight: &Arc<Flight>, wires: &Wires) -> Result<Receipt, Error> {
    let temporary = name::temporary(&order.mark);
    let mut session = Session::open(
        &order.server,
        Arc::clone(flight),
        wires,
        order.stall_timeout,
    )?;
    let place = (temporary.as_str(), flight);
    let receipt = match store::store(&mut session, &mut order, place)? {
        Stored::Renamed => Receipt {
            name: order.noted.unwrap_or(order.name),
            md5: None,
        },
        Stored::Whole { sum } => {
            let name = publish::publish(&mut session, &mut order, place, sum.as_ref())?;
            let md5 = sum.map(|sum| sum.md5);
            Receipt { name, md5 }
        }
    };
    session.quit();
    Ok(receipt)
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("size", &self.size)
            .field("name", &self.name)
            .field("mark", &self.mark)
            .finish_non_exhaustive()
    }
}
