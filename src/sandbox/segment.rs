//! The head of a request to the resumable upload host: what it says about its body, and what is
//! refused by the head alone (JW docs, v1 resumable file uploads; the order of the checks and their
//! answers are those of nginx-upload-module).
//!
//! Pure: nothing is known here of sessions or videos.

use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};

use super::link::SIZE_LIMIT;
use super::multipart;
use super::ranges::{OneByte, Span};

/// What the head says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) session: Option<String>,
    /// Where the body belongs; without it the body is the whole file.
    pub(super) place: Option<Place>,
    /// The file's name, without a path.
    pub(super) name: Option<String>,
}

/// A range of a file of known size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) span: Span,
    /// Bytes of the whole file.
    pub(super) total: u64,
}

/// Why a request gets no further than its head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// The module fails without a status: the connection is closed without an answer.
    Silently,
    With(StatusCode),
}

/// What differs from one installation to the next.
pub(super) struct Rules {
    /// The longest body in bytes, if there is a limit.
    pub(super) longest: Option<u64>,
    pub(super) one_byte: OneByte,
}

/// Reads the head.
pub(super) fn read(parts: &Parts, rules: &Rules) -> Result<Segment, Rejected> {
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(number);
    if rules
        .longest
        .is_some_and(|longest| length.is_some_and(|length| length > longest))
    {
        return Err(Rejected::With(StatusCode::PAYLOAD_TOO_LARGE));
    }
    if parts.method != Method::POST {
        return Err(Rejected::With(StatusCode::METHOD_NOT_ALLOWED));
    }
    let kind = parts.headers.get(header::CONTENT_TYPE);
    let kind = kind.ok_or(Rejected::With(StatusCode::BAD_REQUEST))?;
    if is_form(kind) {
        return Err(Rejected::With(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let mut segment = Segment::default();
    let mut disposed = false;
    // In the order in which they came, each checked where it is: of two that mean the same the
    // later one wins, but the earlier one has to be right too.
    for (name, value) in &parts.headers {
        match name.as_str() {
            "content-disposition" => {
                segment.name = file_name(value)?;
                disposed = true;
            }
            "session-id" | "x-session-id" => segment.session = Some(session(value)?),
            "content-range" | "x-content-range" => {
                segment.place = Some(place(value, length, rules.one_byte)?);
            }
            _ => {}
        }
    }
    if !disposed {
        return Err(Rejected::With(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    if length.is_none_or(|length| length == 0) {
        return Err(Rejected::With(StatusCode::BAD_REQUEST));
    }
    Ok(segment)
}

fn number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}

fn is_form(kind: &HeaderValue) -> bool {
    has_prefix(kind.as_bytes(), b"multipart/form-data")
}

fn file_name(value: &HeaderValue) -> Result<Option<String>, Rejected> {
    let bytes = value.as_bytes();
    if !has_prefix(bytes, b"attachment") && !has_prefix(bytes, b"form-data") {
        return Err(Rejected::Silently);
    }
    multipart::file_name(&String::from_utf8_lossy(bytes)).map_err(|_| Rejected::Silently)
}

fn session(value: &HeaderValue) -> Result<String, Rejected> {
    let text = value.to_str().map_err(|_| Rejected::Silently)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if text.is_empty() || !text.bytes().all(fits) {
        return Err(Rejected::Silently);
    }
    if text.len() > NAME_LIMIT {
        return Err(Rejected::With(StatusCode::SERVICE_UNAVAILABLE));
    }
    Ok(text.to_owned())
}

/// `bytes FIRST-LAST/TOTAL`, checked against the length of the body.
fn place(value: &HeaderValue, length: Option<u64>, one_byte: OneByte) -> Result<Place, Rejected> {
    let bytes = value.as_bytes();
    let rest = bytes.get(UNIT.len()..).filter(|_| has_prefix(bytes, UNIT));
    let text = rest.and_then(|rest| std::str::from_utf8(rest).ok());
    let place = text.and_then(parse).ok_or(Rejected::Silently)?;
    let Place {
        span: Span { first, last },
        total,
    } = place;
    if first > last || last >= total || (first == last && one_byte == OneByte::Refused) {
        return Err(Rejected::Silently);
    }
    if total > SIZE_LIMIT {
        return Err(Rejected::With(StatusCode::PAYLOAD_TOO_LARGE));
    }
    if length != Some(last - first + 1) {
        return Err(Rejected::With(StatusCode::RANGE_NOT_SATISFIABLE));
    }
    Ok(place)
}

/// A number may have no digits: it counts as nought.
fn parse(text: &str) -> Option<Place> {
    let (first, rest) = text.split_once('-')?;
    let (last, total) = rest.split_once('/')?;
    let digits = |text: &str| {
        text.bytes().try_fold(0_u64, |number, byte| {
            let digit = char::from(byte).to_digit(10)?;
            number.checked_mul(10)?.checked_add(u64::from(digit))
        })
    };
    let span = Span {
        first: digits(first)?,
        last: digits(last)?,
    };
    let total = digits(total)?;
    Some(Place { span, total })
}

fn has_prefix(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes
        .get(..prefix.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

const UNIT: &[u8] = b"bytes ";

/// A session is a file's name on the upload host, which can be no longer, in bytes.
const NAME_LIMIT: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    const TYPE: (&str, &str) = ("content-type", "application/octet-stream");
    const NAMED: (&str, &str) = ("content-disposition", "attachment; filename=\"a b.mp4\"");
    const TWO: (&str, &str) = ("content-length", "2");

    fn head(headers: &[(&str, &str)]) -> Result<Segment, Rejected> {
        let rules = Rules {
            longest: Some(100),
            one_byte: OneByte::Poisons,
        };
        read_by(&rules, headers)
    }

    fn read_by(rules: &Rules, headers: &[(&str, &str)]) -> Result<Segment, Rejected> {
        let mut request = Request::post("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(&request.body(()).unwrap().into_parts().0, rules)
    }

    fn status(code: u16) -> Rejected {
        Rejected::With(StatusCode::from_u16(code).unwrap())
    }

    #[test]
    fn a_segment_is_read_and_the_later_alias_wins() {
        let place = |first, last, total| {
            let span = Span { first, last };
            Some(Place { span, total })
        };
        let headers = [
            TYPE,
            NAMED,
            TWO,
            ("x-session-id", "one"),
            ("content-range", "bytes 0-1/9"),
            ("x-content-range", "Bytes 4-5/9"),
            ("session-id", "T_w-o2"),
        ];
        let segment = head(&headers).unwrap();
        assert_eq!(segment.session.as_deref(), Some("T_w-o2"));
        assert_eq!(segment.place, place(4, 5, 9));
        assert_eq!(segment.name.as_deref(), Some("a b.mp4"));
        let plain = head(&[TYPE, NAMED, TWO]).unwrap();
        assert_eq!((plain.session, plain.place), (None, None));
    }

    #[test]
    fn ranges_that_cannot_be_are_refused_in_silence() {
        for range in [
            "",
            "bytes=0-1/9",
            "0-1/9",
            "bytes",
            "bytes *",
            "bytes 0-1/*",
            "bytes */9",
            "bytes 5-4/9",
            "bytes 8-9/9",
            "bytes 0-1",
            "bytes 0/9",
            "bytes  0-1/9",
            "bytes 0-1/9,",
            "bytes 0x0-1/9",
            "bytes 0-1/",
            "bytes 0-1/99999999999999999999999",
        ] {
            let outcome = head(&[TYPE, NAMED, TWO, ("x-content-range", range)]);
            assert_eq!(outcome, Err(Rejected::Silently), "{range:?}");
        }
    }

    #[test]
    fn what_has_a_status_is_refused_with_it() {
        let range = ("x-content-range", "bytes 0-1/9");
        let long = "x".repeat(256);
        for (headers, code) in [
            (vec![NAMED, TWO, range], 400),
            (vec![TYPE, TWO, range], 415),
            (vec![("content-type", "multipart/form-data"), TWO], 415),
            (vec![TYPE, NAMED, ("content-length", "3"), range], 416),
            (vec![TYPE, NAMED, ("content-length", "1"), range], 416),
            (vec![TYPE, NAMED, range], 416),
            (
                vec![TYPE, NAMED, TWO, ("x-content-range", "bytes 0-/9")],
                416,
            ),
            (vec![TYPE, NAMED], 400),
            (vec![TYPE, NAMED, ("content-length", "0")], 400),
            (vec![TYPE, NAMED, ("content-length", "101")], 413),
            (
                vec![TYPE, NAMED, TWO, ("content-range", "bytes 0-1/26214400001")],
                413,
            ),
            (vec![TYPE, NAMED, TWO, ("session-id", &long)], 503),
        ] {
            assert_eq!(head(&headers), Err(status(code)), "{headers:?}");
        }
    }

    #[test]
    fn sessions_and_dispositions_that_cannot_be_are_refused_in_silence() {
        for header in [
            ("session-id", ""),
            ("x-session-id", "a/b"),
            ("x-session-id", "a.b"),
            ("x-session-id", "a+b"),
            ("content-disposition", "inline; filename=\"x\""),
            ("content-disposition", "attachment; filename=\"x"),
        ] {
            let outcome = head(&[TYPE, NAMED, TWO, header]);
            assert_eq!(outcome, Err(Rejected::Silently), "{header:?}");
        }
    }

    #[test]
    fn one_byte_is_refused_where_the_host_is_of_that_age() {
        let headers = [
            TYPE,
            NAMED,
            ("content-length", "1"),
            ("x-content-range", "bytes 3-3/9"),
        ];
        assert!(head(&headers).is_ok());
        let old = Rules {
            longest: None,
            one_byte: OneByte::Refused,
        };
        assert_eq!(read_by(&old, &headers), Err(Rejected::Silently));
    }
}
