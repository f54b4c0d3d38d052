//! Where a job stands, in words for the operator: what it does, waits for, or needs.
#![deny(clippy::wildcard_enum_match_arm)]

use std::path::Path;

use jiff::SignedDuration;

use super::text;
use super::time::{Present, span};
use crate::clock;
use crate::queue::accounts::{Cause, Paused};
use crate::queue::clocks::Skewed;
use crate::queue::job::Replaced;
use crate::queue::query::Progress;
use crate::queue::settling::Waiting;
use crate::queue::{Arrival, Job, State, Step};
use crate::way::Way;

/// Progress is noted about once a second; older than this, nobody notes it any more.
const STALE: SignedDuration = SignedDuration::from_secs(15);

/// What is known around a job.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The moment and the place.
    pub present: &'a Present,
    /// How far its upload is, while it runs.
    pub progress: Option<&'a Progress>,
    /// Its account's pause, if it is paused.
    pub paused: Option<&'a Paused>,
    /// Whether a daemon runs, as far as we may look.
    pub daemon: Option<bool>,
    /// The job that has its video, if it is a duplicate.
    pub original: Option<&'a Job>,
}

/// The step as the table has it: short, with the live progress of an upload.
pub fn step(job: &Job, around: Around<'_>) -> String {
    match (job.state, job.step) {
        (State::Failed, _) if job.held => "waits for you".to_owned(),
        (State::Queued | State::Failed, step) => step_word(step.word()).to_owned(),
        (State::Running, Step::Transfer) if around.daemon == Some(false) => {
            around.progress.map_or_else(
                || step_word(job.step.word()).to_owned(),
                |progress| format!("was at {}", share(progress, job.identity.size)),
            )
        }
        (State::Running, step) if around.daemon == Some(false) => step_word(step.word()).to_owned(),
        (State::Running, Step::Confirm) => step_word(job.step.word()).to_owned(),
        (State::Running, Step::Create) => "creating the video".to_owned(),
        (State::Running, Step::Transfer) => around.progress.map_or_else(
            || "uploading".to_owned(),
            |progress| so_far(progress, job.identity.size, around.present),
        ),
        (State::Done, _) => match job.replaced {
            None => "ready".to_owned(),
            Some(replaced) => match replaced.arrival {
                Arrival::Sending => format!("being replaced by job {}", replaced.by),
                Arrival::Perhaps => format!("maybe replaced by job {}", replaced.by),
                Arrival::Certain => format!("replaced by job {}", replaced.by),
            },
        },
        (State::Cancelled, _) => String::new(),
        (State::Duplicate, _) => job
            .duplicate_of
            .map_or_else(String::new, |original| format!("of job {original}")),
    }
}

/// The word that people read for a step; the table and the JSON have the other ones.
pub fn step_word(column: &str) -> &str {
    match column {
        "transfer" => "upload",
        "confirm" => "waiting for ready",
        other => other,
    }
}

/// The state as people read it: the table's word, but for a job that only waits for a person.
pub fn state_word(job: &Job) -> &'static str {
    if job.state == State::Failed && job.held {
        "held"
    } else {
        job.state.word()
    }
}

/// When something happens next, or happened last.
pub fn when(job: &Job, around: Around<'_>) -> String {
    match job.state {
        State::Queued if around.paused.is_some() => "paused".to_owned(),
        State::Queued if job.run_at > around.present.now => around.present.distance(job.run_at),
        State::Queued => "due".to_owned(),
        State::Running if around.daemon == Some(false) => "at the next start".to_owned(),
        State::Running => "now".to_owned(),
        State::Done | State::Failed | State::Cancelled | State::Duplicate => job
            .finished_at
            .map_or_else(String::new, |at| around.present.distance(at)),
    }
}

/// Where the job stands, as a clause that follows "job 12 ".
pub fn sentence(job: &Job, around: Around<'_>) -> String {
    let present = around.present;
    let key = job.video_key.as_deref().unwrap_or("without a key");
    match (job.state, job.step) {
        (State::Queued, Step::Confirm) => waiting_for_ready(job, key, around),
        (State::Queued, Step::Create | Step::Transfer) => queued(job, around),
        (State::Running, step) if around.daemon == Some(false) => stopped_hard(job, step, around),
        (State::Running, Step::Create) => "creates its video on the platform now".to_owned(),
        (State::Running, Step::Transfer) => around.progress.map_or_else(
            || "uploads now".to_owned(),
            |progress| {
                let so_far = so_far(progress, job.identity.size, present);
                format!("uploads now: {so_far}")
            },
        ),
        (State::Running, Step::Confirm) => "is looked at now".to_owned(),
        (State::Done, _) => done(job, key, present),
        (State::Failed, _) => failed(job, present),
        (State::Cancelled, _) if job.superseded => format!(
            "ended{}, because its file changed: the new content is a job of its own once it has settled",
            ended("at", job, present)
        ),
        (State::Cancelled, _) => format!(
            "was cancelled{}; `jw-ingest retry {}` queues it again",
            ended("at", job, present),
            job.id
        ),
        (State::Duplicate, _) => duplicate(job, around.original),
    }
}

/// A file that was not uploaded, since another has its content.
fn duplicate(job: &Job, original: Option<&Job>) -> String {
    let video = original.map_or_else(
        || format!("the video of job {}", job.duplicate_of.unwrap_or_default()),
        |original| {
            let key = original.video_key.as_deref().unwrap_or("without a key");
            format!(
                "video {key} of job {} ({})",
                original.id,
                text::path(&original.path)
            )
        },
    );
    format!(
        "is a duplicate: the same content is {video}; `jw-ingest retry {}` uploads it all the same",
        job.id
    )
}

/// Its video is ready.
fn done(job: &Job, key: &str, present: &Present) -> String {
    let since = ended("since", job, present);
    if job.video_key.is_none() {
        let reason = job.last_error.as_deref();
        return format!(
            "is done{since}, without a key: {}",
            text::line(reason.unwrap_or("no reason was recorded"))
        );
    }
    if let Some(replaced) = job.replaced {
        return format!(
            "was done{since} as video {key}; {}",
            self::replaced(replaced)
        );
    }
    match job.replaces {
        Some(before) => {
            format!("is done: it replaced the content of video {key} (job {before}), ready{since}")
        }
        None => format!("is done: its video is {key}, ready{since}"),
    }
}

/// Whose content the video of a job has, or may have, in place of its own.
pub fn replaced(replaced: Replaced) -> String {
    let by = replaced.by;
    match replaced.arrival {
        Arrival::Sending => format!("job {by} is replacing its content now"),
        Arrival::Perhaps => format!(
            "job {by} may have replaced its content: the platform has not shown yet which one the video has"
        ),
        Arrival::Certain => format!("job {by} replaced its content"),
    }
}

/// It has failed, or waits for a person to decide.
fn failed(job: &Job, present: &Present) -> String {
    let reason = job.last_error.as_deref();
    let reason = reason.unwrap_or("no reason was recorded");
    if job.held {
        let since = ended("since", job, present);
        return format!("waits for you{since}: {}", text::line(reason));
    }
    format!(
        "failed{}: {}{}",
        ended("at", job, present),
        text::line(reason),
        advice(job, reason)
    )
}

/// One line that explains a paused account.
pub fn pause(paused: &Paused, present: &Present) -> String {
    let probe = if paused.trying {
        "a probe was answered, and one upload at a time is tried".to_owned()
    } else if paused.probe_at > present.now {
        format!("next probe {}", present.both(paused.probe_at))
    } else {
        "the next probe is due".to_owned()
    };
    format!(
        "account {} is paused since {}: {}; {probe}{}",
        paused.account,
        present.both(paused.since),
        text::line(&paused.reason),
        remedy(paused),
    )
}

/// The clock that keeps an open job waiting, or may: one that is over goes by no clock.
pub fn clock_of<'a>(job: &Job, clocks: &'a [Skewed]) -> Option<&'a Skewed> {
    let is_open = matches!(job.state, State::Queued | State::Running);
    let mut clocks = clocks.iter();
    clocks.find(|skewed| is_open && skewed.account == job.account)
}

/// One line about a clock that differs from the platform's.
pub fn clock(skewed: &Skewed, present: &Present) -> String {
    format!(
        "{} (account {}, measured {}); uploads go by the platform's time",
        clock::complaint(skewed.ahead_s),
        skewed.account,
        present.both(skewed.measured_at)
    )
}

/// What mends a paused account, from the platform's code or words in the reason.
fn remedy(paused: &Paused) -> &'static str {
    if paused.cause == Cause::Unreachable {
        return "; it goes on by itself once the network, its name server and the platform work again";
    }
    let words = paused.reason.to_ascii_lowercase();
    if words.contains("timedatectl") {
        // The reason says it already.
        "; jw-ingest tests the account by itself and resumes"
    } else if words.contains("timestamp") {
        "; set this machine's clock right (`timedatectl` shows it)"
    } else if words.contains("limit exceeded")
        || words.contains("quota")
        || words.contains("http 402")
    {
        "; the property's plan is used up: make room on it, or extend it"
    } else if words.contains("cannot set up https") {
        "; install the machine's CA certificates"
    } else {
        "; compare key and secret with those of the property"
    }
}

/// What can be done about a failed job. A try of the same file under the same rules would fail again.
fn advice(job: &Job, reason: &str) -> String {
    let retry = format!("`jw-ingest retry {}`", job.id);
    if job.superseded {
        "; what lies there now is a job of its own once it has settled".to_owned()
    } else if reason.contains("size-limit") {
        format!("; after raising size-limit or shrinking the file: {retry}")
    } else if reason.contains("s3-limit") {
        format!("; after that: {retry}")
    } else if reason.contains("jw-ingest ") {
        // It names the command already.
        String::new()
    } else {
        format!("; once the cause is mended: {retry}")
    }
}

/// A job that a worker held when its process was killed; the next start gives it back.
fn stopped_hard(job: &Job, step: Step, around: Around<'_>) -> String {
    let what = match step {
        Step::Create => "was creating its video on the platform".to_owned(),
        Step::Transfer => around.progress.map_or_else(
            || "was being uploaded".to_owned(),
            |progress| {
                let sent = text::size(progress.bytes_sent);
                let part = text::per_cent(progress.bytes_sent, job.identity.size);
                format!("was being uploaded ({sent}, {part} %)")
            },
        ),
        Step::Confirm => "was being looked at on the platform".to_owned(),
    };
    format!("{what} when the daemon was stopped hard; it starts again when the daemon runs")
}

/// What is seen and has no job yet: how much, and what the first of it waits for.
pub fn settling(waiting: &Waiting) -> Option<String> {
    let (path, why) = waiting.oldest.as_ref()?;
    let name = text::path(path.file_name().map_or(path.as_path(), Path::new));
    let are = if waiting.number == 1 { "is" } else { "are" };
    Some(format!(
        "{} {are} settling ({name}: {}); `jw-ingest explain FILE` tells more",
        text::count(waiting.number, "file"),
        text::line(why)
    ))
}

fn queued(job: &Job, around: Around<'_>) -> String {
    let what = match job.step {
        Step::Create => "waits to be uploaded",
        Step::Transfer | Step::Confirm => "waits to send its bytes",
    };
    if let (Some(other), None) = (job.waits_for, around.paused) {
        let why = job.last_error.as_deref();
        let why = why
            .filter(|why| why.starts_with("waits for job "))
            .map(text::line);
        let why = why.unwrap_or_else(|| {
            format!("waits for job {other}, which has the same content and is being uploaded")
        });
        if why.contains("jw-ingest retry") {
            return why;
        }
        return format!("{why}; `jw-ingest retry {}` uploads both", job.id);
    }
    let wait = if around.paused.is_some() {
        format!("its account {} is paused", job.account)
    } else if job.run_at > around.present.now {
        format!("next try {}", around.present.both(job.run_at))
    } else if around.daemon == Some(false) {
        "it is due, but the daemon does not run".to_owned()
    } else {
        "it is due and starts as soon as a worker is free".to_owned()
    };
    let pause = format!("account {} is paused", job.account);
    let noted = job
        .last_error
        .as_deref()
        // The line about the pause says that already.
        .filter(|error| around.paused.is_none() || !error.starts_with(&pause));
    let after = noted.map_or_else(String::new, |error| {
        let tries = match job.attempts {
            0 => String::new(),
            1 => "1 try so far; ".to_owned(),
            many => format!("{many} tries so far; "),
        };
        format!("; {tries}last noted: {}", text::line(error))
    });
    format!("{what}: {wait}{after}")
}

fn waiting_for_ready(job: &Job, key: &str, around: Around<'_>) -> String {
    let sent = job
        .sent_at
        .map_or_else(String::new, |at| format!(" at {}", around.present.both(at)));
    let status = job.status.as_deref().map_or_else(
        || "the platform was not asked yet".to_owned(),
        |status| format!("the platform says `{}`", text::line(status)),
    );
    let look = if around.paused.is_some() {
        format!("its account {} is paused", job.account)
    } else if job.run_at > around.present.now {
        format!("next look {}", around.present.distance(job.run_at))
    } else if around.daemon == Some(false) {
        "the next look is due, but the daemon does not run".to_owned()
    } else {
        "the next look is due".to_owned()
    };
    if job.video_key.is_none() {
        return format!(
            "was sent by FTP{sent}, and its video is looked for on the platform; {look}"
        );
    }
    // The bytes of a fetch are not ours to send, and `sent` is when the platform was asked for it.
    let what = if job.method.as_deref() == Some(Way::Fetch.word()) {
        format!("was given to the platform to fetch as video {key}")
    } else if let Some(before) = job.replaces {
        format!("was uploaded in place of the content of video {key} (job {before})")
    } else {
        format!("was uploaded as video {key}")
    };
    format!("{what}{sent} and waits for `ready`; {status}; {look}")
}

/// "540 MB (45 %), 12.3 MB/s, 3 min left"
fn so_far(progress: &Progress, size: i64, present: &Present) -> String {
    let sent = share(progress, size);
    let age = present.now.duration_since(progress.updated_at);
    if age > STALE {
        return format!("{sent}, no news for {}", span(age.as_secs()));
    }
    let rate = progress.bytes_per_second;
    let left = size.saturating_sub(progress.bytes_sent).max(0);
    if rate <= 0 {
        // Not known yet, or next to nothing.
        return sent;
    }
    format!("{sent}, {}/s, {} left", text::size(rate), span(left / rate))
}

/// "540 MB (45 %)"
fn share(progress: &Progress, size: i64) -> String {
    format!(
        "{} ({} %)",
        text::size(progress.bytes_sent),
        text::per_cent(progress.bytes_sent, size)
    )
}

fn ended(preposition: &str, job: &Job, present: &Present) -> String {
    job.finished_at.map_or_else(String::new, |at| {
        format!(" {preposition} {}", present.both(at))
    })
}
