//! Sending the bytes, and never again once the platform has them.
//!
//! Before the last byte is handed out, that is noted. So a job that comes here without the note has
//! certainly not arrived and is sent at once; with it, the platform is asked first. What was sent
//! counts only if the file is still the one that was opened, and the server's checksum is ours: a [`last_look`] at it
//! comes before the last byte. Where the answer is lost and the file is touched, what was noted of the bytes that were
//! sent is compared with what the file is by then ([`ask`]).

mod accept;
mod ask;
mod ftp;
mod last_look;
mod link;
mod multipart;
mod unsettled;

use std::fs::File;
use std::sync::Arc;

use jiff::Timestamp;

use super::attempt::Attempt;
use super::end::{Done, End};
use super::identify;
use super::record::agreed;
use super::source::{Problem, Source};
use crate::platform::{Grant, VideoKey};
use crate::queue::{Step, Ticket, outcome};
use crate::upload::Seen;
use crate::way::Way;
use crate::{address, chain, clock, upload};

/// What is said of a link whose key is gone.
const NOT_OPENED: &str = "the key file beside the job table does not open the upload link";

/// Runs the step.
pub(super) async fn run(attempt: &Attempt) -> Result<Done, End> {
    attempt.begin(Step::Transfer).await?;
    let job = attempt.job();
    if job.way == Some(Way::Ftp) {
        return ftp::run(attempt).await;
    }
    let Some((ticket, key, way)) = parts(attempt) else {
        return Err(End::link_expired("the upload link was lost"));
    };
    let link = attempt.context.queue.unseal(job.id, ticket);
    // A link that does not open is of another time, and what has arrived since then is not known.
    let ask_since = ticket
        .last_byte_at
        .or_else(|| link.is_none().then_some(Timestamp::UNIX_EPOCH));
    if let Some(since) = ask_since
        && let Some(arrived) = ask::has_arrived(attempt, &key, since).await?
    {
        return ask::arrived(attempt, &arrived).await;
    }
    agreed::gives_way(attempt, 0).await?;
    if way == Way::Resumable && ticket.is_doubted {
        return Err(End::sent_anew());
    }
    let Some(link) = link else {
        return Err(End::link_expired(NOT_OPENED));
    };
    let grant = match Grant::restore(way, &link) {
        Ok(grant) if !is_over(attempt, &grant).await? => grant,
        Ok(_) => return Err(End::link_expired("the upload link has expired")),
        Err(error) => return Err(End::link_expired(&error.to_string())),
    };
    let source = identify::open(attempt).await?;
    match grant {
        Grant::Link(link) => link::send(attempt, source, (way, link)).await,
        Grant::Parts(pass) => multipart::send(attempt, source, &pass).await,
        Grant::Fetch => Err(End::link_expired("there is nothing to send by this method")),
    }
}

/// Whether the link's time is over by the platform's clock. A fresh one is used at once, however short
/// its life: if it has expired, the platform says so, and no second video is made for a guess.
async fn is_over(attempt: &Attempt, grant: &Grant) -> Result<bool, End> {
    let id = attempt.job().id;
    let is_first = attempt.write(move |db, _| outcome::is_first_transfer(db, id));
    if is_first.await? {
        return Ok(false);
    }
    let Ok(client) = attempt.client() else {
        return Ok(grant.is_expired(clock::now()));
    };
    if client.skew().is_none() {
        // A daemon that has just started has no answer of the platform yet: any will do, and without
        // one the link is tried, as this machine's clock may be wrong.
        let asked = attempt.answer(client.check_credentials()).await;
        if let Ok(Err(error)) = asked {
            tracing::debug!("the platform's time is not known: {error}");
        }
    }
    Ok(client.skew().is_some() && grant.is_expired(client.platform_time(clock::now())))
}

fn parts(attempt: &Attempt) -> Option<(&Ticket, VideoKey, Way)> {
    let ticket = attempt.lease.ticket.as_ref()?;
    let job = attempt.job();
    let key = job.video_key.as_deref()?.parse().ok()?;
    Some((ticket, key, job.way?))
}

/// The file that is sent, and the moment that is compared with: it was not written to since it was opened.
async fn look_at_what_is_sent(
    attempt: &Attempt,
    source: &Arc<Source>,
) -> Result<(File, Seen), End> {
    let source = Arc::clone(source);
    let look = move || {
        let file = source.file().map_err(Problem::Unreadable)?;
        // Looked at first, and then at its ctime: so the moment is that of the opening.
        let seen = Seen::now(&file).map_err(Problem::Unreadable)?;
        source.check_unmoved()?;
        Ok((file, seen))
    };
    attempt.quick(look).await
}

/// An upload's error as the table and the log may have it.
fn words_of(attempt: &Attempt, error: &upload::Error) -> String {
    let said = chain(error);
    let ticket = attempt.lease.ticket.as_ref();
    let link = ticket.and_then(|ticket| attempt.context.queue.unseal(attempt.job().id, ticket));
    link.map_or_else(
        || said.clone(),
        |link| address::without_words_of(&link, &said),
    )
}
