//! One attempt of a job: the job under its lease, when the work on it must end, and all that a step
//! asks of the platform, of the file and of the job table meanwhile. What does not work out is an
//! [`End`].

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::context::{Context, Settings};
use super::disk::{self, Progress, Stuck};
use super::end::End;
use super::persist::persist;
use super::source::{Freshness, Problem, Source};
use crate::disposition::{Disposition, Need};
use crate::platform::{self, Client};
use crate::queue::outcome;
use crate::queue::{Error, Job, Lease, Step};
use crate::{clock, text};

/// A stop waits so long for the answer to a call that is in progress: an answer that is not awaited
/// costs a look-up, and a draft to delete, at the next start.
const GRACE: Duration = Duration::from_secs(5);

/// A worker waits so long for room within its account's rate limit while another account may need its place.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a worker is given for one job.
pub(super) struct Attempt {
    /// Everything shared.
    pub(super) context: Context,
    /// The job as it is now, and the right to work on it.
    pub(super) lease: Arc<Lease>,
    /// Cancelled when the work on this job must end: the daemon stops, or the lease is lost.
    pub(super) stop: CancellationToken,
}

#[derive(Debug, thiserror::Error)]
#[error("the configuration has no account {0:?} any more: add it again, or cancel the job")]
struct UnknownAccount(String);

impl Attempt {
    pub(super) fn job(&self) -> &Job {
        &self.lease.job
    }

    /// The job's path, for people.
    pub(super) fn path(&self) -> String {
        text::path(&self.lease.job.path)
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        self.context.now_settings()
    }

    /// The client of the job's account.
    pub(super) fn client(&self) -> Result<Client, End> {
        let account = &self.lease.job.account;
        let client = self.settings().client(account).cloned();
        client.ok_or_else(|| {
            End::failed(
                &UnknownAccount(account.clone()),
                Disposition::Blocked(Need::Credentials),
            )
        })
    }

    /// Notes that a step begins.
    pub(super) async fn begin(&self, step: Step) -> Result<(), End> {
        let now = clock::now();
        self.write(move |db, lease| outcome::begin(db, lease, step, now))
            .await
    }

    /// Writes to the table under the lease; nothing that ends the attempt.
    pub(super) async fn write<R: Send + 'static>(
        &self,
        verb: impl Fn(&Connection, &Lease) -> Result<R, Error> + Clone + Send + 'static,
    ) -> Result<R, End> {
        let lease = Arc::clone(&self.lease);
        Ok(persist(&self.context, move |db| verb(db, &lease)).await?)
    }

    /// Waits for the answer to a call; a stop lets it a moment, and a lost lease none.
    pub(super) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, platform::Error>>,
    ) -> Result<T, End> {
        Ok(self.answer(call).await??)
    }

    /// As [`call`](Self::call), for calls whose answer is no plain yes or no.
    pub(super) async fn answer<T>(&self, call: impl Future<Output = T>) -> Result<T, End> {
        let has_company = self.settings().clients().nth(1).is_some();
        let call = async {
            if has_company {
                platform::impatient(PATIENCE, call).await
            } else {
                call.await
            }
        };
        let stopped = async {
            self.stop.cancelled().await;
            if self.context.stop.is_cancelled() {
                tokio::time::sleep(GRACE).await;
            }
        };
        tokio::select! {
            biased;
            answer = call => Ok(answer),
            () = stopped => Err(End::PARKED),
        }
    }

    /// Waits for something that no stop need wait for.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, End> {
        tokio::select! {
            done = work => Ok(done),
            () = self.stop.cancelled() => Err(End::PARKED),
        }
    }

    /// Opens the job's file; at once silent where a look at its watch hangs.
    pub(super) async fn open(&self) -> Result<Arc<Source>, End> {
        let settings = self.settings();
        let limit = settings.config.upload.stall_timeout;
        let (job, hanging) = (self.lease.job.clone(), &self.context.hanging);
        let opening = disk::within_limit((hanging, limit), &self.lease.job.watch, move || {
            Source::open(&job, settings.watch(&job.watch))
        });
        let opened = self.unless_stopped(opening).await?;
        Ok(Arc::new(opened.unwrap_or(Err(Problem::Silent(limit)))?))
    }

    /// Opens the job's file if it has rested: what is read of it now may be sent.
    pub(super) async fn open_rested(&self) -> Result<Arc<Source>, End> {
        let source = self.open().await?;
        source.check_rested(&self.lease.job.identity)?;
        Ok(source)
    }

    /// Looks that nothing can have been written to the file since it was opened.
    pub(super) async fn check_unmoved(&self, source: &Arc<Source>) -> Result<(), End> {
        let source = Arc::clone(source);
        self.quick(move || source.check_unmoved()).await
    }

    /// Looks whether what was read is whole.
    pub(super) async fn check(&self, source: &Arc<Source>) -> Result<Freshness, End> {
        let source = Arc::clone(source);
        self.quick(move || source.check()).await
    }

    /// Reads the first bytes, at most `limit`, of a file that must not have changed meanwhile.
    pub(super) async fn start(&self, source: &Arc<Source>, limit: u64) -> Result<Vec<u8>, End> {
        let source = Arc::clone(source);
        self.quick(move || {
            let bytes = source.start(limit).map_err(Problem::Unreadable)?;
            source.check().map(|_| bytes)
        })
        .await
    }

    /// Sums the file up, however long that takes.
    pub(super) async fn md5(&self, source: &Arc<Source>) -> Result<String, End> {
        let (source, stop) = (Arc::clone(source), self.stop.clone());
        let summed = self.read(move |progress| {
            let summed = source.md5(&|| progress.step() || stop.is_cancelled());
            summed.map_err(Problem::Unreadable)
        });
        summed.await?.ok_or(End::PARKED)
    }

    /// Reads a file, however long that takes while it gets on.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Progress) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, End> {
        let limit = self.settings().config.upload.stall_timeout;
        let reading = self.unless_stopped(disk::while_it_gets_on(limit, work));
        Ok(match reading.await? {
            Ok(read) => read?,
            Err(Stuck::Silent) => Err(Problem::Silent(limit))?,
            Err(Stuck::Broken) => Err(disk::broken())?,
        })
    }

    /// A look that takes a moment on a disk that lives.
    pub(super) async fn quick<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, End> {
        let limit = self.settings().config.upload.stall_timeout;
        let looking = tokio::task::spawn_blocking(look);
        let looked = self.unless_stopped(tokio::time::timeout(limit, looking));
        Ok(match looked.await? {
            Ok(Ok(looked)) => looked?,
            Ok(Err(_)) => Err(disk::broken())?,
            Err(_) => Err(Problem::Silent(limit))?,
        })
    }
}
