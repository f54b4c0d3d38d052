//! What is at the path, and what its watch makes of it.

use jiff::{SignedDuration, Timestamp};

use super::super::answer;
use super::super::conclusion::Conclusion;
use super::super::disk::Thing;
use super::super::facts::Facts;
use super::Fact;
use crate::config::Watch;
use crate::identity::Identity;
use crate::patience;
use crate::watch::container::Verdict as Container;
use crate::watch::inspection::{Found, Inspection};
use crate::watch::select::Verdict;
use crate::watch::writer::Writer;
use crate::wording::text;
use crate::wording::time::Present;

/// The facts.
pub(super) fn facts(
    facts: &Facts<'_>,
    conclusion: &Conclusion<'_>,
    present: &Present,
) -> Vec<Fact> {
    let now = present.now;
    let mut told = tell_thing(facts, now);
    told.push(Fact::new(now, "watch", watch(facts)));
    told.extend(facts.disk.silent.iter().map(|folder| {
        let text = format!(
            "{} {}",
            text::path(folder),
            patience::unanswered(patience::FOLDER)
        );
        Fact::new(now, "folder", text)
    }));
    let is_file = matches!(facts.disk.thing, Thing::File { .. });
    if let (Some(Verdict::Taken), Some(pattern), true) =
        (&facts.disk.verdict, &facts.disk.included_by, is_file)
    {
        let rule = format!("matches include pattern {pattern:?}; no exclude pattern applies");
        told.push(Fact::new(now, "rule", rule));
    }
    // A file with a job has settled.
    let is_settled = matches!(conclusion, Conclusion::Job(_));
    let is_taken = facts.disk.verdict == Some(Verdict::Taken);
    if !is_file || is_settled || !is_taken {
        return told;
    }
    if let Some(watch) = facts.owner() {
        told.push(Fact::new(now, "settle", tell_settling(watch)));
    }
    match &facts.disk.found {
        Some(Found::Still(found)) => told.extend(tell_evidence(found, now)),
        Some(Found::Moving) => {
            let what = "it changed while it was read";
            told.push(Fact::new(now, "evidence", what));
        }
        Some(Found::Nothing) | None => {}
    }
    told
}

fn tell_thing(facts: &Facts<'_>, now: Timestamp) -> Vec<Fact> {
    let (identity, writer) = match &facts.disk.thing {
        Thing::File { identity, writer } => (identity, writer),
        other => return vec![Fact::new(now, "file", no_file(other))],
    };
    let mut told = Vec::new();
    let content = moment(identity.mtime_ns);
    told.push(Fact::new(content, "file", "its content was last changed"));
    let anything = moment(identity.ctime_ns);
    if anything.duration_since(content).abs() >= SignedDuration::from_secs(1) {
        let what = "its name, permissions or content were last changed";
        told.push(Fact::new(anything, "file", what));
    }
    let size = format!("it has {}", text::size_in_full(identity.size));
    told.push(Fact::new(now, "file", size));
    let writer = format!("{}{}", writer_words(writer), answer::by_whom(facts));
    told.push(Fact::new(now, "writer", writer));
    told
}

fn no_file(thing: &Thing) -> String {
    match thing {
        Thing::File { .. } => String::new(),
        Thing::Nothing => "there is no such file".to_owned(),
        Thing::Folder(None) => "it is a folder".to_owned(),
        Thing::Folder(Some(error)) => format!("it is a folder that cannot be listed: {error}"),
        Thing::Link(target) => format!("it is a symbolic link to {}", text::path(target)),
        Thing::Other => "it is a device, pipe, or socket".to_owned(),
        Thing::OutOfReach(error) => format!("it cannot be accessed: {error}"),
    }
}

/// Whether a program writes it, in words.
pub(in super::super) fn writer_words(writer: &Result<Writer, std::io::Error>) -> String {
    match writer {
        Ok(Writer::None) => "no program has it open for writing".to_owned(),
        Ok(Writer::Present) => "a program has it open for writing".to_owned(),
        Ok(Writer::Unknown(reason)) => format!("unknown: {reason}"),
        Err(error) => format!("unknown, because the file cannot be opened: {error}"),
    }
}

/// The watch, and whether it takes the path.
fn watch(facts: &Facts<'_>) -> String {
    let Some(watch) = facts.owner() else {
        return "none".to_owned();
    };
    let taken = match (&facts.disk.verdict, &facts.disk.thing) {
        (Some(Verdict::Ignored(rule)), _) => {
            format!("ignores it: {}", text::line(&rule.to_string()))
        }
        (_, Thing::Folder(Some(_))) => "takes what is in it, as far as it can be read".to_owned(),
        (_, Thing::Folder(None)) => "takes what is in it".to_owned(),
        (_, _) => "takes it".to_owned(),
    };
    let found = facts.disk.means.map_or_else(String::new, |means| {
        // The daemon may have given events up since; its log says so.
        format!("; its files are found {means}")
    });
    format!(
        "{} ({}), account {}; {taken}{found}",
        text::line(&watch.name),
        text::path(&watch.path),
        text::line(&watch.account)
    )
}

fn tell_settling(watch: &Watch) -> String {
    let settle = SignedDuration::try_from(watch.settle).unwrap_or(SignedDuration::MAX);
    if watch.watching.done_marker.is_some() {
        return "a file of this watch settles as soon as its done-marker is there".to_owned();
    }
    format!(
        "it settles after at most {settle:#} without a change, if no sign says that it is \
             incomplete"
    )
}

/// What one look found, independent of what was announced about the file.
fn tell_evidence(found: &Inspection, now: Timestamp) -> Vec<Fact> {
    let fact = |text: String| Fact::new(now, "evidence", text);
    let mut told = Vec::new();
    let holes = found.identity.bytes().saturating_sub(found.allocated);
    if holes == 0 {
        told.push(fact("it is fully allocated on disk".to_owned()));
    } else {
        let holes = text::size(i64::try_from(holes).unwrap_or(i64::MAX));
        told.push(fact(format!(
            "{holes} of it are not on the disk (holes, or space that is only reserved)"
        )));
    }
    if let Some(container) = found.container {
        told.push(fact(format!(
            "its container: {}",
            container_words(container)
        )));
    }
    if let Some(control) = &found.control {
        told.push(fact(format!(
            "the control file {} is there, so it is still being transferred",
            text::path(control)
        )));
    }
    if let Some((marker, is_there)) = &found.marker {
        let is = if *is_there { "is there" } else { "is missing" };
        told.push(fact(format!("its done-marker {} {is}", text::path(marker))));
    }
    told
}

fn container_words(verdict: Container) -> String {
    match verdict {
        Container::Complete => "complete".to_owned(),
        Container::Unended => "complete so far; its format has no end marker".to_owned(),
        Container::Incomplete(flaw) => format!("incomplete: {flaw}"),
        Container::Unknown => "not a format whose end can be checked".to_owned(),
    }
}

/// The moment that the system gives as nanoseconds.
pub(in super::super) fn moment(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Size and times of a file, for JSON.
pub(in super::super) fn object(identity: &Identity, writer: &str) -> serde_json::Value {
    serde_json::json!({
        "size": identity.size,
        "modified_at": crate::clock::text(moment(identity.mtime_ns)),
        "changed_at": crate::clock::text(moment(identity.ctime_ns)),
        "writer": writer,
    })
}
