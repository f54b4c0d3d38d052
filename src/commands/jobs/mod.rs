//! `jw-ingest jobs`: the table of jobs, with what holds things up above it.

mod rows;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use jiff::Timestamp;
use rusqlite::Connection;

use super::context::{Context, load_to_read, remark};
use super::duration::parse_duration;
use super::error::CommandError;
use crate::config::Outline;
use crate::exit::Exit;
use crate::ingest;
use crate::patience;
use crate::queue::accounts;
use crate::queue::query::{self, Filter};
use crate::queue::story;
use crate::queue::{self, Job, JobId, Standing, State};
use crate::queue::{claim, clocks, folders, settling, targets};
use crate::wording::json::JobObject;
use crate::wording::notices;
use crate::wording::overview;
use crate::wording::text;
use crate::wording::time::Present;

use rows::View;

/// How many jobs a person sees without asking for more.
const DEFAULT_LIMIT: u32 = 50;

/// The end of its help.
const HELP: &str = "\
STEP is the next step, or the one that failed: create (the video on the platform), upload (its
bytes), waiting for ready (the platform processes it). In JSON the steps have the database's words:
create, transfer, confirm.
STATE is the database's word, with three exceptions: confirming (uploaded, and the platform processes
it) and seeking-key (uploaded by FTP, and its video is searched for) are queued there, and held (a
person decides) is failed. `--state` takes all of them; `--state queued` lists confirming ones as well.
WHEN shows how many jobs go before a waiting job: due, 12 ahead.

Examples:
  jw-ingest jobs
  jw-ingest jobs --state failed --state queued
  jw-ingest jobs --find monday --since 7d
  jw-ingest jobs --json | jq -r 'select(.state == \"done\") | [.video_key, .path] | @tsv'

Exit status:
  0   the jobs are listed, even if there are none
  1   the database cannot be read
  2   the command line is wrong
  78  the configuration is wrong";

/// The arguments.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Show only jobs in this state; can be given several times
    #[arg(long = "state", value_name = "STATE", value_parser = state_parser())]
    states: Vec<Wanted>,
    /// Show only jobs of this watch
    #[arg(long, value_name = "NAME")]
    watch: Option<String>,
    /// Show only jobs of this account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Show only files whose path contains this, or the video with this key
    #[arg(long, value_name = "TEXT")]
    find: Option<String>,
    /// Show only files that were found in this time until now, such as 12h or 7d
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    since: Option<Duration>,
    /// Show at most this many, the newest [default: 50; all with --json]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// What can be asked for: the states of the table, and every word that the column STATE shows.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    State(State),
    Standing(Standing),
}

impl Wanted {
    fn all() -> impl Iterator<Item = Self> {
        let shown = Standing::ALL.into_iter();
        let shown = shown.filter(|standing| standing.state_word() != standing.state().word());
        let states = State::ALL.into_iter().map(Self::State);
        states.chain(shown.map(Self::Standing))
    }

    fn word(self) -> &'static str {
        match self {
            Self::State(state) => state.word(),
            Self::Standing(standing) => standing.state_word(),
        }
    }
}

/// Refuses an unknown state with the list of those there are.
fn state_parser() -> impl clap::builder::TypedValueParser<Value = Wanted> {
    PossibleValuesParser::new(Wanted::all().map(Wanted::word)).try_map(|word| {
        let mut all = Wanted::all();
        all.find(|wanted| wanted.word() == word)
            .ok_or("not a state")
    })
}

/// Lists the jobs.
///
/// # Errors
/// See [`CommandError`].
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let outline = load_to_read(&context.config)?;
    if let Some(name) = &args.watch {
        warn_of_unknown_watch(&outline, name);
    }
    let path = &outline.database.path;
    let db = match queue::open_for_reading(path) {
        Ok(db) => db,
        Err(queue::Error::Missing { .. }) if folder_exists(path) => {
            remark(format_args!(
                "no jobs yet: the daemon makes the database {} when it starts for the first time",
                path.display()
            ));
            return Ok(Exit::Done);
        }
        Err(error) => return Err(error.into()),
    };
    if args.json {
        list_as_json(args, &db, context)
    } else {
        list_as_table(args, &db, &outline, context)
    }
}

/// The watch may have been renamed, and its old jobs are still there: no error.
fn warn_of_unknown_watch(outline: &Outline, name: &str) {
    if !outline.watches.iter().any(|watch| watch.name == name) {
        let known: Vec<_> = outline.watches.iter().map(|w| w.name.as_str()).collect();
        remark(format_args!(
            "the configuration has no watch {name:?}, only: {}",
            known.join(", ")
        ));
    }
}

fn folder_exists(database: &Path) -> bool {
    database.parent().is_some_and(Path::is_dir)
}

fn list_as_json(args: &Args, db: &Connection, context: &mut Context) -> Result<Exit, CommandError> {
    let jobs = query::jobs(db, &make_filter(args, args.limit, context.present.now))?;
    let progress = query::progress(db)?;
    let clocks = clocks::list_skewed(db)?;
    for job in &jobs {
        let object = JobObject::of(job, progress.get(&job.id), &clocks);
        context.screen.object(&object)?;
    }
    Ok(Exit::Done)
}

fn list_as_table(
    args: &Args,
    db: &Connection,
    outline: &Outline,
    context: &mut Context,
) -> Result<Exit, CommandError> {
    let limit = args.limit.unwrap_or(DEFAULT_LIMIT);
    // One more than is shown says whether there are more.
    let mut jobs = query::jobs(
        db,
        &make_filter(args, Some(limit.saturating_add(1)), context.present.now),
    )?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = jobs.len() > shown;
    if more {
        jobs.remove(0);
    }
    let view = View {
        ahead: count_ahead(db, &jobs, &context.present)?,
        neighbours: story::neighbours(db, &jobs)?,
        progress: query::progress(db)?,
        paused: accounts::paused(db)?,
        clocks: clocks::list_skewed(db)?,
        daemon: queue::daemon_runs(&outline.database.path),
        folders: outline
            .watches
            .iter()
            .map(|watch| (watch.name.as_str(), watch.path.clone()))
            .collect(),
    };
    say_what_holds_for_all(args, db, &view, context)?;
    say_offline_targets(db, outline, context)?;
    if jobs.is_empty() {
        context.screen.flush()?;
        remark("no jobs");
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = jobs
        .iter()
        .map(|job| view.row(job, &context.present))
        .collect();
    match context.screen.width {
        Some(width) => rows::for_a_terminal(&rows, width, &mut context.screen)?,
        None => context.screen.line(rows::in_full(&rows))?,
    }
    if more {
        context.screen.flush()?;
        let newest = if limit == 1 {
            "job is".to_owned()
        } else {
            format!("{limit} are")
        };
        remark(format_args!(
            "only the newest {newest} shown; `--limit N` shows more, `--state failed` shows those \
             that need you"
        ));
    }
    Ok(Exit::Done)
}

/// How many jobs go before each of those that are due, where one of them is shown.
fn count_ahead(
    db: &Connection,
    shown: &[Job],
    present: &Present,
) -> Result<HashMap<JobId, usize>, CommandError> {
    let waits = |job: &Job| job.standing().is_waiting() && job.run_at <= present.now;
    if !shown.iter().any(waits) {
        return Ok(HashMap::new());
    }
    let line = claim::list_due(db, present.now)?.into_iter();
    Ok(line.enumerate().map(|(ahead, id)| (id, ahead)).collect())
}

/// What is above the table: paused accounts, a daemon that does not run, files that settle.
fn say_what_holds_for_all(
    args: &Args,
    db: &Connection,
    view: &View<'_>,
    context: &mut Context,
) -> Result<(), CommandError> {
    for paused in &view.paused {
        context
            .screen
            .line(notices::pause(paused, &context.present))?;
    }
    for skewed in &view.clocks {
        context
            .screen
            .line(notices::clock(skewed, &context.present))?;
    }
    for folder in folders::read_all(db)? {
        let is_asked = args.watch.as_ref().is_none_or(|name| *name == folder.watch);
        if view.daemon != Some(false)
            && is_asked
            && let Some(why) = overview::offline(&folder, &context.present)
        {
            context
                .screen
                .line(format!("watch {} {why}", folder.watch))?;
        }
    }
    if view.daemon == Some(false) && is_any_open(db)? {
        context
            .screen
            .line("the daemon does not run: nothing moves until it is started")?;
    }
    if args.states.is_empty() && view.daemon != Some(false) {
        // Without a daemon, the notes are of one that was stopped.
        if let Some(line) = notices::settling(&settling::list_waiting(db, args.watch.as_deref())?) {
            context.screen.line(line)?;
        }
    }
    Ok(())
}

/// The folders that files wait for, to be moved there.
fn say_offline_targets(
    db: &Connection,
    outline: &Outline,
    context: &mut Context,
) -> Result<(), CommandError> {
    let named: Vec<PathBuf> = outline
        .watches
        .iter()
        .flat_map(ingest::targets::of)
        .collect();
    for (folder, why) in targets::offline(db)? {
        if named.contains(&folder) || leads_to_one(&folder, &named) {
            context.screen.line(format!(
                "{}; files are moved when it is back",
                text::line(&why)
            ))?;
        }
    }
    Ok(())
}

/// Whether a link took the place of a folder: the configuration names by now what it leads to, and the daemon
/// does not follow it.
fn leads_to_one(folder: &Path, named: &[PathBuf]) -> bool {
    let asked = folder.to_path_buf();
    let real = patience::within(Duration::from_secs(1), move || asked.canonicalize().ok());
    real.flatten().is_some_and(|real| named.contains(&real))
}

fn make_filter(args: &Args, limit: Option<u32>, now: Timestamp) -> Filter {
    let (mut states, mut standings) = (Vec::new(), Vec::new());
    for wanted in &args.states {
        match wanted {
            Wanted::State(state) => states.push(*state),
            Wanted::Standing(standing) => standings.push(*standing),
        }
    }
    Filter {
        states,
        standings,
        watch: args.watch.clone(),
        account: args.account.clone(),
        find: args.find.clone(),
        since: args.since.and_then(|time| now.checked_sub(time).ok()),
        limit,
    }
}

fn is_any_open(db: &Connection) -> Result<bool, CommandError> {
    let counts = query::counts(db)?;
    let open = [State::Queued, State::Running];
    Ok(open.iter().any(|state| counts.contains_key(state)))
}
