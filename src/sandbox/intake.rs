//! A file that was received whole becomes its video's file.

use std::time::Duration;

use super::Sandbox;
use super::duration;
use super::refusal::Refusal;
use super::sign::hex;
use super::sink::Received;
use super::status::Media;
use super::video::Video;

/// What an upload host received.
pub(super) struct Delivery {
    pub(super) received: Received,
    /// The file name that the client gave.
    pub(super) name: Option<String>,
    /// How long the platform takes to notice it.
    pub(super) noticed_after: Duration,
    /// A failure that a test ordered.
    pub(super) failure: Option<String>,
}

/// Takes the file in. `check` gets the video, the size and the MD5; it may refuse the file now, or
/// name a reason for which the processing of it fails later.
pub(super) fn take(
    sandbox: &Sandbox,
    key: &str,
    delivery: Delivery,
    check: impl FnOnce(&mut Video, u64, &str) -> Result<Option<String>, Refusal>,
) -> Result<Video, Refusal> {
    let now = sandbox.now_ms();
    let Delivery {
        received,
        name,
        noticed_after,
        failure,
    } = delivery;
    let seconds = duration::of(&mut received.open()?);
    let (size, md5) = (received.size, hex(&received.md5));
    let noticed_at = now.saturating_add(milliseconds(noticed_after));
    sandbox.store.take_in(key, received, |video| {
        let unfit = check(video, size, &md5)?;
        let before = video.noticed(now).map(|media| Media {
            before: None,
            ..media.clone()
        });
        video.media = Some(Media {
            size,
            md5,
            name,
            duration: seconds.map(|seconds| format!("{seconds:.2}")),
            noticed_at,
            processed_at: noticed_at.saturating_add(milliseconds(sandbox.options.processing)),
            failure: failure.or(unfit).or_else(|| unusable(size, seconds)),
            update: video.link.update,
            before: before.map(Box::new),
        });
        video.pending = None;
        video.forced = None;
        Ok(())
    })
}

/// What the platform cannot use (JW docs: media shorter than two seconds are not processed).
fn unusable(size: u64, seconds: Option<f64>) -> Option<String> {
    if size == 0 {
        return Some("The file is empty".into());
    }
    let short = seconds.is_some_and(|seconds| seconds < SHORTEST_S);
    short.then(|| "The video is shorter than 2 seconds".into())
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

const SHORTEST_S: f64 = 2.0;
