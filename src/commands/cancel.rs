//! `jw-ingest cancel`: jobs are taken out of the queue; an upload in progress ends within a second.

use super::context::Context;
use super::error::CommandError;
use super::retry::{open_existing, order};
use crate::exit::Exit;
use crate::queue::{JobId, identities, operator};

/// The end of its help.
const HELP: &str = "\
An active upload ends within a second, and its unfinished video is deleted on the platform. A file
whose job is cancelled is not queued again unless it changes; `jw-ingest retry` queues the job again.

Where the configuration does not have the job's account any more, nothing can be deleted or asked there:
the line names the video that may be on the platform.

Examples:
  jw-ingest cancel 12 15

Exit status:
  0   every job is cancelled
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

/// Cancels them.
///
/// # Errors
/// See [`CommandError`].
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let mut table = open_existing(context)?;
    let ids: Vec<_> = args.ids.iter().copied().map(JobId).collect();
    let now = context.present.now;
    let accounts = std::mem::take(&mut table.accounts);
    order(&mut table, &ids, context, |db, id| {
        match operator::by_id(db, id)? {
            Some(job) if identities::is_gone(db, &job.account, &accounts)? => {
                operator::cancel_without_account(db, &job, now)
            }
            Some(_) | None => operator::cancel(db, id, now),
        }
    })
}
