//! S3's errors: XML bodies with a code, and the status that belongs to it (AWS docs, S3 error
//! responses).

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use quick_xml::escape::escape;

use super::token;

/// A refusal of the S3 side.
#[derive(Debug)]
pub(super) struct S3Error {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Further elements, already in XML.
    pub(super) more: String,
}

impl S3Error {
    pub(super) fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
            more: String::new(),
        }
    }

    /// 400 with that code.
    pub(super) fn bad(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 403 with that code.
    pub(super) fn forbidden(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// Adds an element that tells more.
    pub(super) fn with(mut self, element: &str, text: &str) -> Self {
        self.more = format!("{}<{element}>{}</{element}>", self.more, escape(text));
        self
    }

    pub(super) fn response(&self) -> Response {
        let mut response = Response::new(Body::from(body(self.code, &self.message, &self.more)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/xml"),
        );
        response
    }
}

/// The error document.
pub(super) fn body(code: &str, message: &str, more: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>\
         {more}<RequestId>{}</RequestId><HostId>{}</HostId></Error>",
        escape(code),
        escape(message),
        token::upper(16),
        token::alphanumeric(56)
    )
}

/// The usual code for a status (injected faults).
pub(super) fn code_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "RequestTimeout",
        403 => "AccessDenied",
        404 => "NoSuchKey",
        411 => "MissingContentLength",
        500 => "InternalError",
        503 => "SlowDown",
        _ => "ServiceUnavailable",
    }
}
