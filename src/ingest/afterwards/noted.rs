//! What people do about failed files: a note that was deleted, or a file that was put back into its
//! folder, means that it must be retried.
//!
//! That a note is not there counts only where its file is: a folder that is away has neither.

use std::io;
use std::path::{Path, PathBuf};

use super::{Mute, complain, notes};
use crate::clock;
use crate::config::Watch;
use crate::identity::Identity;
use crate::ingest::context::Context;
use crate::ingest::disk;
use crate::ingest::persist::persist;
use crate::queue::afterwards::{self, Case};
use crate::queue::operator::Answer;
use crate::queue::{Error, JobId, operator};
use crate::text;
use crate::watch::reach;

/// What to do about one.
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

/// Looks at those of one watch.
pub(super) async fn look(
    context: &Context,
    (watch, cases): (&str, Vec<Case>),
    mute: &mut Mute,
) -> Result<(), Error> {
    if cases.is_empty() {
        return Ok(());
    }
    let settings = context.now_settings();
    let name = watch.to_owned();
    let looking = disk::within(context, watch, move || {
        let finds = cases
            .into_iter()
            .map(|case| (find(&case, settings.watch(&name)), case));
        finds
            .filter(|(find, _)| *find != Find::Nothing)
            .collect::<Vec<_>>()
    });
    for (find, case) in looking.await.unwrap_or_default() {
        settle(context, (find, case), mute).await?;
    }
    Ok(())
}

async fn settle(
    context: &Context,
    (find, case): (Find, Case),
    mute: &mut Mute,
) -> Result<(), Error> {
    let id = case.job.id;
    match find {
        Find::Nothing => Ok(()),
        Find::Deleted => retry(context, &case, false).await,
        Find::PutBack => retry(context, &case, true).await,
        Find::Renamed => rename(context, case, mute).await,
        Find::Orphan(note) => {
            remove(context, &case, note).await;
            persist(context, move |db| afterwards::note(db, id, None)).await
        }
    }
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
    let name = watch.clone();
    let removing = disk::within(context, &watch, move || {
        notes::remove(settings.watch(&name), &note);
    });
    if removing.await.is_none() {
        tracing::debug!(job.id = case.job.id.0, "a note stays");
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
            tracing::info!(job.id = id.0, "{path}: {what}: it is retried");
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
    let owned = case.clone();
    let settings = context.now_settings();
    let name = case.job.watch.clone();
    let writing = disk::within(context, &name, move || {
        let watch = settings.watch(&owned.job.watch);
        let note = notes::write_failure(watch, &owned)?;
        if let Some(old) = &owned.row.note {
            notes::remove(watch, old);
        }
        Ok::<_, io::Error>(note)
    });
    let note = match writing.await {
        Some(Ok(note)) => Some(note),
        Some(Err(error)) => {
            complain(&case.job.path, &error, mute);
            None
        }
        // It is found again as it is.
        None => return Ok(()),
    };
    persist(context, move |db| afterwards::note(db, id, note.as_deref())).await
}
