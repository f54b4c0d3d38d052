//! The job table: all the SQL there is, and the one thread that writes.
//!
//! [`Queue`] owns the writing connection through a thread of its own. Work is handed to it as a
//! closure that runs inside one `BEGIN IMMEDIATE` transaction, so that no transaction is ever held
//! across an `await`, and two outcomes never mix. The functions that such a closure calls are this
//! module's verbs: [`enqueue`], [`claim`], [`outcome`], [`fetch`], [`confirm`], [`withdraw`], [`replace`],
//! [`accounts`], [`copies`], [`sent`], [`metadata`], [`afterwards`], [`operator`], [`priority`]. Reading for people
//! is in [`query`] and [`story`].
//!
//! It knows nothing of HTTP or of watching.

pub mod accounts;
mod advice;
pub mod afterwards;
mod attempts;
pub mod backup;
pub mod change;
pub mod claim;
pub mod clocks;
pub mod confirm;
pub mod copies;
pub mod daemon;
mod daemon_lock;
mod db;
pub mod doubt;
pub mod enqueue;
mod error;
pub mod fetch;
pub mod folders;
pub mod former;
pub(crate) mod ftp;
pub mod identities;
pub mod job;
mod marker;
pub mod metadata;
pub mod operator;
mod order;
pub mod outcome;
pub mod overview;
mod presence;
pub mod priority;
pub mod query;
pub mod renames;
pub mod replace;
pub mod restored;
pub mod retry;
mod row;
mod seal;
pub mod sent;
pub mod settling;
mod sql;
mod standing;
pub mod story;
pub(crate) mod targets;
pub mod ticket;
pub mod times;
pub mod watches;
pub mod withdraw;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

pub use advice::Advice;
pub use daemon_lock::{DaemonLock, daemon_runs, lock};
pub use db::{network_filesystem, open, open_for_reading};
pub use error::Error;
pub use job::{Arrival, Job, JobId, Lease, State, Step, Ticket};
pub use presence::{Lost, TableFiles};
pub use standing::Standing;

use marker::{Level, Marker};
use seal::Seal;

type Work = Box<dyn FnOnce(&mut Connection, &mut Marker) + Send>;

/// The handle to the writer thread; cheap to clone. The thread ends with the last handle.
#[derive(Clone)]
pub struct Queue {
    work: mpsc::Sender<Work>,
    seal: Arc<Seal>,
}

/// How much a commit must survive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// Power loss: the commit is on the disk when it returns.
    PowerLoss,
    /// `kill -9` only: for what a reboot makes worthless anyway, such as progress.
    Kill,
}

/// What a killed daemon left in the write-ahead log goes into the table itself, after which the log is written from its
/// start again: on a full disk that is the only room there is. It may fail, and then nothing is worse.
fn make_room(db: &Connection) {
    let checkpoint: rusqlite::Result<i64> =
        db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get(0));
    match checkpoint {
        Ok(0) => {}
        Ok(busy) => tracing::debug!(busy, "the write-ahead log is not emptied: it is read"),
        Err(error) => tracing::debug!(%error, "the write-ahead log is not emptied"),
    }
}

impl Queue {
    /// Opens (and where needed creates or migrates) the database and starts the writer thread.
    ///
    /// # Errors
    /// Everything that prevents the use of the database, with what to do about it; see [`Error`].
    pub fn start(path: &Path) -> Result<Self, Error> {
        let mut connection = open(path)?;
        make_room(&connection);
        let seal = Arc::new(Seal::beside(path)?);
        ticket::seal_plain_links(&mut connection, &seal)?;
        let level = Level::of(&connection)?;
        let mut marker = Marker::of(path, level)?;
        let (work, inbox) = mpsc::channel::<Work>();
        thread::Builder::new()
            .name("database".to_owned())
            .spawn(move || {
                while let Ok(job) = inbox.recv() {
                    job(&mut connection, &mut marker);
                }
            })
            .map_err(|source| Error::Thread { source })?;
        Ok(Self { work, seal })
    }

    /// An upload link of a job as the table may keep it: others can read the table.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub fn seal(&self, job: JobId, link: &str) -> Result<String, Error> {
        self.seal.close(job, link)
    }

    /// The upload link of a job's ticket; `None` where the key of this table did not seal it for this
    /// job, as in a table that was restored from a backup.
    pub fn unseal(&self, job: JobId, ticket: &Ticket) -> Option<String> {
        self.seal.open(job, &ticket.link)
    }

    /// Runs `verb` in one transaction that survives power loss, commits it, and only then answers.
    ///
    /// What was handed over is carried out, also when the future is dropped before the answer: a
    /// claim must not be one arm of a `select!`, or its lease is lost.
    ///
    /// # Errors
    /// What `verb` returns, its panic, or the commit's failure; in these cases nothing was changed. [`Error::Marker`]
    /// where what `verb` noted must not be done: the note is there.
    pub async fn write<R: Send + 'static>(
        &self,
        verb: impl FnOnce(&Connection) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        self.hand_over(verb, Durability::PowerLoss)?
            .await
            .map_err(|_| Error::WriterGone)?
    }

    /// As [`write`](Self::write), from a thread that may block; also from inside a runtime, as the
    /// body of an upload is.
    pub fn write_blocking<R: Send + 'static>(
        &self,
        verb: impl FnOnce(&Connection) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        // Not the channel of `hand_over`: its blocking receiver panics inside a runtime.
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Box::new(move |db, marker| {
            drop(reply.send(in_transaction((db, marker), verb, Durability::PowerLoss)));
        }))?;
        answer.recv().map_err(|_| Error::WriterGone)?
    }

    /// As [`write`](Self::write), for what need not survive power loss: it costs no disk flush.
    pub async fn jot<R: Send + 'static>(
        &self,
        verb: impl FnOnce(&Connection) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        self.hand_over(verb, Durability::Kill)?
            .await
            .map_err(|_| Error::WriterGone)?
    }

    /// A number that changes when another process has changed the database.
    pub async fn data_version(&self) -> Result<i64, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Box::new(move |db, _| {
            let version = db.query_row("PRAGMA data_version", [], |row| row.get(0));
            // The asker may have gone; then the answer is not missed.
            drop(reply.send(version.map_err(Error::from)));
        }))?;
        answer.await.map_err(|_| Error::WriterGone)?
    }

    fn hand_over<R: Send + 'static>(
        &self,
        verb: impl FnOnce(&Connection) -> Result<R, Error> + Send + 'static,
        durability: Durability,
    ) -> Result<oneshot::Receiver<Result<R, Error>>, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Box::new(move |db, marker| {
            drop(reply.send(in_transaction((db, marker), verb, durability)));
        }))?;
        Ok(answer)
    }

    fn send(&self, work: Work) -> Result<(), Error> {
        self.work.send(work).map_err(|_| Error::WriterGone)
    }
}

fn in_transaction<R>(
    (db, marker): (&mut Connection, &mut Marker),
    verb: impl FnOnce(&Connection) -> Result<R, Error>,
    durability: Durability,
) -> Result<R, Error> {
    if !db.is_autocommit() {
        // A roll-back that failed (a disk that was gone) left its transaction open.
        db.execute_batch("ROLLBACK")?;
    }
    let level = match durability {
        Durability::PowerLoss => "FULL",
        Durability::Kill => "NORMAL",
    };
    // Before each one, so that no failure can leave the weaker level behind.
    db.pragma_update(None, "synchronous", level)?;
    // A bug in one verb must neither end the thread, which all others need, nor pass unseen. What
    // the verb had changed is rolled back as the transaction is dropped.
    let done = panic::catch_unwind(AssertUnwindSafe(|| {
        write_now(db, |db| Ok((verb(db)?, Level::of(db)?)))
    }));
    let (value, level) = done.unwrap_or_else(|panic| {
        Err(Error::Panicked {
            message: words_of(panic.as_ref()),
        })
    })?;
    // Before the answer, which may let the platform be asked, or a new job be claimed.
    marker.follow(level)?;
    Ok(value)
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it said nothing".to_owned())
}

/// Runs `verb` in one immediate transaction of this connection. For commands, which have no daemon
/// around them.
///
/// # Errors
/// What `verb` returns, or the commit's failure; in both cases nothing was changed.
pub fn write_now<R>(
    db: &mut Connection,
    verb: impl FnOnce(&Connection) -> Result<R, Error>,
) -> Result<R, Error> {
    // Immediate: a deferred transaction that reads first fails at once when another process wrote.
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = verb(&transaction)?;
    transaction.commit()?;
    Ok(value)
}
