//! The story of one job: from its queueing to its end, with every attempt.

use jiff::{SignedDuration, Timestamp};

use super::super::answer;
use super::super::conclusion::Conclusion;
use super::super::facts::Facts;
use super::{Fact, after};
use crate::queue::query::Attempt;
use crate::queue::story::{Other, Place, Story};
use crate::queue::{Arrival, Job, Standing, Step};
use crate::wording::cells;
use crate::wording::text;
use crate::wording::time::{Present, fine_span};

/// The facts of one of the path's jobs.
pub(super) fn facts(
    facts: &Facts<'_>,
    job: &Job,
    conclusion: &Conclusion<'_>,
    present: &Present,
) -> Vec<Fact> {
    let is_answer = matches!(conclusion, Conclusion::Job(answer) if answer.id == job.id);
    let mut told = vec![tell_begin(job)];
    if let Some(story) = facts.known.stories.get(&job.id) {
        told.extend(tell_attempts(job, story, present));
        told.extend(neighbours(job, story, present));
        told.extend(after::facts(story, present));
        if let Some(place) = story.place {
            told.extend(tell_turn(facts, job, place, present));
        }
    }
    told.extend(way(job, present));
    told.extend(tell_platform(job, present));
    if is_answer {
        told.extend(tell_end(job, present));
    } else {
        let around = answer::around(facts, job, present);
        let sentence = answer::of_job(job, facts.known.stories.get(&job.id), around);
        let at = job.finished_at.unwrap_or(present.now);
        told.push(Fact::new(at, "job", format!("job {} {sentence}", job.id)));
    }
    if job.standing().is_waiting() {
        told.extend(next(facts, job, present));
    }
    for fact in &mut told {
        fact.job = Some(job.id.0);
    }
    told
}

fn tell_begin(job: &Job) -> Fact {
    let priority = match job.priority {
        0 => String::new(),
        other => format!(", priority {other}"),
    };
    let by_hand = if job.by_hand {
        "; a person chose to upload it even if it is a copy"
    } else {
        ""
    };
    let text = format!(
        "queued as job {}, when it had settled or was added by hand: {}, watch {}, account {}{priority}{by_hand}",
        job.id,
        text::size_in_full(job.identity.size),
        text::line(&job.watch),
        text::line(&job.account),
    );
    Fact::new(job.created_at, "job", text)
}

/// The last attempts.
fn tell_attempts(job: &Job, story: &Story, present: &Present) -> Vec<Fact> {
    let mut told = Vec::new();
    if let Some(first) = story.attempts.first()
        && story.earlier_attempts > 0
    {
        let left_out = format!(
            "{} before this one; `jw-ingest job {}` shows all",
            tries(story.earlier_attempts),
            job.id
        );
        told.push(Fact::new(first.started_at, "attempt", left_out));
    }
    let tries = story.attempts.iter();
    told.extend(tries.map(|attempt| {
        let text = try_words(attempt, job, present);
        Fact::new(attempt.started_at, "attempt", text)
    }));
    told
}

fn tries(number: usize) -> String {
    if number == 1 {
        "1 attempt".to_owned()
    } else {
        format!("{number} attempts")
    }
}

fn try_words(attempt: &Attempt, job: &Job, present: &Present) -> String {
    let step = cells::step_word(&attempt.step);
    let method = attempt.method.as_deref();
    let method = method.map_or_else(String::new, |method| format!(" by {}", text::line(method)));
    let took = attempt.ended_at.unwrap_or(present.now);
    let took = fine_span(took.duration_since(attempt.started_at));
    let sent = match attempt.bytes_sent {
        0 => String::new(),
        bytes => format!(", {} sent", text::size(bytes)),
    };
    let outcome = attempt.outcome.as_deref().unwrap_or("running");
    let message = match attempt.message.as_deref() {
        None => String::new(),
        // The answer has it, or the line of the job's state.
        Some(message) if job.last_error.as_deref() == Some(message) => {
            ": as said of the job".to_owned()
        }
        Some(message) => format!(": {}", text::line(message)),
    };
    format!(
        "{step}{method}: {}, {took}{sent}{message}",
        text::line(outcome)
    )
}

/// The jobs that it has to do with by content.
fn neighbours(job: &Job, story: &Story, present: &Present) -> Vec<Fact> {
    let mut told = Vec::new();
    let at_end = job.finished_at.unwrap_or(present.now);
    if let Some(original) = &story.original {
        let text = format!("its content was found to be that of {}", named(original));
        told.push(Fact::new(at_end, "duplicate", text));
    }
    for copy in &story.copies {
        let text = format!("{} is a copy of it, and was not uploaded", named(copy));
        let at = copy.finished_at.unwrap_or(copy.created_at);
        told.push(Fact::new(at, "duplicate", text));
    }
    if story.more_copies > 0 {
        let text = format!("and {} more are copies of it", story.more_copies);
        told.push(Fact::new(present.now, "duplicate", text));
    }
    if let Some(other) = story
        .waits_for
        .as_ref()
        .filter(|_| job.standing() == Standing::WaitingForCopy)
    {
        let text = format!(
            "it continues after {}, which decides whether its content needs to be uploaded",
            named(other)
        );
        told.push(Fact::new(present.now, "duplicate", text));
    }
    if let Some(replaced) = &story.replaces {
        let text = format!("its content takes the place of that of {}", named(replaced));
        told.push(Fact::new(job.created_at, "replace", text));
    }
    for other in &story.replaced_by {
        let arrival = job.replaced.map(|replaced| replaced.arrival);
        let what = match arrival {
            Some(Arrival::Certain) => "has put other content into its video",
            Some(Arrival::Perhaps) => {
                "may have put other content into its video; until the platform shows which, its own does not count \
                 as uploaded"
            }
            Some(Arrival::Sending) | None => "puts other content into its video",
        };
        let text = format!("{} {what}", named(other));
        told.push(Fact::new(other.created_at, "replace", text));
    }
    if job.held {
        let text = "it was not uploaded: a person decides (on-replace)";
        told.push(Fact::new(at_end, "held", text));
    }
    told
}

/// Another job, with all that helps to find it.
fn named(other: &Other) -> String {
    let key = other.video_key.as_deref();
    let key = key.map_or_else(String::new, |key| format!(", video {}", text::line(key)));
    format!(
        "job {} ({}, {}{key})",
        other.id,
        text::path(&other.path),
        other.standing.state_word()
    )
}

/// The upload method, and the video.
fn way(job: &Job, present: &Present) -> Vec<Fact> {
    let mut told = Vec::new();
    let at = job.create_sent_at.unwrap_or(present.now);
    if let Some(way) = job.way {
        let why = job.method_why.as_deref();
        let why = why.map_or_else(String::new, |why| format!(": {}", text::line(why)));
        let text = format!("its upload method is {}{why}", way.word());
        told.push(Fact::new(at, "method", text));
    }
    if let Some(key) = &job.video_key {
        let text = format!("its video on the platform is {}", text::line(key));
        told.push(Fact::new(at, "video", text));
    }
    told
}

/// What the platform has, and says.
fn tell_platform(job: &Job, present: &Present) -> Vec<Fact> {
    let mut told = Vec::new();
    if let Some(at) = job.sent_at {
        let md5 = job.md5.as_deref();
        let md5 = md5.map_or_else(String::new, |md5| {
            format!("; their MD5 is {}", text::line(md5))
        });
        told.push(Fact::new(at, "platform", format!("it had all bytes{md5}")));
    }
    let at = job.finished_at.unwrap_or(present.now);
    if let Some(status) = &job.platform {
        let duration = job.duration;
        let duration = duration.map_or_else(String::new, |s| format!(", {s:.2} s long"));
        let text = format!("it says `{}`{duration}", text::line(status.word()));
        told.push(Fact::new(at, "platform", text));
    }
    if let Some(size) = job.platform_size {
        let text = if size == job.identity.size {
            "its size there is that of the file".to_owned()
        } else {
            format!(
                "its size there is {}, and the file has {}",
                text::size_in_full(size),
                text::size_in_full(job.identity.size)
            )
        };
        told.push(Fact::new(at, "platform", text));
    }
    told
}

/// The end of the job that the answer speaks of, and what was said last.
fn tell_end(job: &Job, present: &Present) -> Vec<Fact> {
    let mut told = Vec::new();
    if let Some(at) = job.finished_at {
        let text = format!("job {} ended: {}", job.id, job.standing().state_word());
        told.push(Fact::new(at, "job", text));
    }
    if let Some(at) = job.failing_since {
        let text = "from here on every attempt failed".to_owned();
        told.push(Fact::new(at.min(present.now), "job", text));
    }
    told
}

/// What comes next for a job that waits.
fn next(facts: &Facts<'_>, job: &Job, present: &Present) -> Vec<Fact> {
    let mut told = Vec::new();
    if job.run_at > present.now && job.waits_for.is_none() {
        let what = match job.step {
            Step::Create | Step::Transfer => "it is retried",
            Step::Confirm => "the platform is asked again",
        };
        let unless = match (facts.daemon, facts.pause_of(&job.account)) {
            (Some(false), _) => ", if the daemon runs by then",
            (_, Some(_)) => ", if its account works by then",
            (_, None) => "",
        };
        told.push(Fact::new(job.run_at, "next", format!("{what}{unless}")));
    }
    if let Some(since) = job.failing_since {
        let limit = facts.outline.retry.give_up_after;
        let limit = SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX);
        let at = since.checked_add(limit).unwrap_or(Timestamp::MAX);
        let text = "it is given up, if every attempt fails until then (give-up-after)";
        told.push(Fact::new(at, "next", text));
    }
    told
}

/// Its turn, for a job that waits for nothing else.
fn tell_turn(facts: &Facts<'_>, job: &Job, place: Place, present: &Present) -> Vec<Fact> {
    let ahead = usize::try_from(place.ahead).unwrap_or(usize::MAX);
    let running = usize::try_from(place.running).unwrap_or(usize::MAX);
    let text = format!(
        "{} before it in the queue, {} running",
        text::count(ahead, "job"),
        text::count(running, "job")
    );
    let mut told = vec![Fact::new(present.now, "queue", text)];
    let stands_still = facts.daemon == Some(false) || facts.pause_of(&job.account).is_some();
    if let Some(wait) =
        estimate_wait(facts, place).filter(|_| !stands_still && job.waits_for.is_none())
    {
        let at = present.now.checked_add(wait).unwrap_or(Timestamp::MAX);
        let text = "it starts at about this time, if uploads continue as fast as the last ones";
        told.push(Fact::new(at, "queue", text));
    }
    told
}

/// How long it is about until its turn, where that can be said.
pub(in super::super) fn estimate_wait(facts: &Facts<'_>, place: Place) -> Option<SignedDuration> {
    let at_once = i64::from(facts.outline.upload.files_at_once.get());
    if place.ahead + place.running < at_once {
        return None;
    }
    let seconds = place.bytes_ahead / place.pace?.saturating_mul(at_once).max(1);
    Some(SignedDuration::from_secs(seconds.max(1)))
}
