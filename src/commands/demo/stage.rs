//! What the demo says at each stage, read from the job table as any user could.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::Place;
use crate::commands::bars::{self, Bar};
use crate::commands::context::Screen;
use crate::commands::error::CommandError;
use crate::exit::Exit;
use crate::queue::query::{self, Filter};
use crate::queue::{self, Job, JobId, Standing, State, Step, operator, settling};
use crate::wording::text;

/// How often the table is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// A demo that takes longer than this has failed.
const DEADLINE: Duration = Duration::from_mins(1);

/// What is where.
pub(super) fn introduce(
    screen: &mut Screen,
    place: &Place,
    platform: SocketAddr,
) -> Result<(), CommandError> {
    screen.line(format_args!(
        "A strict stand-in of the platform listens on {platform},"
    ))?;
    screen.line(format_args!(
        "and the daemon watches {}",
        place.folder().display()
    ))?;
    screen.line_now("A video is written there now, slowly, as a camera would:\n")?;
    Ok(())
}

/// What to do next, in a demo that continues.
pub(super) fn invite(screen: &mut Screen, place: &Place) -> Result<(), CommandError> {
    // As it was called: it need not be in $PATH, least of all right after `cargo run`.
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("jw-ingest"));
    screen.line("\nDrop further videos into\n")?;
    screen.line(format_args!("    {}", text::path(&place.folder())))?;
    screen.line("\nand list them from another terminal with\n")?;
    screen.line(format_args!(
        "    {} --config {} jobs",
        text::shell(program.as_os_str()),
        text::shell(place.config().as_os_str())
    ))?;
    screen.line_now("\nCtrl-C ends the demo and removes its folder.\n")?;
    Ok(())
}

/// One line for each job that ends from now on, until the demo is over.
pub(super) fn go_on(
    screen: &mut Screen,
    database: &Path,
    is_over: impl Fn() -> bool,
) -> Result<(), CommandError> {
    let (_never, nothing) = mpsc::channel::<()>();
    let mut told: Option<HashSet<(JobId, State)>> = None;
    while !is_over() {
        // A look that fails is made up for by the next one.
        let look = || {
            let db = queue::open_for_reading(database)?;
            let jobs = list_ended(&db)?;
            Ok::<_, queue::Error>((db, jobs))
        };
        if let Ok((db, jobs)) = look() {
            let before = told.get_or_insert_with(|| jobs.iter().map(|j| (j.id, j.state)).collect());
            for job in jobs {
                if before.insert((job.id, job.state)) {
                    bars::aside(|| screen.line_now(end_line(&job, key_of_original(&db, &job))))?;
                }
            }
        }
        if nothing.recv_timeout(PAUSE).is_ok() {
            break;
        }
    }
    Ok(())
}

/// How many of the newest jobs are looked at each time.
const AT_ONCE: u32 = 1000;

fn list_ended(db: &Connection) -> Result<Vec<Job>, queue::Error> {
    let filter = Filter {
        states: vec![
            State::Done,
            State::Failed,
            State::Cancelled,
            State::Duplicate,
        ],
        limit: Some(AT_ONCE),
        ..Filter::default()
    };
    query::jobs(db, &filter)
}

/// The video that a duplicate goes by, if there is one yet.
fn key_of_original(db: &Connection, job: &Job) -> Option<String> {
    let original = operator::by_id(db, JobId(job.duplicate_of?));
    original.ok().flatten()?.video_key
}

fn end_line(job: &Job, original: Option<String>) -> String {
    let name = text::path(job.path.file_name().map_or(&*job.path, Path::new));
    match job.standing() {
        Standing::Done
        | Standing::DoneWithoutKey
        | Standing::BeingReplaced
        | Standing::MaybeReplaced
        | Standing::Replaced => {
            let key = job.video_key.as_deref().unwrap_or_default();
            format!("  ready     {name}  {key}")
        }
        Standing::Duplicate => format!(
            "  ready     {name}, as video {} with the same content",
            original.unwrap_or_else(|| format!("of job {}", job.duplicate_of.unwrap_or_default()))
        ),
        standing @ (Standing::Failed
        | Standing::Gone
        | Standing::Held
        | Standing::Cancelled
        | Standing::Superseded
        | Standing::Turn
        | Standing::WaitingForCopy
        | Standing::Creating
        | Standing::Uploading
        | Standing::Confirming
        | Standing::SeekingKey) => {
            let why = job.last_error.as_deref().unwrap_or_default();
            format!("  {:<9} {name}: {}", standing.state_word(), text::line(why))
        }
    }
}

/// The last words: what is gone with the demo.
pub(super) fn close(
    screen: &mut Screen,
    folder: &Path,
    under_way: usize,
) -> Result<(), CommandError> {
    let dropped = match under_way {
        0 => String::new(),
        1 => "; one unfinished upload is dropped".to_owned(),
        many => format!("; {many} unfinished uploads are dropped"),
    };
    screen.line_now(format_args!(
        "The demo is over, and its folder {} is removed{dropped}.",
        text::path(folder)
    ))?;
    Ok(())
}

/// How many videos are neither up nor given up.
pub(super) fn under_way(database: &Path) -> usize {
    let filter = Filter {
        states: vec![State::Queued, State::Running],
        ..Filter::default()
    };
    queue::open_for_reading(database)
        .and_then(|db| query::jobs(&db, &filter))
        .map_or(0, |jobs| jobs.len())
}

/// Follows the file to its end, one line a stage.
pub(super) fn follow_file(
    screen: &mut Screen,
    database: &Path,
    video: &Path,
    stop: &CancellationToken,
) -> Result<Exit, CommandError> {
    let deadline = Instant::now() + DEADLINE;
    let (_never, nothing) = mpsc::channel::<()>();
    let mut bar = None;
    let mut shown = HashSet::new();
    while !stop.is_cancelled() && Instant::now() < deadline {
        if let Ok(db) = queue::open_for_reading(database) {
            let job = query::by_path(&db, video)?.pop();
            for line in list_stages(&db, video, job.as_ref())? {
                if !shown.contains(&line) {
                    bars::aside(|| screen.line_now(&line))?;
                    shown.insert(line);
                }
            }
            if let Some(job) = job {
                if let Some(exit) = find_exit(&job) {
                    return Ok(exit);
                }
                draw_bar(
                    bar.get_or_insert_with(|| Bar::new(WAITING, job.identity.bytes())),
                    &db,
                    &job,
                )?;
            }
        }
        if nothing.recv_timeout(PAUSE).is_ok() {
            break;
        }
    }
    if stop.is_cancelled() {
        return Ok(Exit::Done);
    }
    Err(CommandError::Failed(
        "the video did not arrive within a minute".to_owned(),
    ))
}

/// All stages that the file has reached, the first one first; the faster ones may pass unseen.
fn list_stages(
    db: &Connection,
    video: &Path,
    job: Option<&Job>,
) -> Result<Vec<String>, CommandError> {
    let name = text::path(video.file_name().map_or(video, Path::new));
    let seen = format!("  seen      {name}");
    let Some(job) = job else {
        let Some(file) = settling::of(db, video)? else {
            return Ok(Vec::new());
        };
        let waits = format!("  settling  {}", text::line(&file.waiting_for));
        return Ok(vec![seen, waits]);
    };
    let size = text::size(job.identity.size);
    let mut lines = vec![
        seen,
        format!(
            "  queued    no program writes it any more: job {}, {size}",
            job.id
        ),
    ];
    if let Some(key) = &job.video_key {
        lines.push(format!("  created   the platform gave it the key {key}"));
    }
    if job.step == Step::Confirm {
        let md5 = job.md5.as_deref().unwrap_or("unknown");
        lines.push(format!("  uploaded  {size}, MD5 {md5} on both sides"));
    }
    let standing = job.standing();
    if standing.is_done() {
        let key = job.video_key.as_deref().unwrap_or_default();
        lines.push(format!("  ready     video key {key}"));
    } else if standing.state() == State::Failed {
        let why = job.last_error.as_deref().unwrap_or_default();
        lines.push(format!("  failed    {why}"));
    }
    Ok(lines)
}

const WAITING: &str = "  {spinner} waiting for a worker";

/// The upload's bar, or what is waited for.
fn draw_bar(bar: &Bar, db: &Connection, job: &Job) -> Result<(), CommandError> {
    bar.restyle(match job.step {
        Step::Create => WAITING,
        Step::Transfer => "  uploading {bar:24} {wide_msg}",
        Step::Confirm => "  {spinner} the platform processes it",
    });
    let sent = query::progress(db)?
        .get(&job.id)
        .map_or(0, |progress| progress.bytes_sent.cast_unsigned());
    bar.at(sent, bars::so_far(sent, job.identity.bytes()));
    Ok(())
}

fn find_exit(job: &Job) -> Option<Exit> {
    match job.state {
        State::Done => Some(Exit::Done),
        State::Failed | State::Cancelled | State::Duplicate => Some(Exit::Failed),
        State::Queued | State::Running => None,
    }
}
