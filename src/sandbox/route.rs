//! From a request to the host that answers it.
//!
//! Each request is worked on in a task of its own: once all of it was received it is carried out,
//! also when the client hangs up before the answer. That is what a real platform does, and what a
//! client has to reckon with.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
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
    tokio::spawn(async move {
        let response = tokio::select! {
            response = dispatch(&sandbox, conn, request) => response,
            () = sandbox.stop.cancelled() => Response::default(),
        };
        // The client may have hung up; the work is done all the same.
        answer.send(response).ok();
    });
    // A task that panicked dropped its end.
    answered
        .await
        .unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
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
