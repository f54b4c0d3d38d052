//! What an answer of the upload host comes to: its body decides, not its status.

use serde_json::{Map, Value};

use super::range::{Held, Hitch};
use crate::upload::answered::Verdict;
use crate::upload::error::Error;
use crate::upload::exchange::{Answer, compare, is_md5};
use crate::upload::form;

/// An answer that the transfer can continue from.
#[derive(Debug)]
pub(super) enum Reply {
    /// The server says what it holds, or something that cannot be true.
    Holds(Result<Held, Hitch>),
    /// It has the whole file.
    Taken(Taken),
    /// The segment is too large for it; the error is for when it cannot be smaller.
    TooLarge(Error),
    /// It failed for the moment.
    Failed(Error),
}

/// The server's word that it has the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) request_id: Option<String>,
    pub(super) media_key: Option<String>,
    md5: Option<String>,
}

impl Taken {
    /// Whether the server names the same MD5; it rarely names any for an upload in segments.
    pub(super) fn matches(&self, ours: Option<&str>) -> Result<bool, Error> {
        match (ours, self.md5.as_deref()) {
            (Some(ours), Some(theirs)) => compare("MD5", ours, theirs).map(|()| true),
            _ => Ok(false),
        }
    }
}

/// Judges the answer to a piece of a file of `size` bytes.
///
/// # Errors
/// For answers that end this transfer, at least for now.
pub(super) fn judge_piece(answer: &Answer, size: u64) -> Result<Reply, Error> {
    if answer.status == 413 {
        let error = answer.error(Verdict::Refused, None, None);
        return Ok(Reply::TooLarge(error));
    }
    if let Ok(Value::Object(object)) = serde_json::from_slice(&answer.body) {
        return by_object(answer, &object, size);
    }
    if answer.is_success() {
        let held = held(answer, size);
        // The file may be there: what is held now is no news of it, and a probe would open a new
        // upload. The same if it holds everything and does not say that it is done.
        let is_over = held.as_ref().map_or(true, |held| held.confirmed() >= size);
        if answer.complete && is_over {
            return Err(answer.error(Verdict::Unclear, None, None));
        }
        return Ok(Reply::Holds(held));
    }
    let verdict = match answer.status {
        // It takes the headers for wrong.
        415 | 416 => Verdict::Refused,
        _ => answer.verdict_by_status(),
    };
    passing_or_not(answer.error(verdict, None, None), answer)
}

/// The list of what the server holds is in a header and again in the body.
fn held(answer: &Answer, size: u64) -> Result<Held, Hitch> {
    let body = String::from_utf8_lossy(&answer.body);
    Held::parse(answer.header("range").unwrap_or(&body), size)
}

fn by_object(answer: &Answer, object: &Map<String, Value>, size: u64) -> Result<Reply, Error> {
    match object.get("status").and_then(Value::as_str) {
        Some("ok") if answer.is_success() || answer.status == 302 => {
            parse_taken(answer, object, size)
        }
        None if answer.is_success() && !answer.complete => Ok(Reply::Holds(Err(Hitch::Malformed))),
        _ => parse_refusal(answer, object),
    }
}

fn parse_taken(answer: &Answer, object: &Map<String, Value>, size: u64) -> Result<Reply, Error> {
    let Some(theirs) = form::under(object, ["file", "video"], "size") else {
        // An end without a file: the host found its notes on the session spoilt.
        return Err(if answer.complete {
            answer.error(Verdict::Unclear, None, None)
        } else {
            Error::Session(Hitch::NoFile)
        });
    };
    compare("size", &size.to_string(), theirs.trim())?;
    Ok(Reply::Taken(Taken {
        request_id: answer.request_id(),
        media_key: form::under(object, ["media", "video"], "key"),
        md5: form::under(object, ["file", "video"], "md5").filter(|md5| is_md5(md5)),
    }))
}

/// The platform's own refusal. What it does not like is the session rather than the file: a new one
/// is the way on, and the caller counts those.
fn parse_refusal(answer: &Answer, object: &Map<String, Value>) -> Result<Reply, Error> {
    let mut error = form::refusal(answer, object);
    if let Error::Answered(answered) = &mut error
        && answered.verdict == Verdict::Refused
    {
        answered.verdict = Verdict::LinkRefused;
    }
    passing_or_not(error, answer)
}

/// A passing fault may be tried again at once, but not after the last byte, when the session may be
/// gone, and not if the server named a time.
fn passing_or_not(error: Error, answer: &Answer) -> Result<Reply, Error> {
    match &error {
        Error::Answered(answered)
            if answered.verdict == Verdict::Passing
                && answered.after.is_none()
                && !answer.complete =>
        {
            Ok(Reply::Failed(error))
        }
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;
    use crate::disposition::Disposition;

    fn answer(status: u16, complete: bool, body: &str) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
            complete,
            md5: None,
        }
    }

    fn judged(status: u16, complete: bool, body: &str) -> Result<Reply, Error> {
        judge_piece(&answer(status, complete, body), 10)
    }

    const DONE: &str = r#"{"status":"ok","media":{"key":"k"},"file":{"size":"10"}}"#;

    #[test]
    fn the_body_decides() {
        for status in [200, 201, 302] {
            let reply = judged(status, true, DONE).unwrap();
            assert!(
                matches!(&reply, Reply::Taken(taken) if taken.media_key.as_deref() == Some("k")),
                "{status} {reply:?}"
            );
        }
        for status in [200, 201] {
            let reply = judged(status, false, "0-4/10").unwrap();
            assert!(matches!(reply, Reply::Holds(Ok(_))), "{status} {reply:?}");
        }
        let older = r#"{"status":"ok","video":{"key":"k","size":10}}"#;
        assert!(matches!(judged(200, true, older), Ok(Reply::Taken(_))));
    }

    #[test]
    fn a_header_goes_before_the_body() {
        let mut answer = answer(201, false, "0-4/10");
        let range = HeaderValue::from_static("0-6/10");
        answer.headers.insert("range", range);
        match judge_piece(&answer, 10).unwrap() {
            Reply::Holds(Ok(held)) => assert_eq!(held.confirmed(), 7),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_ends_it_before_and_after_the_last_byte() {
        use Disposition::{Ambiguous, LinkExpired, Permanent};
        const LATER: Disposition = Disposition::TRANSIENT;
        let refused = r#"{"status":"error","code":"ParameterMissing"}"#;
        let failed = r#"{"status":"error","code":"FileUploadFailed"}"#;
        let other_size = r#"{"status":"ok","file":{"size":9}}"#;
        for (status, complete, body, expected) in [
            (200, true, r#"{"status":"ok","file":null}"#, Ambiguous),
            (200, false, r#"{"status":"ok"}"#, LinkExpired),
            (200, true, other_size, LinkExpired),
            (200, true, "", Ambiguous),
            (200, true, "<html>", Ambiguous),
            (201, true, "0-9/10", Ambiguous),
            (201, true, "0-1/11", Ambiguous),
            (302, true, "", Ambiguous),
            (200, true, "{}", Ambiguous),
            (502, true, "<html>", Ambiguous),
            (503, true, failed, LATER),
            (400, true, refused, LinkExpired),
            (400, false, refused, LinkExpired),
            (404, false, "", LinkExpired),
            (405, false, "", Permanent),
            (415, false, "", Permanent),
            (416, false, "", Permanent),
        ] {
            let error = judged(status, complete, body).unwrap_err();
            assert_eq!(
                error.disposition(),
                expected,
                "{status} {complete} {body}: {error}"
            );
        }
    }

    #[test]
    fn what_can_be_tried_again_at_once() {
        for (status, body) in [(500, ""), (503, "<html>"), (400, "what?"), (302, "")] {
            let reply = judged(status, false, body).unwrap();
            assert!(matches!(reply, Reply::Failed(_)), "{status} {reply:?}");
        }
        let mut busy = answer(503, false, "");
        let wait = HeaderValue::from_static("7");
        busy.headers.insert("retry-after", wait);
        let error = judge_piece(&busy, 10).unwrap_err();
        let after = Some(std::time::Duration::from_secs(7));
        assert_eq!(error.disposition(), Disposition::Transient { after });
    }
}
