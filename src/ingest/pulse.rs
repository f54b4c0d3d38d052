//! The heartbeat: leases stay alive, progress is noted, and what another process changed in the
//! table (a cancelled job, one to be retried) is noticed within a quarter of a second.

use std::time::{Duration, Instant};

use super::clocks::Clocks;
use super::context::Context;
use super::duty::Duty;
use super::persist::persist;
use crate::clock;
use crate::config::Config;
use crate::queue::times::{self, Longest};
use crate::queue::{Error, claim};

/// How often the table is asked whether another process changed it.
const LOOK: Duration = Duration::from_millis(250);

/// Every so many looks the leases are prolonged and the progress is noted.
const LOOKS_PER_BEAT: u32 = 4;

/// Every so many looks expired leases are given back.
const LOOKS_PER_RECLAIM: u32 = 120;

/// Runs until the daemon stops and no worker is left: a lease is kept while its worker parks.
pub(super) async fn run(context: Context) -> Result<(), Error> {
    let duty = Duty::new(&context, "pulse", LOOK);
    let mut pulse = Pulse {
        version: None,
        looks: 0,
        jumps: clock::jumps(),
        clocks: Clocks::start(&context).await?,
    };
    let mut timer = tokio::time::interval(LOOK);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !(context.stop.is_cancelled() && context.live.is_idle()) {
        // It says when the next round is; a stop ends none.
        timer.tick().await;
        duty.length_of_rest(pulse.round(&context).await)?;
    }
    duty.length_of_rest(pulse.clocks.look(&context).await.map(|()| LOOK))?;
    Ok(())
}

/// What one round knows of those before it.
struct Pulse {
    /// The number that the table had.
    version: Option<i64>,
    looks: u32,
    /// How often the clock has jumped.
    jumps: u64,
    clocks: Clocks,
}

impl Pulse {
    async fn round(&mut self, context: &Context) -> Result<Duration, Error> {
        self.looks = self.looks.wrapping_add(1);
        if std::mem::replace(&mut self.jumps, clock::jumps()) != self.jumps {
            after_a_jump(context).await?;
            self.clocks = Clocks::start(context).await?;
        }
        if self.looks.is_multiple_of(LOOKS_PER_BEAT) {
            self.clocks.look(context).await?;
        }
        beat(context, &mut self.version, self.looks).await?;
        Ok(LOOK)
    }
}

/// The times in the table were written by the old clock: nothing may wait for them, nor be given up
/// for them.
async fn after_a_jump(context: &Context) -> Result<(), Error> {
    let (now, longest) = (clock::now(), longest(&context.now_settings().config));
    tracing::warn!("this machine's clock was set; waiting times and ages are recalculated");
    persist(context, move |db| times::mend(db, now, longest)).await?;
    context.ring_all();
    Ok(())
}

/// How far ahead of the present the table may put anything off under this configuration.
pub(crate) fn longest(config: &Config) -> Longest {
    let graces = config.watches.iter().map(|watch| watch.afterwards.grace);
    Longest {
        delay: config.retry.max_delay,
        grace: graces.max().unwrap_or_default(),
    }
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
            tracing::warn!(jobs = ?back, "jobs whose worker failed unexpectedly are retried");
            context.work.notify_one();
        }
    }
    Ok(())
}
