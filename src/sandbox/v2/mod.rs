//! The v2 API, over the same videos as v1: a v2 media id is a v1 video key (JW docs, v2 media and
//! uploads).
//!
//! `handle` reads a request whole, checks its bearer, counts it and carries it out: `body` is what
//! it may hold, `media` and `list` are about media, `uploads` about uploads in parts, `query` is
//! the language of `q`. The bytes go to the S3 side.
//!
//! # What is not documented, and chosen here
//!
//! - A request without a bearer gets 401, one with a wrong or expired bearer 403, both
//!   `unauthorized`; a site that the bearer is not for is not there: 404.
//! - A body that is not announced as `application/json`, and a JSON `null`, are 400 `invalid_body`.
//! - A re-upload of a media that is not ready is refused with 400 `invalid_state`, and an upload
//!   that cannot be completed with 409 `invalid_state`.
//! - `custom_params` of a PATCH take the place of all that were there, other fields of their own
//!   only.
//! - A search by custom parameters is refused, as it is not documented; ranges are for times only.
//! - The list of originals names the file that was received last, with its size and MD5; the MD5 of
//!   one that came in parts is null, because it is not known whether the platform reports it.
//! - An upload lives as long as a link; then, and when its media is deleted, it is 404.

mod bearer;
mod body;
mod error;
mod list;
mod media;
mod query;
mod route;
mod shown;
mod uploads;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;

use super::Sandbox;
use super::call::{Broken, Call, Halt, Incoming};
use super::limit::Rate;
use super::operation::Operation;
use super::params::Params;
use super::token;

pub(super) use error::{code_of, object as error_object};
pub(super) use route::Route;

use error::Wrong;

/// A request that was received whole.
struct Asked<'a> {
    sandbox: &'a Arc<Sandbox>,
    call: &'a Call,
    headers: &'a HeaderMap,
    query: Params,
    body: Bytes,
}

/// Answers one request to `/v2/…`.
pub(super) async fn handle(
    sandbox: &Arc<Sandbox>,
    call: &Call,
    request: Request,
) -> Result<Response, Halt> {
    let (parts, body) = request.into_parts();
    let body = match receive(call, body).await {
        Ok(body) => body,
        Err(Broken::Idle) => return Ok(written(Err(Wrong::slow()), None)),
        Err(Broken::Halted(halt)) => return Err(halt),
    };
    call.ready().await?;
    let mut rate = None;
    let outcome = body.and_then(|body| respond(sandbox, call, &parts, body, &mut rate));
    Ok(written(outcome, rate))
}

/// Reads the body, up to a limit.
async fn receive(call: &Call, body: Body) -> Result<Result<Bytes, Wrong>, Broken> {
    let mut incoming = Incoming::new(body, call);
    let mut whole = Vec::new();
    while let Some(chunk) = incoming.chunk().await? {
        whole.extend_from_slice(&chunk);
        if whole.len() > BODY_LIMIT {
            return Ok(Err(Wrong::body("the body is too long")));
        }
    }
    Ok(Ok(whole.into()))
}

/// Carries a request out; `counted` is set once it counts against the limit.
fn respond(
    sandbox: &Arc<Sandbox>,
    call: &Call,
    parts: &Parts,
    body: Bytes,
    counted: &mut Option<Rate>,
) -> Result<(StatusCode, Value), Wrong> {
    let route =
        Route::read(parts.uri.path()).ok_or_else(|| Wrong::not_found("there is no such route"))?;
    if call.operation == Operation::Other {
        return Err(Wrong::method());
    }
    let bearer = bearer::read(&parts.headers)?;
    bearer::check(sandbox, bearer, &route)?;
    let (rate, allowed) = sandbox.limits.count_v2(bearer, sandbox.now_s());
    *counted = Some(rate);
    if !allowed {
        return Err(Wrong::rate());
    }
    let mut query = Params::default();
    query
        .decode(parts.uri.query().unwrap_or_default().as_bytes())
        .map_err(|refusal| Wrong::parameter(refusal.message))?;
    let asked = Asked {
        sandbox,
        call,
        headers: &parts.headers,
        query,
        body,
    };
    match (call.operation, route) {
        (Operation::V2Create, _) => media::create(&asked),
        (Operation::V2List, _) => list::list(&asked),
        (Operation::V2Get, Route::One { id, .. }) => media::get(&asked, id),
        (Operation::V2Update, Route::One { id, .. }) => media::update(&asked, id),
        (Operation::V2Delete, Route::One { id, .. }) => media::delete(&asked, id),
        (Operation::V2Reupload, Route::Reupload { id, .. }) => media::reupload(&asked, id),
        (Operation::V2Originals, Route::Originals { id, .. }) => media::originals(&asked, id),
        (Operation::V2Parts, Route::Parts { upload }) => uploads::list(&asked, upload),
        (Operation::V2Complete, Route::Complete { upload }) => uploads::complete(&asked, upload),
        _ => Err(Wrong::method()),
    }
}

fn written(outcome: Result<(StatusCode, Value), Wrong>, rate: Option<Rate>) -> Response {
    let (status, value) = outcome.unwrap_or_else(|wrong| (wrong.status, wrong.object()));
    let text = if status == StatusCode::NO_CONTENT {
        String::new()
    } else {
        value.to_string()
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status != StatusCode::NO_CONTENT {
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
    }
    if let Ok(id) = HeaderValue::from_str(&token::hex(32)) {
        headers.insert(HeaderName::from_static("jw-request-id"), id);
    }
    if let Some(rate) = rate {
        rate.write_v2(headers);
    }
    response
}

/// The longest body of a request, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;
