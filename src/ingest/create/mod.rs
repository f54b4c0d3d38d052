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

use self::earlier::Earlier;
use super::calls::park;
use super::choice::{self, Case, Choice, Fetch};
use super::context::Settings;
use super::fate::{self, Failure};
use super::fetch::{self, Plan};
use super::persist::persist;
use super::source::Source;
use super::worker::{Next, Task};
use super::{disk, ftp, identify, replace, restored, trouble};
use crate::clock;
use crate::disposition::Disposition;
use crate::platform::Client;
use crate::queue::outcome;
use crate::queue::replace::Predecessor;
use crate::queue::{Error, Lease, Step};
use crate::way::Way;

/// Runs the step.
pub(super) async fn run(task: &Task, lease: &Lease) -> Result<Next, Error> {
    let context = &task.context;
    let settings = context.now_settings();
    let (begun, now) = (lease.clone(), clock::now());
    persist(context, move |db| {
        outcome::begin(db, &begun, Step::Create, now)
    })
    .await?;
    let Some(client) = settings.client(&lease.job.account) else {
        let failure = Failure::new(
            &UnknownAccount(lease.job.account.clone()),
            Disposition::Blocked,
        );
        fate::settle(context, lease, failure).await?;
        return Ok(Next::Finished);
    };
    let lease = &match earlier::look(task, lease, client).await? {
        Earlier::Settled(next) => return Ok(next),
        Earlier::Nothing(lease) => *lease,
    };
    // No video for a file that cannot be sent: it would be an empty draft on the account.
    let source = match open(task, lease).await? {
        Ok(source) => source,
        Err(next) => return Ok(next),
    };
    if let Some(next) = identify::run(task, lease, client, &source).await? {
        return Ok(next);
    }
    if let Some(next) = restored::look(task, lease, client, &source).await? {
        return Ok(next);
    }
    let before = match replace::look(task, &settings, lease).await? {
        replace::Place::Settled => return Ok(Next::Finished),
        replace::Place::Free => None,
        replace::Place::Of(before) => Some(before),
    };
    proceed(task, (&settings, client), lease, (&source, before)).await
}

/// The file is there and will be uploaded: in place of what another job's video has, if `before`
/// says so.
async fn proceed(
    task: &Task,
    (settings, client): (&Settings, &Client),
    lease: &Lease,
    (source, before): (&Arc<Source>, Option<Predecessor>),
) -> Result<Next, Error> {
    let context = &task.context;
    let (fetch, order) = match fetch::plan(task, settings, lease, source).await? {
        None => return park(task, lease).await,
        Some(Plan::Trouble(problem)) => {
            trouble::settle(context, lease, problem, 0).await?;
            return Ok(Next::Finished);
        }
        Some(Plan::Refuse(failure)) => {
            fate::settle(context, lease, failure).await?;
            return Ok(Next::Finished);
        }
        Some(Plan::Send { why: None }) => (Fetch::Unasked, None),
        Some(Plan::Send { why: Some(why) }) => (Fetch::Unserved(why), None),
        Some(Plan::Fetch(order)) => {
            let why = order.why.clone();
            let fetch = match order.file {
                Some(_) => Fetch::Served(why),
                None => Fetch::IsLink(why),
            };
            (fetch, Some(order))
        }
    };
    match choose(task, (settings, client), lease, fetch).await? {
        Ok(choice) if choice.way == Way::Ftp => ftp::begin(task, lease, choice.why.into()).await,
        Ok(choice) => match before {
            None => call::create(task, lease, client, (choice, order)).await,
            Some(before) => replace::run(task, lease, client, (choice, order, before)).await,
        },
        Err(refusal) => {
            let failure = Failure::new(&refusal, Disposition::Permanent);
            fate::settle(context, lease, failure).await?;
            Ok(Next::Finished)
        }
    }
}

/// The job's file, or how the attempt ended over it.
async fn open(task: &Task, lease: &Lease) -> Result<Result<Arc<Source>, Next>, Error> {
    match disk::open_rested(task, lease).await {
        None => park(task, lease).await.map(Err),
        Some(Ok(source)) => Ok(Ok(Arc::new(source))),
        Some(Err(problem)) => {
            trouble::settle(&task.context, lease, problem, 0).await?;
            Ok(Err(Next::Finished))
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the configuration has no account {0:?} any more: add it again, or cancel the job")]
struct UnknownAccount(String);

/// A form upload that broke off after this much is not begun a third time.
const DEAR_BREAK: i64 = 1 << 30;

/// Whether a form upload of this size of loss broke off: from the next attempt on the job uses
/// method `resumable`.
pub(super) fn is_dear(way: Way, sent: i64) -> bool {
    way == Way::Form && sent >= DEAR_BREAK
}

async fn choose(
    task: &Task,
    (settings, client): (&Settings, &Client),
    lease: &Lease,
    fetch: Fetch,
) -> Result<Result<Choice, choice::Refusal>, Error> {
    let wanted = settings
        .watch(&lease.job.watch)
        .map_or(crate::config::Method::Auto, |watch| watch.method);
    let job = lease.job.id;
    let form_broke = persist(&task.context, move |db| {
        outcome::broke_off(db, job, Way::Form.word(), DEAR_BREAK)
    })
    .await?;
    let case = Case {
        size: lease.job.identity.bytes(),
        wanted,
        api: client.version(),
        fetch,
        has_ftp: settings
            .config
            .accounts
            .get(&lease.job.account)
            .is_some_and(|account| account.ftp.is_some()),
        form_broke,
    };
    Ok(choice::choose(&case, &settings.config.upload))
}
