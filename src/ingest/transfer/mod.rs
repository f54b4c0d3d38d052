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

use jiff::Timestamp;

use super::calls::{park, until_stopped};
use super::fate;
use super::persist::persist;
use super::source::Problem;
use super::worker::{Next, Task};
use super::{ftp, identify, replace, trouble};
use crate::platform::{Grant, VideoKey};
use crate::queue::outcome::{self, Report};
use crate::queue::{Error, Lease, Step, Ticket};
use crate::way::Way;
use crate::{address, chain, clock, upload};

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
    if lease.job.way == Some(Way::Ftp) {
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
    if replace::gives_way(context, lease, 0).await? {
        return Ok(Next::Finished);
    }
    let Some(link) = link else {
        return start_over(task, lease, NOT_OPENED).await;
    };
    let grant = match Grant::restore(way, &link) {
        Ok(grant) if !is_over(task, lease, &grant).await? => grant,
        Ok(_) => return start_over(task, lease, "the upload link has expired").await,
        Err(error) => return start_over(task, lease, &error.to_string()).await,
    };
    let source = match identify::open(task, lease).await {
        None => return park(task, lease).await,
        Some(Ok(source)) => source,
        Some(Err(problem)) => return settle_trouble(task, lease, problem, 0).await,
    };
    match grant {
        Grant::Link(link) => link::send(task, lease, source, (way, link)).await,
        Grant::Parts(pass) => multipart::send(task, lease, source, &pass).await,
        Grant::Fetch => start_over(task, lease, "there is nothing to send by this method").await,
    }
}

/// Whether the link's time is over by the platform's clock. A fresh one is used at once, however short
/// its life: if it has expired, the platform says so, and no second video is made for a guess.
async fn is_over(task: &Task, lease: &Lease, grant: &Grant) -> Result<bool, Error> {
    let context = &task.context;
    let id = lease.job.id;
    if persist(context, move |db| outcome::is_first_transfer(db, id)).await? {
        return Ok(false);
    }
    let settings = context.now_settings();
    let Some(client) = settings.client(&lease.job.account) else {
        return Ok(grant.is_expired(clock::now()));
    };
    if client.skew().is_none() {
        // A daemon that has just started has no answer of the platform yet: any will do, and without
        // one the link is tried, as this machine's clock may be wrong.
        let asked = until_stopped(task, client.check_credentials()).await;
        if let Some(Err(error)) = asked {
            tracing::debug!("the platform's time is not known: {error}");
        }
    }
    Ok(client.skew().is_some() && grant.is_expired(client.platform_time(clock::now())))
}

fn parts(lease: &Lease) -> Option<(&Ticket, VideoKey, Way)> {
    let ticket = lease.ticket.as_ref()?;
    let key = lease.job.video_key.as_deref()?.parse().ok()?;
    let way = lease.job.way?;
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
