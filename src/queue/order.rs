//! Whose turn it is: the greatest priority first; inside it the watch with the fewest jobs in
//! progress, and of several such the one that had its last turn longest ago; inside a watch the
//! oldest job.
//!
//! The index `jobs_due` has that shape. A claim walks from watch to watch in it and takes the first
//! job of one, no matter how many follow: its cost grows with the number of watches, not of jobs. A
//! job that was put off, after a failed attempt, has a place behind all that came meanwhile; as
//! soon as it is due, [`ripen`] gives it back the place of its age.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::claim::Terms;
use super::error::Error;
use super::job::{Job, JobId};
use super::sql::At;

/// Those that were put off and are due go by their age from now on. Not all at once: the rest of
/// many has its turn with the next claims, and may be claimed before that, too.
pub(super) fn ripen(db: &Connection, now: Timestamp) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE jobs SET run_at = created_at WHERE id IN (
             SELECT id FROM jobs INDEXED BY jobs_put_off
             WHERE state = 'queued' AND step <> 'confirm' AND run_at > created_at AND run_at <= ?1
             ORDER BY run_at LIMIT 1000)",
    )?
    .execute([At(now)])?;
    Ok(())
}

/// The job that is next, if the terms allow one.
pub(super) fn next(db: &Connection, now: Timestamp, terms: &Terms) -> Result<Option<JobId>, Error> {
    let under_way = UnderWay::read(db)?;
    let mut priority = next_priority(db, i64::MAX)?;
    while let Some(present) = priority {
        let mut groups = list_groups(db, present)?;
        groups.sort_by_key(|group| under_way.share(&group.watch));
        let equal = |a: &Group, b: &Group| under_way.share(&a.watch) == under_way.share(&b.watch);
        for equals in groups.chunk_by(equal) {
            let mut first = None;
            for group in equals {
                let door = under_way.door(&group.account, terms);
                let front = find_front(db, present, group, door, now)?;
                first = first.into_iter().chain(front).min();
            }
            if let Some((_, id)) = first {
                return Ok(Some(JobId(id)));
            }
        }
        priority = next_priority(db, present)?;
    }
    Ok(None)
}

/// When the next job will be due that the terms allow.
pub(super) fn next_due(db: &Connection, terms: &Terms) -> Result<Option<Timestamp>, Error> {
    let under_way = UnderWay::read(db)?;
    let mut first: Option<Timestamp> = None;
    let mut priority = next_priority(db, i64::MAX)?;
    while let Some(present) = priority {
        for group in list_groups(db, present)? {
            let door = under_way.door(&group.account, terms);
            let front = find_front(db, present, &group, door, Timestamp::MAX)?;
            first = first.into_iter().chain(front.map(|front| front.0)).min();
        }
        priority = next_priority(db, present)?;
    }
    Ok(first)
}

/// Notes that the watch has had its turn.
pub(super) fn note_turn(db: &Connection, watch: &str) -> Result<(), Error> {
    db.prepare_cached(
        "INSERT INTO turns (watch, turn) VALUES (?1, (SELECT coalesce(max(turn), 0) + 1 FROM turns))
         ON CONFLICT (watch) DO UPDATE SET turn = excluded.turn",
    )?
    .execute([watch])?;
    Ok(())
}

/// The jobs that are due, in the order in which they will be claimed if nothing else comes and no
/// bound stops one; those of paused accounts are left out.
pub fn list_due(db: &Connection, now: Timestamp) -> Result<Vec<JobId>, Error> {
    let under_way = UnderWay::read(db)?;
    // Aged as `ripen` does it, which may not have seen all of them yet.
    let mut statement = db.prepare_cached(
        "SELECT priority, watch, id FROM jobs
         WHERE state = 'queued' AND step <> 'confirm' AND run_at <= ?1
           AND account NOT IN (SELECT account FROM paused_accounts WHERE trying = 0)
         ORDER BY priority DESC, min(run_at, created_at), id",
    )?;
    let rows = statement.query_map([At(now)], |row| {
        Ok((row.get::<_, i64>(0)?, row.get(1)?, JobId(row.get(2)?)))
    })?;
    let jobs = rows.collect::<Result<Vec<(i64, String, JobId)>, _>>()?;
    let newest = under_way.turns.values().max().copied();
    let mut turn = newest.unwrap_or_default();
    let mut shares: HashMap<String, (i64, i64)> = HashMap::new();
    let mut line = Vec::with_capacity(jobs.len());
    for equals in jobs.chunk_by(|a, b| a.0 == b.0) {
        let mut watches: HashMap<&str, VecDeque<(usize, JobId)>> = HashMap::new();
        for (age, (_, watch, id)) in equals.iter().enumerate() {
            watches.entry(watch).or_default().push_back((age, *id));
        }
        // By share, then by the age of the first job; both are never equal.
        let mut waiting: BTreeMap<((i64, i64), usize), &str> = BTreeMap::new();
        for (watch, queue) in &watches {
            let share = shares.get(*watch).copied();
            let share = share.unwrap_or_else(|| under_way.share(watch));
            if let Some((age, _)) = queue.front() {
                waiting.insert((share, *age), watch);
            }
        }
        while let Some((((running, _), _), watch)) = waiting.pop_first() {
            let Some(queue) = watches.get_mut(watch) else {
                continue;
            };
            line.extend(queue.pop_front().map(|(_, id)| id));
            turn += 1;
            let share = (running + 1, turn);
            shares.insert(watch.to_owned(), share);
            if let Some((age, _)) = queue.front() {
                waiting.insert((share, *age), watch);
            }
        }
    }
    Ok(line)
}

/// How many jobs go before this one, if nothing else comes; none for a job that does not wait for
/// its turn: not due, in progress, over, or of a paused account.
pub fn ahead(db: &Connection, job: &Job, now: Timestamp) -> Result<Option<usize>, Error> {
    Ok(list_due(db, now)?.iter().position(|id| *id == job.id))
}

/// The jobs of one watch for one account; the watch may have had another account once.
struct Group {
    watch: String,
    account: String,
}

/// The greatest priority below this one that a job has.
fn next_priority(db: &Connection, below: i64) -> Result<Option<i64>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT priority FROM jobs INDEXED BY jobs_due
             WHERE state = 'queued' AND step <> 'confirm' AND priority < ?1
             ORDER BY priority DESC LIMIT 1",
        )?
        .query_row([below], |row| row.get(0))
        .optional()?)
}

/// The groups of one priority, found by leaping from each to the next: over all that lie between,
/// which SQLite would not do for `(watch, account) > (?, ?)`.
fn list_groups(db: &Connection, priority: i64) -> Result<Vec<Group>, Error> {
    let statement = |behind| {
        db.prepare_cached(&format!(
            "SELECT watch, account FROM jobs INDEXED BY jobs_due
             WHERE state = 'queued' AND step <> 'confirm' AND priority = ?1 AND {behind}
             ORDER BY watch, account LIMIT 1"
        ))
    };
    let mut account = statement("watch = ?2 AND account > ?3")?;
    let mut watch = statement("watch > ?2")?;
    let read = |row: &Row<'_>| {
        Ok(Group {
            watch: row.get(0)?,
            account: row.get(1)?,
        })
    };
    let mut groups: Vec<Group> = Vec::new();
    loop {
        let found = match groups.last() {
            None => watch.query_row(params![priority, ""], read),
            Some(last) => {
                match account.query_row(params![priority, last.watch, last.account], read) {
                    Err(rusqlite::Error::QueryReturnedNoRows) => {
                        watch.query_row(params![priority, last.watch], read)
                    }
                    found => found,
                }
            }
        };
        match found.optional()? {
            Some(group) => groups.push(group),
            None => return Ok(groups),
        }
    }
}

/// The first job of a group that the door lets pass and that is due `by` then.
fn find_front(
    db: &Connection,
    priority: i64,
    group: &Group,
    door: Door,
    by: Timestamp,
) -> Result<Option<(Timestamp, i64)>, Error> {
    let classes: &[bool] = match door {
        Door::Open => &[false, true],
        Door::ForSmall => &[false],
        Door::Shut => &[],
    };
    let mut statement = db.prepare_cached(
        "SELECT run_at, id FROM jobs INDEXED BY jobs_due
         WHERE state = 'queued' AND step <> 'confirm'
           AND priority = ?1 AND watch = ?2 AND account = ?3 AND is_large = ?4 AND run_at <= ?5
         ORDER BY run_at, id LIMIT 1",
    )?;
    let mut first = None;
    for is_large in classes {
        let found = statement
            .query_row(
                params![priority, group.watch, group.account, is_large, At(by)],
                |row| Ok((row.get::<_, At>(0)?.0, row.get(1)?)),
            )
            .optional()?;
        first = first.into_iter().chain(found).min();
    }
    Ok(first)
}

/// Whom an account may start now.
#[derive(Clone, Copy)]
enum Door {
    Open,
    ForSmall,
    Shut,
}

/// What runs now, and who had turns before.
struct UnderWay {
    /// Jobs in progress: all, and the small ones among them.
    accounts: HashMap<String, (u32, u32)>,
    watches: HashMap<String, i64>,
    turns: HashMap<String, i64>,
    /// Paused accounts, and whether one job of theirs may try.
    paused: HashMap<String, bool>,
}

impl UnderWay {
    fn read(db: &Connection) -> Result<Self, Error> {
        let mut under_way = Self {
            accounts: HashMap::new(),
            watches: HashMap::new(),
            turns: pairs(db, "SELECT watch, turn FROM turns")?,
            paused: pairs(db, "SELECT account, trying FROM paused_accounts")?,
        };
        let mut statement =
            db.prepare_cached("SELECT account, watch, is_large FROM jobs WHERE state = 'running'")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (all, small) = under_way.accounts.entry(row.get(0)?).or_default();
            *all += 1;
            *small += u32::from(!row.get::<_, bool>(2)?);
            *under_way.watches.entry(row.get(1)?).or_default() += 1;
        }
        Ok(under_way)
    }

    /// How much a watch has had: jobs in progress, then when it had its last turn. The least is
    /// next.
    fn share(&self, watch: &str) -> (i64, i64) {
        let of = |map: &HashMap<String, i64>| map.get(watch).copied().unwrap_or_default();
        (of(&self.watches), of(&self.turns))
    }

    /// An account on probation has one job in progress. One that has as many large ones in progress
    /// as it may have files gets one small one more: the express lane of the account.
    fn door(&self, account: &str, terms: &Terms) -> Door {
        let (all, small) = self.accounts.get(account).copied().unwrap_or_default();
        let is_full = terms
            .at_once
            .get(account)
            .is_some_and(|most| all >= most.get());
        match self.paused.get(account) {
            Some(false) => Door::Shut,
            Some(true) if all > 0 => Door::Shut,
            _ if is_full && small > 0 => Door::Shut,
            _ if is_full || terms.only_small => Door::ForSmall,
            _ => Door::Open,
        }
    }
}

fn pairs<V: rusqlite::types::FromSql>(
    db: &Connection,
    sql: &str,
) -> Result<HashMap<String, V>, Error> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
