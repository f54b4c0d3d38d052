//! Claims due jobs, as many at once as the configuration allows, and watches over their workers.
//!
//! There is an express lane: while all places are taken by large files, one small file more may go
//! beside them, so that a clip does not wait for hours behind feature films. The same holds for the
//! places of an account; the claim sees to that.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use super::context::Context;
use super::duty::until;
use super::worker;
use crate::clock;
use crate::config::Config;
use crate::queue::claim::{LARGE, Terms};
use crate::queue::{Error, claim};

/// Looks at the table at least this often, even if nothing rings: the clock may have jumped.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// After an error of the database, which the worker or the claim has reported.
const PAUSE: Duration = Duration::from_secs(2);

/// Runs until nothing new may begin and all workers have finished their jobs, or put them down.
pub(super) async fn run(context: Context) -> Result<(), Error> {
    let mut crew = Crew::default();
    let mut settings = context.settings.clone();
    let mut healthy = true;
    while !context.closing.is_cancelled() {
        let rest = match fill_crew(&context, &mut crew).await {
            Ok(rest) => {
                healthy = true;
                rest
            }
            Err(error) if error.is_passing() => {
                if healthy {
                    tracing::error!(error = %crate::chain(&error), "the database cannot be used; \
                        retrying until it can");
                }
                healthy = false;
                PAUSE
            }
            Err(error) => return Err(error),
        };
        tokio::select! {
            () = context.closing.cancelled() => {}
            Some(ended) = crew.next_end() => note_end(ended)?,
            () = context.work.notified() => {}
            _ = settings.changed() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
    while let Some(ended) = crew.next_end().await {
        note_end(ended)?;
    }
    Ok(())
}

/// Claims until there is nothing due or no place; answers how long to rest.
async fn fill_crew(context: &Context, crew: &mut Crew) -> Result<Duration, Error> {
    loop {
        let config = &context.now_settings().config;
        let room = Room::beside(crew, config.upload.files_at_once);
        if room == Room::None || context.closing.is_cancelled() {
            return Ok(LONGEST_REST);
        }
        let terms = claim_terms(config, room);
        let now = clock::now();
        let of_claim = terms.clone();
        let claimed = context
            .queue
            .write(move |db| claim::claim(db, now, &of_claim))
            .await?;
        let Some(lease) = claimed else {
            let due = context
                .queue
                .jot(move |db| claim::next_due(db, &terms))
                .await?;
            let wait = due.map_or(LONGEST_REST, |due| until(now, due));
            return Ok(wait.min(LONGEST_REST));
        };
        let size = lease.job.identity.bytes();
        crew.take_on(size, worker::work(context.clone(), lease));
    }
}

fn claim_terms(config: &Config, room: Room) -> Terms {
    let bounds = config.accounts.values();
    let bounds = bounds.filter_map(|account| Some((account.name.clone(), account.files_at_once?)));
    Terms {
        at_once: bounds.collect(),
        only_small: room == Room::ForSmall,
    }
}

/// The workers, and which of them have a small file.
#[derive(Default)]
struct Crew {
    workers: JoinSet<Result<(), Error>>,
    small: HashSet<Id>,
}

impl Crew {
    fn take_on(
        &mut self,
        size: u64,
        work: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) {
        let id = self.workers.spawn(work).id();
        if size < LARGE {
            self.small.insert(id);
        }
    }

    /// How the next worker ends; none if there is no worker.
    async fn next_end(&mut self) -> Option<Result<Result<(), Error>, JoinError>> {
        let ended = self.workers.join_next_with_id().await?;
        let (id, result) = match ended {
            Ok((id, result)) => (id, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        self.small.remove(&id);
        Some(result)
    }
}

/// Which jobs may still be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// Any job.
    ForAny,
    /// A small file, by the express lane.
    ForSmall,
    /// No job.
    None,
}

impl Room {
    fn beside(crew: &Crew, places: NonZeroU32) -> Self {
        let busy = u32::try_from(crew.workers.len()).unwrap_or(u32::MAX);
        if busy < places.get() {
            Self::ForAny
        } else if crew.small.is_empty() {
            Self::ForSmall
        } else {
            Self::None
        }
    }
}

/// A worker's end: its outcome is in the table, unless the database or the worker itself broke.
fn note_end(ended: Result<Result<(), Error>, JoinError>) -> Result<(), Error> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.is_passing() => {
            tracing::error!(error = %crate::chain(&error), "an outcome could not be written; the \
                job continues from the step before");
            Ok(())
        }
        Ok(Err(error)) => Err(error),
        Err(error) => {
            // Its lease runs out, and the job is tried again.
            tracing::error!(%error, "a worker failed unexpectedly");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_small_file_goes_beside_large_ones() {
        let places = NonZeroU32::new(2).unwrap();
        let mut crew = Crew::default();
        let mut ends = Vec::new();
        let mut take_on = |crew: &mut Crew, size| {
            let (end, ended) = tokio::sync::oneshot::channel::<()>();
            ends.push(end);
            crew.take_on(size, async {
                ended.await.ok();
                Ok(())
            });
        };
        assert_eq!(Room::beside(&crew, places), Room::ForAny);
        take_on(&mut crew, LARGE);
        assert_eq!(Room::beside(&crew, places), Room::ForAny);
        take_on(&mut crew, LARGE);
        assert_eq!(Room::beside(&crew, places), Room::ForSmall);
        take_on(&mut crew, LARGE - 1);
        assert_eq!(Room::beside(&crew, places), Room::None);
        // A large one ends: the small one has its place now.
        drop(ends.remove(0));
        crew.next_end().await.unwrap().unwrap().unwrap();
        assert_eq!(Room::beside(&crew, places), Room::None);
        drop(ends.remove(1));
        crew.next_end().await.unwrap().unwrap().unwrap();
        assert_eq!(Room::beside(&crew, places), Room::ForAny);
    }

    #[tokio::test]
    async fn a_small_file_in_a_place_of_its_own_is_short_enough_to_wait_for() {
        let mut crew = Crew::default();
        crew.take_on(LARGE, std::future::pending());
        crew.take_on(5, async { panic!("a worker breaks down") });
        let places = NonZeroU32::new(2).unwrap();
        assert_eq!(Room::beside(&crew, places), Room::None);
        assert!(crew.next_end().await.unwrap().is_err());
        assert_eq!(Room::beside(&crew, places), Room::ForAny);
        // Fewer places than workers, after a reload.
        crew.take_on(LARGE, std::future::pending());
        assert_eq!(Room::beside(&crew, NonZeroU32::MIN), Room::ForSmall);
    }
}
