//! The one reason why a file is not up.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;

use super::super::answer;
use super::super::conclusion::speaks_for;
use super::super::story::file::moment;
use crate::identity::Identity;
use crate::queue::accounts::{self, Paused};
use crate::queue::clocks::{self, Skewed};
use crate::queue::query::{self, Progress};
use crate::queue::{Error, Job, JobId, State, enqueue, settling, story};
use crate::watch::census::Entry;
use crate::wording::notices;
use crate::wording::standing::Around;
use crate::wording::text;
use crate::wording::time::Present;

/// One line of the list.
#[derive(Debug)]
pub(crate) struct Row {
    /// The file or folder.
    pub path: PathBuf,
    /// What kind of reason it is.
    pub kind: Kind,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// The reason.
    pub reason: String,
    /// Its job.
    pub job: Option<i64>,
}

/// The kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its job is not done.
    Job,
    /// It has not settled.
    Settling,
    /// No job has it, and it does not settle.
    Unseen,
    /// A rule leaves it alone.
    Ignored,
    /// A rule leaves the folder alone, with all that is in it.
    IgnoredFolder,
    /// It cannot be looked at.
    Unreadable,
    /// The watch folder is away.
    Offline,
    /// The folder does not answer.
    NoAnswer,
}

impl Kind {
    /// The word for it in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Settling => "settling",
            Self::Unseen => "unseen",
            Self::Ignored => "ignored",
            Self::IgnoredFolder => "ignored-folder",
            Self::Unreadable => "unreadable",
            Self::Offline => "offline",
            Self::NoAnswer => "no-answer",
        }
    }
}

impl Row {
    /// The line of a folder that hangs.
    pub(in super::super) fn no_answer(root: &Path) -> Self {
        Self::plain(
            Kind::NoAnswer,
            root.to_owned(),
            "the folder, or one in it, does not answer, so the rest of it is not listed; is the \
             server of its share running?",
        )
    }

    /// The line of anything that is no file that counts.
    pub(in super::super) fn without_job(entry: Entry, since: Option<Timestamp>) -> Self {
        let row = match entry {
            Entry::Ignored(path, rule) => {
                let reason = format!("ignored: {rule}");
                Self::plain(Kind::Ignored, path, reason)
            }
            Entry::IgnoredFolder(path, rule) => {
                let reason = format!("a folder that is ignored with everything in it: {rule}");
                Self::plain(Kind::IgnoredFolder, path, reason)
            }
            Entry::Trouble(path, error) | Entry::FolderTrouble(path, error) => {
                let reason = format!("it cannot be accessed: {error}");
                Self::plain(Kind::Unreadable, path, reason)
            }
            Entry::Offline(path, error) => {
                let reason = format!("the watch folder is offline: {}", answer::offline(&error));
                Self::plain(Kind::Offline, path, reason)
            }
            Entry::File(path, _) | Entry::Beside(path) => {
                Self::plain(Kind::Unseen, path, answer::unseen(None))
            }
        };
        Self { since, ..row }
    }

    fn plain(kind: Kind, path: PathBuf, reason: impl AsRef<str>) -> Self {
        Self {
            path,
            kind,
            since: None,
            reason: text::line(reason.as_ref()),
            job: None,
        }
    }
}

/// What is asked of the table.
pub(super) struct Table<'a> {
    db: &'a Connection,
    paused: Vec<Paused>,
    clocks: Vec<Skewed>,
    progress: HashMap<JobId, Progress>,
}

impl<'a> Table<'a> {
    pub(in super::super) fn of(db: &'a Connection) -> Result<Self, Error> {
        Ok(Self {
            db,
            paused: accounts::paused(db)?,
            clocks: clocks::list_skewed(db)?,
            progress: query::progress(db)?,
        })
    }
}

/// The line of a file that counts; `None`: it is uploaded.
pub(in super::super) fn of_file(
    table: Option<&Table<'_>>,
    (path, identity): (PathBuf, &Identity),
    daemon: Option<bool>,
    present: &Present,
) -> Result<Option<Row>, Error> {
    let mut former = None;
    if let Some(table) = table {
        // Cheap, and for most files all that there is to ask.
        let known = enqueue::known(table.db, &path, identity)?;
        if let Some((_, State::Done | State::Duplicate)) = known {
            return Ok(None);
        }
        let mut jobs = query::by_path(table.db, &path)?;
        if let Some(job) = speaks_for(&jobs, identity) {
            return Ok(Some(of_job(table, job, daemon, present)?));
        }
        former = jobs.pop();
        let note = settling::of(table.db, &path)?;
        // Without a daemon, the note is of one that was stopped.
        if let Some(settling) = note.filter(|_| daemon != Some(false)) {
            let why = format!("waiting to settle: {}", settling.waiting_for);
            let row = Row::plain(
                Kind::Settling,
                path,
                why + &answer::former_words(former.as_ref()),
            );
            return Ok(Some(Row {
                since: Some(settling.since),
                ..row
            }));
        }
    }
    let empty = if identity.size == 0 {
        "; it is empty, and an empty file waits for its first byte"
    } else {
        ""
    };
    let former = answer::former_words(former.as_ref());
    let reason = format!("{}{empty}{former}", answer::unseen(daemon));
    let row = Row::plain(Kind::Unseen, path, reason);
    Ok(Some(Row {
        since: Some(moment(identity.mtime_ns.max(identity.ctime_ns))),
        ..row
    }))
}

fn of_job(
    table: &Table<'_>,
    job: &Job,
    daemon: Option<bool>,
    present: &Present,
) -> Result<Row, Error> {
    let neighbours = story::neighbours(table.db, [job])?;
    let around = Around {
        present,
        progress: table.progress.get(&job.id),
        paused: table.paused.iter().find(|p| p.account == job.account),
        daemon,
        neighbour: story::neighbour(job).and_then(|id| neighbours.get(&id)),
    };
    let mut reason = format!("its job {} {}", job.id, answer::of_job(job, None, around));
    if let Some(skewed) = notices::clock_of(job, &table.clocks) {
        reason = format!("{reason}; {}", notices::clock(skewed, present));
    }
    Ok(Row {
        since: Some(job.finished_at.unwrap_or(job.created_at)),
        job: Some(job.id.0),
        ..Row::plain(Kind::Job, job.path.clone(), reason)
    })
}
