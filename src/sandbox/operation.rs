//! What a request asks for, told from its method and address alone: the unit in which faults are
//! ordered and the log is kept.

use axum::http::{Method, Uri};
use serde::{Deserialize, Serialize};

use super::v2::Route;

/// The operations of the stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Operation {
    /// `/v1/videos/create`
    Create,
    /// `/v1/videos/show`
    Show,
    /// `/v1/videos/list`
    List,
    /// `/v1/videos/update`
    Update,
    /// `/v1/videos/delete`
    Delete,
    /// `/v1/videos/upload`, the form upload host.
    FormUpload,
    /// `/v1/videos/upload/resumable`, the resumable upload host.
    Resumable,
    /// `/s3/<key>`, the S3-like host: a whole file.
    S3Put,
    /// `/s3/<key>?partNumber=…`, the S3-like host: a part of a file.
    PartPut,
    /// `POST /v2/sites/<site>/media/`
    V2Create,
    /// `GET /v2/sites/<site>/media/`
    V2List,
    /// `GET /v2/sites/<site>/media/<id>/`
    V2Get,
    /// `PATCH /v2/sites/<site>/media/<id>/`
    V2Update,
    /// `DELETE /v2/sites/<site>/media/<id>/`
    V2Delete,
    /// `PUT /v2/sites/<site>/media/<id>/reupload/`
    V2Reupload,
    /// `GET /v2/sites/<site>/media/<id>/originals/`
    V2Originals,
    /// `GET /v2/uploads/<id>/parts`
    V2Parts,
    /// `PUT /v2/uploads/<id>/complete`
    V2Complete,
    /// Anything else.
    Other,
}

impl Operation {
    /// Reads the operation off a request.
    pub(super) fn of(method: &Method, uri: &Uri) -> Self {
        match uri.path() {
            "/v1/videos/create" => Self::Create,
            "/v1/videos/show" => Self::Show,
            "/v1/videos/list" => Self::List,
            "/v1/videos/update" => Self::Update,
            "/v1/videos/delete" => Self::Delete,
            "/v1/videos/upload" => Self::FormUpload,
            "/v1/videos/upload/resumable" => Self::Resumable,
            path if path.starts_with("/s3/") => {
                let mut pairs = uri.query().unwrap_or_default().split('&');
                let part = pairs.any(|pair| pair.starts_with("partNumber="));
                if part { Self::PartPut } else { Self::S3Put }
            }
            path => Route::read(path).map_or(Self::Other, |route| Self::of_v2(method, &route)),
        }
    }

    fn of_v2(method: &Method, route: &Route<'_>) -> Self {
        match (route, method) {
            (Route::All { .. }, &Method::POST) => Self::V2Create,
            (Route::All { .. }, &Method::GET) => Self::V2List,
            (Route::One { .. }, &Method::GET) => Self::V2Get,
            (Route::One { .. }, &Method::PATCH) => Self::V2Update,
            (Route::One { .. }, &Method::DELETE) => Self::V2Delete,
            (Route::Reupload { .. }, &Method::PUT) => Self::V2Reupload,
            (Route::Originals { .. }, &Method::GET) => Self::V2Originals,
            (Route::Parts { .. }, &Method::GET) => Self::V2Parts,
            (Route::Complete { .. }, &Method::PUT) => Self::V2Complete,
            _ => Self::Other,
        }
    }

    /// Whether S3 answers it.
    pub(super) fn is_s3(self) -> bool {
        matches!(self, Self::S3Put | Self::PartPut)
    }

    /// Whether the v2 API answers it.
    pub(super) fn is_v2(self) -> bool {
        use Operation::{
            V2Complete, V2Create, V2Delete, V2Get, V2List, V2Originals, V2Parts, V2Reupload,
            V2Update,
        };
        matches!(
            self,
            V2Create
                | V2List
                | V2Get
                | V2Update
                | V2Delete
                | V2Reupload
                | V2Originals
                | V2Parts
                | V2Complete
        )
    }

    /// The key of the video that an upload is for, as far as the address tells; for the log.
    pub(super) fn upload_key(self, uri: &Uri) -> Option<String> {
        match self {
            Self::S3Put | Self::PartPut => uri.path().strip_prefix("/s3/").map(str::to_owned),
            Self::FormUpload | Self::Resumable => {
                let mut pairs = uri.query().unwrap_or_default().split('&');
                pairs
                    .find_map(|pair| pair.strip_prefix("key="))
                    .map(str::to_owned)
            }
            _ => None,
        }
    }
}

/// The operations that a fault or a question is about: `any`, or one by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`on` is `any` or an operation")]
pub(super) enum Target {
    /// All of them, [`Operation::Other`] too.
    Any(Any),
    One(Operation),
}

/// The word for all operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Any {
    Any,
}

impl Target {
    /// Whether the operation is meant.
    pub(super) fn takes(self, operation: Operation) -> bool {
        match self {
            Self::Any(Any::Any) => true,
            Self::One(one) => one == operation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &Method, uri: &'static str) -> Operation {
        Operation::of(method, &Uri::from_static(uri))
    }

    #[test]
    fn the_method_and_the_address_tell() {
        for (method, uri, operation) in [
            (Method::GET, "/v1/videos/create?x", Operation::Create),
            (Method::PUT, "/s3/abcd1234?Expires=1", Operation::S3Put),
            (Method::PUT, "/s3/abcd1234?partNumber=1", Operation::PartPut),
            (Method::POST, "/v2/sites/s/media", Operation::V2Create),
            (Method::GET, "/v2/sites/s/media/?page=1", Operation::V2List),
            (Method::PATCH, "/v2/sites/s/media/k/", Operation::V2Update),
            (Method::PUT, "/v2/sites/s/media/k/", Operation::Other),
            (
                Method::PUT,
                "/v2/sites/s/media/k/reupload/",
                Operation::V2Reupload,
            ),
            (
                Method::GET,
                "/v2/sites/s/media/k/originals/",
                Operation::V2Originals,
            ),
            (
                Method::GET,
                "/v2/uploads/u/parts?page=2",
                Operation::V2Parts,
            ),
            (
                Method::PUT,
                "/v2/uploads/u/complete/",
                Operation::V2Complete,
            ),
            (Method::GET, "/v2/uploads/u/", Operation::Other),
        ] {
            assert_eq!(of(&method, uri), operation, "{method} {uri}");
        }
    }

    #[test]
    fn a_target_is_named_as_it_is_written() {
        let read = |text: &str| serde_json::from_str::<Target>(text);
        assert_eq!(read("\"any\"").unwrap(), Target::Any(Any::Any));
        let part = Target::One(Operation::PartPut);
        assert_eq!(read("\"part-put\"").unwrap(), part);
        assert_eq!(serde_json::to_string(&part).unwrap(), "\"part-put\"");
        assert!(read("\"parts-put\"").is_err());
        let v2 = Target::One(Operation::V2Create);
        assert_eq!(serde_json::to_string(&v2).unwrap(), "\"v2-create\"");
    }
}
