//! The subcommands: one file for each, with its arguments, its help, and what it does.
//!
//! A command writes its result to standard output through [`context::Screen`], and answers an exit
//! code or a [`error::CommandError`]. All the SQL is in the queue; the words that others say too are in [`wording`](crate::wording).

pub(crate) mod add;
mod bars;
pub(crate) mod bump;
pub(crate) mod call;
pub(crate) mod cancel;
mod change;
pub(crate) mod check;
pub(crate) mod context;
#[cfg(feature = "sandbox")]
pub(crate) mod demo;
mod duration;
pub(crate) mod error;
pub(crate) mod explain;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod restored;
pub(crate) mod retry;
pub(crate) mod run;
#[cfg(feature = "sandbox")]
pub(crate) mod sandbox;
pub(crate) mod status;
mod table;

pub(crate) use bars::AboveBars;

/// The runtime of a command. Two threads are plenty: its tasks wait nearly all the time, and bytes
/// of files move on threads of their own.
fn runtime() -> Result<tokio::runtime::Runtime, error::CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| error::CommandError::System {
            what: "cannot start threads".to_owned(),
            source,
        })
}
