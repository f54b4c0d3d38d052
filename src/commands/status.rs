//! `jw-ingest status`: the present state on one screen, and whether a person is needed.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::context::Context;
use super::error::CommandError;
use crate::config;
use crate::exit::Exit;
use crate::queue;
use crate::queue::overview::{
    Condition, Overview, Uploaded, count_uploaded, read_overview, read_sending,
};
use crate::wording::overview::{self, Line};

/// The end of its help.
const HELP: &str = "\
A line each for the daemon, accounts that are paused, watches, what happens now, and what needs you. Lines that need
you begin with an exclamation mark.

Examples:
  jw-ingest status
  jw-ingest status --json | jq .verdict

Exit status:
  0   all is well
  1   a person is needed, or the database cannot be read
  2   the command line is wrong
  78  the configuration is wrong";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Shows the state.
///
/// # Errors
/// See [`CommandError`].
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let (outline, faults) = config::load_to_read(&context.config)?;
    let path = &outline.database.path;
    let (overview, sending, uploaded) = match queue::open_for_reading(path) {
        Ok(db) => {
            let now = context.present.now;
            let day = now.checked_sub(SignedDuration::from_hours(24));
            (
                read_overview(&db)?,
                read_sending(&db, now)?,
                count_uploaded(&db, day.unwrap_or(Timestamp::MIN))?,
            )
        }
        // The daemon makes it when it starts for the first time.
        Err(queue::Error::Missing { .. }) => {
            (Overview::default(), None, Uploaded { files: 0, bytes: 0 })
        }
        Err(error) => return Err(error.into()),
    };
    let runs = queue::daemon_runs(path);
    // A watch whose section is wrong is watched anyway, if the daemon has it from before.
    let mut watches: Vec<String> = outline
        .watches
        .iter()
        .map(|watch| watch.name.clone())
        .collect();
    if faults.is_some() {
        let known = overview.folders.iter().map(|folder| &folder.watch);
        let missing: Vec<_> = known
            .filter(|name| !watches.contains(name))
            .cloned()
            .collect();
        watches.extend(missing);
    }
    let now = overview::now(&overview, runs, (sending.as_ref(), uploaded));
    let mut lines = overview::lines(&overview, now, (runs, &watches), &context.present);
    lines.extend(faults.as_ref().and_then(overview::describe_faults));
    lines.extend(free_bytes(path).and_then(|free| overview::describe_disk(path, free)));
    if args.json {
        let object = StatusObject::of(&overview, uploaded, (runs, &lines), context.present.now);
        context.screen.object(&object)?;
    } else {
        print(&lines, context)?;
    }
    let is_well = !lines.iter().any(|line| line.needs_person);
    Ok(if is_well { Exit::Done } else { Exit::Failed })
}

/// What the disk of the job table has left for this user's files, in bytes; nothing where it does not say.
fn free_bytes(database: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(database.parent()?).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn print(lines: &[Line], context: &mut Context) -> Result<(), CommandError> {
    let width = lines.iter().map(|line| line.subject.chars().count()).max();
    let width = width.unwrap_or_default();
    for line in lines {
        let mark = if line.needs_person { "!" } else { " " };
        context
            .screen
            .line(format!("{mark} {:<width$}  {}", line.subject, line.text))?;
    }
    Ok(())
}

/// The state as one JSON object: part of the interface.
#[derive(Debug, Serialize)]
struct StatusObject {
    /// Whether no person is needed.
    well: bool,
    /// The state in one sentence, as the service's status line has it.
    verdict: String,
    /// What needs a person.
    needs: Vec<String>,
    daemon: DaemonObject,
    accounts: Vec<AccountObject>,
    watches: Vec<WatchObject>,
    jobs: JobsObject,
    uploaded_24h: UploadedObject,
}

#[derive(Debug, Serialize)]
struct DaemonObject {
    running: Option<bool>,
    started_at: Option<String>,
    refused_at: Option<String>,
    refused_why: Option<String>,
}

/// An account that is paused.
#[derive(Debug, Serialize)]
struct AccountObject {
    name: String,
    since: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct WatchObject {
    name: String,
    state: &'static str,
    since: String,
    detail: String,
}

#[derive(Debug, Serialize)]
struct JobsObject {
    running: i64,
    queued: i64,
    confirming: i64,
    failed: i64,
    held: i64,
}

#[derive(Debug, Serialize)]
struct UploadedObject {
    files: i64,
    bytes: i64,
}

impl StatusObject {
    fn of(
        overview: &Overview,
        uploaded: Uploaded,
        (running, lines): (Option<bool>, &[Line]),
        now: Timestamp,
    ) -> Self {
        let needing = lines.iter().filter(|line| line.needs_person);
        let needs: Vec<String> = needing
            .map(|line| format!("{}: {}", line.subject, line.text))
            .collect();
        let daemon = overview.daemon.as_ref();
        let refused = daemon.and_then(|daemon| daemon.refused.clone());
        let (refused_at, refused_why) = refused.unzip();
        Self {
            well: needs.is_empty(),
            verdict: overview::verdict(overview, running, now),
            needs,
            daemon: DaemonObject {
                running,
                started_at: daemon.map(|daemon| daemon.started_at.to_string()),
                refused_at: refused_at.map(|at| at.to_string()),
                refused_why,
            },
            accounts: overview
                .paused
                .iter()
                .map(|paused| AccountObject {
                    name: paused.account.clone(),
                    since: paused.since.to_string(),
                    reason: paused.reason.clone(),
                })
                .collect(),
            watches: overview
                .folders
                .iter()
                .map(|folder| WatchObject {
                    name: folder.watch.clone(),
                    state: match folder.condition(now) {
                        _ if running == Some(false) => "unwatched",
                        Condition::Ok => "ok",
                        Condition::Starting => "starting",
                        Condition::Silent => "silent",
                        Condition::Away(reach) => reach.word(),
                    },
                    since: folder.since.to_string(),
                    detail: folder.seen.detail.clone(),
                })
                .collect(),
            jobs: JobsObject {
                running: overview.running,
                queued: overview.queued,
                confirming: overview.confirming,
                failed: overview.failed,
                held: overview.held,
            },
            uploaded_24h: UploadedObject {
                files: uploaded.files,
                bytes: uploaded.bytes,
            },
        }
    }
}
