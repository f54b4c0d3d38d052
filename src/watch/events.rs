//! The kernel's announcements: one inotify watch per folder, and what to do when there are none.
//!
//! An event only says *where* something happened; what is there is read from the disk afterwards,
//! so late, doubled and reordered events do no harm, and lost ones only cost time. notify's own
//! recursion is not used: it misses what was in a folder before its watch, and stops at the first
//! folder that it may not read.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Config, ErrorKind, Event, EventKind, RecommendedWatcher, Watcher};
use tracing::{info, warn};

use super::ahead::Watches;
use super::inbox::{Message, Sender};
use super::links::Refusal;
use super::look::FolderId;

/// The watches of one watch folder and all folders below it.
#[derive(Debug)]
pub(super) struct Events {
    watch: String,
    inbox: Sender,
    /// Whether events are wanted.
    wanted: bool,
    watcher: Option<Watches>,
    folders: BTreeMap<PathBuf, Watched>,
    /// Folders that gave an error since the last scan began, and those of the scan before: what is
    /// in either was reported.
    troubled: BTreeSet<PathBuf>,
    troubled_before: BTreeSet<PathBuf>,
    /// The kernel gives no more watches; said once for each scan that tries again.
    exhausted: bool,
    /// A fault of the whole watch was reported, and has not been repaired since.
    degraded: bool,
}

/// A folder that is watched.
#[derive(Debug, Clone, Copy)]
struct Watched {
    id: FolderId,
    since: Duration,
}

impl Events {
    pub(super) fn new(watch: String, inbox: Sender) -> Self {
        Self {
            watch,
            inbox,
            wanted: true,
            watcher: None,
            folders: BTreeMap::new(),
            troubled: BTreeSet::new(),
            troubled_before: BTreeSet::new(),
            exhausted: false,
            degraded: false,
        }
    }

    /// Drops all watches and begins again: the root is another folder now.
    pub(super) fn restart(&mut self) {
        self.watcher = None;
        self.folders.clear();
        self.retry();
    }

    /// Whether events are wanted from now on; the next scan brings them.
    pub(super) fn want(&mut self, wanted: bool) {
        if self.wanted != wanted {
            self.wanted = wanted;
            (self.watcher, self.degraded, self.exhausted) = (None, false, false);
            self.folders.clear();
        }
    }

    /// A full scan begins: what failed before gets another chance.
    pub(super) fn retry(&mut self) {
        self.exhausted = false;
        self.troubled_before = std::mem::take(&mut self.troubled);
        if let Some(watches) = &mut self.watcher {
            watches.forget(Path::new("/"));
            return;
        }
        if !self.wanted {
            return;
        }
        let inbox = self.inbox.clone();
        let handler = move |event| announce_event(&inbox, event);
        match RecommendedWatcher::new(handler, Config::default()) {
            Ok(watcher) => self.watcher = Some(Watches::new(watcher)),
            Err(error) => {
                self.degrade(
                    &error,
                    "raise the sysctl fs.inotify.max_user_instances (or max open files)",
                );
            }
        }
    }

    /// A folder will be watched as soon as a scan comes to it.
    pub(super) fn ahead(&mut self, folder: &Path, again: bool) {
        if let Some(watcher) = &mut self.watcher
            && !self.exhausted
            && (again || !self.folders.contains_key(folder))
        {
            watcher.ask(folder);
        }
    }

    /// A folder came, or came again: what was asked for ahead may be about another one.
    pub(super) fn came(&mut self, folder: &Path) {
        if let Some(watcher) = &mut self.watcher {
            watcher.forget(folder);
        }
    }

    /// Watches a folder. With `again`, also one that seems to be watched: after lost events, or
    /// when a folder was removed and made again, the old watch may be gone without a word.
    pub(super) fn watch(&mut self, folder: &Path, id: FolderId, again: bool, now: Duration) {
        let known = self.folders.get(folder).filter(|known| known.id == id);
        let since = known.map_or(now, |known| known.since);
        if !again && known.is_some() {
            return;
        }
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        if self.exhausted {
            return;
        }
        self.folders.remove(folder);
        match watcher.watch(folder) {
            Ok(()) => {
                self.folders
                    .insert(folder.to_path_buf(), Watched { id, since });
            }
            Err(error) => self.refused(folder, error),
        }
    }

    fn refused(&mut self, folder: &Path, error: notify::Error) {
        match error.kind {
            ErrorKind::PathNotFound => {}
            ErrorKind::MaxFilesWatch => {
                self.exhausted = true;
                self.degrade(&error, "raise the sysctl fs.inotify.max_user_watches");
            }
            ErrorKind::Io(error) => self.trouble(folder, &error),
            ErrorKind::Generic(_) | ErrorKind::WatchNotFound | ErrorKind::InvalidConfig(_) => {
                self.trouble(folder, &io::Error::other(error));
            }
        }
    }

    fn degrade(&mut self, error: &notify::Error, advice: &str) {
        if !self.degraded {
            warn!(
                watch.name = %self.watch, watch.folders = self.folders.len(), %error, advice,
                "the kernel cannot report changes in all folders; the watch folder is scanned \
                 every poll-interval instead"
            );
        }
        self.degraded = true;
    }

    /// A full scan is done; says so if watching works again.
    pub(super) fn settled_down(&mut self) {
        if self.degraded && !self.exhausted && self.watcher.is_some() {
            self.degraded = false;
            info!(watch.name = %self.watch, "the kernel reports all changes again");
        }
    }

    /// A folder cannot be watched or listed: reported once, until a scan finds it in order.
    pub(super) fn trouble(&mut self, folder: &Path, error: &io::Error) {
        if self.is_news(folder) {
            warn!(
                watch.name = %self.watch, path = ?folder, %error,
                "cannot read this folder; give the daemon's user permission to read and enter it \
                 (r-x). The others are watched, and this one is tried at each scan"
            );
        }
    }

    /// A symlink would lead on without end: reported once, until a scan finds it in order.
    pub(super) fn endless(&mut self, link: &Path, refusal: Refusal) {
        if self.is_news(link) {
            warn!(
                watch.name = %self.watch, path = ?link,
                "this symlink is not followed: {refusal}"
            );
        }
    }

    fn is_news(&mut self, folder: &Path) -> bool {
        self.troubled.insert(folder.to_path_buf()) && !self.troubled_before.contains(folder)
    }

    /// A folder is not there any more: it and all below it count as unwatched.
    ///
    /// notify drops the watches of removed and renamed folders by itself. It must not be told to:
    /// it does so by path, and if the folder was found under a new name meanwhile, both names share
    /// one watch, and the new one would lose it.
    pub(super) fn forget(&mut self, folder: &Path) {
        self.came(folder);
        let below = (Bound::Included(folder), Bound::Unbounded);
        let gone: Vec<PathBuf> = self
            .folders
            .range::<Path, _>(below)
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(folder))
            .cloned()
            .collect();
        for path in gone {
            self.folders.remove(&path);
        }
    }

    /// Whether not all that is wanted can be had.
    pub(super) fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// Whether a folder has been watched since before then.
    pub(super) fn had(&self, folder: &Path, then: Duration) -> bool {
        let watched = self.folders.get(folder);
        watched.is_some_and(|watched| watched.since < then)
    }

    /// Whether a folder is watched.
    pub(super) fn has(&self, folder: &Path) -> bool {
        self.folders.contains_key(folder)
    }

    /// The watched folders.
    pub(super) fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        self.folders.keys()
    }
}

/// Runs on notify's thread, which must neither wait nor call the watcher.
fn announce_event(inbox: &Sender, event: notify::Result<Event>) {
    let Ok(event) = event else {
        return inbox.overflowed();
    };
    // First: an overflow comes without a path.
    if event.need_rescan() {
        return inbox.overflowed();
    }
    let message: fn(PathBuf) -> Message = match event.kind {
        EventKind::Modify(ModifyKind::Metadata(_)) => Message::Attributes,
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Message::Renamed,
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Message::Closed,
        // The writer will close the file, or is found by the look that is due; all other accesses
        // are reads, such as our own.
        EventKind::Modify(ModifyKind::Data(_)) | EventKind::Access(_) => return,
        _ => Message::Changed,
    };
    for path in event.paths {
        inbox.announce(message(path));
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, MetadataKind};

    use super::*;
    use crate::watch::inbox;

    /// What is passed on of an event, as text; `None` if nothing.
    fn passed_on(kind: EventKind) -> Option<String> {
        let (sender, inbox) = inbox::pair();
        announce_event(
            &sender,
            Ok(Event::new(kind).add_path(PathBuf::from("/v/a.mp4"))),
        );
        inbox
            .take(Duration::ZERO, 9)
            .pop()
            .map(|message| format!("{message:?}"))
    }

    /// Our own reads, above all: each look opens its file, and must not bring about another.
    #[test]
    fn reads_and_single_writes_are_not_passed_on() {
        for kind in [
            EventKind::Access(AccessKind::Open(AccessMode::Any)),
            EventKind::Access(AccessKind::Close(AccessMode::Read)),
            EventKind::Access(AccessKind::Read),
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
        ] {
            assert_eq!(passed_on(kind), None, "{kind:?}");
        }
        let (closed, renamed) = (
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            |mode| EventKind::Modify(ModifyKind::Name(mode)),
        );
        let attributes = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        for (kind, expected) in [
            (closed, "Closed"),
            (EventKind::Create(CreateKind::File), "Changed"),
            (renamed(RenameMode::To), "Renamed"),
            (renamed(RenameMode::From), "Changed"),
            (attributes, "Attributes"),
        ] {
            assert_eq!(passed_on(kind), Some(format!("{expected}(\"/v/a.mp4\")")));
        }
    }

    #[test]
    fn a_lost_event_has_no_path_and_is_seen() {
        let (sender, inbox) = inbox::pair();
        announce_event(
            &sender,
            Ok(Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan)),
        );
        assert!(inbox.take_overflow());
        announce_event(&sender, Err(notify::Error::new(ErrorKind::MaxFilesWatch)));
        assert!(inbox.take_overflow());
    }

    #[test]
    fn a_troubled_folder_is_news_once_until_a_scan_finds_it_in_order() {
        let mut events = Events::new("test".to_owned(), inbox::pair().0);
        let folder = Path::new("/v/secret");
        for (expected, scans) in [(true, 1), (false, 1), (false, 2), (true, 0), (false, 0)] {
            assert_eq!(events.is_news(folder), expected);
            (0..scans).for_each(|_| events.retry());
        }
    }
}
