//! The present state in a few figures: for the service's status line, and for `jw-ingest status`.

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use super::accounts::{self, Paused};
use super::clocks::{self, Skewed};
use super::daemon::{self, Daemon};
use super::error::Error;
use super::folders::{self, Folder, Reach};
use super::sql::At;

/// A watch folder answers within this time after its watch began; one that does not hangs.
const PATIENCE: SignedDuration = SignedDuration::from_secs(15);

/// The present state.
#[derive(Debug, Clone, Default)]
pub struct Overview {
    /// Jobs held by a worker.
    pub running: i64,
    /// Jobs that wait to be tried.
    pub queued: i64,
    /// Jobs whose bytes are on the platform.
    pub confirming: i64,
    /// Jobs that failed for good.
    pub failed: i64,
    /// Jobs that wait for a person to decide.
    pub held: i64,
    /// Files that could not be moved or deleted yet, and why the first of them.
    pub stuck: Option<(i64, String)>,
    /// Accounts that are paused.
    pub paused: Vec<Paused>,
    /// Clocks that differ.
    pub clocks: Vec<Skewed>,
    /// The watch folders.
    pub folders: Vec<Folder>,
    /// The daemon that runs, or ran last.
    pub daemon: Option<Daemon>,
}

/// How a watch folder is by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Its files are looked at.
    Ok,
    /// Its first look is not over.
    Starting,
    /// It has not answered for long.
    Silent,
    /// It is offline.
    Away(Reach),
}

impl Folder {
    /// How it is at this moment.
    pub fn condition(&self, now: Timestamp) -> Condition {
        match self.seen.reach {
            _ if !self.has_answered && now.duration_since(self.began) > PATIENCE => {
                Condition::Silent
            }
            _ if !self.has_answered => Condition::Starting,
            Reach::Ok => Condition::Ok,
            away => Condition::Away(away),
        }
    }
}

/// Reads the [`Overview`].
///
/// # Errors
/// The database.
pub fn read_overview(db: &Connection) -> Result<Overview, Error> {
    let mut overview = db
        .prepare_cached(
            "SELECT (SELECT count(*) FROM jobs WHERE state = 'running'),
                    (SELECT count(*) FROM jobs WHERE state = 'queued' AND step <> 'confirm'),
                    (SELECT count(*) FROM jobs WHERE state = 'queued' AND step = 'confirm'),
                    (SELECT count(*) FROM jobs WHERE state = 'failed' AND phase = 'failed'),
                    (SELECT count(*) FROM jobs WHERE state = 'failed' AND phase = 'held')",
        )?
        .query_row([], |row| {
            Ok(Overview {
                running: row.get(0)?,
                queued: row.get(1)?,
                confirming: row.get(2)?,
                failed: row.get(3)?,
                held: row.get(4)?,
                ..Overview::default()
            })
        })?;
    overview.stuck = db
        .prepare_cached(
            "SELECT count(*), min(last_error) FROM afterwards
             WHERE due_at IS NOT NULL AND last_error IS NOT NULL AND attempts > 0
               AND action IN ('move', 'trash', 'delete', 'failed-dir', 'back')",
        )?
        .query_row([], |row| {
            let why: Option<String> = row.get(1)?;
            Ok(Some(row.get(0)?).zip(why))
        })?;
    overview.paused = accounts::paused(db)?;
    overview.clocks = clocks::list_skewed(db)?;
    overview.folders = folders::read_all(db)?;
    overview.daemon = daemon::read(db)?;
    Ok(overview)
}

/// What was uploaded in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uploaded {
    /// Files.
    pub files: i64,
    /// Their bytes.
    pub bytes: i64,
}

/// Counts what was uploaded, and is ready, since a moment.
///
/// # Errors
/// The database.
pub fn count_uploaded(db: &Connection, since: Timestamp) -> Result<Uploaded, Error> {
    let sql = "SELECT count(*), coalesce(sum(size), 0) FROM jobs WHERE state = 'done' AND finished_at >= ?1";
    Ok(db.prepare_cached(sql)?.query_row([At(since)], |row| {
        Ok(Uploaded {
            files: row.get(0)?,
            bytes: row.get(1)?,
        })
    })?)
}

/// The uploads that run, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending {
    /// Bytes handed out so far.
    pub sent: i64,
    /// Bytes of their files.
    pub size: i64,
    /// Bytes a second.
    pub rate: i64,
}

/// Progress is noted about once a second; older than this, it is no longer noted.
const STALE: SignedDuration = SignedDuration::from_secs(15);

/// How far the uploads are that run; nothing where none does.
///
/// # Errors
/// The database.
pub fn read_sending(db: &Connection, now: Timestamp) -> Result<Option<Sending>, Error> {
    let fresh = now.checked_sub(STALE).unwrap_or(Timestamp::MIN);
    let sql = "SELECT coalesce(sum(bytes_sent), 0) AS sent, coalesce(sum(size), 0) AS size,
                      coalesce(sum(bytes_per_second), 0) AS rate
               FROM progress JOIN jobs ON jobs.id = job_id
               WHERE state = 'running' AND progress.updated_at >= ?1";
    let sending = db.prepare_cached(sql)?.query_row([At(fresh)], |row| {
        Ok(Sending {
            sent: row.get("sent")?,
            size: row.get("size")?,
            rate: row.get("rate")?,
        })
    })?;
    Ok((sending.size > 0).then_some(sending))
}
