//! Ends that hang on what the table says at that very moment, as another job may come to its end between a
//! question and the answer to it: asked and written in one transaction.
//!
//! Each answers [`End::Written`] where the table agreed, and otherwise lets the step continue.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::Connection;

use crate::ingest::attempt::Attempt;
use crate::ingest::end::End;
use crate::platform::Video;
use crate::queue::copies::{self, Original, WaitsFor, Words};
use crate::queue::outcome::Report;
use crate::queue::{Error, JobId, Lease, replace, restored};
use crate::{clock, text};

/// Which other jobs may have the content, apart from those that have another. Where that hangs on the end of one
/// that runs, the job waits for it, and looks again at `run_at`.
pub(in crate::ingest) async fn wait_for_upload(
    attempt: &Attempt,
    (fingerprint, ruled_out): (&str, &BTreeSet<JobId>),
    run_at: Timestamp,
) -> Result<Vec<Original>, End> {
    let (fingerprint, ruled_out) = (fingerprint.to_owned(), ruled_out.clone());
    let now = clock::now();
    let others = attempt.write(move |db, lease| {
        let mut others = copies::look(db, lease, &fingerprint, &ruled_out, now)?;
        if let (true, Some(other)) = (others.arrived.is_empty(), others.under_way)
            && !waits(db, lease, (other, run_at), now)?
        {
            others.under_way = None;
        }
        Ok(others)
    });
    let others = others.await?;
    if let (true, Some(other)) = (others.arrived.is_empty(), others.under_way) {
        let (path, waits) = (attempt.path(), other.words());
        tracing::info!(job.id = attempt.job().id.0, "{path}: {waits}");
        return Err(End::Written);
    }
    Ok(others.arrived)
}

/// Puts the job back until the other has come to its end; answers whether it waits.
fn waits(
    db: &Connection,
    lease: &Lease,
    (other, run_at): (WaitsFor, Timestamp),
    now: Timestamp,
) -> Result<bool, Error> {
    match other {
        WaitsFor::Upload(_) | WaitsFor::Ready(_) => {
            copies::wait(db, lease, (other, run_at), now).map(|()| true)
        }
        WaitsFor::Replacement(_) | WaitsFor::Doubt(_) => {
            copies::wait_for_replacement(db, lease, (other, run_at), now)
        }
    }
}

/// The job waits for another whose bytes are on the platform, if that is not ready yet.
pub(in crate::ingest) async fn wait_for_ready(
    attempt: &Attempt,
    other: JobId,
    run_at: Timestamp,
) -> Result<(), End> {
    let now = clock::now();
    let waits =
        attempt.write(move |db, lease| copies::wait_for_ready(db, lease, (other, run_at), now));
    if !waits.await? {
        return Ok(());
    }
    let (path, waits) = (attempt.path(), WaitsFor::Ready(other).words());
    tracing::info!(job.id = attempt.job().id.0, "{path}: {waits}");
    Err(End::Written)
}

/// The job waits for a proof that another has its content, unless it has waited `most` times.
pub(in crate::ingest) async fn wait_for_proof(
    attempt: &Attempt,
    (other, run_at, most): (JobId, Timestamp, i64),
    words: Words,
) -> Result<(), End> {
    let now = clock::now();
    let waits = attempt.write(move |db, lease| {
        copies::wait_for_proof(db, lease, (other, run_at, most), (&words, now))
    });
    if waits.await? {
        return Err(End::Written);
    }
    Ok(())
}

/// The content is the video of another, if that still is so. `learnt`: the MD5 of the other's video,
/// where that of what it sent is not known.
pub(in crate::ingest) async fn is_duplicate(
    attempt: &Attempt,
    original: &Original,
    learnt: Option<String>,
) -> Result<(), End> {
    let (id, now) = (original.id, clock::now());
    let written = attempt.write(move |db, lease| {
        let written = copies::duplicate(db, lease, id, now)?;
        if let (true, Some(md5)) = (written, &learnt) {
            copies::content_is(db, id, md5)?;
        }
        Ok(written)
    });
    if !written.await? {
        return Ok(());
    }
    let (path, theirs) = (attempt.path(), text::path(&original.path));
    let key = original.video_key.as_deref().unwrap_or("not known");
    tracing::info!(
        job.id = attempt.job().id.0,
        video.key = key,
        "{path}: not uploaded, since it has the content of {theirs}, which is video {key} (job {id})"
    );
    Err(End::Written)
}

/// The content, with this MD5, is on the platform already, in a video of which the table did not know; if no
/// other job has that.
pub(in crate::ingest) async fn is_on_the_platform(
    attempt: &Attempt,
    video: &Video,
    md5: &str,
) -> Result<(), End> {
    let (key, md5, now) = (video.key.to_string(), md5.to_owned(), clock::now());
    let (taken, mark) = (key.clone(), video.ingest_id.clone());
    let is_ours = attempt
        .write(move |db, lease| restored::found(db, lease, (&taken, mark.as_deref(), &md5), now));
    if !is_ours.await? {
        return Ok(());
    }
    let path = attempt.path();
    tracing::info!(job.id = attempt.job().id.0, video.key = %key, "{path}: not uploaded, it is on the platform as video {key}");
    attempt.context.confirms.notify_one();
    Err(End::Written)
}

/// If another file has come to rely on the video since the job was about to replace its content,
/// the job starts over, and becomes another video. Only where no byte has arrived.
pub(in crate::ingest) async fn gives_way(attempt: &Attempt, bytes_sent: i64) -> Result<(), End> {
    let job = attempt.job();
    let (Some(before), Some(key)) = (job.replaces, &job.video_key) else {
        return Ok(());
    };
    let message = format!(
        "it does not replace the content of video {key} (job {before}), because another file \
         relies on that by now; it is uploaded as another video"
    );
    let now = clock::now();
    let report = Report {
        bytes_sent,
        ..Report::said(&message)
    };
    let gave_way = attempt.write(move |db, lease| replace::gives_way(db, lease, &report, now));
    if !gave_way.await? {
        return Ok(());
    }
    let path = attempt.path();
    tracing::info!(job.id = job.id.0, video.key = %key, "{path}: {message}");
    attempt.context.ring_all();
    Err(End::Written)
}
