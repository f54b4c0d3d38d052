//! A last look at a file that will go: whether it is the one that was uploaded.

use std::collections::BTreeSet;
use std::fs::File;

use super::files::{self, Trouble};
use crate::beneath::Place;
use crate::chain;
use crate::config::Watch;
use crate::identity::Identity;
use crate::ingest::identify::{self, fingerprint, sums};
use crate::ingest::source::{Problem, Source};
use crate::queue::Job;
use crate::queue::afterwards::{Action, Case};
use crate::watch::reach;

/// The file, as a last look found it.
pub(super) struct Look {
    /// It, for as long as something is done to it.
    pub(super) held: File,
    /// What it was before it was read.
    pub(super) identity: Identity,
    pub(super) known: Known,
}

/// How well it is known that the file is what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Its content was compared with what was sent.
    Compared,
    /// Nothing was written to it since.
    Untouched,
    /// As far as `stat` reports: its ctime moved, and no checksum is known.
    Seemingly,
}

/// Looks at the file, and reads it if it will be deleted or was touched. `None`: it is not there.
pub(super) fn look(
    (case, watch): (&Case, Option<&Watch>),
    (at, action): (&Place, Action),
    stopped: &dyn Fn() -> bool,
) -> Result<Option<Look>, Trouble> {
    let job = &case.job;
    let root = reach::root(watch, &job.path);
    let opened = match Source::at(at.clone(), job, root) {
        Err(Problem::Changed) => match renumbered(job, at) {
            Some(job) => Source::at(at.clone(), &job, root),
            None => return Err(Trouble::Changed),
        },
        opened => opened,
    };
    let source = match opened {
        Ok(source) => source,
        Err(Problem::Gone) => return Ok(None),
        Err(Problem::Changed) => return Err(Trouble::Changed),
        // What cannot be read may have failed for just that.
        Err(Problem::Unreadable(_)) if action == Action::FailedDir => {
            let held = at.hold();
            let held = held.map_err(|error| files::cannot("access it", error))?;
            return of(held, Known::Untouched).map(Some);
        }
        Err(other) => return Err(Trouble::Later(chain(&other))),
    };
    let file = source.file().map_err(unreadable)?;
    let is_untouched = source.is_untouched_since(&job.identity);
    // What is destroyed is read once more, even if `stat` shows no change.
    if is_untouched && action != Action::Delete {
        return of(file, Known::Untouched).map(Some);
    }
    let look = of(file, Known::Compared)?;
    let known = match is_what_was_sent(case, (&look.held, &look.identity), stopped)? {
        Some(true) => Known::Compared,
        Some(false) => return Err(Trouble::Changed),
        None if is_untouched => Known::Untouched,
        None if look.identity.ino != job.identity.ino && !has_samples(job, &look.held)? => {
            return Err(Trouble::Changed);
        }
        None => Known::Seemingly,
    };
    Ok(Some(Look { known, ..look }))
}

/// The job, with the file that has its path, size and modification time and another inode, as after a restore: only its
/// content shows whether it is the same.
fn renumbered(job: &Job, at: &Place) -> Option<Job> {
    let identity = Identity::of(&at.metadata().ok()?);
    let is_alike = identity.size == job.identity.size && identity.mtime_ns == job.identity.mtime_ns;
    let job = job.clone();
    is_alike.then_some(Job { identity, ..job })
}

/// Whether the samples of a file are known, and those of the job's.
fn has_samples(job: &Job, file: &File) -> Result<bool, Trouble> {
    let Some(known) = &job.fingerprint else {
        return Ok(false);
    };
    let samples = fingerprint(file, job.identity.bytes(), identify::kind(&job.path));
    Ok(samples.map_err(unreadable)? == *known)
}

/// MD5 of what was sent, where known.
pub(super) fn md5(case: &Case) -> Option<&str> {
    let jobs = [&case.job, &case.original];
    jobs.into_iter().find_map(|job| job.md5.as_deref())
}

/// Whether a file is known to have the bytes that were sent.
pub(super) fn is_sent(
    case: &Case,
    which: (&File, &Identity),
    stopped: &dyn Fn() -> bool,
) -> Result<bool, Trouble> {
    Ok(is_what_was_sent(case, which, stopped)? == Some(true))
}

/// Whether a file is known to have other bytes than those that were sent, or other samples where no sum of them is known.
pub(super) fn is_something_else(
    case: &Case,
    file: &File,
    stopped: &dyn Fn() -> bool,
) -> Result<bool, Trouble> {
    let identity = Identity::now(file).map_err(unreadable)?;
    Ok(match is_what_was_sent(case, (file, &identity), stopped)? {
        Some(is_sent) => !is_sent,
        None => case.job.fingerprint.is_some() && !has_samples(&case.job, file)?,
    })
}

/// Reads the file, and compares it with the sum of what was sent. `None`: there is none.
fn is_what_was_sent(
    case: &Case,
    (file, identity): (&File, &Identity),
    stopped: &dyn Fn() -> bool,
) -> Result<Option<bool>, Trouble> {
    let jobs = [&case.job, &case.original];
    let parts = jobs.into_iter().find_map(|job| job.parts_md5.as_deref());
    let sizes: BTreeSet<u64> = parts.and_then(sums::part_size).into_iter().collect();
    if md5(case).is_none() && sizes.is_empty() {
        return Ok(None);
    }
    let read = sums::read(file, identity.bytes(), &sizes, stopped);
    let sums = read.map_err(unreadable)?.ok_or(Trouble::Stopped)?;
    Ok(match (md5(case), parts) {
        (Some(md5), _) => Some(sums.md5.eq_ignore_ascii_case(md5)),
        (None, Some(parts)) => sums.has_parts(parts),
        (None, None) => None,
    })
}

fn of(held: File, known: Known) -> Result<Look, Trouble> {
    let identity = Identity::now(&held).map_err(unreadable)?;
    Ok(Look {
        held,
        identity,
        known,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn unreadable(error: std::io::Error) -> Trouble {
    Trouble::Later(format!("cannot read it: {error}"))
}
