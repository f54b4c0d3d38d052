//! What a job has sent, by which the platform's answer is judged, and what becomes of a job that is done
//! when its video turns out to be gone, failed, or other content.

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::types::Null;
use rusqlite::{Connection, OptionalExtension, params};

use super::advice::Advice;
use super::error::Error;
use super::job::JobId;
use super::outcome::{Report, forget_video};
use super::row::{self, Attempt, Final};
use super::sql::{At, StoredPath};
use super::ticket::forget_transfer;
use super::{change, confirm, fetch, ftp, replace, withdraw};
use crate::way::Way;

/// What a job has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The job.
    pub job: JobId,
    /// Its account.
    pub account: String,
    /// Its file.
    pub path: PathBuf,
    /// Its video; none where it went by FTP and the key is not known.
    pub video_key: Option<String>,
    /// Bytes of the file.
    pub size: i64,
    /// MD5 of what was sent, lower-case hex, where known.
    pub md5: Option<String>,
    /// Whether the upload server or the platform confirmed the MD5 of every byte of this very video.
    pub is_verified: bool,
    /// When the platform changed the video last, by its own clock ([`super::change`]), as far as that is known to be right.
    pub changed_there: Option<i64>,
    /// When this program called for a change of the video, and does not know what became of that.
    pub own_change: Option<i64>,
    /// Whether another file's content is in the video, or may be at any moment.
    pub is_replaced: bool,
    /// Which way its bytes went, or came.
    pub way: Option<Way>,
}

/// Reads what a job has sent.
pub fn of(db: &Connection, job: JobId) -> Result<Option<Sent>, Error> {
    Ok(db
        .prepare_cached(&format!(
            "SELECT id, account, path, video_key, size, md5, verified IS ingest_id AS is_verified, changed_there,
                    own_change, {} AS is_replaced, method
             FROM jobs WHERE id = ?1",
            replace::is_replaced("jobs")
        ))?
        .query_row([job.0], |row| {
            Ok(Sent {
                job: JobId(row.get("id")?),
                account: row.get("account")?,
                path: row.get::<_, StoredPath>("path")?.0,
                video_key: row.get("video_key")?,
                size: row.get("size")?,
                md5: row.get("md5")?,
                is_verified: row.get("is_verified")?,
                changed_there: row.get("changed_there")?,
                own_change: row.get("own_change")?,
                is_replaced: row.get("is_replaced")?,
                way: row
                    .get::<_, Option<String>>("method")?
                    .and_then(|word| Way::from_word(&word)),
            })
        })
        .optional()?)
}

/// Before this program calls for a change of a job's video.
///
/// From here on a change of about `called`, by the platform's clock, may be its own. `before` is when the platform changed the video last, as it says now.
pub fn change_begins(
    db: &Connection,
    job: JobId,
    (video_key, before, called): (&str, Option<i64>, i64),
) -> Result<(), Error> {
    if let Some(before) = before {
        // An earlier call's, of which the answer was lost.
        is_changed_by_us(db, job, (video_key, before, before))?;
    }
    set_own_change(db, job, video_key, Some(called))
}

/// The platform changed a video because this program asked for it: from `before` to `after`, by the
/// platform's clock. Where either is not known, the next look judges by when it was asked for.
///
/// A change that another person made in between is not ignored; until the video is ready, any
/// change may be the platform's own.
pub fn changed_by_us(db: &Connection, job: JobId, times: (&str, i64, i64)) -> Result<(), Error> {
    is_changed_by_us(db, job, times)?;
    forget_change(db, job, times.0)
}

/// The platform refused the change.
pub fn forget_change(db: &Connection, job: JobId, video_key: &str) -> Result<(), Error> {
    set_own_change(db, job, video_key, None)
}

fn set_own_change(
    db: &Connection,
    job: JobId,
    video_key: &str,
    called: Option<i64>,
) -> Result<(), Error> {
    db.prepare_cached("UPDATE jobs SET own_change = ?3 WHERE id = ?1 AND video_key = ?2")?
        .execute(params![job.0, video_key, called])?;
    Ok(())
}

fn is_changed_by_us(
    db: &Connection,
    job: JobId,
    (video_key, before, after): (&str, i64, i64),
) -> Result<(), Error> {
    let known: Option<(Option<i64>, Option<i64>, bool)> = db
        .prepare_cached(
            "SELECT changed_there, own_change, state = 'done' FROM jobs WHERE id = ?1 AND video_key = ?2",
        )?
        .query_row(params![job.0, video_key], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((known, called, is_done)) = known else {
        return Ok(());
    };
    if !is_done || known.is_some_and(|known| change::is_ours(known, called, before)) {
        row::set(db, job, &[("changed_there", &after)])?;
    }
    Ok(())
}

/// In which way a video does not have what its job sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// It is not there.
    Gone,
    /// The platform failed with it: it is withdrawn.
    Failed,
    /// It has other content: a second time that is for a person to decide.
    OtherBytes,
    /// The same, and that is what the platform fetched for this job and no one changed since: it is withdrawn when the
    /// file is uploaded again.
    Misfetched,
}

impl Lack {
    fn is_other_content(self) -> bool {
        match self {
            Self::OtherBytes | Self::Misfetched => true,
            Self::Gone | Self::Failed => false,
        }
    }
}

/// A video that does not have, or has no more, what its job sent.
#[derive(Debug, Clone)]
pub struct Loss<'a> {
    /// Its key.
    pub video_key: &'a str,
    /// What was found, in words for the operator.
    pub why: &'a str,
    /// What it lacks.
    pub lack: Lack,
    /// Another file has the job's name by now.
    pub is_displaced: bool,
    /// The watches whose files wait for a person to decide (`on-replace = "hold"`).
    pub holding: &'a [String],
}

/// What became of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// Its file is uploaded again.
    Queued,
    /// A person decides.
    Held,
    /// Its file is not in the folder any more: the job has ended.
    Ended,
    /// It went by FTP, and the video was never proven to be its own: its own is looked for.
    Seeks,
    /// The job has another video, or none, by now: nothing was changed.
    Nothing,
}

/// The job is not done any more: what it had sent is not on the platform.
///
/// In one transaction, so that a kill leaves either the job that is done or the one that starts over,
/// under a new ingest id, and never two that upload the file. Not where another file's content is on its
/// way into the video, or may be there: that is no loss, and the file has another job by then
/// ([`super::former`] settles it).
pub fn lost(db: &Connection, job: JobId, loss: &Loss<'_>, now: Timestamp) -> Result<Became, Error> {
    let is_replaced = db
        .prepare_cached("SELECT 1 FROM jobs WHERE id = ?1 AND replaced_by IS NOT NULL")?
        .exists([job.0])?;
    if is_replaced {
        return Ok(Became::Nothing);
    }
    give_up(db, job, loss, now)
}

/// What the job sent is nowhere, no matter which job replaced it.
pub(super) fn give_up(
    db: &Connection,
    job: JobId,
    loss: &Loss<'_>,
    now: Timestamp,
) -> Result<Became, Error> {
    let watch: Option<String> = db
        .prepare_cached(
            "SELECT watch FROM jobs WHERE id = ?1 AND video_key = ?2 AND state = 'done'",
        )?
        .query_row(params![job.0, loss.video_key], |row| row.get(0))
        .optional()?;
    let Some(watch) = watch else {
        return Ok(Became::Nothing);
    };
    let again = loss.lack.is_other_content() && confirm::mismatches(db, job)? > 0;
    note_loss(db, job, loss, now)?;
    if ftp::let_go_of_done(db, job, loss.video_key, (loss.why, now))? {
        return Ok(Became::Seeks);
    }
    let became = go_on(db, job, (loss, again || loss.holding.contains(&watch)), now)?;
    let is_useless = match loss.lack {
        Lack::Failed => true,
        Lack::Misfetched => became == Became::Queued,
        Lack::Gone | Lack::OtherBytes => false,
    };
    if is_useless && !is_shared(db, job, loss.video_key)? {
        withdraw::video(db, job, loss.why, now)?;
    }
    forget_video(db, job)?;
    forget_transfer(db, job)?;
    row::set(
        db,
        job,
        &[
            ("fingerprint", &Null),
            ("method", &Null),
            ("method_why", &Null),
            ("attempts", &0),
            ("failing_since", &Null),
        ],
    )?;
    Ok(became)
}

/// The state that the job is in from now on.
fn go_on(
    db: &Connection,
    job: JobId,
    (loss, holds): (&Loss<'_>, bool),
    now: Timestamp,
) -> Result<Became, Error> {
    let gone_to = gone_to(db, job)?;
    if gone_to.is_some() || loss.is_displaced {
        let place = gone_to
            .and_then(|gone| gone.0)
            .map(|place| format!(": it was moved to {}", place.display()));
        let message = format!(
            "{}, and its file is not in the folder any more{}",
            loss.why,
            place.unwrap_or_default()
        );
        row::finish(db, job, Final::Gone, &Report::said(message), now)?;
        return Ok(Became::Ended);
    }
    if holds {
        hold_copies(db, job, loss, now)?;
        row::finish(db, job, Final::Held, &held(job, loss.why), now)?;
        return Ok(Became::Held);
    }
    let message = format!("{}: the file is uploaded again", loss.why);
    row::requeue(db, job, (now, Attempt::None), &Report::said(message), now)?;
    Ok(Became::Queued)
}

/// What a job that waits for a person says.
fn held(job: JobId, why: &str) -> Report {
    let words = format!(
        "held: {why}; jw-ingest retry {job} uploads the file as another video, \
         jw-ingest cancel {job} leaves it"
    );
    Report::said(words).advising(Advice::InWords)
}

/// Its copies wait for a person too, as far as their watches hold; the others are uploaded, as by any
/// failure of their original.
fn hold_copies(db: &Connection, job: JobId, loss: &Loss<'_>, now: Timestamp) -> Result<(), Error> {
    let mut statement = db.prepare_cached(
        "SELECT id, watch FROM jobs WHERE duplicate_of = ?1 AND state = 'duplicate'",
    )?;
    let copies = statement.query_map([job.0], |row| {
        Ok((JobId(row.get(0)?), row.get::<_, String>(1)?))
    })?;
    for (copy, watch) in copies.collect::<Result<Vec<_>, _>>()? {
        if loss.holding.contains(&watch) {
            row::finish(db, copy, Final::Held, &held(copy, loss.why), now)?;
            row::set(db, copy, &[("fingerprint", &Null)])?;
        }
    }
    Ok(())
}

/// Where the file was moved; none where it was deleted.
struct Gone(Option<PathBuf>);

/// Whether `after-upload` has taken the file out of its folder, and where it was moved.
fn gone_to(db: &Connection, job: JobId) -> Result<Option<Gone>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT moved_to FROM afterwards
             WHERE job_id = ?1 AND done_at IS NOT NULL AND action IN ('move', 'trash', 'delete')
               AND outcome NOT LIKE 'kept:%'",
        )?
        .query_row([job.0], |row| {
            Ok(Gone(
                row.get::<_, Option<StoredPath>>(0)?.map(|path| path.0),
            ))
        })
        .optional()?)
}

/// Whether another job has put content into the video: it is not this one's to withdraw.
fn is_shared(db: &Connection, job: JobId, video_key: &str) -> Result<bool, Error> {
    Ok(db
        .prepare_cached(
            "SELECT 1 FROM jobs WHERE video_key = ?2 AND id <> ?1 AND state IN ('queued', 'running', 'done')",
        )?
        .exists(params![job.0, video_key])?)
}

fn note_loss(db: &Connection, job: JobId, loss: &Loss<'_>, now: Timestamp) -> Result<(), Error> {
    let outcome = if loss.lack.is_other_content() {
        fetch::MISMATCH
    } else {
        "lost"
    };
    db.prepare_cached(
        "INSERT INTO attempts (job_id, step, method, started_at, ended_at, outcome, message)
         SELECT id, 'confirm', method, ?2, ?2, ?4, ?3 FROM jobs WHERE id = ?1",
    )?
    .execute(params![job.0, At(now), loss.why, outcome])?;
    Ok(())
}
