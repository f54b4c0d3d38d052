//! Jobs that go by FTP: the bytes to the account's server, under a name that is theirs alone.
//!
//! Until the rename the server's side does not take the file for a video; so what must hold of it
//! (all bytes there, the local file unchanged) is looked at before, and the name is noted before it
//! is given. A job that comes here with the note finds out from the server how that ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;

use super::calls::park;
use super::fate::{self, Failure};
use super::persist::persist;
use super::source::{Freshness, Problem, Source};
use super::worker::{Next, Task};
use super::{disk, identify, pause, transfer, trouble};
use crate::config::Ftp;
use crate::disposition::Disposition;
use crate::queue::outcome::Report;
use crate::queue::{self, Error, Lease, Step, Ticket, ticket};
use crate::upload::ftp::{self, BeforeRename, Order, Receipt, Whole};
use crate::upload::{self, Progress};
use crate::way::Way;
use crate::{chain, clock, text};

/// There is no video to be created: on to the transfer.
pub(super) async fn begin(task: &Task, lease: &Lease, why: String) -> Result<Next, Error> {
    let (begun, now) = (lease.clone(), clock::now());
    persist(&task.context, move |db| {
        queue::ftp::begins(db, &begun, &why, now)
    })
    .await?;
    let mut on = lease.clone();
    on.job.step = Step::Transfer;
    on.job.way = Some(Way::Ftp);
    on.ticket = Some(Ticket {
        link: String::new(),
        expires_at: None,
        last_byte_at: None,
        part_size: None,
    });
    Ok(Next::GoOn(Box::new(on)))
}

/// The transfer, whose attempt is open already.
pub(super) async fn run(task: &Task, lease: &Lease) -> Result<Next, Error> {
    let context = &task.context;
    let noted = lease.ticket.as_ref().and_then(|ticket| {
        let at = ticket.last_byte_at?;
        Some((ticket.link.clone(), at))
    });
    let settings = context.now_settings();
    let account = settings.config.accounts.get(&lease.job.account);
    let Some(server) = account.and_then(|account| account.ftp.clone()) else {
        return no_server(task, lease, noted.is_some()).await;
    };
    let errand = Errand {
        task,
        lease,
        server,
        noted,
    };
    match identify::open(task, lease).await {
        None => park(task, lease).await,
        Some(Ok(source)) => errand.send(Some(source)).await,
        // It may have its name there already, and then nothing is missing.
        Some(Err(Problem::Gone)) if errand.noted.is_some() => errand.send(None).await,
        Some(Err(problem)) => errand.settle_trouble(problem, 0).await,
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the account has no [account.{0}.ftp] any more, and what its server has is not known: add it again"
)]
struct NoServer(String);

async fn no_server(task: &Task, lease: &Lease, is_noted: bool) -> Result<Next, Error> {
    let context = &task.context;
    if is_noted {
        let error = NoServer(lease.job.account.clone());
        fate::settle(context, lease, Failure::new(&error, Disposition::Blocked)).await?;
        return Ok(Next::Finished);
    }
    let (back, now) = (lease.clone(), clock::now());
    persist(context, move |db| {
        queue::ftp::goes_another_way(db, &back, now)
    })
    .await?;
    let mut on = lease.clone();
    on.job.step = Step::Create;
    on.job.way = None;
    on.ticket = None;
    Ok(Next::GoOn(Box::new(on)))
}

/// One attempt.
struct Errand<'a> {
    task: &'a Task,
    lease: &'a Lease,
    server: Ftp,
    /// The name that an earlier attempt was about to give, and when.
    noted: Option<(String, Timestamp)>,
}

/// What the file on the disk turned out to be, when it was looked at before the renaming.
type Finding = Arc<Mutex<Option<Problem>>>;

impl Errand<'_> {
    async fn send(&self, source: Option<Arc<Source>>) -> Result<Next, Error> {
        let (context, job) = (&self.task.context, &self.lease.job);
        let file = match source.as_ref().map(|source| source.file()).transpose() {
            Ok(file) => file,
            Err(error) => return self.settle_trouble(Problem::Unreadable(error), 0).await,
        };
        let id = job.id;
        let confirmed = persist(context, move |db| queue::ftp::confirmed(db, id)).await?;
        let progress = Arc::new(Progress::default());
        context.live.transfers(self.lease, &progress);
        let (begun, finding) = (Arc::new(AtomicU64::new(0)), Finding::default());
        let order = Order {
            file,
            size: job.identity.bytes(),
            server: self.server.clone(),
            name: ftp::plain(job.path.file_name().unwrap_or_default()),
            mark: job.ingest_id.clone(),
            confirmed,
            noted: self.noted.as_ref().map(|(name, _)| name.clone()),
            progress: Arc::clone(&progress),
            throttle: context.throttle.clone(),
            stall_timeout: context.now_settings().config.upload.stall_timeout,
            response_timeout: upload::RESPONSE_TIMEOUT,
            on_confirmed: self.on_confirmed(Arc::clone(&begun)),
            before_rename: self.before_rename(source.clone(), Arc::clone(&finding)),
        };
        let outcome = ftp::send(order, self.task.stop.clone()).await;
        let sent = progress
            .sent()
            .saturating_sub(begun.load(Ordering::Relaxed));
        let sent = i64::try_from(sent).unwrap_or(i64::MAX);
        match outcome {
            Ok(receipt) => self.accept(&receipt, sent).await,
            Err(error) => {
                let found = finding
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take();
                match (found, &source) {
                    (Some(problem), _) => self.settle_trouble(problem, sent).await,
                    (None, source) => self.refuse(source.as_ref(), (&error, sent)).await,
                }
            }
        }
    }

    /// Notes how much the server has, which the next attempt must find there at least.
    fn on_confirmed(&self, begun: Arc<AtomicU64>) -> upload::OnConfirmed {
        let mut note = transfer::on_confirmed(self.task, self.lease);
        Box::new(move |bytes| {
            begun.store(bytes, Ordering::Relaxed);
            note(bytes)
        })
    }

    /// The last look at the file, and the write-ahead note; without both it does not get its name.
    fn before_rename(&self, source: Option<Arc<Source>>, finding: Finding) -> BeforeRename {
        let (queue, lease) = (self.task.context.queue.clone(), self.lease.clone());
        let stop = self.task.stop.clone();
        Box::new(move |whole| {
            if let Some(source) = &source
                && let Err(problem) = look(source, &whole, &|| stop.is_cancelled())
            {
                let why = chain(&problem);
                *finding.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
                return Err(why);
            }
            if stop.is_cancelled() {
                return Err("the daemon stops".to_owned());
            }
            let (lease, now) = (lease.clone(), clock::now());
            let (name, md5) = (whole.name.to_owned(), whole.md5.map(str::to_owned));
            queue
                .write_blocking(move |db: &Connection| {
                    queue::ftp::gets_its_name(db, &lease, (&name, md5.as_deref()), now)
                })
                .map_err(|error| chain(&error))
        })
    }

    async fn accept(&self, receipt: &Receipt, sent: i64) -> Result<Next, Error> {
        let (context, job) = (&self.task.context, &self.lease.job);
        let now = clock::now();
        let report = Report {
            bytes_sent: sent,
            ..Report::default()
        };
        tracing::info!(
            job.id = job.id.0,
            file.size_bytes = job.identity.bytes(),
            "{}: uploaded by FTP as {}",
            text::path(&job.path),
            text::line(&receipt.name)
        );
        // Where nothing was sent or named this time, that was done when it was noted.
        let named_at = match (&receipt.md5, &self.noted) {
            (None, Some((_, at))) => *at,
            _ => now,
        };
        let first_look = fate::later(now, context.now_settings().config.confirm.poll_interval);
        let done = self.lease.clone();
        persist(context, move |db| {
            queue::ftp::sent(db, &done, (named_at, first_look), (&report, now))
        })
        .await?;
        pause::works(context, &job.account).await?;
        context.confirms.notify_one();
        Ok(Next::Finished)
    }

    async fn refuse(
        &self,
        source: Option<&Arc<Source>>,
        (error, sent): (&ftp::Error, i64),
    ) -> Result<Next, Error> {
        let (context, lease) = (&self.task.context, self.lease);
        if self.task.stop.is_cancelled() {
            let report = Report {
                bytes_sent: sent,
                ..Report::default()
            };
            fate::give_back(context, lease, clock::now(), ("parked", report)).await?;
            return Ok(Next::Finished);
        }
        if let Some(source) = source
            && let Some(Err(problem @ Problem::Changed)) = disk::check(self.task, source).await
        {
            return self.settle_trouble(problem, sent).await;
        }
        if matches!(error, ftp::Error::SourceGone) {
            return self.settle_trouble(Problem::Gone, sent).await;
        }
        if matches!(error, ftp::Error::Refused(refusal) if matches!(refusal.to, "RNFR" | "RNTO")) {
            // A definite no: the file has not got the name that was noted.
            let lost = lease.clone();
            persist(context, move |db| ticket::last_byte_was_lost(db, &lost)).await?;
        }
        let disposition = error.disposition();
        if disposition == Disposition::Permanent {
            self.sweep().await;
        }
        let mut failure = Failure::new(error, disposition);
        failure.report.bytes_sent = sent;
        fate::settle(context, lease, failure).await?;
        Ok(Next::Finished)
    }

    async fn settle_trouble(&self, problem: Problem, sent: i64) -> Result<Next, Error> {
        if matches!(problem, Problem::Changed | Problem::BeingWritten) {
            self.sweep().await;
        }
        trouble::settle(&self.task.context, self.lease, problem, sent).await?;
        Ok(Next::Finished)
    }

    /// What was sent of a file that changed is of no use. It is out of sight, so nothing depends on
    /// whether it can be deleted.
    async fn sweep(&self) {
        let stall = self.task.context.now_settings().config.upload.stall_timeout;
        let sweeping = ftp::sweep(self.server.clone(), &self.lease.job.ingest_id, stall);
        tokio::select! {
            done = sweeping => if let Err(error) = done {
                tracing::debug!("an unfinished file stays on the FTP server: {}", chain(&error));
            },
            () = self.task.stop.cancelled() => {}
        }
    }
}

/// Whether what was sent is the file that settled.
fn look(source: &Source, whole: &Whole<'_>, is_stopped: &dyn Fn() -> bool) -> Result<(), Problem> {
    if source.check()? == Freshness::Same {
        return Ok(());
    }
    // Only the ctime moved: the content tells.
    let again = source.md5(&|| {
        (whole.pulse)();
        is_stopped()
    });
    match again {
        Ok(Some(md5)) if Some(md5.as_str()) == whole.md5 => Ok(()),
        Ok(Some(_)) => Err(Problem::Changed),
        // Broken off: the caller sees that too.
        Ok(None) => Ok(()),
        Err(error) => Err(Problem::Unreadable(error)),
    }
}
