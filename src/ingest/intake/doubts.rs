//! Files that are up and were touched since: the same bytes, or others under the same mtime? Their
//! samples tell.

use std::fs::File;
use std::io;

use super::queued;
use crate::clock;
use crate::config::Watch;
use crate::identity::Identity;
use crate::ingest::context::Context;
use crate::ingest::identify::{self, fingerprint};
use crate::ingest::persist::persist;
use crate::queue::Error;
use crate::queue::doubt::{self, Doubt};
use crate::queue::enqueue::{self, Enqueued, NewJob};
use crate::text;
use crate::watch::reach;

/// Looks into the files, and makes jobs of those with other content. One that cannot be read now
/// stays in doubt until the watch offers it again, at the latest at the next start.
pub(super) async fn settle(context: &Context, files: Vec<(NewJob, Doubt)>) -> Result<(), Error> {
    if files.is_empty() {
        return Ok(());
    }
    // A share that is dead must not keep all other files waiting.
    let settings = context.now_settings();
    let limit = settings.config.upload.stall_timeout;
    let started = std::time::Instant::now();
    let looking = tokio::task::spawn_blocking(move || {
        let in_time = files
            .into_iter()
            .take_while(|_| started.elapsed() < limit / 2);
        let looked = in_time.filter_map(|(new, doubt)| {
            let found = now(&new, settings.watch(&new.watch)).ok()?;
            let is_same = found == doubt.fingerprint;
            Some((new, doubt, is_same))
        });
        looked.collect::<Vec<_>>()
    });
    let Ok(Ok(looked)) = tokio::time::timeout(limit, looking).await else {
        return Ok(());
    };
    let write = move |db: &rusqlite::Connection| {
        let mut made = Vec::new();
        for (new, doubt, is_same) in &looked {
            let enqueued = if *is_same {
                enqueue::enqueue(db, new, clock::now())?
            } else {
                doubt::confirmed(db, new, doubt, clock::now())?
            };
            if let Enqueued::New(id) = enqueued {
                made.push((new.path.clone(), id));
            }
        }
        Ok(made)
    };
    for (path, id) in persist(context, write).await? {
        tracing::info!(
            job.id = id.0,
            "{}: it was rewritten, though its time was put back",
            text::path(&path)
        );
        queued(&path, id);
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
        Err(io::Error::other("it changed while it was looked at"))
    }
}
