//! The books on what people did: which content they left where, when they took it away again, and
//! what they did on the platform. Of the daemon's doings they hold nothing but what was seen.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use md5::{Digest, Md5};

use super::places::Place;
use crate::support::Dice;
use crate::writers::video::{self, Kind};

/// The number of a content.
pub(super) type Id = usize;

/// Bytes that no other file has, made again from a seed whenever they are wanted.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) md5: String,
    pub(super) size: usize,
    pub(super) kind: Kind,
    seed: u64,
    /// Where people left it and did not take it away. Where the daemon took it, it still counts.
    pub(super) instances: Vec<Instance>,
    /// The accounts in whose watches people put it, and when last.
    pub(super) placed_in: [Option<Instant>; 2],
}

impl Content {
    fn left_for(&self, account: usize) -> impl Iterator<Item = &Instance> {
        let of = move |instance: &&Instance| instance.account == Some(account);
        self.instances.iter().filter(of)
    }

    /// Whether people left it in a watch of the account, and did not take it away.
    pub(super) fn is_left_for(&self, account: usize) -> bool {
        self.left_for(account).next().is_some()
    }

    /// Whether people left it below this folder, and did not take it away.
    pub(super) fn is_left_in(&self, folder: &Path) -> bool {
        let mut left = self.instances.iter();
        left.any(|instance| instance.path.starts_with(folder))
    }

    /// When people put it under this name last, and left it there.
    pub(super) fn placed_at(&self, path: &Path) -> Option<Instant> {
        let here = self.instances.iter().filter(|one| one.path == path);
        here.map(|instance| instance.placed).max()
    }

    /// Where people put it that is no watch.
    pub(super) fn aside(&self) -> impl Iterator<Item = &Path> {
        let aside = self.instances.iter().filter(|one| one.account.is_none());
        aside.map(|instance| instance.path.as_path())
    }
}

/// A file that people left somewhere.
#[derive(Debug)]
pub(super) struct Instance {
    path: PathBuf,
    placed: Instant,
    /// The account of the watch, if it was put into one.
    account: Option<usize>,
}

/// A video that a person deleted on the platform.
#[derive(Debug)]
pub(super) struct Deleted {
    pub(super) account: usize,
    pub(super) key: String,
    pub(super) content: Option<Id>,
    pub(super) at: Instant,
    /// Files of this content that were there right after; and when they were found to be gone.
    pub(super) witnesses: Vec<(PathBuf, u64, Option<Instant>)>,
}

/// How a file was when it was put somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) modified: SystemTime,
    pub(super) inode: u64,
}

/// A sidecar that people left.
#[derive(Debug, Clone)]
pub(super) struct Sidecar {
    /// The title in it, where it is whole.
    pub(super) title: Option<String>,
    /// It was half typed first: it is told also if its video has gone from the folder meanwhile.
    pub(super) mended: bool,
}

/// The books.
pub(super) struct Books {
    pub(super) begun: Instant,
    begun_at: SystemTime,
    pub(super) contents: Vec<Content>,
    by_md5: HashMap<String, Id>,
    /// What people believe to be where.
    pub(super) present: BTreeMap<PathBuf, Id>,
    /// What the daemon took from a path: in a watch with on-replace = "replace", who puts other content
    /// there wants it to go, wherever it is by then.
    taken: HashMap<PathBuf, Vec<Id>>,
    /// Files that are being written.
    pub(super) busy: HashSet<PathBuf>,
    /// Where each content lay once, for what comes back.
    pub(super) past: Vec<(PathBuf, Id, Stamp)>,
    pub(super) deleted: Vec<Deleted>,
    /// Jobs that a person ordered to be uploaded even if they are copies, and those cancelled.
    pub(super) by_hand: HashSet<i64>,
    pub(super) cancelled: HashSet<i64>,
    /// The sidecars that people left.
    pub(super) sidecars: BTreeMap<PathBuf, Sidecar>,
    /// Spans in which the daemon could not run on.
    pub(super) stopped: Vec<(Instant, Instant)>,
    lines: Vec<(Instant, Option<Id>, String)>,
}

impl Books {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            begun_at: SystemTime::now(),
            contents: Vec::new(),
            by_md5: HashMap::new(),
            present: BTreeMap::new(),
            taken: HashMap::new(),
            busy: HashSet::new(),
            past: Vec::new(),
            deleted: Vec::new(),
            by_hand: HashSet::new(),
            cancelled: HashSet::new(),
            sidecars: BTreeMap::new(),
            stopped: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Notes what was done, about a content or about nothing in particular.
    pub(super) fn note(&mut self, about: Option<Id>, what: String) {
        self.lines.push((Instant::now(), about, what));
    }

    /// All that was noted of a content, or of these paths.
    pub(super) fn history(&self, about: Id, paths: &[PathBuf]) -> String {
        let mut text = String::new();
        for (at, of, what) in &self.lines {
            let names = |path: &PathBuf| what.contains(&path.display().to_string());
            if *of == Some(about) || paths.iter().any(names) {
                let at = at.duration_since(self.begun).as_secs_f32();
                writeln!(text, "  {at:7.2} s  {what}").unwrap();
            }
        }
        text
    }

    /// The last things that were noted of nothing in particular.
    pub(super) fn weather(&self) -> String {
        let of_all: Vec<_> = self.lines.iter().filter(|line| line.1.is_none()).collect();
        let mut text = String::new();
        for (at, _, what) in of_all.iter().rev().take(40).rev() {
            let at = at.duration_since(self.begun).as_secs_f32();
            writeln!(text, "  {at:7.2} s  {what}").unwrap();
        }
        text
    }

    /// Makes a content that no file has had.
    pub(super) fn make(&mut self, dice: &mut Dice, kind: Kind) -> (Id, Vec<u8>) {
        let size = match dice.below(100) {
            0..90 => 2_000 + dice.below(50_000),
            90..97 => 210_000 + dice.below(200_000),
            _ => 600_000 + dice.below(900_000),
        };
        self.make_of(dice, kind, usize::try_from(size).unwrap())
    }

    /// A new content of the kind and size of another.
    pub(super) fn make_like(&mut self, dice: &mut Dice, other: Id) -> (Id, Vec<u8>) {
        let (kind, size) = (self.contents[other].kind, self.contents[other].size);
        self.make_of(dice, kind, size)
    }

    fn make_of(&mut self, dice: &mut Dice, kind: Kind, size: usize) -> (Id, Vec<u8>) {
        let content = Content {
            md5: String::new(),
            size,
            kind,
            seed: dice.below(u64::MAX),
            instances: Vec::new(),
            placed_in: [None; 2],
        };
        let id = self.contents.len();
        self.contents.push(content);
        let bytes = self.bytes(id);
        let md5 = md5_of(&bytes);
        self.contents[id].md5.clone_from(&md5);
        self.by_md5.insert(md5, id);
        (id, bytes)
    }

    /// The bytes of a content.
    pub(super) fn bytes(&self, id: Id) -> Vec<u8> {
        let content = &self.contents[id];
        video::make(&mut Dice::seeded(content.seed), content.kind, content.size)
    }

    pub(super) fn known(&self, md5: &str) -> Option<Id> {
        self.by_md5.get(md5).copied()
    }

    /// Which content a file has now.
    pub(super) fn look(&self, path: &Path) -> Option<Id> {
        self.known(&md5_of(&fs::read(path).ok()?))
    }

    /// People are about to do something with a file: whether it is still there as they left it. Where
    /// it is not, the daemon has taken it, and that instance is not theirs any more.
    pub(super) fn still_there(&mut self, path: &Path) -> Option<Id> {
        let believed = self.present.get(path).copied()?;
        let found = self.look(path);
        if found == Some(believed) {
            return found;
        }
        self.present.remove(path);
        let taken = self.taken.entry(path.to_path_buf());
        taken.or_default().push(believed);
        self.note(
            Some(believed),
            format!("gone from {}: the daemon took it", path.display()),
        );
        None
    }

    /// People put a content somewhere; in the folder of which account, if it is watched.
    pub(super) fn put(&mut self, path: &Path, id: Id, place: Option<Place>, how: &str) {
        let now = Instant::now();
        if place.is_some_and(|place| place.on_replace == "replace") {
            self.replaced(path);
        }
        self.note(Some(id), format!("{how} {}", path.display()));
        self.present.insert(path.to_path_buf(), id);
        let content = &mut self.contents[id];
        content.instances.push(Instance {
            path: path.to_path_buf(),
            placed: now,
            account: place.map(|place| place.account),
        });
        if let Some(place) = place {
            content.placed_in[place.account] = Some(now);
        }
        if let (Ok(meta), Some(_)) = (fs::symlink_metadata(path), place) {
            let stamp = Stamp {
                modified: meta.modified().unwrap(),
                inode: meta.ino(),
            };
            self.past.push((path.to_path_buf(), id, stamp));
        }
    }

    /// People put other content under a name whose video gets it: what the video had is theirs no more.
    fn replaced(&mut self, path: &Path) {
        for id in self.taken.remove(path).unwrap_or_default() {
            let instances = &mut self.contents[id].instances;
            if let Some(oldest) = instances.iter().position(|one| one.path == path) {
                instances.remove(oldest);
            }
            let what = format!("its video gets what is put to {}", path.display());
            self.note(Some(id), what);
        }
    }

    /// People ended an instance: they deleted it, wrote over it, or took it elsewhere.
    pub(super) fn end(&mut self, path: &Path, how: &str) {
        if let Some(id) = self.present.remove(path) {
            let instances = &mut self.contents[id].instances;
            if let Some(newest) = instances.iter().rposition(|one| one.path == path) {
                instances.remove(newest);
            }
            self.note(Some(id), format!("{how} {}", path.display()));
            // What people took away themselves bears no witness.
            for deleted in &mut self.deleted {
                deleted
                    .witnesses
                    .retain(|(witness, _, gone)| gone.is_some() || witness != path);
            }
        }
    }

    /// The files of a content that lie where people left them.
    pub(super) fn witnesses(&self, id: Id) -> Vec<(PathBuf, u64, Option<Instant>)> {
        let here = self.present.iter().filter(|(_, content)| **content == id);
        here.filter_map(|(path, _)| {
            let meta = fs::symlink_metadata(path).ok()?;
            Some((path.clone(), meta.ino(), None))
        })
        .collect()
    }

    /// Sees whether the files that a person's deletion left on this machine are there still.
    pub(super) fn watch_witnesses(&mut self) {
        let now = Instant::now();
        for deleted in &mut self.deleted {
            for (path, inode, gone) in &mut deleted.witnesses {
                let there = || fs::symlink_metadata(path).is_ok_and(|meta| meta.ino() == *inode);
                if gone.is_none() && !there() {
                    *gone = Some(now);
                }
            }
        }
    }

    /// Whether a person's deletions on the platform excuse a content that is in no video of an account: each
    /// file of it that people left for it was put there before one of them, and none was on this machine
    /// then, or the daemon had just been told that the platform has it.
    pub(super) fn excused(&self, id: Id, account: usize) -> bool {
        let mut left = self.contents[id].left_for(account);
        left.all(|instance| {
            self.deleted.iter().any(|deleted| {
                deleted.content == Some(id)
                    && deleted.account == account
                    && instance.placed < deleted.at
                    && deleted.witnesses.iter().all(|(_, _, gone)| {
                        gone.is_some_and(|gone| self.ran_between(deleted.at, gone) < RACE)
                    })
            })
        })
    }

    /// Whether a person deleted the video after the daemon had taken this file: nothing looks after it
    /// any more.
    pub(super) fn deleted_after_it_was_taken(&self, id: Id, account: usize, path: &Path) -> bool {
        let Ok(meta) = fs::symlink_metadata(path) else {
            return false;
        };
        // A rename moves the ctime, and a copy is made then.
        let nanoseconds = u64::try_from(meta.ctime() * 1_000_000_000 + meta.ctime_nsec()).unwrap();
        let taken = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds);
        self.deleted.iter().any(|deleted| {
            let at = self.begun_at + deleted.at.duration_since(self.begun);
            deleted.content == Some(id) && deleted.account == account && at + RACE > taken
        })
    }

    fn ran_between(&self, from: Instant, to: Instant) -> Duration {
        let mut span = to.duration_since(from);
        for (begin, end) in &self.stopped {
            let (begin, end) = ((*begin).max(from), (*end).min(to));
            span = span.saturating_sub(end.saturating_duration_since(begin));
        }
        span
    }
}

/// How long the daemon may act on an answer that it got before a person deleted the video.
const RACE: Duration = Duration::from_secs(3);

/// MD5 in hexadecimal.
pub(super) fn md5_of(bytes: &[u8]) -> String {
    Md5::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}
