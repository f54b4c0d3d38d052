//! The resumable upload host: `POST /v1/videos/upload/resumable?key=…` with a segment of the file as
//! its body (JW docs, v1 resumable file uploads).
//!
//! Two programs, as on the platform. The one in front (nginx-upload-module, as far as can be told)
//! collects segments by session and knows nothing of videos: it answers 201 with what is there. When
//! a file is complete it forgets the session, and only then hands the file to the other one, which
//! knows videos and answers 200 or an error object. What follows from that a client has to live
//! with:
//!
//! - A session that is over, has expired, or never was, begins again: 201. That it is worth nothing
//!   comes out when the file is complete: 403 `PermissionDenied`, and 404 `NotFound` where there is
//!   no such video.
//! - A segment that does not fit its session, or the disk, is dropped; the program behind gets a
//!   form without a file, and says so: 400 `FileUploadFailed`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method as Verb, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::Sandbox;
use super::answer::{self, Format};
use super::call::{Broken, Call, Halt, Incoming};
use super::form::refuse_redirect;
use super::intake::{self, Delivery};
use super::link::{Link, Method};
use super::params::Params;
use super::refusal::{Code, Refusal};
use super::segment::{self, Rejected, Rules, Segment};
use super::sessions::Added;
use super::sink::{Received, Sink};

/// Answers one request to the resumable upload host.
pub(super) async fn handle(
    sandbox: &Arc<Sandbox>,
    call: &Call,
    request: Request,
) -> Result<Response, Halt> {
    let (parts, body) = request.into_parts();
    if parts.method == Verb::OPTIONS {
        return Ok(Response::default());
    }
    let rules = Rules {
        longest: sandbox.options.segment_limit,
        one_byte: sandbox.options.one_byte,
    };
    let segment = match segment::read(&parts, &rules) {
        Ok(segment) => segment,
        Err(Rejected::Silently) => return Err(Halt::Gone),
        Err(Rejected::With(status)) => return Ok(answer::page(status)),
    };
    let piece = match receive(sandbox, &mut Incoming::new(body, call)).await {
        Ok(piece) => piece,
        Err(Broken::Idle) => return Ok(answer::page(StatusCode::REQUEST_TIMEOUT)),
        Err(Broken::Halted(halt)) => return Err(halt),
    };
    call.ready().await?;
    let file = match collect(sandbox, &segment, piece).await {
        Collected::Incomplete(ranges) => return Ok(created(ranges)),
        Collected::Form(file) => file,
    };
    let mut query = Params::default();
    let decoded = query.decode(parts.uri.query().unwrap_or_default().as_bytes());
    let outcome = decoded.and_then(|()| deliver(sandbox, call, &query, segment, file));
    let format = Format::of_upload(&query);
    Ok(match outcome {
        Ok(value) => answer::success(&value, format),
        Err(refusal) => answer::refusal(&refusal, format),
    })
}

/// Reads the body to its end; nothing where the disk does not take it.
async fn receive(
    sandbox: &Sandbox,
    incoming: &mut Incoming<'_>,
) -> Result<Option<Received>, Broken> {
    let mut sink = Some(Sink::open(&sandbox.store.incoming()));
    while let Some(chunk) = incoming.chunk().await? {
        if let Some(open) = &mut sink
            && open.write(chunk).await.is_err()
        {
            sink = None;
        }
    }
    match sink {
        Some(sink) => Ok(sink.finish().await.ok()),
        None => Ok(None),
    }
}

/// What the program in front does with a segment.
enum Collected {
    /// There is more to come.
    Incomplete(String),
    /// It calls the other program, with the file or without.
    Form(Option<Received>),
}

async fn collect(sandbox: &Arc<Sandbox>, segment: &Segment, piece: Option<Received>) -> Collected {
    let Some(piece) = piece else {
        return Collected::Form(None);
    };
    let (place, session) = match (segment.place, segment.session.clone()) {
        (None, _) => return Collected::Form(Some(piece)),
        // There is nowhere to note the range.
        (Some(_), None) => return Collected::Form(None),
        (Some(place), Some(session)) => (place, session),
    };
    let sandbox = Arc::clone(sandbox);
    let adding = tokio::task::spawn_blocking(move || {
        let now = sandbox.now_s();
        match sandbox.sessions.add(&session, place, &piece, now) {
            Ok(Added::Incomplete(ranges)) => Collected::Incomplete(ranges),
            Ok(Added::Complete(path)) => Collected::Form(Received::reread(path).ok()),
            Ok(Added::RolledBack) | Err(_) => Collected::Form(None),
        }
    });
    adding.await.unwrap_or(Collected::Form(None))
}

/// The answer to a segment after which the file is not whole. It has no `Content-Type`.
fn created(ranges: String) -> Response {
    let value = HeaderValue::from_str(&ranges);
    let mut response = Response::new(Body::from(ranges));
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(value) = value {
        response.headers_mut().insert(header::RANGE, value);
    }
    response
}

/// What the program behind does with a complete file.
fn deliver(
    sandbox: &Sandbox,
    call: &Call,
    query: &Params,
    segment: Segment,
    file: Option<Received>,
) -> Result<Value, Refusal> {
    let received = file.ok_or_else(|| {
        let message = "there is no file in the field `file`";
        Refusal::new(Code::FileUploadFailed, message)
    })?;
    let key = query.need("key")?;
    refuse_redirect(query)?;
    let video = sandbox.store.video(key);
    let video = video.ok_or_else(|| Refusal::new(Code::NotFound, "key: There is no such video"))?;
    let session = segment.session.unwrap_or_default();
    let admit = |link: &Link| link.admits(Method::Multipart, &session, sandbox.now_s());
    admit(&video.link)?;
    let size = received.size;
    let delivery = Delivery {
        received,
        name: segment.name,
        noticed_after: std::time::Duration::ZERO,
        failure: call.failure(),
    };
    intake::take(sandbox, key, delivery, |video, size, md5| {
        admit(&video.link)?;
        if let Some(refusal) = video.link.order.mismatch(size, md5) {
            return Err(refusal);
        }
        video.link.used = true;
        Ok(None)
    })?;
    // A text, and without the MD5: the module does not hash what comes in pieces.
    Ok(json!({
        "status": "ok",
        "file": {"size": size.to_string()},
        "media": {"type": "video", "key": key},
        "redirect_link": null,
    }))
}
