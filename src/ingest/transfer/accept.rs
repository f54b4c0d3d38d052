//! What a transfer came to: arrived, or why not, and whether the file is still what was sent.

use std::sync::Arc;

use super::words_of;
use crate::config;
use crate::disposition::Disposition;
use crate::ingest::attempt::Attempt;
use crate::ingest::create;
use crate::ingest::end::{Done, End, Failure};
use crate::ingest::record::agreed;
use crate::ingest::source::{Freshness, Problem, Source};
use crate::queue::outcome::Report;
use crate::queue::{afterwards, ticket};
use crate::upload::{self, Receipt};
use crate::way::Way;

/// The server took all bytes, of which this attempt sent so many: they count if the file is still
/// what it was.
pub(super) async fn accept(
    attempt: &Attempt,
    source: &Arc<Source>,
    (receipt, sent): (Receipt, i64),
) -> Result<Done, End> {
    // Where this breaks off, the file is looked at when the job continues: the last byte is noted.
    is_still_what_was_sent(attempt, source, &receipt)
        .await
        .map_err(|end| after(end, sent))?;
    if receipt.verified {
        attempt.write(afterwards::verified).await?;
    }
    let report = Report {
        bytes_sent: sent,
        request_id: receipt.request_id,
        ..Report::default()
    };
    tracing::info!(
        job.id = attempt.job().id.0,
        file.size_bytes = receipt.bytes,
        "{}: uploaded",
        attempt.path()
    );
    Ok(Done::Sent {
        md5: receipt.md5,
        report,
    })
}

/// A problem with the file was found after so many bytes were sent.
fn after(end: End, sent: i64) -> End {
    match end {
        End::File { problem, .. } => End::File { problem, sent },
        end => end,
    }
}

async fn is_still_what_was_sent(
    attempt: &Attempt,
    source: &Arc<Source>,
    receipt: &Receipt,
) -> Result<(), End> {
    let freshness = attempt.check(source).await?;
    let sampled = Arc::clone(source);
    attempt.quick(move || sampled.check_samples()).await?;
    match (freshness, &receipt.md5) {
        // Only the ctime moved: the file is read again and compared with what was sent.
        (Freshness::Touched, Some(sent)) if attempt.md5(source).await? != *sent => {
            Err(Problem::Changed.into())
        }
        // What went in parts was compared part by part just before it was completed.
        (Freshness::Touched, None) if attempt.job().way != Some(Way::Multipart) => {
            Err(End::sent_anew())
        }
        (Freshness::Touched | Freshness::Same, _) => Ok(()),
    }
}

/// Not all bytes have arrived, for this reason.
pub(super) async fn refuse(
    attempt: &Attempt,
    source: &Arc<Source>,
    (error, sent): (&upload::Error, i64),
) -> Result<Done, End> {
    if attempt.stop.is_cancelled() {
        return Err(End::Parked { sent });
    }
    // A file that shrank or was rewritten under the upload is no fault of the line's.
    if let Err(End::File {
        problem: problem @ Problem::Changed,
        ..
    }) = attempt.check(source).await
    {
        return Err(End::File { problem, sent });
    }
    agreed::gives_way(attempt, sent).await?;
    let disposition = error.disposition();
    let is_transient = matches!(disposition, Disposition::Transient { .. });
    if is_transient {
        // The answer was definite: nothing arrived, so the next attempt need not ask.
        attempt.write(ticket::last_byte_was_lost).await?;
    }
    let report = Report {
        bytes_sent: sent,
        request_id: error.request_id().map(str::to_owned),
        ..Report::said(words_of(attempt, error))
    };
    let (settings, job) = (attempt.settings(), attempt.job());
    let is_free = settings
        .watch(&job.watch)
        .is_none_or(|watch| watch.method == config::Method::Auto);
    if is_transient && is_free && job.way.is_some_and(|way| create::is_dear(way, sent)) {
        return Err(End::StartOver {
            word: "transient",
            report,
        });
    }
    Err(End::Failed(Failure {
        disposition,
        report,
    }))
}
