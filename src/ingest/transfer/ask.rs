//! Asking the platform before anything is sent again: the last byte of an earlier attempt may have
//! arrived.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock;
use crate::ingest::attempt::Attempt;
use crate::ingest::end::{Done, End};
use crate::ingest::identify::{self, sums};
use crate::ingest::moments::{is_within, later};
use crate::ingest::source::{Problem, Source};
use crate::platform::{Status, Video, VideoKey};
use crate::queue::outcome::Report;
use crate::queue::{replace, ticket};
use crate::way::Way;

/// The platform notices an S3 object some time after the PUT; it is believed not to have arrived
/// only after so many poll intervals.
const POLLS_OF_PATIENCE: u32 = 3;

/// All bytes of an earlier attempt are on the platform.
pub(super) struct Arrived {
    /// The MD5 that the platform reports of them.
    pub(super) md5: Option<String>,
}

/// Whether the platform has all bytes of an earlier attempt; if not (`None`), they are sent again.
pub(super) async fn has_arrived(
    attempt: &Attempt,
    key: &VideoKey,
    since: Timestamp,
) -> Result<Option<Arrived>, End> {
    let client = attempt.client()?;
    let video = match attempt.call(client.show(key)).await {
        Err(End::Call(error)) if error.is_not_found() => {
            let why = "the video was deleted on the platform before its bytes had arrived";
            return Err(End::link_expired(why));
        }
        video => video?,
    };
    if shows_it(attempt, &video).await? {
        // Until it is ready, a video that was there before the job may show what it had.
        let is_of_the_job = attempt.job().replaces.is_none() || video.status == Status::Ready;
        let md5 = video.md5.filter(|_| is_of_the_job);
        return Ok(Some(Arrived { md5 }));
    }
    let poll = attempt.settings().config.confirm.poll_interval;
    let now = clock::now();
    if is_within(since, poll * POLLS_OF_PATIENCE, now) {
        return Err(End::Later {
            run_at: later(now, poll),
            word: "ambiguous",
            why: "the answer to the upload was lost; asking the platform whether it has the file"
                .to_owned(),
        });
    }
    if !is_in_parts(attempt) {
        // Of parts only the list says whether they were completed: until then the note stays.
        attempt.write(ticket::last_byte_counts_as_lost).await?;
    }
    Ok(None)
}

/// A video that was there before the job is `ready` with its old content until the platform notices
/// the new one: only its checksum tells them apart. Without it the bytes count as not arrived, as it
/// does no harm to send them again.
async fn shows_it(attempt: &Attempt, video: &Video) -> Result<bool, End> {
    if attempt.job().replaces.is_none() {
        return Ok(video.status != Status::Created);
    }
    if video.status != Status::Ready {
        // It may be ready before the next look, and that it was at work is the proof.
        let status = video.status.word().to_owned();
        attempt
            .write(move |db, lease| replace::seen(db, lease, &status))
            .await?;
        return Ok(video.status != Status::Created);
    }
    let Some(theirs) = &video.md5 else {
        return Ok(false);
    };
    if let Some(sent) = sent(attempt) {
        return Ok(sent.eq_ignore_ascii_case(theirs));
    }
    match sum_of(attempt).await {
        // Nothing is left to send or to compare with: it has arrived if the video has other content
        // than before.
        Err(End::File {
            problem: Problem::Gone,
            ..
        }) => {
            let id = attempt.job().id;
            let former = attempt
                .write(move |db, _| replace::former_md5(db, id))
                .await?;
            Ok(!former.is_some_and(|md5| md5.eq_ignore_ascii_case(theirs)))
        }
        ours => Ok(ours?.eq_ignore_ascii_case(theirs)),
    }
}

fn is_in_parts(attempt: &Attempt) -> bool {
    attempt.job().way == Some(Way::Multipart)
}

/// An earlier attempt got through. Its bytes are the file's if that cannot have been written since it was sent, or if
/// it is compared now, in full, with what was noted of the bytes that were sent, or with what the platform reports.
/// Other content is uploaded by itself; and what cannot be compared is sent again.
pub(super) async fn arrived(attempt: &Attempt, arrived: &Arrived) -> Result<Done, End> {
    let sent = sent(attempt);
    let md5 = match attempt.open().await {
        // Deleted or moved away after it was sent: there is nothing left to compare with.
        Err(End::File {
            problem: Problem::Gone,
            ..
        }) => sent,
        source => {
            let source = source?;
            match (sent, is_untouched(attempt, &source)) {
                (Some(sent), true) => Some(sent),
                (None, true) if is_in_parts(attempt) => None,
                (None, true) => {
                    let sum = summed(attempt, &source).await?;
                    // What it was summed up from must be what was sent.
                    attempt.check_unmoved(&source).await?;
                    Some(sum)
                }
                (sent, false) => compare(attempt, &source, (sent, arrived)).await?,
            }
        }
    };
    Ok(Done::Sent {
        md5,
        report: Report::default(),
    })
}

/// MD5 of what an earlier attempt has sent, where it was noted.
fn sent(attempt: &Attempt) -> Option<String> {
    attempt.lease.ticket.as_ref()?.md5.clone()
}

/// Whether nothing can have been written to the file since it was sent.
fn is_untouched(attempt: &Attempt, source: &Source) -> bool {
    let is_doubted = attempt
        .lease
        .ticket
        .as_ref()
        .is_none_or(|ticket| ticket.is_doubted);
    !is_doubted && source.is_untouched_since(&attempt.job().identity)
}

/// Reads all of a file that was touched since it was sent: answers the MD5 of what was sent, where it went in one.
async fn compare(
    attempt: &Attempt,
    source: &Arc<Source>,
    (sent, arrived): (Option<String>, &Arrived),
) -> Result<Option<String>, End> {
    if let Some(sent) = sent.or_else(|| arrived.md5.clone()) {
        if summed(attempt, source).await?.eq_ignore_ascii_case(&sent) {
            return Ok(Some(sent));
        }
        Err(Problem::Changed)?;
    }
    let (id, size) = (attempt.job().id, source.size());
    let parts = attempt
        .write(move |db, _| ticket::parts_md5(db, id, size))
        .await?;
    let Some(parts) = parts else {
        return Err(End::sent_anew());
    };
    let sizes = sums::part_size(&parts).into_iter().collect();
    let sums = identify::sum(attempt, source, sizes).await?;
    match sums.has_parts(&parts) {
        Some(true) => Ok(None),
        Some(false) => Err(Problem::Changed.into()),
        None => Err(End::sent_anew()),
    }
}

async fn sum_of(attempt: &Attempt) -> Result<String, End> {
    let source = attempt.open().await?;
    summed(attempt, &source).await
}

async fn summed(attempt: &Attempt, source: &Arc<Source>) -> Result<String, End> {
    let sums = identify::sum(attempt, source, BTreeSet::new()).await?;
    Ok(sums.md5)
}
