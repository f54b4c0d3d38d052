//! The thread of one watch: it brings events, scans, looks and the settler together.
//!
//! It owns the clock: everything below is given the time. One turn of its loop is always short: a
//! walk continues for some milliseconds, looks come in batches. So a file that has settled is
//! reported in time also while a large folder is being scanned. With nothing to do it sleeps until
//! the next timer.

mod finding;
mod messages;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::info;

use super::audit::Audit;
use super::companions::Companions;
use super::cost;
use super::events::Events;
use super::evidence::Times;
use super::filesystem::Filesystem;
use super::inbox::{Inbox, Sender};
use super::known::{KnownFiles, Seeds};
use super::lock::FolderLocks;
use super::look::{self, Thing};
use super::means::{Choice, Means};
use super::outbox::{Closed, Outbox};
use super::report::RootState;
use super::root::{Presence, Root};
use super::scan::Found;
use super::schedule::Schedule;
use super::settle::{Finding, Look, Settler};
use super::status::Status;
use super::walks::Walks;
use crate::beneath::Error;
use crate::config::Watch;

/// One watch at work.
#[derive(Debug)]
pub(super) struct Folder {
    watch: Arc<Watch>,
    started: Instant,
    inbox: Inbox,
    outbox: Outbox,
    status: Arc<Status>,
    root: Root,
    choice: Choice,
    events: Events,
    audit: Audit,
    settler: Settler,
    companions: Companions,
    schedule: Schedule,
    walks: Walks,
    /// When it was last said that events were lost.
    lost_said: Option<Duration>,
    /// What was reported last of the watch folder itself.
    root_told: Option<RootState>,
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
        locks: FolderLocks,
    ) -> Self {
        let watch = Arc::new(watch);
        Self {
            started: Instant::now(),
            inbox,
            outbox,
            status,
            root: Root::new(watch.name.clone(), watch.path.clone(), locks),
            choice: Choice::new(watch.watching.mode, Filesystem::Local),
            events: Events::new(watch.name.clone(), sender),
            audit: Audit::default(),
            settler: Settler::new(watch.name.clone(), Times::of(&watch)),
            companions: Companions::default(),
            schedule: Schedule::default(),
            walks: Walks::new(Arc::clone(&watch)),
            lost_said: None,
            root_told: None,
            watch,
        }
    }

    /// Works until the program stops, or reports are no longer wanted.
    pub(super) fn run(mut self, known: KnownFiles) {
        if let Err(Closed) = self.outbox.started() {
            return;
        }
        self.settler.seed(Seeds::of(known, &self.watch.path));
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
        self.tell_of_root()?;
        let count = messages.len();
        self.work_off(messages)?;
        if self.inbox.take_overflow() {
            self.events_lost();
        }
        if count == 0 {
            self.hold_against_events();
        }
        if self.root.is_here() {
            self.begin_scan();
            self.walk();
            self.end_scan()?;
        }
        self.look()?;
        self.tell_of_companions()?;
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
        let timers = [
            Some(self.root.next()),
            scan,
            self.settler.next_due(),
            self.audit.next(),
            self.companions.next_due(),
        ];
        let next = timers.into_iter().flatten().min().unwrap_or_default();
        next.saturating_sub(self.now())
    }

    /// Whether there is a scan in progress or wanted that can continue.
    fn is_busy(&self) -> bool {
        self.root.is_here() && (self.walks.is_busy() || self.schedule.is_wanted())
    }

    fn check_root(&mut self) {
        let (presence, other) = self.root.check(self.now());
        match presence {
            Presence::Same => {}
            Presence::Away => {
                self.status.started();
                self.status.found_by(None);
                self.walks.root_away();
            }
            Presence::Appeared => {
                if other {
                    self.settler.begin_root();
                }
                self.walks.clear();
                self.audit.clear();
                self.choice.appeared(Filesystem::at(&self.watch.path));
                self.use_means();
                self.events.restart();
                self.schedule.start_anew();
                let means = self.choice.means();
                info!(watch.name = %self.watch.name, "files are found {means}");
            }
        }
    }

    /// Reports how the watch folder is, if that is news.
    fn tell_of_root(&mut self) -> Result<(), Closed> {
        let state = match self.root.away() {
            None => RootState::Here(self.choice.means()),
            Some((why, said)) => RootState::Away(*why, said.clone()),
        };
        if self.root_told.as_ref() == Some(&state) {
            return Ok(());
        }
        self.outbox.root(state.clone())?;
        self.root_told = Some(state);
        Ok(())
    }

    fn begin_scan(&mut self) {
        let now = self.now();
        if self.walks.is_scanning() || self.schedule.next() > now {
            return;
        }
        if self.choice.try_again(now) {
            info!(watch.name = %self.watch.name, "events are tried again");
            self.use_means();
        }
        let lost = self.schedule.has_lost();
        let again = self.schedule.begin(now);
        self.settler.begin_pass();
        self.companions.begin_pass();
        self.events.retry();
        let audits = !lost && self.choice.means() == Means::Events;
        self.walks.begin_scan(now, again, audits);
    }

    /// Walks for a while.
    fn walk(&mut self) {
        if !self.walks.is_busy() {
            return;
        }
        let before = cost::of_this_thread();
        let end = self.now() + WALK_SLICE;
        while self.now() < end
            && let Some((found, again)) = self.walks.next()
        {
            self.found(found, again);
        }
        let cost = cost::of_this_thread().saturating_sub(before);
        self.walks.took(cost);
    }

    fn found(&mut self, found: Found, again: bool) {
        match found {
            Found::Folder(path, id) => {
                let now = self.now();
                self.events.watch(&path, id, again, now);
            }
            Found::Ahead(path) => self.events.ahead(&path, again),
            Found::File(sighting) => {
                let now = self.now();
                self.examine(&sighting, now);
                self.settler.see(sighting, now);
            }
            Found::Endless(link, refusal) => self.events.endless(&link, refusal),
            Found::Sidecar(path, identity) => self.companions.see(path, identity, self.now()),
            Found::Trouble(path, error) => {
                let is_linked = Error::is_root_link(&error);
                if is_linked || path == self.watch.path {
                    self.root.suspect();
                }
                if !is_linked {
                    self.events.trouble(&path, &error);
                }
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
            self.companions.end_pass();
            self.settler.end_seeding();
        } else {
            self.root.suspect();
        }
        self.events.settled_down();
        self.schedule.ended(scan.began, self.now(), scan.cost);
        self.use_means();
        self.outbox.scanned(self.settler.waiting())?;
        self.status.started();
        Ok(())
    }

    fn forget_absent(&mut self) -> Result<(), Closed> {
        let watch = Arc::clone(&self.watch);
        let absent = |path: &PathBuf| matches!(look::thing(&watch, path), Ok(Thing::Nothing));
        let folders: Vec<PathBuf> = self
            .events
            .folders()
            .filter(|p| absent(p))
            .cloned()
            .collect();
        for path in folders {
            self.events.forget(&path);
        }
        // In the place of a file that waited there may be a folder now.
        let no_file = |path: &PathBuf| {
            let thing = look::thing(&watch, path);
            matches!(thing, Ok(Thing::Nothing | Thing::Folder | Thing::Other))
        };
        for path in self.settler.unseen().into_iter().filter(no_file) {
            let finding = self.settler.vanished(&path);
            self.report(finding)?;
        }
        Ok(())
    }

    /// Looks at the files whose time has come.
    fn look(&mut self) -> Result<(), Closed> {
        for (path, examine) in self.settler.tick(self.now(), LOOKS) {
            let mut look = look::look(&self.watch, &path, examine);
            // What was seen counts only in the folder that is known for the root, and is locked.
            if !self.root.is_unchanged() {
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

    /// Lets others see the state, and says when the last waiting file has stopped waiting.
    fn publish(&mut self) -> Result<(), Closed> {
        let (waiting, busy) = (self.settler.waiting(), self.is_busy());
        if waiting == 0 && self.status.waiting() > 0 && !busy {
            self.outbox.scanned(0)?;
        }
        let busy = busy || self.companions.next_due().is_some();
        self.status.publish(waiting, busy);
        Ok(())
    }
}
