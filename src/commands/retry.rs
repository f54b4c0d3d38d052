//! `jw-ingest retry`: failed or cancelled jobs are queued again, waiting ones brought forward,
//! duplicates uploaded anyway.

use std::fs;
use std::path::PathBuf;

use clap::ArgGroup;
use rusqlite::Connection;

use super::change;
use super::context::{Context, remark};
use super::error::CommandError;
use crate::config;
use crate::exit::Exit;
use crate::identity::Identity;
use crate::queue::afterwards;
use crate::queue::identities::Identities;
use crate::queue::operator::{self, Answer};
use crate::queue::{self, JobId, State};
use crate::text;

/// The end of its help.
const HELP: &str = "\
A duplicate, or a job that waits for another job with the same content, is uploaded as a video of its
own.

Examples:
  jw-ingest retry 12 15
  jw-ingest retry --failed

Exit status:
  0   every job is queued again
  1   at least one is not; its line says why
  2   the command line is wrong
  78  the configuration is wrong";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
#[command(group(ArgGroup::new("which").required(true).args(["ids", "failed"])))]
pub(crate) struct Args {
    /// Job numbers, as `jw-ingest jobs` shows them
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// Retry all failed jobs
    #[arg(long)]
    failed: bool,
}

/// Queues them again.
///
/// # Errors
/// See [`CommandError`].
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let mut table = open_existing(context)?;
    let ids = if args.failed {
        operator::failed(&table.db)?
    } else {
        args.ids.iter().copied().map(JobId).collect()
    };
    if ids.is_empty() {
        remark("no job has failed");
    }
    if args.failed {
        remark_on_held(&table.db)?;
    }
    let now = context.present.now;
    let no_daemon = queue::daemon_runs(&table.path) == Some(false);
    order(&mut table, &ids, context, |db, id| {
        let was = operator::by_id(db, id)?.map(|job| job.state);
        if no_daemon && was == Some(State::Running) {
            return Ok(Answer::Done(format!(
                "job {id} was in progress when the daemon was killed, and resumes at the next start"
            )));
        }
        if was == Some(State::Duplicate)
            && let Some(refusal) = follow_moved(db, id)?
        {
            return Ok(refusal);
        }
        operator::retry(db, id, now)
    })
}

/// A duplicate whose file was moved after the upload must find it there; a refusal if it is
/// nowhere.
fn follow_moved(db: &Connection, id: JobId) -> Result<Option<Answer>, queue::Error> {
    let Some(to) = afterwards::gone_to(db, id)? else {
        return Ok(None);
    };
    let Ok(meta) = fs::symlink_metadata(&to) else {
        return Ok(Some(Answer::Refused(format!(
            "the file of job {id} was moved to {}, and is not there any more",
            text::path(&to)
        ))));
    };
    afterwards::follow(db, id, (&to, &Identity::of(&meta)))?;
    Ok(None)
}

/// What only a person can decide is not decided here.
fn remark_on_held(db: &Connection) -> Result<(), CommandError> {
    let held = queue::replace::held_jobs(db)?;
    if !held.is_empty() {
        let ids: Vec<_> = held.iter().map(ToString::to_string).collect();
        remark(format_args!(
            "held jobs are not retried: {}; `jw-ingest retry ID` uploads one as another video",
            ids.join(" ")
        ));
    }
    Ok(())
}

/// The job table, open for orders.
pub(super) struct Table {
    /// The connection.
    pub(super) db: Connection,
    /// Its file.
    pub(super) path: PathBuf,
    /// The accounts of the configuration.
    pub(super) accounts: Identities,
}

/// Opens the database for an order about jobs that exist: where there is none, none is made.
///
/// # Errors
/// See [`CommandError`].
pub(super) fn open_existing(context: &Context) -> Result<Table, CommandError> {
    let outline = config::load_outline(&context.config)?;
    let path = outline.database.path;
    drop(queue::open_for_reading(&path)?);
    let db = change::open_for_change(&path)?;
    Ok(Table {
        db,
        path,
        accounts: outline.identities,
    })
}

/// Carries an order out, each job in a transaction of its own: one refusal stops no other.
///
/// # Errors
/// See [`CommandError`].
pub(super) fn order(
    table: &mut Table,
    ids: &[JobId],
    context: &mut Context,
    verb: impl Fn(&Connection, JobId) -> Result<Answer, queue::Error>,
) -> Result<Exit, CommandError> {
    let mut exit = Exit::Done;
    let mut is_done = false;
    for id in ids {
        match queue::write_now(&mut table.db, |db| verb(db, *id))? {
            Answer::Done(text) => {
                context.screen.line_now(text)?;
                is_done = true;
            }
            Answer::Refused(text) => {
                context.screen.line_now(text)?;
                exit = Exit::Failed;
            }
        }
    }
    if is_done {
        change::hint(&table.path);
    }
    Ok(exit)
}
