//! A job: one file on its way to one video. Its states, its steps, and how a row becomes one.
//!
//! Scheduling (`state`) and business (`step`) are two columns on purpose: a crash resumes at the
//! step, not at the start.
#![deny(clippy::wildcard_enum_match_arm)]

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::Row;

use super::advice::Advice;
use super::error::Error;
use super::restored::FOUND;
use super::sql::{At, StoredPath, optional_time};
use crate::identity::Identity;
use crate::status::Status;
use crate::way::Way;

/// The number of a job, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a job is with the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Waits until `run_at`; with step `confirm` it waits for the platform. Entered by enqueueing,
    /// a failure that may pass, a stop of the daemon, and a crash (at the next start).
    Queued,
    /// A worker holds it by a lease. A crash leaves it so until the next start gives it back.
    Running,
    /// The platform says `ready`, and the video key is recorded. Final.
    Done,
    /// Trying again by itself cannot help; `last_error` says why. `retry` queues it again.
    Failed,
    /// It was cancelled, or its file changed under it (`superseded`). Final except for `retry`.
    Cancelled,
    /// The same content is another job's video. Final except for `retry`; if the other fails, this
    /// one is queued.
    Duplicate,
}

impl State {
    /// All states, in the order of a life.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
        Self::Duplicate,
    ];

    /// The word in the column.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Duplicate => "duplicate",
        }
    }

    /// The state that a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// How far the video is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The platform has no video of it that we know of.
    Create,
    /// The video exists and its key is stored; the bytes are not all there.
    Transfer,
    /// The bytes are there; the platform works on them.
    Confirm,
}

impl Step {
    const ALL: [Self; 3] = [Self::Create, Self::Transfer, Self::Confirm];

    /// The word in the column.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Transfer => "transfer",
            Self::Confirm => "confirm",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.word() == word)
    }
}

/// One row of `jobs`, after the schema's checks.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// The watch that it came from.
    pub watch: String,
    /// The account that it goes to.
    pub account: String,
    /// The file, absolute.
    pub path: PathBuf,
    /// Which file that was when it settled.
    pub identity: Identity,
    /// Scheduling.
    pub state: State,
    /// Business.
    pub step: Step,
    /// The upload method, once chosen; the column is `method`.
    pub way: Option<Way>,
    /// Why it was chosen, in words for the operator.
    pub method_why: Option<String>,
    /// The video's key, from the moment the platform gave it.
    pub video_key: Option<String>,
    /// How many attempts were made that count.
    pub attempts: i64,
    /// What went wrong last, in words for the operator.
    pub last_error: Option<String>,
    /// What people can do about that.
    pub advice: Option<Advice>,
    /// Not tried before this moment.
    pub run_at: Timestamp,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it reached a final state.
    pub finished_at: Option<Timestamp>,
    /// Our ingest id on the video, `custom.ingest_id`.
    pub ingest_id: String,
    /// Whether the file changed under it.
    pub superseded: bool,
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// When a create call with this ingest id may first have been sent.
    pub create_sent_at: Option<Timestamp>,
    /// When the platform had the last byte.
    pub sent_at: Option<Timestamp>,
    /// MD5 of the bytes that were sent, lower-case hex.
    pub md5: Option<String>,
    /// How far the platform was with the video when it was asked last; the column is `status`.
    pub platform: Option<Status>,
    /// The video's duration as the platform sees it, seconds.
    pub duration: Option<f64>,
    /// The file's size as the platform sees it, bytes.
    pub platform_size: Option<i64>,
    /// The job whose video this one is a copy of.
    pub duplicate_of: Option<i64>,
    /// The greater goes first.
    pub priority: i64,
    /// Hash over samples of the content; none where it was not looked at, or must be looked at
    /// again.
    pub fingerprint: Option<String>,
    /// Where the file went in parts: `<bytes of a part>:<MD5 over the MD5s of all parts>`.
    pub parts_md5: Option<String>,
    /// The job in progress, with what seems to be the same content, after which this one continues.
    pub waits_for: Option<i64>,
    /// Whether a person wants it uploaded, even if it is a copy or replaces another file.
    pub by_hand: bool,
    /// Whether it has not failed, but waits for a person to decide.
    pub held: bool,
    /// The job whose video gets this one's content.
    pub replaces: Option<i64>,
    /// The job whose content this one's video got, or may have got: this one's is not there then.
    pub replaced: Option<Replaced>,
}

/// What became of the content of a job's video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// The job whose content was sent in its place.
    pub by: JobId,
    /// Whether that has arrived.
    pub arrival: Arrival,
}

/// Whether what was sent in place of a video's content has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It is on its way.
    Sending,
    /// It may have: the job that sent it has ended or begun again, and no answer of the platform
    /// has settled it.
    Perhaps,
    /// It has.
    Certain,
}

impl Arrival {
    const ALL: [Self; 3] = [Self::Sending, Self::Perhaps, Self::Certain];

    /// The word in the column.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Perhaps => "perhaps",
            Self::Certain => "yes",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }
}

/// What the transfer needs, and how far it came.
#[derive(Clone)]
pub struct Ticket {
    /// Where the bytes go, sealed; for an upload by FTP, the name that the file gets.
    pub link: String,
    /// When the link stops working.
    pub expires_at: Option<Timestamp>,
    /// When the last byte was about to be handed out.
    pub last_byte_at: Option<Timestamp>,
    /// Bytes of each part but the last, where the file goes in parts.
    pub part_size: Option<u64>,
    /// Whether the file was touched since bytes of it were sent.
    pub is_doubted: bool,
    /// MD5 of all that was sent, where it was known with the last byte.
    pub md5: Option<String>,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("link", &"**redacted**")
            .field("expires_at", &self.expires_at)
            .field("last_byte_at", &self.last_byte_at)
            .field("part_size", &self.part_size)
            .field("is_doubted", &self.is_doubted)
            .field("md5", &self.md5)
            .finish()
    }
}

/// The right to work on a job. Every outcome is reported with it, and refused once it is lost.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Names this claim among all.
    pub id: String,
    /// The job as it was claimed.
    pub job: Job,
    /// Its ticket, if it has one.
    pub ticket: Option<Ticket>,
}

/// The columns that [`Job::from_row`] reads.
pub(super) const COLUMNS: &str = "id, watch, account, path, size, state, step, method, method_why, video_key, attempts, \
     last_error, advice, run_at, created_at, finished_at, ingest_id, dev, ino, mtime_ns, ctime_ns, superseded, \
     failing_since, create_sent_at, sent_at, md5, status, duration, platform_size, duplicate_of, \
     priority, fingerprint, parts_md5, waits_for, by_hand, held, replaces, replaced_by, replaced";

impl Job {
    /// Reads a row that was selected with [`COLUMNS`].
    pub(super) fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let id: i64 = row.get("id")?;
        let state: String = row.get("state")?;
        let step: String = row.get("step")?;
        Ok(Self {
            id: JobId(id),
            watch: row.get("watch")?,
            account: row.get("account")?,
            path: row.get::<_, StoredPath>("path")?.0,
            identity: Identity {
                dev: row.get("dev")?,
                ino: row.get("ino")?,
                size: row.get("size")?,
                mtime_ns: row.get("mtime_ns")?,
                ctime_ns: row.get("ctime_ns")?,
            },
            state: State::from_word(&state).ok_or_else(|| unknown(id, "state", &state))?,
            step: Step::from_word(&step).ok_or_else(|| unknown(id, "step", &step))?,
            way: way_from(row, id)?,
            method_why: row.get("method_why")?,
            video_key: row.get("video_key")?,
            attempts: row.get("attempts")?,
            last_error: row.get("last_error")?,
            advice: Advice::from_row(row, id)?,
            run_at: row.get::<_, At>("run_at")?.0,
            created_at: row.get::<_, At>("created_at")?.0,
            finished_at: optional_time(row, "finished_at")?,
            ingest_id: row.get("ingest_id")?,
            superseded: row.get("superseded")?,
            failing_since: optional_time(row, "failing_since")?,
            create_sent_at: optional_time(row, "create_sent_at")?,
            sent_at: optional_time(row, "sent_at")?,
            md5: row.get("md5")?,
            platform: row
                .get::<_, Option<String>>("status")?
                .map(|word| Status::from_word(&word)),
            duration: row.get("duration")?,
            platform_size: row.get("platform_size")?,
            duplicate_of: row.get("duplicate_of")?,
            priority: row.get("priority")?,
            fingerprint: row.get("fingerprint")?,
            parts_md5: row.get("parts_md5")?,
            waits_for: row.get("waits_for")?,
            by_hand: row.get("by_hand")?,
            held: row.get("held")?,
            replaces: row.get("replaces")?,
            replaced: replaced_from(row, id)?,
        })
    }
}

/// An error about a word in a row that none of ours is.
fn unknown(job: i64, column: &'static str, value: &str) -> Error {
    Error::Row {
        job,
        column,
        value: value.to_owned(),
    }
}

/// What was on the platform before this table was sent by no method of ours.
fn way_from(row: &Row<'_>, job: i64) -> Result<Option<Way>, Error> {
    let word: Option<String> = row.get("method")?;
    let word = word.filter(|word| word != FOUND);
    word.map(|word| Way::from_word(&word).ok_or_else(|| unknown(job, "method", &word)))
        .transpose()
}

fn replaced_from(row: &Row<'_>, job: i64) -> Result<Option<Replaced>, Error> {
    let by: Option<i64> = row.get("replaced_by")?;
    let word: Option<String> = row.get("replaced")?;
    let Some((by, word)) = by.zip(word) else {
        return Ok(None);
    };
    Ok(Some(Replaced {
        by: JobId(by),
        arrival: Arrival::from_word(&word).ok_or_else(|| unknown(job, "replaced", &word))?,
    }))
}
