//! Each watch has a lane: what is due of its files is done there in turn, so that a disk or share that does not answer
//! keeps no file of another watch waiting.
//!
//! A lane that is busy gets nothing more, so that a dead share holds one task, and what its call blocks.

use std::collections::{BTreeSet, HashMap};
use std::future;
use std::panic;
use std::time::Instant;

use rusqlite::Connection;
use tokio::task::JoinSet;

use super::ask::Silent;
use super::{AT_ONCE, Mute, NOTES, copies, forget, noted, one};
use crate::clock;
use crate::ingest::context::Context;
use crate::queue::Error;
use crate::queue::afterwards::{self, Case};

/// The lanes of all watches.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    busy: BTreeSet<String>,
    turns: JoinSet<(String, Memory, Result<bool, Error>)>,
    /// What the others remember until their next turn.
    resting: HashMap<String, Memory>,
    /// When the notes were looked at.
    looked: Option<Instant>,
}

/// What a lane remembers.
#[derive(Debug, Default)]
struct Memory {
    mute: Mute,
    silent: Silent,
}

/// What a lane does in one turn.
#[derive(Debug, Default)]
struct Load {
    noted: Vec<Case>,
    copied: Vec<Case>,
    due: Vec<Case>,
    /// Whether more may be due than was listed.
    is_full: bool,
}

impl Lanes {
    /// Begins what is due in each lane that is not busy.
    pub(super) async fn begin(&mut self, context: &Context) -> Result<(), Error> {
        let mut looks = self.looks(context).await?;
        loop {
            let (now, busy) = (clock::now(), self.busy.iter().cloned().collect::<Vec<_>>());
            let due = move |db: &Connection| afterwards::due_elsewhere(db, now, AT_ONCE, &busy);
            let cases = context.queue.jot(due).await?;
            let full = u32::try_from(cases.len()).is_ok_and(|count| count == AT_ONCE);
            let rest = forget(context, cases).await?;
            for (watch, due) in by_watch(rest) {
                let look = looks.remove(&watch).unwrap_or_default();
                let is_full = full;
                self.spawn(
                    context,
                    watch,
                    Load {
                        due,
                        is_full,
                        ..look
                    },
                );
            }
            if !full {
                break;
            }
        }
        for (watch, look) in looks {
            self.spawn(context, watch, look);
        }
        Ok(())
    }

    /// Waits for the end of a turn; forever, where there is none. Its lane is free then. Answers whether there may be
    /// more to do at once.
    pub(super) async fn ended(&mut self) -> Result<bool, Error> {
        let Some(ended) = self.turns.join_next().await else {
            return future::pending().await;
        };
        match ended {
            Ok((watch, memory, outcome)) => {
                self.busy.remove(&watch);
                self.resting.insert(watch, memory);
                outcome
            }
            Err(broken) => match broken.try_into_panic() {
                Ok(panic) => panic::resume_unwind(panic),
                Err(_) => Ok(false),
            },
        }
    }

    /// Waits for all turns, which the daemon's stop ends.
    pub(super) async fn finish(mut self) {
        while self.turns.join_next().await.is_some() {}
    }

    /// What is looked at from time to time, of the lanes that are not busy: failed files with notes, and copies that no
    /// attempt will see to.
    async fn looks(&mut self, context: &Context) -> Result<HashMap<String, Load>, Error> {
        if self.looked.is_some_and(|at| at.elapsed() < NOTES) {
            return Ok(HashMap::new());
        }
        self.looked = Some(Instant::now());
        let look = |db: &Connection| Ok((afterwards::noted(db)?, afterwards::copied(db)?));
        let (noted, copied) = context.queue.jot(look).await?;
        let mut loads: HashMap<String, Load> = HashMap::new();
        for (watch, noted) in by_watch(noted) {
            loads.entry(watch).or_default().noted = noted;
        }
        for (watch, copied) in by_watch(copied) {
            loads.entry(watch).or_default().copied = copied;
        }
        loads.retain(|watch, _| !self.busy.contains(watch));
        Ok(loads)
    }

    fn spawn(&mut self, context: &Context, watch: String, load: Load) {
        self.busy.insert(watch.clone());
        let (context, mut memory) = (
            context.clone(),
            self.resting.remove(&watch).unwrap_or_default(),
        );
        self.turns.spawn(async move {
            let outcome = Box::pin(turn(&context, &watch, load, &mut memory)).await;
            (watch, memory, outcome)
        });
    }
}

async fn turn(
    context: &Context,
    watch: &str,
    load: Load,
    Memory { mute, silent }: &mut Memory,
) -> Result<bool, Error> {
    noted::look(context, (watch, load.noted), mute).await?;
    for case in load.copied {
        copies::settle(context, &case, true).await?;
    }
    for case in load.due {
        if context.stop.is_cancelled() {
            return Ok(false);
        }
        // The list may be minutes old.
        let id = case.job.id;
        let still = context.queue.jot(move |db| afterwards::due_still(db, id));
        if let Some(case) = still.await? {
            one(context, case, (mute, silent)).await?;
        }
    }
    Ok(load.is_full)
}

fn by_watch(cases: Vec<Case>) -> HashMap<String, Vec<Case>> {
    let mut by_watch: HashMap<String, Vec<Case>> = HashMap::new();
    for case in cases {
        let of_watch = by_watch.entry(case.job.watch.clone()).or_default();
        of_watch.push(case);
    }
    by_watch
}
