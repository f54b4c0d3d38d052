//! The thread of one watch: it brings events, scans, looks and the settler together.
//!
//! It owns the clock: everything below is given the time. One turn of its loop is short, whatever
//! is to be done: a walk goes on for some milliseconds, looks come in batches. So a file that has
//! settled is reported in time also while a large folder is being scanned. With nothing to do it
//! sleeps until the next timer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;

use super::events::Events;
use super::inbox::{Inbox, Message, Sender};
use super::look::{self, Thing};
use super::outbox::{Closed, Outbox};
use super::report::SeenBy;
use super::root::{Presence, Root};
use super::scan::Found;
use super::schedule::Schedule;
use super::select::{self, Verdict};
use super::settle::{Finding, Look, Settler};
use super::sighting::Sighting;
use super::status::Status;
use super::walks::Walks;
use crate::config::Watch;
use crate::identity::Identity;

/// One watch at work.
#[derive(Debug)]
pub(super) struct Folder {
    watch: Arc<Watch>,
    started: Instant,
    inbox: Inbox,
    outbox: Outbox,
    status: Arc<Status>,
    root: Root,
    events: Events,
    settler: Settler,
    schedule: Schedule,
    walks: Walks,
}

/// How long one turn may walk.
const WALK_SLICE: Duration = Duration::from_millis(5);
/// How many looks, and how many messages, one turn takes.
const LOOKS: usize = 256;
const MESSAGES: usize = 4096;

impl Folder {
    pub(super) fn new(
        watch: Watch,
        (sender, inbox): (Sender, Inbox),
        outbox: Outbox,
        status: Arc<Status>,
    ) -> Self {
        let watch = Arc::new(watch);
        Self {
            started: Instant::now(),
            inbox,
            outbox,
            status,
            root: Root::new(watch.name.clone(), watch.path.clone()),
            events: Events::new(watch.name.clone(), sender),
            settler: Settler::new(watch.name.clone(), watch.settle),
            schedule: Schedule::default(),
            walks: Walks::new(Arc::clone(&watch)),
            watch,
        }
    }

    /// Works until the program stops, or nobody wants reports any more.
    pub(super) fn run(mut self) {
        while !self.outbox.is_stopped() {
            if let Err(Closed) = self.turn() {
                break;
            }
        }
    }

    fn turn(&mut self) -> Result<(), Closed> {
        let messages = self.inbox.take(self.patience(), MESSAGES);
        if self.root.next() <= self.now() {
            self.check_root();
        }
        let count = messages.len();
        self.work_off(messages)?;
        if self.inbox.take_overflow() {
            debug!(watch.name = %self.watch.name, "events were lost; scanning");
            self.schedule.events_lost();
        }
        if self.root.is_here() {
            self.begin_scan();
            self.walk();
            self.end_scan()?;
        }
        self.look()?;
        self.publish()?;
        self.inbox.done(count);
        Ok(())
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// How long there is nothing to do unless a message comes.
    fn patience(&self) -> Duration {
        if self.walks.is_busy() && self.root.is_here() {
            return Duration::ZERO;
        }
        let scan = self.root.is_here().then(|| self.schedule.next());
        let timers = [Some(self.root.next()), scan, self.settler.next_due()];
        let next = timers.into_iter().flatten().min().unwrap_or_default();
        next.saturating_sub(self.now())
    }

    /// Whether there is a scan under way or wanted that can go on.
    fn is_busy(&self) -> bool {
        self.root.is_here() && (self.walks.is_busy() || self.schedule.is_wanted())
    }

    fn check_root(&mut self) {
        let (presence, other) = self.root.check(self.now());
        match presence {
            Presence::Same => {}
            Presence::Away => {
                self.status.started();
                self.walks.root_away();
            }
            Presence::Appeared => {
                if other {
                    self.settler.begin_root();
                }
                self.walks.clear();
                self.events.restart();
                self.schedule.start_anew();
            }
        }
    }

    /// Works off messages. What is at a path is read from the disk, so that of many messages on one
    /// path one is enough.
    fn work_off(&mut self, messages: Vec<Message>) -> Result<(), Closed> {
        let mut changed = BTreeMap::new();
        for message in messages {
            match message {
                Message::Changed(path) => {
                    changed.insert(path, true);
                }
                Message::Attributes(path) => {
                    changed.entry(path).or_insert(false);
                }
                Message::Recheck(path) => {
                    self.settler.forget(&path);
                    changed.insert(path, true);
                }
                Message::Scan => self.schedule.wanted(),
                Message::Wake => {}
            }
        }
        for (path, came_or_went) in changed {
            self.changed(path, came_or_went)?;
        }
        Ok(())
    }

    fn changed(&mut self, path: PathBuf, came_or_went: bool) -> Result<(), Closed> {
        if path == self.watch.path {
            self.root.suspect();
            return Ok(());
        }
        match look::thing(&path) {
            Ok(Thing::File(identity)) => self.file(path, identity),
            // A new folder, or one that could not be read before. Of a watched one only the rights
            // changed.
            Ok(Thing::Folder(_)) if came_or_went || !self.events.has(&path) => self.folder(path),
            Ok(Thing::Folder(_)) => {}
            Ok(Thing::Other) => {
                debug!(watch.name = %self.watch.name, ?path, "no regular file; ignored");
            }
            Ok(Thing::Nothing) => self.nothing(&path)?,
            Err(error) => debug!(watch.name = %self.watch.name, ?path, %error, "cannot look at it"),
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf, identity: Identity) {
        if select::verdict(&self.watch, &path) == Verdict::Taken {
            let now = self.now();
            self.settler.see(
                Sighting {
                    path,
                    identity,
                    by: SeenBy::Event,
                },
                now,
            );
        }
    }

    fn folder(&mut self, path: PathBuf) {
        if select::descend(&self.watch, &path) == Verdict::Taken {
            self.walks.begin_folder(path);
        }
    }

    fn nothing(&mut self, path: &Path) -> Result<(), Closed> {
        if !self.root.is_unchanged() {
            self.root.suspect();
            return Ok(());
        }
        self.events.forget(path);
        let finding = self.settler.vanished(path);
        self.report(finding)
    }

    fn begin_scan(&mut self) {
        let now = self.now();
        if self.walks.is_scanning() || self.schedule.next() > now {
            return;
        }
        let again = self.schedule.begin(now);
        self.settler.begin_pass();
        self.events.retry();
        self.walks.begin_scan(now, again);
    }

    /// Walks for a while.
    fn walk(&mut self) {
        let end = self.now() + WALK_SLICE;
        while self.now() < end
            && let Some((found, again)) = self.walks.next()
        {
            self.found(found, again);
        }
    }

    fn found(&mut self, found: Found, again: bool) {
        match found {
            Found::Folder(path, id) => self.events.watch(&path, id, again),
            Found::File(sighting) => {
                let now = self.now();
                self.settler.see(sighting, now);
            }
            Found::Trouble(path, error) => {
                if path == self.watch.path {
                    self.root.suspect();
                }
                self.events.trouble(&path, &error);
            }
        }
    }

    /// Ends the scan when its walk has: forgets what is gone for good.
    fn end_scan(&mut self) -> Result<(), Closed> {
        let Some(scan) = self.walks.take_ended() else {
            return Ok(());
        };
        if scan.whole && self.root.is_unchanged() {
            self.forget_absent()?;
        } else {
            self.root.suspect();
        }
        self.events.settled_down();
        self.schedule.ended(scan.began, self.now());
        self.outbox.scanned(self.settler.waiting())?;
        self.status.started();
        Ok(())
    }

    fn forget_absent(&mut self) -> Result<(), Closed> {
        let absent = |path: &PathBuf| matches!(look::thing(path), Ok(Thing::Nothing));
        let folders: Vec<PathBuf> = self
            .events
            .folders()
            .filter(|p| absent(p))
            .cloned()
            .collect();
        for path in folders {
            self.events.forget(&path);
        }
        for path in self.settler.unseen().into_iter().filter(absent) {
            let finding = self.settler.vanished(&path);
            self.report(finding)?;
        }
        Ok(())
    }

    /// Looks at the files whose time has come.
    fn look(&mut self) -> Result<(), Closed> {
        for path in self.settler.tick(self.now(), LOOKS) {
            let mut look = look::look(&path);
            if look == Look::Gone && !self.root.is_unchanged() {
                self.root.suspect();
                look = Look::OutOfReach;
            }
            let finding = self.settler.answer(&path, look, self.now());
            self.report(finding)?;
        }
        Ok(())
    }

    fn report(&self, finding: Option<Finding>) -> Result<(), Closed> {
        finding.map_or(Ok(()), |finding| self.outbox.finding(finding, self.now()))
    }

    /// Lets others see the state, and tells when the last waiting file has stopped waiting.
    fn publish(&mut self) -> Result<(), Closed> {
        let (waiting, busy) = (self.settler.waiting(), self.is_busy());
        if waiting == 0 && self.status.waiting() > 0 && !busy {
            self.outbox.scanned(0)?;
        }
        self.status.publish(waiting, busy);
        Ok(())
    }
}
