//! Sending the file to one link, and what is noted on the way.

use std::sync::Arc;

use rusqlite::Connection;

use super::{end, settle_trouble};
use crate::ingest::source::{Problem, Source};
use crate::ingest::worker::{Next, Task};
use crate::platform::Link;
use crate::queue::{Error, Lease, Queue, ticket};
use crate::upload::{self, BeforeLastByte, Order, Progress};
use crate::way::Way;
use crate::{chain, clock};

pub(super) async fn send(
    task: &Task,
    lease: &Lease,
    source: Arc<Source>,
    (way, link): (Way, Link),
) -> Result<Next, Error> {
    let context = &task.context;
    let file = match source.file() {
        Ok(file) => file,
        Err(error) => {
            return settle_trouble(task, lease, Problem::Unreadable(error), 0).await;
        }
    };
    let progress = Arc::new(Progress::default());
    context.live.transfers(lease, &progress);
    let order = Order {
        file,
        size: source.size(),
        link,
        name: lease
            .job
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        progress: Arc::clone(&progress),
        throttle: context.throttle.clone(),
        stall_timeout: context.now_settings().config.upload.stall_timeout,
        response_timeout: upload::RESPONSE_TIMEOUT,
        hash: true,
        before_last_byte: before_last_byte(task, lease, &source),
        segment_size: context.now_settings().config.upload.segment_size,
        on_confirmed: on_confirmed(task, lease),
    };
    let outcome = upload::send(way, order, task.stop.clone()).await;
    let sent = i64::try_from(progress.sent()).unwrap_or(i64::MAX);
    match outcome {
        Ok(receipt) => {
            let sent = i64::try_from(receipt.bytes).unwrap_or(i64::MAX);
            end::accept(task, lease, &source, (receipt, sent)).await
        }
        Err(error) => {
            end::refuse(task, lease, &source, (&error, sent)).await?;
            Ok(Next::Finished)
        }
    }
}

/// The last look at the file, and the write-ahead note: without them the last byte is not sent. What was
/// rewritten while it was read would be half one content and half another, for all to see.
fn before_last_byte(task: &Task, lease: &Lease, source: &Arc<Source>) -> BeforeLastByte {
    let (queue, lease) = (task.context.queue.clone(), lease.clone());
    let source = Arc::clone(source);
    Box::new(move || {
        source.check().map_err(|problem| chain(&problem))?;
        note_last_byte(&queue, lease)
    })
}

/// Notes that the last byte may arrive, if it may be sent at all. Blocks.
pub(super) fn note_last_byte(queue: &Queue, lease: Lease) -> Result<(), String> {
    let (now, noting) = (clock::now(), lease.clone());
    let noted = queue.write_blocking(move |db: &Connection| ticket::last_byte(db, &noting, now));
    if let Err(Error::Marker { .. }) = &noted {
        // Should this fail too, the platform is asked before the next attempt.
        let undone =
            queue.write_blocking(move |db: &Connection| ticket::last_byte_was_lost(db, &lease));
        if let Err(error) = undone {
            tracing::debug!("the note of a last byte stays: {}", chain(&error));
        }
    }
    let may_be_sent = noted.map_err(|error| chain(&error))?;
    if may_be_sent {
        Ok(())
    } else {
        Err("another file relies on the video".to_owned())
    }
}

/// Notes how far a resumable upload is for certain; the server itself says where to continue.
pub(in crate::ingest) fn on_confirmed(task: &Task, lease: &Lease) -> upload::OnConfirmed {
    let (queue, lease) = (task.context.queue.clone(), lease.clone());
    Box::new(move |bytes| {
        let (lease, bytes) = (lease.clone(), i64::try_from(bytes).unwrap_or(i64::MAX));
        queue
            .write_blocking(move |db: &Connection| ticket::confirmed(db, &lease, bytes))
            .map_err(|error| chain(&error))
    })
}
