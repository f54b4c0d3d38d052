//! What becomes of files whose jobs have ended: moved, put into the trash, deleted, or left; and
//! the notes beside them.
//!
//! `plan` decides, `task` does it, `look` looks at the file once more, `ask` asks the platform whether it has
//! what was sent, `traces` finds what a kill left, `copies` settles copies that it left, `files` moves without losing
//! anything, `companions` are what goes along; `formers` asks whose content a video has that may have been replaced. One
//! file of each watch at a time (`lanes`): a copy to another disk takes what it takes, and nothing waits for it but other
//! files of its watch.
//!
//! What takes time comes before the question: the file is read (1), the platform is asked (2), one
//! transaction checks that the job is still as it was and notes the name that the file is about to
//! get (3), the file gets that name (4), and where it is deleted, that is a hidden one: it is looked at again, that
//! it is unlinked is noted, and then it is (5); what is beside it goes (6), and the end is written
//! down (7). What a kill after each of them leaves, and what comes of it:
//!
//! - 1, 2: nothing.
//! - 3: the file has its old name. If it still has to go, it begins at 1; else the note is taken
//!   back.
//! - 4, of a move: the file has its new name. It begins at 6.
//! - 4, of a delete, and of a move to another disk, whose copy is whole: the file has a hidden
//!   name. If it still has to go, it begins at 1 with that; else the file gets its old name back. Where a person has
//!   renamed its folder since, `strays` finds it.
//! - 5, and part of 6: of a delete there is neither name, and by the second note it is known that the file was
//!   deleted. What is left beside it goes after another question. Without that note a person took the file.
//! - 7: nothing.
//!
//! An attempt that ends before 5 in any other way gives the file its old name back itself.
//!
//! A copy to another disk is made within 1, and noted before its first byte. It has a hidden name until 4, where it gets
//! its own. What a kill leaves of it the next attempt overwrites; where none comes, `copies` settles it. As long as it is
//! noted, or a name is, that the file is nowhere counts only where its folder is there (`traces`): a share may be away.
//!
//! The answer takes a while, up to ten seconds. `ask` and `still` see to it that it counts only for what is as it was
//! before: the configuration, the folders, and the bytes, by the rule that `still` begins with. The steps of each way:
//!
//! - A move within a filesystem: ask; both folders are held still, and the ctime has not moved; rename; open it again by
//!   its new name: the same file, no writer, the same samples, the folders still held. Else it goes back.
//! - A delete: read and compare; ask; held still, ctime unmoved; hide; open it again, which notes the ctime that our
//!   rename has set; note the unlink; open it again: ctime unmoved, no writer, held still; unlink.
//! - A move to another disk: copy, read the copy back; ask; held still, ctime unmoved; hide; open it again; the copy gets
//!   its name; open it again, as above; unlink.
//! - Where attributes may be stale, the hidden file is opened again, read in full and compared, and then it is asked
//!   once more; right before the unlink its samples are compared, too.
//!
//! The file is read before it is hidden, and not after, because most files are on a local disk, where ctime shows each
//! write: there it is hidden for milliseconds, and a folder that is renamed, a stop or a refusal of the platform finds
//! it under its own name. What remains is a program that opens, writes, puts the mtime back and closes between the last
//! look and our rename, which are two calls apart. On a share no attribute proves anything, and the reading has to come
//! after: there the file is hidden for as long as it is read, and what stops that gives it its name back.

mod ask;
mod beside;
mod carry_out;
mod companions;
mod copies;
mod copy;
mod files;
mod follow;
mod formers;
mod hiding;
mod lanes;
mod left;
mod look;
mod names;
mod noted;
mod notes;
mod plan;
mod still;
mod strays;
mod targets;
mod task;
#[cfg(test)]
mod tests;
mod traces;
mod watches;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::ask::Silent;
use self::carry_out::act;
pub(super) use self::hiding::put_back;
use self::lanes::Lanes;
use self::plan::Plan;
use super::context::Context;
use super::disk;
use super::duty::Duty;
use super::metadata;
use super::moments::later;
use super::persist::persist;
use crate::config::Watch;
use crate::queue::afterwards::{self, Action, Case, File};
use crate::queue::{Error, JobId, State};
use crate::{clock, text};

/// How often the table is looked at: a job that ends rings no bell here.
const LOOK: Duration = Duration::from_millis(500);

/// How often jw-ingest checks which notes a person has deleted.
const NOTES: Duration = Duration::from_secs(5);

/// Rows that are listed at a time.
const AT_ONCE: u32 = 200;

/// Where a job waits for the one that it is a copy of, or its folder does not answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Folders that notes cannot be written to, and that were complained of.
type Mute = HashSet<PathBuf>;

/// Runs until the daemon stops.
pub(super) async fn run(context: Context) -> Result<(), Error> {
    let duty = Duty::new(&context, "afterwards", LOOK);
    let mut lanes = Lanes::default();
    let mut targets = targets::Looks::default();
    let mut silent = Silent::new();
    let mut doubts = formers::Doubts::default();
    let mut settings = context.settings.clone();
    settings.mark_changed();
    while !context.stop.is_cancelled() {
        targets.go_on(&context);
        let done = async {
            watches::follow(&context, &mut settings).await?;
            lanes.begin(&context).await?;
            formers::look(&context, &mut doubts, &mut silent).await?;
            Ok(LOOK)
        };
        let length = duty.length_of_rest(done.await)?;
        rest(&context, (&duty, length), &mut lanes).await?;
    }
    lanes.finish().await;
    Ok(())
}

/// Until the next look. It comes sooner only where more is due than was listed: what stays due must not turn in circles.
async fn rest(
    context: &Context,
    (duty, length): (&Duty<'_>, Duration),
    lanes: &mut Lanes,
) -> Result<(), Error> {
    let look = tokio::time::sleep(length);
    tokio::pin!(look);
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return Ok(()),
            () = &mut look => return Ok(()),
            ended = lanes.ended() => match ended {
                Ok(true) => return Ok(()),
                ended => duty.length_of_rest(ended.map(|_| LOOK))?,
            },
        };
    }
}

/// Drops those for which there is nothing to do: all in one transaction, as there may be thousands.
/// Answers the others.
async fn forget(context: &Context, cases: Vec<Case>) -> Result<Vec<Case>, Error> {
    let settings = context.now_settings();
    let is_idle = |case: &Case| {
        let watch = settings.watch(&case.job.watch);
        let row = &case.row;
        let notes = watch.is_some_and(|watch| watch.afterwards.notes) && has_note(case);
        row.action == Action::Undecided
            && watch.is_some()
            && !row.returned
            && [
                &row.note,
                &row.going_to,
                &row.moved_to,
                &row.came_from,
                &row.copy,
            ]
            .into_iter()
            .all(Option::is_none)
            && !notes
            && plan::plan(case, watch) == Plan::Do(Action::None)
    };
    let (idle, rest): (Vec<Case>, Vec<Case>) = cases.into_iter().partition(is_idle);
    if !idle.is_empty() {
        let ids: Vec<JobId> = idle.iter().map(|case| case.job.id).collect();
        context
            .queue
            .jot(move |db| afterwards::forget(db, &ids))
            .await?;
    }
    Ok(rest)
}

/// Whether a job of this kind has a note, where notes are wanted.
fn has_note(case: &Case) -> bool {
    match case.job.state {
        State::Failed => plan::is_tried_again(&case.job),
        State::Done | State::Duplicate => plan::is_ready(&case.original),
        State::Queued | State::Running | State::Cancelled => false,
    }
}

async fn one(
    context: &Context,
    case: Case,
    (mute, silent): (&mut Mute, &mut Silent),
) -> Result<(), Error> {
    let settings = context.now_settings();
    let watch = settings.watch(&case.job.watch);
    let plan = plan::plan(&case, watch);
    let is_half_done = case.row.going_to.is_some();
    if plan != Plan::Do(case.row.action) {
        copies::settle(context, &case, false).await?;
    }
    match (plan, watch) {
        // It is not to go there any more: what a kill left half done comes to its end first.
        _ if is_half_done && plan != Plan::Do(case.row.action) => {
            carry_out::take_back(context, (&case, watch))
                .await
                .map(drop)
        }
        // The video has gone; its sidecar gets the same treatment.
        (_, Some(watch))
            if case.row.sidecar_left.is_some() && case.row.action != Action::Undecided =>
        {
            act(context, (&case, watch), (case.row.action, silent)).await
        }
        (Plan::Do(_) | Plan::Keep(_), Some(watch))
            if case.row.returned && case.original.replaced.is_none() =>
        {
            ask::returned(context, (&case, watch), silent).await
        }
        (Plan::Do(action), Some(watch)) if action == case.row.action && action != Action::None => {
            act(context, (&case, watch), (action, silent)).await
        }
        _ => decide(context, (&case, watch), plan, mute).await,
    }
}

/// Writes the notes, and records what to do.
async fn decide(
    context: &Context,
    (case, watch): (&Case, Option<&Watch>),
    plan: Plan,
    mute: &mut Mute,
) -> Result<(), Error> {
    let now = clock::now();
    let id = case.job.id;
    let case = case.clone();
    let Some(watch) = watch else {
        return persist(context, move |db| afterwards::has_no_watch(db, id, now)).await;
    };
    if plan == Plan::Wait {
        let run_at = later(now, PATIENCE);
        let why = if case.original.replaced.is_some() {
            "another file's content may be in its video"
        } else {
            "the job that it is a copy of is not done"
        };
        return persist(context, move |db| afterwards::later(db, id, why, run_at)).await;
    }
    let Some(note) = write_notes(context, &case, watch, mute).await else {
        let (why, run_at) = ("its folder does not answer", later(now, PATIENCE));
        return persist(context, move |db| afterwards::later(db, id, why, run_at)).await;
    };
    // One that is ahead was written by a clock that has been corrected since.
    let ended = case.job.finished_at.max(case.row.counts_from);
    let ended = ended.unwrap_or(now).min(now);
    let due = later(ended, watch.afterwards.grace).max(now);
    let (action, due_at, kept) = match plan {
        Plan::Do(Action::None) | Plan::Wait => (Action::None, None, None),
        Plan::Do(action) => (action, Some(due), None),
        Plan::Keep(why) => (Action::Keep, None, Some(format!("kept: {why}"))),
    };
    persist(context, move |db| {
        if afterwards::plan(db, &case, (action, due_at), note.as_deref())?
            && let Some(kept) = &kept
        {
            afterwards::done(db, id, (kept, File::Stayed), now)?;
        }
        Ok(())
    })
    .await
}

/// Brings the notes beside a file in line with its job; answers the note of its failure. `None`: its folder
/// does not answer, and nothing is decided yet.
async fn write_notes(
    context: &Context,
    case: &Case,
    watch: &Watch,
    mute: &mut Mute,
) -> Option<Option<PathBuf>> {
    let wanted = watch.afterwards.notes && has_note(case);
    let (owned, rules) = (case.clone(), watch.clone());
    let writing = disk::within(context, &watch.name, move || {
        let case = owned;
        if case.job.state == State::Failed {
            return if wanted {
                notes::write_failure(Some(&rules), &case).map(Some)
            } else {
                Ok(case.row.note)
            };
        }
        let beside = notes::of_failure(&case.job.path);
        for note in case.row.note.iter().chain([&beside]) {
            notes::remove(Some(&rules), note);
        }
        if wanted {
            let title = metadata::title(&rules, &case.job.path, case.job.identity.mtime_ns);
            notes::write_key(&rules, &case, &title)?;
        }
        Ok(None)
    });
    match writing.await? {
        Ok(note) => Some(note),
        Err(error) => {
            complain(&case.job.path, &error, mute);
            Some(None)
        }
    }
}

/// One line a folder, not one a note.
fn complain(video: &Path, error: &std::io::Error, mute: &mut Mute) {
    let folder = video.parent().unwrap_or(video).to_path_buf();
    let shown = text::path(&folder);
    if mute.insert(folder) {
        tracing::warn!(
            "cannot write notes in {shown}: {error}; this is not reported again until the next \
             start"
        );
    }
}
