//! Hidden copies that an attempt left at a target on another disk, and that no attempt needs any more: a kill came, and
//! since then the file was renamed, changed or taken away, or is to stay.
//!
//! One that is not whole is removed, as is one whose bytes the file has still. A whole one without its file is the last
//! copy of its bytes: it gets the name that it was made for, and that is said. Where either is not known, it stays until
//! it is.

use std::path::PathBuf;

use rusqlite::Connection;

use super::files::{Trouble, exists, md5_of, sync};
use super::look;
use super::names::names;
use super::traces::{self, Found};
use crate::beneath::Place;
use crate::config::Watch;
use crate::ingest::context::Context;
use crate::ingest::disk::{self, Progress};
use crate::ingest::persist::persist;
use crate::ingest::source::has_entries;
use crate::queue::Error;
use crate::queue::afterwards::{self, Case};
use crate::text;
use crate::watch::reach;

/// What became of a copy.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is not there any more.
    Gone,
    /// It has this name now: its file is not there any more.
    Named(PathBuf),
    /// It is not known what it is, or whether its file is there.
    Unknown,
}

/// Settles the copy of a job that an attempt has noted. While the file may go yet (`is_over`: not any more), it gets no
/// name: how it ends is said then.
pub(super) async fn settle(context: &Context, case: &Case, is_over: bool) -> Result<(), Error> {
    let Some(copy) = &case.row.copy else {
        return Ok(());
    };
    let settings = context.now_settings();
    let limit = settings.config.upload.stall_timeout;
    // A target that does not answer keeps nothing else of its watch waiting for long.
    let place = text::path(copy.parent().unwrap_or(copy));
    let (owned, stop) = (case.clone(), context.stop.clone());
    let settling = move |progress: &Progress| {
        let stopped = || progress.step() || stop.is_cancelled();
        end(
            (&owned, settings.watch(&owned.job.watch)),
            is_over,
            &stopped,
        )
    };
    let settled = tokio::select! {
        settled = disk::work((&context.hanging, limit), &place, settling) => settled,
        () = context.stop.cancelled() => None,
    };
    let fate = match settled {
        Some(Ok(fate)) => fate,
        Some(Err(trouble)) => {
            tracing::debug!(job.id = case.job.id.0, "{place}: {trouble:?}");
            Fate::Unknown
        }
        None => Fate::Unknown,
    };
    write_down(context, case, fate).await
}

async fn write_down(context: &Context, case: &Case, fate: Fate) -> Result<(), Error> {
    let (id, copy) = (case.job.id, case.row.copy.clone());
    let path = text::path(&case.job.path);
    let named = match fate {
        Fate::Unknown => return Ok(()),
        Fate::Gone => None,
        Fate::Named(to) => {
            let words = format!("a whole copy of it was left at {}", text::path(&to));
            tracing::warn!(
                job.id = id.0,
                "{path}: {words}; the file itself is not there any more"
            );
            Some((to, words))
        }
    };
    persist(context, move |db: &Connection| {
        let named = named.as_ref().map(|(to, words)| (&**to, &**words));
        afterwards::settled_copy(db, id, copy.as_deref(), named)
    })
    .await
}

/// Blocks.
pub(super) fn end(
    (case, watch): (&Case, Option<&Watch>),
    is_over: bool,
    stopped: &dyn Fn() -> bool,
) -> Result<Fate, Trouble> {
    let Some(copy) = &case.row.copy else {
        return Ok(Fate::Gone);
    };
    let Ok(copy) = reach::place(watch, copy) else {
        return Ok(Fate::Unknown);
    };
    let meta = match copy.metadata() {
        Ok(meta) => meta,
        // A mount point without its mount is empty.
        Err(error) if error.is_absence() && has_entries(copy.folder()) => return Ok(Fate::Gone),
        Err(_) => return Ok(Fate::Unknown),
    };
    if !meta.is_file() {
        return Ok(Fate::Gone);
    }
    if meta.len() != case.job.identity.bytes() {
        return remove(&copy);
    }
    let found = match traces::find(case, watch)? {
        Found::Here(at) | Found::Arrived(at) => Some(at),
        Found::Deleted(_) | Found::Nowhere => None,
        Found::Unknown(_) => return Ok(Fate::Unknown),
    };
    let moved_to = case
        .row
        .moved_to
        .as_deref()
        .map(|to| reach::place(watch, to));
    let moved_to = match moved_to {
        Some(Ok(place)) => Some(place),
        Some(Err(error)) if !error.is_absence() => return Ok(Fate::Unknown),
        Some(Err(_)) | None => None,
    };
    let mut md5 = None;
    for place in found.into_iter().chain(moved_to) {
        if has_bytes(&place, (&copy, &mut md5), stopped)? {
            return remove(&copy);
        }
    }
    if is_over {
        // A file that was rewritten while it was copied left a mixture, which is no content of any file.
        if is_torn(case, &copy, stopped)? {
            return remove(&copy);
        }
        name(&copy, (case, &mut md5), stopped)
    } else {
        Ok(Fate::Unknown)
    }
}

/// Whether a copy is known to be something else than what the job has sent; of one that sent nothing that is not known.
fn is_torn(case: &Case, copy: &Place, stopped: &dyn Fn() -> bool) -> Result<bool, Trouble> {
    let file = copy
        .open()
        .map_err(|error| super::files::cannot("read it", error))?;
    look::is_something_else(case, &file, stopped)
}

fn remove(copy: &Place) -> Result<Fate, Trouble> {
    let removed = copy.remove();
    removed.map_err(|error| super::files::cannot("remove a copy", error))?;
    Ok(Fate::Gone)
}

/// The copy gets the name of its file at the target; or none, where a file there has its bytes.
fn name(
    copy: &Place,
    (case, md5): (&Case, &mut Option<String>),
    stopped: &dyn Fn() -> bool,
) -> Result<Fate, Trouble> {
    let own = case.job.path.file_name().unwrap_or_default();
    for name in names(own) {
        let to = copy.beside(&name);
        if exists(&to)? {
            if has_bytes(&to, (copy, md5), stopped)? {
                return remove(copy);
            }
            continue;
        }
        let named = copy.rename_new(&to);
        named.map_err(|error| super::files::cannot("name a copy", error))?;
        sync(&to)?;
        return Ok(Fate::Named(to.path().to_path_buf()));
    }
    Err(super::files::every_name_is_taken(copy))
}

/// Whether what is at a place has the bytes of a copy, whose MD5 is kept. What is there and cannot be read is not known.
fn has_bytes(
    place: &Place,
    (copy, md5): (&Place, &mut Option<String>),
    stopped: &dyn Fn() -> bool,
) -> Result<bool, Trouble> {
    let unreadable = |error| super::files::cannot("read it", error);
    let meta = match place.metadata() {
        Err(error) if error.is_absence() => return Ok(false),
        meta => meta.map_err(unreadable)?,
    };
    let size = copy.metadata().map_err(unreadable)?.len();
    if !meta.is_file() || meta.len() != size {
        return Ok(false);
    }
    let theirs = place.open().map_err(unreadable)?;
    let ours = match md5.take() {
        Some(known) => known,
        None => md5_of(copy.open().map_err(unreadable)?, size, stopped)?,
    };
    let is_same = md5_of(theirs, size, stopped)? == ours;
    *md5 = Some(ours);
    Ok(is_same)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::lanes::Lanes;
    use crate::ingest::tests::ground::Ground;
    use crate::queue::afterwards::{self, Action};

    #[tokio::test]
    async fn a_copy_of_a_file_that_has_gone_gets_its_name_and_is_said() {
        let ground = Ground::new();
        let context = &ground.context;
        ground.enqueue(&ground.file("a.mp4")).await;
        let up = ground.file("up").path;
        fs::create_dir(&up).unwrap();
        let copy = up.join(".jw-ingest-7.part");
        fs::write(&copy, "abc").unwrap();
        let noted = copy.clone();
        let made = context.queue.write(move |db| {
            db.execute_batch("UPDATE jobs SET state = 'done', step = 'confirm', video_key = 'abcdefgh', finished_at = created_at")?;
            db.execute(
                "UPDATE afterwards SET action = 'move', due_at = NULL, outcome = 'left alone', copy = ?1",
                [noted.to_str()],
            )?;
            Ok(afterwards::copied(db)?.remove(0).job.id)
        });
        let id = made.await.unwrap();
        let mut lanes = Lanes::default();
        lanes.begin(context).await.unwrap();
        lanes.ended().await.unwrap();
        let row = context.queue.jot(move |db| afterwards::of(db, id));
        let row = row.await.unwrap().unwrap();
        let named = up.join("a.mp4");
        assert_eq!(fs::read_to_string(&named).unwrap(), "abc");
        assert!(!copy.exists());
        let said = format!(
            "left alone; a whole copy of it was left at {}",
            named.display()
        );
        assert_eq!(row.outcome.as_deref(), Some(&*said));
        assert_eq!(
            (row.action, row.copy, row.moved_to),
            (Action::Move, None, Some(named))
        );
    }
}
