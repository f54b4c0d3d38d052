//! The v1 API: reads a call, checks who makes it, counts it, and carries it out (JW docs, v1 call
//! syntax, authentication and rate limits).
//!
//! Invariant: a call that is refused by signature, replay or rate limit changes nothing.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{Method, header};
use axum::response::Response;
use serde_json::Value;

use super::Sandbox;
use super::answer::{self, Format};
use super::call::{Call, Halt, Incoming, Stop};
use super::limit::Rate;
use super::operation::Operation;
use super::params::Params;
use super::refusal::{Code, Refusal};
use super::sign::{self, Credentials};
use super::{create, edit, listing};

/// Answers one call of the API.
pub(super) async fn handle(
    sandbox: &Arc<Sandbox>,
    call: &Call,
    request: Request,
) -> Result<Response, Halt> {
    let params = match read(call, request).await {
        Ok(params) => params,
        Err(Stop::Refused(refusal)) => return Ok(answer::refusal(&refusal, Format::Json)),
        Err(Stop::Halted(halt)) => return Err(halt),
    };
    call.ready().await?;
    Ok(respond(sandbox, call, &params))
}

/// The parameters: of the query, and of a form in the body of a POST.
async fn read(call: &Call, request: Request) -> Result<Params, Stop<Refusal>> {
    let (parts, body) = request.into_parts();
    if parts.method != Method::GET && parts.method != Method::POST {
        return Err(Refusal::new(Code::NotSupported, "Only GET and POST are supported").into());
    }
    let mut incoming = Incoming::new(body, call);
    let mut form = Vec::new();
    while let Some(chunk) = incoming.chunk().await? {
        form.extend_from_slice(&chunk);
        if form.len() > BODY_LIMIT {
            return Err(Refusal::new(Code::CallInvalid, "The call is too long").into());
        }
    }
    let mut params = Params::default();
    params.decode(parts.uri.query().unwrap_or_default().as_bytes())?;
    // One official client repeats its parameters in the body of a GET, where they do not count.
    if parts.method == Method::POST && !form.is_empty() {
        let kind = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let essence = kind
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default();
        if !essence
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        {
            let message = "A body has to be application/x-www-form-urlencoded";
            return Err(Refusal::new(Code::CallInvalid, message).into());
        }
        params.decode(&form)?;
    }
    Ok(params)
}

fn respond(sandbox: &Arc<Sandbox>, call: &Call, params: &Params) -> Response {
    let format = Format::read(params).unwrap_or(Format::Json);
    let mut rate = None;
    let mut response = match execute(sandbox, call, params, &mut rate) {
        Ok(mut value) => {
            if let (Some(object), Some(rate)) = (value.as_object_mut(), rate) {
                object.insert("rate_limit".into(), rate.body());
            }
            answer::success(&value, format)
        }
        Err(refusal) => answer::refusal(&refusal, format),
    };
    if let Some(rate) = rate {
        rate.write(response.headers_mut());
    }
    response
}

/// Carries the call out; `counted` is set once the call counts against the limit.
fn execute(
    sandbox: &Arc<Sandbox>,
    call: &Call,
    params: &Params,
    counted: &mut Option<Rate>,
) -> Result<Value, Refusal> {
    let operation = call.operation;
    if operation == Operation::Other {
        return Err(Refusal::new(Code::NoMethod, "There is no such API method"));
    }
    let now = sandbox.now_s();
    let options = &sandbox.options;
    let credentials = Credentials {
        key: &options.key,
        secret: &options.secret,
    };
    let signature = sign::verify(params, &credentials, now)?;
    if !sandbox.store.remember(signature, now)? {
        return Err(Refusal::new(
            Code::SignatureInvalid,
            "The signature was used already",
        ));
    }
    let (rate, verdict) = sandbox.limits.count(operation, now);
    *counted = Some(rate);
    verdict?;
    if Format::read(params)? == Format::Xml && operation != Operation::Create {
        return Err(Refusal::invalid(
            "api_format",
            "The sandbox answers this call in json only",
        ));
    }
    params.refuse_empty()?;
    match operation {
        Operation::Create => create::create(sandbox, params, call),
        Operation::Show => edit::show(sandbox, params),
        Operation::Update => edit::update(sandbox, params, call),
        Operation::Delete => edit::delete(sandbox, params),
        Operation::List => listing::list(sandbox, params),
        _ => Err(Refusal::new(Code::NoMethod, "There is no such API method")),
    }
}

/// The longest body of a call, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;
