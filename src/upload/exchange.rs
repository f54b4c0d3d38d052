//! One request with a file in its body, and the server's answer, whenever it comes.
//!
//! A server may answer before it has read the body, and often closes right after: the answer is
//! taken and judged anyway, together with how much was out by then.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::Cargo;
use super::answered::{Answered, Verdict};
use super::body::{FileBody, Wrapping};
use super::error::Error;
use super::flight::Flight;
use super::hash::{self, Hasher};
use crate::platform::lenient;

/// An answer, and the state of the body when it came.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The answer's body, as much of it as could and should be read.
    pub(super) body: Vec<u8>,
    /// Whether all of the request was out that lets the server act on the file.
    pub(super) complete: bool,
    /// MD5 of the file, if it was asked for and all of it is out.
    pub(super) md5: Option<String>,
}

/// Sends the request with the file in it.
///
/// A server that refuses on the head alone and hangs up at once resets the connection right behind
/// its answer, and if the HTTP library happens to be writing just then, the answer is lost. So after
/// an early reset the request is sent once more, with a pause between head and body.
pub(super) async fn exchange(
    request: reqwest::RequestBuilder,
    cargo: &Cargo,
    wrapping: Wrapping,
    flight: &Arc<Flight>,
) -> Result<Answer, Error> {
    let again = request.try_clone();
    let first = try_exchange(request, cargo, wrapping.clone(), flight, None).await;
    match (first, again) {
        (Err(error), Some(again)) if may_hide_an_answer(&error) && flight.sent() <= EARLY => {
            flight.rewind(0);
            try_exchange(again, cargo, wrapping, flight, Some(PAUSE)).await
        }
        (first, _) => first,
    }
}

fn may_hide_an_answer(error: &Error) -> bool {
    let Error::Broken {
        complete: false,
        source,
    } = error
    else {
        return false;
    };
    matches!(
        io_kind(source),
        Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
    )
}

/// Whether the other side closed the connection without a word of an answer.
pub(super) fn is_hang_up(source: &reqwest::Error) -> bool {
    match io_kind(source) {
        Some(kind) => matches!(
            kind,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
        ),
        // The library's error for this is none that can be asked for.
        None => causes(source).any(|cause| cause.to_string() == CLOSED),
    }
}

fn io_kind(source: &reqwest::Error) -> Option<ErrorKind> {
    causes(source)
        .find_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind)
}

fn causes<'a>(
    source: &'a reqwest::Error,
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    let first: &'a (dyn std::error::Error + 'static) = source;
    std::iter::successors(Some(first), |error| error.source())
}

async fn try_exchange(
    request: reqwest::RequestBuilder,
    cargo: &Cargo,
    wrapping: Wrapping,
    flight: &Arc<Flight>,
    pause: Option<Duration>,
) -> Result<Answer, Error> {
    let backlog = if cargo.is_part {
        hash::BACKLOG_OF_PART
    } else {
        hash::BACKLOG
    };
    let (feed, hasher) = if cargo.hash {
        let (feed, hasher) = hash::start_hashing(backlog).map_err(Error::Start)?;
        let hasher = Arc::new(hasher);
        let summing: Weak<Hasher> = Arc::downgrade(&hasher);
        flight.is_summed_by(summing);
        (Some(feed), Some(hasher))
    } else {
        (None, None)
    };
    let file = Arc::clone(&cargo.file);
    let body = FileBody::new(file, cargo.size, wrapping, feed, Arc::clone(flight));
    let body = body.from(cargo.at).after(pause);
    let mut answer = once(request, body, flight).await?;
    // Without all bytes the sum is of no use, and the body may still hold the feed open.
    if answer.complete {
        answer.md5 = hasher.and_then(|hasher| hasher.finish());
    }
    Ok(answer)
}

/// Sends the request with this body, and takes in what comes back.
pub(super) async fn once(
    request: reqwest::RequestBuilder,
    body: FileBody,
    flight: &Flight,
) -> Result<Answer, Error> {
    let sent = request.body(reqwest::Body::wrap(body)).send().await;
    if let Some(fault) = flight.take_fault() {
        return Err(Error::of_fault(fault));
    }
    let mut response = sent.map_err(|source| {
        let source = source.without_url();
        if source.is_connect() {
            Error::Unreachable(source)
        } else {
            Error::Broken {
                complete: flight.is_released(),
                source,
            }
        }
    })?;
    let complete = flight.is_released();
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let body = read_body(&mut response).await;
    Ok(Answer {
        status,
        headers,
        body,
        complete,
        md5: None,
    })
}

/// Reads what there is, within reason: the status line is the verdict, the rest explains it.
async fn read_body(response: &mut reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            body.truncate(LONGEST_ANSWER);
            break;
        }
    }
    body
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The server's own name for the request.
    pub(super) fn request_id(&self) -> Option<String> {
        ["x-amz-request-id", "x-request-id"]
            .iter()
            .find_map(|name| self.header(name))
            .map(lenient::bound_line)
            .filter(|id| !id.is_empty())
    }

    pub(super) fn error(
        &self,
        verdict: Verdict,
        code: Option<&str>,
        message: Option<&str>,
    ) -> Error {
        Error::Answered(Box::new(Answered {
            verdict,
            status: self.status,
            code: code.map(lenient::bound_line),
            message: message.map(lenient::bound_line),
            after: self
                .header(RETRY_AFTER.as_str())
                .and_then(|text| text.trim().parse().ok())
                .map(Duration::from_secs),
            request_id: self.request_id(),
        }))
    }

    /// A verdict for statuses that say enough by themselves, no matter who sent them.
    pub(super) fn verdict_by_status(&self) -> Verdict {
        match self.status {
            401 | 403 | 404 | 410 => Verdict::LinkRefused,
            405 | 411 | 413 | 501 => Verdict::Refused,
            // A gateway that lost the answer of the server behind it says 502 or 504.
            200..=399 | 500..=599 if self.complete => Verdict::Unclear,
            _ => Verdict::Passing,
        }
    }
}

/// Compares the file as it was sent with what the server says it got.
pub(super) fn compare(what: &'static str, ours: &str, theirs: &str) -> Result<(), Error> {
    if ours.eq_ignore_ascii_case(theirs) {
        return Ok(());
    }
    let theirs = lenient::bound_line(theirs);
    Err(Error::Corrupt {
        what,
        ours: ours.to_owned(),
        theirs,
    })
}

/// Whether a text is an MD5 in hex, and not, say, the `ETag` of an encrypted object.
pub(super) fn is_md5(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// An explanation is short; a server that never ends is not listened to.
const LONGEST_ANSWER: usize = 64 * 1024;
/// How the HTTP library puts it that the connection ended where an answer belongs.
const CLOSED: &str = "connection closed before message completed";
/// A break within so many bytes may be an answer: as much as socket buffers take in.
const EARLY: u64 = 64 * 1024 * 1024;
/// Time for an answer to the bare head, over a slow line too.
const PAUSE: Duration = Duration::from_secs(2);
