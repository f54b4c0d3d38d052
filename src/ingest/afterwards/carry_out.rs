//! One file that is due: done on a thread that may block, and written down.

use std::path::Path;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::act::{End, Task};
use super::ask::{self, Silent};
use super::files::Trouble;
use super::follow;
use crate::config::Watch;
use crate::ingest::context::Context;
use crate::ingest::fate;
use crate::ingest::persist::persist;
use crate::ingest::targets::Target;
use crate::queue::afterwards::{self, Action, Case};
use crate::queue::{Error, retry};
use crate::{clock, text};

/// Does what is due, and writes down how that ended; nothing where the platform does not say that it
/// has what was sent.
pub(super) async fn act(
    context: &Context,
    (case, watch): (&Case, &Watch),
    (action, silent): (Action, &mut Silent),
) -> Result<(), Error> {
    if ask::is_asked_for(action) && !ask::is_up(context, (case, watch), silent).await? {
        return Ok(());
    }
    let what: What<End> = |task| match task.case.row.sidecar_left {
        Some(went) => task.follow(went),
        None => task.run(),
    };
    match run(context, (case, watch), (action, what)).await {
        Some(outcome) => write_down(context, case, action, outcome).await,
        None => Ok(()),
    }
}

/// The file is not to go: what a kill left half done is ended or taken back. Answers whether the file
/// is where its job says.
pub(super) async fn take_back(
    context: &Context,
    (case, watch): (&Case, &Watch),
) -> Result<bool, Error> {
    let action = case.row.action;
    match run(context, (case, watch), (action, |task| task.take_back())).await {
        None => Ok(false),
        Some(Ok(None)) => {
            let id = case.job.id;
            persist(context, move |db| afterwards::did_not_go(db, id)).await?;
            Ok(true)
        }
        Some(Ok(Some(end))) => {
            write_down(context, case, action, Ok(end)).await?;
            Ok(false)
        }
        Some(Err(trouble)) => {
            write_down(context, case, action, Err(trouble)).await?;
            Ok(false)
        }
    }
}

/// Something that is done with a file.
type What<T> = fn(&Task<'_>) -> Result<T, Trouble>;

/// Runs something on a thread that may block; `None`: the daemon stops.
async fn run<T: Send + 'static>(
    context: &Context,
    (case, watch): (&Case, &Watch),
    (action, what): (Action, What<T>),
) -> Option<Result<T, Trouble>> {
    let (queue, stop) = (context.queue.clone(), context.stop.clone());
    let (owned, watch) = (case.clone(), watch.clone());
    let doing = spawn_blocking(move || {
        let before = |to: &Path| {
            let (case, to) = (owned.clone(), to.to_path_buf());
            match queue.write_blocking(move |db| afterwards::going(db, &case, &to)) {
                Ok(true) => Ok(()),
                Ok(false) => Err(Trouble::Stopped),
                Err(error) => Err(Trouble::Later(crate::chain(&error))),
            }
        };
        let target = |folder: &Path| {
            let target = Target::look(&watch, folder);
            let asked = queue.write_blocking(move |db| target.ask(db));
            let answer = asked.map_err(|error| Trouble::Later(crate::chain(&error)))?;
            answer.map_err(Trouble::Later)
        };
        let task = Task {
            case: &owned,
            watch: &watch,
            action,
            stopped: &|| stop.is_cancelled(),
            before: &before,
            target: &target,
        };
        what(&task)
    });
    let done = tokio::select! {
        done = doing => done,
        // A share that does not answer keeps its thread, and not the daemon.
        () = context.stop.cancelled() => return None,
    };
    Some(done.unwrap_or_else(|error| Err(Trouble::Later(error.to_string()))))
}

/// The video of a sidecar that was to follow is not up any more: it stays.
pub(super) async fn stays(context: &Context, case: &Case, why: &str) -> Result<(), Error> {
    let (id, now, case) = (case.job.id, clock::now(), case.clone());
    let outcome = format!("{}; its sidecar stayed: {why}", follow::so_far(&case));
    persist(context, move |db| {
        afterwards::done(db, id, (&outcome, None), now)?;
        afterwards::left(db, &case, None, now)
    })
    .await
}

/// Not now: tried again by the usual wait.
pub(super) async fn later(
    context: &Context,
    case: &Case,
    (why, after): (&str, Option<Duration>),
) -> Result<(), Error> {
    let settings = context.now_settings();
    let limits = &settings.config.retry;
    let tries = case.row.attempts + 1;
    let wait = retry::delay(tries, limits.first_delay, limits.max_delay, after);
    // Said once, not at each try.
    if case.row.last_error.as_deref() != Some(why) {
        tracing::warn!(
            job.id = case.job.id.0,
            "{}: stays for now: {why}; tried again by itself",
            text::path(&case.job.path)
        );
    }
    let (id, why) = (case.job.id, why.to_owned());
    let run_at = fate::later(clock::now(), wait.min(limits.max_delay));
    persist(context, move |db| afterwards::later(db, id, &why, run_at)).await
}

async fn write_down(
    context: &Context,
    case: &Case,
    action: Action,
    outcome: Result<End, Trouble>,
) -> Result<(), Error> {
    let (id, now) = (case.job.id, clock::now());
    let path = text::path(&case.job.path);
    let case = case.clone();
    match outcome {
        Ok(end) => {
            tracing::info!(job.id = id.0, "{path}: {}", end.outcome);
            persist(context, move |db| match (&end.moved_to, action) {
                (Some((to, identity)), Action::FailedDir | Action::Back) => {
                    let note = end.note.as_deref();
                    afterwards::placed(db, &case, (to, identity, note), (&end.outcome, now))
                }
                (moved, _) => {
                    let to = moved.as_ref().map(|(to, _)| to.as_path());
                    afterwards::done(db, id, (&end.outcome, to), now)?;
                    afterwards::left(db, &case, end.sidecar_left, now)
                }
            })
            .await
        }
        Err(Trouble::Kept(why)) => {
            tracing::warn!(job.id = id.0, "{path}: kept where it is: {why}");
            let outcome = format!("kept: {why}");
            persist(context, move |db| {
                afterwards::done(db, id, (&outcome, None), now)
            })
            .await
        }
        Err(Trouble::Later(why)) => later(context, &case, (&why, None)).await,
        // The job has other plans: what it was about to get it did not get.
        Err(Trouble::Stopped) if !context.stop.is_cancelled() => {
            persist(context, move |db| afterwards::did_not_go(db, id)).await
        }
        Err(Trouble::Stopped) => Ok(()),
    }
}
