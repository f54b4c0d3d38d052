//! Looking at files without ever hanging with them: a dead share may keep a thread for ever, and then it
//! is a thread of its own, and who asked goes on as one whose disk does not answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::context::Context;
use super::source::{Freshness, Problem, Source};
use super::worker::Task;
use crate::queue::Lease;

/// Opens the job's file; at once silent where a look at its watch hangs. `None`: the work on this job must
/// end.
pub(super) async fn open(task: &Task, lease: &Lease) -> Option<Result<Source, Problem>> {
    let settings = task.context.now_settings();
    let limit = settings.config.upload.stall_timeout;
    let (job, hanging) = (lease.job.clone(), &task.context.hanging);
    let opening = within_limit((hanging, limit), &lease.job.watch, move || {
        Source::open(&job, settings.watch(&job.watch))
    });
    tokio::select! {
        opened = opening => Some(opened.unwrap_or(Err(Problem::Silent(limit)))),
        () = task.stop.cancelled() => None,
    }
}

/// Looks whether what was read is whole. `None`: the work on this job must end.
pub(super) async fn check(task: &Task, source: &Arc<Source>) -> Option<Result<Freshness, Problem>> {
    let source = Arc::clone(source);
    quick(task, move || source.check()).await
}

/// Reads the first bytes, at most `limit`, of a file that must not have changed meanwhile. `None`:
/// the work on this job must end.
pub(super) async fn start(
    task: &Task,
    source: &Arc<Source>,
    limit: u64,
) -> Option<Result<Vec<u8>, Problem>> {
    let source = Arc::clone(source);
    quick(task, move || {
        let bytes = source.start(limit).map_err(Problem::Unreadable)?;
        source.check().map(|_| bytes)
    })
    .await
}

/// Sums the file up, however long that takes. `None`: the work on this job must end.
pub(super) async fn md5(task: &Task, source: &Arc<Source>) -> Option<Result<String, Problem>> {
    let (source, stop) = (Arc::clone(source), task.stop.clone());
    let summing = tokio::task::spawn_blocking(move || source.md5(&|| stop.is_cancelled()));
    tokio::select! {
        summed = summing => match summed {
            Ok(Ok(summed)) => summed.map(Ok),
            Ok(Err(error)) => Some(Err(Problem::Unreadable(error))),
            Err(_) => Some(Err(broken())),
        },
        () = task.stop.cancelled() => None,
    }
}

/// A look that takes a moment on a disk that lives. `None`: the work on this job must end.
pub(super) async fn quick<T: Send + 'static>(
    task: &Task,
    look: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Option<Result<T, Problem>> {
    let limit = task.context.now_settings().config.upload.stall_timeout;
    let looking = tokio::task::spawn_blocking(look);
    tokio::select! {
        looked = looking => Some(looked.unwrap_or_else(|_| Err(broken()))),
        () = tokio::time::sleep(limit) => Some(Err(Problem::Silent(limit))),
        () = task.stop.cancelled() => None,
    }
}

/// Where looks hang. No other is begun there until they have come back, so that a dead share keeps one
/// thread, and not one for each round.
#[derive(Debug, Clone, Default)]
pub struct Hanging(Arc<Mutex<HashMap<String, Weak<()>>>>);

impl Hanging {
    fn is_at(&self, place: &str) -> bool {
        let mut hanging = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hanging.retain(|_, look| look.strong_count() > 0);
        hanging.contains_key(place)
    }

    fn note(&self, place: &str, look: Weak<()>) {
        let mut hanging = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hanging.insert(place.to_owned(), look);
    }
}

/// A look of a loop at the disk or share of a place, such as a watch; it ends after `stall-timeout`.
///
/// `None`: there was no answer, because the disk is silent or the daemon stops, and nothing is known.
pub async fn within<T: Send + 'static>(
    context: &Context,
    place: &str,
    look: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let limit = context.now_settings().config.upload.stall_timeout;
    tokio::select! {
        found = within_limit((&context.hanging, limit), place, look) => found,
        () = context.stop.cancelled() => None,
    }
}

pub(super) async fn within_limit<T: Send + 'static>(
    (hanging, limit): (&Hanging, Duration),
    place: &str,
    look: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if hanging.is_at(place) {
        return None;
    }
    let running = Arc::new(());
    let watched = Arc::downgrade(&running);
    let looking = tokio::task::spawn_blocking(move || {
        let found = look();
        drop(running);
        found
    });
    match tokio::time::timeout(limit, looking).await {
        Ok(Ok(found)) => Some(found),
        Ok(Err(error)) => {
            tracing::error!(%error, "a look at a disk broke down");
            None
        }
        Err(_) => {
            hanging.note(place, watched);
            None
        }
    }
}

/// The look itself broke down; nothing is known of the file.
fn broken() -> Problem {
    Problem::Unreadable(std::io::Error::other("the look at the file broke down"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_disk_that_hangs_keeps_one_thread_until_it_answers() {
        let hanging = Hanging::default();
        let (answer, hung) = mpsc::channel::<()>();
        let (done, ended) = mpsc::channel::<()>();
        let look = move || {
            hung.recv().ok();
            drop(done);
        };
        assert_eq!(within_limit((&hanging, SHORT), "news", look).await, None);
        let (token, reached) = mpsc::channel();
        let second = within_limit((&hanging, LONG), "news", move || token.send(()));
        assert!(second.await.is_none());
        assert!(reached.recv().is_err(), "it is not even asked");
        let other = within_limit((&hanging, LONG), "sport", || 7);
        assert_eq!(other.await, Some(7), "another share answers");
        drop(answer);
        assert!(ended.recv().is_err());
        let deadline = std::time::Instant::now() + LONG;
        while hanging.is_at("news") {
            assert!(std::time::Instant::now() < deadline, "it came back");
            tokio::task::yield_now().await;
        }
        let back = within_limit((&hanging, LONG), "news", || 8);
        assert_eq!(back.await, Some(8));
    }
}
