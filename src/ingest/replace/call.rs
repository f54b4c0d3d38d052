//! The call that lets a job's content into another's video, and what follows when it is refused.

use std::time::Duration;

use super::says_shared;
use crate::disposition::Disposition;
use crate::ingest::attempt::Attempt;
use crate::ingest::choice::Choice;
use crate::ingest::create::call;
use crate::ingest::end::{Done, End, Failure};
use crate::ingest::fetch::Order;
use crate::metadata::Metadata;
use crate::platform::{self, Client, NewVideo, Status, VideoKey};
use crate::queue;
use crate::queue::outcome::Report;
use crate::queue::replace::{self, Predecessor, Replaced};
use crate::way::Way;
use crate::{address, chain, clock};

/// Asks the platform to take the job's content in place of what the video has. A video that is not
/// there any more is made again.
pub(in crate::ingest) async fn ask_for_replacement(
    attempt: &Attempt,
    client: &Client,
    (choice, order, before): (Choice, Option<Order>, Predecessor),
) -> Result<Done, End> {
    let key: VideoKey = match before.video_key.parse() {
        Ok(key) => key,
        Err(error) => return Err(refused(attempt, (&before, &chain(&error)))),
    };
    if !begins(attempt, &before, (&choice, order.as_ref())).await? {
        says_shared(attempt, &before);
        return call::create(attempt, client, (choice, order)).await;
    }
    let video = NewVideo {
        // Both stay as they are: the video is the one that they were given to.
        title: "",
        ingest_id: "",
        metadata: &Metadata::NONE,
        way: choice.way,
        size: match &order {
            Some(order) => order.file.as_ref().map(|content| content.size),
            None => Some(attempt.job().identity.bytes()),
        },
        source: order.as_ref().map(|order| &order.source),
    };
    let granted = match attempt.call(client.reupload(&key, video)).await {
        Err(End::Call(error)) if is_about_the_video(&error) => {
            attempt.write(replace::fetch_was_refused).await?;
            return denied(attempt, client, (choice, order, before), (&key, &error)).await;
        }
        granted => granted?,
    };
    // By its own clock, and after the call, which changes the video too: what comes later is the
    // new content's doing.
    let updated_before = match last_change(attempt, client, &key).await {
        Err(End::Call(error)) if error.is_not_found() => {
            return denied(attempt, client, (choice, order, before), (&key, &error)).await;
        }
        // No byte was sent, and the call may be made twice: the job asks again.
        Err(End::Call(error)) if error.disposition() == Disposition::Permanent => {
            return Err(End::failed(&error, Disposition::TRANSIENT));
        }
        updated_before => updated_before?,
    };
    Ok(Done::Created {
        way: choice.way,
        created: granted,
        replaced: Some(Replaced {
            job: before.job,
            updated_before,
        }),
    })
}

/// The pauses between the questions for a video's last change. Without it, it would be impossible
/// to tell later whether the new content has arrived, so that nothing is sent; one answer that is
/// lost is no reason to begin again.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
];

/// When the platform changed the video last, where it says so.
async fn last_change(
    attempt: &Attempt,
    client: &Client,
    key: &VideoKey,
) -> Result<Option<i64>, End> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let error = match attempt.call(client.show(key)).await {
            Err(End::Call(error)) => error,
            video => return Ok(video?.updated),
        };
        let Some(pause) = pauses.next().filter(|_| !error.is_not_found()) else {
            return Err(End::Call(error));
        };
        attempt.unless_stopped(tokio::time::sleep(pause)).await?;
    }
}

/// The platform does not take it: how the video is says why, and what to do.
async fn denied(
    attempt: &Attempt,
    client: &Client,
    (choice, order, before): (Choice, Option<Order>, Predecessor),
    (key, error): (&VideoKey, &platform::Error),
) -> Result<Done, End> {
    match attempt.call(client.show(key)).await {
        Ok(video) => Err(not_now(attempt, (&before, &video.status), error)),
        Err(End::Call(gone)) if gone.is_not_found() => {
            let path = attempt.path();
            tracing::warn!(
                job.id = attempt.job().id.0,
                "{path}: video {key} (job {}), whose content it should have replaced, was deleted \
                 on the platform; another video is made",
                before.job
            );
            call::create(attempt, client, (choice, order)).await
        }
        Err(end) => Err(end),
    }
}

/// What is stored before the call; as before a create call, except for the note of the call itself.
/// If the platform fetches the bytes, they may arrive by this call: answers whether it may be made.
async fn begins(
    attempt: &Attempt,
    before: &Predecessor,
    (choice, order): (&Choice, Option<&Order>),
) -> Result<bool, End> {
    let ours = order.and_then(|order| order.file.as_ref());
    let md5 = ours.map(|ours| ours.md5.clone());
    let (way, why) = (choice.way, choice.why.clone());
    let (key, now) = (before.video_key.clone(), clock::now());
    attempt
        .write(move |db, lease| {
            if way == Way::Fetch && !replace::fetch_begins(db, lease, &key, now)? {
                return Ok(false);
            }
            if let Some(md5) = &md5 {
                queue::fetch::summed(db, lease, md5)?;
            }
            replace::begins(db, lease, (way.word(), &why))?;
            Ok(true)
        })
        .await
}

/// Whether the platform refused what was asked of this video, rather than any call at all now.
fn is_about_the_video(error: &platform::Error) -> bool {
    let platform::Error::Refused(refusal) = error else {
        return false;
    };
    !matches!(error.disposition(), Disposition::Blocked(_))
        && (400..500).contains(&refusal.status)
        && !matches!(refusal.status, 408 | 425 | 429)
}

/// The video is there and does not take other content: how it is says whether it will.
fn not_now(
    attempt: &Attempt,
    (before, status): (&Predecessor, &Status),
    error: &platform::Error,
) -> End {
    let Predecessor { job, video_key } = before;
    match status {
        Status::Ready if error.disposition() == Disposition::Permanent => {
            refused(attempt, (before, &address::hosts_only(&chain(error))))
        }
        Status::Failed => refused(attempt, (before, "it is `failed` there")),
        Status::Ready
        | Status::Created
        | Status::Processing
        | Status::Updating
        | Status::Other(_) => {
            let report = Report {
                message: Some(format!(
                    "video {video_key} (job {job}), whose content it replaces, takes none now: it is `{}` on the \
                     platform",
                    status.word()
                )),
                request_id: error.request_id().map(str::to_owned),
                ..Report::default()
            };
            End::Failed(Failure {
                disposition: Disposition::TRANSIENT,
                report,
            })
        }
    }
}

/// For good: a person may want another video instead.
fn refused(attempt: &Attempt, (before, why): (&Predecessor, &str)) -> End {
    let id = attempt.job().id;
    End::NotReplaced(format!(
        "the platform does not let the content of video {} (job {}) be replaced: {why}; jw-ingest retry {id} \
         uploads the file as another video",
        before.video_key, before.job
    ))
}
