//! Sending the file to one link, and what is noted on the way.

use std::io;
use std::sync::Arc;

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::accept;
use super::last_look::{self, Finding};
use crate::ingest::attempt::Attempt;
use crate::ingest::end::{Done, End};
use crate::ingest::source::Source;
use crate::platform::Link;
use crate::queue::{Error, Lease, Queue, copies, ticket};
use crate::upload::{self, BeforeLastByte, Order, Progress, Sending};
use crate::way::Way;
use crate::{chain, clock};

pub(super) async fn send(
    attempt: &Attempt,
    source: Arc<Source>,
    (way, link): (Way, Link),
) -> Result<Done, End> {
    let (context, job) = (&attempt.context, attempt.job());
    let (file, seen) = super::look_at_what_is_sent(attempt, &source).await?;
    let finding = Finding::default();
    let progress = Arc::new(Progress::default());
    context.live.transfers(&attempt.lease, &progress);
    let name = job.path.file_name().unwrap_or_default();
    let order = Order {
        file,
        size: source.size(),
        seen,
        link,
        name: name.to_string_lossy().into_owned(),
        progress: Arc::clone(&progress),
        throttle: context.throttle.clone(),
        stall_timeout: attempt.settings().config.upload.stall_timeout,
        response_timeout: upload::RESPONSE_TIMEOUT,
        hash: true,
        before_last_byte: before_last_byte(attempt, &source, &finding),
        segment_size: attempt.settings().config.upload.segment_size,
        on_confirmed: on_confirmed(attempt),
    };
    let outcome = upload::send(way, order, attempt.stop.clone()).await;
    let sent = i64::try_from(progress.sent()).unwrap_or(i64::MAX);
    match outcome {
        Ok(receipt) => {
            let sent = i64::try_from(receipt.bytes).unwrap_or(i64::MAX);
            accept::accept(attempt, &source, (receipt, sent)).await
        }
        Err(error) => match finding.take() {
            Some(problem) if !attempt.stop.is_cancelled() => Err(End::File { problem, sent }),
            _ => accept::refuse(attempt, &source, (&error, sent)).await,
        },
    }
}

/// The last look at the file, and the write-ahead note: without them the last byte is not sent. What was
/// rewritten while it was read would be half one content and half another, for all to see. What is wrong with the file
/// goes into `finding`.
fn before_last_byte(attempt: &Attempt, source: &Arc<Source>, finding: &Finding) -> BeforeLastByte {
    let (queue, stop) = (attempt.context.queue.clone(), attempt.stop.clone());
    let (lease, source) = (Arc::clone(&attempt.lease), Arc::clone(source));
    let finding = finding.clone();
    Box::new(move |sending| {
        let looked = last_look::look(&source, |_| is_what_is_sent(&source, sending, &stop));
        let samples = looked.map_err(|problem| {
            let why = chain(&problem);
            finding.note(problem);
            why
        })?;
        let md5 = sending.md5_by_now();
        note_last_byte(&queue, &lease, WhatIsSent { md5, samples })
    })
}

/// Reads all of the file, and compares it with what is sent.
fn is_what_is_sent(
    source: &Source,
    sending: &Sending<'_>,
    stop: &CancellationToken,
) -> io::Result<Option<bool>> {
    let Some(sent) = sending.md5() else {
        return Ok(None);
    };
    let now = source.md5(&|| {
        sending.pulse();
        stop.is_cancelled()
    });
    Ok(now?.map(|now| now == sent))
}

/// What is known of the bytes whose last one is about to be sent.
#[derive(Debug, Default)]
pub(super) struct WhatIsSent {
    /// MD5 of all of them.
    pub(super) md5: Option<String>,
    /// The samples of the file, where it was touched since they were taken.
    pub(super) samples: Option<String>,
}

/// Notes that the last byte may arrive, if it may be sent at all, and what is sent. Blocks.
pub(super) fn note_last_byte(
    queue: &Queue,
    lease: &Arc<Lease>,
    what: WhatIsSent,
) -> Result<(), String> {
    let (now, noting) = (clock::now(), Arc::clone(lease));
    let noted = queue.write_blocking(move |db: &Connection| {
        let may_be_sent = ticket::last_byte(db, &noting, now)?;
        if let Some(md5) = &what.md5 {
            ticket::sum_is(db, &noting, md5)?;
        }
        if let Some(samples) = &what.samples {
            copies::note(db, &noting, samples)?;
        }
        Ok(may_be_sent)
    });
    if let Err(Error::Marker { .. }) = &noted {
        // Should this fail too, the platform is asked before the next attempt.
        let lease = Arc::clone(lease);
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
pub(super) fn on_confirmed(attempt: &Attempt) -> upload::OnConfirmed {
    let (queue, lease) = (attempt.context.queue.clone(), Arc::clone(&attempt.lease));
    Box::new(move |bytes| {
        let (lease, bytes) = (Arc::clone(&lease), i64::try_from(bytes).unwrap_or(i64::MAX));
        queue
            .write_blocking(move |db: &Connection| ticket::confirmed(db, &lease, bytes))
            .map_err(|error| chain(&error))
    })
}
