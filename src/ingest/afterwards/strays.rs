//! What a kill left under a hidden name in a folder that a person has renamed since: no scan looks at such a name, and
//! the job knows the folder only by its old path.
//!
//! So where the file of a job was about to get another name and is nowhere, all folders of the watch are looked
//! through once. What is found gets its own name back there; then the scan finds it, and its job follows it.
//!
//! Runs on a thread that may block.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::files::Trouble;
use super::hiding::{hidden_names, own_name, unhide};
use crate::beneath::{Folder, Kind, Place};
use crate::config::Watch;
use crate::queue::afterwards::Case;

/// Gives what is hidden of a job its own names back, in any folder of its watch; answers whether the video was there.
pub(super) fn put_back(
    case: &Case,
    watch: Option<&Watch>,
    stopped: &dyn Fn() -> bool,
) -> Result<bool, Trouble> {
    let (Some(watch), Some(_)) = (watch, &case.row.going_to) else {
        return Ok(false);
    };
    let Ok(root) = Folder::root(&watch.path) else {
        return Ok(false);
    };
    let mut folders = vec![PathBuf::new()];
    let mut is_found = false;
    while let Some(below) = folders.pop() {
        if stopped() {
            return Err(Trouble::Stopped);
        }
        // One that cannot be listed is looked through at no other time either.
        let Ok(entries) = root.folder(&below).and_then(|folder| folder.list()) else {
            continue;
        };
        let folder = entries.folder().clone();
        for (name, kind) in entries.flatten() {
            if kind == Kind::Folder && !name.as_encoded_bytes().starts_with(b".") {
                folders.push(below.join(&name));
            }
            let at = folder.place(&name);
            if let Some(own) = own(case, &at).filter(|_| kind == Kind::File) {
                unhide(&at, &own)?;
                is_found |= Some(own.name()) == case.job.path.file_name();
            }
        }
    }
    Ok(is_found)
}

/// The own name of what this job has hidden by that name.
fn own(case: &Case, at: &Place) -> Option<Place> {
    let job = &case.job;
    if hidden_names(case).iter().any(|name| name == at.name()) {
        return Some(at.beside(job.path.file_name()?));
    }
    let own = own_name(at.name(), &job.ingest_id)?;
    Some(at.beside(OsStr::new(own)))
}
