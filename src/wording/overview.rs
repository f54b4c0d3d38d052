//! The present state in words: what runs, what waits, and what needs a person.

use std::path::Path;

use jiff::Timestamp;

use super::notices;
use super::text;
use super::time::{Present, span};
use crate::config::Problems;
use crate::queue::daemon::Daemon;
use crate::queue::folders::{Folder, Reach};
use crate::queue::overview::{Condition, Overview, Sending, Uploaded};

/// One line about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// What it is about, e.g. `watch news`.
    pub subject: String,
    /// How it is.
    pub text: String,
    /// Whether a person is needed.
    pub needs_person: bool,
}

/// The state in one sentence, also the service's status line. `runs`: whether a daemon runs, as far as we may look.
pub(crate) fn verdict(overview: &Overview, runs: Option<bool>, now: Timestamp) -> String {
    let Overview {
        running,
        queued,
        confirming,
        failed,
        held,
        paused,
        folders,
        daemon,
        ..
    } = overview;
    let held = match held {
        0 => String::new(),
        _ => format!(", {held} held"),
    };
    let (mut parts, uploading) = match runs {
        Some(false) => (vec!["the daemon does not run".to_owned()], "interrupted"),
        Some(true) | None => (Vec::new(), "uploading"),
    };
    parts.push(format!(
        "{running} {uploading}, {queued} queued, {confirming} waiting for ready, {failed} failed{held}"
    ));
    for paused in paused {
        parts.push(format!(
            "account {} is paused: {}",
            paused.account, paused.reason
        ));
    }
    let watched = folders.iter().filter(|_| runs != Some(false));
    parts.extend(watched.filter_map(|folder| {
        let why = away(folder, now)?;
        Some(format!("watch {} {why}", folder.watch))
    }));
    if daemon
        .as_ref()
        .is_some_and(|daemon| daemon.refused.is_some())
    {
        parts.push("the configuration on disk is refused".to_owned());
    }
    parts.join("; ")
}

/// Each thing in a line: the daemon, paused accounts, the watches in this order, what happens now, and what needs a
/// person. `runs`: whether a daemon runs, as far as we may look.
pub(crate) fn lines(
    overview: &Overview,
    now: Line,
    (runs, watches): (Option<bool>, &[String]),
    present: &Present,
) -> Vec<Line> {
    let mut lines = vec![daemon(overview.daemon.as_ref(), runs, present)];
    lines.extend(overview.paused.iter().map(|paused| Line {
        subject: format!("account {}", paused.account),
        text: notices::pause(paused, present),
        needs_person: notices::needs_person(paused),
    }));
    lines.extend(overview.clocks.iter().map(|skewed| Line {
        subject: "clock".to_owned(),
        text: notices::clock(skewed, present),
        needs_person: true,
    }));
    lines.extend(watches.iter().map(|name| {
        let folder = overview.folders.iter().find(|folder| folder.watch == *name);
        watch(name, folder, (runs, present))
    }));
    lines.push(now);
    lines.extend(attention(overview));
    lines
}

fn daemon(daemon: Option<&Daemon>, runs: Option<bool>, present: &Present) -> Line {
    let since = daemon.map(|daemon| {
        let seconds = present.now.duration_since(daemon.started_at).as_secs();
        format!(" for {}", span(seconds))
    });
    let refused = daemon.and_then(|daemon| daemon.refused.as_ref());
    let (text, is_well) = match (runs, refused) {
        (Some(false), _) => {
            let text =
                "does not run: nothing is uploaded until it is started (systemctl start jw-ingest)";
            (text.to_owned(), false)
        }
        (_, Some((at, why))) => (
            format!(
                "runs{}, with the configuration from before; the one on disk is refused since {}: {}; once it is right: systemctl reload jw-ingest",
                since.unwrap_or_default(),
                present.both(*at),
                text::line(why.trim())
            ),
            false,
        ),
        (Some(true), None) => (format!("runs{}", since.unwrap_or_default()), true),
        (None, None) => {
            let text = "your permissions do not show whether it runs";
            (text.to_owned(), true)
        }
    };
    Line {
        subject: "daemon".to_owned(),
        text,
        needs_person: !is_well,
    }
}

fn watch(name: &str, folder: Option<&Folder>, (runs, present): (Option<bool>, &Present)) -> Line {
    let (text, needs_person) = match folder {
        _ if runs == Some(false) => ("not watched while the daemon does not run".to_owned(), false),
        None => (
            "not watched: the daemon that runs does not know it; reload the configuration (systemctl reload jw-ingest)"
                .to_owned(),
            true,
        ),
        Some(folder) => match offline(folder, present) {
            Some(why) => (why, true),
            None if folder.condition(present.now) == Condition::Starting => {
                ("is looked at for the first time".to_owned(), false)
            }
            None => (format!("ok, files are found {}", folder.seen.detail), false),
        },
    };
    Line {
        subject: format!("watch {name}"),
        text,
        needs_person,
    }
}

/// That a watch folder is offline, since when, why, and what to do; nothing where it is not.
pub(crate) fn offline(folder: &Folder, present: &Present) -> Option<String> {
    let since = match folder.condition(present.now) {
        Condition::Silent => folder.began,
        Condition::Ok | Condition::Starting | Condition::Away(_) => folder.since,
    };
    let (why, remedy) = (away(folder, present.now)?, remedy(folder, present.now));
    Some(format!("{why}, since {}{remedy}", present.both(since)))
}

/// That it is offline, and why.
fn away(folder: &Folder, now: Timestamp) -> Option<String> {
    match folder.condition(now) {
        Condition::Ok | Condition::Starting => None,
        Condition::Silent => Some("does not answer".to_owned()),
        Condition::Away(_) => Some(format!("is offline: {}", text::line(&folder.seen.detail))),
    }
}

/// What to do. Where the system's words say it already, nothing more.
fn remedy(folder: &Folder, now: Timestamp) -> &'static str {
    match folder.condition(now) {
        Condition::Silent => "; its disk or its server hangs: check the mount",
        Condition::Away(Reach::Missing) => {
            "; mount its disk or share, or make the folder; it is tried again by itself"
        }
        Condition::Away(Reach::Denied) => {
            "; let the service's user read and enter it, and open /home or /tmp to the service where it is there"
        }
        Condition::Away(Reach::Failing) => {
            "; check its disk or its server; it is tried again by itself"
        }
        Condition::Ok
        | Condition::Starting
        | Condition::Away(Reach::Ok | Reach::Linked | Reach::Unmounted | Reach::Taken) => "",
    }
}

/// What happens now, and what happened in the last 24 hours.
pub(crate) fn now(
    overview: &Overview,
    runs: Option<bool>,
    (sending, uploaded): (Option<&Sending>, Uploaded),
) -> Line {
    let (uploading, sending) = match runs {
        Some(false) => ("interrupted", None),
        Some(true) | None => ("uploading", sending),
    };
    let how_far = sending.map_or_else(String::new, |sending| {
        let share = text::per_cent(sending.sent, sending.size);
        let left = match sending.rate {
            ..=0 => String::new(),
            rate => {
                let seconds = sending.size.saturating_sub(sending.sent) / rate;
                format!(", {}/s, {} left", text::size(rate), span(seconds))
            }
        };
        format!(" ({share} %{left})")
    });
    let Overview {
        running,
        queued,
        confirming,
        ..
    } = overview;
    let files = text::count(usize::try_from(uploaded.files).unwrap_or_default(), "file");
    Line {
        subject: "now".to_owned(),
        text: format!(
            "{running} {uploading}{how_far}, {queued} queued, {confirming} waiting for ready; last 24 h: {files} uploaded, {}",
            text::size(uploaded.bytes)
        ),
        needs_person: false,
    }
}

/// That the configuration on disk is wrong, by its first fault.
pub(crate) fn describe_faults(faults: &Problems) -> Option<Line> {
    let first = faults.iter().next()?;
    Some(Line {
        subject: "config".to_owned(),
        text: format!("the file has faults: {first}; `jw-ingest check` shows all"),
        needs_person: true,
    })
}

/// A job table on a disk with less room than this takes no more jobs soon.
const ROOM: u64 = 1 << 20;

/// That the disk of the job table is full.
pub(crate) fn describe_disk(database: &Path, free: u64) -> Option<Line> {
    (free < ROOM).then(|| Line {
        subject: "disk".to_owned(),
        text: format!(
            "the disk of {} is full: no file is queued and nothing is uploaded until there is room",
            text::path(database)
        ),
        needs_person: true,
    })
}

/// The jobs and files that need a person.
fn attention(overview: &Overview) -> Option<Line> {
    let mut parts = Vec::new();
    if overview.failed > 0 {
        parts.push(format!(
            "{} failed (`jw-ingest jobs --state failed`)",
            overview.failed
        ));
    }
    if overview.held > 0 {
        parts.push(format!(
            "{} held (`jw-ingest jobs --state held`)",
            overview.held
        ));
    }
    if let Some((number, why)) = &overview.stuck {
        let files = text::count(usize::try_from(*number).unwrap_or_default(), "file");
        parts.push(format!(
            "{files} not moved or deleted yet: {}",
            text::line(why)
        ));
    }
    (!parts.is_empty()).then(|| Line {
        subject: "attention".to_owned(),
        text: parts.join(", "),
        needs_person: true,
    })
}
