//! All that there is: the site with its daemon, the two platforms, the books, and what will happen
//! later.

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
    pub(super) manners: Manners,
    /// When an account was last told that there are too many requests, and not for how long.
    pub(super) rested: Option<Instant>,
    /// A run of a minute, as in every `cargo test`.
    pub(super) is_short: bool,
    numbers: usize,
}

/// What differs between the platforms of one run and of another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manners {
    /// How long each works on a file, in milliseconds. It may be too short to be seen.
    pub(super) processing: [u64; 2],
    /// Whether v2 reports the size and MD5 of what it has.
    pub(super) tells_originals: bool,
}

const SEEN: [u64; 4] = [900, 1_500, 2_500, 4_000];
const ANY: [u64; 4] = [20, 150, 900, 2_500];

impl Manners {
    /// In a short run v2 is seen at work, and says what it has: without either, the proof that a video has
    /// its new content takes half a minute and more.
    fn draw(dice: &mut Dice, is_short: bool) -> Self {
        let of_v2 = if is_short { SEEN } else { ANY };
        let any = |dice: &mut Dice, of: [u64; 4]| of[usize::try_from(dice.below(4)).unwrap()];
        Self {
            processing: [any(dice, [20, 150, 400, 1_500]), any(dice, of_v2)],
            tells_originals: is_short || dice.below(3) > 0,
        }
    }
}

/// While so many jobs are open, nothing more is written.
const BACKLOG: i64 = 80;

impl World {
    pub(super) fn new(dice: &mut Dice, minutes: u64) -> Self {
        let is_short = minutes <= 1;
        let manners = Manners::draw(dice, is_short);
        let platforms = manners.processing.map(|milliseconds| {
            Platform::with(|options| {
                options.processing = Duration::from_millis(milliseconds);
                options.s3_notice = Duration::from_millis(80);
            })
        });
        let site = Site::new(&platforms[0]);
        places::make(&site);
        places::configure(&site, &platforms, &[]);
        let daemon = Some(site.start());
        let world = Self {
            site,
            platforms,
            books: Books::new(),
            daemon,
            later: Vec::new(),
            stopped: None,
            outage: false,
            wrong: Vec::new(),
            done: std::collections::BTreeMap::new(),
            manners,
            rested: None,
            is_short,
            numbers: 0,
        };
        world.be_as_usual();
        world
    }

    /// Nothing of it is removed at the end.
    pub(super) fn keep(&mut self) {
        self.site.keep();
        for platform in &mut self.platforms {
            platform.keep();
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
