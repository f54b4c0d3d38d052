//! Files whose job has another name that nothing has any more: a rename is followed, not uploaded again.
//! A hard link is another file to us: both names are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Entry;
use super::again::Again;
use crate::beneath;
use crate::config::Watch;
use crate::identity::Identity;
use crate::ingest::context::Context;
use crate::ingest::disk;
use crate::ingest::persist::persist;
use crate::queue::Error;
use crate::queue::enqueue::NewJob;
use crate::queue::renames::{self, OtherName};
use crate::watch::reach;

const SILENT: &str = "the folder that it seems to come from by a rename does not answer";

/// Other names of entries, by the watch that they lie in.
type Questions = BTreeMap<String, Vec<(usize, OtherName, Identity)>>;

/// Makes the entries of renamed files say so. Those that cannot be looked at now are put off.
pub(super) async fn follow_renames(
    context: &Context,
    entries: &mut Vec<Entry>,
    again: &mut Again,
) -> Result<(), Error> {
    let mut moved = BTreeMap::new();
    let mut silent = BTreeSet::new();
    for (watch, questions) in questions(context, entries).await? {
        let asked: Vec<usize> = questions.iter().map(|(at, ..)| *at).collect();
        // Each watch by itself: a share that does not answer keeps no file that is elsewhere.
        let (settings, name) = (context.now_settings(), watch.clone());
        let looked = disk::within(context, &watch, move || {
            let watch = settings.watch(&name);
            let gone = questions
                .into_iter()
                .filter(|(_, other, identity)| is_gone(watch, &other.path, identity));
            gone.collect::<Vec<_>>()
        });
        match looked.await {
            Some(gone) => {
                for (at, other, _) in gone {
                    let first: &mut OtherName = moved.entry(at).or_insert_with(|| other.clone());
                    if other.job < first.job {
                        *first = other;
                    }
                }
            }
            None => silent.extend(asked),
        }
    }
    let old = std::mem::take(entries);
    for (at, entry) in old.into_iter().enumerate() {
        match (entry, moved.remove(&at)) {
            (Entry::Job(new), Some(OtherName { job, path, .. })) => entries.push(Entry::Moved {
                job,
                old_path: path,
                new,
            }),
            (Entry::Job(new), None) if silent.contains(&at) => {
                again.put_off(context, &new, SILENT).await?;
            }
            (entry, _) => entries.push(entry),
        }
    }
    Ok(())
}

async fn questions(context: &Context, entries: &[Entry]) -> Result<Questions, Error> {
    let files = entries
        .iter()
        .enumerate()
        .filter_map(|(at, entry)| match entry {
            Entry::Job(new) => Some((at, new.clone())),
            Entry::Refused(..)
            | Entry::Moved { .. }
            | Entry::Started(..)
            | Entry::Waiting(..)
            | Entry::Gone(_)
            | Entry::Sidecar(_)
            | Entry::Root(..) => None,
        });
    let files: Vec<(usize, NewJob)> = files.collect();
    persist(context, move |db| {
        let mut questions = Questions::new();
        for (at, new) in &files {
            for other in renames::other_names(db, new)? {
                let of_watch = questions.entry(other.watch.clone()).or_default();
                of_watch.push((*at, other, new.identity));
            }
        }
        Ok(questions)
    })
    .await
}

/// Another file under the old name counts as none: two names may have been swapped.
fn is_gone(watch: Option<&Watch>, path: &Path, identity: &Identity) -> bool {
    match reach::place(watch, path).and_then(|place| place.metadata()) {
        Ok(meta) => !Identity::of(&meta).may_still_be(identity),
        Err(error) => matches!(error, beneath::Error::Absent(_) | beneath::Error::Link(_)),
    }
}
