//! The watches of one watch folder, made ahead of time where that can be.
//!
//! notify answers when its own thread has made a watch; with thousands of folders, two threads that
//! wait for each other cost more than all else. So the watches of folders that a scan will list in
//! a moment are asked for on a third thread, while the scan continues. A folder is still listed
//! only after its watch was made.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use notify::{RecommendedWatcher, RecursiveMode, Result, Watcher};

/// More are not asked for ahead.
const MOST: usize = 1024;

/// A watcher, and what was asked of it.
#[derive(Debug)]
pub(super) struct Watches {
    watcher: Arc<Mutex<RecommendedWatcher>>,
    /// Where to ask; `None` where the system refused the thread.
    asks: Option<mpsc::Sender<PathBuf>>,
    answers: mpsc::Receiver<(PathBuf, Result<()>)>,
    /// What was asked for and not used yet; `None` while there is no answer.
    ahead: HashMap<PathBuf, Option<Result<()>>>,
}

impl Watches {
    pub(super) fn new(watcher: RecommendedWatcher) -> Self {
        let watcher = Arc::new(Mutex::new(watcher));
        let (asks, asked) = mpsc::channel::<PathBuf>();
        let (answer, answers) = mpsc::channel();
        let theirs = Arc::clone(&watcher);
        let work = move || {
            for folder in asked {
                let made = watch(&theirs, &folder);
                if answer.send((folder, made)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("watches".to_owned());
        let asks = thread.spawn(work).is_ok().then_some(asks);
        Self {
            watcher,
            asks,
            answers,
            ahead: HashMap::new(),
        }
    }

    /// This folder will be watched in a moment.
    pub(super) fn ask(&mut self, folder: &Path) {
        let Some(asks) = self.asks.as_ref().filter(|_| self.ahead.len() < MOST) else {
            return;
        };
        if asks.send(folder.to_path_buf()).is_ok() {
            self.ahead.insert(folder.to_path_buf(), None);
        }
    }

    /// Watches a folder, unless that was asked for before; then waits for the answer.
    pub(super) fn watch(&mut self, folder: &Path) -> Result<()> {
        loop {
            match self.ahead.remove(folder) {
                None => return watch(&self.watcher, folder),
                Some(Some(made)) => return made,
                Some(None) => {}
            }
            let Ok((answered, made)) = self.answers.recv() else {
                self.ahead.clear();
                continue;
            };
            if answered == folder {
                return made;
            }
            self.ahead.insert(folder.to_path_buf(), None);
            if let Some(open) = self.ahead.get_mut(&answered) {
                *open = Some(made);
            }
        }
    }

    /// Another folder may stand at this path than when its watch was asked for, and below it.
    pub(super) fn forget(&mut self, folder: &Path) {
        self.ahead.retain(|path, _| !path.starts_with(folder));
    }
}

fn watch(watcher: &Mutex<RecommendedWatcher>, folder: &Path) -> Result<()> {
    let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
    watcher.watch(folder, RecursiveMode::NonRecursive)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use notify::{ErrorKind, Event};

    use super::*;

    /// The watches of a folder "a", asked for ahead, and where events arrive.
    fn asked() -> (tempfile::TempDir, PathBuf, Watches, mpsc::Receiver<Event>) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a");
        fs::create_dir(&folder).unwrap();
        let (sender, events) = mpsc::channel();
        let handler = move |event: Result<Event>| sender.send(event.unwrap()).unwrap();
        let mut watches = Watches::new(notify::recommended_watcher(handler).unwrap());
        watches.ask(&folder);
        (dir, folder, watches, events)
    }

    fn is_watched(folder: &Path, events: &mpsc::Receiver<Event>) -> bool {
        let file = folder.join("file");
        fs::write(&file, "x").unwrap();
        std::iter::from_fn(|| events.recv_timeout(Duration::from_secs(1)).ok())
            .any(|event| event.paths.contains(&file))
    }

    #[test]
    fn answers_come_in_any_order_and_errors_where_they_belong() {
        let (dir, folder, mut watches, events) = asked();
        let (none, other) = (dir.path().join("none"), dir.path().join("other"));
        fs::create_dir(&other).unwrap();
        watches.ask(&none);
        watches.ask(&other);
        watches.watch(&other).unwrap();
        let error = watches.watch(&none).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::PathNotFound), "{error:?}");
        watches.watch(&folder).unwrap();
        assert!(watches.ahead.is_empty());
        assert!(is_watched(&folder, &events) && is_watched(&other, &events));
    }

    #[test]
    fn another_folder_at_the_path_is_watched_anew() {
        let (dir, folder, mut watches, events) = asked();
        // Once the other is watched, so is the one that was asked for before.
        let other = dir.path().join("other");
        fs::create_dir(&other).unwrap();
        watches.ask(&other);
        watches.watch(&other).unwrap();
        fs::rename(&folder, dir.path().join("aside")).unwrap();
        fs::create_dir(&folder).unwrap();
        watches.forget(dir.path());
        watches.watch(&folder).unwrap();
        assert!(is_watched(&folder, &events));
    }
}
