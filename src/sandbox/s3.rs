//! The S3-like host: `PUT /s3/<key>`, a whole object or a part of one, with a signature in the query
//! (AWS docs, S3 PUT Object and Upload Part).
//!
//! As on S3, the signature alone decides: a valid link may be used again and replaces the object,
//! and S3 does not know what the platform does with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Sandbox;
use super::call::{Broken, Call, Halt, Incoming, Stop};
use super::intake::{self, Delivery};
use super::link::{Link, Method as Way};
use super::params::Params;
use super::parts;
use super::refusal::{Code, Refusal};
use super::s3_auth::{self, header_text};
use super::s3_error::S3Error;
use super::sign::hex;
use super::sink::{Received, Sink};
use super::token;
use super::video::Video;

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
    let query = s3_auth::check(sandbox, &parts)?;
    if parts.method != Method::PUT {
        let status = StatusCode::NOT_IMPLEMENTED;
        return Err(S3Error::new(status, "NotImplemented", "Only PUT is implemented").into());
    }
    check_length(&parts.headers)?;
    let key = parts.uri.path().trim_start_matches("/s3/");
    let slot = Slot::read(key, &query)?;
    if let Some(slot) = &slot {
        sandbox.store.read(|videos, _| slot.open(sandbox, videos))?;
    }
    let received = receive(sandbox, call, &parts.headers, body).await?;
    call.ready().await?;
    let etag = format!("\"{}\"", hex(&received.md5));
    match slot {
        Some(slot) => slot.fill(sandbox, received)?,
        None => store(sandbox, call, &parts, received)?,
    }
    let mut response = Response::default();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

/// Reads the body to its end. Where it breaks off, nothing of it was ever there.
async fn receive(
    sandbox: &Sandbox,
    call: &Call,
    headers: &HeaderMap,
    body: Body,
) -> Result<Received, Stop<S3Error>> {
    let announced = content_md5(headers)?;
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
    Ok(received)
}

/// Stores a whole object, which the platform notices later.
fn store(sandbox: &Sandbox, call: &Call, parts: &Parts, received: Received) -> Result<(), S3Error> {
    let delivery = Delivery {
        received,
        name: file_name(&parts.headers),
        noticed_after: sandbox.options.s3_notice,
        failure: call.failure(),
    };
    let key = parts.uri.path().trim_start_matches("/s3/");
    match intake::take(sandbox, key, delivery, |video, size, md5| {
        let order = &video.link.order;
        Ok(order.mismatch(size, md5).map(|refusal| refusal.message))
    }) {
        // S3 knows no videos: an object for one that was deleted meanwhile is stored anyway.
        Ok(_)
        | Err(Refusal {
            code: Code::NotFound,
            ..
        }) => Ok(()),
        Err(refusal) => Err(unavailable(refusal.message)),
    }
}

/// One part of an upload in parts.
struct Slot {
    key: String,
    upload: String,
    number: u32,
}

impl Slot {
    /// The slot that a link names, if it names one.
    fn read(key: &str, query: &Params) -> Result<Option<Self>, S3Error> {
        let (number, upload) = match (query.get("partNumber"), query.get("uploadId")) {
            (None, None) => return Ok(None),
            (Some(number), Some(upload)) => (number, upload),
            _ => {
                return Err(S3Error::bad(
                    "InvalidArgument",
                    "partNumber goes with uploadId",
                ));
            }
        };
        let number = number
            .parse()
            .ok()
            .filter(|n| (1..=parts::SLOTS).contains(n));
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        let number = number.ok_or_else(|| S3Error::bad("InvalidArgument", message))?;
        Ok(Some(Self {
            key: key.to_owned(),
            upload: upload.to_owned(),
            number,
        }))
    }

    /// Whether the upload takes parts: it is there, and neither completed nor past its time.
    fn open(&self, sandbox: &Sandbox, videos: &BTreeMap<String, Video>) -> Result<(), S3Error> {
        let link = videos.get(&self.key).map(|video| &video.link);
        let admits = |link: &Link| {
            link.admits(Way::Parts, &self.upload, sandbox.now_s())
                .is_ok()
        };
        if link.is_some_and(admits) {
            return Ok(());
        }
        let message = "The specified upload does not exist. The upload ID may be invalid, or the \
                       upload may have been aborted or completed.";
        let status = StatusCode::NOT_FOUND;
        Err(S3Error::new(status, "NoSuchUpload", message))
    }

    /// Puts the part in its place. The upload may have ended while the body came in.
    fn fill(&self, sandbox: &Sandbox, received: Received) -> Result<(), S3Error> {
        let folder = sandbox.store.parts(&self.key, &self.upload);
        sandbox.store.read(|videos, _| {
            self.open(sandbox, videos)?;
            parts::put(&folder, self.number, received).map_err(unavailable)
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
