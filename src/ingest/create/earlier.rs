//! After a create call with an unknown end, or in a table that was restored from a backup: whether the job has a
//! video already, found out before another is made.

use std::sync::Arc;

use super::call::record;
use crate::clock;
use crate::ingest::calls::{park, settle_call, until_stopped};
use crate::ingest::disk;
use crate::ingest::fate;
use crate::ingest::fetch;
use crate::ingest::persist::persist;
use crate::ingest::worker::{Next, Task};
use crate::platform::{Client, Created, Grant, Status, VideoKey};
use crate::queue::outcome::{self, Report};
use crate::queue::ticket::NewTicket;
use crate::queue::{Error, Lease, restored};
use crate::way::Way;

/// What the look for an earlier video came to.
pub(super) enum Earlier {
    /// It decided about this attempt.
    Settled(Next),
    /// There is none; continue with this.
    Nothing(Box<Lease>),
}

/// Finds out whether an earlier create call made a video.
pub(super) async fn look(task: &Task, lease: &Lease, client: &Client) -> Result<Earlier, Error> {
    let (context, id) = (&task.context, lease.job.id);
    let may_be_there = lease.job.create_sent_at.is_some()
        || persist(context, move |db| restored::is_of_backup(db, id)).await?;
    if !may_be_there {
        return Ok(Earlier::Nothing(Box::new(lease.clone())));
    }
    let found = match until_stopped(task, client.find_by_ingest_id(&lease.job.ingest_id)).await {
        None => return park(task, lease).await.map(Earlier::Settled),
        Some(Ok(found)) => found,
        Some(Err(error)) => {
            settle_call(task, lease, &error).await?;
            return Ok(Earlier::Settled(Next::Finished));
        }
    };
    let Some(video) = found.first() else {
        let Some(sent_at) = lease.job.create_sent_at else {
            return Ok(Earlier::Nothing(Box::new(lease.clone())));
        };
        // A call that is still on its way may act after the look-up: absence is believed only once
        // the usual wait between two attempts is over, or two of them where the platform's search
        // is known to lag behind.
        let first_delay = context.now_settings().config.retry.first_delay;
        let wait = first_delay.max(client.patience().min(first_delay * 2));
        if fate::is_within(sent_at, wait, clock::now()) {
            let patience = fate::later(fate::since_a_jump(sent_at), wait);
            let report = Report {
                message: Some(
                    "the answer to the create call was lost; its video is searched for".to_owned(),
                ),
                ..Report::default()
            };
            fate::give_back(context, lease, patience, ("ambiguous", report)).await?;
            return Ok(Earlier::Settled(Next::Finished));
        }
        return missing(task, lease).await;
    };
    let comes_by_itself = lease.job.way == Some(Way::Fetch);
    if video.status == Status::Created && !comes_by_itself {
        if let Some(next) = reopen(task, lease, client, &video.key).await? {
            return Ok(Earlier::Settled(next));
        }
        let report = Report {
            message: Some(format!(
                "the answer to the create call was lost, and with it the upload link of video {}",
                video.key
            )),
            ..Report::default()
        };
        fate::start_over(context, lease, ("ambiguous", report), clock::now()).await?;
        return Ok(Earlier::Settled(Next::Finished));
    }
    let key = video.key.to_string();
    let adopted = if comes_by_itself {
        fetch::asked(task, lease, (key, None), clock::now()).await?
    } else {
        adopt(task, lease, &key).await?
    };
    Ok(Earlier::Settled(adopted))
}

/// The way back into a resumable upload can be found without its create answer: the draft is
/// adopted. `None`: it cannot.
async fn reopen(
    task: &Task,
    lease: &Lease,
    client: &Client,
    key: &VideoKey,
) -> Result<Option<Next>, Error> {
    if lease.job.way != Some(Way::Resumable) {
        return Ok(None);
    }
    match until_stopped(task, client.reopen(key)).await {
        None => park(task, lease).await.map(Some),
        Some(Ok(None)) => Ok(None),
        Some(Ok(Some(link))) => {
            let created = Created {
                key: key.clone(),
                grant: Grant::Link(link),
            };
            record(task, lease, (Way::Resumable, created), None)
                .await
                .map(Some)
        }
        Some(Err(error)) => {
            settle_call(task, lease, &error).await?;
            Ok(Some(Next::Finished))
        }
    }
}

/// Not there after all that time. Should it come later still, the withdrawals delete it.
async fn missing(task: &Task, lease: &Lease) -> Result<Earlier, Error> {
    let (context, none, now) = (&task.context, lease.clone(), clock::now());
    let ingest_id = persist(context, move |db| {
        outcome::create_is_missing(db, &none, now)
    })
    .await?;
    context.withdrawals.notify_one();
    let mut lease = lease.clone();
    lease.job.ingest_id = ingest_id;
    lease.job.create_sent_at = None;
    Ok(Earlier::Nothing(Box::new(lease)))
}

/// The video has its bytes: it is ours by its ingest id, and only `ready` is left to wait for.
///
/// Its file, where it is there, is summed up, so that the two can be compared.
async fn adopt(task: &Task, lease: &Lease, key: &str) -> Result<Next, Error> {
    let summed = match disk::open(task, lease).await {
        None => None,
        Some(Ok(source)) => disk::md5(task, &Arc::new(source)).await,
        Some(Err(problem)) => Some(Err(problem)),
    };
    let md5 = match summed {
        None => return park(task, lease).await,
        Some(summed) => summed.ok(),
    };
    let (adopted, key, now) = (lease.clone(), key.to_owned(), clock::now());
    persist(&task.context, move |db| {
        let ticket = NewTicket {
            video_key: &key,
            link: "",
            expires_at: None,
            part_size: None,
        };
        outcome::created(db, &adopted, &ticket, &Report::default(), now)?;
        outcome::transferred(db, &adopted, md5.as_deref(), now, (&Report::default(), now))
    })
    .await?;
    task.context.confirms.notify_one();
    Ok(Next::Finished)
}
