//! What a transfer leaves behind so that it can continue: the link, how far the bytes are, which
//! parts have arrived. Each verb is one transaction of the worker that holds the job.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use md5::{Digest, Md5};
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Error;
use super::job::{JobId, Lease, Ticket};
use super::outcome::held;
use super::replace;
use super::seal::{MARK, Seal};
use super::sql::{At, optional_time};
use crate::hex;

/// The upload method and its target, from the create call's answer.
#[derive(Clone)]
pub struct NewTicket<'a> {
    /// The video's key.
    pub video_key: &'a str,
    /// The upload link, a credential, as [`Queue::seal`](super::Queue::seal) gives it.
    pub link: &'a str,
    /// When the link stops working.
    pub expires_at: Option<Timestamp>,
    /// Bytes of each part but the last, where the file goes in parts.
    pub part_size: Option<u64>,
}

impl fmt::Debug for NewTicket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewTicket")
            .field("video_key", &self.video_key)
            .field("link", &"**redacted**")
            .field("expires_at", &self.expires_at)
            .field("part_size", &self.part_size)
            .finish()
    }
}

/// Puts the ticket in place of an earlier one, of which nothing counts any more.
pub(super) fn store(db: &Connection, id: JobId, ticket: &NewTicket<'_>) -> Result<(), Error> {
    forget_parts(db, id)?;
    let part_size = ticket.part_size.map(u64::cast_signed);
    db.prepare_cached(
        "INSERT INTO tickets (job_id, link, expires_at, part_size) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (job_id) DO UPDATE
         SET link = ?2, expires_at = ?3, part_size = ?4, last_byte_at = NULL, confirmed_bytes = 0, doubted = 0,
             md5 = NULL",
    )?
    .execute(params![
        id.0,
        ticket.link,
        ticket.expires_at.map(At),
        part_size
    ])?;
    Ok(())
}

/// How many bytes of a resumable upload are on the platform for certain.
pub fn confirmed(db: &Connection, lease: &Lease, bytes: i64) -> Result<(), Error> {
    held(db, lease)?;
    db.prepare_cached("UPDATE tickets SET confirmed_bytes = ?2 WHERE job_id = ?1")?
        .execute(params![lease.job.id.0, bytes])?;
    Ok(())
}

/// Before the last byte is handed out: from here on the platform may have the file. Answers whether it may be; not
/// where that would replace what another file relies on ([`replace::gives_way`]).
///
/// The file was looked at right before: what was sent is not in doubt.
pub fn last_byte(db: &Connection, lease: &Lease, now: Timestamp) -> Result<bool, Error> {
    held(db, lease)?;
    if !replace::may_arrive(db, lease.job.id, now)? {
        return Ok(false);
    }
    db.prepare_cached(
        "UPDATE tickets SET last_byte_at = ?2, doubted = 0, md5 = NULL WHERE job_id = ?1",
    )?
    .execute(params![lease.job.id.0, At(now)])?;
    Ok(true)
}

/// The MD5 of all that was sent, with the last byte: should the answer be lost, what the file has become is compared
/// with it.
pub fn sum_is(db: &Connection, lease: &Lease, md5: &str) -> Result<(), Error> {
    held(db, lease)?;
    db.prepare_cached("UPDATE tickets SET md5 = ?2 WHERE job_id = ?1")?
        .execute(params![lease.job.id.0, md5])?;
    Ok(())
}

/// The platform surely has not got the file: the next attempt may send it without asking.
pub fn last_byte_was_lost(db: &Connection, lease: &Lease) -> Result<(), Error> {
    held(db, lease)?;
    forget_last_byte(db, lease.job.id)?;
    replace::did_not_arrive(db, lease.job.id)
}

/// The platform shows nothing of the file for so long that it is sent once more. That is no proof:
/// should it replace another's content, that may have been replaced anyway.
pub fn last_byte_counts_as_lost(db: &Connection, lease: &Lease) -> Result<(), Error> {
    held(db, lease)?;
    forget_last_byte(db, lease.job.id)?;
    replace::may_have_arrived(db, lease.job.id)
}

fn forget_last_byte(db: &Connection, id: JobId) -> Result<(), Error> {
    db.prepare_cached("UPDATE tickets SET last_byte_at = NULL, md5 = NULL WHERE job_id = ?1")?
        .execute([id.0])?;
    Ok(())
}

/// The ticket of a job, if it has one.
pub(super) fn of(db: &Connection, job: JobId) -> Result<Option<Ticket>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT link, expires_at, last_byte_at, part_size, doubted, md5 FROM tickets WHERE job_id = ?1",
        )?
        .query_row([job.0], |row| {
            Ok(Ticket {
                link: row.get("link")?,
                expires_at: optional_time(row, "expires_at")?,
                last_byte_at: optional_time(row, "last_byte_at")?,
                part_size: row
                    .get::<_, Option<i64>>("part_size")?
                    .map(i64::cast_unsigned),
                is_doubted: row.get("doubted")?,
                md5: row.get("md5")?,
            })
        })
        .optional()?)
}

/// A part has arrived, with this MD5.
pub fn part_arrived(db: &Connection, lease: &Lease, number: u32, md5: &str) -> Result<(), Error> {
    held(db, lease)?;
    db.prepare_cached(
        "INSERT INTO parts (job_id, number, md5) VALUES (?1, ?2, ?3)
         ON CONFLICT (job_id, number) DO UPDATE SET md5 = ?3",
    )?
    .execute(params![lease.job.id.0, number, md5])?;
    Ok(())
}

/// The parts that have arrived, and the MD5 of each.
pub fn parts(db: &Connection, job: JobId) -> Result<BTreeMap<u32, String>, Error> {
    let mut statement =
        db.prepare_cached("SELECT number, md5 FROM parts WHERE job_id = ?1 ORDER BY number")?;
    let rows = statement.query_map([job.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What proves a copy of a file of `size` bytes that went in parts, in one reading: the size of a part
/// and the MD5 over the MD5s of all parts, as `<bytes>:<hex>`. `None` unless every part is known.
pub fn parts_md5(db: &Connection, id: JobId, size: u64) -> Result<Option<String>, Error> {
    let Some(part_size) = of(db, id)?.and_then(|ticket| ticket.part_size) else {
        return Ok(None);
    };
    let sums = parts(db, id)?;
    let count = size.div_ceil(part_size.max(1));
    if count == 0 || u64::try_from(sums.len()) != Ok(count) {
        return Ok(None);
    }
    let mut whole = Md5::new();
    for (number, (of, md5)) in (1..).zip(&sums) {
        match hex::bytes(md5) {
            Some(sum) if *of == number => whole.update(&sum),
            _ => return Ok(None),
        }
    }
    Ok(Some(format!(
        "{part_size}:{}",
        hex::lower(&whole.finalize())
    )))
}

/// The file is about to be noted with another ctime while it is not being read: a program may have
/// written it and put its mtime back. What was sent of it is in doubt from here on: it is compared with the file where
/// it can be, and never continued.
pub(super) fn doubt_transfer(db: &Connection, id: JobId, ctime_ns: i64) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE tickets SET doubted = 1
         WHERE job_id = ?1 AND EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND state <> 'running' AND ctime_ns <> ?2)
           AND (confirmed_bytes > 0 OR last_byte_at IS NOT NULL
                OR EXISTS (SELECT 1 FROM parts WHERE job_id = ?1)
                OR EXISTS (SELECT 1 FROM attempts WHERE job_id = ?1 AND step = 'transfer'
                             AND (outcome IS NOT 'touched' OR bytes_sent > 0)
                             AND id > (SELECT coalesce(max(id), 0) FROM attempts WHERE job_id = ?1 AND step = 'create')))",
    )?
    .execute(params![id.0, ctime_ns])?;
    Ok(())
}

/// Seals the links that an earlier release left in the table, once, and leaves nothing of them in
/// unused space: the whole table is written again.
pub(super) fn seal_plain_links(db: &mut Connection, seal: &Seal) -> Result<(), Error> {
    let is_pending = "SELECT 1 FROM chores WHERE name = 'seal-links'";
    if !db.prepare(is_pending)?.exists([])? {
        return Ok(());
    }
    super::write_now(db, |db| {
        // The ticket of an upload by FTP holds the name of a file.
        let mut statement = db.prepare(
            "SELECT job_id, link FROM tickets JOIN jobs ON id = job_id
             WHERE method IS NOT 'ftp' AND link <> '' AND substr(link, 1, length(?1)) <> ?1",
        )?;
        let plain: Vec<(i64, String)> = statement
            .query_map([MARK], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (id, link) in plain {
            let sealed = seal.close(JobId(id), &link)?;
            db.prepare_cached("UPDATE tickets SET link = ?2 WHERE job_id = ?1")?
                .execute(params![id, sealed])?;
        }
        Ok(())
    })?;
    match wipe_unused_space(db) {
        Ok(true) => {
            db.execute("DELETE FROM chores WHERE name = 'seal-links'", [])?;
        }
        Ok(false) => tracing::warn!(
            "upload links of the earlier release are still in jobs.db-wal, because another program reads the \
             job table; the next start removes them"
        ),
        Err(error) => tracing::warn!(
            "upload links of the earlier release are still in unused space of the job table ({error}); the next \
             start removes them"
        ),
    }
    Ok(())
}

/// Writes the table again, and empties the log beside it; answers whether both are done.
fn wipe_unused_space(db: &Connection) -> rusqlite::Result<bool> {
    db.execute_batch("VACUUM")?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        row.get(0).map(|busy: i64| busy == 0)
    })
}

/// Ticket and progress go when no more bytes are sent by them.
pub(super) fn forget_transfer(db: &Connection, id: JobId) -> Result<(), Error> {
    forget_parts(db, id)?;
    db.prepare_cached("DELETE FROM tickets WHERE job_id = ?1")?
        .execute([id.0])?;
    drop_progress(db, id)
}

pub(super) fn drop_progress(db: &Connection, id: JobId) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM progress WHERE job_id = ?1")?
        .execute([id.0])?;
    Ok(())
}

fn forget_parts(db: &Connection, id: JobId) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM parts WHERE job_id = ?1")?
        .execute([id.0])?;
    Ok(())
}
