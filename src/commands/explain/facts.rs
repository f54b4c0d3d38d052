//! What can be seen of a path now: on the disk, in the configuration, in the database.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::super::error::CommandError;
use super::super::place;
use crate::config::{Outline, Watch};
use crate::identity::Identity;
use crate::queue::accounts::{self, Paused};
use crate::queue::query::{self, Progress};
use crate::queue::settling::{self, Settling};
use crate::queue::{self, Job, JobId};
use crate::watch::select::{self, Verdict};
use crate::watch::verdict_on_disk;
use crate::watch::writer::{self, Writer};

/// All that is known of one path.
pub(super) struct Facts<'a> {
    /// The path, absolute and canonical but for its last name.
    pub(super) path: PathBuf,
    /// What lies there.
    pub(super) thing: Thing,
    /// All watches, for a path that belongs to none.
    pub(super) watches: &'a [Watch],
    /// The watch that it belongs to.
    pub(super) owner: Option<&'a Watch>,
    /// Whether that watch takes it.
    pub(super) verdict: Option<Verdict>,
    /// Whether a daemon works on the database; `None` where we may not look.
    pub(super) daemon: Option<bool>,
    /// What the database has.
    pub(super) known: Known,
}

/// What lies at a path.
#[derive(Debug)]
pub(super) enum Thing {
    /// Nothing.
    Nothing,
    /// A regular file.
    File {
        /// Which.
        identity: Identity,
        /// Whether somebody writes it, or why it cannot be opened to find out.
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

/// What the database has on a path; empty where there is none yet.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Whether there is a database.
    pub(super) database: bool,
    /// All jobs the path ever had, oldest first.
    pub(super) jobs: Vec<Job>,
    /// That it waits to settle.
    pub(super) settling: Option<Settling>,
    /// The paused accounts.
    pub(super) paused: Vec<Paused>,
    /// How far the uploads are that run now.
    pub(super) progress: HashMap<JobId, Progress>,
}

impl<'a> Facts<'a> {
    pub(super) fn gather(outline: &'a Outline, path: PathBuf) -> Result<Self, CommandError> {
        // Whatever is probed is given back at once; a writer that comes in between signals us.
        writer::ignore_sigio();
        let thing = Thing::at(&path);
        let owner = place::owner(&outline.watches, &path);
        let verdict = owner.map(|watch| match thing {
            Thing::Folder(_) => select::descend(watch, &path),
            _ => verdict_on_disk(watch, &path),
        });
        let database = &outline.database.path;
        Ok(Self {
            thing,
            watches: &outline.watches,
            owner,
            verdict,
            daemon: queue::daemon_runs(database),
            known: Known::read(database, &path)?,
            path,
        })
    }

    /// The pause of an account.
    pub(super) fn pause_of(&self, account: &str) -> Option<&Paused> {
        self.known.paused.iter().find(|p| p.account == account)
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
            writer: place::open(path).map(|file| writer::probe(&file)),
        }
    }
}

impl Known {
    fn read(database: &Path, path: &Path) -> Result<Self, CommandError> {
        let db = match queue::open_for_reading(database) {
            Ok(db) => db,
            Err(queue::Error::Missing { .. }) => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            database: true,
            settling: settling::of(&db, path)?,
            paused: accounts::paused(&db)?,
            progress: query::progress(&db)?,
            jobs: query::by_path(&db, path)?,
        })
    }
}
