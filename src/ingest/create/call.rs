//! The create call, and what is noted before it.

use std::borrow::Cow;

use crate::disposition::Disposition;
use crate::ingest::attempt::Attempt;
use crate::ingest::choice::Choice;
use crate::ingest::end::{Done, End};
use crate::ingest::fetch::Order;
use crate::ingest::metadata::{self, Gathered};
use crate::metadata::Metadata;
use crate::platform::{Client, Created, NewVideo};
use crate::queue::{self, outcome};
use crate::{address, chain, clock};

pub(in crate::ingest) async fn create(
    attempt: &Attempt,
    client: &Client,
    (Choice { way, why }, order): (Choice, Option<Order>),
) -> Result<Done, End> {
    let job = attempt.job();
    // The usual reasons follow from size and configuration; these do not.
    if let Cow::Owned(why) = &why {
        let path = attempt.path();
        tracing::info!(job.id = job.id.0, "{path}: by {}: {why}", way.word());
    }
    let ours = order.as_ref().and_then(|order| order.file.as_ref());
    let md5 = ours.map(|ours| ours.md5.clone());
    let gathered = told_with(attempt).await;
    let (digest, fault) = (gathered.digest, gathered.fault);
    let now = clock::now();
    attempt
        .write(move |db, lease| {
            let told = (digest.as_deref(), fault.as_deref());
            queue::metadata::told(db, lease, told, now)?;
            if let Some(md5) = &md5 {
                queue::fetch::summed(db, lease, md5)?;
            }
            outcome::create_begins(db, lease, (way.word(), &why), now)
        })
        .await?;
    let video = NewVideo {
        title: &gathered.described.title,
        metadata: &gathered.described.metadata,
        ingest_id: &job.ingest_id,
        way,
        // Of what is at the address in a file, nothing is known.
        size: match &order {
            Some(order) => order.file.as_ref().map(|content| content.size),
            None => Some(job.identity.bytes()),
        },
        source: order.as_ref().map(|order| &order.source),
    };
    match call_create(attempt, client, video).await {
        Ok(created) => Ok(Done::Created {
            way,
            created,
            replaced: None,
        }),
        Err(End::Call(error)) => {
            if error.disposition() != Disposition::Ambiguous {
                attempt.write(outcome::create_came_to_nothing).await?;
            }
            Err(End::Call(error))
        }
        Err(end) => Err(end),
    }
}

/// The metadata that is sent with the video; what cannot be sent is reported.
async fn told_with(attempt: &Attempt) -> Gathered {
    let job = attempt.job();
    let place = (job.watch.as_str(), job.path.as_path());
    let gathered = metadata::gather(&attempt.context, place, job.identity.mtime_ns).await;
    if let Some(fault) = &gathered.fault {
        tracing::warn!(job.id = job.id.0, "{}: {fault}", attempt.path());
    }
    gathered
}

/// Makes the call. A video that is refused with all metadata is made with its title alone, so that
/// a wrong word in a sidecar or a rule holds no video up; what is wrong is noted.
async fn call_create(
    attempt: &Attempt,
    client: &Client,
    video: NewVideo<'_>,
) -> Result<Created, End> {
    let error = match attempt.call(client.create(video)).await {
        Err(End::Call(error))
            if error.disposition() == Disposition::Permanent
                && *video.metadata != Metadata::NONE =>
        {
            error
        }
        answer => return answer,
    };
    let fault = format!(
        "the platform refused the video with its metadata, and it was made with its title alone: {}",
        address::hosts_only(&chain(&error))
    );
    let path = attempt.path();
    tracing::warn!(job.id = attempt.job().id.0, "{path}: {fault}");
    let now = clock::now();
    attempt
        .write(move |db, lease| queue::metadata::told(db, lease, (None, Some(&fault)), now))
        .await?;
    let plain = NewVideo {
        metadata: &Metadata::NONE,
        ..video
    };
    attempt.call(client.create(plain)).await
}
