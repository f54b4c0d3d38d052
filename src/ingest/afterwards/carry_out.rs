//! One file that is due: done on a thread that may block, and written down.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use super::ask::{self, Silent};
use super::files::Trouble;
use super::follow;
use super::task::{End, Note, Task, Whereabouts};
use crate::config::Watch;
use crate::ingest::context::Context;
use crate::ingest::disk::{self, Progress};
use crate::ingest::moments;
use crate::ingest::persist::persist;
use crate::ingest::targets::Target;
use crate::queue::afterwards::{self, Action, Case, File};
use crate::queue::{Error, JobId, State, retry};
use crate::{clock, text};

/// Does what is due, and writes down how that ended; nothing where the platform does not say, right before,
/// that it has what was sent.
pub(super) async fn act(
    context: &Context,
    (case, watch): (&Case, &Watch),
    (action, silent): (Action, &mut Silent),
) -> Result<(), Error> {
    if ask::is_asked_for(action) && !ask::may_try(context, (case, watch), silent).await? {
        return Ok(());
    }
    let what: What<End> = |task| match task.case.row.sidecar_left {
        Some(went) => task.follow(went),
        None => task.run(),
    };
    match run(context, (case, Some(watch)), (action, what)).await {
        Some(Err(Trouble::NotUp(refused))) => {
            ask::settle(context, (case, watch), *refused, silent).await
        }
        Some(outcome) => write_down(context, case, action, outcome).await,
        None => Ok(()),
    }
}

/// The file is not to go: what a kill left half done is ended or taken back. Answers whether the table says
/// now where the file is.
pub(super) async fn take_back(
    context: &Context,
    (case, watch): (&Case, Option<&Watch>),
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
            Ok(true)
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
    (case, watch): (&Case, Option<&Watch>),
    (action, what): (Action, What<T>),
) -> Option<Result<T, Trouble>> {
    let silent = silent(case, watch, action);
    let (owned, watch, to_thread) = (case.clone(), watch.cloned(), context.clone());
    let limit = context.now_settings().config.upload.stall_timeout;
    let place = (&context.hanging, limit);
    let doing = disk::work(place, &case.job.watch, move |progress| {
        let which = (&owned, watch.as_ref());
        run_here((&to_thread, progress), which, (action, what))
    });
    let done = tokio::select! {
        done = doing => done,
        // A share that does not answer keeps its thread, and not the daemon.
        () = context.stop.cancelled() => return None,
    };
    Some(done.unwrap_or_else(|| Err(Trouble::Later(silent))))
}

/// Why nothing happened: one of the folders that it has to do with does not answer.
fn silent(case: &Case, watch: Option<&Watch>, action: Action) -> String {
    let folder = text::path(case.job.path.parent().unwrap_or(&case.job.path));
    let target = watch.and_then(|watch| match action {
        Action::Move => watch.afterwards.move_to.as_deref(),
        Action::FailedDir => watch.afterwards.failed_dir.as_deref(),
        Action::Back => case.row.came_from.as_deref().and_then(Path::parent),
        // In the watch folder, or nowhere.
        Action::Undecided | Action::None | Action::Keep | Action::Trash | Action::Delete => None,
    });
    let place = match target {
        Some(target) => format!("{folder} or {}", text::path(target)),
        None => folder,
    };
    format!("{place} does not answer; is the server of its share running?")
}

/// Blocks. Once nothing waits for it any more it stops, as another attempt may be on its way.
fn run_here<T>(
    (context, progress): (&Context, &Progress),
    (case, watch): (&Case, Option<&Watch>),
    (action, what): (Action, What<T>),
) -> Result<T, Trouble> {
    let stopped = || progress.step() || context.stop.is_cancelled();
    let goes_on = || {
        if progress.step() {
            Err(Trouble::Stopped)
        } else {
            Ok(())
        }
    };
    let asked = Cell::new(None);
    let permit = |to: Option<&Path>| {
        goes_on()?;
        asked.set(ask::is_asked_for(action).then(ask::Moment::now));
        progress.rest(|| ask::permit(context, (case, watch, action), to))?;
        goes_on()?;
        asked.get().map_or(Ok(()), ask::Moment::check_fresh)
    };
    let is_fresh = || {
        goes_on()?;
        if !ask::is_wanted_still(context, (case, watch, action)) {
            return Err(Trouble::Stopped);
        }
        asked.get().map_or(Ok(()), ask::Moment::check_fresh)
    };
    let target = |folder: &Path| {
        let target = Target::look(watch.ok_or(Trouble::Stopped)?, folder);
        let asked = progress.rest(|| context.queue.write_blocking(move |db| target.ask(db)));
        let answer = asked.map_err(|error| Trouble::Later(crate::chain(&error)))?;
        answer.map_err(Trouble::Later)
    };
    let note = |note: Note| {
        goes_on()?;
        progress.rest(|| write_note(context, case.job.id, note))
    };
    what(&Task {
        case,
        watch,
        action,
        stopped: &stopped,
        permit: &permit,
        is_fresh: &is_fresh,
        target: &target,
        note: &note,
    })
}

fn write_note(context: &Context, id: JobId, note: Note) -> Result<(), Trouble> {
    let written = context.queue.write_blocking(move |db| match note {
        Note::Unlinks => afterwards::unlinks(db, id),
        Note::HasItsName => afterwards::did_not_go(db, id).map(|()| true),
        Note::Copies(copy) => afterwards::copies(db, id, &copy),
    });
    match written {
        Ok(true) => Ok(()),
        Ok(false) => Err(Trouble::Stopped),
        Err(error) => Err(Trouble::Later(crate::chain(&error))),
    }
}

/// The video of a sidecar that was to follow is not up any more: it stays.
pub(super) async fn stays(context: &Context, case: &Case, why: &str) -> Result<(), Error> {
    let (id, now, case) = (case.job.id, clock::now(), case.clone());
    let outcome = format!("{}; its sidecar stayed: {why}", follow::so_far(&case));
    persist(context, move |db| {
        afterwards::done(db, id, (&outcome, File::Stayed), now)?;
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
    // Said once, not at each attempt.
    if case.row.last_error.as_deref() != Some(why) {
        tracing::warn!(
            job.id = case.job.id.0,
            "{}: stays for now: {why}; jw-ingest tries again by itself",
            text::path(&case.job.path)
        );
    }
    let (id, why) = (case.job.id, why.to_owned());
    let run_at = moments::later(clock::now(), wait.min(limits.max_delay));
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
            persist(context, move |db| {
                let file = match &end.file {
                    Whereabouts::Moved(to, identity)
                        if matches!(action, Action::FailedDir | Action::Back) =>
                    {
                        let note = end.note.as_deref();
                        let place = (to.as_path(), identity, note);
                        return afterwards::placed(db, &case, place, (&end.outcome, now));
                    }
                    Whereabouts::Moved(to, _) => File::Moved(to),
                    Whereabouts::Deleted => File::Deleted,
                    Whereabouts::Same => File::Stayed,
                };
                afterwards::done(db, id, (&end.outcome, file), now)?;
                afterwards::left(db, &case, end.sidecar_left, now)
            })
            .await
        }
        Err(Trouble::Changed) => changed(context, &case).await,
        Err(Trouble::Later(why)) => later(context, &case, (&why, None)).await,
        Err(Trouble::NotUp(refused)) => later(context, &case, (&refused.words(), None)).await,
        // The job has other plans, or the daemon stops. What was noted stays so: by it the next look knows what became
        // of the file.
        Err(Trouble::Stopped) => Ok(()),
    }
}

/// It stays; what it is by now is a job of its own once it has settled.
async fn changed(context: &Context, case: &Case) -> Result<(), Error> {
    let (job, now) = (&case.job, clock::now());
    let since = if job.state == State::Failed {
        "its upload had failed"
    } else {
        "it was uploaded"
    };
    let (id, path) = (job.id, text::path(&job.path));
    let outcome = format!("kept: it changed after {since}");
    tracing::warn!(job.id = id.0, "{path}: {outcome}");
    persist(context, move |db| {
        afterwards::changed(db, id, &outcome, now)
    })
    .await?;
    context.settle_again(&job.watch, job.path.clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::tests::ground::Ground;

    #[tokio::test]
    async fn nothing_is_begun_with_a_file_whose_disk_hangs() {
        let ground = Ground::new();
        let context = &ground.context;
        ground.enqueue(&ground.file("a.mp4")).await;
        let now = clock::now();
        let cases = context.queue.write(move |db| {
            db.execute_batch(
                "UPDATE jobs SET state = 'done', step = 'confirm', video_key = 'abcdefgh', finished_at = created_at",
            )?;
            afterwards::due(db, now, 9)
        });
        let case = cases.await.unwrap().remove(0);
        let _answer = ground.hang().await;
        let settings = context.now_settings();
        let what: What<End> = |_| Err(Trouble::Later("begun".to_owned()));
        let which = (&case, settings.watch("news"));
        let done = run(context, which, (Action::Delete, what)).await;
        let Some(Err(Trouble::Later(why))) = done else {
            panic!("{done:?}");
        };
        assert!(why.contains("does not answer"), "{why}");
    }

    /// The configuration is read again right when a file that was deleted is seen to: it is kept from now on.
    #[tokio::test]
    async fn a_file_that_was_deleted_is_said_to_be_whatever_the_configuration_says_by_then() {
        let ground = Ground::new();
        let context = &ground.context;
        ground.enqueue(&ground.file("a.mp4")).await;
        let hidden = ground.file(".jw-ingest-7.going").path;
        let now = clock::now();
        let cases = context.queue.write(move |db| {
            db.execute_batch(
                "UPDATE jobs SET state = 'done', step = 'confirm', video_key = 'abcdefgh', finished_at = created_at;
                 UPDATE afterwards SET action = 'delete', attempts = 1;",
            )?;
            let case = afterwards::due(db, now, 9)?.remove(0);
            assert!(afterwards::going(db, &case, None, Some(&hidden))?);
            assert!(afterwards::unlinks(db, case.job.id)?);
            afterwards::due(db, now, 9)
        });
        let case = cases.await.unwrap().remove(0);
        let id = case.job.id;
        std::fs::write(ground.file("b.mp4").path, "another").unwrap();
        // Asked whether what is beside it may go; this configuration keeps files.
        let wants = ask::is_wanted_still(
            context,
            (&case, context.now_settings().watch("news"), Action::Delete),
        );
        assert!(!wants);
        write_down(context, &case, Action::Delete, Err(Trouble::Stopped))
            .await
            .unwrap();
        let again = context.queue.jot(move |db| afterwards::due_still(db, id));
        let again = again.await.unwrap().unwrap();
        let memory = (&mut super::super::Mute::new(), &mut Silent::new());
        super::super::one(context, again, memory).await.unwrap();
        let row = context.queue.jot(move |db| afterwards::of(db, id));
        let outcome = row.await.unwrap().unwrap().outcome;
        assert_eq!(outcome.as_deref(), Some("deleted"));
    }
}
