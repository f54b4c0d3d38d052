//! Jobs that go by FTP: the bytes to the account's server, under a name that is theirs alone.
//!
//! Until the rename the server's side does not take the file for a video; so what must hold of it
//! (all bytes there, the local file unchanged) is looked at before, and the name is noted before it
//! is given. A job that comes here with the note finds out from the server how that ended.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::last_look::{self, Finding};
use crate::config::Ftp;
use crate::disposition::{Disposition, Need};
use crate::ingest::attempt::Attempt;
use crate::ingest::end::{Done, End, Failure};
use crate::ingest::identify;
use crate::ingest::source::{Problem, Source};
use crate::queue::{self, ticket};
use crate::upload::ftp::{self, BeforeRename, OnDeleted, Order, Receipt, Whole};
use crate::upload::{self, Progress};
use crate::{chain, clock, text};

/// The transfer, whose attempt is open already.
pub(super) async fn run(attempt: &Attempt) -> Result<Done, End> {
    let noted = attempt.lease.ticket.as_ref().and_then(|ticket| {
        let at = ticket.last_byte_at?;
        Some((ticket.link.clone(), at))
    });
    let settings = attempt.settings();
    let account = settings.config.accounts.get(&attempt.job().account);
    let Some(server) = account.and_then(|account| account.ftp.clone()) else {
        return no_server(attempt, noted.is_some());
    };
    let errand = Errand {
        attempt,
        server,
        noted,
    };
    let done = match identify::open(attempt).await {
        Ok(source) => errand.send(Some(source)).await,
        // It may have its name there already, and then nothing is missing.
        Err(End::File {
            problem: Problem::Gone,
            ..
        }) if errand.noted.is_some() => errand.send(None).await,
        Err(end) => Err(end),
    };
    if let Err(End::File {
        problem: Problem::Changed | Problem::BeingWritten,
        ..
    }) = &done
    {
        errand.sweep().await;
    }
    done
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the account has no [account.{0}.ftp] any more, and what its server has is not known: add it again"
)]
struct NoServer(String);

fn no_server(attempt: &Attempt, is_noted: bool) -> Result<Done, End> {
    if is_noted {
        let error = NoServer(attempt.job().account.clone());
        return Err(End::failed(&error, Disposition::Blocked(Need::Credentials)));
    }
    Ok(Done::GoesAnotherWay)
}

/// One attempt.
struct Errand<'a> {
    attempt: &'a Attempt,
    server: Ftp,
    /// The name that an earlier attempt was about to give, and when.
    noted: Option<(String, Timestamp)>,
}

impl Errand<'_> {
    async fn send(&self, source: Option<Arc<Source>>) -> Result<Done, End> {
        let (context, job) = (&self.attempt.context, self.attempt.job());
        let (file, seen) = match &source {
            Some(source) => {
                let (file, seen) = super::look_at_what_is_sent(self.attempt, source).await?;
                (Some(file), Some(seen))
            }
            None => (None, None),
        };
        let ticket = self.attempt.lease.ticket.as_ref();
        let id = job.id;
        let confirmed = self
            .attempt
            .write(move |db, _| queue::ftp::confirmed(db, id))
            .await?;
        let progress = Arc::new(Progress::default());
        context.live.transfers(&self.attempt.lease, &progress);
        let (begun, finding) = (Arc::new(AtomicU64::new(0)), Finding::default());
        let order = Order {
            file,
            size: job.identity.bytes(),
            seen,
            is_doubted: ticket.is_some_and(|ticket| ticket.is_doubted),
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
            on_deleted: self.on_deleted(),
            before_rename: self.before_rename(source.clone(), finding.clone()),
        };
        let outcome = ftp::send(order, self.attempt.stop.clone()).await;
        let sent = progress
            .sent()
            .saturating_sub(begun.load(Ordering::Relaxed));
        let sent = i64::try_from(sent).unwrap_or(i64::MAX);
        match outcome {
            Ok(receipt) => Ok(self.accept(&receipt, sent)),
            Err(error) => match finding.take() {
                Some(problem) if !self.attempt.stop.is_cancelled() => {
                    Err(End::File { problem, sent })
                }
                _ => self.refuse(source.as_ref(), (&error, sent)).await,
            },
        }
    }

    /// Notes how much the server has, which the next attempt must find there at least.
    fn on_confirmed(&self, begun: Arc<AtomicU64>) -> upload::OnConfirmed {
        let queue = self.attempt.context.queue.clone();
        let lease = Arc::clone(&self.attempt.lease);
        Box::new(move |bytes| {
            begun.store(bytes, Ordering::Relaxed);
            let (lease, bytes) = (Arc::clone(&lease), i64::try_from(bytes).unwrap_or(i64::MAX));
            queue
                .write_blocking(move |db: &Connection| queue::ftp::continues(db, &lease, bytes))
                .map_err(|error| chain(&error))
        })
    }

    /// Notes that nothing is left on the server of what was in doubt.
    fn on_deleted(&self) -> OnDeleted {
        let queue = self.attempt.context.queue.clone();
        let lease = Arc::clone(&self.attempt.lease);
        Box::new(move || {
            let lease = Arc::clone(&lease);
            queue
                .write_blocking(move |db: &Connection| queue::ftp::begins_anew(db, &lease))
                .map_err(|error| chain(&error))
        })
    }

    /// The last look at the file, and the write-ahead note; without both it does not get its name.
    fn before_rename(&self, source: Option<Arc<Source>>, finding: Finding) -> BeforeRename {
        let queue = self.attempt.context.queue.clone();
        let (lease, stop) = (Arc::clone(&self.attempt.lease), self.attempt.stop.clone());
        Box::new(move |whole| {
            let look = |source: &Arc<Source>| {
                last_look::look(source, |_| is_what_was_sent(source, &whole, &stop))
            };
            let samples = source.as_ref().map(look).transpose().map_err(|problem| {
                let why = chain(&problem);
                finding.note(problem);
                why
            })?;
            if stop.is_cancelled() {
                return Err("the daemon stops".to_owned());
            }
            let (lease, now) = (Arc::clone(&lease), clock::now());
            let (name, md5) = (whole.name.to_owned(), whole.md5.map(str::to_owned));
            queue
                .write_blocking(move |db: &Connection| {
                    if let Some(samples) = samples.flatten() {
                        queue::copies::note(db, &lease, &samples)?;
                    }
                    queue::ftp::gets_its_name(db, &lease, (&name, md5.as_deref()), now)
                })
                .map_err(|error| chain(&error))
        })
    }

    fn accept(&self, receipt: &Receipt, sent: i64) -> Done {
        let job = self.attempt.job();
        tracing::info!(
            job.id = job.id.0,
            file.size_bytes = job.identity.bytes(),
            "{}: uploaded by FTP as {}",
            self.attempt.path(),
            text::line(&receipt.name)
        );
        // Where nothing was sent or named this time, that was done when it was noted.
        let named_at = match (&receipt.md5, &self.noted) {
            (None, Some((_, at))) => *at,
            _ => clock::now(),
        };
        Done::Delivered { named_at, sent }
    }

    /// How the attempt ends that the server, or something on the way, let fail.
    async fn refuse(
        &self,
        source: Option<&Arc<Source>>,
        (error, sent): (&ftp::Error, i64),
    ) -> Result<Done, End> {
        if self.attempt.stop.is_cancelled() {
            return Err(End::Parked { sent });
        }
        if let Some(source) = source
            && let Err(End::File {
                problem: problem @ Problem::Changed,
                ..
            }) = self.attempt.check(source).await
        {
            return Err(End::File { problem, sent });
        }
        if matches!(error, ftp::Error::SourceGone) {
            let problem = Problem::Gone;
            return Err(End::File { problem, sent });
        }
        if matches!(error, ftp::Error::Refused(refusal) if matches!(refusal.to, "RNFR" | "RNTO")) {
            // A definite no: the file has not got the name that was noted.
            self.attempt.write(ticket::last_byte_was_lost).await?;
        }
        let disposition = error.disposition();
        if disposition == Disposition::Permanent {
            self.sweep().await;
        }
        let mut failure = Failure::new(error, disposition);
        failure.report.bytes_sent = sent;
        Err(End::Failed(failure))
    }

    /// What was sent of a file that changed is of no use. It is out of sight, so nothing depends on
    /// whether it can be deleted.
    async fn sweep(&self) {
        let stall = self.attempt.settings().config.upload.stall_timeout;
        let ingest_id = &self.attempt.job().ingest_id;
        let sweeping = ftp::sweep(self.server.clone(), ingest_id, stall);
        if let Ok(Err(error)) = self.attempt.unless_stopped(sweeping).await {
            tracing::debug!(
                "an unfinished file stays on the FTP server: {}",
                chain(&error)
            );
        }
    }
}

/// Reads all of the file, and compares it with what was sent.
fn is_what_was_sent(
    source: &Source,
    whole: &Whole<'_>,
    stop: &CancellationToken,
) -> io::Result<Option<bool>> {
    let Some(sent) = whole.md5.filter(|_| whole.is_of_what_was_sent) else {
        return Ok(None);
    };
    let now = source.md5(&|| {
        (whole.pulse)();
        stop.is_cancelled()
    });
    Ok(now?.map(|now| now == sent))
}
