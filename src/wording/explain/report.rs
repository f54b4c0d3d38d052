//! Answer and story as lines, and as JSON.

use serde_json::{Map, Value, json};

use super::answer::answer;
use super::conclusion::Conclusion;
use super::disk::Thing;
use super::facts::Facts;
use super::story::{self, Fact};
use crate::clock;
use crate::queue::Job;
use crate::queue::story::{Other, Story};
use crate::watch::select::Verdict;
use crate::wording::json::{JobObject, PathFields, time};
use crate::wording::text;
use crate::wording::time::Present;

/// The answer, and what it rests on.
pub(super) fn lines(
    facts: &Facts<'_>,
    conclusion: &Conclusion<'_>,
    present: &Present,
) -> Vec<String> {
    let mut lines = vec![
        answer(facts, conclusion, present),
        String::new(),
        text::path(&facts.disk.path),
    ];
    let told = story::tell(facts, conclusion, present);
    let clocks: Vec<_> = told
        .iter()
        .map(|fact| story::clock(fact, present))
        .collect();
    let width = clocks.iter().map(String::len).max().unwrap_or_default();
    lines.extend(
        told.iter()
            .zip(clocks)
            .map(|(fact, clock)| format!("  {clock:<width$}  {:<11} {}", fact.what, fact.text)),
    );
    lines
}

/// The same as one object.
pub(super) fn object(facts: &Facts<'_>, conclusion: &Conclusion<'_>, present: &Present) -> Value {
    let disk = &facts.disk;
    let file = match &disk.thing {
        Thing::File { identity, writer } => {
            story::file::object(identity, &story::file::writer_words(writer))
        }
        _ => Value::Null,
    };
    let known = &facts.known;
    let settling = known.settling.as_ref().map(|settling| {
        json!({
            "since": clock::text(settling.since),
            "seen_by": settling.seen_by,
            "waiting_for": settling.waiting_for,
        })
    });
    let ignored = match &disk.verdict {
        Some(Verdict::Ignored(rule)) => Some(text::line(&rule.to_string())),
        Some(Verdict::Taken) | None => None,
    };
    let jobs: Vec<_> = known
        .jobs
        .iter()
        .map(|job| job_object(facts, job, present))
        .collect();
    let writers = disk.holders.known.iter();
    let writers: Vec<_> = writers
        .map(|holder| json!({"pid": holder.pid, "program": holder.program}))
        .collect();
    let told = story::tell(facts, conclusion, present);
    let object = json!({
        "verdict": conclusion.word(),
        "answer": answer(facts, conclusion, present),
        "watch": facts.owner().map(|watch| &watch.name),
        "ignored_because": ignored,
        "included_by": disk.included_by,
        "exists": !matches!(disk.thing, Thing::Nothing),
        "file": file,
        "writers": writers,
        "daemon_runs": facts.daemon,
        "settling": settling,
        "jobs": jobs,
        "story": told.iter().map(fact_object).collect::<Vec<_>>(),
    });
    with_fields(object, PathFields::of(&disk.path))
}

fn with_fields(mut object: Value, more: impl serde::Serialize) -> Value {
    if let (Some(object), Ok(Value::Object(more))) =
        (object.as_object_mut(), serde_json::to_value(more))
    {
        object.extend(more);
    }
    object
}

fn fact_object(fact: &Fact) -> Value {
    json!({
        "at": clock::text(fact.at),
        "what": fact.what,
        "text": fact.text,
        "job": fact.job,
    })
}

fn job_object(facts: &Facts<'_>, job: &Job, present: &Present) -> Value {
    let object = json!(JobObject::of(
        job,
        facts.known.progress.get(&job.id),
        &facts.known.clocks
    ));
    let Some(story) = facts.known.stories.get(&job.id) else {
        return object;
    };
    let mut more = Map::new();
    more.insert("neighbours".to_owned(), neighbours(story));
    more.insert(
        "metadata".to_owned(),
        json!(story.metadata.as_ref().map(|row| json!({
            "is_told": row.is_told,
            "due_at": time(row.due_at),
            "attempts": row.attempts,
            "last_error": row.last_error,
            "updated_at": time(row.updated_at),
        }))),
    );
    more.insert(
        "afterwards".to_owned(),
        json!(story.afterwards.as_ref().map(|row| json!({
            "action": row.action,
            "due_at": time(row.due_at),
            "attempts": row.attempts,
            "outcome": row.outcome,
            "done_at": time(row.done_at),
            "moved_to": row.moved_to.as_deref().map(PathFields::of),
            "note": row.note.as_deref().map(PathFields::of),
        }))),
    );
    let place = story.place.map(|place| {
        let start = story::job::estimate_wait(facts, place);
        let start = start.and_then(|wait| present.now.checked_add(wait).ok());
        json!({
            "jobs_ahead": place.ahead,
            "bytes_ahead": place.bytes_ahead,
            "running": place.running,
            "estimated_start": time(start),
        })
    });
    more.insert("queue".to_owned(), json!(place));
    with_fields(object, more)
}

/// The other jobs that it has to do with.
fn neighbours(story: &Story) -> Value {
    let one = |other: &Option<Other>| other.as_ref().map(other_object);
    let many = |others: &[Other]| others.iter().map(other_object).collect::<Vec<_>>();
    json!({
        "original": one(&story.original),
        "copies": many(&story.copies),
        "more_copies": story.more_copies,
        "waits_for": one(&story.waits_for),
        "replaces": one(&story.replaces),
        "replaced_by": many(&story.replaced_by),
    })
}

fn other_object(other: &Other) -> Value {
    let object = json!({
        "id": other.id.0,
        "state": other.standing.state().word(),
        "video_key": other.video_key,
    });
    with_fields(object, PathFields::of(&other.path))
}
