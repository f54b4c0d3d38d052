//! Accounts are who they are: a job belongs to a property, independent of the name of its section
//! in the configuration.
//!
//! For each name that its rows use, the table says whose it is. At a start, before anything runs,
//! the names of all tables follow the configuration, in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::accounts::{self, Cause};
use super::error::Error;
use crate::disposition::Need;

/// The names of the configuration, each with the account that it stands for.
pub type Identities = BTreeMap<String, String>;

/// What [`follow_accounts`] changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Old and new name of each account that is called otherwise now.
    pub renamed: Vec<(String, String)>,
    /// Accounts with unfinished work that the configuration does not have any more.
    pub gone: Vec<String>,
    /// Jobs of such accounts that had begun nothing: they go where their watch goes now.
    pub moved: usize,
}

/// Whether [`follow_accounts`] would give a row another name: then no worker may hold the old one.
pub fn would_rename(db: &Connection, present: &Identities) -> Result<bool, Error> {
    Ok(!list_renames(&known(db)?, present).is_empty())
}

/// Whether the configuration does not have the account that this name stands for, under any name.
pub fn is_gone(db: &Connection, name: &str, present: &Identities) -> Result<bool, Error> {
    Ok(match known(db)?.get(name) {
        Some(identity) => !present.values().any(|other| other == identity),
        // The table has not followed the configuration yet.
        None => !present.contains_key(name),
    })
}

/// Whether the account has unfinished work.
pub fn has_work(db: &Connection, name: &str) -> Result<bool, Error> {
    Ok(list_unfinished(db)?.contains(name))
}

/// Lets all rows follow the accounts of the configuration. `watches`: the account of each watch.
pub fn follow_accounts(
    db: &Connection,
    present: &Identities,
    watches: &[(String, String)],
    now: Timestamp,
) -> Result<Followed, Error> {
    let known = known(db)?;
    let renamed = list_renames(&known, present);
    rename_accounts(db, &renamed)?;
    store_accounts(db, &known, &renamed, present)?;
    let mut moved = 0;
    for name in list_unfinished(db)? {
        if !present.contains_key(&name) {
            moved += release_jobs(db, &name, watches)?;
        }
    }
    let mut gone = Vec::new();
    for name in list_unfinished(db)? {
        if !present.contains_key(&name) {
            let reason = format!(
                "the configuration has no account {name:?} any more: put its section back, with the same api and key or \
                 site (under any name), or cancel its jobs"
            );
            accounts::pause(
                db,
                &name,
                (Cause::Refused(Need::Credentials), &reason),
                (now, now),
            )?;
            gone.push(name);
        }
    }
    Ok(Followed {
        renamed,
        gone,
        moved,
    })
}

fn known(db: &Connection) -> Result<Identities, Error> {
    let mut statement = db.prepare_cached("SELECT name, identity FROM accounts")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Each name whose rows belong under another one now.
fn list_renames(known: &Identities, present: &Identities) -> Vec<(String, String)> {
    let renamed = known.iter().filter_map(|(name, identity)| {
        if present.get(name) == Some(identity) {
            return None;
        }
        let section = present.iter().find(|(_, other)| *other == identity);
        match section {
            Some((section, _)) => Some((name.clone(), section.clone())),
            // The name stands for another account: its key must not be used for these rows.
            None if present.contains_key(name) => Some((name.clone(), name_aside(name, identity))),
            None => None,
        }
    });
    renamed.collect()
}

/// A name that no section can have.
fn name_aside(name: &str, identity: &str) -> String {
    format!("{name} ({identity})")
}

/// Two names may have been exchanged, so that each goes by a name that nothing has.
fn rename_accounts(db: &Connection, renamed: &[(String, String)]) -> Result<(), Error> {
    if renamed.is_empty() {
        return Ok(());
    }
    for table in list_tables(db)? {
        // Where a table has one row an account, two accounts that became one keep one of them.
        let sql = format!("UPDATE OR REPLACE {table} SET account = ?2 WHERE account = ?1");
        for (at, (old, _)) in renamed.iter().enumerate() {
            db.execute(&sql, params![old, format!("\u{1}{at}")])?;
        }
        for (at, (_, new)) in renamed.iter().enumerate() {
            db.execute(&sql, params![format!("\u{1}{at}"), new])?;
        }
    }
    Ok(())
}

/// All tables that name an account: one that is added later is not forgotten.
fn list_tables(db: &Connection) -> Result<Vec<String>, Error> {
    let mut statement = db.prepare(
        "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND c.name = 'account' ORDER BY m.name",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn store_accounts(
    db: &Connection,
    known: &Identities,
    renamed: &[(String, String)],
    present: &Identities,
) -> Result<(), Error> {
    let new_name = |name: &String| {
        let renamed = renamed.iter().find(|(old, _)| old == name);
        renamed.map_or_else(|| name.clone(), |(_, new)| new.clone())
    };
    let mut all: Identities = known
        .iter()
        .map(|(name, identity)| (new_name(name), identity.clone()))
        .collect();
    all.extend(present.clone());
    if all == *known {
        return Ok(());
    }
    db.execute("DELETE FROM accounts", [])?;
    for (name, identity) in all {
        db.execute(
            "INSERT INTO accounts (name, identity) VALUES (?1, ?2)",
            [name, identity],
        )?;
    }
    Ok(())
}

/// The accounts with work to do.
fn list_unfinished(db: &Connection) -> Result<BTreeSet<String>, Error> {
    let mut statement = db.prepare(
        "SELECT account FROM jobs WHERE state IN ('queued', 'running')
         UNION SELECT account FROM withdrawals WHERE finished_at IS NULL",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Jobs that have begun nothing on the account that is gone: where a file goes is its watch's say.
fn release_jobs(db: &Connection, gone: &str, watches: &[(String, String)]) -> Result<usize, Error> {
    let mut moved = 0;
    for (watch, account) in watches {
        moved += db.execute(
            "UPDATE jobs SET account = ?3
             WHERE account = ?1 AND watch = ?2 AND state = 'queued' AND step = 'create' AND video_key IS NULL
               AND create_sent_at IS NULL AND replaces IS NULL AND waits_for IS NULL",
            params![gone, watch, account],
        )?;
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::db::in_memory;

    fn now() -> Timestamp {
        "2026-01-02T00:00:00Z".parse().unwrap()
    }

    fn present(pairs: &[(&str, &str)]) -> Identities {
        let pairs = pairs.iter();
        pairs
            .map(|(name, identity)| ((*name).to_owned(), (*identity).to_owned()))
            .collect()
    }

    fn add(db: &Connection, id: i64, account: &str, begun: bool) {
        db.execute(
            "INSERT INTO jobs (id, watch, account, path, size, step, video_key, run_at, created_at, ingest_id, dev, ino,
                               mtime_ns, ctime_ns)
             VALUES (?1, 'w-' || ?2, ?2, '/w/' || ?1, 5, iif(?3, 'transfer', 'create'), iif(?3, 'tL17msiU', NULL),
                     '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 'm' || ?1, 1, ?1, 3, 4)",
            params![id, account, begun],
        )
        .unwrap();
    }

    fn account(db: &Connection, id: i64) -> String {
        db.query_row("SELECT account FROM jobs WHERE id = ?1", [id], |row| {
            row.get(0)
        })
        .unwrap()
    }

    #[test]
    fn rows_follow_an_account_that_is_called_otherwise_and_two_that_are_exchanged() {
        let db = in_memory();
        add(&db, 1, "a", true);
        add(&db, 2, "b", false);
        accounts::pause(
            &db,
            "a",
            (Cause::Refused(Need::Credentials), "why"),
            (now(), now()),
        )
        .unwrap();
        let first = present(&[("a", "v1 aaaaaaaa"), ("b", "v1 bbbbbbbb")]);
        let followed = follow_accounts(&db, &first, &[], now()).unwrap();
        assert_eq!(followed, Followed::default());
        let swapped = present(&[("b", "v1 aaaaaaaa"), ("a", "v1 bbbbbbbb")]);
        assert!(would_rename(&db, &swapped).unwrap());
        follow_accounts(&db, &swapped, &[], now()).unwrap();
        assert_eq!((account(&db, 1), account(&db, 2)), ("b".into(), "a".into()));
        let paused = accounts::paused(&db).unwrap();
        assert_eq!((paused.len(), paused[0].account.as_str()), (1, "b"));
        let renamed = present(&[("news", "v1 aaaaaaaa"), ("a", "v1 bbbbbbbb")]);
        follow_accounts(&db, &renamed, &[], now()).unwrap();
        assert_eq!(
            (account(&db, 1), account(&db, 2)),
            ("news".into(), "a".into())
        );
        assert!(!would_rename(&db, &renamed).unwrap());
    }

    #[test]
    fn what_was_begun_on_an_account_never_goes_on_with_the_key_of_another() {
        let db = in_memory();
        add(&db, 1, "a", true);
        add(&db, 2, "a", false);
        let (old, new) = (
            present(&[("a", "v1 aaaaaaaa")]),
            present(&[("a", "v1 cccccccc")]),
        );
        follow_accounts(&db, &old, &[], now()).unwrap();
        let watches = [("w-a".to_owned(), "a".to_owned())];
        let followed = follow_accounts(&db, &new, &watches, now()).unwrap();
        assert_eq!(account(&db, 1), "a (v1 aaaaaaaa)");
        assert_eq!(
            account(&db, 2),
            "a",
            "nothing was begun: it goes where its watch goes"
        );
        assert_eq!((followed.moved, followed.gone.len()), (1, 1));
        let paused = accounts::paused(&db).unwrap();
        assert!(
            paused[0].reason.contains("put its section back"),
            "{paused:?}"
        );
        // It comes back, under another name.
        let both = present(&[("a", "v1 cccccccc"), ("old", "v1 aaaaaaaa")]);
        let followed = follow_accounts(&db, &both, &watches, now()).unwrap();
        assert_eq!(
            (account(&db, 1), account(&db, 2)),
            ("old".into(), "a".into())
        );
        assert!(followed.gone.is_empty());
    }

    #[test]
    fn an_account_that_is_taken_out_is_named_with_what_to_do() {
        let db = in_memory();
        add(&db, 1, "a", true);
        follow_accounts(&db, &present(&[("a", "v1 aaaaaaaa")]), &[], now()).unwrap();
        let followed = follow_accounts(&db, &present(&[("b", "v1 bbbbbbbb")]), &[], now()).unwrap();
        assert_eq!(followed.gone, ["a"]);
        assert_eq!(account(&db, 1), "a");
    }
}
