//! Deletes videos that were begun and must not stay; tries until they are gone.

use std::time::Duration;

use super::context::Context;
use super::dispatch::until;
use super::fate::{is_within, later};
use super::persist::persist;
use crate::platform::{self, Client};
use crate::queue::withdraw::{self, Withdrawal};
use crate::queue::{Error, retry};
use crate::{chain, clock};

const LONGEST_REST: Duration = Duration::from_mins(1);

/// So long after nobody waits for its answer any more a create call may still make its video: our
/// own wait is one minute, and a proxy or a server that is overloaded may hold it for as long again.
const LATE_CREATE: Duration = Duration::from_mins(2);

/// How one withdrawal went.
enum Outcome {
    /// Nothing of it is on the platform.
    Gone,
    /// Not found by its ingest id; the create call may still be on its way.
    NotYet,
}

/// Runs until the daemon stops.
pub(super) async fn run(context: Context) -> Result<(), Error> {
    while !context.stop.is_cancelled() {
        let now = clock::now();
        let next = match persist(&context, move |db| withdraw::due(db, now)).await {
            Ok(Some(withdrawal)) => {
                tokio::select! {
                    () = context.stop.cancelled() => return Ok(()),
                    done = one(&context, &withdrawal) => done?,
                }
                continue;
            }
            Ok(None) => persist(&context, withdraw::next_due).await?,
            Err(error) if context.stop.is_cancelled() => {
                tracing::debug!(error = %chain(&error), "stopping");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        // One of a paused account is due and not answered by `due`: the probe rings when it works.
        let rest = next
            .filter(|at| *at > now)
            .map_or(LONGEST_REST, |at| until(now, at));
        tokio::select! {
            () = context.stop.cancelled() => {}
            () = context.withdrawals.notified() => {}
            () = tokio::time::sleep(rest.min(LONGEST_REST)) => {}
        }
    }
    Ok(())
}

async fn one(context: &Context, withdrawal: &Withdrawal) -> Result<(), Error> {
    let settings = context.now_settings();
    let retry = &settings.config.retry;
    let (id, now) = (withdrawal.id, clock::now());
    let Some(client) = settings.client(&withdrawal.account) else {
        let run_at = later(now, retry.max_delay);
        let why = "its account is not configured any more";
        return persist(context, move |db| withdraw::again(db, id, run_at, why)).await;
    };
    let wait = || {
        let tries = withdrawal.attempts + 1;
        retry::delay(tries, retry.first_delay, retry.max_delay, None)
    };
    // What was made late enough is found later still where the search lags behind.
    let late = LATE_CREATE.saturating_add(client.patience());
    match delete(client, withdrawal).await {
        Ok(Outcome::NotYet) if is_within(withdrawal.created_at, late, now) => {
            let (run_at, why) = (
                later(now, wait()),
                "it has not appeared on the platform yet",
            );
            persist(context, move |db| withdraw::again(db, id, run_at, why)).await
        }
        Ok(Outcome::Gone | Outcome::NotYet) => {
            tracing::info!(
                job.id = withdrawal.job.0,
                video.key = withdrawal.video_key.as_deref().unwrap_or("unknown"),
                "the video that was begun for job {} is off the platform",
                withdrawal.job
            );
            persist(context, move |db| withdraw::finished(db, id, clock::now())).await
        }
        Err(error) => {
            let message = chain(&error);
            // No pause of the account: a key may be good for everything but deleting.
            let run_at = later(now, wait());
            tracing::warn!(
                job.id = withdrawal.job.0,
                "a video cannot be withdrawn yet: {message}"
            );
            persist(context, move |db| withdraw::again(db, id, run_at, &message)).await
        }
    }
}

async fn delete(client: &Client, withdrawal: &Withdrawal) -> Result<Outcome, platform::Error> {
    if let Some(key) = &withdrawal.video_key {
        client.delete(&key.parse()?).await?;
        return Ok(Outcome::Gone);
    }
    let found = client.find_by_ingest_id(&withdrawal.ingest_id).await?;
    for video in &found {
        client.delete(&video.key).await?;
    }
    Ok(if found.is_empty() {
        Outcome::NotYet
    } else {
        Outcome::Gone
    })
}
