//! The S3-like host: `PUT /s3/<key>` with a signature in the query (AWS docs, S3 PUT Object and
//! query string authentication, signature version 2).
//!
//! As on S3, the signature alone decides: a valid link may be used again and replaces the object,
//! and S3 does not know what the platform does with it.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Sandbox;
use super::call::{Broken, Call, Halt, Incoming, Stop};
use super::intake::{self, Delivery};
use super::params::Params;
use super::refusal::{Code, Refusal};
use super::s3_error::S3Error;
use super::s3_sign::{self, amz_headers};
use super::sign::hex;
use super::sink::Sink;
use super::token;

/// Answers one request to the S3 side.
pub(super) async fn handle(
    sandbox: &Arc<Sandbox>,
    call: &Call,
    request: Request,
) -> Result<Response, Halt> {
    let mut response = match put(sandbox, call, request).await {
        Ok(response) => response,
        Err(Stop::Refused(error)) => error.response(),
        Err(Stop::Halted(halt)) => return Err(halt),
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&token::upper(16)) {
        headers.insert(HeaderName::from_static("x-amz-request-id"), id);
    }
    headers.insert(header::SERVER, HeaderValue::from_static("AmazonS3"));
    Ok(response)
}

async fn put(
    sandbox: &Arc<Sandbox>,
    call: &Call,
    request: Request,
) -> Result<Response, Stop<S3Error>> {
    let (parts, body) = request.into_parts();
    authenticate(sandbox, &parts)?;
    if parts.method != Method::PUT {
        let status = StatusCode::NOT_IMPLEMENTED;
        return Err(S3Error::new(status, "NotImplemented", "Only PUT is implemented").into());
    }
    check_length(&parts.headers)?;
    let announced = content_md5(&parts.headers)?;
    let mut sink = Sink::open(&sandbox.store.incoming());
    let mut incoming = Incoming::new(body, call);
    while let Some(chunk) = incoming.chunk().await? {
        sink.write(chunk).await.map_err(unavailable)?;
    }
    let received = sink.finish().await.map_err(unavailable)?;
    if announced.is_some_and(|announced| announced != received.md5) {
        let message = "The Content-MD5 you specified did not match what we received";
        return Err(S3Error::bad("BadDigest", message).into());
    }
    call.ready().await?;
    let etag = format!("\"{}\"", hex(&received.md5));
    let key = parts.uri.path().trim_start_matches("/s3/");
    let delivery = Delivery {
        received,
        name: file_name(&parts.headers),
        noticed_after: sandbox.options.s3_notice,
        failure: call.failure(),
    };
    match intake::take(sandbox, key, delivery, |video, size, md5| {
        Ok(video
            .link
            .order
            .mismatch(size, md5)
            .map(|refusal| refusal.message))
    }) {
        // S3 knows no videos: an object for one that was deleted meanwhile is stored all the same.
        Ok(_)
        | Err(Refusal {
            code: Code::NotFound,
            ..
        }) => {}
        Err(refusal) => return Err(unavailable(refusal.message).into()),
    }
    let mut response = Response::default();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

/// Checks the link. S3 looks at the time before it looks at the signature.
fn authenticate(sandbox: &Sandbox, parts: &Parts) -> Result<(), S3Error> {
    let known = [Method::PUT, Method::GET, Method::HEAD, Method::DELETE];
    if !known.contains(&parts.method) {
        let message = "The specified method is not allowed against this resource";
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(S3Error::new(status, "MethodNotAllowed", message));
    }
    let mut query = Params::default();
    query
        .decode(parts.uri.query().unwrap_or_default().as_bytes())
        .map_err(|_| S3Error::bad("InvalidURI", "The query is not percent-encoded UTF-8"))?;
    let denied = || S3Error::forbidden("AccessDenied", "Access Denied");
    let access = query.get("AWSAccessKeyId").ok_or_else(denied)?;
    let given = query.get("Signature").ok_or_else(denied)?;
    let expires = query.get("Expires").ok_or_else(denied)?;
    if parts.headers.contains_key(header::AUTHORIZATION) {
        let message = "Only one auth mechanism allowed";
        return Err(S3Error::bad("InvalidArgument", message));
    }
    let keys = sandbox.store.keys();
    if access != keys.access {
        let message = "The AWS Access Key Id you provided does not exist in our records.";
        return Err(S3Error::forbidden("InvalidAccessKeyId", message));
    }
    let until: i64 = expires.parse().map_err(|_| denied())?;
    let now = sandbox.now_s();
    if now > until {
        return Err(S3Error::forbidden("AccessDenied", "Request has expired")
            .with("Expires", expires)
            .with("ServerTime", &now.to_string()));
    }
    let signed = s3_sign::Request {
        method: parts.method.as_str(),
        content_md5: header_text(&parts.headers, HeaderName::from_static("content-md5")),
        content_type: header_text(&parts.headers, header::CONTENT_TYPE),
        expires,
        amz_headers: &amz_headers(&parts.headers),
        resource: &resource(parts.uri.path(), &query),
    };
    if signed.signature(&keys.secret) == given {
        return Ok(());
    }
    let message = "The request signature we calculated does not match the signature you provided. \
                   Check your key and signing method.";
    Err(S3Error::forbidden("SignatureDoesNotMatch", message)
        .with("StringToSign", &signed.to_sign()))
}

/// The path with those query parameters that name a part of the object.
fn resource(path: &str, query: &Params) -> String {
    let mut named: Vec<String> = query
        .pairs()
        .iter()
        .filter(|(name, _)| SUB_RESOURCES.contains(&name.as_str()))
        .map(|(name, value)| {
            if value.is_empty() {
                name.clone()
            } else {
                format!("{name}={value}")
            }
        })
        .collect();
    named.sort_unstable();
    let mark = if named.is_empty() { "" } else { "?" };
    format!("{path}{mark}{}", named.join("&"))
}

/// A length is needed, and not any will do. That the body has it is hyper's to see.
fn check_length(headers: &HeaderMap) -> Result<(), S3Error> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let length: u64 = length.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let message = "You must provide the Content-Length HTTP header.";
        S3Error::new(StatusCode::LENGTH_REQUIRED, "MissingContentLength", message)
    })?;
    if length > OBJECT_LIMIT {
        let message = "Your proposed upload exceeds the maximum allowed size";
        return Err(S3Error::bad("EntityTooLarge", message)
            .with("ProposedSize", &length.to_string())
            .with("MaxSizeAllowed", &OBJECT_LIMIT.to_string()));
    }
    Ok(())
}

fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, S3Error> {
    let Some(value) = headers.get("content-md5") else {
        return Ok(None);
    };
    let digest = STANDARD
        .decode(value.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    let message = "The Content-MD5 you specified is not valid";
    digest
        .map(Some)
        .ok_or_else(|| S3Error::bad("InvalidDigest", message))
}

fn header_text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// The name in `Content-Disposition: attachment; filename="…"`, which the platform's example sends.
fn file_name(headers: &HeaderMap) -> Option<String> {
    let (_, rest) = header_text(headers, header::CONTENT_DISPOSITION).split_once("filename=\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it serves as a function to map errors with"
)]
fn unavailable(error: impl ToString) -> S3Error {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    S3Error::new(status, "ServiceUnavailable", &error.to_string())
}

impl From<S3Error> for Stop<S3Error> {
    fn from(error: S3Error) -> Self {
        Self::Refused(error)
    }
}

impl From<Broken> for Stop<S3Error> {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Halted(halt) => Self::Halted(halt),
            Broken::Idle => Self::Refused(S3Error::bad(
                "RequestTimeout",
                "Your socket connection to the server was not read from or written to within the \
                 timeout period. Idle connections will be closed.",
            )),
        }
    }
}

/// The most that one PUT may carry: 5 GiB.
const OBJECT_LIMIT: u64 = 5 * 1024 * 1024 * 1024;

/// The query parameters that are signed as a part of the resource (AWS docs, signature version 2).
const SUB_RESOURCES: [&str; 10] = [
    "acl",
    "lifecycle",
    "location",
    "partNumber",
    "policy",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "website",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_resources_belong_to_the_resource_and_others_do_not() {
        let mut query = Params::default();
        query.decode(b"uploads&Expires=1&partNumber=2&x=y").unwrap();
        assert_eq!(resource("/s3/k", &query), "/s3/k?partNumber=2&uploads");
        assert_eq!(resource("/s3/k", &Params::default()), "/s3/k");
    }

    #[test]
    fn a_content_md5_is_sixteen_bytes_in_base64() {
        let parse = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("content-md5", HeaderValue::from_static(text));
            content_md5(&headers).map_err(|error| error.code)
        };
        assert!(parse("kAFQmDzST7DWlj99KOF/cg==").unwrap().is_some());
        assert_eq!(parse("AAAA"), Err("InvalidDigest"));
        assert_eq!(
            parse("900150983cd24fb0d6963f7d28e17f72"),
            Err("InvalidDigest")
        );
    }
}
