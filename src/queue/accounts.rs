//! Accounts that are paused, because nothing of theirs can work until a person fixes them.
//!
//! Kept in the database: people and commands see why, and a restart does not forget.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::error::Error;
use super::sql::At;
use crate::disposition::Need;

/// One paused account.
#[derive(Debug, Clone)]
pub struct Paused {
    /// Its name in the configuration.
    pub account: String,
    /// What is wrong, in words for the operator.
    pub reason: String,
    /// What kind of fault that is.
    pub cause: Cause,
    /// Since when.
    pub since: Timestamp,
    /// When the next probe is due.
    pub probe_at: Timestamp,
    /// How many probes found it still blocked.
    pub probes: i64,
    /// Whether a probe was answered and one job may try.
    pub trying: bool,
}

/// What keeps an account from working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It is refused, until a person has seen to this.
    Refused(Need),
    /// The platform cannot be reached.
    Unreachable,
}

impl Cause {
    /// Whether no call reached the platform: that is news of another kind than any refusal.
    pub fn is_unreachable(self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Unreachable => true,
        }
    }
}

/// Pauses the account, or keeps it paused and counts one more failed probe. Answers whether that is
/// news, so that the log says it once: it worked before, or was paused for the other cause.
pub fn pause(
    db: &Connection,
    account: &str,
    (cause, reason): (Cause, &str),
    (probe_at, now): (Timestamp, Timestamp),
) -> Result<bool, Error> {
    let (unreachable, need) = match cause {
        Cause::Refused(need) => (false, need),
        Cause::Unreachable => (true, Need::Credentials),
    };
    let known = db
        .prepare_cached("SELECT 1 FROM paused_accounts WHERE account = ?1 AND unreachable = ?2")?
        .exists(params![account, unreachable])?;
    db.prepare_cached(
        "INSERT INTO paused_accounts (account, reason, since, probe_at, unreachable, need) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (account) DO UPDATE SET reason = ?2, probe_at = ?4, unreachable = ?5, need = ?6, trying = 0,
                    probes = iif(unreachable = ?5, probes + 1, 0)",
    )?
    .execute(params![
        account,
        reason,
        At(now),
        At(probe_at),
        unreachable,
        need_word(need)
    ])?;
    Ok(!known)
}

/// A probe was answered: one job at a time may try from now on.
pub fn probation(db: &Connection, account: &str) -> Result<(), Error> {
    db.prepare_cached("UPDATE paused_accounts SET trying = 1 WHERE account = ?1")?
        .execute([account])?;
    Ok(())
}

/// It works: the pause ends. Answers the pause that ended, if there was one.
///
/// What an outage may have put off is due at once: the files have waited long enough.
pub fn resume(db: &Connection, account: &str, now: Timestamp) -> Result<Option<Paused>, Error> {
    let ended = paused(db)?.into_iter().find(|p| p.account == account);
    if let Some(pause) = &ended {
        db.prepare_cached("DELETE FROM paused_accounts WHERE account = ?1")?
            .execute([account])?;
        // The pause was no job's failure: the age of failing starts again.
        db.prepare_cached(
            "UPDATE jobs SET run_at = iif(?3 AND failing_since IS NOT NULL, min(run_at, ?2), run_at), failing_since = NULL
             WHERE account = ?1 AND state = 'queued'",
        )?
        .execute(params![account, At(now), pause.cause.is_unreachable()])?;
    }
    Ok(ended)
}

/// The configuration does not have the account any more, and nothing is left to do for it.
pub fn forget_account(db: &Connection, account: &str) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM paused_accounts WHERE account = ?1")?
        .execute([account])?;
    Ok(())
}

/// Probes are due at once: the configuration was read again, or the daemon starts.
pub fn probe_now(db: &Connection, now: Timestamp) -> Result<(), Error> {
    db.prepare_cached("UPDATE paused_accounts SET probe_at = ?1, trying = 0")?
        .execute([At(now)])?;
    Ok(())
}

/// All paused accounts, by name.
pub fn paused(db: &Connection) -> Result<Vec<Paused>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT account, reason, since, probe_at, probes, trying, unreachable, need FROM paused_accounts ORDER BY account",
    )?;
    let rows = statement.query_map([], |row| {
        let need: String = row.get("need")?;
        Ok(Paused {
            account: row.get("account")?,
            reason: row.get("reason")?,
            cause: if row.get("unreachable")? {
                Cause::Unreachable
            } else {
                Cause::Refused(need_from_word(&need))
            },
            since: row.get::<_, At>("since")?.0,
            probe_at: row.get::<_, At>("probe_at")?.0,
            probes: row.get("probes")?,
            trying: row.get("trying")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

const NEEDS: [Need; 4] = [
    Need::Credentials,
    Need::Clock,
    Need::Plan,
    Need::Certificates,
];

fn need_word(need: Need) -> &'static str {
    match need {
        Need::Credentials => "credentials",
        Need::Clock => "clock",
        Need::Plan => "plan",
        Need::Certificates => "certificates",
    }
}

/// The check of the column lets no other word in.
fn need_from_word(word: &str) -> Need {
    let mut needs = NEEDS.into_iter();
    needs
        .find(|need| need_word(*need) == word)
        .unwrap_or(Need::Credentials)
}
