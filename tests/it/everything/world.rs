//! All that there is: the site with its daemon, the two platforms, the books, and what is to happen
//! later.

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::books::{Books, Id};
use super::places;
use crate::support::{Daemon, Dice, Platform, Site};

/// What was begun and ends later.
pub(super) enum Later {
    /// The next piece of a file that is being written.
    Write(Writing),
    /// A sidecar is completed.
    Sidecar(PathBuf, String),
    /// A file that was taken away comes back under its old name.
    Return(PathBuf, PathBuf),
    /// A daemon that was killed is started again.
    Start,
    /// A daemon that was stopped runs on.
    Continue,
    /// All watches are configured again.
    Configure,
    /// The platforms are well again, and let go what they hold.
    Calm,
    Release,
}

/// A file that is being written.
pub(super) struct Writing {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) id: Id,
    pub(super) left: Vec<u8>,
}

/// The world.
pub(super) struct World {
    pub(super) site: Site,
    pub(super) platforms: [Platform; 2],
    pub(super) books: Books,
    pub(super) daemon: Option<Daemon>,
    later: Vec<(Instant, Later)>,
    /// Since when the daemon is stopped.
    pub(super) stopped: Option<Instant>,
    /// Whether a platform cannot be reached.
    pub(super) outage: bool,
    /// What was seen to be wrong on the way.
    pub(super) wrong: Vec<(Option<Id>, String)>,
    /// How often each thing was done.
    pub(super) done: std::collections::BTreeMap<&'static str, usize>,
    /// All titles that were seen on a video.
    pub(super) titles: HashSet<String>,
    looked: Instant,
    numbers: usize,
}

/// How often the platforms are looked at.
const LOOK: Duration = Duration::from_millis(1_500);

/// While so many jobs are open, nothing more is written.
const BACKLOG: i64 = 80;

impl World {
    pub(super) fn new() -> Self {
        let works_for = |milliseconds| {
            Platform::with(|options| {
                options.processing = Duration::from_millis(milliseconds);
                options.s3_notice = Duration::from_millis(80);
            })
        };
        // With v2 it has to be seen at work: else the new content of a video counts after half a minute.
        let platforms = [works_for(150), works_for(900)];
        let site = Site::new(&platforms[0]);
        places::make(&site);
        places::configure(&site, &platforms, &[]);
        let daemon = Some(site.start());
        Self {
            site,
            platforms,
            books: Books::new(),
            daemon,
            later: Vec::new(),
            stopped: None,
            outage: false,
            wrong: Vec::new(),
            done: std::collections::BTreeMap::new(),
            titles: HashSet::new(),
            looked: Instant::now(),
            numbers: 0,
        }
    }

    /// The next of a row of numbers.
    pub(super) fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    /// Lets something happen in so many milliseconds.
    pub(super) fn after(&mut self, milliseconds: u64, later: Later) {
        let at = Instant::now() + Duration::from_millis(milliseconds);
        self.later.push((at, later));
    }

    /// Does what is due; or all of it, as the end has come.
    pub(super) fn do_what_is_due(&mut self, dice: &mut Dice, all: bool) {
        loop {
            let now = Instant::now();
            let due = self.later.iter().position(|(at, _)| all || *at <= now);
            let Some(due) = due else { break };
            let (_, later) = self.later.remove(due);
            self.finish(dice, later);
        }
        self.books.watch_witnesses();
        if self.looked.elapsed() > LOOK {
            self.look();
        }
        if let (Some(daemon), None) = (&mut self.daemon, self.stopped)
            && daemon.has_ended()
        {
            let what = "the daemon has ended by itself".to_owned();
            self.wrong.push((None, what));
            self.daemon = Some(self.site.start());
        }
    }

    fn finish(&mut self, dice: &mut Dice, later: Later) {
        match later {
            Later::Write(writing) => self.write_on(dice, writing),
            Later::Sidecar(path, title) => self.complete_sidecar(&path, title),
            Later::Return(from, to) => self.bring_back(&from, &to),
            Later::Start => self.start(),
            Later::Continue => self.go_on(),
            Later::Configure => self.configure(&[]),
            Later::Calm => self.calm(),
            Later::Release => self.release(),
        }
    }

    /// Sees what the videos are called.
    pub(super) fn look(&mut self) {
        for platform in &self.platforms {
            self.titles.extend(platform.titles());
        }
        self.looked = Instant::now();
    }

    /// One value out of the job table.
    pub(super) fn number_of(&self, sql: &str) -> i64 {
        self.site.value(sql).unwrap_or_default()
    }

    /// Whether the daemon has enough to do.
    pub(super) fn is_busy(&self) -> bool {
        let open = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')";
        self.number_of(open) > BACKLOG
    }
}
