//! The key of a video that was sent by FTP: the platform creates it by itself and does not report
//! it, so it is searched for by its MD5, then by its title.
//!
//! A wrong key is worse than none. So a candidate counts only if it is not older than the file on
//! the server, no other job's, nothing about it contradicts the file, and it is the only one.

use std::time::Duration;

use jiff::Timestamp;

use super::verdict::pause;
use crate::disposition::Disposition;
use crate::ingest::context::Context;
use crate::ingest::moments::{evenly, later};
use crate::ingest::persist::persist;
use crate::platform::{self, Client, Status, Video};
use crate::queue::confirm::Waiting;
use crate::queue::ftp::{self, Seeking};
use crate::queue::{Error, retry};
use crate::upload::ftp::{other, plain};
use crate::{chain, clock, text};

/// Jobs per look: each costs up to five list calls, of which some thirty a minute are allowed.
const AT_ONCE: u32 = 2;

/// Videos with the right title that are examined per look.
const EXAMINED: usize = 10;

/// Each look is several calls, of which the platform allows so many a minute.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// How far the platform's clock may be behind ours.
const SLACK: Duration = Duration::from_mins(5);

/// Looks for the keys that are due.
pub(super) async fn look_for_keys(
    context: &Context,
    account: &str,
    client: &Client,
) -> Result<(), Error> {
    let (name, now) = (account.to_owned(), clock::now());
    let seeking = persist(context, move |db| ftp::seeking(db, &name, now, AT_ONCE)).await?;
    for job in seeking {
        let since = since(&job, client);
        let titles = list_titles(&job);
        let md5 = job.md5.as_deref().unwrap_or_default();
        let words: Vec<&str> = titles.iter().map(String::as_str).collect();
        match client.find_by_content(md5, &words, since).await {
            Ok(videos) => {
                let mut found = Found {
                    videos: keep_free(context, &job, videos).await?,
                    since,
                };
                if let Err(error) = ask_for_bytes(client, &mut found, &titles).await {
                    return put_off(context, account, (&job, &error)).await;
                }
                settle_search(context, account, (&job, found, &titles)).await?;
            }
            Err(error) => return put_off(context, account, (&job, &error)).await,
        }
    }
    Ok(())
}

/// Those that are no job's, and were not taken for this one's by mistake before.
async fn keep_free(
    context: &Context,
    job: &Seeking,
    videos: Vec<Video>,
) -> Result<Vec<Video>, Error> {
    let id = job.id;
    persist(context, move |db| {
        let mut free = videos.clone();
        for video in &videos {
            if !ftp::is_free(db, id, video.key.as_str())? {
                free.retain(|other| other.key != video.key);
            }
        }
        Ok(free)
    })
    .await
}

/// Where the search tells neither size nor MD5, each video that may be it is asked for them. What
/// is not known about one afterwards, the platform does not report, or not yet.
async fn ask_for_bytes(
    client: &Client,
    found: &mut Found,
    titles: &[String],
) -> Result<(), platform::Error> {
    if client.lists_checksums() {
        return Ok(());
    }
    let since = found.since;
    let is_open =
        |video: &&mut Video| is_likely(video, (since, titles)) && video.status == Status::Ready;
    let mut deleted = Vec::new();
    for video in found.videos.iter_mut().filter(is_open).take(EXAMINED) {
        match client.examine(&video.key).await {
            Ok(known) => *video = known,
            Err(error) if error.is_not_found() => deleted.push(video.key.clone()),
            Err(error) => return Err(error),
        }
    }
    found.videos.retain(|video| !deleted.contains(&video.key));
    Ok(())
}

/// What a search found, and by the platform's clock the moment that none of it may be older than.
struct Found {
    videos: Vec<Video>,
    since: Timestamp,
}

/// The moment before which no video can be the job's, by the platform's clock.
fn since(job: &Seeking, client: &Client) -> Timestamp {
    let sent_at = client.platform_time(job.sent_at);
    sent_at.checked_sub(SLACK).unwrap_or(sent_at)
}

/// A video that was taken for the job's shows other bytes now that it has any: it belongs to
/// another file, and must not be touched. Answers whether the job is one that such a thing can
/// happen to.
pub(super) async fn let_go(context: &Context, job: &Waiting, why: &str) -> Result<bool, Error> {
    let (held, said, now) = (job.clone(), why.to_owned(), clock::now());
    let is_ours = persist(context, move |db| ftp::let_go(db, &held, (&said, now))).await?;
    if is_ours {
        let path = text::path(&job.path);
        tracing::warn!(
            job.id = job.id.0,
            "{path}: {why}: it is another video, and that of this file is looked for again"
        );
    }
    Ok(is_ours)
}

/// What the platform may have made of the file's name.
fn list_titles(job: &Seeking) -> Vec<String> {
    let name = plain(job.path.file_name().unwrap_or_default());
    let other = other(&name, &job.ingest_id);
    let mut titles = Vec::new();
    for name in [name, other] {
        let stem = match name.rsplit_once('.') {
            Some((stem, _)) if !stem.is_empty() => stem.trim().to_owned(),
            _ => name.trim().to_owned(),
        };
        for title in [stem, name] {
            if !titles.contains(&title) {
                titles.push(title);
            }
        }
    }
    titles
}

async fn settle_search(
    context: &Context,
    account: &str,
    (job, found, titles): (&Seeking, Found, &[String]),
) -> Result<(), Error> {
    let (id, now) = (job.id, clock::now());
    let path = text::path(&job.path);
    let picked = pick_video((job, found.since), &found.videos, titles);
    if let Pick::One(video) = picked {
        let key = video.key.to_string();
        let taken = key.clone();
        if persist(context, move |db| ftp::found(db, id, &taken, now)).await? {
            tracing::info!(job.id = id.0, video.key = %key, "{path}: its video is {key}");
            context.confirms.notify_one();
        }
        return Ok(());
    }
    let settings = context.now_settings();
    let wait = patience(context, account);
    let searching_since = searching_since(job);
    let end = later(searching_since, wait);
    if now < end {
        let rest = pause(
            now.duration_since(searching_since),
            &settings.config.confirm,
        );
        let rest = rest.max(SHORTEST_PAUSE);
        let run_at = later(now, rest).min(end);
        return persist(context, move |db| ftp::later(db, id, run_at)).await;
    }
    let message = give_up(&picked, wait);
    tracing::warn!(job.id = id.0, "{path}: {message}");
    persist(context, move |db| ftp::never_found(db, id, &message, now)).await?;
    Ok(())
}

/// Since when: a wrong key took time away from the search.
fn searching_since(job: &Seeking) -> Timestamp {
    evenly(job.let_go_at.unwrap_or(job.sent_at))
}

fn give_up(picked: &Pick<'_>, wait: Duration) -> String {
    let wait = format!(
        "{:#}",
        jiff::SignedDuration::try_from(wait).unwrap_or_default()
    );
    match picked {
        Pick::Open(keys) => format!(
            "sent by FTP; the title of {} is right, and the platform reports neither size nor MD5, so nothing proves \
             within {wait} that it is this file: compare them on the platform",
            match keys.as_slice() {
                [key] => format!("video {key}"),
                several => format!("each of the videos {}", several.join(", ")),
            }
        ),
        Pick::Several(keys) => format!(
            "sent by FTP; several videos match it, and none with certainty within {wait}: look on \
             the platform at {}",
            keys.join(", ")
        ),
        Pick::One(_) | Pick::None => format!(
            "sent by FTP; no video with its MD5 or title appeared within {wait}: look on the platform"
        ),
    }
}

/// The look itself failed. A platform that will never answer it is not asked forever; one that is
/// out of reach is, as nothing was seen yet.
async fn put_off(
    context: &Context,
    account: &str,
    (job, error): (&Seeking, &platform::Error),
) -> Result<(), Error> {
    let (id, now) = (job.id, clock::now());
    let said = chain(error);
    if error.disposition() == Disposition::Permanent
        && now >= later(searching_since(job), patience(context, account))
    {
        let message = format!("sent by FTP; the platform refused the search for its video: {said}");
        persist(context, move |db| ftp::never_found(db, id, &message, now)).await?;
        return Ok(());
    }
    let retry = &context.now_settings().config.retry;
    let wait = retry::delay(1, retry.first_delay, retry.max_delay, None);
    tracing::warn!(
        job.id = id.0,
        "cannot ask the platform for the key of what was sent by FTP: {said}"
    );
    persist(context, move |db| ftp::later(db, id, later(now, wait))).await
}

/// How long a key is looked for. Without the section nothing says so: no reason to wait forever.
fn patience(context: &Context, account: &str) -> Duration {
    let settings = context.now_settings();
    let account = settings.config.accounts.get(account);
    let ftp = account.and_then(|account| account.ftp.as_ref());
    ftp.map_or(Duration::ZERO, |ftp| ftp.key_wait)
}

/// What the candidates come to.
#[derive(Debug, PartialEq)]
enum Pick<'a> {
    /// This one it is.
    One(&'a Video),
    /// None that it must be.
    None,
    /// Each of these keys may be it.
    Several(Vec<String>),
    /// These have its title, and nothing else is known of them.
    Open(Vec<String>),
}

/// Whether the video has one of the titles, and is not older than that.
fn is_likely(video: &Video, (since, titles): (Timestamp, &[String])) -> bool {
    let is_named = video
        .title
        .as_ref()
        .is_some_and(|title| titles.contains(title));
    is_named && video.date.is_some_and(|date| date >= since.as_second())
}

/// Chooses the video: by its MD5, then by its title.
fn pick_video<'a>(
    (job, since): (&Seeking, Timestamp),
    videos: &'a [Video],
    titles: &[String],
) -> Pick<'a> {
    let fresh = |video: &&Video| video.date.is_some_and(|date| date >= since.as_second());
    let is_named = |video: &&Video| {
        let title = video.title.as_ref();
        title.is_some_and(|title| titles.contains(title))
    };
    let fresh: Vec<&Video> = videos.iter().filter(fresh).collect();
    let same: Vec<&Video> = fresh
        .iter()
        .copied()
        .filter(|video| agrees(job, video) == Some(true))
        .collect();
    let by_title = || -> Vec<&Video> { same.iter().copied().filter(is_named).collect() };
    match same.as_slice() {
        [] => {}
        [one] => return Pick::One(one),
        several => {
            return match by_title().as_slice() {
                [one] => Pick::One(one),
                _ => Pick::Several(keys(several)),
            };
        }
    }
    let named = fresh.into_iter().filter(is_named);
    let named: Vec<&Video> = named.filter(|video| agrees(job, video).is_none()).collect();
    let (sized, open): (Vec<&Video>, _) = named.into_iter().partition(|video| video.size.is_some());
    let likely: Vec<&Video> = sized.into_iter().filter(|video| fits(job, video)).collect();
    match (likely.as_slice(), open.as_slice()) {
        ([one], _) => Pick::One(one),
        ([], []) => Pick::None,
        ([], open) => Pick::Open(keys(open)),
        (several, _) => Pick::Several(keys(several)),
    }
}

fn keys(videos: &[&Video]) -> Vec<String> {
    videos.iter().map(|video| video.key.to_string()).collect()
}

/// What the MD5s say, where both are known.
fn agrees(job: &Seeking, video: &Video) -> Option<bool> {
    let (ours, theirs) = (job.md5.as_ref()?, video.md5.as_ref()?);
    Some(ours.eq_ignore_ascii_case(theirs))
}

/// Without an MD5 the size must be right. A title alone proves nothing: a person may give it to another video, which
/// would be given this one's metadata, or its next content.
fn fits(job: &Seeking, video: &Video) -> bool {
    video.size.and_then(|size| i64::try_from(size).ok()) == Some(job.size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::JobId;

    fn job() -> Seeking {
        Seeking {
            id: JobId(7),
            path: "/drop/Harbour.mp4".into(),
            ingest_id: "0190-deadbeef".to_owned(),
            sent_at: Timestamp::from_second(10_000).unwrap(),
            let_go_at: None,
            md5: Some("aa".to_owned()),
            size: 5,
        }
    }

    fn video(key: &str, title: &str, md5: Option<&str>, size: Option<u64>) -> Video {
        Video {
            key: key.parse().unwrap(),
            status: Status::Processing,
            title: Some(title.to_owned()),
            ingest_id: None,
            size,
            md5: md5.map(str::to_owned),
            duration: None,
            error: None,
            date: Some(10_005),
            updated: None,
            upload_session_id: None,
        }
    }

    fn picked(videos: &[Video]) -> String {
        let job = job();
        let since = job.sent_at.checked_sub(SLACK).unwrap();
        match pick_video((&job, since), videos, &list_titles(&job)) {
            Pick::One(video) => video.key.to_string(),
            Pick::None => "none".to_owned(),
            Pick::Several(keys) => keys.join("|"),
            Pick::Open(keys) => format!("open {}", keys.join("|")),
        }
    }

    #[test]
    fn the_titles_are_those_of_both_names() {
        let expected = [
            "Harbour",
            "Harbour.mp4",
            "Harbour-deadbeef",
            "Harbour-deadbeef.mp4",
        ];
        assert_eq!(list_titles(&job()), expected);
    }

    #[test]
    fn only_the_video_that_can_be_no_other_is_taken() {
        const ONE: &str = "AAAAAAA1";
        const TWO: &str = "AAAAAAA2";
        let mut old = video(ONE, "Harbour", Some("aa"), Some(5));
        old.date = Some(9_000);
        let mut undated = old.clone();
        undated.date = None;
        let mut ready = video(ONE, "Harbour", None, None);
        ready.status = Status::Ready;
        for (videos, expected) in [
            (vec![], "none"),
            (vec![video(ONE, "other", Some("AA"), Some(5))], ONE),
            (vec![video(ONE, "Harbour", None, Some(5))], ONE),
            (vec![video(ONE, "Harbour.mp4", None, Some(5))], ONE),
            // Nothing but the title is known, also once it is ready.
            (vec![ready.clone()], "open AAAAAAA1"),
            (vec![video(ONE, "Harbour", None, None)], "open AAAAAAA1"),
            (vec![ready, video(TWO, "Harbour", None, Some(5))], TWO),
            // Older than the file, or of unknown age.
            (vec![old], "none"),
            (vec![undated], "none"),
            // Another content, another size, only a part of the title.
            (vec![video(ONE, "Harbour", Some("bb"), Some(5))], "none"),
            (vec![video(ONE, "Harbour", None, Some(6))], "none"),
            (vec![video(ONE, "Harbour at dawn", None, Some(5))], "none"),
            // The same content twice: the title decides, or nothing can.
            (
                vec![
                    video(ONE, "x", Some("aa"), None),
                    video(TWO, "Harbour", Some("aa"), None),
                ],
                TWO,
            ),
            (
                vec![
                    video(ONE, "x", Some("aa"), None),
                    video(TWO, "y", Some("aa"), None),
                ],
                "AAAAAAA1|AAAAAAA2",
            ),
            (
                vec![
                    video(ONE, "Harbour", None, Some(5)),
                    video(TWO, "Harbour", None, Some(5)),
                ],
                "AAAAAAA1|AAAAAAA2",
            ),
            // An MD5 that is right counts for more than a title.
            (
                vec![
                    video(ONE, "x", Some("aa"), None),
                    video(TWO, "Harbour", None, Some(5)),
                ],
                ONE,
            ),
        ] {
            assert_eq!(picked(&videos), expected, "{videos:?}");
        }
    }
}
