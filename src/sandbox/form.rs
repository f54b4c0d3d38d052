//! The form upload host: `POST /v1/videos/upload?key=…&token=…` (JW docs, v1 file uploads).
//!
//! The front of it behaves like a web server's upload module (plain error pages for what is not a
//! form at all), what is behind it like the API (error objects).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method as Verb, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::Sandbox;
use super::answer::{self, Format};
use super::call::{Broken, Call, Halt, Incoming, Stop};
use super::intake::{self, Delivery};
use super::link::{Link, Method, SIZE_LIMIT};
use super::multipart::{Event, Malformed, Parser};
use super::params::Params;
use super::refusal::{Code, Refusal};
use super::sign::hex;
use super::sink::{Received, Sink};

/// Answers one request to the upload host.
pub(super) async fn handle(
    sandbox: &Arc<Sandbox>,
    call: &Call,
    request: Request,
) -> Result<Response, Halt> {
    let (parts, body) = request.into_parts();
    let mut query = Params::default();
    let decoded = query.decode(parts.uri.query().unwrap_or_default().as_bytes());
    let format = Format::of_upload(&query);
    let outcome = match decoded {
        Ok(()) => upload(sandbox, call, (&parts, &query), body).await,
        Err(refusal) => Err(refusal.into()),
    };
    match outcome {
        Ok(value) => Ok(answer::success(&value, format)),
        Err(Stop::Refused(refusal)) => Ok(answer::refusal(&refusal, format)),
        Err(Stop::Halted(halt)) => Err(halt),
    }
}

async fn upload(
    sandbox: &Arc<Sandbox>,
    call: &Call,
    (parts, query): (&Parts, &Params),
    body: Body,
) -> Result<Value, Stop<Refusal>> {
    let mut parser = check_head(parts)?;
    let key = query.need("key")?;
    let token = query.need("token")?;
    refuse_redirect(query)?;
    let video = sandbox.store.video(key);
    let video = video.ok_or_else(|| Refusal::new(Code::NotFound, "key: There is no such video"))?;
    let admit = |link: &Link| link.admits(Method::Single, token, sandbox.now_s());
    admit(&video.link)?;
    let mut incoming = Incoming::new(body, call);
    let (name, received) = read_file(sandbox, &mut incoming, &mut parser).await?;
    call.ready().await?;
    let (size, md5) = (received.size, hex(&received.md5));
    let delivery = Delivery {
        received,
        name: Some(name),
        noticed_after: std::time::Duration::ZERO,
        failure: call.failure(),
    };
    intake::take(sandbox, key, delivery, |video, size, md5| {
        // Another upload over the same link may have come in first.
        admit(&video.link)?;
        if let Some(refusal) = video.link.order.mismatch(size, md5) {
            return Err(refusal);
        }
        video.link.used = true;
        Ok(None)
    })?;
    Ok(json!({
        "status": "ok",
        "file": {"size": size, "md5": md5},
        "media": {"type": "video", "key": key},
        "redirect_link": null,
    }))
}

/// Redirects are not played.
pub(super) fn refuse_redirect(query: &Params) -> Result<(), Refusal> {
    match query.starting("redirect_").next() {
        Some((name, _)) => {
            let message = format!("redirect_{name}: The sandbox does not redirect");
            Err(Refusal::new(Code::NotImplemented, message))
        }
        None => Ok(()),
    }
}

/// What the web server in front refuses by the head alone.
fn check_head(parts: &Parts) -> Result<Parser, Stop<Refusal>> {
    if parts.method != Verb::POST {
        return Err(page(StatusCode::METHOD_NOT_ALLOWED));
    }
    let text = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let kind = text(header::CONTENT_TYPE).ok_or_else(|| page(StatusCode::BAD_REQUEST))?;
    let is_form = kind
        .split(';')
        .next()
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("multipart/form-data"));
    if !is_form {
        return Err(page(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let length = text(header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    let length = length.ok_or_else(|| page(StatusCode::LENGTH_REQUIRED))?;
    if length > SIZE_LIMIT.saturating_add(FORM_OVERHEAD) {
        return Err(page(StatusCode::PAYLOAD_TOO_LARGE));
    }
    Parser::new(kind).ok_or_else(|| page(StatusCode::BAD_REQUEST))
}

async fn read_file(
    sandbox: &Sandbox,
    incoming: &mut Incoming<'_>,
    parser: &mut Parser,
) -> Result<(String, Received), Stop<Refusal>> {
    let mut events = Vec::new();
    let mut open = None;
    let mut file = None;
    while let Some(chunk) = incoming.chunk().await? {
        parser.feed(&chunk, &mut events)?;
        for event in events.drain(..) {
            match event {
                Event::Begins(_) if file.is_some() => {
                    return Err(Malformed("there are two files").into());
                }
                Event::Begins(name) => open = Some((name, Sink::open(&sandbox.store.incoming()))),
                Event::Bytes(bytes) => {
                    if let Some((_, sink)) = &mut open {
                        sink.write(bytes).await.map_err(Refusal::from)?;
                    }
                }
                Event::Ends => {
                    if let Some((name, sink)) = open.take() {
                        file = Some((name, sink.finish().await.map_err(Refusal::from)?));
                    }
                }
            }
        }
    }
    parser.finish()?;
    let (name, received) = file.ok_or(Malformed("there is no file in the field `file`"))?;
    if received.size > SIZE_LIMIT {
        return Err(Refusal::new(Code::FileSizeInvalid, "The file is too large").into());
    }
    Ok((name, received))
}

fn page(status: StatusCode) -> Stop<Refusal> {
    Stop::Halted(Halt::Answer(Box::new(answer::page(status))))
}

impl From<Malformed> for Stop<Refusal> {
    fn from(Malformed(why): Malformed) -> Self {
        Self::Refused(Refusal::new(Code::FileUploadFailed, why))
    }
}

impl From<Broken> for Stop<Refusal> {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Halted(halt) => Self::Halted(halt),
            Broken::Idle => page(StatusCode::REQUEST_TIMEOUT),
        }
    }
}

/// How much longer than its file a form may be, in bytes.
const FORM_OVERHEAD: u64 = 64 * 1024;
