//! The settler against a model: random histories of a few files, with and without the kernel's
//! help, and the promises that must hold in all of them.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::watch::container::Verdict;
use crate::watch::evidence::UNKNOWN_WRITER_FACTOR;
use crate::watch::writer::{Reason, Writer};

/// Longer than what is enough when every sign agrees.
const SETTLE: Duration = Duration::from_secs(3);
const QUICK: Duration = Duration::from_secs(2);
const TIMES: Times = Times {
    settle: SETTLE,
    complete: QUICK,
    incomplete: Duration::from_mins(1),
    companion: Duration::from_mins(1),
};
const PATHS: usize = 3;

#[derive(Debug, Clone)]
enum Op {
    /// A new file; empty or not.
    Create(usize, bool),
    Open(usize),
    /// Writes through an open descriptor.
    Write(usize),
    /// Changes bytes through a memory map, without moving a time stamp.
    Store(usize),
    Close(usize),
    Truncate(usize),
    Chmod(usize),
    Rename(usize, usize),
    Delete(usize),
    Recheck(usize),
    /// The next look at an open file happens while it is written.
    Race,
    Scan,
    /// Time passes, and looks are done when they are due.
    Wait(u64),
    /// Time passes while the machine is too busy to look.
    Lag(u64),
    /// The next look takes so long: half of it before the file is examined, half after.
    Slow(u64),
}

#[derive(Debug, Clone, Copy)]
struct File {
    identity: Identity,
    changed: Duration,
    open: bool,
    written: bool,
    /// That it was closed or renamed was announced.
    ended: bool,
}

/// The disk, the kernel, and what was promised so far.
struct World {
    settler: Settler,
    files: [Option<File>; PATHS],
    now: Duration,
    stamp: i64,
    leases: bool,
    container: Verdict,
    race: bool,
    slow: Duration,
    settled: HashSet<(PathBuf, Identity)>,
    looks: usize,
}

/// What a look finds of a file all of which is on the disk.
fn evidence(identity: Identity, writer: Writer, container: Option<Verdict>) -> Evidence {
    Evidence {
        identity,
        blocks: identity.bytes(),
        writer,
        container,
        control: None,
        marker: None,
        lacks_companion: false,
    }
}

fn still(identity: Identity, writer: Writer) -> Look {
    Look::Still(evidence(identity, writer, Some(Verdict::Unknown)))
}

fn path(index: usize) -> PathBuf {
    PathBuf::from(format!("/v/{index}.mp4"))
}

impl World {
    fn new(leases: bool, container: Verdict) -> Self {
        Self {
            settler: Settler::new("test".to_owned(), TIMES),
            container,
            files: [None; PATHS],
            now: Duration::ZERO,
            stamp: 0,
            leases,
            race: false,
            slow: Duration::ZERO,
            settled: HashSet::new(),
            looks: 0,
        }
    }

    fn touch(&mut self, index: usize, change: impl FnOnce(&mut File)) {
        self.stamp += 1;
        if let Some(file) = &mut self.files[index] {
            change(file);
            file.identity.ctime_ns = self.stamp;
        }
    }

    fn write(&mut self, index: usize) {
        let now = self.now;
        self.touch(index, |file| {
            file.identity.size += 1;
            file.changed = now;
            file.written = true;
        });
    }

    /// Does it; then, if the kernel announces it, what the watch does about that path.
    fn apply(&mut self, op: &Op, announced: bool) {
        let now = self.now;
        match *op {
            Op::Create(index, empty) if self.files[index].is_none() => {
                self.create(index, empty);
                self.announce(index, announced, Ending::Unseen);
            }
            Op::Write(index) if self.is_open(index) => self.write(index),
            Op::Open(index) => self.change(index, |file| file.open = true),
            Op::Store(index) if self.leases => self.change(index, |file| {
                if file.open && file.written {
                    file.changed = now;
                }
            }),
            Op::Close(index) if self.is_open(index) => {
                self.change(index, |file| {
                    (file.open, file.written) = (false, false);
                    file.ended |= announced;
                });
                self.announce(index, announced, Ending::Closed);
            }
            Op::Truncate(index) => {
                self.touch(index, |file| (file.identity.size, file.changed) = (0, now));
                self.announce(index, announced, Ending::Unseen);
            }
            Op::Chmod(index) => {
                self.touch(index, |_| {});
                self.announce(index, announced, Ending::Unseen);
            }
            Op::Rename(from, to) if from != to && self.files[from].is_some() => {
                self.touch(from, |_| {});
                self.files[to] = self.files[from].take();
                self.change(to, |file| file.ended |= announced);
                self.announce(from, announced, Ending::Unseen);
                self.announce(to, announced, Ending::Renamed);
            }
            Op::Delete(index) => {
                self.files[index] = None;
                self.announce(index, announced, Ending::Unseen);
            }
            Op::Recheck(index) => self.recheck(index),
            Op::Race => self.race = true,
            Op::Scan => self.scan(),
            Op::Wait(ms) => self.wait(Duration::from_millis(ms)),
            Op::Lag(ms) => self.now += Duration::from_millis(ms),
            Op::Slow(ms) => self.slow = Duration::from_millis(ms),
            _ => {}
        }
        self.check_order();
    }

    fn create(&mut self, index: usize, empty: bool) {
        self.stamp += 1;
        let (ino, size) = (self.stamp, i64::from(!empty));
        let identity = Identity {
            dev: 1,
            ino,
            size,
            mtime_ns: 0,
            ctime_ns: ino,
        };
        self.files[index] = Some(File {
            identity,
            changed: self.now,
            open: false,
            written: false,
            ended: false,
        });
    }

    fn is_open(&self, index: usize) -> bool {
        self.files[index].is_some_and(|file| file.open)
    }

    fn change(&mut self, index: usize, change: impl FnOnce(&mut File)) {
        if let Some(file) = &mut self.files[index] {
            change(file);
        }
    }

    fn announce(&mut self, index: usize, announced: bool, ending: Ending) {
        if announced {
            self.sight(index, SeenBy::Event, ending);
        }
    }

    fn sight(&mut self, index: usize, by: SeenBy, ending: Ending) {
        match self.files[index] {
            Some(File { identity, .. }) => {
                self.settler.see(
                    Sighting {
                        path: path(index),
                        identity,
                        by,
                        ending,
                    },
                    self.now,
                );
            }
            None => {
                self.settler.vanished(&path(index));
            }
        }
    }

    fn recheck(&mut self, index: usize) {
        self.settler.forget(&path(index));
        self.settled.retain(|(at, _)| *at != path(index));
        self.sight(index, SeenBy::Event, Ending::Unseen);
    }

    fn scan(&mut self) {
        self.settler.begin_pass();
        for index in 0..PATHS {
            if self.files[index].is_some() {
                self.sight(index, SeenBy::Scan, Ending::Unseen);
            }
        }
        for unseen in self.settler.unseen() {
            let absent =
                (0..PATHS).all(|index| path(index) != unseen || self.files[index].is_none());
            assert!(absent, "the scan has just come across {unseen:?}");
            self.settler.vanished(&unseen);
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.settler.next_due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            for (path, examine) in self.settler.tick(self.now, 2) {
                self.look(&path, examine);
            }
        }
        self.now = self.now.max(end);
    }

    fn look(&mut self, at: &Path, examine: bool) {
        self.looks += 1;
        let index = (0..PATHS).find(|index| path(*index) == at).unwrap();
        let half = std::mem::take(&mut self.slow) / 2;
        self.now += half;
        let examined = self.now;
        let racing = self.is_open(index) && std::mem::take(&mut self.race);
        if racing {
            self.write(index);
        }
        let look = match self.files[index] {
            None => Look::Gone,
            Some(file) if racing => Look::Moving(file.identity),
            Some(file) => {
                let writer = match file.open {
                    _ if !self.leases => Writer::Unknown(Reason::NoLeases),
                    true => Writer::Present,
                    false => Writer::None,
                };
                let container = examine.then_some(self.container);
                Look::Still(evidence(file.identity, writer, container))
            }
        };
        self.now += half;
        match self.settler.answer(at, look, self.now) {
            Some(Finding::Settled(settled)) => self.check_settled(index, settled, examined),
            Some(Finding::Gone(gone)) => {
                assert_eq!(gone, at);
                assert!(self.files[index].is_none(), "{gone:?} is there");
            }
            Some(Finding::Waiting { .. }) | None => {}
        }
    }

    /// Never half, never twice.
    fn check_settled(&mut self, index: usize, settled: SettledFile, examined: Duration) {
        let file = self.files[index].expect("a file that is there");
        assert_eq!(settled.identity, file.identity);
        assert!(file.identity.size > 0, "an empty file settled");
        assert!(!(self.leases && file.open), "a file settled with a writer");
        let quiet = examined.checked_sub(file.changed).unwrap();
        let sure = self.leases && self.container == Verdict::Complete && file.ended;
        let enough = if sure { QUICK } else { SETTLE };
        assert!(quiet >= enough, "bytes changed {quiet:?} before");
        let first = self.settled.insert((settled.path, settled.identity));
        assert!(first, "settled twice with {:?}", settled.identity);
    }

    /// The indices agree with what they index.
    fn check_order(&self) {
        for (path, _) in self.settler.candidates.checked() {
            assert!(
                !self.settler.known.contains_key(path.as_os_str()),
                "{path:?} is known and waits"
            );
        }
    }

    /// Never lost: once all writers have gone, a scan and some time settle everything.
    fn check_all_settle(&mut self) {
        for index in 0..PATHS {
            self.change(index, |file| file.open = false);
        }
        self.slow = Duration::ZERO;
        self.scan();
        self.looks = 0;
        self.wait(SETTLE * (UNKNOWN_WRITER_FACTOR * 2 + 1));
        assert!(self.looks <= 5 * PATHS, "{} looks", self.looks);
        for index in 0..PATHS {
            let Some(file) = self.files[index].filter(|file| file.identity.size > 0) else {
                continue;
            };
            assert!(
                self.settled.contains(&(path(index), file.identity)),
                "{index} never settled"
            );
        }
        assert_eq!(self.settler.waiting(), 0);
        for (path, candidate) in self.settler.candidates.checked() {
            assert_eq!(candidate.told, Some(Waiting::Empty), "{path:?}");
        }
    }
}

fn ops() -> impl Strategy<Value = Vec<(Op, bool)>> {
    let index = 0..PATHS;
    let op = prop_oneof![
        2 => (index.clone(), any::<bool>()).prop_map(|(index, empty)| Op::Create(index, empty)),
        3 => index.clone().prop_map(Op::Open),
        4 => index.clone().prop_map(Op::Write),
        3 => index.clone().prop_map(Op::Store),
        3 => index.clone().prop_map(Op::Close),
        1 => index.clone().prop_map(Op::Truncate),
        1 => index.clone().prop_map(Op::Chmod),
        2 => (index.clone(), index.clone()).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => index.clone().prop_map(Op::Delete),
        1 => index.prop_map(Op::Recheck),
        1 => Just(Op::Race),
        2 => Just(Op::Scan),
        8 => (1..1500_u64).prop_map(Op::Wait),
        1 => (1..3000_u64).prop_map(Op::Lag),
        1 => (1..3000_u64).prop_map(Op::Slow),
    ];
    prop::collection::vec((op, prop::bool::weighted(0.7)), 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn never_half_never_twice_never_lost(ops in ops(), leases: bool, whole: bool) {
        let container = if whole { Verdict::Complete } else { Verdict::Unended };
        let mut world = World::new(leases, container);
        for (op, announced) in &ops {
            world.apply(op, *announced);
        }
        world.check_all_settle();
    }
}

mod cases;
