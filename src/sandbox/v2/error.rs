//! The errors of the v2 API: `{"errors": [{"code", "description"}]}` with a status (official SDKs'
//! tests; where they know no code for a case, the one here is made up).

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::sandbox::refusal::{Code, Refusal};

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) description: String,
}

impl Wrong {
    fn new(status: StatusCode, code: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            code,
            description: description.into(),
        }
    }

    /// The body says what cannot be.
    pub(super) fn body(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", description)
    }

    /// The query says what cannot be.
    pub(super) fn parameter(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", description)
    }

    /// It is not the time for that: 400 for media, 409 for uploads.
    pub(super) fn state(status: StatusCode, description: impl Into<String>) -> Self {
        Self::new(status, "invalid_state", description)
    }

    pub(super) fn not_found(description: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", description)
    }

    /// The request does not say who asks.
    pub(super) fn anonymous() -> Self {
        let description = "Authorization: Bearer is missing";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", description)
    }

    /// The caller does not have this permission.
    pub(super) fn forbidden(description: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "unauthorized", description)
    }

    pub(super) fn method() -> Self {
        let description = "the route does not know this method";
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            description,
        )
    }

    pub(super) fn rate() -> Self {
        let description = "too many requests in this minute";
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            description,
        )
    }

    /// The request does not come to its end.
    pub(super) fn slow() -> Self {
        let description = "the body did not come in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", description)
    }

    /// The error object.
    pub(super) fn object(&self) -> Value {
        object(self.code, &self.description)
    }
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.code {
            Code::NotFound => "not_found",
            _ => code_of(refusal.code.status()),
        };
        Self::new(refusal.code.status(), code, refusal.message)
    }
}

/// An error object.
pub(in crate::sandbox) fn object(code: &str, description: &str) -> Value {
    json!({"errors": [{"code": code, "description": description}]})
}

/// The usual code for a status (injected faults).
pub(in crate::sandbox) fn code_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "unauthorized",
        404 => "not_found",
        405 => "method_not_allowed",
        409 => "invalid_state",
        429 => "too_many_requests",
        500..=599 => "server_error",
        _ => "invalid_body",
    }
}
