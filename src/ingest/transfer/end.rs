//! What a transfer came to: arrived, or why not, and whether the file is still what was sent.

use std::sync::Arc;

use super::{settle_trouble, words_of};
use crate::disposition::Disposition;
use crate::ingest::calls::park;
use crate::ingest::create;
use crate::ingest::disk;
use crate::ingest::fate::{self, Failure};
use crate::ingest::persist::persist;
use crate::ingest::replace;
use crate::ingest::source::{Freshness, Problem, Source};
use crate::ingest::trouble;
use crate::ingest::worker::{Next, Task};
use crate::queue::outcome::{self, Report};
use crate::queue::{Error, Lease, afterwards, ticket};
use crate::upload::{self, Receipt};
use crate::{clock, config, text};

/// The server took all bytes, of which this attempt sent so many: they count if the file is still
/// what it was.
pub(super) async fn accept(
    task: &Task,
    lease: &Lease,
    source: &Arc<Source>,
    (receipt, sent): (Receipt, i64),
) -> Result<Next, Error> {
    let verdict = match disk::check(task, source).await {
        Some(Ok(Freshness::Touched)) if receipt.md5.is_some() => {
            compare(task, source, receipt.md5.as_deref()).await
        }
        // What went in parts was compared part by part just before it was completed.
        Some(Ok(Freshness::Touched | Freshness::Same)) => Some(Ok(())),
        Some(Err(problem)) => Some(Err(problem)),
        None => None,
    };
    match verdict {
        Some(Ok(())) => {}
        // Whether it is whole is looked at again when the job continues: the last byte is noted.
        None => return park(task, lease).await,
        Some(Err(problem)) => return settle_trouble(task, lease, problem, sent).await,
    }
    if receipt.verified {
        let held = lease.clone();
        persist(&task.context, move |db| afterwards::verified(db, &held)).await?;
    }
    let report = Report {
        bytes_sent: sent,
        message: None,
        request_id: receipt.request_id,
    };
    tracing::info!(
        job.id = lease.job.id.0,
        file.size_bytes = receipt.bytes,
        "{}: uploaded",
        text::path(&lease.job.path)
    );
    finish(task, lease, receipt.md5, &report).await
}

/// Only the ctime moved: reads the file again and compares with what was sent.
async fn compare(
    task: &Task,
    source: &Arc<Source>,
    sent: Option<&str>,
) -> Option<Result<(), Problem>> {
    Some(match disk::md5(task, source).await? {
        Ok(md5) if Some(md5.as_str()) == sent => Ok(()),
        Ok(_) => Err(Problem::Changed),
        Err(problem) => Err(problem),
    })
}

pub(super) async fn finish(
    task: &Task,
    lease: &Lease,
    md5: Option<String>,
    report: &Report,
) -> Result<Next, Error> {
    let context = &task.context;
    let now = clock::now();
    let first_look = fate::later(now, context.now_settings().config.confirm.poll_interval);
    let (sent, report) = (lease.clone(), report.clone());
    persist(context, move |db| {
        outcome::transferred(db, &sent, md5.as_deref(), first_look, (&report, now))
    })
    .await?;
    context.confirms.notify_one();
    Ok(Next::Finished)
}

pub(super) async fn refuse(
    task: &Task,
    lease: &Lease,
    source: &Arc<Source>,
    (error, sent): (&upload::Error, i64),
) -> Result<(), Error> {
    let context = &task.context;
    if task.stop.is_cancelled() {
        let report = Report {
            bytes_sent: sent,
            ..Report::default()
        };
        return fate::give_back(context, lease, clock::now(), ("parked", report)).await;
    }
    // A file that shrank or was rewritten under the upload is no fault of the line's.
    if let Some(Err(problem @ Problem::Changed)) = disk::check(task, source).await {
        return trouble::settle(context, lease, problem, sent).await;
    }
    if replace::gives_way(context, lease, sent).await? {
        return Ok(());
    }
    let disposition = error.disposition();
    if matches!(disposition, Disposition::Transient { .. }) {
        // The answer was definite: nothing arrived, so the next attempt need not ask.
        let lost = lease.clone();
        persist(context, move |db| ticket::last_byte_was_lost(db, &lost)).await?;
    }
    let report = Report {
        bytes_sent: sent,
        message: Some(words_of(task, lease, error)),
        request_id: error.request_id().map(str::to_owned),
    };
    let transient = matches!(disposition, Disposition::Transient { .. });
    let settings = context.now_settings();
    let is_free = settings
        .watch(&lease.job.watch)
        .is_none_or(|watch| watch.method == config::Method::Auto);
    if transient && is_free && lease.job.way.is_some_and(|way| create::is_dear(way, sent)) {
        return fate::start_over(context, lease, ("transient", report), clock::now()).await;
    }
    let failure = Failure {
        disposition,
        report,
    };
    fate::settle(context, lease, failure).await
}
