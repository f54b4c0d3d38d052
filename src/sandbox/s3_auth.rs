//! Who may put something into S3: the link's signature, of either version, and its time (AWS docs,
//! query string authentication, versions 2 and 4).
//!
//! S3 looks at the time before it looks at the signature.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};

use super::Sandbox;
use super::link::Method as Way;
use super::params::Params;
use super::s3_error::S3Error;
use super::s3_sign::{self, amz_headers};
use super::s3_sign4::{self, ALGORITHM, LONGEST_S, SERVICE};

/// Checks the link; answers its query.
pub(super) fn check(sandbox: &Sandbox, parts: &Parts) -> Result<Params, S3Error> {
    let known = [Method::PUT, Method::GET, Method::HEAD, Method::DELETE];
    if !known.contains(&parts.method) {
        let message = "The specified method is not allowed against this resource";
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(S3Error::new(status, "MethodNotAllowed", message));
    }
    let mut query = Params::default();
    query
        .decode(parts.uri.query().unwrap_or_default().as_bytes())
        .map_err(|_| S3Error::bad("InvalidURI", "The query is not percent-encoded UTF-8"))?;
    let signed = query.starting("X-Amz-").next().is_some() || query.get("Signature").is_some();
    if signed && parts.headers.contains_key(header::AUTHORIZATION) {
        let message = "Only one auth mechanism allowed";
        return Err(S3Error::bad("InvalidArgument", message));
    }
    if query.starting("X-Amz-").next().is_some() {
        check_4(sandbox, parts, &query)?;
    } else {
        check_2(sandbox, parts, &query)?;
    }
    Ok(query)
}

fn check_2(sandbox: &Sandbox, parts: &Parts, query: &Params) -> Result<(), S3Error> {
    let denied = || S3Error::forbidden("AccessDenied", "Access Denied");
    let access = query.get("AWSAccessKeyId").ok_or_else(denied)?;
    let given = query.get("Signature").ok_or_else(denied)?;
    let expires = query.get("Expires").ok_or_else(denied)?;
    let keys = sandbox.store.keys();
    if access != keys.access {
        return Err(stranger());
    }
    let until: i64 = expires.parse().map_err(|_| denied())?;
    let now = sandbox.now_s();
    if now > until {
        return Err(expired(expires, now));
    }
    let signed = s3_sign::Request {
        method: parts.method.as_str(),
        content_md5: header_text(&parts.headers, HeaderName::from_static("content-md5")),
        content_type: header_text(&parts.headers, header::CONTENT_TYPE),
        expires,
        amz_headers: &amz_headers(&parts.headers),
        resource: &resource(parts.uri.path(), query),
    };
    if signed.signature(&keys.secret) == given {
        return Ok(());
    }
    Err(mismatch().with("StringToSign", &signed.to_sign()))
}

fn check_4(sandbox: &Sandbox, parts: &Parts, query: &Params) -> Result<(), S3Error> {
    let need = |name: &str| {
        let message = "Query-string authentication version 4 requires the X-Amz-Algorithm, \
                       X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and \
                       X-Amz-Expires parameters.";
        query.get(name).ok_or_else(|| malformed(message))
    };
    if need("X-Amz-Algorithm")? != ALGORITHM {
        return Err(malformed("X-Amz-Algorithm only supports AWS4-HMAC-SHA256"));
    }
    let stamp = need("X-Amz-Date")?;
    let scope = check_credential(sandbox, need("X-Amz-Credential")?, stamp)?;
    check_time(sandbox.now_s(), stamp, need("X-Amz-Expires")?)?;
    let names: Vec<&str> = need("X-Amz-SignedHeaders")?.split(';').collect();
    check_headers(sandbox, parts, &names)?;
    let given = need("X-Amz-Signature")?;
    let own = |(name, _): &&(String, String)| name != "X-Amz-Signature";
    let signed = s3_sign4::Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: query.pairs().iter().filter(own).cloned().collect(),
        headers: names
            .iter()
            .map(|name| (*name, named(&parts.headers, name)))
            .collect(),
        stamp,
        scope,
    };
    if signed.signature(&sandbox.store.keys().secret) == given {
        return Ok(());
    }
    Err(mismatch().with("StringToSign", &signed.to_sign()))
}

/// The scope of a credential: `<access key>/<day>/<region>/s3/aws4_request`.
fn check_credential<'a>(
    sandbox: &Sandbox,
    credential: &'a str,
    stamp: &str,
) -> Result<&'a str, S3Error> {
    let wrong = || malformed("Error parsing the X-Amz-Credential parameter");
    let (access, scope) = credential.split_once('/').ok_or_else(wrong)?;
    let (day, rest) = scope.split_once('/').ok_or_else(wrong)?;
    let (_region, service) = rest.split_once('/').ok_or_else(wrong)?;
    if service != SERVICE || !stamp.starts_with(day) || day.len() != 8 {
        return Err(wrong());
    }
    if access != sandbox.store.keys().access {
        return Err(stranger());
    }
    Ok(scope)
}

fn check_time(now: i64, stamp: &str, expires: &str) -> Result<(), S3Error> {
    let from = s3_sign4::read_stamp(stamp);
    let message = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"";
    let from = from.ok_or_else(|| malformed(message))?;
    let lifetime: i64 = expires
        .parse()
        .map_err(|_| malformed("X-Amz-Expires should be a number"))?;
    if !(1..=LONGEST_S).contains(&lifetime) {
        return Err(malformed(
            "X-Amz-Expires must be less than a week (in seconds)",
        ));
    }
    if from.saturating_sub(now) > SKEW_S {
        return Err(S3Error::forbidden(
            "AccessDenied",
            "Request is not yet valid",
        ));
    }
    let until = from.saturating_add(lifetime);
    if now > until {
        return Err(expired(&until.to_string(), now).with("X-Amz-Expires", expires));
    }
    Ok(())
}

/// Which headers there may be beside those that are signed.
fn check_headers(sandbox: &Sandbox, parts: &Parts, signed: &[&str]) -> Result<(), S3Error> {
    if !signed.contains(&"host") || !signed.is_sorted() {
        return Err(malformed(
            "X-Amz-SignedHeaders has to hold host, and to be sorted",
        ));
    }
    let amazon = |name: &&str| name.starts_with("x-amz-") && !signed.contains(name);
    let stray = parts.headers.keys().map(HeaderName::as_str).find(amazon);
    if let Some(stray) = stray {
        let message = "There were headers present in the request which were not signed";
        return Err(S3Error::forbidden("AccessDenied", message).with("HeadersNotSigned", stray));
    }
    let kind = header_text(&parts.headers, header::CONTENT_TYPE);
    let sent = parts.headers.contains_key(header::CONTENT_TYPE);
    if !sent || signed.contains(&"content-type") {
        return Ok(());
    }
    // S3 itself would not mind. The platform's rule is to send none unless it was announced (JW
    // docs, v2 direct uploads); whether it holds for parts too is not said, so either will do there.
    let key = parts.uri.path().trim_start_matches("/s3/");
    let announced = sandbox.store.video(key).map(|video| video.link.order);
    match announced {
        Some(order) if order.method == Way::Parts && order.content_type == kind => Ok(()),
        _ => Err(mismatch()),
    }
}

fn named<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

fn malformed(message: &str) -> S3Error {
    S3Error::bad("AuthorizationQueryParametersError", message)
}

fn stranger() -> S3Error {
    let message = "The AWS Access Key Id you provided does not exist in our records.";
    S3Error::forbidden("InvalidAccessKeyId", message)
}

fn expired(until: &str, now: i64) -> S3Error {
    S3Error::forbidden("AccessDenied", "Request has expired")
        .with("Expires", until)
        .with("ServerTime", &now.to_string())
}

fn mismatch() -> S3Error {
    let message = "The request signature we calculated does not match the signature you provided. \
                   Check your key and signing method.";
    S3Error::forbidden("SignatureDoesNotMatch", message)
}

/// The path with those query parameters that name a part of the object.
fn resource(path: &str, query: &Params) -> String {
    let mut named: Vec<String> = query
        .pairs()
        .iter()
        .filter(|(name, _)| SUB_RESOURCES.contains(&name.as_str()))
        .map(|(name, value)| {
            if value.is_empty() {
                name.clone()
            } else {
                format!("{name}={value}")
            }
        })
        .collect();
    named.sort_unstable();
    let mark = if named.is_empty() { "" } else { "?" };
    format!("{path}{mark}{}", named.join("&"))
}

/// The text of a header, or nothing.
pub(super) fn header_text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// How far ahead of S3's clock a signature may be, in seconds.
const SKEW_S: i64 = 15 * 60;

/// The query parameters that are signed as a part of the resource (AWS docs, signature version 2).
const SUB_RESOURCES: [&str; 10] = [
    "acl",
    "lifecycle",
    "location",
    "partNumber",
    "policy",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "website",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_resources_belong_to_the_resource_and_others_do_not() {
        let mut query = Params::default();
        query.decode(b"uploads&Expires=1&partNumber=2&x=y").unwrap();
        assert_eq!(resource("/s3/k", &query), "/s3/k?partNumber=2&uploads");
        assert_eq!(resource("/s3/k", &Params::default()), "/s3/k");
    }
}
