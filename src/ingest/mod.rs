//! The steps of a job: create the video, transfer the bytes, wait until the platform is ready.
//!
//! `dispatch` claims due jobs and runs `worker`s. A worker takes its job through `create` (which
//! looks by `preflight` that it is no web page or document, asks `identify` whether the content is uploaded already, `replace` whether it takes another's
//! place, and `fetch` whether the platform can get the file by itself) and `transfer`. `confirm`
//! looks after all that wait for `ready`, `withdraw` deletes unfinished videos, `metadata` sends
//! changed sidecars to the platform, `afterwards` handles the files of jobs that have ended, and
//! `probe` finds out when a paused account works again. `pulse` keeps the leases alive and notices
//! what other processes changed. All of these run their rounds by `duty`. `intake` turns settled files
//! into jobs.
//!
//! A step works on an `attempt`, which asks the platform, the file and the job table for it, and answers
//! how it ended as a value (`end`). `record` alone writes that to the job table.
//!
//! `evidence` decides whether the platform has what a job sent: no file is moved, deleted or called a copy
//! without asking it; `lost` sees to a job whose video turned out to be gone.
//!
//! Everything that happens on the way is written to the job table before the next thing depends on
//! it; killed on any line, the restart finds a job that knows what may have happened.

mod afterwards;
mod attempt;
mod choice;
mod clocks;
mod confirm;
mod context;
mod create;
mod disk;
mod dispatch;
mod duty;
mod end;
mod evidence;
mod fetch;
mod identify;
mod intake;
mod live;
mod lost;
mod metadata;
mod moments;
mod pause;
mod persist;
mod preflight;
mod probe;
mod pulse;
mod record;
mod replace;
mod restored;
mod source;
pub(crate) mod targets;
#[cfg(test)]
pub(crate) mod tests;
mod told;
mod transfer;
mod withdraw;
mod worker;

pub(crate) use context::{Context, Settings, SettingsError};
pub(crate) use disk::{Hanging, within as look_within};
pub(crate) use intake::{Barriers, Flushes, barriers};
pub(crate) use live::{Live, Upload};
pub(crate) use pulse::longest;

use std::pin::Pin;

use tokio::sync::mpsc;

use crate::queue::Error;
use crate::watch::Report;

/// One loop of the daemon: its name and its future, which ends when the daemon stops.
pub(crate) type Loop = (
    &'static str,
    Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
);

/// All loops of the ingest side. Each runs until `context.stop`; one that ends before has failed,
/// and the daemon with it.
pub(crate) fn loops(
    context: &Context,
    reports: mpsc::Receiver<Report>,
    flushes: Flushes,
) -> Vec<Loop> {
    // All that these do is new: they stop when nothing new may begin.
    let starters = || Context {
        stop: context.closing.clone(),
        ..context.clone()
    };
    vec![
        (
            "intake",
            Box::pin(intake::run(starters(), reports, flushes)),
        ),
        (DISPATCH, Box::pin(dispatch::run(context.clone()))),
        ("confirm", Box::pin(confirm::run(starters()))),
        ("withdraw", Box::pin(withdraw::run(starters()))),
        ("metadata", Box::pin(metadata::run(starters()))),
        ("probe", Box::pin(probe::run(starters()))),
        ("pulse", Box::pin(pulse::run(context.clone()))),
        ("afterwards", Box::pin(afterwards::run(starters()))),
    ]
}

/// The loop that has the uploads; it ends with the last of them.
pub(crate) const DISPATCH: &str = "dispatch";
