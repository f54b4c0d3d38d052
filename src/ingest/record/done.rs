//! The good ends of a step, and the job as it is after it.

use std::sync::Arc;

use jiff::Timestamp;

use super::write_under_lease;
use crate::clock;
use crate::ingest::attempt::Attempt;
use crate::ingest::end::Done;
use crate::ingest::moments::later;
use crate::ingest::pause;
use crate::platform::{Created, Grant};
use crate::queue::outcome::{self, Report};
use crate::queue::replace::Replaced;
use crate::queue::ticket::NewTicket;
use crate::queue::{self, Error, Step, Ticket};
use crate::upload::multipart::part_size;
use crate::way::Way;

/// Writes it down. Answers whether the job is at its next step, still held.
pub(super) async fn record(attempt: &mut Attempt, done: Done) -> Result<bool, Error> {
    match done {
        Done::Created {
            way,
            created,
            replaced,
        } => match created.grant {
            Grant::Fetch => record_fetch(attempt, &created, replaced)
                .await
                .map(|()| false),
            Grant::Link(_) | Grant::Parts(_) => {
                created_video(attempt, (way, created), replaced).await?;
                Ok(true)
            }
        },
        Done::Fetches { video_key } => record_asked(attempt, (video_key, None), clock::now())
            .await
            .map(|()| false),
        Done::HasArrived { video_key, md5 } => {
            has_arrived(attempt, video_key, md5).await.map(|()| false)
        }
        Done::GoesByFtp { why } => goes_by_ftp(attempt, why).await.map(|()| true),
        Done::GoesAnotherWay => goes_another_way(attempt).await.map(|()| true),
        Done::Sent { md5, report } => record_sent(attempt, md5, report).await.map(|()| false),
        Done::Delivered { named_at, sent } => record_delivered(attempt, named_at, sent)
            .await
            .map(|()| false),
    }
}

/// Stores key and link, before a byte is sent; and whose video it is, if it was there before.
async fn created_video(
    attempt: &mut Attempt,
    (way, created): (Way, Created),
    replaced: Option<Replaced>,
) -> Result<(), Error> {
    let job = attempt.job();
    let ticket = Ticket {
        link: attempt.context.queue.seal(job.id, &created.grant.store())?,
        expires_at: created.grant.expires_at(),
        last_byte_at: None,
        part_size: matches!(created.grant, Grant::Parts(_))
            .then(|| part_size(job.identity.bytes())),
        is_doubted: false,
        md5: None,
    };
    let key = created.key.to_string();
    let (stored, video_key, now) = (ticket.clone(), key.clone(), clock::now());
    write_under_lease(attempt, move |db, lease| {
        let ticket = NewTicket {
            video_key: &video_key,
            link: &stored.link,
            expires_at: stored.expires_at,
            part_size: stored.part_size,
        };
        if let Some(replaced) = replaced {
            queue::replace::takes(db, lease, replaced, ticket.video_key)?;
        }
        outcome::created(db, lease, &ticket, &Report::default(), now)
    })
    .await?;
    let done = if replaced.is_some() {
        "takes its content"
    } else {
        "created"
    };
    tracing::info!(job.id = job.id.0, video.key = %key, "{}: video {key} {done}", attempt.path());
    pause::works(&attempt.context, &job.account).await?;
    let on = Arc::make_mut(&mut attempt.lease);
    on.job.step = Step::Transfer;
    on.job.way = Some(way);
    on.job.video_key = Some(key);
    on.job.replaces = replaced.map(|replaced| replaced.job.0);
    on.ticket = Some(ticket);
    Ok(())
}

/// The platform fetches the bytes by itself.
async fn record_fetch(
    attempt: &Attempt,
    created: &Created,
    replaced: Option<Replaced>,
) -> Result<(), Error> {
    let (key, path) = (&created.key, attempt.path());
    tracing::info!(job.id = attempt.job().id.0, video.key = %key, "{path}: the platform fetches it as video {key}");
    let poll = attempt.settings().config.confirm.poll_interval;
    let first_look = later(clock::now(), poll);
    record_asked(attempt, (key.to_string(), replaced), first_look).await
}

/// The video exists, and its bytes come by themselves: only the platform's word is left to wait for.
/// `replaced` where it is another job's video.
async fn record_asked(
    attempt: &Attempt,
    (key, replaced): (String, Option<Replaced>),
    first_look: Timestamp,
) -> Result<(), Error> {
    let now = clock::now();
    write_under_lease(attempt, move |db, lease| {
        if let Some(replaced) = replaced {
            queue::replace::takes(db, lease, replaced, &key)?;
        }
        queue::fetch::asked(db, lease, &key, (first_look, now))
    })
    .await?;
    attempt.context.confirms.notify_one();
    Ok(())
}

/// The video is the job's by its ingest id, and only `ready` is left to wait for.
async fn has_arrived(attempt: &Attempt, key: String, md5: Option<String>) -> Result<(), Error> {
    let now = clock::now();
    write_under_lease(attempt, move |db, lease| {
        let ticket = NewTicket {
            video_key: &key,
            link: "",
            expires_at: None,
            part_size: None,
        };
        outcome::created(db, lease, &ticket, &Report::default(), now)?;
        outcome::transferred(db, lease, md5.as_deref(), now, (&Report::default(), now))
    })
    .await?;
    attempt.context.confirms.notify_one();
    Ok(())
}

async fn goes_by_ftp(attempt: &mut Attempt, why: String) -> Result<(), Error> {
    let now = clock::now();
    write_under_lease(attempt, move |db, lease| {
        queue::ftp::begins(db, lease, &why, now)
    })
    .await?;
    let on = Arc::make_mut(&mut attempt.lease);
    on.job.step = Step::Transfer;
    on.job.way = Some(Way::Ftp);
    on.ticket = Some(Ticket {
        link: String::new(),
        expires_at: None,
        last_byte_at: None,
        part_size: None,
        is_doubted: false,
        md5: None,
    });
    Ok(())
}

async fn goes_another_way(attempt: &mut Attempt) -> Result<(), Error> {
    let now = clock::now();
    write_under_lease(attempt, move |db, lease| {
        queue::ftp::goes_another_way(db, lease, now)
    })
    .await?;
    let on = Arc::make_mut(&mut attempt.lease);
    on.job.step = Step::Create;
    on.job.way = None;
    on.ticket = None;
    Ok(())
}

async fn record_sent(attempt: &Attempt, md5: Option<String>, report: Report) -> Result<(), Error> {
    let (now, first_look) = first_look(attempt);
    write_under_lease(attempt, move |db, lease| {
        outcome::transferred(db, lease, md5.as_deref(), first_look, (&report, now))
    })
    .await?;
    attempt.context.confirms.notify_one();
    Ok(())
}

async fn record_delivered(attempt: &Attempt, named_at: Timestamp, sent: i64) -> Result<(), Error> {
    let report = Report {
        bytes_sent: sent,
        ..Report::default()
    };
    let (now, first_look) = first_look(attempt);
    write_under_lease(attempt, move |db, lease| {
        queue::ftp::sent(db, lease, (named_at, first_look), (&report, now))
    })
    .await?;
    pause::works(&attempt.context, &attempt.job().account).await?;
    attempt.context.confirms.notify_one();
    Ok(())
}

/// The present, and when the platform is first asked how far it is.
fn first_look(attempt: &Attempt) -> (Timestamp, Timestamp) {
    let now = clock::now();
    let poll = attempt.settings().config.confirm.poll_interval;
    (now, later(now, poll))
}
