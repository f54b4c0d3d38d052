//! The platform's error codes and what each of them means for a retry: the one table.
//!
//! From JW's v1 documentation ("Error handling") and the error tests of its Python clients. Codes are
//! compared whole: one of those clients strips a suffix and so mixes several of them up.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::disposition::Need;

/// The HTTP status of an account that has to be paid first.
const UNPAID: u16 = 402;

/// A v1 error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names are the platform's own and are documented there"
)]
pub enum Code {
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
    ParameterEncodingError,
    ParameterInvalid,
    ParameterTypeEmpty,
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
    /// A code that is not in the documents, or none at all.
    Other,
}

/// What a refusal says about the call that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It was not carried out, and may well be later: safe to repeat.
    NotRun,
    /// The server failed while at it: it is impossible to tell from here whether it was carried
    /// out.
    MaybeRun,
    /// It was refused for what it asks; the same call is refused again.
    Refused,
    /// What it should make exists already.
    Exists,
    /// No call of this account can work until a person fixes the account, its key or the clock.
    Account,
}

impl Code {
    /// Finds a code by its exact spelling.
    pub fn of(word: &str) -> Self {
        SPELLING
            .iter()
            .find(|(spelling, _)| *spelling == word)
            .map_or(Self::Other, |(_, code)| *code)
    }

    /// What it means, with the HTTP `status` deciding for codes that no document names.
    pub fn class(self, status: u16) -> Class {
        match self {
            // 503 with this code is the API's own word that it did not take the call, unlike a bare
            // 503 from a gateway, which may stand for an answer that was lost behind it. The next
            // one is a state of the video that passes; the last three come from an upload host that
            // could not keep the file, or got other bytes than announced.
            Self::CallUnavailable
            | Self::RateLimitExceeded
            | Self::PreconditionFailed
            | Self::FileUploadFailed
            | Self::DigestMissing
            | Self::DigestInvalid => Class::NotRun,
            Self::UnknownError
            | Self::CallFailed
            | Self::DatabaseError
            | Self::IntegrityError
            | Self::InternalError => Class::MaybeRun,
            Self::NotFound
            | Self::NoMethod
            | Self::NotImplemented
            | Self::NotSupported
            | Self::CallInvalid
            | Self::ParameterMissing
            | Self::ParameterEmpty
            | Self::ParameterEncodingError
            | Self::ParameterInvalid
            | Self::ParameterTypeEmpty
            | Self::FileSizeMissing
            | Self::FileSizeInvalid => Class::Refused,
            Self::ItemAlreadyExists => Class::Exists,
            // The last four families mean a wrong clock or a wrong secret once a freshly signed
            // call meets them again; every file of the account would meet them too.
            Self::PermissionDenied
            | Self::ApiKeyMissing
            | Self::ApiKeyInvalid
            | Self::TimestampMissing
            | Self::TimestampInvalid
            | Self::TimestampExpired
            | Self::NonceMissing
            | Self::NonceInvalid
            | Self::SignatureMissing
            | Self::SignatureInvalid => Class::Account,
            Self::Other => by_status(status),
        }
    }

    /// Whether the call itself is unknown to the API, independent of its parameters.
    pub(super) fn is_about_the_api(self) -> bool {
        matches!(
            self,
            Self::NotFound | Self::NoMethod | Self::NotImplemented | Self::NotSupported
        )
    }

    /// Whether it is about the time that a call was dated with.
    pub(super) fn is_about_the_time(self) -> bool {
        matches!(self, Self::TimestampInvalid | Self::TimestampExpired)
    }

    /// What to see to where no call of the account can work.
    pub(super) fn need(self, status: u16) -> Need {
        if status == UNPAID {
            Need::Plan
        } else if self.is_about_the_time() {
            Need::Clock
        } else {
            Need::Credentials
        }
    }

    /// Whether it names what is wrong with one file or its description.
    pub(super) fn is_about_the_file(self) -> bool {
        matches!(
            self,
            Self::ParameterMissing
                | Self::ParameterEmpty
                | Self::ParameterInvalid
                | Self::ParameterTypeEmpty
                | Self::FileSizeMissing
                | Self::FileSizeInvalid
        )
    }

    /// Whether the same call, signed afresh, deserves one more attempt at once.
    ///
    /// Signatures are remembered for 48 hours and a repeated one is not carried out; which of these
    /// codes answers it is not documented.
    pub fn wants_fresh_signature(self) -> bool {
        RESIGN.contains(&self)
    }
}

fn by_status(status: u16) -> Class {
    match status {
        408 | 425 | 429 => Class::NotRun,
        401..=403 => Class::Account,
        400..=499 => Class::Refused,
        _ => Class::MaybeRun,
    }
}

const RESIGN: [Code; 6] = [
    Code::TimestampInvalid,
    Code::TimestampExpired,
    Code::NonceMissing,
    Code::NonceInvalid,
    Code::SignatureMissing,
    Code::SignatureInvalid,
];

const SPELLING: [(&str, Code); 35] = [
    ("UnknownError", Code::UnknownError),
    ("NotFound", Code::NotFound),
    ("NoMethod", Code::NoMethod),
    ("NotImplemented", Code::NotImplemented),
    ("NotSupported", Code::NotSupported),
    ("CallFailed", Code::CallFailed),
    ("CallUnavailable", Code::CallUnavailable),
    ("CallInvalid", Code::CallInvalid),
    ("ParameterMissing", Code::ParameterMissing),
    ("ParameterEmpty", Code::ParameterEmpty),
    ("ParameterEncodingError", Code::ParameterEncodingError),
    ("APIParameterEncodingError", Code::ParameterEncodingError),
    ("ParameterInvalid", Code::ParameterInvalid),
    ("ParameterTypeEmpty", Code::ParameterTypeEmpty),
    ("PreconditionFailed", Code::PreconditionFailed),
    ("ItemAlreadyExists", Code::ItemAlreadyExists),
    ("PermissionDenied", Code::PermissionDenied),
    ("DatabaseError", Code::DatabaseError),
    ("IntegrityError", Code::IntegrityError),
    ("InternalError", Code::InternalError),
    ("DigestMissing", Code::DigestMissing),
    ("DigestInvalid", Code::DigestInvalid),
    ("FileUploadFailed", Code::FileUploadFailed),
    ("FileSizeMissing", Code::FileSizeMissing),
    ("FileSizeInvalid", Code::FileSizeInvalid),
    ("ApiKeyMissing", Code::ApiKeyMissing),
    ("ApiKeyInvalid", Code::ApiKeyInvalid),
    ("TimestampMissing", Code::TimestampMissing),
    ("TimestampInvalid", Code::TimestampInvalid),
    ("TimestampExpired", Code::TimestampExpired),
    ("NonceMissing", Code::NonceMissing),
    ("NonceInvalid", Code::NonceInvalid),
    ("SignatureMissing", Code::SignatureMissing),
    ("SignatureInvalid", Code::SignatureInvalid),
    ("RateLimitExceeded", Code::RateLimitExceeded),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_compared_whole() {
        assert_eq!(Code::of("DatabaseError"), Code::DatabaseError);
        assert_eq!(Code::of("Database"), Code::Other);
        assert_eq!(Code::of("databaseerror"), Code::Other);
        assert_eq!(Code::of(""), Code::Other);
        for (spelling, code) in SPELLING {
            let named = format!("{code:?}");
            assert!(
                spelling == named || spelling == format!("API{named}"),
                "{spelling}"
            );
        }
    }

    #[test]
    fn an_unknown_code_is_judged_by_its_status() {
        assert_eq!(Code::Other.class(400), Class::Refused);
        assert_eq!(Code::Other.class(402), Class::Account);
        assert_eq!(Code::Other.class(429), Class::NotRun);
        assert_eq!(Code::Other.class(502), Class::MaybeRun);
        assert_eq!(
            Code::Other.class(200),
            Class::MaybeRun,
            "an error body behind a 200"
        );
    }
}
