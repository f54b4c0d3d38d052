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

use url::Url;

use super::attempt::Attempt;
use super::end::{End, Failure};
use super::preflight;
use super::source::Source;
use crate::address;
use crate::config::{Method, Watch};
use crate::disposition::Disposition;
use crate::queue::outcome::Report;
use crate::queue::{Job, fetch};

/// How the bytes of a job will come.
pub(super) enum Plan {
    /// The platform fetches them.
    Fetch(Order),
    /// They are sent; with the reason, where a fetch was thought of.
    Send {
        /// Why they are not fetched, as a clause that follows "since".
        why: Option<String>,
    },
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

/// Finds out how the bytes will come; `source` is the job's file. Not at all, or not now, is an end.
pub(super) async fn plan(attempt: &Attempt, source: &Arc<Source>) -> Result<Plan, End> {
    let (settings, job) = (attempt.settings(), attempt.job());
    let watch = settings.watch(&job.watch);
    let allow_private = watch.is_some_and(|watch| watch.allow_private_urls);
    if url_file::is_one(&job.path) {
        return in_file(attempt, source, allow_private).await;
    }
    let Some(served) = watch.and_then(|watch| served(watch, job)) else {
        return by_hand(watch);
    };
    // Beyond what the platform takes; the code that chooses among the other methods says so.
    if source.size() > settings.config.upload.size_limit {
        return Ok(Plan::Send { why: None });
    }
    let must = watch.is_some_and(|watch| watch.method == Method::Fetch);
    let id = job.id;
    let failed = attempt.write(move |db, _| fetch::in_vain(db, id)).await?;
    let against = if let Some(said) = failed.filter(|_| !must) {
        Some(format!("the platform could not fetch it: {said}"))
    } else {
        let asked =
            attempt.unless_stopped(web::ask_for_file(&served, source.size(), allow_private));
        asked.await?.err()
    };
    match against {
        None => in_folder(attempt, source, served).await,
        Some(since) if must => Err(End::Failed(Failure {
            disposition: Disposition::TRANSIENT,
            report: Report {
                message: Some(format!("it cannot be fetched now, because {since}")),
                ..Report::default()
            },
        })),
        Some(since) => Ok(Plan::Send { why: Some(since) }),
    }
}

/// Whether a file is an address in place of a video.
pub(super) fn is_address(path: &Path) -> bool {
    url_file::is_one(path)
}

/// Where the job's file is on the web, if its watch lets it be fetched from there.
fn served(watch: &Watch, job: &Job) -> Option<Url> {
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
    place::address(public, &watch.path, &job.path)
}

/// A file that is not on the web: it is sent, unless its watch sends nothing.
fn by_hand(watch: Option<&Watch>) -> Result<Plan, End> {
    if watch.is_none_or(|watch| watch.method != Method::Fetch) {
        return Ok(Plan::Send { why: None });
    }
    Err(End::failed(&NotServed, Disposition::Permanent))
}

#[derive(Debug, thiserror::Error)]
#[error(
    "method = \"fetch\", and the file is not in the folder that public-url serves: add it to \
     another watch, or put it into the folder"
)]
struct NotServed;

/// The address is in the file.
async fn in_file(
    attempt: &Attempt,
    source: &Arc<Source>,
    allow_private: bool,
) -> Result<Plan, End> {
    let refuse = |fault: &dyn std::error::Error| End::failed(fault, Disposition::Permanent);
    if source.size() > url_file::LONGEST {
        return Err(refuse(&url_file::Fault::TooLong));
    }
    let bytes = attempt.start(source, url_file::LONGEST).await?;
    let url = url_file::parse(&bytes).map_err(|fault| refuse(&fault))?;
    if !allow_private && let Some(why) = attempt.unless_stopped(web::private(&url)).await? {
        return Err(refuse(&Private(why)));
    }
    if preflight::is_wanted(attempt)
        && let Some((kind, host)) = attempt
            .unless_stopped(web::page(&url, allow_private))
            .await?
    {
        return Err(refuse(&Page { kind, host }));
    }
    let host = address::host(&url);
    Ok(Plan::Fetch(Order {
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

#[derive(Debug, thiserror::Error)]
#[error(
    "the address in the .url file is not a video: {host} says that it is a web page ({kind}); put \
     the address of the video file itself into a new one, or set preflight = false for its watch if \
     the platform must fetch it anyway"
)]
struct Page {
    kind: &'static str,
    host: String,
}

/// The web server has the file. Its sum is made before the platform is asked, for the comparison
/// with what the platform will have.
async fn in_folder(attempt: &Attempt, source: &Arc<Source>, served: Url) -> Result<Plan, End> {
    let md5 = attempt.md5(source).await?;
    attempt.check(source).await?;
    let host = address::host(&served);
    Ok(Plan::Fetch(Order {
        source: served,
        why: format!("fetched by the platform from {host}, which has the file too (public-url)"),
        file: Some(Content {
            size: source.size(),
            md5,
        }),
    }))
}
