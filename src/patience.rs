//! Asking the disk without waiting forever: a share whose server is gone blocks every caller.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What `ask` answers, if it does within the limit. Else its thread is left behind, which nothing
/// can wake but the server itself; so this is for commands, which end soon, not for the daemon.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    ask: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (answer, heard) = mpsc::sync_channel(1);
    let asked = thread::Builder::new()
        .name("patience".to_owned())
        .spawn(move || drop(answer.send(ask())));
    asked.ok()?;
    heard.recv_timeout(limit).ok()
}

/// How long a folder may take to answer, for a person who waits.
pub(crate) const FOLDER: Duration = Duration::from_secs(5);

/// Those of the folders that do not answer in time; all are asked at once.
pub(crate) fn silent(limit: Duration, folders: &[PathBuf]) -> Vec<PathBuf> {
    let (answer, heard) = mpsc::channel();
    let mut silent: BTreeSet<&Path> = folders.iter().map(PathBuf::as_path).collect();
    for folder in &silent {
        let (answer, folder) = (answer.clone(), folder.to_path_buf());
        let asked = thread::Builder::new()
            .name("patience".to_owned())
            .spawn(move || {
                drop(folder.metadata());
                drop(answer.send(folder));
            });
        // Without a thread nothing is known, and nothing is said.
        if asked.is_err() {
            return Vec::new();
        }
    }
    let deadline = Instant::now() + limit;
    while !silent.is_empty()
        && let Ok(folder) = heard.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        silent.remove(folder.as_path());
    }
    silent.into_iter().map(Path::to_path_buf).collect()
}

/// In words, after what does not answer.
pub(crate) fn unanswered(limit: Duration) -> String {
    let limit = limit.as_secs();
    format!("does not answer within {limit} s; is the server of its share running?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_answer_are_not_silent() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_path_buf(), folder.path().join("none")];
        let silent = silent(Duration::from_secs(20), &folders);
        assert_eq!(silent, Vec::<PathBuf>::new());
    }

    #[test]
    fn what_does_not_answer_is_not_waited_for() {
        let (_never, hung) = mpsc::channel::<()>();
        let answer = within(Duration::from_millis(20), move || hung.recv().is_ok());
        assert_eq!(answer, None);
        assert_eq!(within(Duration::from_secs(20), || 7), Some(7));
    }
}
