//! From a request to the host that answers it.
//!
//! Each request is worked on in a task of its own: once all of it was received it is carried out,
//! also when the client hangs up before the answer. That is what a real platform does, and what a
//! client has to reckon with.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::sync::oneshot;

use super::Sandbox;
use super::call::{Call, Halt};
use super::conn::Conn;
use super::operation::Operation;
use super::{api, control, form, resumable, s3, v2};

/// Answers any request.
pub(super) async fn route(
    State(sandbox): State<Arc<Sandbox>>,
    ConnectInfo(conn): ConnectInfo<Conn>,
    request: Request,
) -> Response {
    let (answer, answered) = oneshot::channel();
    let clock = Arc::clone(&sandbox);
    tokio::spawn(async move {
        let response = tokio::select! {
            response = dispatch(&sandbox, conn, request) => response,
            () = sandbox.stop.cancelled() => Response::default(),
        };
        // The client may have hung up; the work is done anyway.
        answer.send(response).ok();
    });
    // A task that panicked dropped its end.
    let mut response = answered
        .await
        .unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR));
    date(&mut response, &clock);
    response
}

/// Every host of the platform has one clock: what `Date` says is what signatures and links are checked
/// by. A fault may have set another.
fn date(response: &mut Response, sandbox: &Sandbox) {
    let now = jiff::Timestamp::from_second(sandbox.now_s());
    let text = now.and_then(|now| DateTimePrinter::new().timestamp_to_rfc9110_string(&now));
    if let Ok(value) = text.map(HeaderValue::try_from)
        && let Ok(value) = value
    {
        response.headers_mut().entry(header::DATE).or_insert(value);
    }
}

async fn dispatch(sandbox: &Arc<Sandbox>, conn: Conn, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if sandbox.options.control && path.starts_with("/control/") {
        return control::handle(sandbox, request).await;
    }
    let operation = Operation::of(request.method(), request.uri());
    let call = Call::begin(sandbox, conn, operation, &request);
    let outcome = answer(sandbox, &call, request).await;
    call.finish(outcome).await
}

async fn answer(sandbox: &Arc<Sandbox>, call: &Call, request: Request) -> Result<Response, Halt> {
    call.open().await?;
    match call.operation {
        Operation::S3Put | Operation::PartPut => s3::handle(sandbox, call, request).await,
        Operation::FormUpload => form::handle(sandbox, call, request).await,
        Operation::Resumable => resumable::handle(sandbox, call, request).await,
        operation if operation.is_v2() => v2::handle(sandbox, call, request).await,
        Operation::Other if request.uri().path().starts_with("/v2/") => {
            v2::handle(sandbox, call, request).await
        }
        Operation::Other if !request.uri().path().starts_with("/v1/") => {
            Ok(plain(StatusCode::NOT_FOUND))
        }
        _ => api::handle(sandbox, call, request).await,
    }
}

fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::from(status.to_string()));
    *response.status_mut() = status;
    response
}
