//! Answers that are wrong on purpose.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Collected};
use serde_json::{Value, json};

use super::faults::{Canned, Wrong};
use super::operation::Operation;
use super::refusal::{Code, Refusal};
use super::s3_error;
use super::v2;

/// The answer as ordered, with a body that the host could have sent where none was given.
pub(super) fn answer(canned: &Canned, operation: Operation) -> Response {
    let status = StatusCode::from_u16(canned.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (kind, body) = match (&canned.body, operation) {
        (Some(body), _) => ("text/plain; charset=utf-8", body.clone()),
        (None, operation) if operation.is_s3() => {
            let code = canned
                .code
                .as_deref()
                .unwrap_or_else(|| s3_error::code_of(status));
            (
                "application/xml",
                s3_error::body(code, "Ordered by a test", ""),
            )
        }
        (None, _) => (
            "application/json",
            error_object(canned.code.as_deref(), status, operation).to_string(),
        ),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in &canned.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Another answer in place of the right one.
pub(super) async fn spoilt(how: Wrong, right: Response, operation: Operation) -> Response {
    // A v2 create always says 201, and a complete 202.
    let status = if operation.is_v2() {
        right.status()
    } else {
        StatusCode::OK
    };
    let (kind, body) = match how {
        Wrong::Garbage => ("application/json", Body::from(GARBAGE)),
        Wrong::Empty => ("application/json", Body::empty()),
        Wrong::Html => ("text/html", Body::from(PAGE)),
        Wrong::TruncatedJson => ("application/json", Body::from(half(right).await)),
        Wrong::OtherTypes => ("application/json", Body::from(retyped(right).await)),
        Wrong::Huge => ("application/json", Body::new(Huge { left: HUGE })),
        Wrong::Error if operation.is_s3() => {
            let body = s3_error::body("InternalError", "Ordered by a test", "");
            ("application/xml", Body::from(body))
        }
        Wrong::Error => {
            let object = error_object(None, StatusCode::INTERNAL_SERVER_ERROR, operation);
            ("application/json", Body::from(object.to_string()))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The same answer with another `ETag`; unless one is given, with the MD5 of no bytes.
pub(super) fn relabelled(mut right: Response, etag: Option<&str>) -> Response {
    let etag = etag.unwrap_or("\"d41d8cd98f00b204e9800998ecf8427e\"");
    if let Ok(value) = etag.parse() {
        right.headers_mut().insert(header::ETAG, value);
    }
    right
}

fn error_object(code: Option<&str>, status: StatusCode, operation: Operation) -> Value {
    if operation.is_v2() {
        let code = code.unwrap_or_else(|| v2::code_of(status));
        return v2::error_object(code, "Ordered by a test");
    }
    let mut object = Refusal::new(Code::of(status), "Ordered by a test").body();
    if let (Some(code), Some(object)) = (code, object.as_object_mut()) {
        object.insert("code".into(), code.into());
    }
    object
}

async fn whole(response: Response) -> Bytes {
    // The right answers are built in memory, so reading them does not fail.
    response
        .into_body()
        .collect()
        .await
        .map(Collected::to_bytes)
        .unwrap_or_default()
}

async fn half(right: Response) -> Bytes {
    let whole = whole(right).await;
    whole.slice(..whole.len() / 2)
}

/// Texts and objects become numbers, numbers become lists; the call's own `status` stays.
async fn retyped(right: Response) -> String {
    let mut value: Value = serde_json::from_slice(&whole(right).await).unwrap_or_default();
    for (name, field) in value.as_object_mut().into_iter().flatten() {
        *field = match field {
            Value::String(_) if name == "status" => continue,
            Value::Number(_) => json!([]),
            _ => json!(17),
        };
    }
    value.to_string()
}

/// A JSON text that does not end for ten gigabytes.
struct Huge {
    left: u64,
}

impl http_body::Body for Huge {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = if self.left == HUGE {
            HUGE_BEGINNING
        } else {
            HUGE_PIECE
        };
        let length = u64::try_from(piece.len())
            .unwrap_or(u64::MAX)
            .min(self.left);
        self.left -= length;
        let take = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = piece.get(..take).unwrap_or(piece);
        Poll::Ready((take > 0).then(|| Ok(Frame::data(Bytes::from_static(bytes)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

const HUGE: u64 = 10_000_000_000;
const HUGE_BEGINNING: &[u8] = br#"{"status": "ok", "padding": ""#;
const HUGE_PIECE: &[u8] = &[b'x'; 64 * 1024];
const GARBAGE: &[u8] = b"\x00\xff\xfe{\x80\"\x1b]0;\x07";
const PAGE: &str = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>";
