//! Creating the video: exactly one, however often the daemon dies in between.
//!
//! The ingest id is stored with the job; before the call is sent that is noted too. So a job that
//! comes here with a note has perhaps a video already, and it is looked for before another is made.
//! What the look-up finds has lost its upload link for good (the platform tells it once), so it is
//! withdrawn and made anew under another ingest id, unless it has its bytes. What it does not find may
//! still come: the next create call bears another ingest id, and the old one is watched for a while.

use std::path::Path;
use std::time::Duration;

use super::choice::{self, Case, Choice, Fetch, Version};
use super::context::Settings;
use super::fate::{self, Failure};
use super::worker::{Next, Task};
use super::{disk, pause, trouble};
use crate::disposition::Disposition;
use crate::platform::{self, Client, Created, Grant, NewVideo, Status, VideoKey};
use crate::queue::outcome::{self, Report};
use crate::queue::ticket::NewTicket;
use crate::queue::{Error, Lease, Step, Ticket};
use crate::upload::multipart::part_size;
use crate::way::Way;
use crate::{chain, clock, text};

use super::persist::persist;

/// A stop waits so long for the answer to a call that is under way: an answer that is not awaited
/// costs a look-up, and a draft to delete, at the next start.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the step.
pub(super) async fn run(task: &Task, lease: &Lease) -> Result<Next, Error> {
    let context = &task.context;
    let settings = context.now_settings();
    let (begun, now) = (lease.clone(), clock::now());
    persist(context, move |db| {
        outcome::begin(db, &begun, Step::Create, now)
    })
    .await?;
    let Some(client) = settings.client(&lease.job.account) else {
        let failure = Failure::new(
            &UnknownAccount(lease.job.account.clone()),
            Disposition::Blocked,
        );
        fate::settle(context, lease, failure).await?;
        return Ok(Next::Finished);
    };
    let lease = &match look_for_earlier(task, lease, client).await? {
        Earlier::Settled(next) => return Ok(next),
        Earlier::Nothing(lease) => *lease,
    };
    // No video for a file that cannot be sent: it would be an empty draft on the account.
    match disk::open(task, lease).await {
        None => return park(task, lease).await,
        Some(Ok(_)) => {}
        Some(Err(problem)) => {
            trouble::settle(context, lease, problem, 0).await?;
            return Ok(Next::Finished);
        }
    }
    match choose(task, &settings, lease).await? {
        Ok(choice) => create(task, lease, client, choice).await,
        Err(refusal) => {
            let failure = Failure::new(&refusal, Disposition::Permanent);
            fate::settle(context, lease, failure).await?;
            Ok(Next::Finished)
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the configuration has no account {0:?} any more: add it again, or cancel the job")]
struct UnknownAccount(String);

/// A form upload that broke off after this much is not begun a third time.
const DEAR_BREAK: i64 = 1 << 30;

/// Whether a form upload of this size of loss broke off: from the next try on the job goes the
/// resumable way.
pub(super) fn is_dear(way: Way, sent: i64) -> bool {
    way == Way::Form && sent >= DEAR_BREAK
}

async fn choose(
    task: &Task,
    settings: &Settings,
    lease: &Lease,
) -> Result<Result<Choice, choice::Refusal>, Error> {
    let wanted = settings
        .watch(&lease.job.watch)
        .map_or(crate::config::Method::Auto, |watch| watch.method);
    let job = lease.job.id;
    let form_broke = persist(&task.context, move |db| {
        outcome::broke_off(db, job, Way::Form.word(), DEAR_BREAK)
    })
    .await?;
    let case = Case {
        size: lease.job.identity.bytes(),
        wanted,
        api: Version::V1,
        fetch: Fetch::Unasked,
        has_ftp: false,
        form_broke,
    };
    Ok(choice::choose(&case, &settings.config.upload))
}

/// What the look for an earlier video came to.
enum Earlier {
    /// It decided about this try.
    Settled(Next),
    /// There is none; go on with this.
    Nothing(Box<Lease>),
}

/// After a create call with an unknown end: finds out what it did.
async fn look_for_earlier(task: &Task, lease: &Lease, client: &Client) -> Result<Earlier, Error> {
    let Some(sent_at) = lease.job.create_sent_at else {
        return Ok(Earlier::Nothing(Box::new(lease.clone())));
    };
    let context = &task.context;
    let found = match until_stopped(task, client.find_by_ingest_id(&lease.job.ingest_id)).await {
        None => return park(task, lease).await.map(Earlier::Settled),
        Some(Ok(found)) => found,
        Some(Err(error)) => {
            settle_call(task, lease, &error).await?;
            return Ok(Earlier::Settled(Next::Finished));
        }
    };
    let Some(video) = found.first() else {
        // A call that is still on its way may act after the look-up: absence is believed only once
        // the usual wait between two tries is over.
        let patience = fate::later(sent_at, context.now_settings().config.retry.first_delay);
        if clock::now() < patience {
            let report = Report {
                message: Some(
                    "the answer to the create call was lost; its video is looked for".to_owned(),
                ),
                ..Report::default()
            };
            fate::give_back(context, lease, patience, ("ambiguous", report)).await?;
            return Ok(Earlier::Settled(Next::Finished));
        }
        return missing(task, lease).await;
    };
    if video.status == Status::Created {
        if let Some(next) = reopen(task, lease, client, &video.key).await? {
            return Ok(Earlier::Settled(next));
        }
        let report = Report {
            message: Some(format!(
                "the answer to the create call was lost, and with it the upload link of video {}",
                video.key
            )),
            ..Report::default()
        };
        fate::start_over(context, lease, ("ambiguous", report), clock::now()).await?;
        return Ok(Earlier::Settled(Next::Finished));
    }
    let adopted = adopt(task, lease, &video.key.to_string()).await?;
    Ok(Earlier::Settled(adopted))
}

/// The way back into a resumable upload can be found without its create answer: the draft is
/// adopted. `None`: it cannot.
async fn reopen(
    task: &Task,
    lease: &Lease,
    client: &Client,
    key: &VideoKey,
) -> Result<Option<Next>, Error> {
    if lease.job.method.as_deref() != Some(Way::Resumable.word()) {
        return Ok(None);
    }
    match until_stopped(task, client.reopen(key)).await {
        None => park(task, lease).await.map(Some),
        Some(Ok(None)) => Ok(None),
        Some(Ok(Some(link))) => {
            let created = Created {
                key: key.clone(),
                grant: Grant::Link(link),
            };
            record(task, lease, (Way::Resumable, created))
                .await
                .map(Some)
        }
        Some(Err(error)) => {
            settle_call(task, lease, &error).await?;
            Ok(Some(Next::Finished))
        }
    }
}

/// Not there after all that time. Should it come later still, the withdrawals delete it.
async fn missing(task: &Task, lease: &Lease) -> Result<Earlier, Error> {
    let (context, none, now) = (&task.context, lease.clone(), clock::now());
    let ingest_id = persist(context, move |db| {
        outcome::create_is_missing(db, &none, now)
    })
    .await?;
    context.withdrawals.notify_one();
    let mut lease = lease.clone();
    lease.job.ingest_id = ingest_id;
    lease.job.create_sent_at = None;
    Ok(Earlier::Nothing(Box::new(lease)))
}

/// The video has its bytes: it is ours by its ingest id, and only `ready` is left to wait for.
async fn adopt(task: &Task, lease: &Lease, key: &str) -> Result<Next, Error> {
    let (adopted, key, now) = (lease.clone(), key.to_owned(), clock::now());
    persist(&task.context, move |db| {
        let ticket = NewTicket {
            video_key: &key,
            link: "",
            expires_at: None,
            part_size: None,
        };
        outcome::created(db, &adopted, &ticket, &Report::default(), now)?;
        outcome::transferred(db, &adopted, None, now, (&Report::default(), now))
    })
    .await?;
    task.context.confirms.notify_one();
    Ok(Next::Finished)
}

async fn create(
    task: &Task,
    lease: &Lease,
    client: &Client,
    Choice { way, why }: Choice,
) -> Result<Next, Error> {
    let context = &task.context;
    let (begun, now) = (lease.clone(), clock::now());
    persist(context, move |db| {
        outcome::create_begins(db, &begun, (way.word(), &why), now)
    })
    .await?;
    let title = title(&lease.job.path);
    let size = lease.job.identity.bytes();
    let video = NewVideo {
        title: &title,
        ingest_id: &lease.job.ingest_id,
        way,
        size: Some(size),
        source: None,
    };
    match until_stopped(task, client.create(video)).await {
        None => park(task, lease).await,
        Some(Ok(created)) => record(task, lease, (way, created)).await,
        Some(Err(error)) => {
            if error.disposition() != Disposition::Ambiguous {
                let none = lease.clone();
                persist(context, move |db| {
                    outcome::create_came_to_nothing(db, &none)
                })
                .await?;
            }
            settle_call(task, lease, &error).await?;
            Ok(Next::Finished)
        }
    }
}

/// Stores key and link, before a byte is sent.
async fn record(task: &Task, lease: &Lease, (way, created): (Way, Created)) -> Result<Next, Error> {
    let context = &task.context;
    let ticket = Ticket {
        link: created.grant.store(),
        expires_at: created.grant.expires_at(),
        last_byte_at: None,
        part_size: matches!(created.grant, Grant::Parts(_))
            .then(|| part_size(lease.job.identity.bytes())),
    };
    let key = created.key.to_string();
    let (made, stored, video_key, now) = (lease.clone(), ticket.clone(), key.clone(), clock::now());
    persist(context, move |db| {
        let ticket = NewTicket {
            video_key: &video_key,
            link: &stored.link,
            expires_at: stored.expires_at,
            part_size: stored.part_size,
        };
        outcome::created(db, &made, &ticket, &Report::default(), now)
    })
    .await?;
    tracing::info!(job.id = lease.job.id.0, video.key = %key, "{}: video {key} created", text::path(&lease.job.path));
    pause::works(context, &lease.job.account).await?;
    let mut on = lease.clone();
    on.job.step = Step::Transfer;
    on.job.method = Some(way.word().to_owned());
    on.job.video_key = Some(key);
    on.ticket = Some(ticket);
    Ok(Next::GoOn(Box::new(on)))
}

/// Waits for the answer to a call; a stop lets it a moment, and a lost lease none. `None`: stopped.
pub(super) async fn until_stopped<T>(task: &Task, call: impl Future<Output = T>) -> Option<T> {
    let stopped = async {
        task.stop.cancelled().await;
        if task.context.stop.is_cancelled() {
            tokio::time::sleep(GRACE).await;
        }
    };
    tokio::select! {
        biased;
        answer = call => Some(answer),
        () = stopped => None,
    }
}

/// Back into the queue as it is; the daemon stops.
pub(super) async fn park(task: &Task, lease: &Lease) -> Result<Next, Error> {
    fate::give_back(
        &task.context,
        lease,
        clock::now(),
        ("parked", Report::default()),
    )
    .await?;
    Ok(Next::Finished)
}

/// Writes down an API call that failed.
pub(super) async fn settle_call(
    task: &Task,
    lease: &Lease,
    error: &platform::Error,
) -> Result<(), Error> {
    let report = Report {
        bytes_sent: 0,
        message: Some(chain(error)),
        request_id: error.request_id().map(str::to_owned),
    };
    let failure = Failure {
        disposition: error.disposition(),
        report,
    };
    fate::settle(&task.context, lease, failure).await
}

/// The title of a video: the file's name without its ending.
fn title(path: &Path) -> String {
    let name = path
        .file_stem()
        .or(path.file_name())
        .unwrap_or_default()
        .to_string_lossy();
    let printable: String = name
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let trimmed = printable.trim();
    // The platform refuses empty parameters.
    if trimmed.is_empty() {
        "untitled".to_owned()
    } else {
        trimmed.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn titles_come_from_any_name() {
        for (name, expected) in [
            (&b"Harbour.mp4"[..], "Harbour"),
            (b"two\nlines.mp4", "two lines"),
            (b"caf\xe9.mp4", "caf\u{fffd}"),
            (b"-rf.mp4", "-rf"),
            (b"a.b.mp4", "a.b"),
            (b" .mp4", "untitled"),
            ("\u{1f3a5} #?%&.mov".as_bytes(), "\u{1f3a5} #?%&"),
        ] {
            assert_eq!(title(Path::new(OsStr::from_bytes(name))), expected);
        }
    }
}
