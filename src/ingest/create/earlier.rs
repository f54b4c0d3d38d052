//! After a create call with an unknown end, or in a table that was restored from a backup: whether the job has a
//! video already, found out before another is made.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::clock;
use crate::ingest::attempt::Attempt;
use crate::ingest::end::{Done, End};
use crate::ingest::identify;
use crate::ingest::moments::{is_within, later, since_a_jump};
use crate::platform::{Client, Created, Grant, Status, VideoKey};
use crate::queue::outcome::{self, Report};
use crate::queue::restored;
use crate::way::Way;

/// Finds out whether an earlier create call made a video, and what is left to do with that. `None`:
/// there is none.
pub(super) async fn find_video(
    attempt: &mut Attempt,
    client: &Client,
) -> Result<Option<Done>, End> {
    let job = attempt.job();
    let id = job.id;
    let may_be_there = job.create_sent_at.is_some()
        || attempt
            .write(move |db, _| restored::is_of_backup(db, id))
            .await?;
    if !may_be_there {
        return Ok(None);
    }
    let found = attempt
        .call(client.find_by_ingest_id(&job.ingest_id))
        .await?;
    let Some(video) = found.first() else {
        return is_missing(attempt, client).await.map(|()| None);
    };
    let video_key = video.key.to_string();
    if job.way == Some(Way::Fetch) {
        return Ok(Some(Done::Fetches { video_key }));
    }
    if video.status != Status::Created {
        let md5 = sum_up(attempt).await?;
        return Ok(Some(Done::HasArrived { video_key, md5 }));
    }
    if let Some(created) = reopen(attempt, client, &video.key).await? {
        return Ok(Some(Done::Created {
            way: Way::Resumable,
            created,
            replaced: None,
        }));
    }
    let report = Report {
        message: Some(format!(
            "the answer to the create call was lost, and with it the upload link of video {}",
            video.key
        )),
        ..Report::default()
    };
    Err(End::StartOver {
        word: "ambiguous",
        report,
    })
}

/// The way back into a resumable upload can be found without its create answer: the draft is
/// adopted. `None`: it cannot.
async fn reopen(
    attempt: &Attempt,
    client: &Client,
    key: &VideoKey,
) -> Result<Option<Created>, End> {
    if attempt.job().way != Some(Way::Resumable) {
        return Ok(None);
    }
    let link = attempt.call(client.reopen(key)).await?;
    Ok(link.map(|link| Created {
        key: key.clone(),
        grant: Grant::Link(link),
    }))
}

/// No video has the job's ingest id. A call that is still on its way may act after the look-up: absence
/// is believed only once the usual wait between two attempts is over, or two of them where the
/// platform's search is known to lag behind. Should it come later still, the withdrawals delete it.
async fn is_missing(attempt: &mut Attempt, client: &Client) -> Result<(), End> {
    let Some(sent_at) = attempt.job().create_sent_at else {
        return Ok(());
    };
    let (first_delay, now) = (attempt.settings().config.retry.first_delay, clock::now());
    let wait = first_delay.max(client.patience().min(first_delay * 2));
    if is_within(sent_at, wait, now) {
        return Err(End::Later {
            run_at: later(since_a_jump(sent_at), wait),
            word: "ambiguous",
            why: "the answer to the create call was lost; its video is searched for".to_owned(),
        });
    }
    let ingest_id = attempt
        .write(move |db, lease| outcome::create_is_missing(db, lease, now))
        .await?;
    attempt.context.withdrawals.notify_one();
    let job = &mut Arc::make_mut(&mut attempt.lease).job;
    job.ingest_id = ingest_id;
    job.create_sent_at = None;
    Ok(())
}

/// MD5 of the file, where that is there: it is compared with what the platform has.
async fn sum_up(attempt: &Attempt) -> Result<Option<String>, End> {
    let summed = async {
        let source = attempt.open().await?;
        identify::sum(attempt, &source, BTreeSet::new()).await
    };
    match summed.await {
        Ok(sums) => Ok(Some(sums.md5)),
        Err(End::File { .. }) => Ok(None),
        Err(end) => Err(end),
    }
}
