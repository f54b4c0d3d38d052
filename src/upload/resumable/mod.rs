//! Method `resumable`: the file in segments, in a session that outlives connections and processes
//! (JW docs, "Upload videos with a resumable protocol"; nginx upload module, "Resumable uploads
//! over HTTP").
//!
//! What the server says it holds is the truth, not what was sent. Each transfer begins by sending
//! the first two bytes, which makes the server tell; so does every one that continues after a
//! break. A segment counts as a whole or not at all. The segment after which nothing is missing is
//! the one that the server acts on: once its last byte is out, the session may be gone, and to ask
//! the upload host again would look like a new upload. Then only `/videos/show` knows.

mod drive;
mod range;
mod reply;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Weak};
use std::time::Duration;

use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderValue};

pub use self::range::Hitch;
use self::range::Piece;
use super::body::FileBody;
use super::error::Error;
use super::exchange::{self, Answer};
use super::flight::Flight;
use super::hash::Feed;
use super::trail::{self, Trail};
use super::{Cargo, Receipt, name};

/// The usual bytes of a segment: what a break costs at most, and few enough requests for 25 GB. No
/// limit of the platform's is known; a server that wants less says so (413).
pub const SEGMENT_SIZE: u64 = 8 * 1024 * 1024;

/// Sends what the server lacks of the file.
pub(super) async fn post(
    client: &reqwest::Client,
    cargo: &Cargo,
    flight: &Arc<Flight>,
) -> Result<Receipt, Error> {
    if cargo.size < Piece::PROBE.length {
        return Err(Error::OneByte);
    }
    let headers = session_headers(cargo)?;
    let trail = if cargo.hash {
        let (file, flight_of_trail) = (Arc::clone(&cargo.file), Arc::clone(flight));
        let trail = trail::start(file, (cargo.size, cargo.seen), flight_of_trail);
        let trail = Arc::new(trail.map_err(Error::Start)?);
        let summing: Weak<Trail> = Arc::downgrade(&trail);
        flight.is_summed_by(summing);
        Some(trail)
    } else {
        None
    };
    let wire = Wire {
        client,
        cargo,
        flight,
        headers,
        feed: trail.as_ref().map(|trail| trail.feed()),
    };
    let taken = drive::Drive::new(wire).run().await?;
    let md5 = match trail {
        Some(trail) => sum_file(&trail).await,
        None => None,
    };
    let verified = taken.matches(md5.as_deref())?;
    Ok(Receipt {
        bytes: cargo.size,
        md5,
        verified,
        request_id: taken.request_id,
        media_key: taken.media_key,
    })
}

/// The file has arrived: a sum that cannot be had must not make a failure of it.
async fn sum_file(trail: &Trail) -> Option<String> {
    let sum = trail
        .finish()
        .await
        .inspect_err(|error| tracing::warn!("uploaded, but without an MD5 of it: {error}"));
    // Of a file that was written meanwhile it may be that of bytes which were not sent.
    let sum = sum.ok().filter(|sum| sum.is_of_what_was_sent);
    sum.map(|sum| sum.md5)
}

/// What all requests of a session have in common.
fn session_headers(cargo: &Cargo) -> Result<HeaderMap, Error> {
    let session = cargo.link.session().ok_or(Error::NoSession)?;
    let mut session = HeaderValue::from_str(session.expose()).map_err(|_| Error::NoSession)?;
    session.set_sensitive(true);
    // Plain ASCII by now, so that it fits into a header as it is.
    let disposition = format!("attachment; filename=\"{}\"", name::plain(&cargo.name));
    let disposition = HeaderValue::from_str(&disposition)
        .unwrap_or_else(|_| HeaderValue::from_static("attachment; filename=\"video\""));
    Ok(HeaderMap::from_iter([
        (CONTENT_DISPOSITION, disposition),
        // Without one, or with that of a form, the segment is refused or taken for something else.
        (
            CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        ),
        (SESSION_ID, session),
    ]))
}

/// One session's way to the server.
struct Wire<'a> {
    client: &'a reqwest::Client,
    cargo: &'a Cargo,
    flight: &'a Arc<Flight>,
    headers: HeaderMap,
    feed: Option<Feed>,
}

/// What became of one request.
struct Sent {
    result: Result<Answer, Error>,
    /// Bytes of the piece that were handed out.
    out: u64,
    /// Whether the server had time to answer the bare head.
    was_paused: bool,
}

impl Wire<'_> {
    /// Sends one piece, counted on top of the first `base` bytes.
    async fn send(&self, piece: Piece, base: u64, is_completing: bool, is_retry: bool) -> Sent {
        self.flight.rewind(base);
        let request = self
            .client
            .post(self.cargo.link.expose().clone())
            .headers(self.headers.clone())
            .header("X-Content-Range", piece.header(self.cargo.size));
        let body = FileBody::piece(
            Arc::clone(&self.cargo.file),
            (piece.at, piece.length),
            is_completing,
            self.feed.clone(),
            Arc::clone(self.flight),
        );
        let body = body.after(is_retry.then_some(PAUSE));
        let mut result = exchange::once(request, body, self.flight).await;
        // Nothing of this request may move any more while its result is judged.
        self.flight.end_turn();
        if let Ok(answer) = &mut result {
            answer.complete = self.flight.is_released();
        }
        Sent {
            result,
            out: self.flight.sent().saturating_sub(base),
            was_paused: is_retry,
        }
    }
}

/// Time for an answer to the bare head of a segment that met trouble before. A server that dislikes
/// the headers hangs up then, which is told from a network that breaks.
const PAUSE: Duration = Duration::from_secs(1);

const SESSION_ID: reqwest::header::HeaderName =
    reqwest::header::HeaderName::from_static("x-session-id");
