//! The create call, and storing what it gave before a byte is sent.

use std::borrow::Cow;

use crate::disposition::Disposition;
use crate::ingest::calls::{park, settle_call, until_stopped};
use crate::ingest::choice::Choice;
use crate::ingest::context::Context;
use crate::ingest::fetch::{self, Order};
use crate::ingest::metadata::{self, Gathered};
use crate::ingest::persist::persist;
use crate::ingest::worker::{Next, Task};
use crate::ingest::{fate, pause};
use crate::metadata::Metadata;
use crate::platform::{self, Client, Created, Grant, NewVideo};
use crate::queue::outcome::{self, Report};
use crate::queue::replace::Replaced;
use crate::queue::ticket::NewTicket;
use crate::queue::{self, Error, Job, Lease, Step, Ticket};
use crate::upload::multipart::part_size;
use crate::way::Way;
use crate::{address, chain, clock, text};

pub(in crate::ingest) async fn create(
    task: &Task,
    lease: &Lease,
    client: &Client,
    (Choice { way, why }, order): (Choice, Option<Order>),
) -> Result<Next, Error> {
    let context = &task.context;
    // The usual reasons follow from size and configuration; these do not.
    if let Cow::Owned(why) = &why {
        let path = text::path(&lease.job.path);
        tracing::info!(job.id = lease.job.id.0, "{path}: by {}: {why}", way.word());
    }
    let ours = order.as_ref().and_then(|order| order.file.as_ref());
    let md5 = ours.map(|ours| ours.md5.clone());
    let gathered = told_with(context, &lease.job).await;
    let (digest, fault) = (gathered.digest, gathered.fault);
    let (begun, now) = (lease.clone(), clock::now());
    persist(context, move |db| {
        let told = (digest.as_deref(), fault.as_deref());
        queue::metadata::told(db, &begun, told, now)?;
        if let Some(md5) = &md5 {
            queue::fetch::summed(db, &begun, md5)?;
        }
        outcome::create_begins(db, &begun, (way.word(), &why), now)
    })
    .await?;
    let video = NewVideo {
        title: &gathered.described.title,
        metadata: &gathered.described.metadata,
        ingest_id: &lease.job.ingest_id,
        way,
        // Of what is at the address in a file, nothing is known.
        size: match &order {
            Some(order) => order.file.as_ref().map(|content| content.size),
            None => Some(lease.job.identity.bytes()),
        },
        source: order.as_ref().map(|order| &order.source),
    };
    match ask(task, lease, client, video).await? {
        None => park(task, lease).await,
        Some(Ok(created)) => record(task, lease, (way, created), None).await,
        Some(Err(error)) => {
            if error.disposition() != Disposition::Ambiguous {
                let none = lease.clone();
                persist(context, move |db| {
                    outcome::create_came_to_nothing(db, &none)
                })
                .await?;
            }
            settle_call(task, lease, &error).await?;
            Ok(Next::Finished)
        }
    }
}

/// The metadata that is sent with the video; what cannot be sent is reported.
async fn told_with(context: &Context, job: &Job) -> Gathered {
    let place = (job.watch.as_str(), job.path.as_path());
    let gathered = metadata::gather(context, place, job.identity.mtime_ns).await;
    if let Some(fault) = &gathered.fault {
        tracing::warn!(job.id = job.id.0, "{}: {fault}", text::path(&job.path));
    }
    gathered
}

/// Makes the call. A video that is refused with all metadata is made with its title alone, so that
/// a wrong word in a sidecar or a rule holds no video up; what is wrong is noted. `None`: stopped.
async fn ask(
    task: &Task,
    lease: &Lease,
    client: &Client,
    video: NewVideo<'_>,
) -> Result<Option<Result<Created, platform::Error>>, Error> {
    let answer = until_stopped(task, client.create(video)).await;
    let Some(Err(error)) = &answer else {
        return Ok(answer);
    };
    if error.disposition() != Disposition::Permanent || *video.metadata == Metadata::NONE {
        return Ok(answer);
    }
    let fault = format!(
        "the platform refused the video with its metadata, and it was made with its title alone: {}",
        address::hosts_only(&chain(error))
    );
    let path = text::path(&lease.job.path);
    tracing::warn!(job.id = lease.job.id.0, "{path}: {fault}");
    let (told, now) = (lease.clone(), clock::now());
    persist(&task.context, move |db| {
        queue::metadata::told(db, &told, (None, Some(&fault)), now)
    })
    .await?;
    let plain = NewVideo {
        metadata: &Metadata::NONE,
        ..video
    };
    Ok(until_stopped(task, client.create(plain)).await)
}

/// Stores key and link, before a byte is sent; and whose video it is, if it was there before.
pub(in crate::ingest) async fn record(
    task: &Task,
    lease: &Lease,
    (way, created): (Way, Created),
    replaced: Option<Replaced>,
) -> Result<Next, Error> {
    let context = &task.context;
    if created.grant == Grant::Fetch {
        let (key, path) = (created.key, text::path(&lease.job.path));
        tracing::info!(job.id = lease.job.id.0, video.key = %key, "{path}: the platform fetches it as video {key}");
        let poll = context.now_settings().config.confirm.poll_interval;
        let first_look = fate::later(clock::now(), poll);
        return fetch::asked(task, lease, (key.to_string(), replaced), first_look).await;
    }
    let ticket = Ticket {
        link: context.queue.seal(lease.job.id, &created.grant.store())?,
        expires_at: created.grant.expires_at(),
        last_byte_at: None,
        part_size: matches!(created.grant, Grant::Parts(_))
            .then(|| part_size(lease.job.identity.bytes())),
    };
    let key = created.key.to_string();
    let (made, stored, video_key, now) = (lease.clone(), ticket.clone(), key.clone(), clock::now());
    persist(context, move |db| {
        let ticket = NewTicket {
            video_key: &video_key,
            link: &stored.link,
            expires_at: stored.expires_at,
            part_size: stored.part_size,
        };
        if let Some(replaced) = replaced {
            queue::replace::takes(db, &made, replaced, ticket.video_key)?;
        }
        outcome::created(db, &made, &ticket, &Report::default(), now)
    })
    .await?;
    let done = if replaced.is_some() {
        "takes its content"
    } else {
        "created"
    };
    tracing::info!(job.id = lease.job.id.0, video.key = %key, "{}: video {key} {done}", text::path(&lease.job.path));
    pause::works(context, &lease.job.account).await?;
    let mut on = lease.clone();
    on.job.step = Step::Transfer;
    on.job.way = Some(way);
    on.job.video_key = Some(key);
    on.job.replaces = replaced.map(|replaced| replaced.job.0);
    on.ticket = Some(ticket);
    Ok(Next::GoOn(Box::new(on)))
}
