//! A change of a video that this program makes itself must not look like another person's: by the
//! video's last change it is known that its content is still what was sent, where the platform
//! reports no checksum.

use crate::clock;
use crate::ingest::context::Context;
use crate::ingest::persist::persist;
use crate::platform::{self, Client, Update};
use crate::queue::{Error, JobId, sent};

/// Updates a video and notes the change as ours, if the video was not changed since the upload.
pub(super) async fn update(
    context: &Context,
    client: &Client,
    (job, video_key): (JobId, &str),
    update: Update<'_>,
) -> Result<Result<(), platform::Error>, Error> {
    let key = match video_key.parse() {
        Ok(key) => key,
        Err(error) => return Ok(Err(error)),
    };
    let before = match client.show(&key).await {
        Ok(video) => video.updated,
        Err(error) => return Ok(Err(error)),
    };
    // Ahead of the call: a kill, or an answer that is lost, must not make a stranger's change of it.
    let called = client.platform_time(clock::now()).as_nanosecond();
    let called = i64::try_from(called).unwrap_or(i64::MAX);
    let noted = video_key.to_owned();
    persist(context, move |db| {
        sent::change_begins(db, job, (&noted, before, called))
    })
    .await?;
    let video_key = video_key.to_owned();
    if let Err(error) = client.update(&key, update).await {
        if error.is_certain() {
            persist(context, move |db| sent::forget_change(db, job, &video_key)).await?;
        }
        return Ok(Err(error));
    }
    // Not to know it is no reason to tell the platform once more: the next look knows when it was called.
    let after = client.show(&key).await.ok().and_then(|video| video.updated);
    if let (Some(before), Some(after)) = (before, after) {
        persist(context, move |db| {
            sent::changed_by_us(db, job, (&video_key, before, after))
        })
        .await?;
    }
    Ok(Ok(()))
}
