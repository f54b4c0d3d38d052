//! The platform's error object: its codes, the HTTP status that belongs to each, and the refusal
//! that a handler returns (JW docs, v1 error handling).

use std::io;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// The error codes of the v1 API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Code {
    UnknownError,
    NotFound,
    NoMethod,
    NotImplemented,
    NotSupported,
    CallFailed,
    CallUnavailable,
    CallInvalid,
    ParameterMissing,
    ParameterEmpty,
    ParameterTypeEmpty,
    ParameterInvalid,
    ParameterEncodingError,
    PreconditionFailed,
    ItemAlreadyExists,
    PermissionDenied,
    DatabaseError,
    IntegrityError,
    InternalError,
    DigestMissing,
    DigestInvalid,
    FileUploadFailed,
    FileSizeMissing,
    FileSizeInvalid,
    ApiKeyMissing,
    ApiKeyInvalid,
    TimestampMissing,
    TimestampInvalid,
    TimestampExpired,
    NonceMissing,
    NonceInvalid,
    SignatureMissing,
    SignatureInvalid,
    RateLimitExceeded,
}

impl Code {
    /// The HTTP status that the documentation gives for the code; everything else is 400.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::NotSupported => StatusCode::METHOD_NOT_ALLOWED,
            Self::CallUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::ItemAlreadyExists => StatusCode::CONFLICT,
            Self::PermissionDenied | Self::TimestampExpired => StatusCode::FORBIDDEN,
            Self::RateLimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            Self::CallFailed | Self::DatabaseError | Self::IntegrityError | Self::InternalError => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::UnknownError
            | Self::NoMethod
            | Self::CallInvalid
            | Self::ParameterMissing
            | Self::ParameterEmpty
            | Self::ParameterTypeEmpty
            | Self::ParameterInvalid
            | Self::ParameterEncodingError
            | Self::DigestMissing
            | Self::DigestInvalid
            | Self::FileUploadFailed
            | Self::FileSizeMissing
            | Self::FileSizeInvalid
            | Self::ApiKeyMissing
            | Self::ApiKeyInvalid
            | Self::TimestampMissing
            | Self::TimestampInvalid
            | Self::NonceMissing
            | Self::NonceInvalid
            | Self::SignatureMissing
            | Self::SignatureInvalid => StatusCode::BAD_REQUEST,
        }
    }

    /// The code that a status stands for where only the status is known (injected faults).
    pub(super) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            405 => Self::NotSupported,
            409 => Self::ItemAlreadyExists,
            412 => Self::PreconditionFailed,
            429 => Self::RateLimitExceeded,
            500 => Self::InternalError,
            501 => Self::NotImplemented,
            502..=599 => Self::CallUnavailable,
            _ => Self::UnknownError,
        }
    }
}

/// Why a call is refused, in the platform's terms.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A parameter with a value that cannot be.
    pub(super) fn invalid(parameter: &str, why: &str) -> Self {
        Self::new(Code::ParameterInvalid, format!("{parameter}: {why}"))
    }

    /// The error object. The title is the code in words, as a person would want to see it.
    pub(super) fn body(&self) -> Value {
        let code = format!("{:?}", self.code);
        let title = code.chars().fold(String::new(), |mut title, letter| {
            if letter.is_uppercase() && !title.is_empty() {
                title.push(' ');
            }
            title.push(letter);
            title
        });
        json!({"status": "error", "code": code, "title": title, "message": self.message})
    }
}

/// What the stand-in cannot keep (disk full, no permission) it cannot take: try again later.
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(
            Code::CallUnavailable,
            format!("the sandbox cannot store it: {error}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_like_the_platforms() {
        let refusal = Refusal::invalid("video_key", "Video with the key aT2u4xRa does not exist");
        assert_eq!(
            refusal.body(),
            json!({"status": "error", "code": "ParameterInvalid", "title": "Parameter Invalid",
                   "message": "video_key: Video with the key aT2u4xRa does not exist"})
        );
        assert_eq!(Code::TimestampExpired.status(), StatusCode::FORBIDDEN);
    }
}
