//! What can be seen of a path now: on the disk, in the configuration, in the database.

use std::collections::HashMap;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::Error;
use super::disk::Disk;
use crate::config::{Outline, Watch};
use crate::queue::accounts::{self, Paused};
use crate::queue::clocks::{self, Skewed};
use crate::queue::query::{self, Progress};
use crate::queue::settling::{self, Settling};
use crate::queue::story::{self, Story};
use crate::queue::{self, Job, JobId};

/// All that is known of one path.
pub(super) struct Facts<'a> {
    /// What the disk shows.
    pub(super) disk: Disk,
    /// The configuration.
    pub(super) outline: &'a Outline,
    /// Whether a daemon works on the database; `None` where we may not look.
    pub(super) daemon: Option<bool>,
    /// What the database has.
    pub(super) known: Known,
    /// What the clock on the wall shows, for the timetable of uploads.
    pub(super) local: DateTime,
}

/// What the database has on a path; empty where there is none yet.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Whether there is a database.
    pub(super) database: bool,
    /// All jobs the path ever had, oldest first.
    pub(super) jobs: Vec<Job>,
    /// What there is to tell of them; of very old ones nothing more.
    pub(super) stories: HashMap<JobId, Story>,
    /// That it waits to settle.
    pub(super) settling: Option<Settling>,
    /// The paused accounts.
    pub(super) paused: Vec<Paused>,
    /// The accounts whose platform has another time than this machine.
    pub(super) clocks: Vec<Skewed>,
    /// How far the uploads are that run now.
    pub(super) progress: HashMap<JobId, Progress>,
}

/// The stories of so many jobs of one path are shown, the newest.
const STORIES: usize = 5;

impl<'a> Facts<'a> {
    pub(super) fn gather(
        outline: &'a Outline,
        typed: &Path,
        (now, local): (Timestamp, DateTime),
    ) -> Result<Self, Error> {
        let watches = &outline.watches;
        let disk = Disk::ask(typed, watches).map_err(Error::NoFolder)?;
        let database = &outline.database.path;
        let mut facts = Self {
            outline,
            daemon: queue::daemon_runs(database),
            known: Known::read(database, &disk.path, now)?,
            disk,
            local,
        };
        if facts.known.is_empty()
            && let Some((path, link)) = facts.disk.behind_link(typed)
        {
            let known = Known::read(database, &path, now)?;
            if !known.is_empty() {
                facts.disk.refuse(path, link);
                facts.known = known;
            }
        }
        Ok(facts)
    }

    /// The watch that it belongs to.
    pub(super) fn owner(&self) -> Option<&'a Watch> {
        self.disk.owner.and_then(|at| self.outline.watches.get(at))
    }

    /// The pause of an account.
    pub(super) fn pause_of(&self, account: &str) -> Option<&Paused> {
        self.known.paused.iter().find(|p| p.account == account)
    }
}

impl Known {
    /// Whether nothing is recorded of the path itself.
    fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.settling.is_none()
    }

    fn read(database: &Path, path: &Path, now: Timestamp) -> Result<Self, Error> {
        let db = match queue::open_for_reading(database) {
            Ok(db) => db,
            Err(queue::Error::Missing { .. }) => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        };
        let jobs = query::by_path(&db, path)?;
        let mut stories = HashMap::new();
        for job in jobs.iter().rev().take(STORIES) {
            stories.insert(job.id, story::of(&db, job, now)?);
        }
        Ok(Self {
            database: true,
            settling: settling::of(&db, path)?,
            paused: accounts::paused(&db)?,
            clocks: clocks::list_skewed(&db)?,
            progress: query::progress(&db)?,
            jobs,
            stories,
        })
    }
}
