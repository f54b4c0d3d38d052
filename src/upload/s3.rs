//! Method `s3`: one PUT of the bare file to a signed link (JW docs, "Upload videos with AWS S3").
//!
//! The signature covers Content-Type, Content-MD5 and all `x-amz-*` headers, so none of them may be
//! sent; Content-Disposition and User-Agent are not covered. The `ETag` of the answer is the MD5
//! of what S3 stored.

use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use reqwest::header::{CONTENT_DISPOSITION, ETAG, LOCATION};
use url::Url;

use super::answered::Verdict;
use super::body::Wrapping;
use super::error::Error;
use super::exchange::{Answer, compare, exchange, is_md5};
use super::flight::Flight;
use super::{Cargo, Receipt, name};
use crate::platform::link::is_loopback;

/// Sends the file; follows a redirect of S3's own kind (307) by sending all of it again.
pub(super) async fn put(
    client: &reqwest::Client,
    cargo: &Cargo,
    flight: &Arc<Flight>,
) -> Result<Receipt, Error> {
    let disposition = format!("attachment; filename=\"{}\"", name::plain(&cargo.name));
    let request = |url| {
        client
            .put(url)
            .header(CONTENT_DISPOSITION, disposition.as_str())
    };
    let receipt = follow_redirects(request, cargo, flight).await?;
    if cargo.hash && !receipt.verified {
        tracing::warn!(
            "the upload server reports no MD5 to compare with; its confirmation is \
                        accepted"
        );
    }
    Ok(receipt)
}

/// Sends one part of a file, which has no name of its own; an S3 that names no MD5 is told by
/// `verified` alone.
pub(super) async fn put_part(
    client: &reqwest::Client,
    cargo: &Cargo,
    flight: &Arc<Flight>,
) -> Result<Receipt, Error> {
    follow_redirects(|url| client.put(url), cargo, flight).await
}

async fn follow_redirects(
    request: impl Fn(Url) -> reqwest::RequestBuilder,
    cargo: &Cargo,
    flight: &Arc<Flight>,
) -> Result<Receipt, Error> {
    let mut url = cargo.link.expose().clone();
    for _ in 0..=MOST_REDIRECTS {
        let request = request(url.clone());
        let answer = exchange(request, cargo, Wrapping::default(), flight).await?;
        if answer.status != 307 {
            return judge_put(&answer, cargo, flight);
        }
        let status = answer.status;
        url = find_redirect(&answer, &url).ok_or(Error::Redirected { status })?;
        flight.rewind(0);
    }
    Err(Error::Redirected { status: 307 })
}

/// Where a redirect leads, if it is safe to go there with the same bytes.
fn find_redirect(answer: &Answer, from: &Url) -> Option<Url> {
    let url = from.join(answer.header(LOCATION.as_str())?).ok()?;
    (url.scheme() == "https" || (is_loopback(&url) && is_loopback(from))).then_some(url)
}

fn judge_put(answer: &Answer, cargo: &Cargo, flight: &Flight) -> Result<Receipt, Error> {
    if !answer.is_success() {
        return Err(parse_refusal(answer));
    }
    if !answer.complete {
        let (status, sent) = (answer.status, flight.sent());
        return Err(Error::TooEarly {
            status,
            sent,
            size: cargo.size,
        });
    }
    // S3 names what it stored, always: without that, another server answered, and it is not known
    // whether the object is there. The platform is asked.
    let Some(etag) = answer.header(ETAG.as_str()) else {
        return Err(answer.error(Verdict::Unclear, None, None));
    };
    let etag = etag.trim_matches('"');
    let mut verified = false;
    if let Some(md5) = &answer.md5
        && is_md5(etag)
    {
        compare("MD5", md5, etag)?;
        verified = true;
    }
    Ok(Receipt {
        bytes: cargo.size,
        md5: answer.md5.clone(),
        verified,
        request_id: answer.request_id(),
        media_key: None,
    })
}

/// S3's error document, as far as it matters.
#[derive(Debug, Default, PartialEq, Eq)]
struct Document {
    code: Option<String>,
    message: Option<String>,
}

fn parse_refusal(answer: &Answer) -> Error {
    let document = parse(&answer.body);
    let message = document.message.as_deref();
    let verdict = match document.code.as_deref() {
        Some(code) => judge_code(code, message.unwrap_or_default(), answer),
        None => answer.verdict_by_status(),
    };
    answer.error(verdict, document.code.as_deref(), message)
}

/// What S3's codes come to (AWS, "Error responses"). An error in S3's own words means that it did
/// not store the object, unlike a gateway's 502.
fn judge_code(code: &str, message: &str, answer: &Answer) -> Verdict {
    match code {
        "ExpiredToken" | "TokenRefreshRequired" => Verdict::LinkExpired,
        "AccessDenied" if message.contains("expired") => Verdict::LinkExpired,
        "AccessDenied"
        | "SignatureDoesNotMatch"
        | "InvalidAccessKeyId"
        | "NoSuchBucket"
        | "NoSuchUpload"
        | "NoSuchKey"
        | "InvalidToken"
        | "RequestTimeTooSkewed" => Verdict::LinkRefused,
        "RequestTimeout"
        | "IncompleteBody"
        | "BadDigest"
        | "InternalError"
        | "SlowDown"
        | "ServiceUnavailable"
        | "OperationAborted"
        | "Throttling"
        | "RequestLimitExceeded" => Verdict::Passing,
        "EntityTooLarge" | "MissingContentLength" | "NotImplemented" | "MethodNotAllowed" => {
            Verdict::Refused
        }
        _ => match answer.status {
            300..=399 | 408 | 409 | 429 | 500..=599 => Verdict::Passing,
            401 | 403 | 404 | 410 => Verdict::LinkRefused,
            _ => Verdict::Refused,
        },
    }
}

/// Reads code and message out of the document; anything else than S3's XML gives none.
fn parse(body: &[u8]) -> Document {
    let mut document = Document::default();
    let text = String::from_utf8_lossy(body);
    if !text.contains("<Error>") {
        return document;
    }
    let mut reader = Reader::from_str(&text);
    let mut element = String::new();
    loop {
        let text = match reader.read_event() {
            Ok(Event::Start(start)) => {
                start.name().as_ref().clone_into(&mut element);
                continue;
            }
            Ok(Event::Text(text)) => text.to_string(),
            Ok(Event::GeneralRef(entity)) => resolve_predefined_entity(&entity)
                .unwrap_or_default()
                .to_owned(),
            Ok(Event::End(_)) => {
                element.clear();
                continue;
            }
            Ok(Event::Eof) | Err(_) => return document,
            Ok(_) => continue,
        };
        match element.as_str() {
            "Code" => document.code.get_or_insert_default().push_str(&text),
            "Message" => document.message.get_or_insert_default().push_str(&text),
            _ => {}
        }
    }
}

const MOST_REDIRECTS: usize = 2;

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::disposition::Disposition;

    fn judged(status: u16, complete: bool, body: &str) -> Error {
        let headers = HeaderMap::new();
        parse_refusal(&Answer {
            status,
            headers,
            body: body.into(),
            complete,
            md5: None,
        })
    }

    fn xml(code: &str, message: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
                 <AWSAccessKeyId>AKIAX</AWSAccessKeyId><RequestId>r</RequestId></Error>"
        )
    }

    #[test]
    fn s3_s_codes() {
        use Disposition::{LinkExpired, Permanent};
        const LATER: Disposition = Disposition::TRANSIENT;
        for (status, code, message, expected) in [
            (403, "AccessDenied", "Request has expired", LinkExpired),
            (403, "AccessDenied", "Access Denied", LinkExpired),
            (403, "SignatureDoesNotMatch", "", LinkExpired),
            (400, "RequestTimeout", "", LATER),
            (400, "IncompleteBody", "", LATER),
            (400, "BadDigest", "", LATER),
            (500, "InternalError", "", LATER),
            (503, "SlowDown", "", LATER),
            (429, "SomethingNew", "", LATER),
            (400, "EntityTooLarge", "", Permanent),
            (411, "MissingContentLength", "", Permanent),
            (400, "SomethingNew", "", Permanent),
        ] {
            let error = judged(status, true, &xml(code, message));
            assert_eq!(error.disposition(), expected, "{status} {code} {error}");
            assert!(!error.to_string().contains("AKIAX"), "{error}");
        }
    }

    #[test]
    fn expired_is_told_from_refused() {
        let verdict = |error: &Error| match error {
            Error::Answered(answered) => answered.verdict,
            other => panic!("{other}"),
        };
        let expired = judged(403, true, &xml("AccessDenied", "Request has expired"));
        assert_eq!(verdict(&expired), Verdict::LinkExpired);
        let refused = judged(
            403,
            true,
            &xml("SignatureDoesNotMatch", "The request signature"),
        );
        assert_eq!(verdict(&refused), Verdict::LinkRefused);
        assert_eq!(verdict(&judged(403, false, "")), Verdict::LinkRefused);
    }

    #[test]
    fn a_gateway_s_word_is_no_proof_once_all_is_out() {
        for status in [500, 502, 503, 504, 302] {
            let html = "<html>Bad Gateway</html>";
            assert_eq!(
                judged(status, true, html).disposition(),
                Disposition::Ambiguous
            );
            assert_eq!(
                judged(status, false, html).disposition(),
                Disposition::TRANSIENT
            );
        }
        assert_eq!(judged(413, false, "").disposition(), Disposition::Permanent);
        assert_eq!(
            judged(400, false, "what?").disposition(),
            Disposition::TRANSIENT
        );
    }

    #[test]
    fn documents_of_any_kind_are_survived() {
        let good = parse(xml("SlowDown", "a &lt;b&gt;").as_bytes());
        assert_eq!(good.code.as_deref(), Some("SlowDown"));
        assert_eq!(good.message.as_deref(), Some("a <b>"));
        for bad in [
            &b""[..],
            b"<Error>",
            b"<Error><Code>",
            b"<Error><Code></Message>",
            b"\xff<Error>",
        ] {
            assert_eq!(parse(bad), Document::default(), "{bad:?}");
        }
        assert_eq!(parse(b"<Error><Code>Slow").code.as_deref(), Some("Slow"));
    }
}
