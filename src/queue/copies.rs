//! Jobs of one account whose files have the same content: one of them is uploaded, the others point
//! to it.
//!
//! Before a job creates a video it stores its fingerprint and looks for others, in one transaction:
//! of two that race, the second sees the first. It continues only if no other is uploaded or in
//! progress; it waits for one that is in progress, or not `ready` yet, and that does not wait
//! itself, so that jobs never wait in a ring. What the end of one job means for its copies is
//! written in triggers (migration 0004).

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::advice::Advice;
use super::error::Error;
use super::job::{JobId, Lease, Step};
use super::outcome::{self, Count, Report, close_attempt, held};
use super::replace::HOLDS_ITS_VIDEO;
use super::sql::{At, StoredPath};
use super::ticket::forget_transfer;

/// A job whose bytes are on the platform and may be the same.
#[derive(Debug, Clone)]
pub struct Original {
    /// The job.
    pub id: JobId,
    /// Its file, as far as that still is there.
    pub path: PathBuf,
    /// When its file was modified, nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// Whether the platform has yet to say `ready`: until then it is no original of anything.
    pub is_unconfirmed: bool,
    /// Its video; none where it went by FTP and the key is not known.
    pub video_key: Option<String>,
    /// MD5 of what was sent, lower-case hex, where known.
    pub md5: Option<String>,
    /// Where it went in parts, see [`Job::parts_md5`](super::Job::parts_md5).
    pub parts_md5: Option<String>,
    /// Whether its fingerprint is the same; one of before has none.
    pub has_fingerprint: bool,
}

/// Which other jobs have the content, or may have it.
#[derive(Debug, Clone, Default)]
pub struct Others {
    /// Those whose bytes are uploaded, the oldest first; not those that are known to be something
    /// else.
    pub arrived: Vec<Original>,
    /// One that has to come to its end before it is known whether the content needs to be uploaded.
    pub under_way: Option<WaitsFor>,
}

/// What a job waits for before it is known whether its content needs to be uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// A job that seems to have the same content, and sends it.
    Upload(JobId),
    /// A job that has sent what seems to be the same content, and whose video is not ready.
    Ready(JobId),
    /// A job that is about to replace the video that seems to have the same content, and may fail.
    Replacement(JobId),
    /// A job whose video seems to have the same content, and may have been replaced: the platform is asked.
    Doubt(JobId),
}

impl WaitsFor {
    /// The job.
    pub fn job(self) -> JobId {
        match self {
            Self::Upload(job) | Self::Ready(job) | Self::Replacement(job) | Self::Doubt(job) => job,
        }
    }

    /// In words.
    pub fn words(self) -> String {
        let job = self.job();
        match self {
            Self::Upload(_) => format!(
                "waits for job {job}, which seems to have the same content and is being uploaded"
            ),
            Self::Ready(_) => format!(
                "waits for job {job}, which seems to have the same content and is uploaded, but not ready on the \
                 platform yet"
            ),
            Self::Replacement(_) => format!(
                "waits for job {job}, which is about to replace the video that seems to have the same content"
            ),
            Self::Doubt(_) => format!(
                "waits for job {job}, whose video seems to have the same content and may have been replaced"
            ),
        }
    }
}

/// What is said of a wait that is not forever.
#[derive(Debug, Clone)]
pub struct Words {
    /// While it lasts.
    pub waits: String,
    /// What people can do meanwhile.
    pub advice: Advice,
    /// Once it is over.
    pub gives_up: String,
}

/// Stores what the job's file looks like.
pub fn note(db: &Connection, lease: &Lease, fingerprint: &str) -> Result<(), Error> {
    held(db, lease)?;
    db.prepare_cached("UPDATE jobs SET fingerprint = ?2, waits_for = NULL WHERE id = ?1")?
        .execute(params![lease.job.id.0, fingerprint])?;
    Ok(())
}

/// As [`note`], and looks for others. `others_than` are known to have other content. A video that a
/// job is about to give other content is not the original of a copy; what that comes to is waited for.
pub fn look(
    db: &Connection,
    lease: &Lease,
    fingerprint: &str,
    others_than: &BTreeSet<JobId>,
    now: Timestamp,
) -> Result<Others, Error> {
    note(db, lease, fingerprint)?;
    // A job that is queued in its first step has nothing on the platform, and looks for us when its
    // turn comes.
    let mut statement = db.prepare_cached(&format!(
        "SELECT id, path, mtime_ns, state, step, video_key, md5, parts_md5, 1 AS has_fingerprint FROM jobs
         WHERE account = ?1 AND size = ?2 AND fingerprint = ?3 AND id <> ?4 AND waits_for IS NULL AND state <> 'duplicate'
           AND (state IN ('running', 'done') OR state = 'queued' AND (step <> 'create' OR create_sent_at IS NOT NULL))
           AND {HOLDS_ITS_VIDEO}
         UNION ALL
         SELECT id, path, mtime_ns, state, step, video_key, md5, parts_md5, 0 FROM jobs
         WHERE account = ?1 AND size = ?2 AND fingerprint IS NULL AND md5 IS NOT NULL AND id <> ?4
           AND (state = 'done' OR state = 'queued' AND step = 'confirm')
           AND {HOLDS_ITS_VIDEO}
         ORDER BY id"
    ))?;
    let job = &lease.job;
    let mut rows = statement.query(params![
        job.account,
        job.identity.size,
        fingerprint,
        job.id.0
    ])?;
    let mut others = Others::default();
    while let Some(row) = rows.next()? {
        let id = JobId(row.get("id")?);
        let (state, step): (String, String) = (row.get("state")?, row.get("step")?);
        let is_unconfirmed = state == "queued" && step == Step::Confirm.word();
        if state != "done" && !is_unconfirmed {
            others.under_way = others.under_way.or(Some(WaitsFor::Upload(id)));
        } else if !others_than.contains(&id) {
            others.arrived.push(Original {
                id,
                path: row.get::<_, StoredPath>("path")?.0,
                mtime_ns: row.get("mtime_ns")?,
                is_unconfirmed,
                video_key: row.get("video_key")?,
                md5: row.get("md5")?,
                parts_md5: row.get("parts_md5")?,
                has_fingerprint: row.get("has_fingerprint")?,
            });
        }
    }
    if others.arrived.is_empty() && others.under_way.is_none() {
        others.under_way = replacement(db, lease, fingerprint, others_than, now)?;
    }
    Ok(others)
}

/// The platform is asked ten minutes after the last byte whether it has replaced a video; what it has not told so long
/// after it, as one that reports no checksum, it will hardly tell.
const DOUBTED: SignedDuration = SignedDuration::from_mins(30);

/// A job that is to replace such a video, and may fail: until its bytes have arrived, the video has
/// what it had. Or one whose video may have been replaced, which is asked about.
fn replacement(
    db: &Connection,
    lease: &Lease,
    fingerprint: &str,
    others_than: &BTreeSet<JobId>,
    now: Timestamp,
) -> Result<Option<WaitsFor>, Error> {
    let (job, doubted_since) = (&lease.job, earlier(now, DOUBTED));
    let mut statement = db.prepare_cached(
        "SELECT holder.id, taker.id FROM jobs AS holder
         LEFT JOIN jobs AS taker ON taker.video_key = holder.video_key AND taker.id NOT IN (holder.id, ?4)
              AND taker.replaces IS NOT NULL AND taker.waits_for IS NULL
              AND +taker.state IN ('queued', 'running') AND +taker.step <> 'confirm'
         WHERE holder.account = ?1 AND holder.size = ?2 AND holder.fingerprint = ?3 AND holder.id <> ?4
           AND holder.state = 'done'
           AND (holder.replaced = 'perhaps' AND (taker.id IS NOT NULL OR holder.replaced_at > ?5)
                OR (holder.replaced_by IS NULL OR holder.replaced = 'sending') AND taker.id IS NOT NULL)
         ORDER BY taker.id",
    )?;
    let mut rows = statement.query(params![
        job.account,
        job.identity.size,
        fingerprint,
        job.id.0,
        At(doubted_since)
    ])?;
    while let Some(row) = rows.next()? {
        let holder = JobId(row.get(0)?);
        if others_than.contains(&holder) {
            continue;
        }
        let taker: Option<i64> = row.get(1)?;
        return Ok(Some(taker.map_or(WaitsFor::Doubt(holder), |taker| {
            WaitsFor::Replacement(JobId(taker))
        })));
    }
    Ok(None)
}

/// Back to the queue until the other job's bytes are uploaded or it has come to an end; looked at
/// again `run_at` in any case. The attempt does not count.
pub fn wait(
    db: &Connection,
    lease: &Lease,
    (other, run_at): (WaitsFor, Timestamp),
    now: Timestamp,
) -> Result<(), Error> {
    let report = Report::said(other.words()).advising(Advice::UploadBoth);
    wait_as(db, lease, (other.job(), run_at), "waits", (&report, now))
}

/// The word in `attempts` for a wait until a replacement has arrived or failed.
const REPLACING: &str = "replacing";

/// A job waits for no replacement for longer than this: the folder of the other's file may be away.
const LONGEST_REPLACING: SignedDuration = SignedDuration::from_hours(24);

/// As [`wait`], where the other job replaces a video, or may have. Answers whether it waits; after a day it does not,
/// as in [`wait_for_proof`].
pub fn wait_for_replacement(
    db: &Connection,
    lease: &Lease,
    (other, run_at): (WaitsFor, Timestamp),
    now: Timestamp,
) -> Result<bool, Error> {
    held(db, lease)?;
    let waits_long = db
        .prepare_cached(
            "SELECT 1 FROM attempts WHERE job_id = ?1 AND outcome = ?2 AND started_at < ?3",
        )?
        .exists(params![
            lease.job.id.0,
            REPLACING,
            At(earlier(now, LONGEST_REPLACING))
        ])?;
    if waits_long {
        let why = format!("it {} for too long", other.words());
        give_up(db, lease, (REPLACING, &why), now)?;
        return Ok(false);
    }
    let report = Report::said(other.words()).advising(Advice::UploadBoth);
    wait_as(db, lease, (other.job(), run_at), REPLACING, (&report, now))?;
    Ok(true)
}

fn earlier(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// As [`wait`]; `word` is that for `attempts`.
fn wait_as(
    db: &Connection,
    lease: &Lease,
    (other, run_at): (JobId, Timestamp),
    word: &str,
    (report, now): (&Report, Timestamp),
) -> Result<(), Error> {
    outcome::again(db, lease, (run_at, Count::No), (word, report), now)?;
    // It is looked at again, and must not be found by another job until then.
    db.prepare_cached("UPDATE jobs SET waits_for = ?2, fingerprint = NULL WHERE id = ?1")?
        .execute(params![lease.job.id.0, other.0])?;
    Ok(())
}

/// The word in `attempts` for a question to which the platform said neither yes nor no.
pub const UNPROVEN: &str = "unproven";

/// As [`wait`], where the platform says neither that the other's video has the content nor that it has not.
///
/// Answers whether it waits. After `most` such answers it does not: the job will be uploaded as a
/// video of its own, and the reason is noted, once.
pub fn wait_for_proof(
    db: &Connection,
    lease: &Lease,
    (other, run_at, most): (JobId, Timestamp, i64),
    (words, now): (&Words, Timestamp),
) -> Result<bool, Error> {
    held(db, lease)?;
    let id = lease.job.id;
    let asked: i64 = db
        .prepare_cached("SELECT count(*) FROM attempts WHERE job_id = ?1 AND outcome = ?2")?
        .query_row(params![id.0, UNPROVEN], |row| row.get(0))?;
    if asked < most {
        let report = Report::said(&words.waits).advising(words.advice);
        wait_as(db, lease, (other, run_at), UNPROVEN, (&report, now))?;
        return Ok(true);
    }
    give_up(db, lease, (UNPROVEN, &words.gives_up), now)?;
    Ok(false)
}

/// Notes why the job does not wait any more, once for each kind of wait.
fn give_up(
    db: &Connection,
    lease: &Lease,
    (word, why): (&str, &str),
    now: Timestamp,
) -> Result<(), Error> {
    let id = lease.job.id;
    let is_noted = db
        .prepare_cached(
            "SELECT 1 FROM attempts WHERE job_id = ?1 AND outcome = ?2 AND message GLOB 'uploaded as a video of its own:*'",
        )?
        .exists(params![id.0, word])?;
    if !is_noted {
        let report = Report {
            message: Some(format!("uploaded as a video of its own: {why}")),
            ..Report::default()
        };
        close_attempt(db, id, word, &report, now)?;
        outcome::begin(db, lease, Step::Create, now)?;
    }
    Ok(())
}

/// As [`wait`], for one whose bytes are on the platform and that waits for `ready`. Answers whether
/// it still does; if not, nothing is changed, because nothing would wake this one.
pub fn wait_for_ready(
    db: &Connection,
    lease: &Lease,
    (other, run_at): (JobId, Timestamp),
    now: Timestamp,
) -> Result<bool, Error> {
    held(db, lease)?;
    let waits = db
        .prepare_cached(
            "SELECT 1 FROM jobs WHERE id = ?1 AND state = 'queued' AND step = 'confirm'",
        )?
        .exists([other.0])?;
    if waits {
        wait(db, lease, (WaitsFor::Ready(other), run_at), now)?;
    }
    Ok(waits)
}

/// The job's content is the video of another, as the platform has just said. Answers whether that is still so; if not, nothing is
/// changed.
pub fn duplicate(
    db: &Connection,
    lease: &Lease,
    original: JobId,
    now: Timestamp,
) -> Result<bool, Error> {
    held(db, lease)?;
    let id = lease.job.id;
    let stands = db
        .prepare_cached(&format!(
            "SELECT coalesce(video_key, 'not known yet') FROM jobs
             WHERE id = ?1 AND state = 'done' AND {HOLDS_ITS_VIDEO}"
        ))?
        .query_row([original.0], |row| row.get::<_, String>(0))
        .optional()?;
    let Some(key) = stands else { return Ok(false) };
    db.prepare_cached(
        "UPDATE jobs SET state = 'duplicate', duplicate_of = ?2, lease_id = NULL, lease_until = NULL,
                waits_for = NULL, replaces = NULL, video_key = NULL, method = NULL, method_why = NULL,
                last_error = NULL, advice = NULL, failing_since = NULL, finished_at = ?3
         WHERE id = ?1",
    )?
    .execute(params![id.0, original.0, At(now)])?;
    forget_transfer(db, id)?;
    let report = Report {
        message: Some(format!(
            "the same content is the video of job {original}: {key}"
        )),
        ..Report::default()
    };
    close_attempt(db, id, "duplicate", &report, now)?;
    Ok(true)
}

/// A copy has shown what content the original's video has: it is compared by this MD5 from now on, if none is known of
/// what was sent.
pub fn content_is(db: &Connection, original: JobId, md5: &str) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE jobs SET md5 = lower(?2) WHERE id = ?1 AND state = 'done' AND md5 IS NULL AND parts_md5 IS NULL",
    )?
    .execute(params![original.0, md5])?;
    Ok(())
}
