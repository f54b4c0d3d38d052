//! `jw-ingest jobs`: the table of jobs, with what holds things up above it.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use rusqlite::Connection;

use super::context::{Context, Screen, remark};
use super::error::CommandError;
use super::show::json::JobObject;
use super::show::standing::{self, Around};
use super::show::table::{self, Column};
use super::show::text;
use super::show::time::Present;
use crate::config::{self, Outline};
use crate::exit::Exit;
use crate::ingest;
use crate::queue::accounts::{self, Paused};
use crate::queue::query::{self, Filter, Progress};
use crate::queue::{self, Job, JobId, State};
use crate::queue::{claim, clocks, clocks::Skewed, settling, targets};

/// How many jobs a person sees without asking for more.
const DEFAULT_LIMIT: u32 = 50;

/// The end of its help.
const HELP: &str = "\
STEP is the next step, or the one that failed: create (the video on the platform), upload (its
bytes), waiting for ready (the platform processes it). In JSON the steps have the database's words:
create, transfer, confirm.
WHEN shows how many jobs go before a waiting job: due, 12 ahead.

Examples:
  jw-ingest jobs
  jw-ingest jobs --state failed --state queued
  jw-ingest jobs --json | jq -r 'select(.state == \"done\") | [.video_key, .path] | @tsv'

Exit status:
  0   the jobs are listed, even if there are none
  1   the database cannot be read
  2   the command line is wrong
  78  the configuration is wrong";

/// The arguments.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// Show only jobs in this state; can be given several times
    #[arg(long = "state", value_name = "STATE", value_parser = state_parser())]
    states: Vec<State>,
    /// Show only jobs of this watch
    #[arg(long, value_name = "NAME")]
    watch: Option<String>,
    /// Show at most this many, the newest [default: 50; all with --json]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Refuses an unknown state with the list of those there are.
fn state_parser() -> impl clap::builder::TypedValueParser<Value = State> {
    PossibleValuesParser::new(State::ALL.map(State::word))
        .try_map(|word| State::from_word(&word).ok_or("not a state"))
}

/// Lists the jobs.
///
/// # Errors
/// See [`CommandError`].
pub fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let outline = config::load_outline(&context.config)?;
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
    let jobs = query::jobs(db, &filter(args, args.limit))?;
    let progress = query::progress(db)?;
    let clocks = clocks::all(db)?;
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
    // One more than is shown tells whether there are more.
    let mut jobs = query::jobs(db, &filter(args, Some(limit.saturating_add(1))))?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = jobs.len() > shown;
    if more {
        jobs.remove(0);
    }
    let view = View {
        ahead: ahead(db, &jobs, &context.present)?,
        originals: query::originals(db, &jobs)?,
        progress: query::progress(db)?,
        paused: accounts::paused(db)?,
        clocks: clocks::all(db)?,
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
        Some(width) => for_a_terminal(&rows, width, &mut context.screen)?,
        None => context.screen.line(select(&rows, 0..COLUMNS.len(), None))?,
    }
    if more {
        context.screen.flush()?;
        let newest = if limit == 1 {
            "job is".to_owned()
        } else {
            format!("{limit} are")
        };
        remark(format_args!(
            "only the newest {newest} shown; `--limit N` shows more, `--state failed` those that need you"
        ));
    }
    Ok(Exit::Done)
}

/// How many jobs go before each of those that are due, where one of them is shown.
fn ahead(
    db: &Connection,
    shown: &[Job],
    present: &Present,
) -> Result<HashMap<JobId, usize>, CommandError> {
    let waits = |job: &Job| job.state == State::Queued && job.run_at <= present.now;
    if !shown.iter().any(waits) {
        return Ok(HashMap::new());
    }
    let line = claim::line(db, present.now)?.into_iter();
    Ok(line.enumerate().map(|(ahead, id)| (id, ahead)).collect())
}

/// What stands above the table: paused accounts, a daemon that does not run, files that settle.
fn say_what_holds_for_all(
    args: &Args,
    db: &Connection,
    view: &View<'_>,
    context: &mut Context,
) -> Result<(), CommandError> {
    for paused in &view.paused {
        context
            .screen
            .line(standing::pause(paused, &context.present))?;
    }
    for skewed in &view.clocks {
        context
            .screen
            .line(standing::clock(skewed, &context.present))?;
    }
    if view.daemon == Some(false) && is_any_open(db)? {
        context
            .screen
            .line("the daemon does not run: nothing moves until it is started")?;
    }
    if args.states.is_empty() && view.daemon != Some(false) {
        // Without a daemon, the notes are of one that was stopped.
        if let Some(line) = standing::settling(&settling::all(db, args.watch.as_deref())?) {
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
        if named.contains(&folder) {
            context.screen.line(format!(
                "{}; files are moved when it is back",
                text::line(&why)
            ))?;
        }
    }
    Ok(())
}

fn filter(args: &Args, limit: Option<u32>) -> Filter {
    Filter {
        states: args.states.clone(),
        watch: args.watch.clone(),
        limit,
    }
}

fn is_any_open(db: &Connection) -> Result<bool, CommandError> {
    let counts = query::counts(db)?;
    let open = [State::Queued, State::Running];
    Ok(open.iter().any(|state| counts.contains_key(state)))
}

/// A terminal is too narrow for everything side by side: what is wrong comes below.
fn for_a_terminal(rows: &[Row], width: u16, screen: &mut Screen) -> io::Result<()> {
    let one_watch = rows
        .iter()
        .all(|row| rows.first().map(|row| &row[WATCH]) == Some(&row[WATCH]));
    let columns = (0..COLUMNS.len())
        .filter(|column| !(matches!(*column, TRIES | WRONG) || one_watch && *column == WATCH));
    screen.line(select(rows, columns, Some(width)))?;
    let wrong: Vec<_> = rows
        .iter()
        .filter(|row| !row[WRONG].is_empty())
        .cloned()
        .collect();
    if !wrong.is_empty() {
        screen.line("")?;
        screen.line(select(&wrong, [ID, TRIES, WRONG], Some(width)))?;
    }
    Ok(())
}

/// The table of some of the columns.
fn select(rows: &[Row], columns: impl IntoIterator<Item = usize>, width: Option<u16>) -> String {
    let columns: Vec<_> = columns.into_iter().collect();
    let cells = |row: &Row| {
        columns
            .iter()
            .filter_map(|at| row.get(*at).cloned())
            .collect()
    };
    let headings: Vec<_> = columns
        .iter()
        .filter_map(|at| COLUMNS.get(*at).copied())
        .collect();
    table::lay_out(&headings, rows.iter().map(cells).collect(), width)
}

const COLUMNS: [Column; 10] = [
    Column::Number("ID"),
    Column::Text("WATCH"),
    Column::Text("FILE"),
    Column::Number("SIZE"),
    Column::Word("STATE"),
    Column::Text("STEP"),
    Column::Word("KEY"),
    Column::Number("TRIES"),
    Column::Word("WHEN"),
    Column::Text("WHAT IS WRONG"),
];
const ID: usize = 0;
const WATCH: usize = 1;
const TRIES: usize = 7;
const WRONG: usize = 9;

/// The cells of one job, one for each of [`COLUMNS`].
type Row = [String; COLUMNS.len()];

/// What the rows need beside the jobs.
struct View<'a> {
    ahead: HashMap<JobId, usize>,
    originals: HashMap<i64, Job>,
    progress: HashMap<JobId, Progress>,
    paused: Vec<Paused>,
    clocks: Vec<Skewed>,
    daemon: Option<bool>,
    folders: HashMap<&'a str, PathBuf>,
}

impl View<'_> {
    fn row(&self, job: &Job, present: &Present) -> Row {
        let around = Around {
            present,
            progress: self.progress.get(&job.id),
            paused: self.paused.iter().find(|p| p.account == job.account),
            daemon: self.daemon,
            original: job.duplicate_of.and_then(|id| self.originals.get(&id)),
        };
        // A duplicate has the video of its original.
        let key = around.original.unwrap_or(job).video_key.clone();
        [
            job.id.to_string(),
            text::line(&job.watch),
            text::path(self.below_its_folder(job)),
            text::size(job.identity.size),
            standing::state_word(job).to_owned(),
            standing::step(job, around),
            key.unwrap_or_default(),
            job.attempts.to_string(),
            self.when(job, around),
            text::line(job.last_error.as_deref().unwrap_or_default()),
        ]
    }

    /// When something happens next, and what goes before that.
    fn when(&self, job: &Job, around: Around<'_>) -> String {
        let when = standing::when(job, around);
        match self.ahead.get(&job.id) {
            Some(ahead) if *ahead > 0 => format!("{when}, {ahead} ahead"),
            _ => when,
        }
    }

    /// The path below the watch folder, which the column WATCH names; else the whole path.
    fn below_its_folder<'a>(&self, job: &'a Job) -> &'a Path {
        self.folders
            .get(job.watch.as_str())
            .and_then(|folder| job.path.strip_prefix(folder).ok())
            .unwrap_or(&job.path)
    }
}
