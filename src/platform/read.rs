//! Takes one HTTP answer in: bounded, and sorted into "the platform's JSON", "its refusal", "garbage".
//!
//! It decides nothing about retries; it only finds out what was said, including what the headers
//! and the body say about the rate limit.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::{Map, Value};

use super::error::Garbage;
use super::lenient;
use super::limit::Outcome;

/// The most that is read of an answer; a page of 1,000 videos stays well below it.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// What the headers of an answer say, as far as it is used.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) status: u16,
    /// `Retry-After`, as a wait.
    pub(super) retry_after: Option<Duration>,
    pub(super) request_id: Option<String>,
    /// Whether API v2 itself marked the answer, which no proxy does.
    pub(super) is_v2: bool,
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<u64>,
    /// The server's own time: a reset given in its seconds is only right by its clock.
    pub(super) date: Option<Timestamp>,
}

impl Head {
    pub(super) fn of(response: &reqwest::Response) -> Self {
        let headers = response.headers();
        let number = |name| header_text(headers, name).and_then(|text| text.trim().parse().ok());
        let date = header_text(headers, DATE.as_str()).and_then(http_date);
        Self {
            status: response.status().as_u16(),
            retry_after: header_text(headers, RETRY_AFTER.as_str())
                .and_then(|text| parse_wait(text, date)),
            request_id: REQUEST_ID
                .iter()
                .find_map(|name| header_text(headers, name))
                .map(lenient::bound_line)
                .filter(|id| !id.is_empty()),
            is_v2: headers.contains_key("jw-request-id"),
            limit: number("x-ratelimit-limit").or_else(|| number("jw-request-limit")),
            remaining: number("x-ratelimit-remaining").or_else(|| number("jw-request-remaining")),
            reset: number("x-ratelimit-reset"),
            date,
        }
    }

    /// What the answer says about the rate limit: the body's word before the headers'.
    pub(super) fn outcome(&self, body: Option<&Map<String, Value>>, now: Timestamp) -> Outcome {
        let told = body.and_then(|body| body.get("rate_limit"));
        let field = |name| lenient::unsigned(told.and_then(|told| told.get(name)));
        let renewed_in = field("reset")
            .or(self.reset)
            .map(|reset| self.until(reset, now));
        if self.status == 429 {
            return Outcome::TooMany {
                wait: self.retry_after.or(renewed_in),
            };
        }
        let limit = field("limit")
            .or(self.limit)
            .and_then(|limit| u32::try_from(limit).ok());
        let remaining = field("remaining")
            .or(self.remaining)
            .and_then(|left| u32::try_from(left).ok());
        match (limit, remaining, renewed_in) {
            (Some(limit), Some(remaining), Some(renewed_in)) => Outcome::Left {
                limit,
                remaining,
                renewed_in,
            },
            (Some(limit), Some(remaining), None) => Outcome::Counted { limit, remaining },
            _ => Outcome::Silent,
        }
    }

    fn until(&self, reset: u64, now: Timestamp) -> Duration {
        let present = self.date.unwrap_or(now).as_second();
        let seconds = i64::try_from(reset)
            .unwrap_or(i64::MAX)
            .saturating_sub(present);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }
}

/// Reads the body, no further than any honest answer goes.
///
/// # Errors
/// The outer one for a connection that broke, the inner one for a body that is too long.
pub(super) async fn bounded(
    mut response: reqwest::Response,
) -> Result<Result<Vec<u8>, Garbage>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Ok(Err(Garbage::TooLong));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Ok(body))
}

/// The JSON object in a body.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Garbage> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return Err(Garbage::Empty);
    }
    if body.starts_with(b"<") {
        return Err(Garbage::Html);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Garbage::Shape("no JSON object in it".to_owned())),
        Err(_) => Err(Garbage::NotJson),
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `Retry-After` is a number of seconds, or a date that only the server's own clock can measure.
fn parse_wait(text: &str, date: Option<Timestamp>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date(text)?.duration_since(date?);
    Some(Duration::try_from(wait).unwrap_or_default())
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()
}

/// Names under which the API, other servers and the proxies before them give a request its name; the
/// first is that of API v2 (JW docs, "API v2 authentication", as are the `jw-request-` headers above).
const REQUEST_ID: [&str; 4] = [
    "jw-request-id",
    "x-request-id",
    "x-amzn-requestid",
    "x-amz-cf-id",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn body(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn sorts_garbage() {
        assert_eq!(object(b" \n"), Err(Garbage::Empty));
        assert_eq!(object(b"\n<!DOCTYPE html><p>"), Err(Garbage::Html));
        assert_eq!(object(b"{\"status\":\"o"), Err(Garbage::NotJson));
        assert_eq!(object(&b"[".repeat(100_000)), Err(Garbage::NotJson));
        assert!(matches!(object(b"[1]"), Err(Garbage::Shape(_))));
        assert!(matches!(object(b"null"), Err(Garbage::Shape(_))));
        assert!(object(b"{\"status\":\"ok\"}").is_ok());
    }

    #[test]
    fn the_body_s_limit_counts_by_the_server_s_clock() {
        let head = Head {
            status: 200,
            date: Some(at(1_000)),
            ..Head::default()
        };
        let told = body(json!({"rate_limit": {"limit": "60", "remaining": 59, "reset": 1_020}}));
        let renewed_in = Duration::from_secs(20);
        let left = Outcome::Left {
            limit: 60,
            remaining: 59,
            renewed_in,
        };
        assert_eq!(head.outcome(Some(&told), at(999_999)), left);
    }

    #[test]
    fn headers_serve_where_the_body_is_silent() {
        let numbers = (Some(60), Some(3), Some(1_015));
        let (limit, remaining, reset) = numbers;
        let head = Head {
            status: 200,
            limit,
            remaining,
            reset,
            ..Head::default()
        };
        let renewed_in = Duration::from_secs(15);
        let left = Outcome::Left {
            limit: 60,
            remaining: 3,
            renewed_in,
        };
        assert_eq!(head.outcome(None, at(1_000)), left);
        let head = Head {
            status: 200,
            ..Head::default()
        };
        assert_eq!(head.outcome(None, at(1_000)), Outcome::Silent);
    }

    #[test]
    fn too_many_names_its_wait() {
        let head = Head {
            status: 429,
            reset: Some(1_009),
            ..Head::default()
        };
        let wait = Some(Duration::from_secs(9));
        assert_eq!(head.outcome(None, at(1_000)), Outcome::TooMany { wait });
        let head = Head {
            status: 429,
            ..Head::default()
        };
        assert_eq!(
            head.outcome(None, at(1_000)),
            Outcome::TooMany { wait: None }
        );
    }

    #[test]
    fn a_count_without_its_end_is_a_count() {
        let (status, limit, remaining) = (200, Some(60), Some(7));
        let head = Head {
            status,
            limit,
            remaining,
            ..Head::default()
        };
        let (limit, remaining) = (60, 7);
        let counted = Outcome::Counted { limit, remaining };
        assert_eq!(head.outcome(None, at(1_000)), counted);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(parse_wait(" 120 ", None), Some(Duration::from_mins(2)));
        let date = http_date("Wed, 21 Oct 2015 07:28:00 GMT");
        assert!(date.is_some());
        let later = parse_wait("Wed, 21 Oct 2015 07:28:30 GMT", date);
        assert_eq!(later, Some(Duration::from_secs(30)));
        assert_eq!(
            parse_wait("Wed, 21 Oct 2015 07:27:30 GMT", date),
            Some(Duration::ZERO)
        );
        assert_eq!(parse_wait("soon", date), None);
        assert_eq!(parse_wait("-5", date), None);
    }
}
