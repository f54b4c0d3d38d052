//! Sending the bytes, and never again once the platform has them.
//!
//! Before the last byte is handed out, that is noted. So a job that comes here without the note has
//! certainly not arrived and is sent at once; with it, the platform is asked first. What was sent
//! counts only if the file is still the one that was opened, and the server's checksum is ours.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::create::{self, park, settle_call, until_stopped};
use super::fate::{self, Failure};
use super::persist::persist;
use super::source::{Freshness, Problem, Source};
use super::worker::{Next, Task};
use super::{disk, trouble};
use crate::disposition::Disposition;
use crate::platform::{Link, Status, VideoKey};
use crate::queue::outcome::{self, Report};
use crate::queue::{Error, Lease, Step, Ticket};
use crate::upload::{self, Order, Progress, Receipt};
use crate::way::Way;
use crate::{chain, clock, config, text};

/// A link must live at least so long when the upload starts: the server looks at it when the
/// request arrives.
const LINK_MARGIN: Duration = Duration::from_mins(1);

/// The platform notices an S3 object some time after the PUT; it is believed not to have arrived
/// only after so many poll intervals.
const POLLS_OF_PATIENCE: u32 = 3;

/// Runs the step.
pub(super) async fn run(task: &Task, lease: &Lease) -> Result<Next, Error> {
    let context = &task.context;
    let (begun, now) = (lease.clone(), clock::now());
    persist(context, move |db| {
        outcome::begin(db, &begun, Step::Transfer, now)
    })
    .await?;
    let Some((ticket, key, way)) = parts(lease) else {
        return start_over(task, lease, "the upload link was lost").await;
    };
    if let Some(since) = ticket.last_byte_at
        && let Some(done) = ask_first(task, lease, &key, since).await?
    {
        return Ok(done);
    }
    let link = match Link::restore(&ticket.link) {
        Ok(link) if !link.is_expired(fate::later(now, LINK_MARGIN)) => link,
        Ok(_) => return start_over(task, lease, "the upload link has expired").await,
        Err(error) => return start_over(task, lease, &error.to_string()).await,
    };
    match disk::open(task, lease).await {
        None => park(task, lease).await,
        Some(Ok(source)) => send(task, lease, Arc::new(source), (way, link)).await,
        Some(Err(problem)) => settle_trouble(task, lease, problem, 0).await,
    }
}

fn parts(lease: &Lease) -> Option<(&Ticket, VideoKey, Way)> {
    let ticket = lease.ticket.as_ref()?;
    let key = lease.job.video_key.as_deref()?.parse().ok()?;
    let way = lease.job.method.as_deref().and_then(Way::from_word)?;
    Some((ticket, key, way))
}

async fn start_over(task: &Task, lease: &Lease, why: &str) -> Result<Next, Error> {
    let report = Report {
        message: Some(why.to_owned()),
        ..Report::default()
    };
    fate::start_over(&task.context, lease, ("link-expired", report), clock::now()).await?;
    Ok(Next::Finished)
}

/// The last byte may have arrived: asks the platform. `None`: it has not; send again.
async fn ask_first(
    task: &Task,
    lease: &Lease,
    key: &VideoKey,
    since: Timestamp,
) -> Result<Option<Next>, Error> {
    let context = &task.context;
    let settings = context.now_settings();
    let Some(client) = settings.client(&lease.job.account) else {
        let report = Report {
            message: Some("its account is not configured any more".to_owned()),
            ..Report::default()
        };
        let failure = Failure {
            disposition: Disposition::Blocked,
            report,
        };
        fate::settle(context, lease, failure).await?;
        return Ok(Some(Next::Finished));
    };
    let video = match until_stopped(task, client.show(key)).await {
        None => return park(task, lease).await.map(Some),
        Some(Ok(video)) => video,
        Some(Err(error)) if error.is_not_found() => {
            let why = "the video was deleted on the platform before its bytes had arrived";
            return start_over(task, lease, why).await.map(Some);
        }
        Some(Err(error)) => {
            settle_call(task, lease, &error).await?;
            return Ok(Some(Next::Finished));
        }
    };
    if video.status != Status::Created {
        return arrived(task, lease).await.map(Some);
    }
    let poll = settings.config.confirm.poll_interval;
    let now = clock::now();
    if now < fate::later(since, poll * POLLS_OF_PATIENCE) {
        let report = Report {
            message: Some(
                "the answer to the upload was lost; asking the platform whether it has the file"
                    .to_owned(),
            ),
            ..Report::default()
        };
        fate::give_back(
            context,
            lease,
            fate::later(now, poll),
            ("ambiguous", report),
        )
        .await?;
        return Ok(Some(Next::Finished));
    }
    let lost = lease.clone();
    persist(context, move |db| outcome::last_byte_was_lost(db, &lost)).await?;
    Ok(None)
}

/// An earlier try got through. Its bytes are the file's, if that has not changed since; the
/// checksum is made now, so that the platform's can be compared.
async fn arrived(task: &Task, lease: &Lease) -> Result<Next, Error> {
    let summed = match disk::open(task, lease).await {
        Some(Ok(source)) => disk::md5(task, &Arc::new(source)).await,
        Some(Err(problem)) => Some(Err(problem)),
        None => None,
    };
    match summed {
        None => park(task, lease).await,
        Some(Ok(md5)) => finish(task, lease, Some(md5), &Report::default()).await,
        // Deleted or moved away after it was sent: there is nothing left to compare with.
        Some(Err(Problem::Gone)) => finish(task, lease, None, &Report::default()).await,
        Some(Err(problem)) => settle_trouble(task, lease, problem, 0).await,
    }
}

async fn settle_trouble(
    task: &Task,
    lease: &Lease,
    problem: Problem,
    sent: i64,
) -> Result<Next, Error> {
    trouble::settle(&task.context, lease, problem, sent).await?;
    Ok(Next::Finished)
}

async fn send(
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
        stall_timeout: context.now_settings().config.upload.stall_timeout,
        response_timeout: upload::RESPONSE_TIMEOUT,
        hash: true,
        before_last_byte: before_last_byte(task, lease),
        segment_size: context.now_settings().config.upload.segment_size,
        on_confirmed: on_confirmed(task, lease),
    };
    let outcome = upload::send(way, order, task.stop.clone()).await;
    let sent = i64::try_from(progress.sent()).unwrap_or(i64::MAX);
    match outcome {
        Ok(receipt) => accept(task, lease, &source, receipt).await,
        Err(error) => {
            refuse(task, lease, &source, (&error, sent)).await?;
            Ok(Next::Finished)
        }
    }
}

/// The write-ahead note; without it the last byte is not sent.
fn before_last_byte(task: &Task, lease: &Lease) -> Box<dyn FnOnce() -> Result<(), String> + Send> {
    let (queue, lease) = (task.context.queue.clone(), lease.clone());
    Box::new(move || {
        let now = clock::now();
        queue
            .write_blocking(move |db: &Connection| outcome::last_byte(db, &lease, now))
            .map_err(|error| chain(&error))
    })
}

/// Notes how far a resumable upload is for certain; where to go on the server itself tells.
fn on_confirmed(task: &Task, lease: &Lease) -> upload::OnConfirmed {
    let (queue, lease) = (task.context.queue.clone(), lease.clone());
    Box::new(move |bytes| {
        let (lease, bytes) = (lease.clone(), i64::try_from(bytes).unwrap_or(i64::MAX));
        queue
            .write_blocking(move |db: &Connection| outcome::confirmed(db, &lease, bytes))
            .map_err(|error| chain(&error))
    })
}

/// The server took all bytes: they count if the file is still what it was.
async fn accept(
    task: &Task,
    lease: &Lease,
    source: &Arc<Source>,
    receipt: Receipt,
) -> Result<Next, Error> {
    let sent = i64::try_from(receipt.bytes).unwrap_or(i64::MAX);
    let verdict = match disk::check(task, source).await {
        Some(Ok(Freshness::Touched)) => compare(task, source, receipt.md5.as_deref()).await,
        Some(Ok(Freshness::Same)) => Some(Ok(())),
        Some(Err(problem)) => Some(Err(problem)),
        None => None,
    };
    match verdict {
        Some(Ok(())) => {}
        // Whether it is whole is looked at again when the job goes on: the last byte is noted.
        None => return park(task, lease).await,
        Some(Err(problem)) => return settle_trouble(task, lease, problem, sent).await,
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

async fn finish(
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

async fn refuse(
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
    let disposition = error.disposition();
    if matches!(disposition, Disposition::Transient { .. }) {
        // The answer was definite: nothing arrived, so the next try need not ask.
        let lost = lease.clone();
        persist(context, move |db| outcome::last_byte_was_lost(db, &lost)).await?;
    }
    let report = Report {
        bytes_sent: sent,
        message: Some(chain(error)),
        request_id: error.request_id().map(str::to_owned),
    };
    let transient = matches!(disposition, Disposition::Transient { .. });
    let way = lease.job.method.as_deref().and_then(Way::from_word);
    let settings = context.now_settings();
    let is_free = settings
        .watch(&lease.job.watch)
        .is_none_or(|watch| watch.method == config::Method::Auto);
    if transient && is_free && way.is_some_and(|way| create::is_dear(way, sent)) {
        return fate::start_over(context, lease, ("transient", report), clock::now()).await;
    }
    let failure = Failure {
        disposition,
        report,
    };
    fate::settle(context, lease, failure).await
}
