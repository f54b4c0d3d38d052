//! `explain --all-waiting`: every file in the watched folders that is not up, one line each.
//!
//! The folders are walked and the table asked file by file, so that the memory needed does not grow
//! with the number of files. A folder that hangs is left after a while, and the others continue.

mod reason;
mod tally;

use std::sync::mpsc;
use std::thread;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::context::Context;
use super::super::error::CommandError;
use super::super::place;
use super::super::show::json::PathFields;
use super::super::show::text;
use super::super::show::time::Present;
use super::disk::PATIENCE;
use super::story::file::moment;
use crate::clock;
use crate::config::{Outline, Watch};
use crate::identity::Identity;
use crate::queue;
use crate::watch::census::{Census, Entry};

use reason::Table;
pub(super) use reason::{Kind, Row};
use tally::Tally;

/// How many entries may be found ahead of those that are shown.
const AHEAD: usize = 1000;

/// Lists what waits, of one watch or of all.
pub(super) fn run(
    outline: &Outline,
    only: Option<&str>,
    as_json: bool,
    context: &mut Context,
) -> Result<(), CommandError> {
    let watches = named(outline, only)?;
    let database = &outline.database.path;
    let daemon = queue::daemon_runs(database);
    let db = match queue::open_for_reading(database) {
        Ok(db) => Some(db),
        Err(queue::Error::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let mut tally = Tally::default();
    for watch in watches {
        let table = db.as_ref().map(Table::of).transpose()?;
        let mut list = List {
            table,
            daemon,
            as_json,
            tally: &mut tally,
            context,
        };
        list.walk(watch)?;
    }
    if as_json {
        let summary = json!({"summary": tally.object(daemon)});
        context.screen.object(&summary)?;
    } else {
        context.screen.line(tally.words(daemon))?;
    }
    Ok(())
}

fn named<'a>(outline: &'a Outline, only: Option<&str>) -> Result<Vec<&'a Watch>, CommandError> {
    let all = outline.watches.iter();
    let chosen: Vec<_> = all
        .filter(|watch| only.is_none_or(|name| watch.name == name))
        .collect();
    match only {
        Some(name) if chosen.is_empty() => {
            let known = place::list(&outline.watches);
            let message = format!("there is no watch {name:?}, only: {known}");
            Err(CommandError::Usage(message))
        }
        _ => Ok(chosen),
    }
}

/// The list in progress.
struct List<'a> {
    table: Option<Table<'a>>,
    daemon: Option<bool>,
    as_json: bool,
    tally: &'a mut Tally,
    context: &'a mut Context,
}

impl List<'_> {
    /// Reports everything in one watch folder.
    fn walk(&mut self, watch: &Watch) -> Result<(), CommandError> {
        let (sender, entries) = mpsc::sync_channel(AHEAD);
        let census = Census::new(watch.clone());
        let spawned = thread::Builder::new()
            .name("census".to_owned())
            .spawn(move || send(census, &sender));
        spawned.map_err(|source| CommandError::System {
            what: "cannot start a thread".to_owned(),
            source,
        })?;
        loop {
            match entries.recv_timeout(PATIENCE) {
                Ok((entry, since)) => self.tell(watch, entry, since)?,
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    return self.row(watch, &Row::no_answer(&watch.path));
                }
            }
        }
    }

    fn tell(
        &mut self,
        watch: &Watch,
        entry: Entry,
        since: Option<Timestamp>,
    ) -> Result<(), CommandError> {
        let present = &self.context.present;
        let row = match entry {
            Entry::Beside(_) => {
                self.tally.beside += 1;
                return Ok(());
            }
            Entry::File(path, identity) => {
                let table = self.table.as_ref();
                let file = (path, &identity);
                let Some(row) = reason::of_file(table, file, self.daemon, present)? else {
                    self.tally.up += 1;
                    return Ok(());
                };
                row
            }
            other => Row::without_job(other, since),
        };
        self.row(watch, &row)
    }

    fn row(&mut self, watch: &Watch, row: &Row) -> Result<(), CommandError> {
        self.tally.count(row.kind);
        if self.as_json {
            self.context.screen.object(&object(watch, row))?;
        } else {
            let line = line(row, &self.context.present);
            self.context.screen.line(line)?;
        }
        Ok(())
    }
}

/// Hands out all entries, each with the time since when it is there; ends early once no one listens
/// any more.
fn send(census: Census, to: &mpsc::SyncSender<(Entry, Option<Timestamp>)>) {
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

/// "2026-08-22 14:02:07  /srv/video/news/a.mp4: why"
fn line(row: &Row, present: &Present) -> String {
    let since = row.since.map_or_else(String::new, |at| {
        let there = at.to_zoned(present.zone.clone());
        there.strftime("%Y-%m-%d %H:%M:%S").to_string()
    });
    format!("{since:<19}  {}: {}", text::path(&row.path), row.reason)
}

fn object(watch: &Watch, row: &Row) -> Value {
    let mut object = json!({
        "watch": watch.name,
        "kind": row.kind.word(),
        "since": row.since.map(clock::text),
        "reason": row.reason,
        "job": row.job,
    });
    if let (Some(object), Ok(Value::Object(path))) = (
        object.as_object_mut(),
        serde_json::to_value(PathFields::of(&row.path)),
    ) {
        object.extend(path);
    }
    object
}
