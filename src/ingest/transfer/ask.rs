//! Asking the platform before anything is sent again: the last byte of an earlier attempt may have
//! arrived.

use jiff::Timestamp;

use crate::clock;
use crate::ingest::attempt::Attempt;
use crate::ingest::end::{Done, End};
use crate::ingest::moments::{is_within, later};
use crate::ingest::source::Problem;
use crate::platform::{Status, Video, VideoKey};
use crate::queue::outcome::Report;
use crate::queue::{replace, ticket};
use crate::way::Way;

/// The platform notices an S3 object some time after the PUT; it is believed not to have arrived
/// only after so many poll intervals.
const POLLS_OF_PATIENCE: u32 = 3;

/// Whether the platform has all bytes of an earlier attempt; if not, they are sent again.
pub(super) async fn has_arrived(
    attempt: &Attempt,
    key: &VideoKey,
    since: Timestamp,
) -> Result<bool, End> {
    let client = attempt.client()?;
    let video = match attempt.call(client.show(key)).await {
        Err(End::Call(error)) if error.is_not_found() => {
            let why = "the video was deleted on the platform before its bytes had arrived";
            return Err(End::link_expired(why));
        }
        video => video?,
    };
    if shows_it(attempt, &video).await? {
        return Ok(true);
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
    Ok(false)
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
    match attempt.open_and_sum().await {
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

/// An earlier attempt got through. Its bytes are the file's, if that has not changed since; the
/// checksum is made now, so that the platform's can be compared. What went in parts was compared
/// part by part, and the platform reports no checksum of the whole.
pub(super) async fn arrived(attempt: &Attempt) -> Result<Done, End> {
    let summed = if is_in_parts(attempt) {
        attempt.open().await.map(|_| None)
    } else {
        attempt.open_and_sum().await.map(Some)
    };
    let md5 = match summed {
        // Deleted or moved away after it was sent: there is nothing left to compare with.
        Err(End::File {
            problem: Problem::Gone,
            ..
        }) => None,
        summed => summed?,
    };
    Ok(Done::Sent {
        md5,
        report: Report::default(),
    })
}
