//! Asking the platform for a file before it is uploaded, where the job table was made in the place of a
//! lost one or restored from a backup: the file may be uploaded already.
//!
//! API v1 finds a video by its MD5, and tells its size. API v2 reports neither in its list, so that
//! each video with the file's title is examined; one of which it reports nothing then either is a
//! question for a person. An answer that does not come is no answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::attempt::Attempt;
use super::end::End;
use super::identify::{self, Sums, kind};
use super::metadata;
use super::moments::{is_within, later};
use super::record::agreed;
use super::source::Source;
use super::told::{self, Told};
use crate::clock;
use crate::platform::{self, Client, Status, Video};
use crate::queue::restored;

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

/// Looks whether the file is uploaded; if it is not, or nothing was lost, the step continues.
pub(super) async fn rule_out_earlier_upload(
    attempt: &Attempt,
    client: &Client,
    source: &Arc<Source>,
) -> Result<(), End> {
    let job = attempt.job();
    let (file, now) = (job.identity, clock::now());
    let may_be_up = attempt.write(move |db, _| restored::may_have_known(db, &file, now));
    if job.by_hand || !may_be_up.await? {
        return Ok(());
    }
    let sums = identify::sum(attempt, source, BTreeSet::new()).await?;
    let place = (job.watch.as_str(), job.path.as_path());
    let gathered = metadata::gather(&attempt.context, place, job.identity.mtime_ns).await;
    // The sum of a file that holds an address says nothing of the video.
    let is_address = kind(&job.path) == identify::Kind::Address;
    let md5 = if is_address { "" } else { &sums.md5 };
    let titles = [gathered.described.title.as_str()];
    let asked = client.find_by_content(md5, &titles, Timestamp::UNIX_EPOCH);
    let videos = attempt.call(asked).await?;
    let keys: Vec<String> = videos.iter().map(|video| video.key.to_string()).collect();
    let own = attempt.write(move |db, _| restored::own(db, &keys)).await?;
    let videos = attempt.call(ask_for_bytes(client, videos, &own)).await?;
    let answer = answer(&videos, &own, (md5, source.size()));
    attempt.check_unmoved(source).await?;
    settle_answer(attempt, (answer, &sums)).await
}

/// The videos with what the platform reports of their bytes, where its list tells nothing. Those of
/// this table's jobs are known.
async fn ask_for_bytes(
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

/// What follows from what they say.
async fn settle_answer(attempt: &Attempt, (answer, sums): (Answer<'_>, &Sums)) -> Result<(), End> {
    let (job, settings, now) = (attempt.job(), attempt.settings(), clock::now());
    let longest = settings.config.confirm.give_up_after;
    match answer {
        Answer::None => Ok(()),
        Answer::Found(video) => {
            agreed::is_on_the_platform(attempt, video, &sums.md5).await?;
            // Another job has this content: the next attempt finds it there.
            Err(End::Later {
                run_at: later(now, settings.config.retry.first_delay),
                word: "duplicate",
                why: format!("video {} has its content and is another job's", video.key),
            })
        }
        Answer::Later(video) if is_within(job.created_at, longest, now) => Err(End::Later {
            run_at: later(now, settings.config.retry.max_delay),
            word: "ambiguous",
            why: format!(
                "video {} may have its content and is {}: asked again, because the job table does not know every upload",
                video.key,
                video.status.word()
            ),
        }),
        Answer::Later(video) | Answer::Open(video) => Err(End::Held(format!(
            "held: the job table was lost or restored from a backup, and video {} has the same title; the platform \
             does not tell whether it has the same content. Compare them: `jw-ingest retry {}` uploads the file, otherwise leave it",
            video.key, job.id
        ))),
    }
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
