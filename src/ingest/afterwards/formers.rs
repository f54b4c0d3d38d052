//! Asks the platform whose content a video has, where a replacement of it ended after its last byte without
//! a clear answer: until then the file before it does not count as uploaded, and nothing is done with it.
//!
//! When it is asked again is kept in no row: a restart asks at once.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::ask::{self, Silent};
use crate::ingest::context::Context;
use crate::ingest::evidence::{Answer, Fault};
use crate::ingest::lost;
use crate::ingest::persist::persist;
use crate::ingest::told::{self, Told};
use crate::platform::Video;
use crate::queue::former::{self, Content, Former};
use crate::queue::sent::{self, Sent};
use crate::queue::{Error, JobId, retry};
use crate::{clock, text};

/// How often the table is looked at.
const LOOK: Duration = Duration::from_secs(10);

/// For so long after its last byte the platform may notice new content, and show the old one until then.
const NOTICED: Duration = Duration::from_mins(10);

/// Where polls are rarer than that: so many of them.
const POLLS: u32 = 3;

/// The longest wait after an answer that says nothing clear, as of a platform that reports no MD5:
/// the next one will hardly say more.
const UNCLEAR: Duration = Duration::from_hours(24);

/// Questions at a time: files that are due wait for the answers.
const AT_ONCE: usize = 20;

/// The questions that gave no clear answer.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    looked: Option<Instant>,
    tries: HashMap<JobId, Try>,
}

/// Why a question is asked again.
enum Again {
    /// The platform said nothing, and perhaps how long to wait.
    Silent(Option<Duration>),
    /// It said nothing clear.
    Unclear,
}

#[derive(Debug)]
struct Try {
    count: i64,
    next: Instant,
    why: String,
}

/// Asks about those that are quiet, and due.
pub(super) async fn look(
    context: &Context,
    doubts: &mut Doubts,
    silent: &mut Silent,
) -> Result<(), Error> {
    let now = Instant::now();
    if doubts.looked.is_some_and(|at| at.elapsed() < LOOK) {
        return Ok(());
    }
    doubts.looked = Some(now);
    let polls = context.now_settings().config.confirm.poll_interval;
    let quiet = NOTICED.max(polls.saturating_mul(POLLS));
    let Ok(before) = clock::now().checked_sub(quiet) else {
        return Ok(());
    };
    let formers = context
        .queue
        .jot(move |db| former::in_doubt(db, before))
        .await?;
    let jobs: HashSet<JobId> = formers.iter().map(|former| former.job).collect();
    doubts.tries.retain(|job, _| jobs.contains(job));
    let is_due = |former: &Former| {
        let tried = doubts.tries.get(&former.job);
        tried.is_none_or(|tried| tried.next <= now)
    };
    let due: Vec<Former> = formers.into_iter().filter(is_due).take(AT_ONCE).collect();
    for former in due {
        if context.stop.is_cancelled() {
            return Ok(());
        }
        one(context, former, (doubts, silent)).await?;
    }
    Ok(())
}

async fn one(
    context: &Context,
    former: Former,
    (doubts, silent): (&mut Doubts, &mut Silent),
) -> Result<(), Error> {
    let settings = context.now_settings();
    let job = former.job;
    let Some(sent) = context.queue.jot(move |db| sent::of(db, job)).await? else {
        return Ok(());
    };
    // Whether it was replaced is the question.
    let sent = Sent {
        is_replaced: false,
        ..sent
    };
    if let Some(why) = ask::closed(context, &settings, &sent, silent).await? {
        let why = (why, Again::Silent(None));
        later(context, (&former, &sent), why, doubts);
        return Ok(());
    }
    let answer = tokio::select! {
        () = context.stop.cancelled() => return Ok(()),
        answer = ask::question(&settings, &sent) => answer,
    };
    // Where the table says by now that it is not quiet, or cannot take the answer.
    let settled =
        |doubts: &mut Doubts| put_off(context, job, (String::new(), Again::Silent(None)), doubts);
    match answer {
        None => {}
        Some(Answer::Yes(video)) if is_told(&sent, &video) => {
            settled(doubts);
            has_its_content(context, former, &sent).await?;
        }
        Some(Answer::Yes(_)) => {
            let why = "the platform reports no MD5 of it: check it there".to_owned();
            later(context, (&former, &sent), (why, Again::Unclear), doubts);
        }
        Some(Answer::No(Fault::OtherBytes | Fault::Misfetched)) => {
            settled(doubts);
            was_overwritten(context, former, &sent).await?;
        }
        Some(Answer::No(fault)) if fault.is_loss() => {
            settled(doubts);
            lost::settle_former(context, (&sent, &fault), former).await?;
        }
        Some(Answer::No(fault)) => {
            let why = (fault.words(&sent), Again::Unclear);
            later(context, (&former, &sent), why, doubts);
        }
        Some(Answer::Unanswered(error)) => {
            let (why, after) = ask::unanswered(context, (&sent, &error), silent).await?;
            let why = (why, Again::Silent(after));
            later(context, (&former, &sent), why, doubts);
        }
    }
    Ok(())
}

/// Whether the platform reports the checksum: the other content may have the same size.
fn is_told(sent: &Sent, video: &Video) -> bool {
    told::compare((sent.md5.as_deref(), None), video) == Told::Checksum
}

async fn has_its_content(context: &Context, former: Former, sent: &Sent) -> Result<(), Error> {
    let (id, by) = (former.job, former.by);
    let (key, path) = (former.video_key.clone(), text::path(&sent.path));
    let now = clock::now();
    let ended = persist(context, move |db| former::has_its_content(db, &former, now)).await?;
    let what = match ended {
        Content::Open => return Ok(()),
        Content::Counts => "it counts as uploaded again",
        Content::HasOtherJob => "its file came back meanwhile and has another job",
    };
    tracing::info!(
        job.id = id.0,
        "{path}: video {key} has its content still, and that of job {by} did not arrive: {what}"
    );
    context.ring_all();
    Ok(())
}

async fn was_overwritten(context: &Context, former: Former, sent: &Sent) -> Result<(), Error> {
    let (id, by) = (former.job, former.by);
    let key = former.video_key.clone();
    if persist(context, move |db| former::was_overwritten(db, &former)).await? {
        tracing::warn!(
            job.id = id.0,
            "{}: video {key} has other content by now, although job {by}, which should have \
             replaced it, is not done",
            text::path(&sent.path)
        );
        context.ring_all();
    }
    Ok(())
}

/// It is not known: said once, not at each attempt.
fn later(
    context: &Context,
    (former, sent): (&Former, &Sent),
    (why, again): (String, Again),
    doubts: &mut Doubts,
) {
    let before = doubts.tries.get(&former.job);
    if before.is_none_or(|before| before.why != why) {
        tracing::warn!(
            job.id = former.job.0,
            "{}: it is not known whether video {} has its content or that of job {}: {why}; \
             jw-ingest asks again by itself",
            text::path(&sent.path),
            former.video_key,
            former.by
        );
    }
    put_off(context, former.job, (why, again), doubts);
}

/// Should it be in doubt still, it is asked again by the usual wait.
fn put_off(context: &Context, job: JobId, (why, again): (String, Again), doubts: &mut Doubts) {
    let settings = context.now_settings();
    let limits = &settings.config.retry;
    let count = doubts.tries.get(&job).map_or(0, |before| before.count) + 1;
    let wait = match again {
        Again::Silent(after) => retry::delay(count, limits.first_delay, limits.max_delay, after),
        Again::Unclear => retry::delay(
            count,
            limits.first_delay,
            limits.max_delay.max(UNCLEAR),
            None,
        ),
    };
    let next = Instant::now() + wait;
    doubts.tries.insert(job, Try { count, next, why });
}
