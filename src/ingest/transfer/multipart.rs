//! Sending the file in parts over several connections, and what is noted on the way.
//!
//! Nothing is published before the last call, `complete`: so the file is looked at once more just
//! before it, and a mixture of two versions never becomes a video.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::{end, settle_trouble, start_over};
use crate::ingest::fate::{self, Failure};
use crate::ingest::persist::persist;
use crate::ingest::source::{Freshness, Problem, Source};
use crate::ingest::worker::{Next, Task};
use crate::platform::Pass;
use crate::platform::v2::Uploads;
use crate::queue::{Error, Lease, ticket};
use crate::upload::multipart::{self, OnPart, PartsOrder};
use crate::upload::{BeforeLastByte, Progress};
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
    let known = persist(context, move |db| ticket::parts(db, job)).await?;
    let earlier = u64::try_from(known.len()).map_or(u64::MAX, |parts| parts * part_size);
    let progress = Arc::new(Progress::default());
    context.live.transfers(lease, &progress);
    let upload = &context.now_settings().config.upload;
    let order = PartsOrder {
        file,
        size: source.size(),
        part_size,
        parts_at_once: upload.parts_at_once,
        uploads,
        known,
        progress: Arc::clone(&progress),
        throttle: context.throttle.clone(),
        stall_timeout: upload.stall_timeout,
        response_timeout: crate::upload::RESPONSE_TIMEOUT,
        before_complete: before_complete(task, lease, &source, part_size),
        on_part: on_part(task, lease),
    };
    let outcome = multipart::send_parts(order, task.stop.clone()).await;
    // The progress begins with what earlier tries have sent.
    let sent = progress.sent().saturating_sub(earlier);
    let sent = i64::try_from(sent).unwrap_or(i64::MAX);
    match outcome {
        Ok(receipt) => end::accept(task, lease, &source, receipt).await,
        Err(error) => {
            end::refuse(task, lease, &source, (&error, sent)).await?;
            Ok(Next::Finished)
        }
    }
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

/// The last look at the file, and the write-ahead note: without them nothing is completed.
fn before_complete(
    task: &Task,
    lease: &Lease,
    source: &Arc<Source>,
    part_size: u64,
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
        is_still_what_was_sent(&source, part_size, &arrived, &|| stop.is_cancelled())?;
        let now = clock::now();
        queue
            .write_blocking(move |db: &Connection| ticket::last_byte(db, &lease, now))
            .map_err(|error| chain(&error))
    })
}

fn is_still_what_was_sent(
    source: &Source,
    part_size: u64,
    arrived: &BTreeMap<u32, String>,
    stopped: &dyn Fn() -> bool,
) -> Result<(), String> {
    let told = |problem: Problem| chain(&problem);
    match source.check().map_err(told)? {
        Freshness::Same => Ok(()),
        Freshness::Touched => {
            let file = source.file().map_err(|error| error.to_string())?;
            match multipart::part_sums_match(&file, source.size(), part_size, arrived, stopped) {
                Ok(true) => Ok(()),
                Ok(false) => Err(chain(&Problem::Changed)),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}
