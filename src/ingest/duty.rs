//! What all duties of the daemon have in common: rounds until it stops, a rest between two of them, and
//! a database that cannot be used for a while.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::context::Context;
use crate::chain;
use crate::queue::Error;

/// The longest rest after an error of the database that passes.
const PAUSE: Duration = Duration::from_secs(2);

/// The shortest rest, so that no loop spins on something that is due and cannot be done.
const SHORTEST_REST: Duration = Duration::from_millis(20);

/// A duty: something that is looked after again and again.
pub(super) struct Duty<'a> {
    context: &'a Context,
    name: &'static str,
    /// Ends a rest before its time.
    bell: Option<&'a Notify>,
    longest_rest: Duration,
}

impl<'a> Duty<'a> {
    pub(super) fn new(context: &'a Context, name: &'static str, longest_rest: Duration) -> Self {
        Self {
            context,
            name,
            bell: None,
            longest_rest,
        }
    }

    /// The same, woken by a bell.
    pub(super) fn woken_by(self, bell: &'a Notify) -> Self {
        Self {
            bell: Some(bell),
            ..self
        }
    }

    /// One round, which a stop breaks off, and the rest after it, which the round answers. Answers
    /// whether there is another.
    ///
    /// # Errors
    /// Errors of the database that waiting cannot fix.
    pub(super) async fn round(
        &self,
        work: impl Future<Output = Result<Duration, Error>>,
    ) -> Result<bool, Error> {
        let done = tokio::select! {
            () = self.context.stop.cancelled() => return Ok(false),
            done = work => done,
        };
        self.rest(done).await
    }

    /// The rest after a round that came to its end, however long that took. Answers whether there is
    /// another round.
    ///
    /// # Errors
    /// Errors of the database that waiting cannot fix.
    pub(super) async fn rest(&self, done: Result<Duration, Error>) -> Result<bool, Error> {
        let rest = self.length_of_rest(done)?;
        let ring = async {
            match self.bell {
                Some(bell) => bell.notified().await,
                None => std::future::pending().await,
            }
        };
        if !rest.is_zero() {
            tokio::select! {
                () = self.context.stop.cancelled() => {}
                () = ring => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
        Ok(!self.context.stop.is_cancelled())
    }

    /// How long to rest after a round. Nothing is lost by a database that cannot be used for a while:
    /// the next round finds what this one left.
    ///
    /// # Errors
    /// Errors of the database that waiting cannot fix.
    pub(super) fn length_of_rest(&self, done: Result<Duration, Error>) -> Result<Duration, Error> {
        match done {
            Ok(rest) => Ok(rest.min(self.longest_rest)),
            Err(error) if error.is_passing() => {
                let name = self.name;
                tracing::debug!(error = %chain(&error), "{name}: the next round comes a little later");
                Ok(PAUSE.min(self.longest_rest))
            }
            Err(error) => Err(error),
        }
    }
}

/// How long from `now` to `then`; a moment at least, so that no loop spins on a due job that cannot
/// be claimed.
pub(super) fn until(now: Timestamp, then: Timestamp) -> Duration {
    then.duration_since(now)
        .try_into()
        .unwrap_or(Duration::ZERO)
        .max(SHORTEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::tests::ground::Ground;

    const LONG: Duration = Duration::from_hours(1);

    fn full_disk() -> Error {
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        Error::Sqlite(rusqlite::Error::SqliteFailure(full, None))
    }

    #[tokio::test]
    async fn a_full_disk_ends_no_duty_and_a_broken_table_does() {
        let ground = Ground::new();
        let duty = Duty::new(&ground.context, "probe", Duration::from_millis(1));
        assert!(duty.round(async { Err(full_disk()) }).await.unwrap());
        assert!(duty.rest(Err(full_disk())).await.unwrap());
        let broken = || Err(Error::WriterGone);
        assert!(duty.round(async { broken() }).await.is_err());
        assert!(duty.rest(broken()).await.is_err());
    }

    #[tokio::test]
    async fn a_bell_ends_a_rest_and_a_stop_the_duty() {
        let ground = Ground::new();
        let context = &ground.context;
        let duty = Duty::new(context, "probe", LONG).woken_by(&context.pauses);
        context.pauses.notify_one();
        let woken = tokio::time::timeout(Duration::from_secs(20), duty.round(async { Ok(LONG) }));
        assert!(woken.await.unwrap().unwrap());
        context.stop.cancel();
        assert!(!duty.round(std::future::pending()).await.unwrap());
        assert!(!duty.rest(Ok(LONG)).await.unwrap());
        assert!(!duty.rest(Err(full_disk())).await.unwrap());
    }
}
