//! Where a job is, in words for the operator: what it does, waits for, or needs.
#![deny(clippy::wildcard_enum_match_arm)]

use super::cells::so_far;
use super::text;
use super::time::Present;
use crate::queue::accounts::Paused;
use crate::queue::job::Replaced;
use crate::queue::query::Progress;
use crate::queue::story::Other;
use crate::queue::{Advice, Arrival, Job, Standing, Step};
use crate::way::Way;

/// What is known around a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    /// The moment and the place.
    pub present: &'a Present,
    /// How far its upload is, while it runs.
    pub progress: Option<&'a Progress>,
    /// Its account's pause, if it is paused.
    pub paused: Option<&'a Paused>,
    /// Whether a daemon runs, as far as we may look.
    pub daemon: Option<bool>,
    /// The job that has its video, if it is a duplicate, or that it waits for.
    pub neighbour: Option<&'a Other>,
}

/// Where the job is, as a clause that follows "job 12 ".
pub(crate) fn sentence(job: &Job, around: Around<'_>) -> String {
    let present = around.present;
    let key = job.video_key.as_deref().unwrap_or("without a key");
    match job.standing() {
        Standing::Confirming | Standing::SeekingKey => waiting_for_ready(job, key, around),
        Standing::WaitingForCopy => waiting_for_copy(job, around),
        Standing::Turn => say_queued(job, around),
        Standing::Creating | Standing::Uploading if around.daemon == Some(false) => {
            stopped_hard(job, around)
        }
        Standing::Creating => "creates its video on the platform now".to_owned(),
        Standing::Uploading => around.progress.map_or_else(
            || "uploads now".to_owned(),
            |progress| {
                let so_far = so_far(progress, job.identity.size, present);
                format!("uploads now: {so_far}")
            },
        ),
        Standing::DoneWithoutKey => done_without_key(job, present),
        Standing::Done | Standing::BeingReplaced | Standing::MaybeReplaced | Standing::Replaced => {
            say_done(job, key, present)
        }
        Standing::Failed | Standing::Gone => say_failed(job, present),
        Standing::Held => say_held(job, present),
        Standing::Superseded => format!(
            "ended{}, because its file changed: a file that is there becomes a job of its own once it has settled",
            say_when("at", job, present)
        ),
        Standing::Cancelled => format!(
            "was cancelled{}; `jw-ingest retry {}` queues it again",
            say_when("at", job, present),
            job.id
        ),
        Standing::Duplicate => say_duplicate(job, around),
    }
}

/// A file that was not uploaded, since another has its content.
fn say_duplicate(job: &Job, around: Around<'_>) -> String {
    let key = around
        .neighbour
        .and_then(|other| other.video_key.as_deref());
    // Of one that was deleted, or is another by now, there is nothing to upload.
    let advice = if job.has_no_file() {
        String::new()
    } else {
        format!("; `jw-ingest retry {}` uploads it anyway", job.id)
    };
    format!(
        "is a duplicate: the same content is {} of {}{advice}",
        key.map_or_else(
            || "the video".to_owned(),
            |key| format!("video {}", text::line(key))
        ),
        named(around.neighbour, job.duplicate_of),
    )
}

/// It continues when the job with the same content has ended.
fn waiting_for_copy(job: &Job, around: Around<'_>) -> String {
    let noted = job.last_error.as_deref().map(text::line);
    let of_itself = || {
        let other = named(around.neighbour, job.waits_for);
        format!("waits for {other}, which decides whether its content needs to be uploaded")
    };
    let uploads_both = format!("; `jw-ingest retry {}` uploads both", job.id);
    let (why, advice) = match job.advice {
        Some(Advice::UploadBothInWords) => (noted, String::new()),
        Some(Advice::UploadBoth) => (noted, uploads_both),
        // What went wrong before it waited is not what it waits for.
        Some(
            Advice::FixCause
            | Advice::InWords
            | Advice::SizeLimit
            | Advice::ThenRetry
            | Advice::AccountPaused
            | Advice::Rest,
        )
        | None => (None, uploads_both),
    };
    let why = why.unwrap_or_else(of_itself);
    let pause = around.paused.map_or_else(String::new, |paused| {
        format!("; its account {} is paused", paused.account)
    });
    format!("{why}{pause}{advice}")
}

/// Another job, with its file where that is known.
fn named(other: Option<&Other>, id: Option<i64>) -> String {
    other.map_or_else(
        || format!("job {}", id.unwrap_or_default()),
        |other| format!("job {} ({})", other.id, text::path(&other.path)),
    )
}

/// It was sent, and no video was found that is its own.
fn done_without_key(job: &Job, present: &Present) -> String {
    let reason = job.last_error.as_deref();
    format!(
        "is done{}, without a key: {}",
        say_when("since", job, present),
        text::line(reason.unwrap_or("no reason was recorded"))
    )
}

/// Its video is ready.
fn say_done(job: &Job, key: &str, present: &Present) -> String {
    let since = say_when("since", job, present);
    if let Some(replaced) = job.replaced {
        return format!(
            "was done{since} as video {key}; {}",
            self::replaced(replaced)
        );
    }
    if let Some(before) = job.replaces {
        return format!(
            "is done: it replaced the content of video {key} (job {before}), ready{since}"
        );
    }
    let doubt = job.last_error.as_deref();
    let doubt = doubt.map_or_else(String::new, |doubt| format!("; {}", text::line(doubt)));
    format!("is done: its video is {key}, ready{since}{doubt}")
}

/// Whose content the video of a job has, or may have, in place of its own.
pub(crate) fn replaced(replaced: Replaced) -> String {
    let by = replaced.by;
    match replaced.arrival {
        Arrival::Sending => format!("job {by} is replacing its content now"),
        Arrival::Perhaps => format!(
            "job {by} may have replaced its content: the platform has not shown yet which one the video has"
        ),
        Arrival::Certain => format!("job {by} replaced its content"),
    }
}

/// It waits for a person to decide.
fn say_held(job: &Job, present: &Present) -> String {
    let reason = job.last_error.as_deref();
    let reason = reason.unwrap_or("a person decides");
    let advice = match job.advice {
        Some(Advice::InWords | Advice::UploadBothInWords) => String::new(),
        Some(
            Advice::FixCause
            | Advice::SizeLimit
            | Advice::ThenRetry
            | Advice::UploadBoth
            | Advice::AccountPaused
            | Advice::Rest,
        )
        | None => format!(
            "; `jw-ingest retry {id}` uploads it as a video of its own, `jw-ingest cancel {id}` leaves it",
            id = job.id
        ),
    };
    let since = say_when("since", job, present);
    format!("is held{since}: {}{advice}", text::line(reason))
}

/// It has failed.
fn say_failed(job: &Job, present: &Present) -> String {
    let reason = job.last_error.as_deref();
    let reason = reason.unwrap_or("no reason was recorded");
    format!(
        "failed{}: {}{}",
        say_when("at", job, present),
        text::line(reason),
        advice(job)
    )
}

/// What can be done about a failed job. An attempt of the same file under the same rules would fail
/// again.
fn advice(job: &Job) -> String {
    let retry = format!("`jw-ingest retry {}`", job.id);
    if job.superseded {
        return "; a file that appears there becomes a job of its own once it has settled"
            .to_owned();
    }
    match job.advice {
        Some(Advice::SizeLimit) => {
            format!("; after raising size-limit or shrinking the file: {retry}")
        }
        Some(Advice::ThenRetry) => format!("; after that: {retry}"),
        Some(Advice::InWords | Advice::UploadBothInWords) => String::new(),
        Some(Advice::FixCause | Advice::UploadBoth | Advice::AccountPaused | Advice::Rest)
        | None => {
            format!("; once the cause is fixed: {retry}")
        }
    }
}

/// A job that a worker held when its process was killed; the next start gives it back.
fn stopped_hard(job: &Job, around: Around<'_>) -> String {
    let what = match job.step {
        Step::Create => "was creating its video on the platform".to_owned(),
        Step::Transfer => around.progress.map_or_else(
            || "was being uploaded".to_owned(),
            |progress| {
                let sent = text::size(progress.bytes_sent);
                let part = text::per_cent(progress.bytes_sent, job.identity.size);
                format!("was being uploaded ({sent}, {part} %)")
            },
        ),
        Step::Confirm => "was being confirmed on the platform".to_owned(),
    };
    format!("{what} when the daemon was killed; it resumes when the daemon is started")
}

fn say_queued(job: &Job, around: Around<'_>) -> String {
    let what = match job.step {
        Step::Create => "waits to be uploaded",
        Step::Transfer | Step::Confirm => "waits to send its bytes",
    };
    let wait = if around.paused.is_some() {
        format!("its account {} is paused", job.account)
    } else if job.run_at > around.present.now {
        format!("next attempt {}", around.present.both(job.run_at))
    } else if around.daemon == Some(false) {
        "it is due, but the daemon does not run".to_owned()
    } else {
        "it is due and starts as soon as a worker is free".to_owned()
    };
    // The line about the pause says that already.
    let is_said = around.paused.is_some() && job.advice == Some(Advice::AccountPaused);
    let noted = job.last_error.as_deref().filter(|_| !is_said);
    let after = noted.map_or_else(String::new, |error| {
        let tries = match job.attempts {
            0 => String::new(),
            1 => "1 attempt so far; ".to_owned(),
            many => format!("{many} attempts so far; "),
        };
        format!("; {tries}last noted: {}", text::line(error))
    });
    format!("{what}: {wait}{after}")
}

fn waiting_for_ready(job: &Job, key: &str, around: Around<'_>) -> String {
    let sent = job
        .sent_at
        .map_or_else(String::new, |at| format!(" at {}", around.present.both(at)));
    let status = job.platform.as_ref().map_or_else(
        || "the platform has not been asked yet".to_owned(),
        |status| format!("the platform says `{}`", text::line(status.word())),
    );
    let look = if around.paused.is_some() {
        format!("its account {} is paused", job.account)
    } else if job.run_at > around.present.now {
        format!("next check {}", around.present.distance(job.run_at))
    } else if around.daemon == Some(false) {
        "the next check is due, but the daemon does not run".to_owned()
    } else {
        "the next check is due".to_owned()
    };
    if job.video_key.is_none() {
        return format!(
            "was sent by FTP{sent}, and its video is searched for on the platform; {look}"
        );
    }
    // The bytes of a fetch are not ours to send, and `sent` is when the platform was asked for it.
    let what = if job.way == Some(Way::Fetch) {
        format!("was given to the platform to fetch as video {key}")
    } else if let Some(before) = job.replaces {
        format!("was uploaded in place of the content of video {key} (job {before})")
    } else {
        format!("was uploaded as video {key}")
    };
    format!("{what}{sent} and waits for `ready`; {status}; {look}")
}

fn say_when(preposition: &str, job: &Job, present: &Present) -> String {
    job.finished_at.map_or_else(String::new, |at| {
        format!(" {preposition} {}", present.both(at))
    })
}
