//! What a way of writing works with: where its file goes, random numbers of its own, pauses, and the
//! word on what it leaves behind.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::ledger::{Content, Entry};
use super::video::{self, Kind};
use crate::support::{Dice, Site};

/// A watch, and the times after which its files settle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    name: &'static str,
    keys: &'static str,
    /// How long a file rests without evidence.
    pub(super) settle: Duration,
    /// How many of a hundred files go there.
    share: u64,
}

const PLACES: [Place; 4] = [
    Place {
        name: "quick",
        keys: "settle = \"500ms\"",
        settle: Duration::from_millis(500),
        share: 60,
    },
    // Here the evidence makes a difference: two seconds or three.
    Place {
        name: "careful",
        keys: "settle = \"3s\"",
        settle: Duration::from_secs(3),
        share: 10,
    },
    Place {
        name: "polled",
        keys: "settle = \"500ms\"\nmode = \"poll\"\npoll-interval = \"400ms\"",
        settle: Duration::from_millis(500),
        share: 25,
    },
    Place {
        name: "marked",
        keys: "settle = \"500ms\"\ndone-marker = \"{name}.done\"",
        settle: Duration::from_millis(500),
        share: 5,
    },
];

/// The daemon's own: a file of which every sign agrees settles after this long at the latest.
const SURE: Duration = Duration::from_secs(2);

/// The configuration of all watches.
pub(super) fn configuration() -> String {
    let mut text = "[upload]\nfiles-at-once = 8\ns3-limit = \"1 MB\"\n\n".to_owned();
    for Place { name, keys, .. } in PLACES {
        write!(
            text,
            "[[watch]]\nname = \"{name}\"\npath = \"{{folder}}/{name}\"\n{keys}\n\n"
        )
        .unwrap();
    }
    text
}

/// Makes the watched folders.
pub(super) fn make_folders(site: &Site) {
    for place in PLACES {
        fs::create_dir(site.folder().join(place.name)).unwrap();
    }
    drop(site.outside());
}

/// Waits; no less, however often something wakes the thread.
pub(super) fn rest(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end
        .checked_duration_since(Instant::now())
        .filter(|t| !t.is_zero())
    {
        std::thread::park_timeout(left);
    }
}

/// One file's writer.
pub(super) struct Hand<'a> {
    pub(super) dice: Dice,
    pub(super) place: Place,
    site: &'a Site,
    entry: Entry,
    folder: PathBuf,
    number: usize,
}

/// A content that was left alone for the time being.
pub(super) struct Left {
    path: PathBuf,
    content: Content,
    since: Instant,
}

impl Left {
    /// The writer has no handle on this file, and comes back later. Since when it is left alone is for
    /// the caller to say: a moment before its last write.
    pub(super) fn alone(path: &Path, since: Instant) -> Self {
        Self {
            path: path.to_path_buf(),
            content: Content::of(path),
            since,
        }
    }
}

impl<'a> Hand<'a> {
    pub(super) fn new(site: &'a Site, mut dice: Dice, number: usize, way: &'static str) -> Self {
        let mut drawn = dice.below(100);
        let mut place = PLACES[0];
        if way == super::ways::MARKED {
            place = PLACES[3];
        } else {
            drawn %= PLACES.iter().take(3).map(|one| one.share).sum::<u64>();
            for one in PLACES.into_iter().take(3) {
                place = one;
                if drawn < one.share {
                    break;
                }
                drawn -= one.share;
            }
        }
        let root = site.folder().join(place.name);
        let folder = match dice.below(4) {
            0 => root,
            1 => root.join(format!("day {}", dice.below(5))),
            // Most of these are made just before they are written to.
            _ => root.join(format!("{}/{}", dice.below(20), dice.below(10))),
        };
        fs::create_dir_all(&folder).unwrap();
        Self {
            entry: Entry::new(way, number),
            dice,
            place,
            site,
            folder,
            number,
        }
    }

    /// The name that the file gets, or one of its files.
    pub(super) fn name(&self, more: &str, kind: Kind) -> String {
        let way = self.entry.way.replace(' ', "-");
        format!("{:05}-{way}{more}.{}", self.number, kind.extension())
    }

    /// The watched folder that the file goes to.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the file should be.
    pub(super) fn target(&self, kind: Kind) -> PathBuf {
        self.folder.join(self.name("", kind))
    }

    /// It is not watched; on the same filesystem.
    pub(super) fn outside(&self, name: &str) -> PathBuf {
        let folder = self
            .site
            .root()
            .join("outside")
            .join(self.number.to_string());
        fs::create_dir_all(&folder).unwrap();
        folder.join(name)
    }

    /// What all files of a run may share, such as a master copy.
    pub(super) fn shared(&self, name: &str) -> PathBuf {
        self.site.root().join("outside").join(name)
    }

    /// A file outside with a video in it.
    pub(super) fn original(&mut self, kind: Kind) -> PathBuf {
        let path = self.outside(&self.name("", kind));
        fs::write(&path, self.video(kind)).unwrap();
        path
    }

    /// Any kind of video.
    pub(super) fn any(&mut self) -> Kind {
        Kind::ALL[self.index(Kind::ALL.len())]
    }

    /// An MP4 whose boxes do not end before the file does.
    pub(super) fn telling(&mut self) -> Kind {
        if self.dice.below(2) == 0 {
            Kind::IndexLast
        } else {
            Kind::IndexFirst
        }
    }

    /// A content that no other file has.
    pub(super) fn video(&mut self, kind: Kind) -> Vec<u8> {
        let size = match self.dice.below(100) {
            0..70 => 1_000 + self.dice.below(60_000),
            70..96 => 60_000 + self.dice.below(400_000),
            _ => 500_000 + self.dice.below(2_500_000),
        };
        video::make(&mut self.dice, kind, usize::try_from(size).unwrap())
    }

    /// A number below `limit`.
    pub(super) fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.dice.below(u64::try_from(limit).unwrap())).unwrap()
    }

    /// Cuts bytes into so many pieces at random; by the first one its kind can be told.
    pub(super) fn pieces<'b>(&mut self, bytes: &'b [u8], count: usize) -> Vec<&'b [u8]> {
        let mut cuts: Vec<usize> = (1..count)
            .map(|_| 8 + self.index(bytes.len() - 8))
            .collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2)
            .map(|pair| &bytes[pair[0]..pair[1]])
            .collect()
    }

    /// A moment of at most so many settle times (in percent).
    pub(super) fn moment(&mut self, percent: u64) -> Duration {
        let most = u64::try_from(self.place.settle.as_millis()).unwrap() * percent / 100;
        Duration::from_millis(self.dice.below(most + 1))
    }

    /// Pauses for at most so many settle times (in percent).
    pub(super) fn pause(&mut self, percent: u64) {
        let moment = self.moment(percent);
        rest(moment);
    }

    /// Now and then a pause of up to three settle times, mostly none.
    pub(super) fn dawdle(&mut self) {
        if self.dice.below(6) == 0 {
            self.pause(300);
        }
    }

    /// The writer is done with this file for good.
    pub(super) fn finished(&mut self, path: &Path) {
        self.entry
            .finals
            .push((path.to_path_buf(), Content::of(path)));
    }

    /// The writer has come back, and is about to change the file: it has a handle on it now, or has
    /// taken away the name. Whether that was soon enough was measured, not planned.
    pub(super) fn back(&mut self, left: Left) {
        if left.since.elapsed() >= self.place.settle.min(SURE) {
            self.entry.perhaps.push((left.path, left.content));
        }
    }

    /// Waits until a file is uploaded.
    pub(super) fn uploaded(&self, path: &Path) {
        let (mut end, mut before) = (Instant::now() + super::PATIENCE, 0);
        let sql = format!("{} AND path = '{}'", super::DONE, path.display());
        while self.site.value::<i64>(&sql).unwrap_or_default() == 0 {
            let done = self.site.value::<i64>(super::DONE).unwrap_or_default();
            if done > before {
                (end, before) = (Instant::now() + super::PATIENCE, done);
            }
            assert!(Instant::now() < end, "{} is not uploaded", path.display());
            rest(Duration::from_millis(250));
        }
    }

    pub(super) fn into_entry(self) -> Entry {
        self.entry
    }
}
