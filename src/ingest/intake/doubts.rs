//! Files that are uploaded and were touched or renamed since: the same bytes, or others under the
//! same mtime? Their samples tell: at most a MiB of each is read, at any size.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use super::again::Again;
use super::queued;
use crate::clock;
use crate::config::Watch;
use crate::identity::Identity;
use crate::ingest::context::Context;
use crate::ingest::disk;
use crate::ingest::identify::{self, fingerprint};
use crate::ingest::persist::persist;
use crate::queue::Error;
use crate::queue::doubt::{self, Doubt};
use crate::queue::enqueue::{Enqueued, NewJob};
use crate::text;
use crate::watch::reach;

/// A file in doubt.
pub(super) type Doubtful = (NewJob, Doubt);

const SILENT: &str =
    "its disk or share does not answer, so its content cannot be compared with what was uploaded";

/// One that was looked at: whether it has the content of its job still, or why that is not known.
type Looked = (Doubtful, io::Result<bool>);

/// Looks into the files, and makes jobs of those with other content. Those that cannot be read now settle
/// again after a wait; those that it did not come to in time, at once.
pub(super) async fn settle_doubts(
    context: &Context,
    files: Vec<Doubtful>,
    again: &mut Again,
) -> Result<(), Error> {
    let mut by_watch: BTreeMap<String, Vec<Doubtful>> = BTreeMap::new();
    for file in files {
        let of_watch = by_watch.entry(file.0.watch.clone()).or_default();
        of_watch.push(file);
    }
    let mut known = Vec::new();
    // Each watch by itself: a share that does not answer keeps no file that is elsewhere.
    for (watch, files) in by_watch {
        let asked: Vec<NewJob> = files.iter().map(|(new, _)| new.clone()).collect();
        let Some((looked, left)) = look_briefly(context, &watch, files).await else {
            for new in &asked {
                again.put_off(context, new, SILENT).await?;
            }
            continue;
        };
        for ((new, doubt), found) in looked {
            match found {
                Ok(is_same) => {
                    again.ended(&new.path);
                    known.push((new, doubt, is_same));
                }
                Err(error) => {
                    let why =
                        format!("its content cannot be compared with what was uploaded: {error}");
                    again.put_off(context, &new, &why).await?;
                }
            }
        }
        for (new, _) in left {
            context.settle_again(&new.watch, new.path);
        }
    }
    write_down(context, known).await
}

/// Looks for half as long as a disk may be silent: one that is slow is no dead one. `None`: it does not
/// answer. Answers what was looked at, and what was not.
async fn look_briefly(
    context: &Context,
    watch: &str,
    files: Vec<Doubtful>,
) -> Option<(Vec<Looked>, Vec<Doubtful>)> {
    let settings = context.now_settings();
    let limit = settings.config.upload.stall_timeout / 2;
    disk::within(context, watch, move || {
        look_until((Instant::now(), limit), files, |new| {
            now(new, settings.watch(&new.watch))
        })
    })
    .await
}

/// At least one of them is looked at, so that all are in the end.
pub(super) fn look_until(
    (started, limit): (Instant, Duration),
    files: Vec<Doubtful>,
    mut look: impl FnMut(&NewJob) -> io::Result<String>,
) -> (Vec<Looked>, Vec<Doubtful>) {
    let (mut looked, mut left) = (Vec::new(), Vec::new());
    for (new, doubt) in files {
        if looked.is_empty() || started.elapsed() < limit {
            let found = look(&new).map(|found| found == doubt.fingerprint);
            looked.push(((new, doubt), found));
        } else {
            left.push((new, doubt));
        }
    }
    (looked, left)
}

async fn write_down(context: &Context, known: Vec<(NewJob, Doubt, bool)>) -> Result<(), Error> {
    if known.is_empty() {
        return Ok(());
    }
    let write = move |db: &rusqlite::Connection| {
        let (mut made, mut open) = (Vec::new(), Vec::new());
        for (new, doubt, is_same) in &known {
            match doubt::settle_doubt(db, new, (doubt, *is_same), clock::now())? {
                Some(Enqueued::New(id)) => {
                    made.push((new.path.clone(), id, doubt.renamed_from.clone()));
                }
                Some(Enqueued::Known(..)) => {}
                None => open.push((new.watch.clone(), new.path.clone())),
            }
        }
        Ok((made, open))
    };
    let (made, open) = persist(context, write).await?;
    for (path, id, renamed_from) in made {
        let shown = text::path(&path);
        match renamed_from {
            None => tracing::info!(
                job.id = id.0,
                "{shown}: it was rewritten, though its time was put back"
            ),
            Some(old) => tracing::info!(
                job.id = id.0,
                "{shown}: not a renamed {}: it has the same inode, size and time, and other content",
                text::path(&old)
            ),
        }
        queued(&path, id);
    }
    for (watch, path) in open {
        context.settle_again(&watch, path);
    }
    Ok(())
}

/// What the file looks like now, if it is still the one that settled.
fn now(new: &NewJob, watch: Option<&Watch>) -> io::Result<String> {
    let file = reach::place(watch, &new.path)?.open()?;
    let is_it = |file: &File| {
        file.metadata()
            .map(|meta| Identity::of(&meta) == new.identity)
    };
    let kind = identify::kind(&new.path);
    let found = fingerprint(&file, new.identity.bytes(), kind)?;
    if is_it(&file)? {
        Ok(found)
    } else {
        Err(io::Error::other("it changed while it was read"))
    }
}
