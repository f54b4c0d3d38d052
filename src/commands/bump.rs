//! `jw-ingest bump`: jobs that wait go to the front of all that wait.

use super::context::Context;
use super::error::CommandError;
use super::retry::{open_existing, order};
use crate::exit::Exit;
use crate::queue::{JobId, daemon_runs, priority};

/// The end of its help.
const HELP: &str = "\
A bumped job starts as soon as an active upload ends, before jobs of watches with a higher priority.
No active upload is stopped for it. A job that waits for its next attempt is due at once. Of several
jobs the one named first goes first; a later bump goes before all of them.

Examples:
  jw-ingest bump 12 15

Exit status:
  0   every job is at the front
  1   at least one is not; its line says why
  2   the command line is wrong
  78  the configuration is wrong";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Job numbers, as `jw-ingest jobs` shows them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<i64>,
}

/// Bumps them.
///
/// # Errors
/// See [`CommandError`].
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let mut table = open_existing(context)?;
    let mut ids: Vec<JobId> = Vec::new();
    for id in args.ids.iter().copied().map(JobId) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let now = context.present.now;
    let has_worker = daemon_runs(&table.path) != Some(false);
    let front = priority::front(&table.db)?;
    order(&mut table, &ids, context, |db, id| {
        // The first one named gets the greatest.
        let behind = ids.iter().rev().position(|other| *other == id);
        let above = i64::try_from(behind.unwrap_or_default()).unwrap_or_default();
        priority::bump(db, id, (front.saturating_add(above), has_worker), now)
    })
}
