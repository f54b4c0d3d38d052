//! Where the file of a job is, even if a kill left something half done, and how it gets its own
//! name back.
//!
//! Runs on a thread that may block.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::files::{Trouble, cannot};
use super::hiding::{hidden_names, is_going, unhide};
use crate::beneath::{Error, Folder, Place};
use crate::config::Watch;
use crate::identity::Identity;
use crate::ingest::source::{self, Problem};
use crate::queue::Job;
use crate::queue::afterwards::Case;
use crate::watch::reach;
use crate::{chain, text};

/// Where a file was found.
#[derive(Debug)]
pub(super) enum Found {
    /// Under its own name, or under the hidden one.
    Here(Place),
    /// Under the name that it was about to get, and nothing wrote that down.
    Arrived(Place),
    /// Nowhere, as it was deleted, and nothing wrote that down. With the name that it had, if its folder is there.
    Deleted(Option<Place>),
    /// Nowhere.
    Nowhere,
    /// It may have a hidden name in a folder that is not there, as this says.
    Unknown(String),
}

/// Looks for the file of a job. That it is nowhere counts only where its folder is there.
pub(super) fn find(case: &Case, watch: Option<&Watch>) -> Result<Found, Trouble> {
    let found = look(case, watch)?;
    if !matches!(found, Found::Nowhere | Found::Deleted(_)) {
        return Ok(found);
    }
    Ok(doubt(case, watch).map_or(found, Found::Unknown))
}

fn look(case: &Case, watch: Option<&Watch>) -> Result<Found, Trouble> {
    let (job, own) = (&case.job, own(case, watch)?);
    let here = match &own {
        Some(own) => here((case, watch), own)?,
        None => None,
    };
    let Some(going_to) = &case.row.going_to else {
        return Ok(here.map_or(Found::Nowhere, Found::Here));
    };
    let is_it = |place: &Place| is_file_of(job, place);
    if notes_delete(going_to) {
        // Another file may have its name by now. Before it was about to be unlinked nothing but a person takes it away.
        return Ok(match here {
            Some(at) if is_going(at.name()) || is_it(&at) || !is_another(job, &at) => {
                Found::Here(at)
            }
            Some(_) | None if case.row.unlinks => Found::Deleted(own),
            here => here.map_or(Found::Nowhere, Found::Here),
        });
    }
    let there = reach::place(watch, going_to).ok().filter(is_it);
    Ok(match (here, there) {
        (Some(at), _) if is_it(&at) => Found::Here(at),
        (_, Some(there)) => Found::Arrived(there),
        (Some(at), None) => Found::Here(at),
        (None, None) => Found::Nowhere,
    })
}

/// What a kill left under a hidden name gets its own name back.
pub(super) fn put_back(case: &Case, watch: Option<&Watch>) -> Result<(), Trouble> {
    if let Some(own) = own(case, watch)? {
        if let Some(at) = hidden_file(case, &own)? {
            return unhide(&at, &own);
        }
        if own.is_taken() {
            return Ok(());
        }
    }
    doubt(case, watch).map_or(Ok(()), |why| Err(Trouble::Later(why)))
}

/// Of a file that may have a hidden name: why it is not known whether its folder is there. `None`: it is, or has gone
/// from a folder that is.
///
/// A mount point without its mount is on another device, and empty. What a folder is renamed to is known only by its
/// watch, all of which was looked through before: without it a folder that is not there is in doubt.
fn doubt(case: &Case, watch: Option<&Watch>) -> Option<String> {
    let job = &case.job;
    let folder = job.path.parent().filter(|_| may_be_hidden(case))?;
    let waits = |why: &str| {
        Some(format!(
            "{why} The file may have a hidden name there; it gets its own back once the folder is back"
        ))
    };
    let root = reach::root(watch, &job.path);
    match source::absence((&job.path, &job.identity), root) {
        Problem::Gone => {}
        away => return waits(&chain(&away)),
    }
    let is_there = |folder: &Folder| {
        let meta = folder.metadata();
        meta.is_ok_and(|meta| meta.dev().cast_signed() == job.identity.dev)
            || source::has_entries(folder)
    };
    let above = folder.ancestors().take_while(|above| {
        let is_in_watch = root.is_some_and(|root| above.starts_with(root));
        is_in_watch || *above == folder
    });
    let mut above = above.filter_map(|path| match watch {
        Some(watch) => reach::folder(watch, path).ok(),
        None => Folder::root(path).ok(),
    });
    if above.next().is_some_and(|folder| is_there(&folder)) {
        return None;
    }
    let shown = text::path(folder);
    waits(&format!(
        "the folder {shown} is not there; is its disk or share mounted?"
    ))
}

/// Whether the file has its own name.
pub(super) fn has_its_name(case: &Case, watch: Option<&Watch>) -> bool {
    let own = reach::place(watch, &case.job.path);
    own.is_ok_and(|own| is_file_of(&case.job, &own) && !is_another(&case.job, &own))
}

/// The place of its own name. `None`: its folder is not there.
fn own(case: &Case, watch: Option<&Watch>) -> Result<Option<Place>, Trouble> {
    match reach::place(watch, &case.job.path) {
        Ok(own) => Ok(Some(own)),
        Err(Error::Absent(_)) => is_gone_unless_hidden(case, watch).map(|()| None),
        Err(error) => Err(cannot("reach it", error)),
    }
}

fn here((case, watch): (&Case, Option<&Watch>), own: &Place) -> Result<Option<Place>, Trouble> {
    if let Some(hidden) = hidden_file(case, own)? {
        return Ok(Some(hidden));
    }
    match own.metadata() {
        Ok(_) => Ok(Some(own.clone())),
        Err(Error::Absent(_)) => is_gone_unless_hidden(case, watch).map(|()| None),
        Err(error) => Err(cannot("access it", error)),
    }
}

/// The hidden name that has a file.
fn hidden_file(case: &Case, own: &Place) -> Result<Option<Place>, Trouble> {
    for name in hidden_names(case) {
        let place = own.beside(&name);
        match place.metadata() {
            Ok(meta) if meta.is_file() => return Ok(Some(place)),
            Ok(_) | Err(Error::Absent(_)) => {}
            Err(error) => return Err(cannot("access it", error)),
        }
    }
    Ok(None)
}

/// Whether an attempt may have left the file under a hidden name.
fn may_be_hidden(case: &Case) -> bool {
    case.row.going_to.is_some() || case.row.copy.is_some()
}

/// As [`is_gone`]; of a file that may have a hidden name, [`doubt`] says it.
fn is_gone_unless_hidden(case: &Case, watch: Option<&Watch>) -> Result<(), Trouble> {
    if may_be_hidden(case) {
        return Ok(());
    }
    is_gone(case, watch)
}

/// Whether a file that is not there has gone, and not its whole folder.
fn is_gone(case: &Case, watch: Option<&Watch>) -> Result<(), Trouble> {
    let job = &case.job;
    let root = reach::root(watch, &job.path);
    match source::absence((&job.path, &job.identity), root) {
        Problem::Gone => Ok(()),
        away => Err(Trouble::Later(chain(&away))),
    }
}

/// Whether the name that was noted is the hidden one by which a file is deleted.
fn notes_delete(going_to: &Path) -> bool {
    going_to.file_name().is_some_and(is_going)
}

/// Whether it is the job's file, or a copy with its times; some filesystems round them to two
/// seconds.
fn is_file_of(job: &Job, place: &Place) -> bool {
    place.metadata().is_ok_and(|meta| {
        let identity = Identity::of(&meta);
        let apart = identity.mtime_ns.abs_diff(job.identity.mtime_ns);
        meta.is_file() && identity.size == job.identity.size && apart <= 2_000_000_000
    })
}

/// Whether a file that was found under the job's name is not the one that was about to be hidden.
pub(super) fn is_another_than_hidden(case: &Case, at: &Place) -> bool {
    let noted = case.row.going_to.as_deref();
    noted.is_some_and(notes_delete) && !is_going(at.name()) && is_another(&case.job, at)
}

/// Whether another file than the job's, not that one with other bytes, has the name.
fn is_another(job: &Job, place: &Place) -> bool {
    let meta = place.metadata();
    meta.is_ok_and(|meta| Identity::of(&meta).ino != job.identity.ino)
}
