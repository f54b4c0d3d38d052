//! Reads the links and tokens of API v2, whose lifetime is in themselves.
//!
//! A link is signed as it is: it must go out byte for byte as it came.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::Url;

use crate::platform::lenient;
use crate::platform::link::{Link, is_loopback};

/// Reads an upload link; `None` for one that cannot be used exactly as it is.
pub(super) fn parse_link(text: &str) -> Option<Link> {
    let url = Url::parse(text).ok()?;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    let is_plain = url.username().is_empty() && url.password().is_none();
    if !is_safe || !is_plain || url.fragment().is_some() || !is_unchanged(text, &url) {
        return None;
    }
    let expires_at = link_expiry(&url);
    Some(Link::new(url, expires_at))
}

/// Whether parsing left path and query alone.
///
/// It resolves dots in the path, which would name another object. In the query it escapes what may
/// not stand there raw, and `'`: the server that checks the signature decodes both alike.
fn is_unchanged(text: &str, url: &Url) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let tail = rest.find(['/', '?']).and_then(|at| rest.get(at..));
    let (path, query) = match tail.unwrap_or_default().split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (tail.unwrap_or_default(), None),
    };
    let path_is_same = path == url.path() || (path.is_empty() && url.path() == "/");
    let query_is_same = match (query, url.query()) {
        (None, None) => true,
        (Some(raw), Some(parsed)) => {
            raw == parsed || percent_decode_str(raw).eq(percent_decode_str(parsed))
        }
        _ => false,
    };
    path_is_same && query_is_same
}

/// When a link ends: `X-Amz-Date` and `X-Amz-Expires` (AWS, Signature Version 4), or `Expires`
/// (Version 2).
fn link_expiry(url: &Url) -> Option<Timestamp> {
    let value = |wanted: &str| {
        url.query_pairs()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    };
    if let Some(signed_at) = value("X-Amz-Date") {
        let signed_at = DateTime::strptime("%Y%m%dT%H%M%SZ", &*signed_at).ok()?;
        let signed_at = TimeZone::UTC.to_timestamp(signed_at).ok()?;
        let seconds = value("X-Amz-Expires")?.parse().ok()?;
        return signed_at
            .checked_add(SignedDuration::from_secs(seconds))
            .ok();
    }
    let second = value("Expires")?.parse().ok()?;
    Timestamp::from_second(second).ok()
}

/// When a token ends, if it is a JSON Web Token that says so (RFC 7519, `exp`). Its signature is
/// the platform's own affair.
pub(super) fn token_expiry(token: &str) -> Option<Timestamp> {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let exp = claims.get("exp");
    // RFC 7519 allows fractions; a second less is on the safe side.
    let second = lenient::signed(exp).or_else(|| {
        let whole = lenient::decimal(exp)?.floor();
        format!("{whole:.0}").parse().ok()
    })?;
    Timestamp::from_second(second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: Option<Timestamp>) -> Option<i64> {
        at.map(Timestamp::as_second)
    }

    #[test]
    fn links_go_out_as_they_came() {
        for link in [
            "https://s3.example/a%2Fb/c+d?X-Amz-Credential=A%2F2026%2fus&X-Amz-Signature=0aF~-._",
            "https://s3.example/k?Signature=1/l+L6%2ByOE=&AWSAccessKeyId=A&&empty=&bare",
            "https://s3.example:8443/k?a=b?c/d|e[f]:@!$(),;*",
            "http://127.0.0.1:9/s3/k?partNumber=1&uploadId=x",
        ] {
            assert_eq!(parse_link(link).unwrap().expose().as_str(), link);
            let stored = parse_link(link).unwrap().store();
            assert_eq!(Link::restore(&stored).unwrap().expose().as_str(), link);
        }
        // Escaped on the way, and the same once decoded.
        let quoted = parse_link("https://s3.example/k?disposition='a b'").unwrap();
        assert_eq!(quoted.expose().query(), Some("disposition=%27a%20b%27"));
    }

    #[test]
    fn links_that_would_change_or_leak_are_not_taken() {
        for link in [
            "",
            "/k?x=1",
            "https://s3.example/a/../b?x=1",
            "https://s3.example/a/%2e%2e/b?x=1",
            "https://s3.example/a b?x=1",
            "https://s3.example\\k?x=1",
            "https://s3.example/k?x=1\n2",
            "https://s3.example/k?x=1#2",
            "https://user:pw@s3.example/k?x=1",
            "http://s3.example/k?x=1",
            "ftp://s3.example/k",
            "file:///etc/passwd",
        ] {
            assert!(parse_link(link).is_none(), "{link}");
        }
    }

    #[test]
    fn a_link_says_when_it_ends() {
        for (query, expected) in [
            (
                "X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400",
                Some(1_369_440_000),
            ),
            ("x-amz-expires=1&x-amz-date=19700101T000000Z", Some(1)),
            (
                "AWSAccessKeyId=A&Expires=1482770374&Signature=b",
                Some(1_482_770_374),
            ),
            ("X-Amz-Date=20130524T000000Z", None),
            ("X-Amz-Date=yesterday&X-Amz-Expires=1", None),
            (
                "X-Amz-Date=20130524T000000Z&X-Amz-Expires=9223372036854775807",
                None,
            ),
            ("Expires=never", None),
            ("a=b", None),
        ] {
            let link = parse_link(&format!("https://s3.example/k?{query}")).unwrap();
            assert_eq!(second(link.expires_at()), expected, "{query}");
        }
    }

    #[test]
    fn a_token_says_when_it_ends() {
        let jwt = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        for (token, expected) in [
            (jwt("{\"exp\":1482770374,\"x\":1}"), Some(1_482_770_374)),
            (jwt("{\"exp\":1482770374.9}"), Some(1_482_770_374)),
            (jwt("{\"exp\":\"1482770374\"}"), Some(1_482_770_374)),
            (jwt("{\"exp\":1e300}"), None),
            (jwt("{\"exp\":null}"), None),
            (jwt("[]"), None),
            (jwt("{"), None),
            ("opaque".to_owned(), None),
            ("a.%%%.b".to_owned(), None),
            ("a.b.c.d".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(second(token_expiry(&token)), expected, "{token}");
        }
    }
}
