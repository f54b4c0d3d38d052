//! Method `form`, the regular one: a multipart form with the file in its field `file` (JW docs, v1
//! file uploads).
//!
//! The whole request has an exact Content-Length, which the platform's upload host works from. Its
//! answer names size and MD5 of what it received; both are compared.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::answered::Verdict;
use super::body::Wrapping;
use super::error::Error;
use super::exchange::{Answer, compare, exchange, is_md5};
use super::flight::Flight;
use super::{Cargo, Receipt, name};
use crate::platform::code::{Class, Code};
use crate::platform::lenient;

/// Sends the file.
pub(super) async fn post(
    client: &reqwest::Client,
    cargo: &Cargo,
    flight: &Arc<Flight>,
) -> Result<Receipt, Error> {
    let boundary = format!("jw-ingest-{:032x}", rand::random::<u128>());
    let request = client.post(cargo.link.expose().clone()).header(
        CONTENT_TYPE,
        format!("multipart/form-data; boundary={boundary}"),
    );
    let answer = exchange(request, cargo, wrapping(&boundary, &cargo.name), flight).await?;
    judge_form(&answer, cargo, flight)
}

/// The form around the file; the host takes at most 512 bytes of part headers.
fn wrapping(boundary: &str, file_name: &str) -> Wrapping {
    let file_name = name::plain(file_name);
    let kind = name::content_type(&file_name);
    let before = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\
         \r\nContent-Type: {kind}\r\n\r\n"
    );
    Wrapping {
        before: before.into(),
        after: Bytes::from(format!("\r\n--{boundary}--\r\n")),
    }
}

fn judge_form(answer: &Answer, cargo: &Cargo, flight: &Flight) -> Result<Receipt, Error> {
    let object = match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(object)) => object,
        _ if answer.is_success() && !answer.complete => {
            return Err(judge_early(answer, cargo, flight));
        }
        _ => return Err(answer.error(answer.verdict_by_status(), None, None)),
    };
    let status = object.get("status").and_then(Value::as_str);
    if !answer.is_success() || status == Some("error") {
        return Err(refusal(answer, &object));
    }
    if !answer.complete {
        return Err(judge_early(answer, cargo, flight));
    }
    if status != Some("ok") {
        return Err(answer.error(Verdict::Unclear, None, None));
    }
    make_receipt(answer, &object, cargo.size)
}

fn judge_early(answer: &Answer, cargo: &Cargo, flight: &Flight) -> Error {
    Error::TooEarly {
        status: answer.status,
        sent: flight.sent(),
        size: cargo.size,
    }
}

fn make_receipt(answer: &Answer, object: &Map<String, Value>, size: u64) -> Result<Receipt, Error> {
    let their_size = under(object, ["file", "video"], "size");
    let their_md5 = under(object, ["file", "video"], "md5").filter(|md5| is_md5(md5));
    if their_size.is_none() && their_md5.is_none() {
        // A success that says nothing of the file may be about another one, or none.
        return Err(answer.error(Verdict::Unclear, None, None));
    }
    if let Some(theirs) = their_size {
        compare("size", &size.to_string(), theirs.trim())?;
    }
    let mut verified = false;
    match (&answer.md5, their_md5) {
        (Some(ours), Some(theirs)) => {
            compare("MD5", ours, &theirs)?;
            verified = true;
        }
        (Some(_), None) => {
            tracing::warn!(
                "the upload server reports no MD5 to compare with; its confirmation is \
                            accepted"
            );
        }
        (None, _) => {}
    }
    Ok(Receipt {
        bytes: size,
        md5: answer.md5.clone(),
        verified,
        request_id: answer.request_id(),
        media_key: under(object, ["media", "video"], "key"),
    })
}

/// A field of the upload host's answer, which older servers put under `video`.
pub(super) fn under(object: &Map<String, Value>, names: [&str; 2], field: &str) -> Option<String> {
    names
        .iter()
        .find_map(|name| lenient::text(object.get(*name)?.get(field)))
}

/// The platform's own error object, by the platform's own table; here the link's token takes the
/// place of the account's key.
pub(super) fn refusal(answer: &Answer, object: &Map<String, Value>) -> Error {
    let word = lenient::text(object.get("code"));
    let message =
        lenient::text(object.get("message")).or_else(|| lenient::text(object.get("title")));
    let code = Code::of(word.as_deref().unwrap_or_default());
    let said = message.as_deref().unwrap_or_default().to_ascii_lowercase();
    let verdict = match code.class(answer.status) {
        Class::Exists => Verdict::Unclear,
        Class::MaybeRun if answer.complete => Verdict::Unclear,
        Class::NotRun | Class::MaybeRun => Verdict::Passing,
        Class::Account | Class::Refused if said.contains("expired") => Verdict::LinkExpired,
        Class::Account => Verdict::LinkRefused,
        Class::Refused if code == Code::NotFound || said.contains("token") => Verdict::LinkRefused,
        Class::Refused if matches!(answer.status, 404 | 410) => Verdict::LinkRefused,
        Class::Refused => Verdict::Refused,
    };
    answer.error(verdict, word.as_deref(), message.as_deref())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::disposition::Disposition;

    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

    fn answer(status: u16, complete: bool, body: &str) -> Answer {
        let headers = HeaderMap::new();
        Answer {
            status,
            headers,
            body: body.into(),
            complete,
            md5: Some(MD5.to_owned()),
        }
    }

    fn judged(status: u16, complete: bool, body: &str) -> Result<Receipt, Error> {
        let answer = answer(status, complete, body);
        let object: Map<String, Value> = match serde_json::from_str(body) {
            Ok(object) => object,
            Err(_) => return Err(answer.error(answer.verdict_by_status(), None, None)),
        };
        if object.get("status").and_then(Value::as_str) == Some("ok") {
            make_receipt(&answer, &object, 3)
        } else {
            Err(refusal(&answer, &object))
        }
    }

    #[test]
    fn the_form_is_small_and_plain() {
        let wrapping = wrapping("B", "a \"b\" 北京.mp4");
        let before = String::from_utf8(wrapping.before.to_vec()).unwrap();
        assert_eq!(
            before,
            "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a__b____.mp4\"\r\n\
             Content-Type: video/mp4\r\n\r\n"
        );
        assert_eq!(wrapping.after, "\r\n--B--\r\n");
    }

    #[test]
    fn both_shapes_of_the_answer_are_compared() {
        for body in [
            format!(
                r#"{{"status":"ok","file":{{"size":3,"md5":"{MD5}"}},"media":{{"key":"foHgEGD4"}}}}"#
            ),
            format!(r#"{{"status":"ok","video":{{"size":"3","md5":"{MD5}","key":"foHgEGD4"}}}}"#),
        ] {
            let receipt = judged(200, true, &body).unwrap();
            assert!(receipt.verified);
            assert_eq!(receipt.media_key.as_deref(), Some("foHgEGD4"));
        }
        for (size, md5) in [("4", MD5), ("3", "00000000000000000000000000000000")] {
            let body = format!(r#"{{"status":"ok","file":{{"size":{size},"md5":"{md5}"}}}}"#);
            let error = judged(200, true, &body).unwrap_err();
            assert!(matches!(error, Error::Corrupt { .. }), "{error}");
            assert_eq!(error.disposition(), Disposition::LinkExpired);
        }
        let by_size = judged(200, true, r#"{"status":"ok","file":{"size":3}}"#);
        assert!(!by_size.unwrap().verified);
        let of_nothing = judged(200, true, r#"{"status":"ok"}"#).unwrap_err();
        assert_eq!(of_nothing.disposition(), Disposition::Ambiguous);
    }

    #[test]
    fn the_platform_s_codes_on_its_upload_host() {
        use Disposition::{Ambiguous, LinkExpired, Permanent};
        const LATER: Disposition = Disposition::TRANSIENT;
        for (status, code, message, complete, expected) in [
            (400, "FileUploadFailed", "", true, LATER),
            (400, "DigestInvalid", "", true, LATER),
            (500, "InternalError", "", true, Ambiguous),
            (500, "InternalError", "", false, LATER),
            (409, "ItemAlreadyExists", "", true, Ambiguous),
            (200, "", "", true, Ambiguous),
            (403, "PermissionDenied", "", true, LinkExpired),
            (
                400,
                "ParameterInvalid",
                "token: has expired",
                true,
                LinkExpired,
            ),
            (400, "ParameterInvalid", "token: unknown", true, LinkExpired),
            (404, "NotFound", "", true, LinkExpired),
            (400, "FileSizeInvalid", "", true, Permanent),
        ] {
            let body = format!(r#"{{"status":"error","code":"{code}","message":"{message}"}}"#);
            let error = judged(status, complete, &body).unwrap_err();
            assert_eq!(error.disposition(), expected, "{status} {code} {error}");
        }
    }
}
