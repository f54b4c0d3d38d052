//! `jw-ingest job ID`: everything that is known of one job, with all its attempts.

use std::io;

use super::context::{Context, Screen, load_to_read};
use super::error::CommandError;
use crate::commands::table::{self, Column};

use crate::exit::Exit;
use crate::queue::query::{self, Attempt};
use crate::queue::{self, Job, JobId, Standing, accounts, clocks, metadata, operator, story};
use crate::wording::afterwards;
use crate::wording::cells;
use crate::wording::json::{AfterwardsObject, AttemptObject, JobInFull, JobObject};
use crate::wording::notices;
use crate::wording::standing::{self, Around};
use crate::wording::text;
use crate::wording::time::{Present, fine_span};

/// The end of its help.
const HELP: &str = "\
The steps have the same names as in `jw-ingest jobs`; its help explains them.

Examples:
  jw-ingest job 12
  jw-ingest job 12 --json | jq .attempt_list

Exit status:
  0   the job is shown
  1   there is no such job, or the database cannot be read
  2   the command line is wrong
  78  the configuration is wrong";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Job number, as `jw-ingest jobs` shows it
    id: i64,
    /// Print one JSON object, with the attempts in `attempt_list`
    #[arg(long)]
    json: bool,
}

/// Shows the job.
///
/// # Errors
/// See [`CommandError`].
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let outline = load_to_read(&context.config)?;
    let db = queue::open_for_reading(&outline.database.path)?;
    let id = JobId(args.id);
    let Some(job) = operator::by_id(&db, id)? else {
        return Err(CommandError::Failed(format!("there is no job {id}")));
    };
    let attempts = query::attempts(&db, id)?;
    let told = metadata::of(&db, id)?;
    let not_told = told.and_then(|told| told.last_error);
    let progress = query::progress(&db)?.remove(&id);
    let row = queue::afterwards::of(&db, id)?;
    let clocks = clocks::list_skewed(&db)?;
    if args.json {
        let object = JobInFull {
            job: JobObject::of(&job, progress.as_ref(), &clocks),
            metadata_error: not_told.as_deref(),
            afterwards: row.as_ref().map(AfterwardsObject::of),
            attempt_list: attempts.iter().map(AttemptObject::of).collect(),
        };
        context.screen.object(&object)?;
        return Ok(Exit::Done);
    }
    let daemon = queue::daemon_runs(&outline.database.path);
    let paused = accounts::paused(&db)?;
    let neighbours = story::neighbours(&db, [&job])?;
    let around = Around {
        present: &context.present,
        progress: progress.as_ref(),
        paused: paused.iter().find(|p| p.account == job.account),
        daemon,
        neighbour: story::neighbour(&job).and_then(|id| neighbours.get(&id)),
    };
    let fate = row.and_then(|row| afterwards::sentence(&row, &context.present));
    let skewed = notices::clock_of(&job, &clocks);
    let more = [
        (
            "clock",
            skewed.map(|skewed| notices::clock(skewed, &context.present)),
        ),
        ("metadata", not_told.map(|fault| text::line(&fault))),
        ("afterwards", fate),
    ];
    show_job(&job, around, (&attempts, more), &mut context.screen)?;
    Ok(Exit::Done)
}

fn show_job(
    job: &Job,
    around: Around<'_>,
    (attempts, more): (&[Attempt], [(&'static str, Option<String>); 3]),
    screen: &mut Screen,
) -> io::Result<()> {
    let present = around.present;
    screen.line(format_args!(
        "job {} {}",
        job.id,
        standing::sentence(job, around)
    ))?;
    let is_waiting = job.standing().is_waiting();
    if let Some(paused) = around.paused.filter(|_| is_waiting) {
        screen.line(notices::pause(paused, present))?;
    }
    screen.line("")?;
    let more = more
        .into_iter()
        .filter_map(|(name, fact)| Some((name, fact?)));
    for (name, fact) in list_facts(job, around).into_iter().chain(more) {
        screen.line(format_args!("  {name:<13} {fact}"))?;
    }
    screen.line("")?;
    if attempts.is_empty() {
        return screen.line("not attempted yet");
    }
    let rows = attempts
        .iter()
        .map(|attempt| attempt_row(attempt, job, present))
        .collect();
    screen.line(table::lay_out(&COLUMNS, rows, screen.width))
}

fn list_facts(job: &Job, around: Around<'_>) -> Vec<(&'static str, String)> {
    let present = around.present;
    let optional = |text: &Option<String>| text.as_deref().map(text::line);
    let moment = |at| present.both(at);
    let (state, is_told) = show_state(job);
    let platform = job.platform.as_ref();
    let platform = platform.map(|status| text::line(status.word()));
    let duration = job.duration.map(|seconds| format!("{seconds:.2} s"));
    let all = [
        ("file", Some(text::path(&job.path))),
        ("size", Some(text::size_in_full(job.identity.size))),
        ("watch", Some(text::line(&job.watch))),
        ("account", Some(text::line(&job.account))),
        ("state", Some(state)),
        ("method", method(job)),
        ("video key", optional(&job.video_key)),
        ("attempts", Some(job.attempts.to_string())),
        ("last error", optional(&job.last_error).filter(|_| !is_told)),
        ("failing since", job.failing_since.map(moment)),
        ("created", Some(moment(job.created_at))),
        (
            "next attempt",
            job.standing().is_waiting().then(|| next_try(job, around)),
        ),
        ("uploaded", job.sent_at.map(moment)),
        ("finished", job.finished_at.map(moment)),
        ("md5", optional(&job.md5)),
        ("platform says", platform),
        ("platform size", job.platform_size.map(text::size)),
        ("duration", duration),
        (
            "duplicate of",
            job.duplicate_of.map(|id| format!("job {id}")),
        ),
        (
            "replaces",
            job.replaces.map(|id| format!("the content of job {id}")),
        ),
        ("replaced", job.replaced.map(standing::replaced)),
        ("ingest id", Some(text::line(&job.ingest_id))),
    ];
    all.into_iter()
        .filter_map(|(name, fact)| Some((name, fact?)))
        .collect()
}

/// The state, with the step where that says more; and whether the sentence above has the last error.
fn show_state(job: &Job) -> (String, bool) {
    let word = job.standing().state_word().to_owned();
    let with_step = format!("{word}, step {}", cells::step_word(job.step.word()));
    match job.standing() {
        Standing::Turn | Standing::WaitingForCopy | Standing::Failed | Standing::Gone => {
            (with_step, true)
        }
        Standing::Creating | Standing::Uploading => (with_step, false),
        Standing::Held => (word, true),
        Standing::Confirming
        | Standing::SeekingKey
        | Standing::Done
        | Standing::DoneWithoutKey
        | Standing::BeingReplaced
        | Standing::MaybeReplaced
        | Standing::Replaced
        | Standing::Cancelled
        | Standing::Superseded
        | Standing::Duplicate => (word, false),
    }
}

/// The upload method, and why it was chosen.
fn method(job: &Job) -> Option<String> {
    let method = job.way?.word();
    Some(match &job.method_why {
        Some(why) => format!("{method}: {}", text::line(why)),
        None => method.to_owned(),
    })
}

fn next_try(job: &Job, around: Around<'_>) -> String {
    if let Some(paused) = around.paused {
        format!("when account {} works again", text::line(&paused.account))
    } else if job.run_at > around.present.now {
        around.present.both(job.run_at)
    } else if around.daemon == Some(false) {
        "when the daemon is started".to_owned()
    } else {
        "due".to_owned()
    }
}

const COLUMNS: [Column; 8] = [
    Column::Word("STARTED"),
    Column::Word("STEP"),
    Column::Word("METHOD"),
    Column::Number("TOOK"),
    Column::Number("SENT"),
    Column::Word("OUTCOME"),
    Column::Text("REQUEST"),
    Column::Text("RESPONSE"),
];

fn attempt_row(attempt: &Attempt, job: &Job, present: &Present) -> Vec<String> {
    let or_empty = |text: &Option<String>| text::line(text.as_deref().unwrap_or_default());
    let message = if attempt.message.is_some() && attempt.message == job.last_error {
        "see above".to_owned()
    } else {
        or_empty(&attempt.message)
    };
    let end = attempt.ended_at.unwrap_or(present.now);
    vec![
        present.clock_with_seconds(attempt.started_at),
        cells::step_word(&attempt.step).to_owned(),
        or_empty(&attempt.method),
        fine_span(end.duration_since(attempt.started_at)),
        text::size(attempt.bytes_sent),
        attempt
            .outcome
            .clone()
            .unwrap_or_else(|| "running".to_owned()),
        or_empty(&attempt.request_id),
        message,
    ]
}
