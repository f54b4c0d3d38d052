//! That it waits to settle, since when and for what.

use jiff::{SignedDuration, Timestamp};

use super::super::conclusion::Conclusion;
use super::super::facts::Facts;
use super::Fact;
use super::file::moment;
use crate::watch::inspection::Found;
use crate::watch::{Missing, Waiting};
use crate::wording::text;
use crate::wording::time::Present;

/// The facts.
pub(super) fn facts(
    facts: &Facts<'_>,
    conclusion: &Conclusion<'_>,
    present: &Present,
) -> Vec<Fact> {
    let Some(settling) = &facts.known.settling else {
        return Vec::new();
    };
    let seen = format!(
        "seen by {} in watch {}; waiting to settle since then",
        text::line(&settling.seen_by),
        text::line(&settling.watch)
    );
    let mut told = vec![Fact::new(settling.since, "settling", seen)];
    let why = text::line(&settling.waiting_for);
    if facts.daemon == Some(false) {
        let what = format!("when the daemon was stopped, it waited: {why}");
        told.push(Fact::new(present.now, "settling", what));
        return told;
    }
    if !matches!(conclusion, Conclusion::Settling(..)) {
        told.push(Fact::new(
            present.now,
            "settling",
            format!("it waits: {why}"),
        ));
    }
    if let Some(ending) = ending(&settling.waiting_for) {
        told.push(Fact::new(present.now, "evidence", ending));
    }
    told.extend(tell_rest(facts, settling.since, present));
    told
}

/// When the rest that it needs will be over, by what one look can tell.
fn tell_rest(facts: &Facts<'_>, since: Timestamp, present: &Present) -> Option<Fact> {
    let Some(Found::Still(found)) = &facts.disk.found else {
        return None;
    };
    let rest = SignedDuration::try_from(found.rest?).ok()?;
    let changed = moment(found.identity.mtime_ns.max(found.identity.ctime_ns));
    let at = changed.max(since).checked_add(rest).ok()?;
    let text = match found.waits_for {
        Waiting::Incomplete(_) => "it counts as failed, if it stays as it is (incomplete-after)",
        _ => "it settles at this time at the latest, if it stays as it is",
    };
    (at > present.now).then(|| Fact::new(at, "next", text))
}

/// Whether the end of its writing was announced, as far as the daemon's reason tells.
fn ending(why: &str) -> Option<&'static str> {
    let is = |waiting: Waiting| waiting.to_string() == why;
    let quiet = [Missing::Blocks, Missing::EndMark, Missing::Container];
    if is(Waiting::Quiet(Missing::Ending)) {
        Some("closed after writing, or renamed into place: not reported by the kernel")
    } else if is(Waiting::Sure) || quiet.into_iter().any(|missing| is(Waiting::Quiet(missing))) {
        Some("closed after writing, or renamed into place: reported by the kernel")
    } else {
        None
    }
}
