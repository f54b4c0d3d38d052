//! Takes in what the watches report: settled files become jobs, waiting ones are noted for people.

mod again;
mod doubts;
mod renames;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::again::Again;
use super::context::{Context, Settings};
use super::metadata;
use super::persist::persist;
use crate::clock;
use crate::queue::doubt::Doubt;
use crate::queue::enqueue::{self, Enqueued, NewJob, Offered};
use crate::queue::folders::{self, Reach, Seen};
use crate::queue::renames::moved;
use crate::queue::settling::{self, Settling};
use crate::queue::{Error, JobId};
use crate::text;
use crate::watch::container::Flaw;
use crate::watch::{Away, Report, RootState};

/// Reports that go into one transaction: ten thousand files dropped at once cost a few of them.
const AT_ONCE: usize = 1000;

/// Runs until the daemon stops.
pub(super) async fn run(
    context: Context,
    mut reports: mpsc::Receiver<Report>,
    mut flushes: Flushes,
) -> Result<(), Error> {
    persist(&context, settling::clear).await?;
    let mut batch = Vec::new();
    let mut again = Again::default();
    loop {
        tokio::select! {
            biased;
            () = context.stop.cancelled() => return Ok(()),
            // The supervisor keeps a sender: reports never end before the daemon does.
            _ = reports.recv_many(&mut batch, AT_ONCE) => {
                take_reports(&context, std::mem::take(&mut batch), &mut again).await?;
            }
            () = again.due() => again.ask(&context).await?,
            // Only when no report is left: all that came before is in the table.
            Some(passed) = flushes.0.recv() => drop(passed.send(())),
        }
    }
}

/// Lets a caller wait until everything reported so far is in the table.
#[derive(Debug, Clone)]
pub(crate) struct Barriers(mpsc::Sender<oneshot::Sender<()>>);

/// The intake's end of [`Barriers`].
#[derive(Debug)]
pub(crate) struct Flushes(mpsc::Receiver<oneshot::Sender<()>>);

/// Makes the two ends.
pub(crate) fn barriers() -> (Barriers, Flushes) {
    let (sender, receiver) = mpsc::channel(1);
    (Barriers(sender), Flushes(receiver))
}

impl Barriers {
    /// Returns once the intake has written all that it had received; at once where it has ended.
    pub(crate) async fn pass(&self) {
        let (passed, done) = oneshot::channel();
        if self.0.send(passed).await.is_ok() {
            drop(done.await);
        }
    }
}

/// One thing to write.
#[derive(Clone)]
enum Entry {
    Job(NewJob),
    /// A file that is not fit to be uploaded, and why.
    Refused(NewJob, String),
    Moved {
        job: JobId,
        old_path: PathBuf,
        new: NewJob,
    },
    /// A watch begins, one of all these.
    Started(String, Vec<String>),
    Waiting(PathBuf, Settling),
    Gone(PathBuf),
    Sidecar(PathBuf),
    /// How a watch folder is.
    Root(String, Seen),
}

async fn take_reports(
    context: &Context,
    reports: Vec<Report>,
    again: &mut Again,
) -> Result<(), Error> {
    let settings = context.now_settings();
    let entries: Vec<Entry> = reports
        .into_iter()
        .filter_map(|report| entry(&settings, report))
        .collect();
    if entries.is_empty() {
        return Ok(());
    }
    put_down(context, entries, again).await
}

/// Writes the entries, and looks into the files that need it.
async fn put_down(
    context: &Context,
    mut entries: Vec<Entry>,
    again: &mut Again,
) -> Result<(), Error> {
    for entry in &entries {
        if let Entry::Gone(path) = entry {
            again.ended(path);
        }
    }
    renames::follow_renames(context, &mut entries, again).await?;
    let now = clock::now();
    let write = move |db: &Connection| {
        let written = entries.iter().map(|entry| write_entry(db, entry, now));
        written.collect::<Result<Vec<_>, _>>()
    };
    let mut doubtful = Vec::new();
    for written in persist(context, write).await?.into_iter().flatten() {
        match written {
            Written::Job(path, id) => queued(&path, id),
            Written::Doubtful(new, doubt) => doubtful.push((new, doubt)),
            Written::BeingRead(new) => again.once_more(context, &new),
        }
    }
    doubts::settle_doubts(context, doubtful, again).await?;
    context.work.notify_one();
    context.sidecars.notify_one();
    Ok(())
}

fn queued(path: &Path, id: JobId) {
    tracing::info!(
        job.id = id.0,
        "{}: settled, queued as job {id}",
        text::path(path)
    );
}

/// What there is to say, or to do, after an entry was written.
enum Written {
    /// It made a job.
    Job(PathBuf, JobId),
    /// Whether it is a new file, only its content can tell.
    Doubtful(NewJob, Doubt),
    /// It was touched, and a worker is at its job: how that ends decides what there is to do.
    BeingRead(NewJob),
}

fn entry(settings: &Settings, report: Report) -> Option<Entry> {
    match report {
        Report::Started { watch } => {
            let all = settings.config.watches.iter();
            Some(Entry::Started(
                watch,
                all.map(|one| one.name.clone()).collect(),
            ))
        }
        Report::Settled(file) => {
            let watch = settings.watch(&file.watch)?;
            let rest = watch.watching.incomplete_after;
            let new = NewJob {
                account: watch.account.clone(),
                watch: file.watch,
                path: file.path,
                identity: file.identity,
                priority: watch.priority,
            };
            Some(match file.flaw {
                None => Entry::Job(new),
                Some(flaw) => Entry::Refused(new, refusal(flaw, rest)),
            })
        }
        Report::Waiting {
            watch,
            path,
            size,
            since,
            seen_by,
            why,
        } => Some(Entry::Waiting(
            path,
            Settling {
                watch,
                size: i64::try_from(size).unwrap_or(i64::MAX),
                since,
                seen_by: seen_by.to_string(),
                waiting_for: why.to_string(),
            },
        )),
        Report::Companion { path, .. } => Some(Entry::Sidecar(path)),
        Report::Gone { path, .. } => Some(Entry::Gone(path)),
        Report::Root { watch, state } => Some(Entry::Root(watch, seen(state))),
        Report::Scanned { .. } => None,
    }
}

/// How a watch folder is, as the table has it.
fn seen(state: RootState) -> Seen {
    let (away, detail) = match state {
        RootState::Here(means) => {
            return Seen {
                reach: Reach::Ok,
                detail: means.to_string(),
            };
        }
        RootState::Away(away, said) => (away, said),
    };
    let reach = match away {
        Away::Missing => Reach::Missing,
        Away::Denied => Reach::Denied,
        Away::Linked => Reach::Linked,
        Away::Unmounted => Reach::Unmounted,
        Away::Taken => Reach::Taken,
        Away::Failing => Reach::Failing,
    };
    Seen { reach, detail }
}

/// Why an incomplete file is not uploaded.
fn refusal(flaw: Flaw, rest: Duration) -> String {
    let rest = SignedDuration::try_from(rest).unwrap_or(SignedDuration::MAX);
    format!("not uploaded: {flaw}, and it stayed unchanged for {rest:#} (incomplete-after)")
}

/// Writes an entry.
fn write_entry(
    db: &Connection,
    entry: &Entry,
    now: jiff::Timestamp,
) -> Result<Option<Written>, Error> {
    match entry {
        Entry::Job(new) => written(db, new, enqueue::offer(db, new, now)?),
        Entry::Refused(new, reason) => {
            if let Enqueued::New(id) = enqueue::refused(db, new, reason, now)? {
                let path = text::path(&new.path);
                tracing::error!(job.id = id.0, "{path}: failed: {reason}");
            }
            Ok(None)
        }
        Entry::Moved { job, old_path, new } => {
            let offered = moved(db, (*job, old_path), new, now)?;
            written(db, new, offered)
        }
        Entry::Started(watch, all) => {
            settling::begin_anew(db, watch, all)?;
            folders::begin_anew(db, watch, all, now).map(|()| None)
        }
        Entry::Root(watch, seen) => folders::note(db, watch, seen, now).map(|()| None),
        Entry::Waiting(path, file) => settling::note_file(db, path, file).map(|()| None),
        Entry::Gone(path) => settling::forget_file(db, path).map(|()| None),
        Entry::Sidecar(path) => metadata::changed(db, path, now).map(|_| None),
    }
}

fn written(db: &Connection, new: &NewJob, offered: Offered) -> Result<Option<Written>, Error> {
    Ok(match offered {
        Offered::Taken(Enqueued::New(id)) => Some(Written::Job(new.path.clone(), id)),
        Offered::Taken(Enqueued::Known(id, _)) => {
            let is_being_read = enqueue::is_being_read(db, id, &new.identity)?;
            is_being_read.then(|| Written::BeingRead(new.clone()))
        }
        Offered::Doubtful(doubt) => Some(Written::Doubtful(new.clone(), doubt)),
    })
}
