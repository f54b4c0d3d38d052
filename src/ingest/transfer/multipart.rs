//! Sending the file in parts over several connections, and what is noted on the way.
//!
//! Nothing is published before the last call, `complete`: so the file is looked at once more just
//! before it, and a mixture of two versions never becomes a video.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::link::note_last_byte;
use super::{end, settle_trouble, start_over, unsettled, words_of};
use crate::ingest::fate::{self, Failure};
use crate::ingest::persist::persist;
use crate::ingest::source::{Freshness, Problem, Source};
use crate::ingest::worker::{Next, Task};
use crate::platform::Pass;
use crate::platform::v2::Uploads;
use crate::queue::outcome::{self, Report};
use crate::queue::{Error, Lease, ticket};
use crate::upload::multipart::{self, OnPart, PartsOrder};
use crate::upload::{self, BeforeLastByte, Progress};
use crate::{chain, clock};

/// Sends what the platform has not got of the file, and completes it.
pub(super) async fn send(
    task: &Task,
    lease: &Lease,
    source: Arc<Source>,
    pass: &Pass,
) -> Result<Next, Error> {
    let context = &task.context;
    let Some(part_size) = lease.ticket.as_ref().and_then(|ticket| ticket.part_size) else {
        return start_over(task, lease, "the size of its parts was lost").await;
    };
    let uploads = match Uploads::new(pass) {
        Ok(uploads) => uploads,
        Err(error) => {
            let failure = Failure::new(&error, error.disposition());
            fate::settle(context, lease, failure).await?;
            return Ok(Next::Finished);
        }
    };
    let file = match source.file() {
        Ok(file) => file,
        Err(error) => return settle_trouble(task, lease, Problem::Unreadable(error), 0).await,
    };
    let job = lease.job.id;
    // Written since it settled, as the ctime may mean, it can have other parts than were sent: they
    // are compared with the file itself.
    let known = if source.is_untouched_since(&lease.job.identity) {
        persist(context, move |db| ticket::parts(db, job)).await?
    } else {
        BTreeMap::new()
    };
    let progress = Arc::new(Progress::default());
    context.live.transfers(lease, &progress);
    let (problem, mut trouble) = oneshot::channel();
    let limits = &context.now_settings().config.upload;
    let order = PartsOrder {
        file,
        size: source.size(),
        part_size,
        parts_at_once: limits.parts_at_once,
        uploads,
        known,
        progress: Arc::clone(&progress),
        throttle: context.throttle.clone(),
        stall_timeout: limits.stall_timeout,
        response_timeout: upload::RESPONSE_TIMEOUT,
        before_complete: before_complete(task, lease, (&source, part_size), problem),
        on_part: on_part(task, lease),
    };
    let outcome = multipart::send_parts(order, task.stop.clone()).await;
    // The progress begins with what earlier attempts have sent.
    let sent = progress.sent().saturating_sub(progress.found());
    let sent = i64::try_from(sent).unwrap_or(i64::MAX);
    match outcome {
        Ok(receipt) => end::accept(task, lease, &source, (receipt, sent)).await,
        Err(error) => match trouble.try_recv() {
            Ok(problem) if !task.stop.is_cancelled() => {
                settle_trouble(task, lease, problem, sent).await
            }
            _ => {
                refuse(task, lease, &source, (&error, sent)).await?;
                Ok(Next::Finished)
            }
        },
    }
}

async fn refuse(
    task: &Task,
    lease: &Lease,
    source: &Arc<Source>,
    (error, sent): (&upload::Error, i64),
) -> Result<(), Error> {
    let (context, job) = (&task.context, lease.job.id);
    let completed_at = lease.ticket.as_ref().and_then(|ticket| ticket.last_byte_at);
    let tries = persist(context, move |db| outcome::left_open(db, job)).await?;
    if lease.job.replaces.is_some() && completed_at.is_some() && unsettled::is_closed(error) {
        // Its status tells nothing, as it was `ready` before; but what is closed was completed.
        end::finish(task, lease, None, &Report::default()).await?;
        return Ok(());
    }
    let judged = unsettled::disposition(error, completed_at, tries, clock::now());
    let Some(disposition) = judged.filter(|_| !task.stop.is_cancelled()) else {
        return end::refuse(task, lease, source, (error, sent)).await;
    };
    let report = Report {
        bytes_sent: sent,
        message: Some(words_of(task, lease, error)),
        request_id: error.request_id().map(str::to_owned),
    };
    let failure = Failure {
        disposition,
        report,
    };
    fate::settle(context, lease, failure).await
}

/// Notes a part that has arrived: should the daemon die, it need not even be read again.
fn on_part(task: &Task, lease: &Lease) -> OnPart {
    let (queue, lease) = (task.context.queue.clone(), lease.clone());
    Box::new(move |number, md5| {
        let (lease, md5) = (lease.clone(), md5.to_owned());
        queue
            .write_blocking(move |db: &Connection| ticket::part_arrived(db, &lease, number, &md5))
            .map_err(|error| chain(&error))
    })
}

/// The last look at the file, and the write-ahead note: without them nothing is completed. What is
/// wrong with the file goes into `problem`.
fn before_complete(
    task: &Task,
    lease: &Lease,
    (source, part_size): (&Arc<Source>, u64),
    problem: oneshot::Sender<Problem>,
) -> BeforeLastByte {
    let (queue, lease, source) = (
        task.context.queue.clone(),
        lease.clone(),
        Arc::clone(source),
    );
    let stop = task.stop.clone();
    Box::new(move || {
        let job = lease.job.id;
        let arrived = queue
            .write_blocking(move |db: &Connection| ticket::parts(db, job))
            .map_err(|error| chain(&error))?;
        let stopped = || stop.is_cancelled();
        if let Err(found) = is_still_what_was_sent(&source, part_size, &arrived, &stopped) {
            let why = chain(&found);
            // A caller that does not wait for it any more does not need it.
            problem.send(found).ok();
            return Err(why);
        }
        note_last_byte(&queue, lease)
    })
}

fn is_still_what_was_sent(
    source: &Source,
    part_size: u64,
    arrived: &BTreeMap<u32, String>,
    stopped: &dyn Fn() -> bool,
) -> Result<(), Problem> {
    if source.check()? == Freshness::Same {
        return Ok(());
    }
    let file = source.file().map_err(Problem::Unreadable)?;
    match multipart::part_sums_match(&file, source.size(), part_size, arrived, stopped) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Problem::Changed),
        Err(error) => Err(Problem::Unreadable(error)),
    }
}
