//! What is at a path: asked of the disk once, and not for longer than a person waits.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::holder::{self, Holders};
use crate::config::Watch;
use crate::identity::Identity;
use crate::ingest::targets;
use crate::patience;
use crate::watch::inspection::{self, Found};
use crate::watch::links;
use crate::watch::means::{self, Means};
use crate::watch::place;
use crate::watch::reach;
use crate::watch::select::{self, Verdict};
use crate::watch::verdict_on_disk;
use crate::watch::writer::{self, Writer};

/// How long a share may take to answer.
pub(super) const PATIENCE: Duration = patience::FOLDER;
/// How long the search for the program that holds a file may take.
const SEARCH: Duration = Duration::from_secs(3);

/// What the disk shows of a path.
#[derive(Debug)]
pub(super) struct Disk {
    /// The path, absolute and canonical except for its last name and for links that are followed.
    pub(super) path: PathBuf,
    /// What is there.
    pub(super) thing: Thing,
    /// Where its watch is in the list, if it belongs to one.
    pub(super) owner: Option<usize>,
    /// Whether that watch takes it.
    pub(super) verdict: Option<Verdict>,
    /// The include pattern that takes it.
    pub(super) included_by: Option<String>,
    /// The evidence of a file that its watch takes.
    pub(super) found: Option<Found>,
    /// The programs that have it open for writing.
    pub(super) holders: Holders,
    /// By which means the watch finds its files.
    pub(super) means: Option<Means>,
    /// Why the watch folder itself cannot be looked into.
    pub(super) away: Option<io::Error>,
    /// The folders of the watch that do not answer: its own, and those that files are moved to.
    pub(super) silent: Vec<PathBuf>,
}

/// What is at a path.
#[derive(Debug)]
pub(super) enum Thing {
    /// Nothing.
    Nothing,
    /// A regular file.
    File {
        /// Which.
        identity: Identity,
        /// Whether a program writes it, or why it cannot be opened to find out.
        writer: Result<Writer, io::Error>,
    },
    /// A folder, and why it cannot be listed, if so.
    Folder(Option<io::Error>),
    /// A symbolic link, and where it points to.
    Link(PathBuf),
    /// A device, pipe, or socket.
    Other,
    /// It cannot be looked at.
    OutOfReach(io::Error),
}

impl Disk {
    /// Asks the disk.
    ///
    /// # Errors
    /// Where the current folder is gone.
    pub(super) fn ask(typed: &Path, watches: &[Watch]) -> io::Result<Self> {
        // A lease taken for a probe is given back at once; a writer that comes in between signals
        // us.
        writer::ignore_sigio();
        let absolute = std::path::absolute(typed)?;
        let (of_thread, all) = (absolute.clone(), watches.to_vec());
        let answer = patience::within(PATIENCE, move || Self::look(&of_thread, &all));
        let mut disk = answer.unwrap_or_else(|| Self::unanswered(absolute, watches));
        if let Some(watch) = disk.owner.and_then(|at| watches.get(at)) {
            let mut folders = targets::of(watch);
            folders.push(watch.path.clone());
            disk.silent = patience::silent(PATIENCE, &folders);
        }
        Ok(disk)
    }

    fn look(absolute: &Path, watches: &[Watch]) -> Self {
        let path = place::watched(absolute, watches);
        let thing = Thing::at(&path);
        let owner = watches.iter().position(|w| path.starts_with(&w.path));
        let watch = owner.and_then(|at| watches.get(at));
        let verdict = watch.map(|watch| match thing {
            Thing::Folder(_) => links::descend(watch, &path),
            _ => verdict_on_disk(watch, &path),
        });
        let is_taken = verdict == Some(Verdict::Taken);
        let file = watch.filter(|_| is_taken && matches!(thing, Thing::File { .. }));
        Self {
            owner,
            included_by: watch.and_then(|watch| select::included_by(watch, &path)),
            found: file.map(|watch| inspection::inspect(watch, &path)),
            holders: holders(&thing),
            means: watch.map(means::of),
            away: watch.and_then(|watch| watch.path.read_dir().err()),
            silent: Vec::new(),
            verdict,
            thing,
            path,
        }
    }

    /// The path as it was typed, if a symbolic link on its way leads elsewhere now, and why it is not followed.
    ///
    /// The daemon knows files by this path where the link took the place of a folder while it ran.
    pub(super) fn behind_link(&self, typed: &Path) -> Option<(PathBuf, io::Error)> {
        let absolute = std::path::absolute(typed).ok()?;
        if absolute == self.path {
            return None;
        }
        let link = reach::place(None, &absolute).err()?;
        (!link.is_absence()).then(|| (absolute, link.into_source()))
    }

    /// Nothing is said of what is behind a link.
    pub(super) fn refuse(&mut self, path: PathBuf, link: io::Error) {
        self.path = path;
        self.thing = Thing::OutOfReach(link);
        self.found = None;
        self.holders = Holders::default();
    }

    /// All that can be said where the disk says nothing: what follows from the text of the path.
    fn unanswered(path: PathBuf, watches: &[Watch]) -> Self {
        let owner = watches.iter().position(|w| path.starts_with(&w.path));
        let watch = owner.and_then(|at| watches.get(at));
        let what = format!("its folder {}", patience::unanswered(PATIENCE));
        Self {
            thing: Thing::OutOfReach(io::Error::new(io::ErrorKind::TimedOut, what)),
            owner,
            verdict: watch.map(|watch| select::verdict(watch, &path)),
            included_by: watch.and_then(|watch| select::included_by(watch, &path)),
            found: None,
            holders: Holders::default(),
            means: None,
            away: None,
            silent: Vec::new(),
            path,
        }
    }
}

/// No program is searched for if the kernel says that there is none.
fn holders(thing: &Thing) -> Holders {
    match thing {
        Thing::File {
            identity,
            writer: Ok(Writer::Present | Writer::Unknown(_)) | Err(_),
        } => {
            let file = *identity;
            let found = patience::within(SEARCH, move || holder::of(&file));
            let mut found = found.unwrap_or_default();
            // The parent process may have left us a descriptor, which we write nothing to.
            found
                .known
                .retain(|holder| holder.pid != std::process::id());
            found
        }
        _ => Holders::default(),
    }
}

impl Thing {
    fn at(path: &Path) -> Self {
        let meta = match path.symlink_metadata() {
            Ok(meta) => meta,
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Nothing,
                    _ => Self::OutOfReach(error),
                };
            }
        };
        if meta.is_symlink() {
            return Self::Link(path.read_link().unwrap_or_default());
        }
        if meta.is_dir() {
            return Self::Folder(path.read_dir().err());
        }
        if !meta.is_file() {
            return Self::Other;
        }
        Self::File {
            identity: Identity::of(&meta),
            writer: place::open_regular(path).map(|file| writer::probe(&file)),
        }
    }
}
