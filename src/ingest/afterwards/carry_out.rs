//! One file that is due: done on a thread that may block, and written down.

use std::path::Path;

use tokio::task::spawn_blocking;

use super::act::{End, Task};
use super::files::Trouble;
use crate::config::Watch;
use crate::ingest::context::Context;
use crate::ingest::fate::later;
use crate::ingest::persist::persist;
use crate::ingest::targets::Target;
use crate::queue::afterwards::{self, Action, Case};
use crate::queue::{Error, retry};
use crate::{clock, text};

/// Does what is due, and writes down how that ended.
pub(super) async fn act(
    context: &Context,
    (case, watch): (&Case, &Watch),
    action: Action,
) -> Result<(), Error> {
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
        task.run()
    });
    let done = tokio::select! {
        done = doing => done,
        // A share that does not answer keeps its thread, and not the daemon.
        () = context.stop.cancelled() => return Ok(()),
    };
    let outcome = done.unwrap_or_else(|error| Err(Trouble::Later(error.to_string())));
    write_down(context, case, action, outcome).await
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
                    afterwards::done(db, id, (&end.outcome, to), now)
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
        Err(Trouble::Later(why)) => {
            let settings = context.now_settings();
            let limits = &settings.config.retry;
            let tries = case.row.attempts + 1;
            let wait = retry::delay(tries, limits.first_delay, limits.max_delay, None);
            // Said once, not at each try.
            if case.row.last_error.as_ref() != Some(&why) {
                tracing::warn!(
                    job.id = id.0,
                    "{path}: stays for now: {why}; tried again by itself"
                );
            }
            let run_at = later(now, wait);
            persist(context, move |db| afterwards::later(db, id, &why, run_at)).await
        }
        // The job has other plans: what it was about to get it did not get.
        Err(Trouble::Stopped) if !context.stop.is_cancelled() => {
            persist(context, move |db| afterwards::did_not_go(db, id)).await
        }
        Err(Trouble::Stopped) => Ok(()),
    }
}
