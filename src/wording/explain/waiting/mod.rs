//! Every file in the watched folders that is not up, one line each.
//!
//! The folders are walked and the table asked file by file, so that the memory needed does not grow
//! with the number of files. A folder that hangs is left after a while, and the others continue.

mod reason;
mod tally;

use std::io;
use std::sync::mpsc;
use std::thread;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Error;
use super::disk::PATIENCE;
use super::story::file::moment;
use crate::clock;
use crate::config::{Outline, Watch};
use crate::identity::Identity;
use crate::queue;
use crate::watch::census::{Census, Entry};
use crate::wording::json::PathFields;
use crate::wording::text;
use crate::wording::time::Present;

use reason::Table;
pub(crate) use reason::{Kind, Row};
pub(crate) use tally::Tally;

/// How many entries may be found ahead of those that are shown.
const AHEAD: usize = 1000;

/// Hands each line to `tell`, and answers how many of each kind there were.
///
/// # Errors
/// The job table cannot be read, or `tell` says so.
pub(crate) fn list_waiting(
    outline: &Outline,
    watches: &[&Watch],
    present: &Present,
    tell: &mut Tell<'_>,
) -> Result<Tally, Error> {
    let database = &outline.database.path;
    let mut tally = Tally::new(queue::daemon_runs(database));
    let db = match queue::open_for_reading(database) {
        Ok(db) => Some(db),
        Err(queue::Error::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    for watch in watches {
        let table = db.as_ref().map(Table::of).transpose()?;
        let mut list = List {
            table,
            present,
            tally: &mut tally,
            tell,
        };
        list.walk(watch)?;
    }
    Ok(tally)
}

/// Gets each line, with its watch.
pub(crate) type Tell<'a> = dyn FnMut(&Watch, &Row) -> io::Result<()> + 'a;

/// The list in progress.
struct List<'a> {
    table: Option<Table<'a>>,
    present: &'a Present,
    tally: &'a mut Tally,
    tell: &'a mut Tell<'a>,
}

impl List<'_> {
    /// Reports everything in one watch folder.
    fn walk(&mut self, watch: &Watch) -> Result<(), Error> {
        let (sender, entries) = mpsc::sync_channel(AHEAD);
        let census = Census::new(watch.clone());
        let spawned = thread::Builder::new()
            .name("census".to_owned())
            .spawn(move || send_entries(census, &sender));
        spawned.map_err(Error::NoThread)?;
        loop {
            match entries.recv_timeout(PATIENCE) {
                Ok((entry, since)) => self.look(watch, entry, since)?,
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    return self.row(watch, &Row::no_answer(&watch.path));
                }
            }
        }
    }

    fn look(&mut self, watch: &Watch, entry: Entry, since: Option<Timestamp>) -> Result<(), Error> {
        let row = match entry {
            Entry::Beside(_) => {
                self.tally.beside += 1;
                return Ok(());
            }
            Entry::File(path, identity) => {
                let table = self.table.as_ref();
                let file = (path, &identity);
                let Some(row) = reason::of_file(table, file, self.tally.daemon, self.present)?
                else {
                    self.tally.up += 1;
                    return Ok(());
                };
                row
            }
            other => Row::without_job(other, since),
        };
        self.row(watch, &row)
    }

    fn row(&mut self, watch: &Watch, row: &Row) -> Result<(), Error> {
        self.tally.count(row.kind);
        Ok((self.tell)(watch, row)?)
    }
}

/// Hands out all entries, each with the time since when it is there; ends early once no one listens
/// any more.
fn send_entries(census: Census, to: &mpsc::SyncSender<(Entry, Option<Timestamp>)>) {
    for entry in census {
        let since = match &entry {
            Entry::Ignored(path, _) | Entry::IgnoredFolder(path, _) => path
                .symlink_metadata()
                .ok()
                .map(|meta| moment(Identity::of(&meta).ctime_ns)),
            _ => None,
        };
        if to.send((entry, since)).is_err() {
            return;
        }
    }
}

impl Row {
    /// "2026-08-22 14:02:07  /srv/video/news/a.mp4: why"
    pub(crate) fn line(&self, present: &Present) -> String {
        let since = self.since.map_or_else(String::new, |at| {
            let there = at.to_zoned(present.zone.clone());
            there.strftime("%Y-%m-%d %H:%M:%S").to_string()
        });
        format!("{since:<19}  {}: {}", text::path(&self.path), self.reason)
    }

    /// The same as one object.
    pub(crate) fn object(&self, watch: &Watch) -> Value {
        let mut object = json!({
            "watch": watch.name,
            "kind": self.kind.word(),
            "since": self.since.map(clock::text),
            "reason": self.reason,
            "job": self.job,
        });
        if let (Some(object), Ok(Value::Object(path))) = (
            object.as_object_mut(),
            serde_json::to_value(PathFields::of(&self.path)),
        ) {
            object.extend(path);
        }
        object
    }
}
