//! A change of a video that this program makes itself must not look like somebody else's: by the video's
//! last change it is known that its content is still what was sent, where the platform tells no checksum.

use crate::ingest::context::Context;
use crate::ingest::persist::persist;
use crate::platform::{self, Client, Update};
use crate::queue::{Error, JobId, sent};

/// Updates a video and notes the change as ours, if nobody else made one since the upload.
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
    if let Err(error) = client.update(&key, update).await {
        return Ok(Err(error));
    }
    // Not to know it keeps the file in its place, and is no reason to tell the platform once more.
    let after = client.show(&key).await.ok().and_then(|video| video.updated);
    if let (Some(before), Some(after)) = (before, after) {
        let video_key = video_key.to_owned();
        persist(context, move |db| {
            sent::changed_by_us(db, job, (&video_key, before, after))
        })
        .await?;
    }
    Ok(Ok(()))
}
