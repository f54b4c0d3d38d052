//! Finds out when a paused account works again: one harmless call with back-off, then one job at a
//! time until one succeeds.

use std::time::Duration;

use jiff::Timestamp;

use super::context::Context;
use super::duty::{Duty, until};
use super::pause;
use super::persist::persist;
use crate::disposition::{Disposition, Need};
use crate::platform;
use crate::queue::accounts::{self, Cause, Paused};
use crate::queue::{Error, claim, identities};
use crate::{chain, clock};

const LONGEST_REST: Duration = Duration::from_secs(10);

/// Runs until the daemon stops.
pub(super) async fn run(context: Context) -> Result<(), Error> {
    let started = clock::now();
    // A daemon is often restarted because something was fixed.
    persist(&context, move |db| accounts::probe_now(db, started)).await?;
    let duty = Duty::new(&context, "probe", LONGEST_REST).woken_by(&context.pauses);
    while duty.round(probe_due(&context)).await? {}
    Ok(())
}

/// Sees to all paused accounts; answers how long to rest.
async fn probe_due(context: &Context) -> Result<Duration, Error> {
    let paused = persist(context, accounts::paused).await?;
    let now = clock::now();
    for account in &paused {
        see_to_account(context, account, now).await?;
    }
    let next = paused
        .iter()
        .filter(|account| !account.trying)
        .map(|account| account.probe_at)
        .min();
    Ok(next.map_or(LONGEST_REST, |at| until(now, at)))
}

async fn see_to_account(context: &Context, paused: &Paused, now: Timestamp) -> Result<(), Error> {
    if paused.trying {
        no_job_left(context, &paused.account).await
    } else if paused.probe_at <= now {
        probe_account(context, paused).await
    } else {
        Ok(())
    }
}

async fn probe_account(context: &Context, paused: &Paused) -> Result<(), Error> {
    let settings = context.now_settings();
    let name = paused.account.clone();
    let refused = match settings.client(&name) {
        None => {
            let gone = name.clone();
            let has_work = persist(context, move |db| {
                let has_work = identities::has_work(db, &gone)?;
                if !has_work {
                    accounts::forget_account(db, &gone)?;
                }
                Ok(has_work)
            });
            if !has_work.await? {
                return Ok(());
            }
            Some((refused(paused.cause), paused.reason.clone()))
        }
        Some(client) => {
            let error = client.check_credentials().await.err();
            error.map(|error| (cause(&error, paused.cause), chain(&error)))
        }
    };
    let now = clock::now();
    if let Some((cause, reason)) = refused {
        return pause::account(context, &name, (cause, &reason), now).await;
    }
    if paused.cause == Cause::Unreachable {
        return pause::works(context, &name).await;
    }
    // A job must show that all works, e.g. that the plan has room again.
    let account = name.clone();
    persist(context, move |db| accounts::probation(db, &name)).await?;
    context.ring_all();
    no_job_left(context, &account).await
}

/// An account that the configuration does not have any more cannot be reached, and no network changes that.
fn refused(present: Cause) -> Cause {
    match present {
        Cause::Refused(_) => present,
        Cause::Unreachable => Cause::Refused(Need::Credentials),
    }
}

/// A probe that fails in passing leaves the cause as it was.
fn cause(error: &platform::Error, present: Cause) -> Cause {
    match error.disposition() {
        Disposition::Blocked(need) => Cause::Refused(need),
        Disposition::Permanent => Cause::Refused(Need::Credentials),
        Disposition::Unreachable => Cause::Unreachable,
        Disposition::Transient { .. } | Disposition::Ambiguous | Disposition::LinkExpired => {
            present
        }
    }
}

/// Where no job is left that could show it, the answered call is all there is to know.
async fn no_job_left(context: &Context, account: &str) -> Result<(), Error> {
    let name = account.to_owned();
    if persist(context, move |db| claim::waits(db, &name)).await? {
        return Ok(());
    }
    pause::works(context, account).await
}
