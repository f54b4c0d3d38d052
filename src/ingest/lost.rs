//! A video that turned out to be gone, failed, or other content: its job is not done any more, and its
//! file is uploaded again or waits for a person.

use super::afterwards;
use super::context::Context;
use super::disk;
use super::evidence::Fault;
use super::persist::persist;
use crate::clock;
use crate::config::OnReplace;
use crate::queue::former::{self, Former};
use crate::queue::sent::{self, Became, Lack, Loss, Sent};
use crate::queue::{Error, operator};
use crate::text;
use crate::watch::reach;

/// Writes the loss down; `is_displaced`: another file has the job's name by now. Answers whether that changed
/// anything: where it did not, who asks again must wait.
pub(super) async fn settle(
    context: &Context,
    told: (&Sent, &Fault),
    is_displaced: bool,
) -> Result<bool, Error> {
    write_down(context, told, (is_displaced, None)).await
}

/// The same for a job whose video may have got the content of the file that has its name now.
pub(super) async fn settle_former(
    context: &Context,
    told: (&Sent, &Fault),
    former: Former,
) -> Result<bool, Error> {
    write_down(context, told, (true, Some(former))).await
}

async fn write_down(
    context: &Context,
    (sent, fault): (&Sent, &Fault),
    (is_displaced, former): (bool, Option<Former>),
) -> Result<bool, Error> {
    let Some(key) = sent.video_key.clone() else {
        return Ok(false);
    };
    if !is_under_its_name(context, sent).await? {
        // Its folder cannot be reached now: the question is asked again.
        return Ok(false);
    }
    let settings = context.now_settings();
    let watches = settings.config.watches.iter();
    let holding: Vec<String> = watches
        .filter(|watch| watch.on_replace == OnReplace::Hold)
        .map(|watch| watch.name.clone())
        .collect();
    let (why, id) = (fault.words(sent), sent.job);
    let lack = lack(fault);
    let (words, now) = (why.clone(), clock::now());
    let became = persist(context, move |db| {
        let loss = Loss {
            video_key: &key,
            why: &words,
            lack,
            is_displaced,
            holding: &holding,
        };
        match &former {
            Some(former) => former::lost(db, former, &loss, now),
            None => sent::lost(db, id, &loss, now),
        }
    })
    .await?;
    log_loss(sent, &why, became);
    context.ring_all();
    Ok(became != Became::Nothing)
}

fn lack(fault: &Fault) -> Lack {
    match fault {
        Fault::Failed(_) => Lack::Failed,
        Fault::OtherBytes => Lack::OtherBytes,
        Fault::Misfetched => Lack::Misfetched,
        // No other is a loss.
        Fault::Gone
        | Fault::NotReady(_)
        | Fault::ChangedSince
        | Fault::Untold
        | Fault::Uncompared(_)
        | Fault::NoKey
        | Fault::Replaced => Lack::Gone,
    }
}

/// A file that a kill left under its hidden name is found by the ingest id that the job has now: it
/// gets its own name back before the job gets another ingest id. Answers whether that is so.
async fn is_under_its_name(context: &Context, sent: &Sent) -> Result<bool, Error> {
    let id = sent.job;
    let found = context.queue.jot(move |db| operator::by_id(db, id)).await?;
    let Some(job) = found else {
        return Ok(false);
    };
    let settings = context.now_settings();
    let watch = job.watch.clone();
    let looking = disk::within(context, &watch, move || {
        match reach::place(settings.watch(&job.watch), &job.path) {
            Ok(own) => afterwards::put_back(&own, &job.ingest_id).is_ok(),
            Err(error) => error.is_absence(),
        }
    });
    Ok(looking.await.unwrap_or(false))
}

fn log_loss(sent: &Sent, why: &str, became: Became) {
    let (id, path) = (sent.job, text::path(&sent.path));
    match became {
        Became::Queued => {
            tracing::warn!(job.id = id.0, "{path}: {why}: the file is uploaded again");
        }
        Became::Held => {
            tracing::warn!(
                job.id = id.0,
                "{path}: held: {why}; jw-ingest retry {id} uploads the file as another video"
            );
        }
        Became::Ended => {
            let end = "and its file is not in the folder any more";
            tracing::warn!(job.id = id.0, "{path}: {why}, {end}");
        }
        Became::Seeks => {
            let other = "it is another video, and that of this file is looked for again";
            tracing::warn!(job.id = id.0, "{path}: {why}: {other}");
        }
        Became::Nothing => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::tests::ground::Ground;
    use crate::queue::JobId;

    #[tokio::test]
    async fn a_loss_changes_nothing_while_the_folder_does_not_answer_and_says_so() {
        let ground = Ground::new();
        let context = &ground.context;
        ground.enqueue(&ground.file("a.mp4")).await;
        let done = context.queue.write(|db| {
            db.execute_batch(
                "UPDATE jobs SET state = 'done', step = 'confirm', video_key = 'tL17msiU',
                        finished_at = created_at, sent_at = created_at",
            )?;
            sent::of(db, JobId(1))
        });
        let sent = done.await.unwrap().unwrap();
        let lost = || settle(context, (&sent, &Fault::Gone), false);
        let answer = ground.hang().await;
        assert!(!lost().await.unwrap());
        drop(answer);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !lost().await.unwrap() {
            assert!(std::time::Instant::now() < deadline, "it answers");
            tokio::task::yield_now().await;
        }
        assert!(!lost().await.unwrap(), "the job has no video any more");
    }
}
