//! Sending the bytes, and never again once the platform has them.
//!
//! Before the last byte is handed out, that is noted. So a job that comes here without the note has
//! certainly not arrived and is sent at once; with it, the platform is asked first. What was sent
//! counts only if the file is still the one that was opened, and the server's checksum is ours.

mod ask;
mod end;
mod link;
mod multipart;
mod unsettled;

pub(super) use self::link::on_confirmed;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::calls::park;
use super::fate;
use super::persist::persist;
use super::source::Problem;
use super::worker::{Next, Task};
use super::{disk, ftp, trouble};
use crate::platform::{Grant, VideoKey};
use crate::queue::outcome::{self, Report};
use crate::queue::{Error, Lease, Step, Ticket};
use crate::way::Way;
use crate::{address, chain, clock, upload};

/// A link must live at least so long when the upload starts: the server looks at it when the
/// request arrives.
const LINK_MARGIN: Duration = Duration::from_mins(1);

/// What is said of a link whose key is gone.
const NOT_OPENED: &str = "the key file beside the job table does not open the upload link";

/// Runs the step.
pub(super) async fn run(task: &Task, lease: &Lease) -> Result<Next, Error> {
    let context = &task.context;
    let (begun, now) = (lease.clone(), clock::now());
    persist(context, move |db| {
        outcome::begin(db, &begun, Step::Transfer, now)
    })
    .await?;
    if lease.job.method.as_deref() == Some(Way::Ftp.word()) {
        return ftp::run(task, lease).await;
    }
    let Some((ticket, key, way)) = parts(lease) else {
        return start_over(task, lease, "the upload link was lost").await;
    };
    let link = context.queue.unseal(lease.job.id, ticket);
    // A link that does not open is of another time, and what has arrived since then is not known.
    let ask_since = ticket
        .last_byte_at
        .or_else(|| link.is_none().then_some(Timestamp::UNIX_EPOCH));
    if let Some(since) = ask_since
        && let Some(done) = ask::ask_first(task, lease, &key, since).await?
    {
        return Ok(done);
    }
    let Some(link) = link else {
        return start_over(task, lease, NOT_OPENED).await;
    };
    let grant = match Grant::restore(way, &link) {
        Ok(grant) if !grant.is_expired(fate::later(now, LINK_MARGIN)) => grant,
        Ok(_) => return start_over(task, lease, "the upload link has expired").await,
        Err(error) => return start_over(task, lease, &error.to_string()).await,
    };
    let source = match disk::open(task, lease).await {
        None => return park(task, lease).await,
        Some(Ok(source)) => Arc::new(source),
        Some(Err(problem)) => return settle_trouble(task, lease, problem, 0).await,
    };
    match grant {
        Grant::Link(link) => link::send(task, lease, source, (way, link)).await,
        Grant::Parts(pass) => multipart::send(task, lease, source, &pass).await,
        Grant::Fetch => start_over(task, lease, "there is nothing to send this way").await,
    }
}

fn parts(lease: &Lease) -> Option<(&Ticket, VideoKey, Way)> {
    let ticket = lease.ticket.as_ref()?;
    let key = lease.job.video_key.as_deref()?.parse().ok()?;
    let way = lease.job.method.as_deref().and_then(Way::from_word)?;
    Some((ticket, key, way))
}

/// An upload's error as the table and the log may have it.
fn words_of(task: &Task, lease: &Lease, error: &upload::Error) -> String {
    let said = chain(error);
    let ticket = lease.ticket.as_ref();
    let link = ticket.and_then(|ticket| task.context.queue.unseal(lease.job.id, ticket));
    link.map_or_else(
        || said.clone(),
        |link| address::without_words_of(&link, &said),
    )
}

async fn start_over(task: &Task, lease: &Lease, why: &str) -> Result<Next, Error> {
    let report = Report {
        message: Some(why.to_owned()),
        ..Report::default()
    };
    fate::start_over(&task.context, lease, ("link-expired", report), clock::now()).await?;
    Ok(Next::Finished)
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
