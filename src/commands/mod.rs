//! The subcommands: one file for each, with its arguments, its help, and what it does.
//!
//! A command writes its result to standard output through [`context::Screen`], and answers an exit
//! code or a [`error::CommandError`]. All the SQL is in the queue; the words that others say too are in [`wording`](crate::wording).

pub mod add;
mod bars;
pub mod bump;
pub mod call;
pub mod cancel;
mod change;
pub mod check;
pub mod context;
#[cfg(feature = "sandbox")]
pub mod demo;
pub mod error;
pub mod explain;
pub mod job;
pub mod jobs;
pub mod restored;
pub mod retry;
pub mod run;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod table;

pub use bars::AboveBars;

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
