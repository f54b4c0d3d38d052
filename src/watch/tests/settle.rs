//! The settler against a model: random histories of a few files, with and without the kernel's
//! help, and the promises that must hold in all of them.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::watch::writer::Reason;

const SETTLE: Duration = Duration::from_secs(1);
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
}

/// The disk, the kernel, and what was promised so far.
struct World {
    settler: Settler,
    files: [Option<File>; PATHS],
    now: Duration,
    stamp: i64,
    leases: bool,
    race: bool,
    slow: Duration,
    settled: HashSet<(PathBuf, Identity)>,
    looks: usize,
}

fn path(index: usize) -> PathBuf {
    PathBuf::from(format!("/v/{index}.mp4"))
}

impl World {
    fn new(leases: bool) -> Self {
        Self {
            settler: Settler::new("test".to_owned(), SETTLE),
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
                    changed: now,
                    open: false,
                    written: false,
                });
                self.announce(index, announced);
            }
            Op::Write(index) if self.is_open(index) => self.write(index),
            Op::Open(index) => self.change(index, |file| file.open = true),
            Op::Store(index) if self.leases => self.change(index, |file| {
                if file.open && file.written {
                    file.changed = now;
                }
            }),
            Op::Close(index) if self.is_open(index) => {
                self.change(index, |file| (file.open, file.written) = (false, false));
                self.announce(index, announced);
            }
            Op::Truncate(index) => {
                self.touch(index, |file| (file.identity.size, file.changed) = (0, now));
                self.announce(index, announced);
            }
            Op::Chmod(index) => {
                self.touch(index, |_| {});
                self.announce(index, announced);
            }
            Op::Rename(from, to) if from != to && self.files[from].is_some() => {
                self.touch(from, |_| {});
                self.files[to] = self.files[from].take();
                self.announce(from, announced);
                self.announce(to, announced);
            }
            Op::Delete(index) => {
                self.files[index] = None;
                self.announce(index, announced);
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

    fn is_open(&self, index: usize) -> bool {
        self.files[index].is_some_and(|file| file.open)
    }

    fn change(&mut self, index: usize, change: impl FnOnce(&mut File)) {
        if let Some(file) = &mut self.files[index] {
            change(file);
        }
    }

    fn announce(&mut self, index: usize, announced: bool) {
        if announced {
            self.sight(index, SeenBy::Event);
        }
    }

    fn sight(&mut self, index: usize, by: SeenBy) {
        match self.files[index] {
            Some(File { identity, .. }) => {
                self.settler.see(
                    Sighting {
                        path: path(index),
                        identity,
                        by,
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
        self.sight(index, SeenBy::Event);
    }

    fn scan(&mut self) {
        self.settler.begin_pass();
        for index in 0..PATHS {
            if self.files[index].is_some() {
                self.sight(index, SeenBy::Scan);
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
            for path in self.settler.tick(self.now, 2) {
                self.look(&path);
            }
        }
        self.now = self.now.max(end);
    }

    fn look(&mut self, at: &Path) {
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
            Some(file) if !self.leases => {
                Look::Still(file.identity, Writer::Unknown(Reason::NoLeases))
            }
            Some(file) if file.open => Look::Still(file.identity, Writer::Present),
            Some(file) => Look::Still(file.identity, Writer::None),
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
        assert!(quiet >= SETTLE, "bytes changed {quiet:?} before");
        let first = self.settled.insert((settled.path, settled.identity));
        assert!(first, "settled twice with {:?}", settled.identity);
    }

    /// The indices agree with what they index.
    fn check_order(&self) {
        for (path, _) in self.settler.candidates.checked() {
            assert!(
                !self.settler.known.contains_key(&**path),
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
    fn never_half_never_twice_never_lost(ops in ops(), leases: bool) {
        let mut world = World::new(leases);
        for (op, announced) in &ops {
            world.apply(op, *announced);
        }
        world.check_all_settle();
    }
}

/// A settler with one waiting file, just looked at.
fn one(identity: Identity, writer: Writer) -> (Settler, Option<Finding>) {
    let mut settler = Settler::new("test".to_owned(), SETTLE);
    settler.see(
        Sighting {
            path: path(0),
            identity,
            by: SeenBy::Event,
        },
        Duration::ZERO,
    );
    assert_eq!(settler.tick(Duration::ZERO, 9).len(), 1);
    let finding = settler.answer(&path(0), Look::Still(identity, writer), Duration::ZERO);
    (settler, finding)
}

fn why(finding: Option<Finding>) -> Option<Waiting> {
    match finding? {
        Finding::Waiting { why, .. } => Some(why),
        other => panic!("{other:?}"),
    }
}

const FILE: Identity = Identity {
    dev: 1,
    ino: 1,
    size: 1,
    mtime_ns: 1,
    ctime_ns: 1,
};

#[test]
fn an_unknown_writer_takes_three_settle_times() {
    let unknown = || Writer::Unknown(Reason::NoLeases);
    let (mut settler, finding) = one(FILE, unknown());
    assert_eq!(why(finding), Some(Waiting::WriterUnknown));
    assert_eq!(settler.next_due(), Some(SETTLE * 3));
    settler.tick(SETTLE * 3, 9);
    let finding = settler.answer(&path(0), Look::Still(FILE, unknown()), SETTLE * 3);
    assert!(matches!(finding, Some(Finding::Settled(_))));
    assert_eq!((settler.next_due(), settler.waiting()), (None, 0));
}

#[test]
fn what_it_waits_for_is_told_once_and_again_when_it_changes() {
    let (mut settler, finding) = one(FILE, Writer::Present);
    assert_eq!(why(finding), Some(Waiting::WriterOpen));
    let grown = Identity {
        size: 2,
        ctime_ns: 2,
        ..FILE
    };
    let steps = [
        (Look::Still(grown, Writer::Present), None),
        (Look::Still(grown, Writer::None), Some(Waiting::Quiet)),
        (Look::Still(FILE, Writer::None), Some(Waiting::Changing)),
        (Look::Moving(grown), None),
        (Look::OutOfReach, Some(Waiting::OutOfReach)),
        (
            Look::Still(Identity { size: 0, ..FILE }, Writer::None),
            Some(Waiting::Empty),
        ),
    ];
    for (look, expected) in steps {
        let due = settler.next_due().unwrap();
        settler.tick(due, 9);
        assert_eq!(
            why(settler.answer(&path(0), look.clone(), due)),
            expected,
            "{look:?}"
        );
    }
}

#[test]
fn what_is_missing_under_another_root_is_held() {
    let (mut settler, _) = one(FILE, Writer::None);
    settler.begin_root();
    settler.tick(SETTLE, 9);
    let finding = settler.answer(&path(0), Look::Gone, SETTLE);
    assert_eq!(why(finding), Some(Waiting::OutOfReach));
    assert_eq!((settler.next_due(), settler.waiting()), (None, 0));
    settler.see(
        Sighting {
            path: path(0),
            identity: FILE,
            by: SeenBy::Scan,
        },
        SETTLE,
    );
    assert_eq!((settler.next_due(), settler.waiting()), (Some(SETTLE), 1));
    settler.tick(SETTLE, 9);
    let finding = settler.answer(&path(0), Look::Gone, SETTLE);
    assert_eq!(finding, Some(Finding::Gone(path(0))));
}

#[test]
fn a_sighting_of_an_open_file_wants_a_look_at_once() {
    let (mut settler, _) = one(FILE, Writer::Present);
    assert_eq!(settler.next_due(), Some(SETTLE));
    let now = Duration::from_millis(10);
    settler.see(
        Sighting {
            path: path(0),
            identity: FILE,
            by: SeenBy::Event,
        },
        now,
    );
    assert_eq!(
        settler.next_due(),
        Some(now),
        "it may mean that the writer has gone"
    );
    settler.tick(now, 9);
    settler.answer(&path(0), Look::Still(FILE, Writer::None), now);
    assert_eq!(settler.next_due(), Some(now + SETTLE));
    settler.see(
        Sighting {
            path: path(0),
            identity: FILE,
            by: SeenBy::Event,
        },
        now * 2,
    );
    assert_eq!(settler.next_due(), Some(now + SETTLE), "nothing new");
}
