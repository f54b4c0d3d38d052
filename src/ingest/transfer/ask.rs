//! Asking the platform before anything is sent again: the last byte of an earlier attempt may have
//! arrived.

use std::sync::Arc;

use jiff::Timestamp;

use super::{end, settle_trouble, start_over};
use crate::clock;
use crate::disposition::Disposition;
use crate::ingest::calls::{park, settle_call, until_stopped};
use crate::ingest::disk;
use crate::ingest::fate::{self, Failure};
use crate::ingest::persist::persist;
use crate::ingest::source::Problem;
use crate::ingest::worker::{Next, Task};
use crate::platform::{Status, Video, VideoKey};
use crate::queue::outcome::Report;
use crate::queue::{Error, Lease, replace, ticket};
use crate::way::Way;

/// The platform notices an S3 object some time after the PUT; it is believed not to have arrived
/// only after so many poll intervals.
const POLLS_OF_PATIENCE: u32 = 3;

/// The last byte may have arrived: asks the platform. `None`: it has not; send again.
pub(super) async fn ask_first(
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
    match has_arrived(task, lease, &video).await? {
        Arrival::Known(true) => return arrived(task, lease).await.map(Some),
        Arrival::Known(false) => {}
        Arrival::Settled(next) => return Ok(Some(next)),
    }
    let poll = settings.config.confirm.poll_interval;
    let now = clock::now();
    if fate::is_within(since, poll * POLLS_OF_PATIENCE, now) {
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
    if !is_in_parts(lease) {
        // Of parts only the list says whether they were completed: until then the note stays.
        let lost = lease.clone();
        persist(context, move |db| {
            ticket::last_byte_counts_as_lost(db, &lost)
        })
        .await?;
    }
    Ok(None)
}

/// Whether the bytes are there.
enum Arrival {
    /// Whether they are, as far as the platform reports.
    Known(bool),
    /// The file itself decided about this attempt.
    Settled(Next),
}

/// A video that was there before the job is `ready` with its old content until the platform notices
/// the new one: only its checksum tells them apart. Without it the bytes count as not arrived, as it
/// does no harm to send them again.
async fn has_arrived(task: &Task, lease: &Lease, video: &Video) -> Result<Arrival, Error> {
    if lease.job.replaces.is_none() || video.status != Status::Ready {
        if lease.job.replaces.is_some() {
            // It may be ready before the next look, and that it was at work is the proof.
            let (seen, status) = (lease.clone(), video.status.word().to_owned());
            persist(&task.context, move |db| replace::seen(db, &seen, &status)).await?;
        }
        return Ok(Arrival::Known(video.status != Status::Created));
    }
    let Some(theirs) = &video.md5 else {
        return Ok(Arrival::Known(false));
    };
    let summed = match disk::open(task, lease).await {
        Some(Ok(source)) => disk::md5(task, &Arc::new(source)).await,
        Some(Err(problem)) => Some(Err(problem)),
        None => None,
    };
    match summed {
        None => park(task, lease).await.map(Arrival::Settled),
        // Nothing is left to send or to compare with: it has arrived if the video has other content
        // than before.
        Some(Err(Problem::Gone)) => {
            let id = lease.job.id;
            let former = persist(&task.context, move |db| replace::former_md5(db, id)).await?;
            let is_former = former.is_some_and(|md5| md5.eq_ignore_ascii_case(theirs));
            Ok(Arrival::Known(!is_former))
        }
        Some(Ok(ours)) => Ok(Arrival::Known(ours.eq_ignore_ascii_case(theirs))),
        Some(Err(problem)) => settle_trouble(task, lease, problem, 0)
            .await
            .map(Arrival::Settled),
    }
}

fn is_in_parts(lease: &Lease) -> bool {
    lease.job.way == Some(Way::Multipart)
}

/// An earlier attempt got through. Its bytes are the file's, if that has not changed since; the
/// checksum is made now, so that the platform's can be compared. What went in parts was compared
/// part by part, and the platform reports no checksum of the whole.
async fn arrived(task: &Task, lease: &Lease) -> Result<Next, Error> {
    let in_parts = is_in_parts(lease);
    let summed = match disk::open(task, lease).await {
        Some(Ok(_)) if in_parts => Some(Ok(None)),
        Some(Ok(source)) => {
            let md5 = disk::md5(task, &Arc::new(source)).await;
            md5.map(|md5| md5.map(Some))
        }
        Some(Err(problem)) => Some(Err(problem)),
        None => None,
    };
    match summed {
        None => park(task, lease).await,
        Some(Ok(md5)) => end::finish(task, lease, md5, &Report::default()).await,
        // Deleted or moved away after it was sent: there is nothing left to compare with.
        Some(Err(Problem::Gone)) => end::finish(task, lease, None, &Report::default()).await,
        Some(Err(problem)) => settle_trouble(task, lease, problem, 0).await,
    }
}
