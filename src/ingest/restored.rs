//! Asking the platform for a file before it is uploaded, where the job table was made in the place of a
//! lost one or restored from a backup: the file may be uploaded already.
//!
//! API v1 finds a video by its MD5, and tells its size. API v2 reports neither in its list, so that
//! each video with the file's title is examined; one of which it reports nothing then either is a
//! question for a person. An answer that does not come is no answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::calls::{park, settle_call, until_stopped};
use super::fate;
use super::identify::{self, Sums, kind};
use super::metadata;
use super::persist::persist;
use super::source::Source;
use super::told::{self, Told};
use super::trouble;
use super::worker::{Next, Task};
use crate::platform::{self, Client, Status, Video};
use crate::queue::outcome::Report;
use crate::queue::{Error, Lease, replace, restored};
use crate::{clock, text};

/// Videos with the file's title that are examined: more than a day's worth of bulletins.
const EXAMINED: usize = 20;

/// What the platform's videos say about a file.
#[derive(Debug, PartialEq)]
enum Answer<'a> {
    /// It is this video.
    Found(&'a Video),
    /// It may be this video, which the platform still works on.
    Later(&'a Video),
    /// It may be this video, and the platform reports no checksum of it.
    Open(&'a Video),
    /// It is none of them.
    None,
}

/// Looks whether the file is uploaded. `None`: it is not, or nothing was lost; continue.
pub(super) async fn look(
    task: &Task,
    lease: &Lease,
    client: &Client,
    source: &Arc<Source>,
) -> Result<Option<Next>, Error> {
    let context = &task.context;
    let (file, now) = (lease.job.identity, clock::now());
    let may_be_up = persist(context, move |db| restored::may_have_known(db, &file, now));
    if lease.job.by_hand || !may_be_up.await? {
        return Ok(None);
    }
    let sums = match identify::sum(task, source, BTreeSet::new()).await {
        Ok(Some(sums)) => sums,
        Ok(None) => return park(task, lease).await.map(Some),
        Err(problem) => {
            trouble::settle(context, lease, problem, 0).await?;
            return Ok(Some(Next::Finished));
        }
    };
    let place = (lease.job.watch.as_str(), lease.job.path.as_path());
    let gathered = metadata::gather(context, place, lease.job.identity.mtime_ns).await;
    // The sum of a file that holds an address says nothing of the video.
    let is_address = kind(&lease.job.path) == identify::Kind::Address;
    let md5 = if is_address { "" } else { &sums.md5 };
    let titles = [gathered.described.title.as_str()];
    let asked = client.find_by_content(md5, &titles, Timestamp::UNIX_EPOCH);
    let videos = match until_stopped(task, asked).await {
        None => return park(task, lease).await.map(Some),
        Some(Ok(videos)) => videos,
        Some(Err(error)) => {
            settle_call(task, lease, &error).await?;
            return Ok(Some(Next::Finished));
        }
    };
    let keys: Vec<String> = videos.iter().map(|video| video.key.to_string()).collect();
    let own = persist(context, move |db| restored::own(db, &keys)).await?;
    match until_stopped(task, examine(client, videos, &own)).await {
        None => park(task, lease).await.map(Some),
        Some(Ok(videos)) => {
            let answer = answer(&videos, &own, (md5, source.size()));
            settle(task, lease, (answer, &sums)).await
        }
        Some(Err(error)) => {
            settle_call(task, lease, &error).await?;
            Ok(Some(Next::Finished))
        }
    }
}

/// The videos with what the platform reports of their bytes, where its list tells nothing. Those of
/// this table's jobs are known.
async fn examine(
    client: &Client,
    videos: Vec<Video>,
    own: &BTreeSet<String>,
) -> Result<Vec<Video>, platform::Error> {
    let (mut known, mut asked) = (Vec::new(), 0);
    for video in videos {
        let is_open = video.status == Status::Ready && !own.contains(video.key.as_str());
        if client.lists_checksums() || !is_open || asked == EXAMINED {
            known.push(video);
            continue;
        }
        asked += 1;
        match client.examine(&video.key).await {
            Ok(video) => known.push(video),
            // It was deleted just now.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(known)
}

async fn settle(
    task: &Task,
    lease: &Lease,
    (answer, sums): (Answer<'_>, &Sums),
) -> Result<Option<Next>, Error> {
    let (context, now) = (&task.context, clock::now());
    let path = text::path(&lease.job.path);
    let settings = context.now_settings();
    let report = |message: String| Report {
        message: Some(message),
        ..Report::default()
    };
    let has_waited = !fate::is_within(
        lease.job.created_at,
        settings.config.confirm.give_up_after,
        now,
    );
    match answer {
        Answer::None => return Ok(None),
        Answer::Found(video) => {
            let (key, held, md5) = (video.key.to_string(), lease.clone(), sums.md5.clone());
            let (taken, mark) = (key.clone(), video.ingest_id.clone());
            let is_ours = persist(context, move |db| {
                restored::found(db, &held, (&taken, mark.as_deref(), &md5), now)
            });
            if !is_ours.await? {
                // Another job has this content: the next attempt finds it there.
                let run_at = fate::later(now, settings.config.retry.first_delay);
                let message = report(format!("video {key} has its content and is another job's"));
                fate::give_back(context, lease, run_at, ("duplicate", message)).await?;
                return Ok(Some(Next::Finished));
            }
            tracing::info!(job.id = lease.job.id.0, video.key = %key, "{path}: not uploaded, it is on the platform as video {key}");
            context.confirms.notify_one();
        }
        Answer::Later(video) if !has_waited => {
            let message = report(format!(
                "video {} may have its content and is {}: asked again, because the job table does not know every upload",
                video.key,
                video.status.word()
            ));
            let run_at = fate::later(now, settings.config.retry.max_delay);
            fate::give_back(context, lease, run_at, ("ambiguous", message)).await?;
        }
        Answer::Later(video) | Answer::Open(video) => {
            let message = format!(
                "held: the job table was lost or restored from a backup, and video {} has the same title; the platform \
                 does not tell whether it has the same content. Compare them: `jw-ingest retry {}` uploads the file, otherwise leave it",
                video.key, lease.job.id
            );
            tracing::warn!(job.id = lease.job.id.0, "{path}: {message}");
            let (held, report) = (lease.clone(), report(message));
            persist(context, move |db| replace::hold(db, &held, &report, now)).await?;
        }
    }
    Ok(Some(Next::Finished))
}

/// What they say, the clearest first. A video without bytes, or one that failed, is not a copy of
/// it. `own` are those of this table's jobs: what they hold is known, so that the same title says
/// nothing, and the same MD5 does.
fn answer<'a>(videos: &'a [Video], own: &BTreeSet<String>, (md5, size): (&str, u64)) -> Answer<'a> {
    // The size of a file that holds an address says nothing of the video either.
    let ours = (!md5.is_empty()).then_some(md5);
    let bytes = ours.and(i64::try_from(size).ok());
    let told = |video: &Video| told::compare((ours, bytes), video);
    let may_be = |video: &&Video| {
        let told = told(video);
        let is_known = own.contains(video.key.as_str()) && told != Told::Checksum;
        told != Told::Other
            && !is_known
            && !matches!(video.status, Status::Created | Status::Failed)
    };
    let is_ready = |video: &&Video| video.status == Status::Ready;
    let is_proven = |video: &&Video| {
        told(video) == Told::Checksum && video.size.is_none_or(|known| known == size)
    };
    let candidates = || videos.iter().filter(may_be);
    if let Some(video) = candidates().find(|video| is_ready(video) && is_proven(video)) {
        return Answer::Found(video);
    }
    if let Some(video) = candidates().find(|video| !is_ready(video)) {
        return Answer::Later(video);
    }
    candidates().next().map_or(Answer::None, Answer::Open)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "ffffffffffffffffffffffffffffffff";

    fn video(status: Status, md5: Option<&str>, size: Option<u64>) -> Video {
        Video {
            key: "tL17msiU".parse().unwrap(),
            status,
            title: Some("a".to_owned()),
            ingest_id: None,
            size,
            md5: md5.map(str::to_owned),
            duration: None,
            error: None,
            date: None,
            updated: None,
            upload_session_id: None,
        }
    }

    #[test]
    fn only_a_clear_yes_is_one_and_only_a_clear_no_uploads() {
        let ready = |md5, size| video(Status::Ready, md5, size);
        let working = || video(Status::Processing, None, None);
        for (seen, says) in [
            (vec![], "none"),
            (vec![ready(Some(MD5), Some(5))], "found"),
            (vec![working(), ready(Some(MD5), None)], "found"),
            (vec![ready(Some(MD5), Some(6))], "open"),
            (vec![ready(Some(OTHER), Some(5))], "none"),
            (vec![ready(None, None)], "open"),
            // The size alone is no yes, and a no.
            (vec![ready(None, Some(5))], "open"),
            (vec![ready(None, Some(6))], "none"),
            (vec![working()], "later"),
            (vec![video(Status::Created, None, None)], "none"),
            (vec![video(Status::Failed, Some(MD5), Some(5))], "none"),
        ] {
            assert_eq!(word(&seen, &[]), says, "{seen:?}");
        }
    }

    #[test]
    fn a_video_of_this_tables_own_jobs_is_a_copy_by_its_md5_only() {
        let own = ["tL17msiU"];
        for (md5, says) in [(None, "none"), (Some(OTHER), "none"), (Some(MD5), "found")] {
            let seen = [video(Status::Ready, md5, Some(5))];
            assert_eq!(word(&seen, &own), says, "{md5:?}");
        }
        let seen = [video(Status::Processing, None, None)];
        assert_eq!(word(&seen, &own), "none");
        let seen = [video(Status::Processing, Some(MD5), None)];
        assert_eq!(word(&seen, &own), "later");
    }

    fn word(seen: &[Video], own: &[&str]) -> &'static str {
        let own = own.iter().map(|key| (*key).to_owned()).collect();
        match answer(seen, &own, (MD5, 5)) {
            Answer::Found(_) => "found",
            Answer::Later(_) => "later",
            Answer::Open(_) => "open",
            Answer::None => "none",
        }
    }
}
