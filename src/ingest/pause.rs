//! Pausing an account of which nothing can work, until a person fixes it or the platform can be
//! reached again, and ending the pause.
//!
//! Its jobs wait and lose no attempt. The log says it once at the start and once at the end.

use std::time::Duration;

use jiff::Timestamp;

use super::context::Context;
use super::moments::later;
use super::persist::persist;
use crate::clock;
use crate::config;
use crate::queue::accounts::Cause;
use crate::queue::{Error, accounts, retry};

/// The first and the longest pause between two probes while the platform cannot be reached: that
/// passes by itself, and the files should continue soon after.
const OUTAGE_PROBES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

/// Pauses an account, or counts one more failed probe.
pub(super) async fn account(
    context: &Context,
    account: &str,
    (cause, reason): (Cause, &str),
    now: Timestamp,
) -> Result<(), Error> {
    let (first, longest) = pauses(cause, &context.now_settings().config.retry);
    let (name, text) = (account.to_owned(), reason.to_owned());
    let new = persist(context, move |db| {
        let paused = accounts::paused(db)?;
        let present = paused.iter().find(|paused| paused.account == name);
        // Several workers meet the same refusal at once: that is one, not several failed probes.
        if present.is_some_and(|present| !present.trying && present.probe_at > now) {
            return Ok(false);
        }
        let present =
            present.filter(|present| present.cause.is_unreachable() == cause.is_unreachable());
        let probes = present.map_or(0, |present| present.probes + 1);
        let wait = retry::delay(probes + 1, first, longest, None);
        accounts::pause(db, &name, (cause, &text), (later(now, wait), now))
    })
    .await?;
    context.pauses.notify_one();
    if new && cause == Cause::Unreachable {
        tracing::error!(
            account,
            "account {account} is paused, its files wait and lose no attempt: {reason}. It resumes \
             by itself: the platform is tried at least once a minute"
        );
    } else if new {
        tracing::error!(
            account,
            "account {account} is paused, its files wait and lose no attempt: {reason}. Check the \
             account's key, secret and plan (`systemctl reload jw-ingest` applies a changed \
             configuration). jw-ingest tests the account and resumes by itself"
        );
    }
    Ok(())
}

/// The first and the longest pause between two probes.
fn pauses(cause: Cause, retry: &config::Retry) -> (Duration, Duration) {
    let (first, longest) = (retry.first_delay, retry.max_delay);
    match cause {
        Cause::Refused(_) => (first, longest),
        Cause::Unreachable => (first.min(OUTAGE_PROBES.0), longest.min(OUTAGE_PROBES.1)),
    }
}

/// A call of this account worked that shows it: a pause ends.
pub(super) async fn works(context: &Context, account: &str) -> Result<(), Error> {
    let name = account.to_owned();
    let now = clock::now();
    let ended = persist(context, move |db| accounts::resume(db, &name, now)).await?;
    if let Some(pause) = ended {
        tracing::info!(
            account,
            "account {account} works again; it was paused since {}, and nothing was lost",
            clock::text(pause.since)
        );
        context.ring_all();
    }
    Ok(())
}

/// A file of this account became ready, which shows that all works: it ends a pause that is on
/// probation. One that began meanwhile stays: what is ready now was sent before.
pub(super) async fn proven(context: &Context, account: &str) -> Result<(), Error> {
    let paused = persist(context, accounts::paused).await?;
    if paused
        .iter()
        .any(|paused| paused.account == account && paused.trying)
    {
        works(context, account).await?;
    }
    Ok(())
}
