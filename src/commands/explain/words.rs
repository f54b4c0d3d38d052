//! What lies at the path, in words.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::super::place;
use super::super::show::text;
use super::super::show::time::Present;
use super::facts::{Facts, Thing};
use crate::config::Watch;
use crate::identity::Identity;
use crate::watch::container::{self, Verdict};
use crate::watch::select;
use crate::watch::writer::Writer;

/// What lies there; of a file also how long it rests, against what its watch asks for.
pub(super) fn thing(facts: &Facts<'_>, present: &Present) -> Vec<(&'static str, String)> {
    let (identity, writer) = match &facts.thing {
        Thing::File { identity, writer } => (identity, writer),
        Thing::Nothing => return vec![("file", "does not exist".to_owned())],
        Thing::Folder(None) => return vec![("file", "is a folder".to_owned())],
        Thing::Folder(Some(error)) => {
            return vec![(
                "file",
                format!("is a folder that cannot be listed: {error}"),
            )];
        }
        Thing::Link(target) => {
            return vec![(
                "file",
                format!("is a symbolic link to {}", text::path(target)),
            )];
        }
        Thing::Other => return vec![("file", "is a device, pipe, or socket".to_owned())],
        Thing::OutOfReach(error) => return vec![("file", format!("cannot be looked at: {error}"))],
    };
    let settle = facts.owner.map_or_else(String::new, settle_words);
    let mut words = vec![
        (
            "file",
            format!(
                "{}, last changed {}{settle}",
                text::size_in_full(identity.size),
                present.both(last_change(identity)),
            ),
        ),
        ("writer", writer_words(writer)),
    ];
    if facts.verdict == Some(select::Verdict::Taken) {
        words.push(("container", container_words(&facts.path, identity)));
    }
    words
}

fn settle_words(watch: &Watch) -> String {
    let settle = SignedDuration::try_from(watch.settle).unwrap_or(SignedDuration::MAX);
    if watch.watching.done_marker.is_some() {
        return "; it settles as soon as its done-marker is there".to_owned();
    }
    format!("; it settles after at most {settle:#} of rest, if nothing speaks against it")
}

/// What its container tells, in words.
fn container_words(path: &Path, identity: &Identity) -> String {
    let Ok(file) = place::open(path) else {
        return "unknown, since the file cannot be opened".to_owned();
    };
    match container::verdict(&file, identity.bytes()) {
        Verdict::Complete => "complete".to_owned(),
        Verdict::Unended => "complete so far; its format has no end mark".to_owned(),
        Verdict::Incomplete(flaw) => format!("incomplete: {flaw}"),
        Verdict::Unknown => "not one whose end can be checked".to_owned(),
    }
}

/// Whether somebody writes it, in words.
pub(super) fn writer_words(writer: &Result<Writer, std::io::Error>) -> String {
    match writer {
        Ok(Writer::None) => "no program has it open for writing".to_owned(),
        Ok(Writer::Present) => "a program has it open for writing".to_owned(),
        Ok(Writer::Unknown(reason)) => format!("unknown: {reason}"),
        Err(error) => format!("unknown, since the file cannot be opened: {error}"),
    }
}

fn last_change(identity: &Identity) -> Timestamp {
    moment(identity.mtime_ns.max(identity.ctime_ns))
}

/// The moment that the system gives as nanoseconds.
pub(super) fn moment(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or(Timestamp::UNIX_EPOCH)
}
