//! Upload links: what `/videos/create` and a re-upload give out, and what the upload hosts accept.
//!
//! A link is a credential: it is in the index (mode 0600) and in the answer, and nowhere else.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::keys::Keys;
use super::origin::Origin;
use super::params::Params;
use super::refusal::{Code, Refusal};
use super::s3_sign;
use super::status::Pending;
use super::token;

/// How the bytes will come: the first three in v1, the last two in v2, and `Fetch` in both. Further
/// upload methods are further variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Method {
    /// One form POST to the upload host.
    Single,
    /// Segments, by POST to the resumable upload host.
    Multipart,
    /// One PUT to S3.
    S3,
    /// The platform downloads the file.
    Fetch,
    /// One PUT to S3, with a link of v2.
    Direct,
    /// Parts, each by a PUT to S3 with a link of its own; v2 calls it `multipart`.
    Parts,
}

/// Where to download a file from. Such an address may hold a password or a signature.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source(pub(super) String);

impl std::fmt::Debug for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Source(..)")
    }
}

impl Source {
    /// An address with http or https and a host; nothing else can be fetched (JW docs, fetch
    /// uploads).
    pub(super) fn read(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let web = matches!(url.scheme(), "http" | "https") && url.has_host();
        web.then(|| Self(text.to_owned()))
    }
}

/// What the caller said of the file it is going to send.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) method: Method,
    /// Expected bytes.
    pub(super) size: Option<u64>,
    /// Expected MD5, hexadecimal, lower case.
    pub(super) md5: Option<String>,
    /// The `Content-Type` that the S3 link is signed for; empty means none.
    pub(super) content_type: String,
    /// What to download, where the method is [`Method::Fetch`].
    #[serde(default)]
    pub(super) source: Option<Source>,
}

/// One link that was given out.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) order: Order,
    /// The form upload's credential, the resumable upload's session, or the id of a v2 upload in
    /// parts; unused for S3.
    pub(super) token: String,
    /// UNIX seconds.
    pub(super) expires: i64,
    /// Whether it came from `/videos/update`.
    pub(super) update: bool,
    /// A form link, or a session, serves once.
    pub(super) used: bool,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Link")
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

impl Method {
    /// Reads `upload_method`, or the older `resumable`. Where both are given they have to agree.
    fn read(params: &Params) -> Result<Self, Refusal> {
        let resumable = match params.get("resumable") {
            None | Some("false" | "False") => false,
            Some("true" | "True" | "resumable") => true,
            Some(_) => return Err(Refusal::invalid("resumable", "Neither True nor False")),
        };
        match (params.get("upload_method"), resumable) {
            (None | Some("single"), false) => Ok(Self::Single),
            (None, true) | (Some("multipart"), _) => Ok(Self::Multipart),
            (Some("s3"), false) => Ok(Self::S3),
            (Some("single" | "s3"), true) => {
                let message = "Another upload method is asked for";
                Err(Refusal::invalid("resumable", message))
            }
            (Some(_), _) => Err(Refusal::invalid("upload_method", "Unknown upload method")),
        }
    }

    /// The credential of that method, as a refusal names it.
    fn credential(self) -> (&'static str, &'static str) {
        match self {
            Self::Multipart => ("X-Session-ID", "session"),
            Self::Parts => ("upload_id", "upload"),
            Self::Single | Self::S3 | Self::Fetch | Self::Direct => ("token", "token"),
        }
    }
}

impl Order {
    /// Reads `upload_method` and what goes with it.
    pub(super) fn read(params: &Params) -> Result<Self, Refusal> {
        let source = Self::source(params)?;
        let method = match source {
            Some(_) => Method::Fetch,
            None => Method::read(params)?,
        };
        let size = params.number("size")?;
        if size.is_some_and(|size| size > SIZE_LIMIT) {
            return Err(Refusal::new(
                Code::FileSizeInvalid,
                "size: The file is too large",
            ));
        }
        let md5 = params.get("md5").map(str::to_ascii_lowercase);
        if md5.as_deref().is_some_and(|md5| !is_md5(md5)) {
            return Err(Refusal::new(
                Code::DigestInvalid,
                "md5: Not an MD5 in hexadecimal",
            ));
        }
        let content_type = params
            .get("upload_content_type")
            .unwrap_or_default()
            .to_owned();
        Ok(Self {
            method,
            size,
            md5,
            content_type,
            source,
        })
    }

    /// An order of which nothing is known but the method.
    pub(super) fn plain(method: Method) -> Self {
        Self {
            method,
            size: None,
            md5: None,
            content_type: String::new(),
            source: None,
        }
    }

    /// Reads `download_url`. What else would say how the bytes come has no meaning beside it.
    fn source(params: &Params) -> Result<Option<Source>, Refusal> {
        let Some(text) = params.get("download_url") else {
            return Ok(None);
        };
        for name in ["upload_method", "resumable", "upload_content_type"] {
            if params.get(name).is_some() {
                return Err(Refusal::invalid(
                    name,
                    "Nothing is uploaded to a download_url",
                ));
            }
        }
        let invalid = || Refusal::invalid("download_url", "Not an http or https URL");
        Source::read(text).map(Some).ok_or_else(invalid)
    }

    /// What is wrong with a file that was received against this order, if anything is.
    pub(super) fn mismatch(&self, size: u64, md5: &str) -> Option<Refusal> {
        if self.size.is_some_and(|expected| expected != size) {
            let message = format!("The file has {size} bytes, which is not the size announced");
            return Some(Refusal::new(Code::FileSizeInvalid, message));
        }
        if self.md5.as_deref().is_some_and(|expected| expected != md5) {
            let message = format!("The file has the MD5 {md5}, which is not the one announced");
            return Some(Refusal::new(Code::DigestInvalid, message));
        }
        None
    }
}

impl Link {
    /// A new link that lives until `expires` (UNIX seconds).
    pub(super) fn issue(order: Order, expires: i64, update: bool) -> Self {
        let token = match order.method {
            Method::Multipart | Method::Parts => token::alphanumeric(40),
            Method::Single | Method::S3 | Method::Fetch | Method::Direct => token::hex(40),
        };
        Self {
            order,
            token,
            expires,
            update,
            used: false,
        }
    }

    /// Whether an upload by that method may come in with that credential at `now` (UNIX seconds):
    /// a link of the right kind, in its time, that did not serve yet.
    pub(super) fn admits(&self, method: Method, token: &str, now: i64) -> Result<(), Refusal> {
        let why = if self.order.method != method || self.token != token {
            "is not valid"
        } else if now > self.expires {
            "has expired"
        } else if self.used {
            "was used already"
        } else {
            return Ok(());
        };
        let (parameter, word) = method.credential();
        let message = format!("{parameter}: The upload {word} {why}");
        Err(Refusal::new(Code::PermissionDenied, message))
    }

    /// What begins at `now` (UNIX milliseconds) with a link over which nothing is uploaded.
    pub(super) fn pending(&self, now: i64) -> Option<Pending> {
        (self.order.method == Method::Fetch).then(|| Pending::begin(now))
    }

    /// The session, while a resumable upload may come in with it.
    pub(super) fn open_session(&self, now: i64) -> Option<&str> {
        self.admits(Method::Multipart, &self.token, now).ok()?;
        Some(&self.token)
    }

    /// The `link` object of a v1 answer; there is none if there is nothing to upload.
    pub(super) fn shown(&self, key: &str, origin: &Origin, keys: &Keys) -> Option<Value> {
        let (path, query) = match self.order.method {
            Method::Single => (
                "/v1/videos/upload".to_owned(),
                json!({"key": key, "token": self.token}),
            ),
            Method::Multipart => (
                "/v1/videos/upload/resumable".to_owned(),
                json!({"key": key}),
            ),
            Method::S3 => {
                let path = format!("/s3/{key}");
                let request = s3_sign::Request {
                    method: "PUT",
                    content_md5: "",
                    content_type: &self.order.content_type,
                    expires: &self.expires.to_string(),
                    amz_headers: "",
                    resource: &path,
                };
                let signature = request.signature(&keys.secret);
                let query = json!({"AWSAccessKeyId": keys.access, "Expires": self.expires,
                                   "Signature": signature});
                (path, query)
            }
            Method::Fetch | Method::Direct | Method::Parts => return None,
        };
        let Origin { protocol, address } = origin;
        Some(json!({"protocol": protocol, "address": address, "path": path, "query": query}))
    }
}

fn is_md5(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The platform's limit of 25 GB, in the reading of its SDK (25 × 1000 × 1024 × 1024 bytes).
pub(super) const SIZE_LIMIT: u64 = 25 * 1000 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn order(raw: &str) -> Result<Order, Code> {
        let mut params = Params::default();
        params.decode(raw.as_bytes()).unwrap();
        Order::read(&params).map_err(|refusal| refusal.code)
    }

    #[test]
    fn methods_are_known_or_refused() {
        assert_eq!(order("title=x").unwrap().method, Method::Single);
        assert_eq!(
            order("upload_method=single").unwrap().method,
            Method::Single
        );
        assert_eq!(order("upload_method=s3").unwrap().method, Method::S3);
        for raw in [
            "upload_method=multipart",
            "upload_method=multipart&resumable=True",
            "resumable=true",
            "resumable=True",
            "resumable=resumable",
        ] {
            assert_eq!(order(raw).unwrap().method, Method::Multipart, "{raw}");
        }
        assert_eq!(order("resumable=false").unwrap().method, Method::Single);
        let fetched = order("download_url=http://x/y.mp4").unwrap();
        assert_eq!(fetched.method, Method::Fetch);
        assert!(!format!("{fetched:?}").contains("y.mp4"));
        for (raw, code) in [
            ("resumable=yes", Code::ParameterInvalid),
            ("resumable=true&upload_method=s3", Code::ParameterInvalid),
            ("download_url=ftp://x/y.mp4", Code::ParameterInvalid),
            ("download_url=/y.mp4", Code::ParameterInvalid),
            (
                "download_url=http://x/y.mp4&upload_method=s3",
                Code::ParameterInvalid,
            ),
            ("upload_method=S3", Code::ParameterInvalid),
            ("size=1e3", Code::ParameterInvalid),
            ("size=26214400001", Code::FileSizeInvalid),
            ("md5=abc", Code::DigestInvalid),
        ] {
            assert_eq!(order(raw).unwrap_err(), code, "{raw}");
        }
    }

    #[test]
    fn a_file_is_held_against_what_was_announced() {
        let order = order("size=3&md5=900150983CD24FB0D6963F7D28E17F72").unwrap();
        let abc = "900150983cd24fb0d6963f7d28e17f72";
        assert!(order.mismatch(3, abc).is_none());
        assert_eq!(order.mismatch(4, abc).unwrap().code, Code::FileSizeInvalid);
        assert_eq!(order.mismatch(3, "0").unwrap().code, Code::DigestInvalid);
    }
}
