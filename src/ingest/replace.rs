//! A file that takes the place of one that is up: another video, its content in the same video, or
//! nothing until a person decides (`on-replace`).
//!
//! A re-upload makes no video, so that it may be asked for twice, and nothing need be looked for
//! after a crash. The video was there before the job, and whatever becomes of the job, it stays:
//! from the moment its key is stored the row says whose it is, and nothing withdraws it.

use std::path::Path;
use std::time::Duration;

use super::calls::{park, settle_call, until_stopped};
use super::choice::Choice;
use super::context::Settings;
use super::create::call;
use super::fate::{self, Failure, is_within, later, said};
use super::fetch::Order;
use super::persist::persist;
use super::worker::{Next, Task};
use crate::config::OnReplace;
use crate::disposition::Disposition;
use crate::metadata::Metadata;
use crate::platform::{self, Client, NewVideo, Status, VideoKey};
use crate::queue::outcome::Report;
use crate::queue::replace::{self, Before, Predecessor, Replaced};
use crate::queue::{self, Error, Lease};
use crate::{address, chain, clock, text};

/// However long a job has waited for another of its path, it looks again after so long.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// What the job's place is.
pub(super) enum Place {
    /// Nothing is there, or it does not matter: another video.
    Free,
    /// That of this video, whose content it replaces.
    Of(Predecessor),
    /// The job waits; its outcome is written.
    Settled,
}

/// Looks whether the job's file took the place of one that is up, and what that means.
pub(super) async fn look(task: &Task, settings: &Settings, lease: &Lease) -> Result<Place, Error> {
    let watch = settings.watch(&lease.job.watch);
    let policy = watch.map_or(OnReplace::New, |watch| watch.on_replace);
    if policy == OnReplace::New || lease.job.by_hand {
        return Ok(Place::Free);
    }
    let job = lease.job.clone();
    let before = persist(&task.context, move |db| replace::before(db, &job)).await?;
    match (before, policy) {
        (Before::Nothing, _) | (_, OnReplace::New) => Ok(Place::Free),
        (Before::UnderWay(other), OnReplace::Replace | OnReplace::Hold) => {
            wait(task, settings, lease, other).await?;
            Ok(Place::Settled)
        }
        (Before::Moving(before, path), OnReplace::Replace | OnReplace::Hold) => {
            moving(task, settings, lease, (before, &path)).await
        }
        (Before::Up(before), OnReplace::Replace) => own(task, lease, before).await,
        (Before::Up(before), OnReplace::Hold) => {
            hold(task, lease, &before).await?;
            Ok(Place::Settled)
        }
    }
}

/// A video that another file relies on keeps its content, and this one becomes another video.
async fn own(task: &Task, lease: &Lease, before: Predecessor) -> Result<Place, Error> {
    let (job, asked) = (lease.job.clone(), before.clone());
    let is_shared = persist(&task.context, move |db| {
        replace::is_shared(db, &job, &asked)
    });
    if !is_shared.await? {
        return Ok(Place::Of(before));
    }
    tracing::info!(
        job.id = lease.job.id.0,
        video.key = %before.video_key,
        "{}: it becomes another video: that of the file before it ({}) is a copy's too",
        text::path(&lease.job.path),
        before.video_key
    );
    Ok(Place::Free)
}

/// The job before it is at it still: what that comes to decides what this one is to do.
async fn wait(
    task: &Task,
    settings: &Settings,
    lease: &Lease,
    other: queue::JobId,
) -> Result<(), Error> {
    let message = format!(
        "it took the place of the file of job {other}, and goes on once that is ready on the platform or has failed"
    );
    give_back(task, settings, lease, message).await
}

/// A file is settling that may be the one whose place this one took: the video goes with it then. One
/// that never settles is not waited for without end, and no video is overwritten on a guess.
async fn moving(
    task: &Task,
    settings: &Settings,
    lease: &Lease,
    (before, path): (Predecessor, &Path),
) -> Result<Place, Error> {
    let shown = text::path(path);
    if !is_within(lease.job.created_at, LONGEST_PAUSE, clock::now()) {
        tracing::info!(
            job.id = lease.job.id.0,
            video.key = %before.video_key,
            "{}: uploaded as another video: {shown} does not settle and may be the file of video {} (job {})",
            text::path(&lease.job.path),
            before.video_key,
            before.job
        );
        return Ok(Place::Free);
    }
    let message = format!(
        "waiting until {shown} has settled: it may be the file of job {}, renamed, and then keeps video {}",
        before.job, before.video_key
    );
    give_back(task, settings, lease, message).await?;
    Ok(Place::Settled)
}

async fn give_back(
    task: &Task,
    settings: &Settings,
    lease: &Lease,
    message: String,
) -> Result<(), Error> {
    let now = clock::now();
    let waited = Duration::try_from(now.duration_since(lease.job.created_at)).unwrap_or_default();
    let poll = settings.config.confirm.poll_interval;
    let pause = (waited / 2).min(LONGEST_PAUSE).max(poll);
    let report = Report {
        message: Some(message),
        ..Report::default()
    };
    fate::give_back(&task.context, lease, later(now, pause), ("waits", report)).await
}

async fn hold(task: &Task, lease: &Lease, before: &Predecessor) -> Result<(), Error> {
    let (id, now) = (lease.job.id, clock::now());
    let message = format!(
        "held: it took the place of a file that is up as video {} (job {}), and on-replace = \"hold\"; \
         jw-ingest retry {id} uploads it as another video, jw-ingest cancel {id} leaves it",
        before.video_key, before.job
    );
    let path = text::path(&lease.job.path);
    tracing::warn!(job.id = id.0, "{path}: {message}");
    let held = lease.clone();
    persist(&task.context, move |db| {
        let report = Report {
            message: Some(message.clone()),
            ..Report::default()
        };
        replace::hold(db, &held, &report, now)
    })
    .await
}

/// Asks the platform to take the job's content in place of what the video has, and stores the right
/// to send it. A video that is not there any more is made anew.
pub(super) async fn run(
    task: &Task,
    lease: &Lease,
    client: &Client,
    (choice, order, before): (Choice, Option<Order>, Predecessor),
) -> Result<Next, Error> {
    let key: VideoKey = match before.video_key.parse() {
        Ok(key) => key,
        Err(error) => return refused(task, lease, (&before, &chain(&error))).await,
    };
    begins(task, lease, (&choice, order.as_ref())).await?;
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

/// The pauses between the questions for a video's last change. Without it nobody could tell later whether the new
/// content has arrived, so that nothing is sent; one answer that is lost is no reason to begin anew.
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
                "{path}: video {key} (job {}), whose content it was to replace, was deleted on the platform; another \
                 video is made",
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

/// What is stored before the call; as before a create call, but for the note of the call itself.
async fn begins(
    task: &Task,
    lease: &Lease,
    (choice, order): (&Choice, Option<&Order>),
) -> Result<(), Error> {
    let ours = order.and_then(|order| order.file.as_ref());
    let md5 = ours.map(|ours| ours.md5.clone());
    let (begun, way, why) = (lease.clone(), choice.way, choice.why.clone());
    persist(&task.context, move |db| {
        if let Some(md5) = &md5 {
            queue::fetch::summed(db, &begun, md5)?;
        }
        replace::begins(db, &begun, (way.word(), &why))
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

/// The video is there and does not take other content: how it is tells whether it will.
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
