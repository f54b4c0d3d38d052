//! What becomes of a job whose file the platform was asked to fetch, when that did not work out or
//! only the file can tell whether it did.

use std::path::Path;
use std::time::Duration;

use super::verdict::pause;
use super::{done, fail};
use crate::clock;
use crate::config::Watch;
use crate::disposition::Need;
use crate::identity::Identity;
use crate::ingest::context::Context;
use crate::ingest::moments::later;
use crate::ingest::persist::persist;
use crate::ingest::record::given_up;
use crate::ingest::source::{self, Problem};
use crate::queue::accounts::Cause;
use crate::queue::confirm::{self, Facts, Waiting};
use crate::queue::outcome::{Count, Report};
use crate::queue::{Advice, Error, fetch, retry};
use crate::text;
use crate::watch::reach;

/// A look at the file takes a moment on a disk that lives. One that does not must not keep the
/// other jobs waiting for long.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is said of a job that is done anyway.
const DOUBT: &str = "the platform reports no MD5 of what it fetched, so nothing proves that the video has the content \
                     of this file: look at it on the platform";

/// The platform failed: the video is withdrawn and, after the usual wait, another made in its place.
pub(super) async fn failed(
    context: &Context,
    job: Waiting,
    (facts, message): (Facts, String),
) -> Result<(), Error> {
    let (settings, now) = (context.now_settings(), clock::now());
    let retry = &settings.config.retry;
    let report = Report::said(&message);
    if let Some(last) = given_up((job.id, job.failing_since), retry, &report, now) {
        return fail(context, job, (facts, last)).await;
    }
    let wait = retry::delay(job.attempts, retry.first_delay, retry.max_delay, None);
    let path = text::path(&job.path);
    tracing::warn!(
        job.id = job.id.0,
        "{path}: {message}; the next attempt is in {wait:.0?}"
    );
    let run_at = later(now, wait);
    persist(context, move |db| {
        let outcome = (fetch::FAILED, &report);
        confirm::start_over(db, &job, (run_at, Count::Yes), outcome, now)
    })
    .await?;
    context.ring_all();
    Ok(())
}

/// The plan of the account is used up: it is paused as by any other answer that says so. The video
/// is withdrawn anyway, and the job waits without a failure on its account.
pub(super) async fn blocked(context: &Context, job: Waiting, message: String) -> Result<(), Error> {
    let (settings, now) = (context.now_settings(), clock::now());
    let retry = &settings.config.retry;
    crate::ingest::pause::account(
        context,
        &job.account,
        (Cause::Refused(Need::Plan), &message),
        now,
    )
    .await?;
    // Creating a video works all the while, so that the account seems to: the attempts grow rarer.
    let wait = retry::delay(job.attempts, retry.first_delay, retry.max_delay, None);
    let run_at = later(now, wait);
    persist(context, move |db| {
        let said = format!("account {} is paused: {message}", job.account);
        let report = Report::said(said).advising(Advice::AccountPaused);
        let outcome = ("blocked", &report);
        confirm::start_over(db, &job, (run_at, Count::No), outcome, now)
    })
    .await?;
    context.ring_all();
    Ok(())
}

/// The platform is ready and reports no checksum. What it fetched is the file that settled, if that
/// lay there unchanged all the time; otherwise it may be the new content, or half of each.
///
/// A file that is gone is no reason to doubt: a server that had begun to send it sends all of it,
/// and one that had not has nothing to send, which is a failure. To withdraw the video would be to
/// lose it. A file that changed is a new one, which gets a job of its own as soon as it settles, and
/// this job ends for it when it is tried again.
pub(super) async fn unproven(context: &Context, job: Waiting, facts: Facts) -> Result<(), Error> {
    let now = clock::now();
    match look_at_file(context, &job).await {
        Look::Same | Look::Gone => {
            tracing::warn!(job.id = job.id.0, "{}: {DOUBT}", text::path(&job.path));
            let doubt = Some(DOUBT.to_owned());
            done(context, job, Facts { doubt, ..facts }).await
        }
        Look::Changed => {
            let message = "the file changed before the platform had fetched it";
            tracing::warn!(job.id = job.id.0, "{}: {message}", text::path(&job.path));
            persist(context, move |db| {
                let changed = ("changed", &Report::said(message));
                confirm::start_over(db, &job, (now, Count::No), changed, now)
            })
            .await?;
            context.ring_all();
            Ok(())
        }
        Look::Unknown => {
            let limits = &context.now_settings().config.confirm;
            let run_at = later(now, pause(now.duration_since(job.sent_at), limits));
            persist(context, move |db| {
                confirm::later(db, &job, Some(&facts), run_at)
            })
            .await
        }
    }
}

/// How the file is now.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// As it settled.
    Same,
    /// Another one.
    Changed,
    /// Not there.
    Gone,
    /// Its disk or share does not say.
    Unknown,
}

async fn look_at_file(context: &Context, job: &Waiting) -> Look {
    let settings = context.now_settings();
    let (path, identity, watch) = (job.path.clone(), job.identity, job.watch.clone());
    let looking = tokio::task::spawn_blocking(move || at(&path, &identity, settings.watch(&watch)));
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(Ok(look)) => look,
        Ok(Err(_)) | Err(_) => Look::Unknown,
    }
}

fn at(path: &Path, then: &Identity, watch: Option<&Watch>) -> Look {
    match reach::place(watch, path).and_then(|place| place.metadata()) {
        Ok(meta) if Identity::of(&meta).may_still_be(then) => Look::Same,
        Ok(_) => Look::Changed,
        Err(error) if error.is_absence() => {
            match source::absence((path, then), reach::root(watch, path)) {
                Problem::Gone => Look::Gone,
                _ => Look::Unknown,
            }
        }
        Err(_) => Look::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::watch::tests::support;

    #[test]
    fn the_file_tells_whether_it_is_the_one_that_settled() {
        let folder = tempfile::tempdir().unwrap();
        let (root, path) = (folder.path().join("drop"), folder.path().join("drop/a.mp4"));
        fs::create_dir(&root).unwrap();
        fs::write(&path, "one").unwrap();
        let then = Identity::of(&fs::metadata(&path).unwrap());
        let watch = support::watch(&root);
        let now = || at(&path, &then, Some(&watch));
        assert_eq!(now(), Look::Same);
        fs::write(&path, "longer").unwrap();
        assert_eq!(now(), Look::Changed);
        fs::remove_file(&path).unwrap();
        assert_eq!(now(), Look::Gone);
        fs::remove_dir(&root).unwrap();
        assert_eq!(
            now(),
            Look::Unknown,
            "the share is away, and nothing is known"
        );
    }
}
