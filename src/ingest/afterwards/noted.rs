//! What people do about failed files: a note that was deleted, or a file that was put back into its
//! folder, means that it is to be tried again.
//!
//! That a note is not there counts only where its file is: a folder that is away has neither.

use std::io;
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

use super::{Mute, complain, notes};
use crate::clock;
use crate::config::Watch;
use crate::identity::Identity;
use crate::ingest::context::Context;
use crate::ingest::persist::persist;
use crate::queue::afterwards::{self, Case};
use crate::queue::operator::Answer;
use crate::queue::{Error, JobId, operator};
use crate::text;
use crate::watch::reach;

/// What is to be done about one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Find {
    /// As it was.
    Nothing,
    /// Its note was deleted.
    Deleted,
    /// It was put back.
    PutBack,
    /// It has another name: so must the note.
    Renamed,
    /// The file is not there any more, or is another one: the note speaks of nothing.
    Orphan(PathBuf),
}

/// Looks at all of them.
pub(super) async fn look(context: &Context, mute: &mut Mute) -> Result<(), Error> {
    let cases = context.queue.jot(afterwards::noted).await?;
    if cases.is_empty() {
        return Ok(());
    }
    let settings = context.now_settings();
    let looking = spawn_blocking(move || {
        let finds = cases
            .into_iter()
            .map(|case| (find(&case, settings.watch(&case.job.watch)), case));
        finds
            .filter(|(find, _)| *find != Find::Nothing)
            .collect::<Vec<_>>()
    });
    for (find, case) in looking.await.unwrap_or_default() {
        let id = case.job.id;
        match find {
            Find::Nothing => {}
            Find::Deleted => retry(context, &case, false).await?,
            Find::PutBack => retry(context, &case, true).await?,
            Find::Renamed => rename(context, case, mute).await?,
            Find::Orphan(note) => {
                remove(context, &case, note).await;
                persist(context, move |db| afterwards::note(db, id, None)).await?;
            }
        }
    }
    Ok(())
}

pub(super) fn find(case: &Case, watch: Option<&Watch>) -> Find {
    let (job, row) = (&case.job, &case.row);
    let at = |path: &Path| reach::place(watch, path).and_then(|place| place.metadata());
    let is_there = match at(&job.path) {
        Ok(meta) => Some(Identity::of(&meta).may_still_be(&job.identity)),
        Err(error) if error.is_absence() => None,
        Err(_) => return Find::Nothing,
    };
    let is_gone = |path: &Path| at(path).is_err_and(|error| error.is_absence());
    let was_put_back = row.came_from.is_some() && row.moved_to.as_ref() != Some(&job.path);
    let Some(note) = &row.note else {
        return match is_there {
            Some(true) if was_put_back => Find::PutBack,
            _ => Find::Nothing,
        };
    };
    match (is_there, is_gone(note)) {
        (Some(true), _) if was_put_back => Find::PutBack,
        (Some(true), true) => Find::Deleted,
        (Some(true), false) if *note != notes::of_failure(&job.path) && row.came_from.is_none() => {
            Find::Renamed
        }
        (Some(false), _) | (None, false) => Find::Orphan(note.clone()),
        (Some(true), false) | (None, true) => Find::Nothing,
    }
}

/// Removes a note; should it stay, it is no more than a note too many.
async fn remove(context: &Context, case: &Case, note: PathBuf) {
    let (settings, watch) = (context.now_settings(), case.job.watch.clone());
    let removing = spawn_blocking(move || notes::remove(settings.watch(&watch), &note));
    if let Err(error) = removing.await {
        tracing::debug!(%error, "a note stays");
    }
}

async fn retry(context: &Context, case: &Case, was_put_back: bool) -> Result<(), Error> {
    let (id, now) = (case.job.id, clock::now());
    let note = case.row.note.clone();
    let answer = persist(context, move |db| {
        if was_put_back {
            afterwards::put_back(db, id)?;
        } else {
            afterwards::note(db, id, None)?;
        }
        operator::retry(db, id, now)
    })
    .await?;
    let what = if was_put_back {
        "it was put back into its folder"
    } else {
        "its note was deleted"
    };
    match answer {
        Answer::Done(_) => {
            let path = text::path(&case.job.path);
            tracing::info!(job.id = id.0, "{path}: {what}: it is tried again");
            context.ring_all();
        }
        Answer::Refused(why) => tracing::info!(job.id = id.0, "{what}, but {why}"),
    }
    if let Some(note) = note {
        remove(context, case, note).await;
    }
    Ok(())
}

async fn rename(context: &Context, case: Case, mute: &mut Mute) -> Result<(), Error> {
    let id: JobId = case.job.id;
    let (job, old) = (case.job.clone(), case.row.note);
    let settings = context.now_settings();
    let writing = spawn_blocking(move || {
        let watch = settings.watch(&job.watch);
        let note = notes::write_failure(watch, &job)?;
        if let Some(old) = old {
            notes::remove(watch, &old);
        }
        Ok::<_, io::Error>(note)
    });
    let note = match writing.await {
        Ok(Ok(note)) => Some(note),
        Ok(Err(error)) => {
            complain(&case.job.path, &error, mute);
            None
        }
        Err(_) => None,
    };
    persist(context, move |db| afterwards::note(db, id, note.as_deref())).await
}
