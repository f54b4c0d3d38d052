//! Before a file is moved or deleted: the platform is asked whether it has what was sent.
//!
//! The question comes last: after the file was read, and right before it goes. After one that was not answered the account is left in
//! peace for a moment, so that thousands of files that are due do not all wait for an answer in turn.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::runtime::Handle;

use super::carry_out;
use super::files::Trouble;
use super::plan::{self, Plan};
use crate::config::{AfterUpload, Watch};
use crate::disposition::Disposition;
use crate::ingest::context::{Context, Settings};
use crate::ingest::evidence::{self, Answer};
use crate::ingest::persist::persist;
use crate::ingest::{lost, pause};
use crate::platform;
use crate::queue::accounts::Cause;
use crate::queue::afterwards::{self, Action, Case};
use crate::queue::sent::{self, Sent};
use crate::queue::{Error, State};
use crate::{chain, clock};

/// Accounts that did not answer: until when they are left in peace, and why.
pub(super) type Silent = HashMap<String, (Instant, String)>;

/// Whether the file may go only if the platform has what was sent.
pub(super) fn is_asked_for(action: Action) -> bool {
    match action {
        Action::Move | Action::Trash | Action::Delete => true,
        Action::Undecided | Action::None | Action::Keep | Action::FailedDir | Action::Back => false,
    }
}

/// A question that was not answered by a clear yes.
#[derive(Debug)]
pub(in crate::ingest) struct Refused {
    sent: Sent,
    answer: Answer,
}

impl Refused {
    /// Why, in words for the operator.
    pub(super) fn words(&self) -> String {
        match &self.answer {
            Answer::No(fault) => fault.words(&self.sent),
            Answer::Unanswered(error) => evidence::unanswered(error),
            Answer::Yes(_) => "the platform has it".to_owned(),
        }
    }
}

/// Before the file is looked at: an account that does not answer is left in peace, and what did not
/// go at the last attempt is asked about at once, so that it is not read for nothing.
pub(super) async fn may_try(
    context: &Context,
    (case, watch): (&Case, &Watch),
    silent: &mut Silent,
) -> Result<bool, Error> {
    if case.row.attempts > 0 {
        return is_up(context, (case, watch), silent).await;
    }
    Ok(ready_to_ask(context, case, silent).await?.is_some())
}

/// How old a yes may be when the file goes. One that took longer is of another moment, as is one of a machine that was
/// suspended meanwhile.
const FRESH: Duration = Duration::from_secs(10);

/// Right before the file gets this name, or before what is left beside it goes (`None`): asks the platform whether
/// it has what was sent, and then notes the name, if the job and its watch are still as they were. On a thread that may
/// block.
///
/// Nothing is read or copied between this and the act: the yes is of this moment.
pub(super) fn permit(
    context: &Context,
    (case, watch, action): (&Case, Option<&Watch>, Action),
    to: Option<&Path>,
) -> Result<(), Trouble> {
    let sent = if is_asked_for(action) {
        Some(Handle::current().block_on(ask_now(context, case))?)
    } else {
        None
    };
    if !is_wanted_still(context, (case, watch, action)) {
        return Err(Trouble::Stopped);
    }
    let (owned, to) = (case.clone(), to.map(Path::to_path_buf));
    let going = move |db: &Connection| afterwards::going(db, &owned, sent.as_ref(), to.as_deref());
    match context.queue.write_blocking(going) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Trouble::Stopped),
        Err(error) => Err(Trouble::Later(chain(&error))),
    }
}

/// Whether the configuration of this moment, which may have been read again meanwhile, has the watch as it was and wants
/// the same for the file. What is left beside one that has gone follows it also where files are kept by now.
pub(super) fn is_wanted_still(
    context: &Context,
    (case, watch, action): (&Case, Option<&Watch>, Action),
) -> bool {
    let settings = context.now_settings();
    let now = settings.watch(&case.job.watch);
    let (Some(then), Some(now)) = (watch, now) else {
        return false;
    };
    if case.row.sidecar_left.is_none() && plan::plan(case, Some(now)) != Plan::Do(action) {
        return false;
    }
    (&then.path, &then.afterwards) == (&now.path, &now.afterwards)
}

/// When the platform was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// This clock stops while the machine is suspended.
    steady: Instant,
    /// This one may be set.
    wall: Timestamp,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self {
            steady: Instant::now(),
            wall: clock::now(),
        }
    }

    /// Whether an answer still counts: the platform, or a share, may have taken its time.
    pub(super) fn check_fresh(self) -> Result<(), Trouble> {
        let by_wall = clock::now().duration_since(self.wall).unsigned_abs();
        let age = self.steady.elapsed().max(by_wall);
        if age <= FRESH {
            return Ok(());
        }
        Err(Trouble::Later(format!(
            "{} s have passed since the platform was asked, which is too long to act on its answer",
            age.as_secs()
        )))
    }
}

/// Answers what the platform says yes to.
async fn ask_now(context: &Context, case: &Case) -> Result<Sent, Trouble> {
    let (settings, original) = (context.now_settings(), case.original.id);
    let asking = async {
        let sent = context.queue.jot(move |db| sent::of(db, original)).await;
        let sent = sent.map_err(|error| Trouble::Later(chain(&error)))?;
        let sent = sent.ok_or(Trouble::Stopped)?;
        match question(&settings, &sent).await {
            Some(Answer::Yes(_)) => Ok(sent),
            Some(answer) => Err(Trouble::NotUp(Box::new(Refused { sent, answer }))),
            None => Err(Trouble::Later(no_account(&sent.account))),
        }
    };
    tokio::select! {
        biased;
        () = context.stop.cancelled() => Err(Trouble::Stopped),
        answer = asking => answer,
    }
}

/// Asks; answers whether it is a clear yes. What else follows is written down.
async fn is_up(
    context: &Context,
    (case, watch): (&Case, &Watch),
    silent: &mut Silent,
) -> Result<bool, Error> {
    if !matches!(case.job.state, State::Done | State::Duplicate) {
        // The job was queued again: the act itself will leave the file alone.
        return Ok(true);
    }
    let Some((settings, sent)) = ready_to_ask(context, case, silent).await? else {
        return Ok(false);
    };
    let answer = tokio::select! {
        () = context.stop.cancelled() => return Ok(false),
        answer = question(&settings, &sent) => answer,
    };
    match answer {
        None => Ok(false),
        Some(Answer::Yes(_)) => Ok(true),
        Some(answer) => {
            settle(context, (case, watch), Refused { sent, answer }, silent).await?;
            Ok(false)
        }
    }
}

/// What the platform must be asked about; nothing where it cannot be asked now, which is written
/// down.
async fn ready_to_ask(
    context: &Context,
    case: &Case,
    silent: &mut Silent,
) -> Result<Option<(Arc<Settings>, Sent)>, Error> {
    let (settings, original) = (context.now_settings(), case.original.id);
    let Some(sent) = context.queue.jot(move |db| sent::of(db, original)).await? else {
        return Ok(None);
    };
    if let Some(why) = closed(context, &settings, &sent, silent).await? {
        carry_out::later(context, case, (&why, None)).await?;
        return Ok(None);
    }
    Ok(Some((settings, sent)))
}

/// What follows where the platform did not say yes.
pub(super) async fn settle(
    context: &Context,
    (case, watch): (&Case, &Watch),
    refused: Refused,
    silent: &mut Silent,
) -> Result<(), Error> {
    let Refused { sent, answer } = refused;
    match answer {
        Answer::Yes(_) => Ok(()),
        Answer::No(fault) if fault.is_loss() => {
            is_lost(context, (case, watch), (&sent, &fault)).await
        }
        Answer::No(fault) => carry_out::later(context, case, (&fault.words(&sent), None)).await,
        Answer::Unanswered(error) => {
            let (why, after) = unanswered(context, (&sent, &error), silent).await?;
            carry_out::later(context, case, (&why, after)).await
        }
    }
}

/// The video is not up any more: the file is uploaded again. Where it has gone from here, its sidecar stays.
async fn is_lost(
    context: &Context,
    (case, watch): (&Case, &Watch),
    (sent, fault): (&Sent, &evidence::Fault),
) -> Result<(), Error> {
    if case.row.sidecar_left.is_some() {
        return carry_out::stays(context, case, &fault.words(sent)).await;
    }
    if carry_out::take_back(context, (case, Some(watch))).await? {
        let is_written = lost::settle(context, (sent, fault), false).await?;
        if !is_written {
            let why = format!("{}; its job cannot start over yet", fault.words(sent));
            carry_out::later(context, case, (&why, None)).await?;
        }
    }
    Ok(())
}

pub(super) async fn question(settings: &Settings, sent: &Sent) -> Option<Answer> {
    let client = settings.client(&sent.account)?;
    Some(evidence::ask(client, sent).await)
}

/// Why the account is not asked now.
pub(super) async fn closed(
    context: &Context,
    settings: &Settings,
    sent: &Sent,
    silent: &mut Silent,
) -> Result<Option<String>, Error> {
    let account = &sent.account;
    if settings.client(account).is_none() {
        return Ok(Some(no_account(account)));
    }
    silent.retain(|_, (until, _)| *until > Instant::now());
    if let Some((_, why)) = silent.get(account) {
        return Ok(Some(why.clone()));
    }
    evidence::is_closed(context, account).await
}

fn no_account(account: &str) -> String {
    format!(
        "the configuration has no account {account} any more, so jw-ingest cannot ask whether its \
         video is there"
    )
}

/// It is not known: an account of which nothing can work is paused, as by any other call, and any
/// is left in peace for a moment.
///
/// Answers why, and what wait the server asks for.
pub(super) async fn unanswered(
    context: &Context,
    (sent, error): (&Sent, &platform::Error),
    silent: &mut Silent,
) -> Result<(String, Option<Duration>), Error> {
    let told = pause_if_closed(context, (sent, error)).await?;
    let rest = context.now_settings().config.retry.first_delay;
    silent.insert(
        sent.account.clone(),
        (Instant::now() + rest, told.0.clone()),
    );
    Ok(told)
}

async fn pause_if_closed(
    context: &Context,
    (sent, error): (&Sent, &platform::Error),
) -> Result<(String, Option<Duration>), Error> {
    let (why, now) = (evidence::unanswered(error), clock::now());
    let cause = match error.disposition() {
        Disposition::Blocked(need) => Cause::Refused(need),
        Disposition::Unreachable => Cause::Unreachable,
        Disposition::Transient { after } => return Ok((why, after)),
        Disposition::Permanent | Disposition::Ambiguous | Disposition::LinkExpired => {
            return Ok((why, None));
        }
    };
    pause::account(context, &sent.account, (cause, &why), now).await?;
    Ok((why, None))
}

/// The file came back, or was touched: only the platform can tell whether it is still up.
///
/// Of a video whose key is not known it will never tell anything, so nothing is waited for.
pub(super) async fn returned(
    context: &Context,
    (case, watch): (&Case, &Watch),
    silent: &mut Silent,
) -> Result<(), Error> {
    let has_key = case.original.video_key.is_some();
    if has_key && !is_up(context, (case, watch), silent).await? {
        return Ok(());
    }
    let id = case.job.id;
    let keeps = watch.afterwards.after_upload == AfterUpload::Keep;
    tracing::debug!(
        job.id = id.0,
        has_key,
        "the file came back, and its video is still good"
    );
    persist(context, move |db| afterwards::answered(db, id, keeps)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::tests::ground::Ground;

    #[tokio::test]
    async fn a_file_whose_video_has_no_known_key_is_not_asked_about_for_ever() {
        let ground = Ground::new();
        let context = &ground.context;
        ground.enqueue(&ground.file("a.mp4")).await;
        let now = clock::now();
        let cases = context.queue.write(move |db| {
            db.execute_batch(
                "UPDATE jobs SET state = 'done', step = 'confirm', method = 'ftp', finished_at = created_at,
                        sent_at = created_at;
                 UPDATE afterwards SET returned = 7;",
            )?;
            afterwards::due(db, now, 9)
        });
        let cases = cases.await.unwrap();
        assert!(cases[0].row.returned);
        let settings = context.now_settings();
        let watch = settings.watch("news").unwrap();
        returned(context, (&cases[0], watch), &mut Silent::new())
            .await
            .unwrap();
        let id = cases[0].job.id;
        let row = context.queue.jot(move |db| afterwards::of(db, id));
        let row = row.await.unwrap().unwrap();
        assert!(!row.returned && row.last_error.is_none(), "{row:?}");
    }

    #[test]
    fn a_yes_that_took_too_long_is_none() {
        assert!(Moment::now().check_fresh().is_ok());
        let suspended = Moment {
            wall: clock::now() - Duration::from_hours(1),
            ..Moment::now()
        };
        let late = suspended.check_fresh();
        let Err(Trouble::Later(why)) = late else {
            panic!("{late:?}");
        };
        assert!(why.starts_with("3600 s have passed"), "{why}");
    }
}
