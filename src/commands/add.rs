//! `jw-ingest add`: files are enqueued by hand, without waiting for a folder to be watched.
//!
//! What watching decides by waiting is decided here by one look: a file that a program has open for
//! writing is refused, because half a file must never be published.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use super::change;
use super::context::Context;
use super::error::CommandError;
use crate::config::{self, Outline, Watch};
use crate::exit::Exit;
use crate::identity::Identity;
use crate::patience;
use crate::queue::enqueue::{self, Enqueued, NewJob};
use crate::queue::operator::{self, Answer};
use crate::queue::{self, JobId, State};
use crate::watch::place;
use crate::watch::select::Verdict;
use crate::watch::verdict_on_disk;
use crate::watch::writer::{self, Writer};
use crate::wording::text;

/// The end of its help.
const HELP: &str = "\
A file in a watch folder belongs to that watch. Any other file needs --watch, and is uploaded with
that watch's account and method. A file is queued even if the watch ignores its name. A file whose
job failed or was cancelled is queued again; an uploaded file is not uploaded twice.

These are refused: anything but a regular file (for a symlink, name the file that it points to), an
empty file, and a file that a program has open for writing.

Examples:
  jw-ingest add /srv/video/news/interview.mp4
  jw-ingest add --watch news ~/old/*.mov
  jw-ingest add -- -name-with-a-dash.mp4

Exit status:
  0   every file is queued, or has a job already
  1   at least one is not; its line says why
  2   the command line is wrong
  78  the configuration is wrong";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Files to queue
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Watch that the files belong to
    #[arg(long, value_name = "NAME")]
    watch: Option<String>,
}

/// Enqueues the files.
///
/// # Errors
/// See [`CommandError`].
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let outline = Arc::new(config::load_outline(&context.config)?);
    let watch = args
        .watch
        .as_deref()
        .map(|name| named(&outline, name))
        .transpose()?;
    let mut db = change::open_for_change(&outline.database.path)?;
    writer::ignore_sigio();
    let now = context.present.now;
    let mut exit = Exit::Done;
    let mut is_queued = false;
    for typed in &args.files {
        let shown = text::path(typed);
        let (asked, named) = (typed.clone(), watch.cloned());
        let outline = Arc::clone(&outline);
        let checked = patience::within(patience::FOLDER, move || {
            look_at_candidate(&asked, named.as_ref(), &outline, now)
        });
        let silent = || {
            Err(format!(
                "its folder {}",
                patience::unanswered(patience::FOLDER)
            ))
        };
        let checked = checked.unwrap_or_else(silent);
        let answer = match checked {
            Ok(candidate) => {
                let (answer, queued) = enqueue_file(&mut db, &candidate, now)?;
                is_queued |= queued;
                answer
            }
            Err(refusal) => Answer::Refused(refusal),
        };
        match answer {
            Answer::Done(text) => context.screen.line_now(format_args!("{shown}: {text}"))?,
            Answer::Refused(text) => {
                context
                    .screen
                    .line_now(format_args!("{shown}: not queued: {text}"))?;
                exit = Exit::Failed;
            }
        }
    }
    if is_queued {
        change::hint(&outline.database.path);
    }
    Ok(exit)
}

fn named<'a>(outline: &'a Outline, name: &str) -> Result<&'a Watch, CommandError> {
    outline
        .watches
        .iter()
        .find(|watch| watch.name == name)
        .ok_or_else(|| {
            let known = place::name_watches(&outline.watches);
            CommandError::Usage(format!("there is no watch {name:?}, only: {known}"))
        })
}

/// A file that may be enqueued.
struct Candidate {
    job: NewJob,
    /// What the operator should know although it was taken.
    remarks: Vec<String>,
}

/// Looks at the file once.
fn look_at_candidate(
    typed: &Path,
    watch: Option<&Watch>,
    outline: &Outline,
    now: Timestamp,
) -> Result<Candidate, String> {
    let path = place::absolute(typed).map_err(|error| error.to_string())?;
    path.symlink_metadata().map_err(unreadable)?;
    let owner = place::owner(&outline.watches, &path);
    let watch = watch.or(owner).ok_or_else(|| {
        format!(
            "it is outside every watch folder; name its watch with --watch: {}",
            place::name_watches(&outline.watches)
        )
    })?;
    let (identity, unsure) = settled_identity(&path, watch, now)?;
    let mut remarks: Vec<String> = unsure.into_iter().collect();
    if let Some(owner) = owner
        && let Verdict::Ignored(rule) = verdict_on_disk(owner, &path)
    {
        remarks.push(format!(
            "added by hand, although watch {} ignores it: {rule}",
            owner.name
        ));
    }
    let job = NewJob {
        watch: watch.name.clone(),
        account: watch.account.clone(),
        path,
        identity,
        priority: watch.priority,
    };
    Ok(Candidate { job, remarks })
}

/// The identity of a file that is complete as far as one look can tell, and what it cannot tell.
fn settled_identity(
    path: &Path,
    watch: &Watch,
    now: Timestamp,
) -> Result<(Identity, Option<String>), String> {
    let meta = path.symlink_metadata().map_err(unreadable)?;
    if meta.is_symlink() {
        return Err("it is a symbolic link: name the file that it points to".to_owned());
    }
    if !meta.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let file = place::open_regular(path).map_err(unreadable)?;
    let writer = writer::probe(&file);
    // After the probe, and of the file that was probed.
    let identity = Identity::of(&file.metadata().map_err(unreadable)?);
    if identity.size == 0 {
        return Err("it is empty".to_owned());
    }
    match writer {
        Writer::None => Ok((identity, None)),
        Writer::Present => {
            Err("it is still being written: a program has it open for writing".to_owned())
        }
        Writer::Unknown(reason) => {
            let age = now.duration_since(changed_at(&identity));
            let enough = SignedDuration::try_from(watch.settle).unwrap_or(SignedDuration::MAX);
            if age < enough {
                return Err(format!(
                    "it changed a moment ago, and the system cannot tell whether a program is \
                     still writing it ({reason}): try again later"
                ));
            }
            Ok((
                identity,
                Some(format!(
                    "the system cannot tell whether a program is still writing it: {reason}"
                )),
            ))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn unreadable(error: std::io::Error) -> String {
    format!("it cannot be read: {error}")
}

/// When it last changed in any way; ctime, since it cannot be set.
fn changed_at(identity: &Identity) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(identity.ctime_ns)).unwrap_or(Timestamp::MAX)
}

/// Enqueues it; answers also whether the daemon has something to do now.
fn enqueue_file(
    db: &mut Connection,
    candidate: &Candidate,
    now: Timestamp,
) -> Result<(Answer, bool), queue::Error> {
    let (answer, queued) =
        queue::write_now(db, |db| match enqueue::enqueue(db, &candidate.job, now)? {
            Enqueued::New(id) => {
                let text = format!("queued as job {id} of watch {}", candidate.job.watch);
                Ok((Answer::Done(text), true))
            }
            Enqueued::Known(id, state) => {
                let open = !matches!(state, State::Done | State::Duplicate);
                Ok((known(db, id, state, now)?, open))
            }
        })?;
    let answer = match answer {
        Answer::Done(text) => {
            let remarks = candidate
                .remarks
                .iter()
                .map(|remark| format!(" ({remark})"));
            Answer::Done(remarks.fold(text, |all, remark| all + &remark))
        }
        refused @ Answer::Refused(_) => refused,
    };
    Ok((answer, queued))
}

/// What becomes of a file that has a job.
fn known(db: &Connection, id: JobId, state: State, now: Timestamp) -> Result<Answer, queue::Error> {
    match state {
        State::Failed | State::Cancelled => operator::retry(db, id, now),
        State::Queued | State::Running => {
            let job = operator::by_id(db, id)?;
            let word = job.map_or(state.word(), |job| job.standing().state_word());
            Ok(Answer::Done(format!("is already job {id}, {word}")))
        }
        State::Done => {
            let job = operator::by_id(db, id)?;
            let key = job.and_then(|job| job.video_key).unwrap_or_default();
            Ok(Answer::Done(format!(
                "is already uploaded as video {key} (job {id})"
            )))
        }
        State::Duplicate => Ok(Answer::Done(format!(
            "is already uploaded: job {id} is a duplicate"
        ))),
    }
}
