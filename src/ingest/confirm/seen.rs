//! Asking the platform for many videos at once: one list call, and a few by name.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use crate::chain;
use crate::platform::{Client, Error, Video};
use crate::queue::confirm::Waiting;

/// Videos per list call: few enough for an answer of a megabyte.
const PAGE: u32 = 500;

/// Pages per look; what has not changed for longer is asked for by name.
const PAGES: u32 = 4;

/// Videos asked for by name per look, which costs a call each.
const BY_NAME: usize = 5;

/// How the platform sees the videos, by key: `None` for one that it does not know. A key that is
/// not there was not asked for; its turn comes, since those that are due longest come first.
pub(super) async fn seen(
    client: &Client,
    waiting: &[Waiting],
    now: Timestamp,
) -> Result<HashMap<String, Option<Video>>, Error> {
    let mut found = match newest(client, waiting).await {
        // One entry that cannot be read, perhaps of a stranger's video, spoils the list: the others
        // are asked for by name meanwhile.
        Err(error) if error.is_misshapen() => {
            tracing::warn!("{}; asking for each video instead", chain(&error));
            HashMap::new()
        }
        other => other?,
    };
    let missing: Vec<_> = waiting
        .iter()
        .filter(|job| job.run_at <= now && !found.contains_key(&job.video_key))
        .take(BY_NAME)
        .collect();
    for job in missing {
        let answer = match client.show(&job.video_key.parse()?).await {
            Ok(video) => Some(video),
            Err(error) if error.is_not_found() => None,
            Err(error) if error.is_misshapen() => continue,
            Err(error) => return Err(error),
        };
        found.insert(job.video_key.clone(), answer);
    }
    Ok(found)
}

/// Those among the videos that changed last.
async fn newest(
    client: &Client,
    waiting: &[Waiting],
) -> Result<HashMap<String, Option<Video>>, Error> {
    let wanted: HashSet<&str> = waiting.iter().map(|job| job.video_key.as_str()).collect();
    let mut found = HashMap::new();
    for page in 0..PAGES {
        let answer = client.newest(PAGE, u64::from(page * PAGE)).await?;
        let last = answer.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        let ours = answer.into_iter().filter_map(|video| {
            let key = video.key.to_string();
            wanted.contains(key.as_str()).then_some((key, Some(video)))
        });
        found.extend(ours);
        if last || found.len() == wanted.len() {
            break;
        }
    }
    Ok(found)
}
