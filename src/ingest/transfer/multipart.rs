//! Sending the file in parts over several connections, and what is noted on the way.
//!
//! Nothing is published before the last call, `complete`: so the file is looked at once more just
//! before it, and a mixture of two versions never becomes a video.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::ask::{self, Arrived};
use super::link::{WhatIsSent, note_last_byte};
use super::{accept, last_look, unsettled, words_of};
use crate::ingest::attempt::Attempt;
use crate::ingest::end::{Done, End, Failure};
use crate::ingest::source::{Problem, Source};
use crate::platform::Pass;
use crate::platform::v2::Uploads;
use crate::queue::outcome::{self, Report};
use crate::queue::ticket;
use crate::upload::multipart::{self, BeforeComplete, OnPart, PartsOrder};
use crate::upload::{self, Progress};
use crate::{chain, clock};

/// Sends what the platform has not got of the file, and completes it.
pub(super) async fn send(attempt: &Attempt, source: Arc<Source>, pass: &Pass) -> Result<Done, End> {
    let (context, id) = (&attempt.context, attempt.job().id);
    let Some(part_size) = attempt
        .lease
        .ticket
        .as_ref()
        .and_then(|ticket| ticket.part_size)
    else {
        return Err(End::link_expired("the size of its parts was lost"));
    };
    let uploads = Uploads::new(pass).map_err(|error| End::failed(&error, error.disposition()))?;
    let file = source.file().map_err(Problem::Unreadable)?;
    // Written since they were sent, as the ctime may mean, the file can have other parts: those that are there are
    // compared with the file itself.
    let is_doubted = attempt
        .lease
        .ticket
        .as_ref()
        .is_some_and(|ticket| ticket.is_doubted);
    let known = if !is_doubted && source.is_untouched_since(&attempt.job().identity) {
        attempt.write(move |db, _| ticket::parts(db, id)).await?
    } else {
        BTreeMap::new()
    };
    let progress = Arc::new(Progress::default());
    context.live.transfers(&attempt.lease, &progress);
    let (problem, mut trouble) = oneshot::channel();
    let limits = &attempt.settings().config.upload;
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
        before_complete: before_complete(attempt, (&source, part_size), problem),
        on_part: on_part(attempt),
    };
    let outcome = multipart::send_parts(order, attempt.stop.clone()).await;
    // The progress begins with what earlier attempts have sent.
    let sent = progress.sent().saturating_sub(progress.found());
    let sent = i64::try_from(sent).unwrap_or(i64::MAX);
    match outcome {
        Ok(receipt) => accept::accept(attempt, &source, (receipt, sent)).await,
        Err(error) => match trouble.try_recv() {
            Ok(problem) if !attempt.stop.is_cancelled() => Err(End::File { problem, sent }),
            _ => refuse(attempt, &source, (&error, sent)).await,
        },
    }
}

async fn refuse(
    attempt: &Attempt,
    source: &Arc<Source>,
    (error, sent): (&upload::Error, i64),
) -> Result<Done, End> {
    let job = attempt.job();
    let ticket = attempt.lease.ticket.as_ref();
    let completed_at = ticket.and_then(|ticket| ticket.last_byte_at);
    let id = job.id;
    let tries = attempt
        .write(move |db, _| outcome::left_open(db, id))
        .await?;
    if job.replaces.is_some() && completed_at.is_some() && unsettled::is_closed(error) {
        // Its status tells nothing, as it was `ready` before; but what is closed was completed.
        return ask::arrived(attempt, &Arrived { md5: None }).await;
    }
    let judged = unsettled::disposition(error, completed_at, tries, clock::now());
    let Some(disposition) = judged.filter(|_| !attempt.stop.is_cancelled()) else {
        return accept::refuse(attempt, source, (error, sent)).await;
    };
    let report = Report {
        bytes_sent: sent,
        request_id: error.request_id().map(str::to_owned),
        ..Report::said(words_of(attempt, error))
    };
    Err(End::Failed(Failure {
        disposition,
        report,
    }))
}

/// Notes a part that has arrived: should the daemon die, it need not even be read again.
fn on_part(attempt: &Attempt) -> OnPart {
    let (queue, lease) = (attempt.context.queue.clone(), Arc::clone(&attempt.lease));
    Box::new(move |number, md5| {
        let (lease, md5) = (Arc::clone(&lease), md5.to_owned());
        queue
            .write_blocking(move |db: &Connection| ticket::part_arrived(db, &lease, number, &md5))
            .map_err(|error| chain(&error))
    })
}

/// The last look at the file, and the write-ahead note: without them nothing is completed. What is
/// wrong with the file goes into `problem`.
fn before_complete(
    attempt: &Attempt,
    (source, part_size): (&Arc<Source>, u64),
    problem: oneshot::Sender<Problem>,
) -> BeforeComplete {
    let (queue, stop) = (attempt.context.queue.clone(), attempt.stop.clone());
    let (lease, source) = (Arc::clone(&attempt.lease), Arc::clone(source));
    Box::new(move || {
        let job = lease.job.id;
        let arrived = queue
            .write_blocking(move |db: &Connection| ticket::parts(db, job))
            .map_err(|error| chain(&error))?;
        let stopped = || stop.is_cancelled();
        let looked = last_look::look(&source, |file| {
            multipart::part_sums_match(file, source.size(), part_size, &arrived, &stopped).map(Some)
        });
        match looked {
            Ok(samples) => note_last_byte(&queue, &lease, WhatIsSent { md5: None, samples }),
            Err(found) => {
                let why = chain(&found);
                // A caller that does not wait for it any more does not need it.
                problem.send(found).ok();
                Err(why)
            }
        }
    })
}
