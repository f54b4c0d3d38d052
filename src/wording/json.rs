//! The JSON form of a job: part of the interface, one object a line.
//!
//! Names and meaning are those of the table's columns. The ticket (the upload link) is no part of
//! it, and no type here could hold one.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use std::os::unix::ffi::OsStrExt;

use super::{notices, text};
use crate::clock;
use crate::platform::Status;
use crate::queue::Job;
use crate::queue::afterwards::Row;
use crate::queue::clocks::Skewed;
use crate::queue::query::{Attempt, Progress};
use crate::way::Way;

/// A job as one JSON object.
#[derive(Debug, Serialize)]
pub(crate) struct JobObject<'a> {
    id: i64,
    watch: &'a str,
    account: &'a str,
    #[serde(flatten)]
    path: PathFields<'a>,
    size: i64,
    state: &'static str,
    step: &'static str,
    phase: &'static str,
    method: Option<&'a str>,
    method_why: Option<&'a str>,
    video_key: Option<&'a str>,
    attempts: i64,
    last_error: Option<&'a str>,
    run_at: String,
    created_at: String,
    finished_at: Option<String>,
    ingest_id: &'a str,
    superseded: bool,
    failing_since: Option<String>,
    sent_at: Option<String>,
    md5: Option<&'a str>,
    status: Option<&'a str>,
    duration: Option<f64>,
    platform_size: Option<i64>,
    duplicate_of: Option<i64>,
    priority: i64,
    held: bool,
    replaces: Option<i64>,
    replaced_by: Option<i64>,
    replaced: Option<&'static str>,
    waits_for: Option<i64>,
    by_hand: bool,
    progress: Option<ProgressObject>,
    /// How far this machine's clock is ahead of the platform's (negative: behind), while the job is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_ahead_seconds: Option<i64>,
}

impl<'a> JobObject<'a> {
    /// The form of a job, with its progress while it runs.
    pub(crate) fn of(job: &'a Job, progress: Option<&Progress>, clocks: &[Skewed]) -> Self {
        Self {
            id: job.id.0,
            watch: &job.watch,
            account: &job.account,
            path: PathFields::of(&job.path),
            size: job.identity.size,
            state: job.state.word(),
            step: job.step.word(),
            phase: job.standing().word(),
            method: job.way.map(Way::word),
            method_why: job.method_why.as_deref(),
            video_key: job.video_key.as_deref(),
            attempts: job.attempts,
            last_error: job.last_error.as_deref(),
            run_at: clock::text(job.run_at),
            created_at: clock::text(job.created_at),
            finished_at: time(job.finished_at),
            ingest_id: &job.ingest_id,
            superseded: job.superseded,
            failing_since: time(job.failing_since),
            sent_at: time(job.sent_at),
            md5: job.md5.as_deref(),
            status: job.platform.as_ref().map(Status::word),
            duration: job.duration,
            platform_size: job.platform_size,
            duplicate_of: job.duplicate_of,
            priority: job.priority,
            held: job.held,
            replaces: job.replaces,
            replaced_by: job.replaced.map(|replaced| replaced.by.0),
            replaced: job.replaced.map(|replaced| replaced.arrival.word()),
            waits_for: job.waits_for,
            by_hand: job.by_hand,
            progress: progress.map(ProgressObject::of),
            clock_ahead_seconds: notices::clock_of(job, clocks).map(|skewed| skewed.ahead_s),
        }
    }
}

/// A job with all its attempts.
#[derive(Debug, Serialize)]
pub(crate) struct JobInFull<'a> {
    /// The job.
    #[serde(flatten)]
    pub job: JobObject<'a>,
    /// What was not sent to the platform about it beside its bytes, and why.
    pub metadata_error: Option<&'a str>,
    /// What becomes of its file, or became; none where it stays as a matter of course.
    pub afterwards: Option<AfterwardsObject>,
    /// Its attempts, oldest first; `attempts` is the number of those that count.
    pub attempt_list: Vec<AttemptObject<'a>>,
}

/// What becomes of a job's file.
#[derive(Debug, Serialize)]
pub(crate) struct AfterwardsObject {
    action: &'static str,
    due_at: Option<String>,
    attempts: i64,
    last_error: Option<String>,
    outcome: Option<String>,
    done_at: Option<String>,
    moved_to: Option<String>,
    note: Option<String>,
}

impl AfterwardsObject {
    /// The form of a row.
    pub(crate) fn of(row: &Row) -> Self {
        let path = |path: &Option<PathBuf>| path.as_deref().map(text::path);
        Self {
            action: row.action.word(),
            due_at: time(row.due_at),
            attempts: row.attempts,
            last_error: row.last_error.clone(),
            outcome: row.outcome.clone(),
            done_at: time(row.done_at),
            moved_to: path(&row.moved_to),
            note: path(&row.note),
        }
    }
}

/// One attempt of one step.
#[derive(Debug, Serialize)]
pub(crate) struct AttemptObject<'a> {
    step: &'a str,
    method: Option<&'a str>,
    started_at: String,
    ended_at: Option<String>,
    bytes_sent: i64,
    outcome: Option<&'a str>,
    message: Option<&'a str>,
    request_id: Option<&'a str>,
}

impl<'a> AttemptObject<'a> {
    /// The form of an attempt.
    pub(crate) fn of(attempt: &'a Attempt) -> Self {
        Self {
            step: &attempt.step,
            method: attempt.method.as_deref(),
            started_at: clock::text(attempt.started_at),
            ended_at: time(attempt.ended_at),
            bytes_sent: attempt.bytes_sent,
            outcome: attempt.outcome.as_deref(),
            message: attempt.message.as_deref(),
            request_id: attempt.request_id.as_deref(),
        }
    }
}

/// A path: `path`, and where that is not UTF-8 its bytes as `path_base64`.
#[derive(Debug, Serialize)]
pub(crate) struct PathFields<'a> {
    path: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
}

impl<'a> PathFields<'a> {
    /// The form of a path.
    pub(crate) fn of(path: &'a Path) -> Self {
        let is_text = path.to_str().is_some();
        Self {
            path: path.to_string_lossy(),
            path_base64: (!is_text).then(|| STANDARD.encode(path.as_os_str().as_bytes())),
        }
    }
}

#[derive(Debug, Serialize)]
struct ProgressObject {
    bytes_sent: i64,
    bytes_per_second: i64,
    updated_at: String,
}

impl ProgressObject {
    fn of(progress: &Progress) -> Self {
        Self {
            bytes_sent: progress.bytes_sent,
            bytes_per_second: progress.bytes_per_second,
            updated_at: clock::text(progress.updated_at),
        }
    }
}

/// An optional moment.
pub(crate) fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(clock::text)
}
