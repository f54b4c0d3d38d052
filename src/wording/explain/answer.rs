//! The answer in words: the first line of all that is shown.

use std::io::ErrorKind;

use super::conclusion::Conclusion;
use super::disk::Thing;
use super::facts::Facts;
use crate::queue::story::Story;
use crate::queue::{Job, Standing, Step};
use crate::watch::Waiting;
use crate::watch::inspection::Found;
use crate::watch::place;
use crate::watch::writer::Writer;
use crate::wording::standing::{self, Around};
use crate::wording::text;
use crate::wording::time::Present;

/// The answer.
pub(super) fn answer(facts: &Facts<'_>, conclusion: &Conclusion<'_>, present: &Present) -> String {
    match conclusion {
        Conclusion::Job(job) => {
            let sentence = of_job(
                job,
                facts.known.stories.get(&job.id),
                around(facts, job, present),
            );
            let gone = say_gone(facts, job);
            format!("its job {} {sentence}{gone}", job.id)
        }
        Conclusion::Settling(settling, former) => format!(
            "waiting to settle since {}: {}{}{}",
            present.both(settling.since),
            text::line(&settling.waiting_for),
            by_whom(facts),
            former_words(*former),
        ),
        Conclusion::Unseen(former) => format!(
            "{}{}{}",
            unseen(facts.daemon),
            say_unfinished(facts),
            former_words(*former)
        ),
        Conclusion::Outside if facts.outline.watches.is_empty() => {
            "no folder is watched".to_owned()
        }
        Conclusion::Outside => format!(
            "it is outside every watch folder: {}; move it into one, or run `jw-ingest add --watch \
             NAME FILE`",
            place::name_watches(&facts.outline.watches)
        ),
        Conclusion::Ignored(rule) => format!("it is ignored: {}", text::line(&rule.to_string())),
        Conclusion::Offline(error) => format!("its watch folder is offline: {}", offline(error)),
        Conclusion::Nothing => {
            "there is no such file, and no job is recorded under this path now (a renamed file is \
             listed under its new name); a file with this name would be uploaded"
                .to_owned()
        }
        Conclusion::Folder => "it is a watched folder; name a file in it".to_owned(),
        Conclusion::Unlisted(error) => format!(
            "you cannot read this folder: {error}; run `jw-ingest check` as the daemon's user to \
             see whether the daemon can"
        ),
        Conclusion::OutOfReach(error) => format!("it cannot be accessed: {error}"),
    }
}

/// That the file of a job cannot be seen, as far as that matters to the job.
fn say_gone(facts: &Facts<'_>, job: &Job) -> String {
    let needs_it = job.finished_at.is_none() && job.step != Step::Confirm;
    match (&facts.disk.thing, &facts.disk.away) {
        (Thing::Nothing, Some(error)) if needs_it => {
            format!("; but its watch folder is offline: {error}")
        }
        (Thing::Nothing, None) if needs_it => "; but the file is gone".to_owned(),
        (Thing::OutOfReach(error), _) if error.kind() == ErrorKind::TimedOut => {
            format!("; the file itself cannot be accessed: {error}")
        }
        (Thing::OutOfReach(error), _) => {
            format!("; you cannot access the file itself: {error}")
        }
        _ => String::new(),
    }
}

/// Why a watch folder is offline, and what follows.
pub(super) fn offline(error: &std::io::Error) -> String {
    format!(
        "{error}; nothing in it counts as deleted, and jw-ingest checks for it every few \
             seconds"
    )
}

/// Where a job is, with the jobs that go before it.
pub(super) fn of_job(job: &Job, story: Option<&Story>, around: Around<'_>) -> String {
    let moves = around.daemon != Some(false) && around.paused.is_none();
    let is_next = moves && job.standing() == Standing::Turn;
    standing::sentence(job, around) + &say_turn(story.filter(|_| is_next))
}

/// How many go before a job that waits for its turn.
fn say_turn(story: Option<&Story>) -> String {
    match story.and_then(|story| story.place) {
        Some(place) if place.ahead > 0 => {
            let ahead = usize::try_from(place.ahead).unwrap_or(usize::MAX);
            let verb = if ahead == 1 { "goes" } else { "go" };
            format!("; {} {verb} before it", text::count(ahead, "job"))
        }
        Some(_) | None => String::new(),
    }
}

/// A file that no job has and that does not settle.
pub(super) fn unseen(daemon: Option<bool>) -> &'static str {
    match daemon {
        Some(false) => "the daemon does not run: it will find the file when it is started",
        Some(true) => "not seen by the daemon yet; the next scan (within 5 minutes) will find it",
        None => "it has no job yet; your permissions do not show whether the daemon runs",
    }
}

/// What it would wait for, as far as one look can tell.
fn say_unfinished(facts: &Facts<'_>) -> String {
    let held = match &facts.disk.thing {
        Thing::File { identity, .. } if identity.size == 0 => {
            return "; it is empty, and an empty file waits for its first byte".to_owned();
        }
        Thing::File {
            writer: Ok(Writer::Present),
            ..
        } => true,
        _ => false,
    };
    if held {
        let by_whom = by_whom(facts);
        return format!("; it waits while a program has it open for writing{by_whom}");
    }
    match &facts.disk.found {
        Some(Found::Still(found)) if !is_rest(found.waits_for) => {
            format!(
                "; then it waits: {}",
                text::line(&found.waits_for.to_string())
            )
        }
        Some(Found::Moving) => "; it is changing right now".to_owned(),
        Some(Found::Still(_) | Found::Nothing) | None => String::new(),
    }
}

/// Rest alone is nothing to tell: it ends by itself.
fn is_rest(waiting: Waiting) -> bool {
    matches!(
        waiting,
        Waiting::Changing | Waiting::Quiet(_) | Waiting::Sure | Waiting::WriterUnknown
    )
}

/// Which program has it open for writing, as far as that is known and matters.
pub(super) fn by_whom(facts: &Facts<'_>) -> String {
    let Thing::File { writer, .. } = &facts.disk.thing else {
        return String::new();
    };
    let holders = &facts.disk.holders;
    let named = holders
        .known
        .iter()
        .map(|holder| format!("{} (pid {})", text::line(&holder.program), holder.pid));
    let named: Vec<_> = named.collect();
    if !named.is_empty() {
        return format!("; it is held open by program {}", named.join(", "));
    }
    match writer {
        Ok(Writer::Present) if holders.some_hidden => {
            "; it is held open by a program of another user, which you may not see".to_owned()
        }
        Ok(Writer::Present) => {
            "; it is held open by a program that cannot be seen from here, as in a container"
                .to_owned()
        }
        Ok(Writer::None | Writer::Unknown(_)) | Err(_) => String::new(),
    }
}

pub(super) fn former_words(former: Option<&Job>) -> String {
    former.map_or_else(String::new, |job| {
        format!(
            "; it has changed since job {} ({}), so it counts as a new file",
            job.id,
            job.standing().state_word()
        )
    })
}

/// What is known around a job.
pub(super) fn around<'a>(facts: &'a Facts<'_>, job: &Job, present: &'a Present) -> Around<'a> {
    Around {
        present,
        progress: facts.known.progress.get(&job.id),
        paused: facts.pause_of(&job.account),
        daemon: facts.daemon,
        neighbour: facts.known.stories.get(&job.id).and_then(Story::neighbour),
    }
}
