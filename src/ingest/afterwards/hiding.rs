//! The hidden names that files have for a moment, and how they get their own back.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use super::files::{Trouble, cannot, every_name_is_taken, sync};
use super::names::names;
use crate::beneath::{HIDDEN, Place};
use crate::queue::afterwards::Case;

/// Where the file is: under its own name, or under the hidden one that a kill left it with.
pub(super) fn place(own: &Place, mark: &str) -> Place {
    let going = hidden(own, mark, "going");
    let is_there = going.metadata().is_ok_and(|meta| meta.is_file());
    if is_there { going } else { own.clone() }
}

/// A file that a kill left under its hidden name gets its own name back, or a numbered one where another
/// file has that: a watch looks at no hidden name.
pub(in crate::ingest) fn put_back(own: &Place, mark: &str) -> Result<(), Trouble> {
    let at = place(own, mark);
    if at.name() == own.name() {
        return Ok(());
    }
    unhide(&at, own)
}

/// What has a hidden name gets its own, or a numbered one where another file has that.
pub(super) fn unhide(at: &Place, own: &Place) -> Result<(), Trouble> {
    for name in names(own.name()) {
        let to = own.beside(&name);
        match at.rename_new(&to) {
            Ok(()) => {
                tracing::info!("{}: put back", crate::text::path(to.path()));
                return sync(&to);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(cannot("put it back", error)),
        }
    }
    Err(every_name_is_taken(own))
}

/// The hidden names that the file of a job may have: the one that was noted before the file got it, that which goes with
/// its copy, and the one that it would get now. They differ where the job has another ingest id by now.
pub(super) fn hidden_names(case: &Case) -> Vec<OsString> {
    let noted = case.row.going_to.as_deref().and_then(Path::file_name);
    let noted = noted.filter(|name| is_going(name)).map(OsStr::to_owned);
    let copy = case.row.copy.as_deref().and_then(Path::file_stem);
    let by_copy = copy.map(|stem| [stem, OsStr::new(".going")].into_iter().collect());
    let usual = OsString::from(format!("{HIDDEN}{}.going", case.job.ingest_id));
    noted.into_iter().chain(by_copy).chain([usual]).collect()
}

/// Whether a name is a hidden one by which a file goes.
pub(super) fn is_going(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(HIDDEN.as_bytes()) && name.ends_with(b".going")
}

/// A name beside a file that no watch looks at.
pub(super) fn hidden(beside: &Place, mark: &str, ending: &str) -> Place {
    beside.beside(&OsString::from(format!("{HIDDEN}{mark}.{ending}")))
}

/// The name of a file that is hidden by its own name: `<ingest id>.<name>`.
pub(super) fn own_name<'a>(name: &'a OsStr, mark: &str) -> Option<&'a str> {
    let marked = name.to_str()?.strip_prefix(HIDDEN)?;
    let own = marked.strip_prefix(mark)?.strip_prefix('.')?;
    own.strip_suffix(".going").filter(|own| !own.is_empty())
}

/// What a file that goes is hidden by, so that its own name can be read from the hidden one; none where it is too
/// long, or no text.
pub(super) fn mark_of(name: &OsStr, mark: &str) -> Option<String> {
    let marked = format!("{mark}.{}", name.to_str()?);
    let length = HIDDEN.len() + marked.len() + ".going".len();
    (length <= LONGEST_NAME).then_some(marked)
}

/// Bytes of a name, on most filesystems.
pub(super) const LONGEST_NAME: usize = 255;
