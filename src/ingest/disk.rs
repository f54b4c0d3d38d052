//! Looking at files without ever hanging with them: a dead share may block a thread forever, and
//! then it is a thread of its own, and the caller continues as for a disk that does not answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::context::Context;
use super::source::Problem;

/// How work on a disk that may take hours gets on.
#[derive(Debug, Default)]
pub(super) struct Progress {
    steps: AtomicU64,
    /// Whether it waits for something else than a disk.
    rests: AtomicBool,
    is_given_up: AtomicBool,
}

impl Progress {
    /// It has got on. Answers whether to break off, because nothing waits for it any more.
    pub(super) fn step(&self) -> bool {
        self.steps.fetch_add(1, Ordering::Relaxed);
        self.is_given_up.load(Ordering::Relaxed)
    }

    /// Does something that no disk holds up, such as a question to the platform.
    pub(super) fn rest<T>(&self, act: impl FnOnce() -> T) -> T {
        self.rests.store(true, Ordering::Relaxed);
        let done = act();
        self.step();
        self.rests.store(false, Ordering::Relaxed);
        done
    }

    /// Whether it has made no step since it had made so many, which are counted again.
    fn is_silent_since(&self, seen: &mut u64) -> bool {
        let before = std::mem::replace(seen, self.steps.load(Ordering::Relaxed));
        before == *seen && !self.rests.load(Ordering::Relaxed)
    }
}

/// Why work on a disk did not come to its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    /// It made no step for the limit. Its thread hangs, and breaks off once it is back.
    Silent,
    /// It broke down.
    Broken,
}

/// Does something on a thread that may block, for as long as it gets on: each time the limit is over it must have made
/// a step.
pub(super) async fn while_it_gets_on<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce(&Progress) -> T + Send + 'static,
) -> Result<T, Stuck> {
    let progress = Arc::new(Progress::default());
    let to_thread = Arc::clone(&progress);
    let mut working = tokio::task::spawn_blocking(move || work(&to_thread));
    let mut seen = 0;
    loop {
        match tokio::time::timeout(limit, &mut working).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => {
                tracing::error!(%error, "work on a disk broke down");
                return Err(Stuck::Broken);
            }
            Err(_) if progress.is_silent_since(&mut seen) => {
                progress.is_given_up.store(true, Ordering::Relaxed);
                return Err(Stuck::Silent);
            }
            Err(_) => {}
        }
    }
}

/// Work of a loop on the files of a watch, however long it takes while it gets on.
///
/// `None`: there was no answer, and nothing is known. What hangs keeps its thread, and nothing more is begun for the
/// watch until that is back; looks at the watch itself are, as it may be another disk that hangs.
pub(super) async fn work<T: Send + 'static>(
    (hanging, limit): (&Hanging, Duration),
    watch: &str,
    work: impl FnOnce(&Progress) -> T + Send + 'static,
) -> Option<T> {
    let place = format!("files of {watch}");
    if hanging.is_at(watch) || hanging.is_at(&place) {
        return None;
    }
    let running = Arc::new(());
    let watched = Arc::downgrade(&running);
    let done = while_it_gets_on(limit, move |progress| {
        let done = work(progress);
        drop(running);
        done
    });
    match done.await {
        Ok(done) => Some(done),
        Err(Stuck::Broken) => None,
        Err(Stuck::Silent) => {
            hanging.note(&place, watched);
            None
        }
    }
}

/// Where looks hang. No other is begun there until they have come back, so that a dead share keeps one
/// thread, and not one for each round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hanging(Arc<Mutex<HashMap<String, Weak<()>>>>);

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
pub(crate) async fn within<T: Send + 'static>(
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
            tracing::error!(%error, "a disk operation failed unexpectedly");
            None
        }
        Err(_) => {
            hanging.note(place, watched);
            None
        }
    }
}

/// The look itself broke down; nothing is known of the file.
pub(super) fn broken() -> Problem {
    Problem::Unreadable(std::io::Error::other(
        "reading the file failed unexpectedly",
    ))
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

    #[test]
    fn work_is_silent_that_makes_no_step_and_waits_for_no_other() {
        let (progress, mut seen) = (Progress::default(), 0);
        assert!(progress.is_silent_since(&mut seen));
        assert!(!progress.step());
        assert!(!progress.is_silent_since(&mut seen));
        assert!(progress.is_silent_since(&mut seen));
        progress.rest(|| assert!(!progress.is_silent_since(&mut seen)));
        assert!(!progress.is_silent_since(&mut seen), "its end is a step");
        assert!(progress.is_silent_since(&mut seen));
    }

    #[tokio::test]
    async fn work_that_hangs_is_left_behind_and_breaks_off_once_it_is_back() {
        let hanging = Hanging::default();
        let (answer, hung) = mpsc::channel::<()>();
        let (said, is_given_up) = mpsc::channel();
        let hangs = move |progress: &Progress| {
            hung.recv().ok();
            said.send(progress.step()).ok();
        };
        let first = tokio::time::timeout(LONG, work((&hanging, SHORT), "news", hangs));
        assert_eq!(first.await, Ok(None));
        let second = work((&hanging, LONG), "news", |_| panic!("it is not begun"));
        assert!(second.await.is_none());
        let look = within_limit((&hanging, LONG), "news", || 7);
        assert_eq!(look.await, Some(7), "the watch itself answers");
        drop(answer);
        assert_eq!(is_given_up.recv(), Ok(true));
        let deadline = std::time::Instant::now() + LONG;
        while hanging.is_at("files of news") {
            assert!(std::time::Instant::now() < deadline, "it came back");
            tokio::task::yield_now().await;
        }
        let back = work((&hanging, LONG), "news", |_| 8);
        assert_eq!(back.await, Some(8));
    }

    /// The limit is for each step, and not for the whole.
    #[tokio::test]
    async fn work_that_gets_on_takes_what_it_takes() {
        let limit = Duration::from_millis(400);
        let done = while_it_gets_on(limit, move |progress| {
            let begin = std::time::Instant::now();
            while begin.elapsed() < limit * 3 {
                assert!(!progress.step());
                std::thread::park_timeout(SHORT);
            }
            8
        });
        assert_eq!(done.await, Ok(8));
    }
}
