//! Writes down how a step of a job ended: the only place where an attempt's end reaches the job
//! table. Steps answer how they ended as a value ([`Done`], [`End`]).
//!
//! `done` has the good ends, `failure` what is tried again or not, `file` what becomes of a job whose file
//! is not there as it settled, `agreed` the ends that hang on what the table says at that moment.

pub(super) mod agreed;
mod done;
mod failure;
mod file;

use jiff::Timestamp;

pub(super) use self::failure::given_up;

use super::attempt::Attempt;
use super::end::{Done, End, Failure};
use super::moments::later;
use super::persist::persist;
use crate::platform;
use crate::queue::outcome::{self, Count, Report};
use crate::queue::{Advice, Error, replace};
use crate::{address, chain, clock};

/// Writes down how the step ended. Answers whether the job is at its next step, still held.
///
/// # Errors
/// The lease is lost, or an error of the database that waiting cannot fix.
pub(super) async fn record(attempt: &mut Attempt, ended: Result<Done, End>) -> Result<bool, Error> {
    match ended {
        Ok(done) => done::record(attempt, done).await,
        Err(end) => record_early(attempt, end).await.map(|()| false),
    }
}

async fn record_early(attempt: &Attempt, end: End) -> Result<(), Error> {
    match end {
        End::Written => Ok(()),
        End::Table(error) => Err(error),
        End::Parked { sent } => {
            let report = Report {
                bytes_sent: sent,
                ..Report::default()
            };
            give_back(attempt, clock::now(), ("parked", report)).await
        }
        End::Later { run_at, word, why } => {
            give_back(attempt, run_at, (word, Report::said(why))).await
        }
        End::Call(error) => record_failed_call(attempt, &error).await,
        End::Failed(failure) => failure::settle_failure(attempt, failure).await,
        End::File { problem, sent } => file::settle_file(attempt, problem, sent).await,
        End::StartOver { word, report } => {
            failure::start_over(attempt, (word, report), clock::now()).await
        }
        End::Held(message) => record_hold(attempt, message).await,
        End::NotReplaced(message) => not_replaced(attempt, message).await,
    }
}

/// A call to the platform failed.
async fn record_failed_call(attempt: &Attempt, error: &platform::Error) -> Result<(), Error> {
    let report = Report::said(chain(error));
    if let platform::Error::NoRoom { wait, .. } = error {
        let run_at = later(clock::now(), *wait);
        return give_back(attempt, run_at, ("waits", report)).await;
    }
    let report = Report {
        // A refusal may repeat the address that the platform should fetch from.
        message: Some(address::hosts_only(&chain(error))),
        request_id: error.request_id().map(str::to_owned),
        ..report
    };
    let failure = Failure {
        disposition: error.disposition(),
        report,
    };
    failure::settle_failure(attempt, failure).await
}

/// Gives the attempt back, to continue at `run_at`: the job is not at fault.
async fn give_back(
    attempt: &Attempt,
    run_at: Timestamp,
    (word, report): (&'static str, Report),
) -> Result<(), Error> {
    let now = clock::now();
    write_under_lease(attempt, move |db, lease| {
        outcome::again(db, lease, (run_at, Count::No), (word, &report), now)
    })
    .await
}

/// Nothing is done until a person decides.
async fn record_hold(attempt: &Attempt, message: String) -> Result<(), Error> {
    let path = attempt.path();
    tracing::warn!(job.id = attempt.job().id.0, "{path}: {message}");
    let now = clock::now();
    let report = Report::said(message).advising(Advice::InWords);
    write_under_lease(attempt, move |db, lease| {
        replace::hold(db, lease, &report, now)
    })
    .await
}

/// For good: a person may want another video instead.
async fn not_replaced(attempt: &Attempt, message: String) -> Result<(), Error> {
    let path = attempt.path();
    tracing::error!(job.id = attempt.job().id.0, "{path}: failed: {message}");
    let now = clock::now();
    let report = Report::said(message).advising(Advice::InWords);
    write_under_lease(attempt, move |db, lease| {
        replace::refused(db, lease, &report, now)
    })
    .await
}

/// The job table cannot be told from an older one just now: nothing was asked of the platform, and the job waits.
///
/// # Errors
/// As those of [`record`].
pub(super) async fn was_not_asked(attempt: &Attempt, error: &Error) -> Result<(), Error> {
    write_under_lease(attempt, outcome::was_not_asked).await?;
    let first_delay = attempt.settings().config.retry.first_delay;
    let report = Report::said(chain(error));
    let run_at = later(clock::now(), first_delay);
    give_back(attempt, run_at, ("waits", report)).await
}

/// Writes to the table under the lease of the attempt.
async fn write_under_lease<R: Send + 'static>(
    attempt: &Attempt,
    verb: impl Fn(&rusqlite::Connection, &crate::queue::Lease) -> Result<R, Error>
    + Clone
    + Send
    + 'static,
) -> Result<R, Error> {
    let lease = std::sync::Arc::clone(&attempt.lease);
    persist(&attempt.context, move |db| verb(db, &lease)).await
}
