//! Creating the video: exactly one, however often the daemon dies in between.
//!
//! The ingest id is stored with the job; before the call is sent that is noted too. So a job that
//! comes here with a note has perhaps a video already, and it is looked for before another is made.
//! What the look-up finds has lost its upload link for good (the platform reports it once), so it
//! is withdrawn and made again under another ingest id, unless it has its bytes. What it does not
//! find may still come: the next create call bears another ingest id, and the old one is watched
//! for a while.

pub(super) mod call;
mod earlier;

use std::sync::Arc;

use super::attempt::Attempt;
use super::choice::{self, Case, Choice, Fetch};
use super::end::{Done, End};
use super::fetch::{self, Order, Plan};
use super::source::Source;
use super::{identify, preflight, replace, restored};
use crate::platform::Client;
use crate::queue::replace::Predecessor;
use crate::queue::{Step, outcome};
use crate::way::Way;

/// Runs the step.
pub(super) async fn create_video(attempt: &mut Attempt) -> Result<Done, End> {
    attempt.begin(Step::Create).await?;
    let client = attempt.client()?;
    if let Some(done) = earlier::find_video(attempt, &client).await? {
        return Ok(done);
    }
    // No video for a file that cannot be sent: it would be an empty draft on the account.
    let source = attempt.open_rested().await?;
    preflight::rule_out_others(attempt, &source).await?;
    identify::rule_out_copies(attempt, &client, &source).await?;
    restored::rule_out_earlier_upload(attempt, &client, &source).await?;
    let before = replace::find_place(attempt).await?;
    Box::pin(proceed(attempt, &client, (&source, before))).await
}

/// The file is there and will be uploaded: in place of what another job's video has, if `before`
/// says so.
async fn proceed(
    attempt: &Attempt,
    client: &Client,
    (source, before): (&Arc<Source>, Option<Predecessor>),
) -> Result<Done, End> {
    let (fetch, order) = match fetch::plan(attempt, source).await? {
        Plan::Send { why: None } => (Fetch::Unasked, None),
        Plan::Send { why: Some(why) } => (Fetch::Unserved(why), None),
        Plan::Fetch(order) => (kind(&order), Some(order)),
    };
    let choice = choose_way(attempt, client, fetch).await?;
    if choice.way == Way::Ftp {
        let why = choice.why.into();
        return Ok(Done::GoesByFtp { why });
    }
    match before {
        None => call::create(attempt, client, (choice, order)).await,
        Some(before) => {
            replace::ask_for_replacement(attempt, client, (choice, order, before)).await
        }
    }
}

fn kind(order: &Order) -> Fetch {
    let why = order.why.clone();
    match order.file {
        Some(_) => Fetch::Served(why),
        None => Fetch::IsLink(why),
    }
}

/// A form upload that broke off after this much is not begun a third time.
const DEAR_BREAK: i64 = 1 << 30;

/// Whether a form upload of this size of loss broke off: from the next attempt on the job uses
/// method `resumable`.
pub(super) fn is_dear(way: Way, sent: i64) -> bool {
    way == Way::Form && sent >= DEAR_BREAK
}

async fn choose_way(attempt: &Attempt, client: &Client, fetch: Fetch) -> Result<Choice, End> {
    let (settings, id) = (attempt.settings(), attempt.job().id);
    let form_broke =
        attempt.write(move |db, _| outcome::broke_off(db, id, Way::Form.word(), DEAR_BREAK));
    let job = attempt.job();
    let case = Case {
        size: job.identity.bytes(),
        wanted: settings
            .watch(&job.watch)
            .map_or(crate::config::Method::Auto, |watch| watch.method),
        api: client.version(),
        fetch,
        has_ftp: settings
            .config
            .accounts
            .get(&job.account)
            .is_some_and(|account| account.ftp.is_some()),
        form_broke: form_broke.await?,
    };
    choice::choose(&case, &settings.config.upload)
        .map_err(|refusal| End::refused(&refusal, refusal.advice()))
}
