//! A file that takes the place of one that is uploaded: another video, its content in the same
//! video, or nothing until a person decides (`on-replace`).
//!
//! A re-upload makes no video, so that it may be asked for twice, and nothing need be looked for
//! after a crash. The video was there before the job, and it stays, no matter how the job ends:
//! from the moment its key is stored the row says whose it is, and nothing withdraws it.

mod call;

use std::path::Path;
use std::time::Duration;

pub(super) use self::call::run;

use super::context::{Context, Settings};
use super::fate::{self, is_within, later};
use super::persist::persist;
use super::worker::Task;
use crate::config::OnReplace;
use crate::queue::outcome::Report;
use crate::queue::replace::{self, Before, Predecessor};
use crate::queue::{self, Error, Lease};
use crate::{clock, text};

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

/// Looks whether the job's file took the place of one that is uploaded, and what that means.
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
    let (id, key) = (lease.job.id, before.video_key.clone());
    let is_shared = persist(&task.context, move |db| replace::is_shared(db, id, &key));
    if !is_shared.await? {
        return Ok(Place::Of(before));
    }
    says_shared(lease, &before);
    Ok(Place::Free)
}

fn says_shared(lease: &Lease, before: &Predecessor) {
    tracing::info!(
        job.id = lease.job.id.0,
        video.key = %before.video_key,
        "{}: uploaded as another video, because another file relies on that of the file before it \
         ({})",
        text::path(&lease.job.path),
        before.video_key
    );
}

/// If another file has come to rely on the video since the job was about to replace its content,
/// the job starts over, and becomes another video. Answers whether it does. To be asked only where
/// no byte has arrived.
pub(super) async fn gives_way(
    context: &Context,
    lease: &Lease,
    bytes_sent: i64,
) -> Result<bool, Error> {
    let (Some(before), Some(key)) = (lease.job.replaces, &lease.job.video_key) else {
        return Ok(false);
    };
    let message = format!(
        "it does not replace the content of video {key} (job {before}), because another file \
         relies on that by now; it is uploaded as another video"
    );
    let (held, now, said) = (lease.clone(), clock::now(), message.clone());
    let gave_way = persist(context, move |db| {
        let report = Report {
            bytes_sent,
            message: Some(said.clone()),
            ..Report::default()
        };
        replace::gives_way(db, &held, &report, now)
    })
    .await?;
    if gave_way {
        let path = text::path(&lease.job.path);
        tracing::info!(job.id = lease.job.id.0, video.key = %key, "{path}: {message}");
        context.ring_all();
    }
    Ok(gave_way)
}

/// The job before it is at it still: what that comes to decides what this one does.
async fn wait(
    task: &Task,
    settings: &Settings,
    lease: &Lease,
    other: queue::JobId,
) -> Result<(), Error> {
    let message = format!(
        "it took the place of the file of job {other}, and continues once that is ready on the \
         platform or has failed"
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
        "held: it took the place of a file that is uploaded as video {} (job {}), and on-replace = \
         \"hold\"; jw-ingest retry {id} uploads it as another video, jw-ingest cancel {id} leaves \
         it",
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
