//! Whether the platform can fetch the file by itself, so that this machine sends nothing.
//!
//! It can in two cases: the file is a `NAME.url` with an address in it ([`url_file`]), or its folder
//! is served on the web too ([`place`]) and the web server says that it has the file ([`web`]).
//!
//! A fetch has no transfer step: once the create call is answered, the job waits for the platform's
//! word like one whose bytes were sent. Addresses may hold a signature, so that only their hosts
//! are ever shown or stored; the file is read again for each attempt.

mod place;
mod url_file;
mod web;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use url::Url;

use super::context::Settings;
use super::disk;
use super::fate::Failure;
use super::persist::persist;
use super::source::{Problem, Source};
use super::worker::{Next, Task};
use crate::config::{Method, Watch};
use crate::disposition::Disposition;
use crate::queue::outcome::Report;
use crate::queue::replace::{self, Replaced};
use crate::queue::{Error, Lease, fetch};
use crate::{address, clock};

/// How the bytes of a job will come.
pub(super) enum Plan {
    /// The platform fetches them.
    Fetch(Order),
    /// They are sent; with the reason, where a fetch was thought of.
    Send {
        /// Why they are not fetched, as a clause that follows "since".
        why: Option<String>,
    },
    /// They cannot come at all, or not now.
    Refuse(Failure),
    /// The file is not there as it settled.
    Trouble(Problem),
}

/// What the platform is asked for.
pub(super) struct Order {
    /// Where it finds the bytes; a secret, as it may hold a signature.
    pub(super) source: Url,
    /// Why it fetches them, for people.
    pub(super) why: String,
    /// What they are, where they are a file of ours.
    pub(super) file: Option<Content>,
}

/// A file's content, to compare with what the platform will have.
pub(super) struct Content {
    /// Bytes.
    pub(super) size: u64,
    /// MD5, lower-case hex.
    pub(super) md5: String,
}

/// Finds out how the bytes will come; `source` is the job's file. `None`: the work on this job must
/// end.
pub(super) async fn plan(
    task: &Task,
    settings: &Settings,
    lease: &Lease,
    source: &Arc<Source>,
) -> Result<Option<Plan>, Error> {
    let watch = settings.watch(&lease.job.watch);
    if url_file::is_one(&lease.job.path) {
        let allow_private = watch.is_some_and(|watch| watch.allow_private_urls);
        return Ok(in_file(task, source, allow_private).await);
    }
    let Some(served) = watch.and_then(|watch| served(watch, lease)) else {
        return Ok(Some(by_hand(watch)));
    };
    // Beyond what the platform takes; the code that chooses among the other methods says so.
    if source.size() > settings.config.upload.size_limit {
        return Ok(Some(Plan::Send { why: None }));
    }
    let must = watch.is_some_and(|watch| watch.method == Method::Fetch);
    let job = lease.job.id;
    let in_vain = persist(&task.context, move |db| fetch::in_vain(db, job)).await?;
    let against = if let Some(said) = in_vain.filter(|_| !must) {
        Some(format!("the platform could not fetch it: {said}"))
    } else {
        let allow_private = watch.is_some_and(|watch| watch.allow_private_urls);
        tokio::select! {
            answer = web::has(&served, source.size(), allow_private) => answer.err(),
            () = task.stop.cancelled() => return Ok(None),
        }
    };
    Ok(match against {
        None => in_folder(task, source, served).await,
        Some(since) if must => Some(Plan::Refuse(Failure {
            disposition: Disposition::TRANSIENT,
            report: Report {
                message: Some(format!("it cannot be fetched now, because {since}")),
                ..Report::default()
            },
        })),
        Some(since) => Some(Plan::Send { why: Some(since) }),
    })
}

/// Whether a file is an address in place of a video.
pub(super) fn is_address(path: &Path) -> bool {
    url_file::is_one(path)
}

/// The video exists, and its bytes come by themselves: only the platform's word is left to wait for.
/// `replaced` where it is another job's video.
pub(super) async fn asked(
    task: &Task,
    lease: &Lease,
    (key, replaced): (String, Option<Replaced>),
    first_look: Timestamp,
) -> Result<Next, Error> {
    let (held, now) = (lease.clone(), clock::now());
    persist(&task.context, move |db| {
        if let Some(replaced) = replaced {
            replace::takes(db, &held, replaced, &key)?;
        }
        fetch::asked(db, &held, &key, (first_look, now))
    })
    .await?;
    task.context.confirms.notify_one();
    Ok(Next::Finished)
}

/// Where the job's file is on the web, if its watch lets it be fetched from there.
fn served(watch: &Watch, lease: &Lease) -> Option<Url> {
    match watch.method {
        Method::Auto | Method::Fetch => {}
        Method::S3
        | Method::Form
        | Method::Resumable
        | Method::Direct
        | Method::Multipart
        | Method::Ftp => return None,
    }
    let public = watch.public_url.as_ref()?;
    place::address(public, &watch.path, &lease.job.path)
}

/// A file that is not on the web: it is sent, unless its watch sends nothing.
fn by_hand(watch: Option<&Watch>) -> Plan {
    if watch.is_none_or(|watch| watch.method != Method::Fetch) {
        return Plan::Send { why: None };
    }
    Plan::Refuse(Failure::new(&NotServed, Disposition::Permanent))
}

#[derive(Debug, thiserror::Error)]
#[error(
    "method = \"fetch\", and the file is not in the folder that public-url serves: add it to \
     another watch, or put it into the folder"
)]
struct NotServed;

/// The address is in the file.
async fn in_file(task: &Task, source: &Arc<Source>, allow_private: bool) -> Option<Plan> {
    let refuse = |fault: &dyn std::error::Error| {
        Some(Plan::Refuse(Failure::new(fault, Disposition::Permanent)))
    };
    if source.size() > url_file::LONGEST {
        return refuse(&url_file::Fault::TooLong);
    }
    let bytes = match disk::start(task, source, url_file::LONGEST).await? {
        Ok(bytes) => bytes,
        Err(problem) => return Some(Plan::Trouble(problem)),
    };
    let url = match url_file::parse(&bytes) {
        Ok(url) => url,
        Err(fault) => return refuse(&fault),
    };
    if !allow_private {
        let private = tokio::select! {
            private = web::private(&url) => private,
            () = task.stop.cancelled() => return None,
        };
        if let Some(why) = private {
            return refuse(&Private(why));
        }
    }
    let host = address::host(&url);
    Some(Plan::Fetch(Order {
        source: url,
        why: format!("fetched by the platform from {host}, as the file says"),
        file: None,
    }))
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the platform cannot fetch from the address in the .url file: {0}; put a public address into a \
     new one or, if the platform can reach it anyway, set allow-private-urls = true for its watch"
)]
struct Private(String);

/// The web server has the file. Its sum is made before the platform is asked, for the comparison
/// with what the platform will have.
async fn in_folder(task: &Task, source: &Arc<Source>, served: Url) -> Option<Plan> {
    let md5 = match disk::md5(task, source).await? {
        Ok(md5) => md5,
        Err(problem) => return Some(Plan::Trouble(problem)),
    };
    if let Err(problem) = disk::check(task, source).await? {
        return Some(Plan::Trouble(problem));
    }
    let host = address::host(&served);
    Some(Plan::Fetch(Order {
        source: served,
        why: format!("fetched by the platform from {host}, which has the file too (public-url)"),
        file: Some(Content {
            size: source.size(),
            md5,
        }),
    }))
}
