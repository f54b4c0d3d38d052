//! What the table says about one job beside its row, for `explain`: its attempts, its neighbours by
//! content, its place in the queue, what was sent to the platform about it and what becomes of its
//! file.
//!
//! Only for people who ask about one path: some of it looks through all jobs.

use std::collections::HashMap;
use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use super::error::Error;
use super::job::{Job, JobId};
use super::order;
use super::query::{self, Attempt};
use super::sql::{At, StoredPath, optional_time};
use super::standing::Standing;

/// All of it. What does not apply, or is not known, is empty.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// The last attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// How many earlier ones are left out.
    pub earlier_attempts: usize,
    /// The job whose video it is a copy of.
    pub original: Option<Other>,
    /// Jobs that are copies of it, the first ones.
    pub copies: Vec<Other>,
    /// How many copies are left out.
    pub more_copies: usize,
    /// The job after which it continues.
    pub waits_for: Option<Other>,
    /// The job whose video gets its content.
    pub replaces: Option<Other>,
    /// The job whose content went, or goes, or may have gone, into its video.
    pub replaced_by: Vec<Other>,
    /// What was sent to the platform about the video beside its bytes.
    pub metadata: Option<Told>,
    /// What becomes of the file.
    pub afterwards: Option<Afterwards>,
    /// Its place in the queue, if it waits for nothing but its turn.
    pub place: Option<Place>,
}

impl Story {
    /// The job that it is a copy of, or waits for.
    pub fn neighbour(&self) -> Option<&Other> {
        self.original.as_ref().or(self.waits_for.as_ref())
    }
}

/// Another job, in short.
#[derive(Debug, Clone)]
pub struct Other {
    /// Its number.
    pub id: JobId,
    /// Its file.
    pub path: PathBuf,
    /// Where it is.
    pub standing: Standing,
    /// Its video.
    pub video_key: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// A row of `metadata`.
#[derive(Debug, Clone)]
pub struct Told {
    /// Whether it was sent to the platform: what is noted before the video is made has not arrived
    /// yet.
    pub is_told: bool,
    /// Whether a sidecar says more than the title and what the configuration says.
    pub has_sidecar: bool,
    /// When it is compared again with the sidecar.
    pub due_at: Option<Timestamp>,
    /// How many attempts failed.
    pub attempts: i64,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When the row was last written.
    pub updated_at: Option<Timestamp>,
}

/// A row of `afterwards`.
#[derive(Debug, Clone)]
pub struct Afterwards {
    /// What to do: keep, move, trash, delete, failed-dir.
    pub action: String,
    /// When.
    pub due_at: Option<Timestamp>,
    /// How many attempts failed.
    pub attempts: i64,
    /// Why it could not be done yet.
    pub last_error: Option<String>,
    /// What became of the file, or why nothing.
    pub outcome: Option<String>,
    /// When that was.
    pub done_at: Option<Timestamp>,
    /// Where the file is now.
    pub moved_to: Option<PathBuf>,
    /// The note beside it.
    pub note: Option<PathBuf>,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// How many jobs go before it.
    pub ahead: i64,
    /// Their bytes, with what is left of those that run.
    pub bytes_ahead: i64,
    /// How many run.
    pub running: i64,
    /// The usual rate of one file, bytes a second, from the last transfers.
    pub pace: Option<i64>,
}

/// How many attempts and copies are listed one by one.
const MOST: usize = 10;
/// The usual rate is that of so many transfers.
const PACE_OF: i64 = 20;

/// Reads the story of a job.
pub fn of(db: &Connection, job: &Job, now: Timestamp) -> Result<Story, Error> {
    let mut attempts = query::attempts(db, job.id)?;
    let earlier_attempts = attempts.len().saturating_sub(MOST);
    attempts.drain(..earlier_attempts);
    let other = |id: Option<i64>| id.map_or(Ok(None), |id| by_id(db, id));
    // By the state first, which has an index.
    let mut copies = others(db, "state = 'duplicate' AND duplicate_of = ?1", job.id)?;
    let more_copies = copies.len().saturating_sub(MOST);
    copies.truncate(MOST);
    Ok(Story {
        attempts,
        earlier_attempts,
        original: other(job.duplicate_of)?,
        copies,
        more_copies,
        waits_for: other(job.waits_for)?,
        replaces: other(job.replaces)?,
        replaced_by: other(job.replaced.map(|replaced| replaced.by.0))?
            .into_iter()
            .collect(),
        metadata: metadata(db, job.id)?,
        afterwards: read_afterwards(db, job.id)?,
        place: find_place(db, job, now)?,
    })
}

/// The jobs that have the videos of these duplicates, or that these jobs wait for, by their number.
pub fn neighbours<'a>(
    db: &Connection,
    jobs: impl IntoIterator<Item = &'a Job>,
) -> Result<HashMap<i64, Other>, Error> {
    let mut found = HashMap::new();
    for id in jobs.into_iter().filter_map(neighbour) {
        if !found.contains_key(&id)
            && let Some(other) = by_id(db, id)?
        {
            found.insert(id, other);
        }
    }
    Ok(found)
}

/// The job that this one is a copy of, or waits for.
pub fn neighbour(job: &Job) -> Option<i64> {
    job.duplicate_of.or(job.waits_for)
}

const OTHER: &str = "SELECT id, path, phase, video_key, created_at, finished_at FROM jobs";

fn by_id(db: &Connection, id: i64) -> Result<Option<Other>, Error> {
    db.prepare_cached(&format!("{OTHER} WHERE id = ?1"))?
        .query_row([id], |row| Ok(other_from(row)))
        .optional()?
        .transpose()
}

fn others(db: &Connection, condition: &str, of: JobId) -> Result<Vec<Other>, Error> {
    let mut statement = db.prepare_cached(&format!("{OTHER} WHERE {condition} ORDER BY id"))?;
    let rows = statement.query_map([of.0], |row| Ok(other_from(row)))?;
    rows.map(|row| row?).collect()
}

fn other_from(row: &Row<'_>) -> Result<Other, Error> {
    let id = row.get("id")?;
    let phase: String = row.get("phase")?;
    Ok(Other {
        id: JobId(id),
        path: row.get::<_, StoredPath>("path")?.0,
        standing: Standing::from_word(&phase).ok_or(Error::Row {
            job: id,
            column: "phase",
            value: phase,
        })?,
        video_key: row.get("video_key")?,
        created_at: row.get::<_, At>("created_at")?.0,
        finished_at: optional_time(row, "finished_at")?,
    })
}

fn metadata(db: &Connection, job: JobId) -> Result<Option<Told>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT video_key IS NOT NULL AND (updated_at IS NOT NULL OR digest IS NOT NULL) AS is_told,
                    digest IS NOT NULL AS has_sidecar, due_at, metadata.attempts, metadata.last_error, updated_at
             FROM metadata JOIN jobs ON jobs.id = job_id WHERE job_id = ?1",
        )?
        .query_row([job.0], |row| {
            Ok(Told {
                is_told: row.get("is_told")?,
                has_sidecar: row.get("has_sidecar")?,
                due_at: optional_time(row, "due_at")?,
                attempts: row.get("attempts")?,
                last_error: row.get("last_error")?,
                updated_at: optional_time(row, "updated_at")?,
            })
        })
        .optional()?)
}

fn read_afterwards(db: &Connection, job: JobId) -> Result<Option<Afterwards>, Error> {
    let path = |row: &Row<'_>, column| {
        Ok::<_, rusqlite::Error>(row.get::<_, Option<StoredPath>>(column)?.map(|path| path.0))
    };
    Ok(db
        .prepare_cached(
            "SELECT action, due_at, attempts, last_error, outcome, done_at, moved_to, note FROM afterwards WHERE job_id = ?1",
        )?
        .query_row([job.0], |row| {
            Ok(Afterwards {
                action: row.get("action")?,
                due_at: optional_time(row, "due_at")?,
                attempts: row.get("attempts")?,
                last_error: row.get("last_error")?,
                outcome: row.get("outcome")?,
                done_at: optional_time(row, "done_at")?,
                moved_to: path(row, "moved_to")?,
                note: path(row, "note")?,
            })
        })
        .optional()?)
}

/// The place of a job that is due, in the order in which jobs are claimed.
fn find_place(db: &Connection, job: &Job, now: Timestamp) -> Result<Option<Place>, Error> {
    let is_in_line = matches!(job.standing(), Standing::Turn | Standing::WaitingForCopy);
    if !is_in_line || job.run_at > now {
        return Ok(None);
    }
    let line = order::list_due(db, now)?;
    let Some(ahead) = line.split(|id| *id == job.id).next() else {
        return Ok(None);
    };
    if ahead.len() == line.len() {
        // Its account is paused, so that it has no place.
        return Ok(None);
    }
    let mut size = db.prepare_cached("SELECT size FROM jobs WHERE id = ?1")?;
    let mut bytes: i64 = 0;
    for id in ahead {
        bytes = bytes.saturating_add(size.query_row([id.0], |row| row.get(0))?);
    }
    let (running, left): (i64, i64) = db
        .prepare_cached(
            "SELECT count(*), coalesce(sum(max(size - coalesce(bytes_sent, 0), 0)), 0)
             FROM jobs LEFT JOIN progress ON progress.job_id = jobs.id WHERE state = 'running'",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Some(Place {
        ahead: i64::try_from(ahead.len()).unwrap_or(i64::MAX),
        bytes_ahead: bytes.saturating_add(left),
        running,
        pace: median_pace(db)?,
    }))
}

/// The median rate of the last transfers that went well, bytes a second.
fn median_pace(db: &Connection) -> Result<Option<i64>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT bytes_sent, started_at, ended_at FROM attempts
         WHERE step = 'transfer' AND outcome = 'done' AND bytes_sent > 0 ORDER BY id DESC LIMIT ?1",
    )?;
    let rows = statement.query_map([PACE_OF], |row| {
        let bytes: i64 = row.get("bytes_sent")?;
        let (began, ended): (At, At) = (row.get("started_at")?, row.get("ended_at")?);
        Ok((bytes, ended.0.duration_since(began.0)))
    })?;
    let mut rates = Vec::new();
    for row in rows {
        let (bytes, took) = row?;
        let rate = i128::from(bytes) * 1000 / took.as_millis().max(1);
        rates.push(i64::try_from(rate).unwrap_or(i64::MAX));
    }
    rates.sort_unstable();
    Ok(rates.get(rates.len() / 2).copied().filter(|rate| *rate > 0))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::params;

    use super::*;
    use crate::queue::operator;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn insert(db: &Connection, (id, priority, run_at): (i64, i64, i64), more: &str) {
        db.execute(
            "INSERT INTO jobs (id, watch, account, path, size, run_at, created_at, ingest_id, dev, ino, mtime_ns,
                               ctime_ns, priority)
             VALUES (?1, 'news', 'main', ?2, 1000, ?3, ?3, 'x', 1, ?1, 1, 1, ?4)",
            params![id, format!("/v/{id}.mp4"), At(at(run_at)), priority],
        )
        .unwrap();
        if !more.is_empty() {
            db.execute(&format!("UPDATE jobs SET {more} WHERE id = ?1"), [id])
                .unwrap();
        }
    }

    fn story_of(db: &Connection, id: i64) -> Story {
        let job = operator::by_id(db, JobId(id)).unwrap().unwrap();
        of(db, &job, at(100)).unwrap()
    }

    #[test]
    fn a_job_has_its_place_behind_the_urgent_and_the_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        let db = super::super::open(&folder.path().join("jobs.db")).unwrap();
        let busy = "state = 'running', lease_id = 'x', lease_until = '2027-01-15T08:00:00.000Z'";
        for (job, more) in [
            ((1, 0, 10), ""),
            ((2, 0, 20), ""),
            ((3, 5, 30), ""),
            ((4, 0, 500), ""),
            ((5, 0, 5), busy),
            ((6, 0, 1), "account = 'paused'"),
        ] {
            insert(&db, job, more);
        }
        db.execute_batch(
            "INSERT INTO progress VALUES (5, 400, 10, '2027-01-15T08:00:00.000Z');
             INSERT INTO paused_accounts (account, reason, since, probe_at)
             VALUES ('paused', 'x', '2027-01-15T08:00:00.000Z', '2027-01-15T08:00:00.000Z');",
        )
        .unwrap();
        for (id, ahead, bytes) in [(3, 0, 600), (1, 1, 1600), (2, 2, 2600)] {
            let place = story_of(&db, id).place.unwrap();
            assert_eq!((place.ahead, place.bytes_ahead), (ahead, bytes), "{id}");
            assert_eq!((place.running, place.pace), (1, None));
        }
        assert_eq!(story_of(&db, 4).place, None, "its time has not come");
        for (bytes, took) in [(1000, 10), (9000, 10), (500, 10)] {
            db.execute(
                "INSERT INTO attempts (job_id, step, started_at, ended_at, bytes_sent, outcome)
                 VALUES (5, 'transfer', ?1, ?2, ?3, 'done')",
                params![At(at(0)), At(at(took)), bytes],
            )
            .unwrap();
        }
        assert_eq!(
            story_of(&db, 2).place.unwrap().pace,
            Some(100),
            "the median"
        );
    }

    #[test]
    fn copies_are_told_from_both_ends_and_not_without_limit() {
        let folder = tempfile::tempdir().unwrap();
        let db = super::super::open(&folder.path().join("jobs.db")).unwrap();
        insert(&db, (1, 0, 0), "");
        let copy = "state = 'duplicate', duplicate_of = 1, finished_at = created_at";
        for id in 2..15 {
            insert(&db, (id, 0, id), copy);
        }
        let original = story_of(&db, 1);
        assert_eq!((original.copies.len(), original.more_copies), (10, 3));
        let of_copy = story_of(&db, 7).original.unwrap();
        assert_eq!(
            (of_copy.id, &*of_copy.path),
            (JobId(1), Path::new("/v/1.mp4"))
        );
    }
}
