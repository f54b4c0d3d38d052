//! A file that takes the place of one that is uploaded: another video, its content in the same
//! video, or nothing until a person decides (`on-replace`).
//!
//! A re-upload makes no video, so that it may be asked for twice, and nothing need be looked for
//! after a crash. The video was there before the job, and it stays, no matter how the job ends:
//! from the moment its key is stored the row says whose it is, and nothing withdraws it.

mod call;

use std::path::Path;
use std::time::Duration;

pub(super) use self::call::ask_for_replacement;

use super::attempt::Attempt;
use super::end::End;
use super::moments::{is_within, later};
use crate::config::OnReplace;
use crate::queue::replace::{self, Before, Predecessor};
use crate::{clock, text};

/// However long a job has waited for another of its path, it looks again after so long.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// Looks whether the job's file took the place of one that is uploaded, and whose video it is then whose content
/// the job replaces. `None`: another video.
pub(super) async fn find_place(attempt: &Attempt) -> Result<Option<Predecessor>, End> {
    let (settings, job) = (attempt.settings(), attempt.job());
    let watch = settings.watch(&job.watch);
    let policy = watch.map_or(OnReplace::New, |watch| watch.on_replace);
    if policy == OnReplace::New || job.by_hand {
        return Ok(None);
    }
    let before = attempt
        .write(move |db, lease| replace::before(db, &lease.job))
        .await?;
    match (before, policy) {
        (Before::Nothing, _) | (_, OnReplace::New) => Ok(None),
        // What that comes to decides what this one does.
        (Before::UnderWay(other), OnReplace::Replace | OnReplace::Hold) => {
            let why = format!(
                "it took the place of the file of job {other}, and continues once that is ready on the \
                 platform or has failed"
            );
            Err(end_later(attempt, why))
        }
        (Before::Moving(before, path), OnReplace::Replace | OnReplace::Hold) => {
            moving(attempt, (&before, &path)).map(|()| None)
        }
        (Before::Up(before), OnReplace::Replace) => own(attempt, before).await,
        (Before::Up(before), OnReplace::Hold) => Err(hold(attempt, &before)),
    }
}

/// A video that another file relies on keeps its content, and this one becomes another video.
async fn own(attempt: &Attempt, before: Predecessor) -> Result<Option<Predecessor>, End> {
    let (id, key) = (attempt.job().id, before.video_key.clone());
    let is_shared = attempt.write(move |db, _| replace::is_shared(db, id, &key));
    if !is_shared.await? {
        return Ok(Some(before));
    }
    says_shared(attempt, &before);
    Ok(None)
}

fn says_shared(attempt: &Attempt, before: &Predecessor) {
    tracing::info!(
        job.id = attempt.job().id.0,
        video.key = %before.video_key,
        "{}: uploaded as another video, because another file relies on that of the file before it \
         ({})",
        attempt.path(),
        before.video_key
    );
}

/// A file is settling that may be the one whose place this one took: the video goes with it then. One
/// that never settles is not waited for without end, and no video is overwritten on a guess.
fn moving(attempt: &Attempt, (before, path): (&Predecessor, &Path)) -> Result<(), End> {
    let (job, shown) = (attempt.job(), text::path(path));
    if is_within(job.created_at, LONGEST_PAUSE, clock::now()) {
        let why = format!(
            "waiting until {shown} has settled: it may be the file of job {}, renamed, and then keeps video {}",
            before.job, before.video_key
        );
        return Err(end_later(attempt, why));
    }
    tracing::info!(
        job.id = job.id.0,
        video.key = %before.video_key,
        "{}: uploaded as another video: {shown} does not settle and may be the file of video {} (job {})",
        attempt.path(),
        before.video_key,
        before.job
    );
    Ok(())
}

fn end_later(attempt: &Attempt, why: String) -> End {
    let now = clock::now();
    let waited = now.duration_since(attempt.job().created_at);
    let waited = Duration::try_from(waited).unwrap_or_default();
    let poll = attempt.settings().config.confirm.poll_interval;
    let pause = (waited / 2).min(LONGEST_PAUSE).max(poll);
    End::Later {
        run_at: later(now, pause),
        word: "waits",
        why,
    }
}

fn hold(attempt: &Attempt, before: &Predecessor) -> End {
    let id = attempt.job().id;
    End::Held(format!(
        "held: it took the place of a file that is uploaded as video {} (job {}), and on-replace = \
         \"hold\"; jw-ingest retry {id} uploads it as another video, jw-ingest cancel {id} leaves \
         it",
        before.video_key, before.job
    ))
}
