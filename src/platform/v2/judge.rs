//! Sorts an answer of API v2 into "done", "refused by the platform" and "from somewhere else".

use std::time::Duration;

use serde_json::{Map, Value};

use super::target::Target;
use crate::platform::error::{Cause, Effect, Error, Garbage, Garbled, Refusal};
use crate::platform::http::{Answer, Silence};
use crate::platform::lenient;
use crate::platform::read::Head;

/// A call under judgement.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// Its name in messages, such as `POST /media`; nothing secret.
    pub(super) name: String,
    pub(super) target: Target,
    pub(super) effect: Effect,
    /// Whether its answer may be something else than a JSON object, such as nothing.
    pub(super) bare: bool,
}

impl Call {
    /// What became of it.
    pub(super) fn judge(
        &self,
        answer: Result<Answer, Silence>,
    ) -> Result<Map<String, Value>, Error> {
        let Answer {
            head,
            object,
            body,
            after,
            skew: _,
        } = answer.map_err(|silence| self.silence(silence))?;
        let garbage = match (object, head.status) {
            // Where nothing is expected, a list of errors is not a success, even with a status of
            // success.
            (Ok(object), 200..300) if self.bare && parse_said(Some(&object)).is_some() => {
                Garbage::Shape("errors under a status of success".to_owned())
            }
            (Ok(object), 200..300) => return Ok(object),
            (Err(Garbage::Empty | Garbage::NotJson | Garbage::Shape(_)), 200..300) if self.bare => {
                return Ok(Map::new());
            }
            (object, 400..) => {
                // Its own word even without a list of errors: some refusals are a bare text (the
                // official clients allow for it), and no proxy marks an answer as the API does.
                let is_own = head.is_v2 || is_plain_absence(&head, &body);
                let told = parse_said(object.as_ref().ok());
                match (told, object) {
                    (Some(told), _) => return Err(self.refused(head, after, told)),
                    (None, _) if is_own => {
                        return Err(self.refused(head, after, Said::default()));
                    }
                    (None, Ok(_)) => Garbage::Shape("no list of errors".to_owned()),
                    (None, Err(garbage)) => garbage,
                }
            }
            (Err(garbage), _) => garbage,
            (Ok(_), _) => Garbage::Shape("a status that the platform never answers".to_owned()),
        };
        Err(Error::Garbled(Box::new(Garbled {
            call: self.name.clone(),
            effect: self.effect,
            status: head.status,
            garbage,
            after,
            request_id: head.request_id,
        })))
    }

    /// The answer is the platform's, but lacks what the text names.
    pub(super) fn lacks(&self, missing: impl Into<String>) -> Error {
        Error::Garbled(Box::new(Garbled {
            call: self.name.clone(),
            effect: self.effect,
            status: 200,
            garbage: Garbage::Shape(missing.into()),
            after: None,
            request_id: None,
        }))
    }

    fn silence(&self, silence: Silence) -> Error {
        let call = self.name.clone();
        match silence {
            Silence::Unsent(source) => Error::Unreachable { call, source },
            Silence::Lost(source) => Error::Lost {
                call,
                effect: self.effect,
                source,
            },
        }
    }

    fn refused(&self, head: Head, after: Option<Duration>, said: Said) -> Error {
        let after = match head.status {
            429 => after.or_else(|| Some(rest_of_a_window())),
            _ => after,
        };
        Error::Refused(Box::new(Refusal {
            call: self.name.clone(),
            effect: self.effect,
            status: head.status,
            cause: Cause::Status(self.target),
            word: said
                .code
                .unwrap_or_else(|| "an error without a code".to_owned()),
            message: said.message,
            after,
            request_id: head.request_id,
        }))
    }
}

/// No header says when a window ends, and all of them are a minute long: after a whole one there is
/// room for certain, and several daemons with one token should not find it at the same instant.
fn rest_of_a_window() -> Duration {
    Duration::from_millis(rand::random_range(60_000..65_000))
}

/// What a refusal says about itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    code: Option<String>,
    message: String,
}

/// Reads `{"errors":[{"code","description"}]}`, which may have several entries: the first code, and
/// every description. `None` for anything else.
fn parse_said(object: Option<&Map<String, Value>>) -> Option<Said> {
    let errors = object?.get("errors")?.as_array()?;
    let word = |entry: &Value, name| lenient::text(entry.get(name));
    let message = errors
        .iter()
        .take(MOST_ERRORS)
        .filter_map(|entry| word(entry, "description"))
        .collect::<Vec<_>>()
        .join("; ");
    let code = errors.iter().find_map(|entry| word(entry, "code"));
    Some(Said {
        code: code.map(|code| lenient::bound_line(&code)),
        message: lenient::bound_line(&message),
    })
}

/// Descriptions of one refusal that are kept.
const MOST_ERRORS: usize = 10;

/// The bare text with which the API says 404, in the tests of the official clients.
fn is_plain_absence(head: &Head, body: &[u8]) -> bool {
    head.status == 404 && body.trim_ascii().eq_ignore_ascii_case(b"not found")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_error_is_told_on_one_line() {
        for (body, code, message) in [
            (
                json!({"errors": [{"code": "invalid_body", "description": "'name' is\ntoo long"}]}),
                Some("invalid_body"),
                "'name' is too long",
            ),
            (
                json!({"errors": [{"code": "a", "description": "one"}, {"code": "b", "description": "two"}]}),
                Some("a"),
                "one; two",
            ),
            (json!({"errors": [{"code": 7}, 3, null]}), Some("7"), ""),
            (json!({"errors": []}), None, ""),
        ] {
            let said = parse_said(body.as_object()).unwrap();
            assert_eq!((said.code.as_deref(), &*said.message), (code, message));
        }
        for body in [json!({}), json!({"errors": "x"}), json!({"error": []})] {
            assert_eq!(parse_said(body.as_object()), None, "{body}");
        }
        let long = json!({"errors": vec![json!({"description": "é".repeat(10_000)}); 1_000]});
        assert!(parse_said(long.as_object()).unwrap().message.len() < 400);
    }
}
