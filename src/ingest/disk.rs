//! Looking at a job's file without ever hanging with it: a dead share may keep a thread for ever,
//! and then it is a thread of its own, and the job goes on as one whose disk does not answer.

use std::sync::Arc;

use super::source::{Freshness, Problem, Source};
use super::worker::Task;
use crate::queue::Lease;

/// Opens the job's file. `None`: the work on this job must end.
pub(super) async fn open(task: &Task, lease: &Lease) -> Option<Result<Source, Problem>> {
    let settings = task.context.now_settings();
    let job = lease.job.clone();
    quick(task, move || Source::open(&job, settings.watch(&job.watch))).await
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

/// The look itself broke down; nothing is known of the file.
fn broken() -> Problem {
    Problem::Unreadable(std::io::Error::other("the look at the file broke down"))
}
