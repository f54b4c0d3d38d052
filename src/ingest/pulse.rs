//! The heartbeat: leases stay alive, progress is noted, and what another process changed in the
//! table (a cancelled job, one to be retried) is noticed within a quarter of a second.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::context::Context;
use super::persist::persist;
use crate::clock;
use crate::queue::{Error, claim};

/// How often the table is asked whether somebody else changed it.
const LOOK: Duration = Duration::from_millis(250);

/// Every so many looks the leases are prolonged and the progress is noted.
const LOOKS_PER_BEAT: u32 = 4;

/// Every so many looks expired leases are given back.
const LOOKS_PER_RECLAIM: u32 = 120;

/// Runs until the daemon stops and no worker is left: a lease is kept while its worker parks.
pub(super) async fn run(context: Context) -> Result<(), Error> {
    let mut version = None;
    let mut looks: u32 = 0;
    let mut clocks = Clocks::read();
    let mut timer = tokio::time::interval(LOOK);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !(context.stop.is_cancelled() && context.live.is_idle()) {
        timer.tick().await;
        looks = looks.wrapping_add(1);
        if clocks.were_moved() {
            after_a_jump(&context).await?;
        }
        match beat(&context, &mut version, looks).await {
            Err(error) if error.is_passing() => {
                tracing::debug!(error = %crate::chain(&error), "no heartbeat this time");
            }
            outcome => outcome?,
        }
    }
    Ok(())
}

/// The clock on the wall beside one that nobody can set.
struct Clocks {
    wall: Timestamp,
    steady: Instant,
}

/// A difference that no adjustment by small steps makes.
const JUMP: Duration = Duration::from_mins(1);

impl Clocks {
    fn read() -> Self {
        Self {
            wall: clock::now(),
            steady: Instant::now(),
        }
    }

    /// Whether somebody has set the clock since the last look.
    fn were_moved(&mut self) -> bool {
        let before = std::mem::replace(self, Self::read());
        let wall = self.wall.duration_since(before.wall);
        let steady = SignedDuration::try_from(self.steady.duration_since(before.steady));
        steady.is_ok_and(|steady| (wall - steady).unsigned_abs() > JUMP)
    }
}

/// The times in the table were written by the old clock: nothing may wait for them, nor be given up
/// for them.
async fn after_a_jump(context: &Context) -> Result<(), Error> {
    let (now, longest) = (clock::now(), context.now_settings().config.retry.max_delay);
    tracing::warn!("the clock of this machine was set; what waits is looked at anew");
    persist(context, move |db| {
        claim::forgive_the_past(db, now)?;
        claim::clock_was_mended(db, now, longest)
    })
    .await?;
    context.ring_all();
    Ok(())
}

async fn beat(context: &Context, version: &mut Option<i64>, looks: u32) -> Result<(), Error> {
    let present = context.queue.data_version().await?;
    let changed = version
        .replace(present)
        .is_some_and(|before| before != present);
    if changed || looks.is_multiple_of(LOOKS_PER_BEAT) {
        let beats = context.live.beats(Instant::now());
        if !beats.is_empty() {
            let now = clock::now();
            let lost = context
                .queue
                .jot(move |db| claim::heartbeat(db, &beats, now))
                .await?;
            for beat in lost {
                context.live.stop(&beat.lease_id);
            }
        }
    }
    if changed {
        context.ring_all();
    }
    if looks.is_multiple_of(LOOKS_PER_RECLAIM) {
        let (now, alive) = (clock::now(), context.live.leases());
        let back = context
            .queue
            .write(move |db| claim::reclaim(db, Some(now), &alive, now))
            .await?;
        if !back.is_empty() {
            tracing::warn!(jobs = ?back, "jobs whose worker broke down are tried again");
            context.work.notify_one();
        }
    }
    Ok(())
}
