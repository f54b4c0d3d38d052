//! The call that lets a job's content into another's video, and what follows when it is refused.

use std::time::Duration;

use super::says_shared;
use crate::disposition::Disposition;
use crate::ingest::calls::{park, settle_call, until_stopped};
use crate::ingest::choice::Choice;
use crate::ingest::create::call;
use crate::ingest::fate::{self, Failure, said};
use crate::ingest::fetch::Order;
use crate::ingest::persist::persist;
use crate::ingest::worker::{Next, Task};
use crate::metadata::Metadata;
use crate::platform::{self, Client, NewVideo, Status, VideoKey};
use crate::queue::outcome::Report;
use crate::queue::replace::{self, Predecessor, Replaced};
use crate::queue::{self, Error, Lease};
use crate::way::Way;
use crate::{address, chain, clock, text};

/// Asks the platform to take the job's content in place of what the video has, and stores the right
/// to send it. A video that is not there any more is made again.
pub(in crate::ingest) async fn run(
    task: &Task,
    lease: &Lease,
    client: &Client,
    (choice, order, before): (Choice, Option<Order>, Predecessor),
) -> Result<Next, Error> {
    let key: VideoKey = match before.video_key.parse() {
        Ok(key) => key,
        Err(error) => return refused(task, lease, (&before, &chain(&error))).await,
    };
    if !begins(task, lease, &before, (&choice, order.as_ref())).await? {
        says_shared(lease, &before);
        return call::create(task, lease, client, (choice, order)).await;
    }
    let video = NewVideo {
        // Both stay as they are: the video is the one that they were given to.
        title: "",
        ingest_id: "",
        metadata: &Metadata::NONE,
        way: choice.way,
        size: match &order {
            Some(order) => order.file.as_ref().map(|content| content.size),
            None => Some(lease.job.identity.bytes()),
        },
        source: order.as_ref().map(|order| &order.source),
    };
    let granted = match until_stopped(task, client.reupload(&key, video)).await {
        None => return park(task, lease).await,
        Some(Ok(granted)) => granted,
        Some(Err(error)) if is_about_the_video(&error) => {
            let refused = lease.clone();
            persist(&task.context, move |db| {
                replace::fetch_was_refused(db, &refused)
            })
            .await?;
            return denied(task, lease, client, (choice, order, before), (&key, &error)).await;
        }
        Some(Err(error)) => {
            settle_call(task, lease, &error).await?;
            return Ok(Next::Finished);
        }
    };
    // By its own clock, and after the call, which changes the video too: what comes later is the
    // new content's doing.
    let updated_before = match last_change(task, client, &key).await {
        None => return park(task, lease).await,
        Some(Ok(updated_before)) => updated_before,
        Some(Err(error)) if error.is_not_found() => {
            return denied(task, lease, client, (choice, order, before), (&key, &error)).await;
        }
        // No byte was sent, and the call may be made twice: the job asks again.
        Some(Err(error)) if error.disposition() == Disposition::Permanent => {
            let failure = Failure::new(&error, Disposition::TRANSIENT);
            fate::settle(&task.context, lease, failure).await?;
            return Ok(Next::Finished);
        }
        Some(Err(error)) => {
            settle_call(task, lease, &error).await?;
            return Ok(Next::Finished);
        }
    };
    let replaced = Replaced {
        job: before.job,
        updated_before,
    };
    call::record(task, lease, (choice.way, granted), Some(replaced)).await
}

/// The pauses between the questions for a video's last change. Without it, it would be impossible
/// to tell later whether the new content has arrived, so that nothing is sent; one answer that is
/// lost is no reason to begin again.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
];

/// When the platform changed the video last, where it says so. `None`: stopped.
async fn last_change(
    task: &Task,
    client: &Client,
    key: &VideoKey,
) -> Option<Result<Option<i64>, platform::Error>> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let error = match until_stopped(task, client.show(key)).await? {
            Ok(video) => return Some(Ok(video.updated)),
            Err(error) => error,
        };
        let Some(pause) = pauses.next().filter(|_| !error.is_not_found()) else {
            return Some(Err(error));
        };
        tokio::select! {
            () = task.stop.cancelled() => return None,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The platform does not take it: how the video is says why, and what to do.
async fn denied(
    task: &Task,
    lease: &Lease,
    client: &Client,
    (choice, order, before): (Choice, Option<Order>, Predecessor),
    (key, error): (&VideoKey, &platform::Error),
) -> Result<Next, Error> {
    match until_stopped(task, client.show(key)).await {
        None => park(task, lease).await,
        Some(Ok(video)) => not_now(task, lease, (&before, &video.status), error).await,
        Some(Err(gone)) if gone.is_not_found() => {
            let path = text::path(&lease.job.path);
            tracing::warn!(
                job.id = lease.job.id.0,
                "{path}: video {key} (job {}), whose content it should have replaced, was deleted \
                 on the platform; another video is made",
                before.job
            );
            call::create(task, lease, client, (choice, order)).await
        }
        Some(Err(other)) => {
            settle_call(task, lease, &other).await?;
            Ok(Next::Finished)
        }
    }
}

/// What is stored before the call; as before a create call, except for the note of the call itself.
/// If the platform fetches the bytes, they may arrive by this call: answers whether it may be made.
async fn begins(
    task: &Task,
    lease: &Lease,
    before: &Predecessor,
    (choice, order): (&Choice, Option<&Order>),
) -> Result<bool, Error> {
    let ours = order.and_then(|order| order.file.as_ref());
    let md5 = ours.map(|ours| ours.md5.clone());
    let (begun, way, why) = (lease.clone(), choice.way, choice.why.clone());
    let (key, now) = (before.video_key.clone(), clock::now());
    persist(&task.context, move |db| {
        if way == Way::Fetch && !replace::fetch_begins(db, &begun, &key, now)? {
            return Ok(false);
        }
        if let Some(md5) = &md5 {
            queue::fetch::summed(db, &begun, md5)?;
        }
        replace::begins(db, &begun, (way.word(), &why))?;
        Ok(true)
    })
    .await
}

/// Whether the platform refused what was asked of this video, rather than any call at all now.
fn is_about_the_video(error: &platform::Error) -> bool {
    let platform::Error::Refused(refusal) = error else {
        return false;
    };
    error.disposition() != Disposition::Blocked
        && (400..500).contains(&refusal.status)
        && !matches!(refusal.status, 408 | 425 | 429)
}

/// The video is there and does not take other content: how it is says whether it will.
async fn not_now(
    task: &Task,
    lease: &Lease,
    (before, status): (&Predecessor, &Status),
    error: &platform::Error,
) -> Result<Next, Error> {
    let Predecessor { job, video_key } = before;
    match status {
        Status::Ready if error.disposition() == Disposition::Permanent => {
            refused(task, lease, (before, &address::hosts_only(&chain(error)))).await
        }
        Status::Failed => refused(task, lease, (before, "it is `failed` there")).await,
        Status::Ready
        | Status::Created
        | Status::Processing
        | Status::Updating
        | Status::Other(_) => {
            let report = Report {
                message: Some(format!(
                    "video {video_key} (job {job}), whose content it replaces, takes none now: it is `{}` on the \
                     platform",
                    status.word()
                )),
                request_id: error.request_id().map(str::to_owned),
                ..Report::default()
            };
            let failure = Failure {
                disposition: Disposition::TRANSIENT,
                report,
            };
            fate::settle(&task.context, lease, failure).await?;
            Ok(Next::Finished)
        }
    }
}

/// For good: a person may want another video instead.
async fn refused(
    task: &Task,
    lease: &Lease,
    (before, why): (&Predecessor, &str),
) -> Result<Next, Error> {
    let (id, now) = (lease.job.id, clock::now());
    let report = Report {
        message: Some(format!(
            "the platform does not let the content of video {} (job {}) be replaced: {why}; jw-ingest retry {id} \
             uploads the file as another video",
            before.video_key, before.job
        )),
        ..Report::default()
    };
    let path = text::path(&lease.job.path);
    tracing::error!(job.id = id.0, "{path}: failed: {}", said(&report));
    let failed = lease.clone();
    persist(&task.context, move |db| {
        replace::refused(db, &failed, &report, now)
    })
    .await?;
    Ok(Next::Finished)
}
