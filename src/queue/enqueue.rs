//! Enqueueing: a file becomes a job once, however often it is seen.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::advice::Advice;
use super::afterwards;
use super::doubt::{self, Doubt};
use super::error::Error;
use super::job::{JobId, State};
use super::outcome::Report;
use super::row::{self, Final};
use super::sql::{At, PathColumn};
use super::ticket;
use crate::identity::Identity;

/// A file that will become a job.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The watch that it was found in.
    pub watch: String,
    /// The account that it goes to.
    pub account: String,
    /// The file, absolute.
    pub path: PathBuf,
    /// Which file it is.
    pub identity: Identity,
    /// That of its watch.
    pub priority: i64,
}

/// Of more files [`finished`] does not tell, so that the memory for them stays small.
const MOST_FINISHED: u32 = 1_000_000;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// A new job.
    New(JobId),
    /// There is a job for this very file already.
    Known(JobId, State),
}

/// What became of a file that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// It has a job.
    Taken(Enqueued),
    /// The job that seems to be its own may account for other content; nothing was changed.
    Doubtful(Doubt),
}

/// Makes a job of the file unless there is one, and forgets that it was settling.
///
/// A file that [`known`] finds takes its job along: the job takes over device, inode and ctime,
/// except while a worker reads the file, which must notice for itself ([`is_being_read`]).
pub fn enqueue(db: &Connection, new: &NewJob, now: Timestamp) -> Result<Enqueued, Error> {
    db.prepare_cached("DELETE FROM settling WHERE path = ?1")?
        .execute([PathColumn(&new.path)])?;
    match find(db, &new.path, &new.identity)? {
        Some(found) => adopt(db, &found, &new.identity, now),
        None => insert(db, new, now),
    }
}

/// As [`enqueue`], for a caller that can read the file if that is needed.
pub fn offer(db: &Connection, new: &NewJob, now: Timestamp) -> Result<Offered, Error> {
    db.prepare_cached("DELETE FROM settling WHERE path = ?1")?
        .execute([PathColumn(&new.path)])?;
    let Some(found) = find(db, &new.path, &new.identity)? else {
        return insert(db, new, now).map(Offered::Taken);
    };
    if found.ctime_ns != new.identity.ctime_ns
        && let Some(doubt) = doubt::about(db, found.id)?
    {
        return Ok(Offered::Doubtful(doubt));
    }
    adopt(db, &found, &new.identity, now).map(Offered::Taken)
}

/// The job takes over what the file has become without a byte of it changing.
///
/// It is impossible to tell whether it was away meanwhile, or was only touched: where it is said to
/// be uploaded, the platform is asked.
fn adopt(
    db: &Connection,
    found: &Found,
    identity: &Identity,
    now: Timestamp,
) -> Result<Enqueued, Error> {
    let Identity {
        dev, ino, ctime_ns, ..
    } = *identity;
    ticket::doubt_transfer(db, found.id, ctime_ns)?;
    if found.ctime_ns != ctime_ns {
        afterwards::returned(db, found.id, ctime_ns, now)?;
    }
    // Where nothing differs nothing is written: a scan at the start asks for every file. The ctime
    // of one that is uploaded stays that of what was sent: by it its bytes are compared before it
    // goes.
    db.prepare_cached(
        "UPDATE jobs SET dev = ?2, ino = ?3, ctime_ns = ?4
         WHERE id = ?1 AND state <> 'running' AND (dev <> ?2 OR ino <> ?3 OR ctime_ns <> ?4)
           AND (ctime_ns = ?4 OR state NOT IN ('done', 'duplicate'))",
    )?
    .execute(params![found.id.0, dev, ino, ctime_ns])?;
    Ok(Enqueued::Known(found.id, found.state))
}

/// Whether a worker is at the job, which knows the file with another ctime: nothing was noted of that.
pub fn is_being_read(db: &Connection, id: JobId, identity: &Identity) -> Result<bool, Error> {
    Ok(db
        .prepare_cached(
            "SELECT 1 FROM jobs WHERE id = ?1 AND state = 'running' AND ctime_ns <> ?2",
        )?
        .exists(params![id.0, identity.ctime_ns])?)
}

fn insert(db: &Connection, new: &NewJob, now: Timestamp) -> Result<Enqueued, Error> {
    let id = db
        .prepare_cached(
            "INSERT INTO jobs (watch, account, path, size, dev, ino, mtime_ns, ctime_ns, ingest_id, run_at, created_at,
                               priority)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11)",
        )?
        .insert(params![
            new.watch,
            new.account,
            PathColumn(&new.path),
            new.identity.size,
            new.identity.dev,
            new.identity.ino,
            new.identity.mtime_ns,
            new.identity.ctime_ns,
            new_ingest_id(),
            At(now),
            new.priority,
        ])?;
    Ok(Enqueued::New(JobId(id)))
}

/// Makes a job that has failed before its first attempt: the file is not fit to be uploaded, for
/// this reason. One that is known keeps its job as it is. A retry by hand uploads it anyway.
pub fn refused(
    db: &Connection,
    new: &NewJob,
    reason: &str,
    now: Timestamp,
) -> Result<Enqueued, Error> {
    let enqueued = enqueue(db, new, now)?;
    if let Enqueued::New(id) = enqueued {
        let message = format!("{reason}; if it is whole anyway: jw-ingest retry {id}");
        let report = Report::said(message).advising(Advice::InWords);
        row::finish(db, id, Final::Failed, &report, now)?;
    }
    Ok(enqueued)
}

/// The job that accounts for this very file: path, size and mtime are the same, and one of
///
/// - the inode. Its ctime may differ, since `chmod`, `chown` and a hard link beside it move that and
///   no byte;
/// - the ctime. Some filesystems (FUSE, some shares) number their inodes again at each mount.
///
/// The device says nothing: btrfs, NFS and overlays get another number at each boot, and disks
/// change their letters. By it a reboot would upload every file a second time.
pub fn known(
    db: &Connection,
    path: &Path,
    identity: &Identity,
) -> Result<Option<(JobId, State)>, Error> {
    Ok(find(db, path, identity)?.map(|found| (found.id, found.state)))
}

/// What [`known`] finds.
struct Found {
    id: JobId,
    state: State,
    ctime_ns: i64,
}

fn find(db: &Connection, path: &Path, identity: &Identity) -> Result<Option<Found>, Error> {
    let found = db
        .prepare_cached(
            "SELECT id, state, ctime_ns FROM jobs
             WHERE path = ?1 AND size = ?2 AND mtime_ns = ?3 AND superseded = 0 AND replaced_by IS NULL
               AND (ino = ?4 OR ctime_ns = ?5)
             ORDER BY ino = ?4 DESC LIMIT 1",
        )?
        .query_row(
            params![
                PathColumn(path),
                identity.size,
                identity.mtime_ns,
                identity.ino,
                identity.ctime_ns
            ],
            |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((id, word, ctime_ns)) = found else {
        return Ok(None);
    };
    let state = State::from_word(&word).ok_or(Error::Row {
        job: id,
        column: "state",
        value: word,
    })?;
    Ok(Some(Found {
        id: JobId(id),
        state,
        ctime_ns,
    }))
}

/// Reports each file of a watch whose job is over and still accounts for it, the newest first;
/// nothing about the files of jobs in progress, because they have to take over each change.
pub fn finished(
    db: &Connection,
    watch: &str,
    tell: &mut dyn FnMut(&Path, &Identity),
) -> Result<(), Error> {
    let mut statement = db.prepare(
        "SELECT path, dev, ino, size, mtime_ns, ctime_ns FROM jobs NOT INDEXED
         WHERE watch = ?1 AND superseded = 0 AND replaced_by IS NULL AND finished_at IS NOT NULL ORDER BY id DESC LIMIT ?2",
    )?;
    let mut rows = statement.query(params![watch, MOST_FINISHED])?;
    while let Some(row) = rows.next()? {
        let identity = Identity {
            dev: row.get(1)?,
            ino: row.get(2)?,
            size: row.get(3)?,
            mtime_ns: row.get(4)?,
            ctime_ns: row.get(5)?,
        };
        let path = row.get_ref(0)?;
        if let Ok(path) = path.as_bytes() {
            tell(Path::new(OsStr::from_bytes(path)), &identity);
        }
    }
    Ok(())
}

/// An ingest id that no other video carries. All have one length, so that none is part of another:
/// the platform searches by substring.
pub(super) fn new_ingest_id() -> String {
    Uuid::now_v7().to_string()
}
