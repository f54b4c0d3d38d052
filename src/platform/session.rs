//! The name of one resumable upload in progress, which is also all that protects it.

use std::fmt;
use std::str::FromStr;

use super::Error;

/// A session id; a secret, because anyone who has it can write into the video.
///
/// Only letters, digits, `_` and `-` are taken: the upload host hangs up on anything else without a
/// word (nginx upload module, "Resumable uploads over HTTP", whose protocol the platform speaks).
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// The id itself, for the request that needs it and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fits = (1..=LONGEST).contains(&text.len());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if fits && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::StoredLink)
        }
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(**redacted**)")
    }
}

/// Far beyond the 40 characters in the documents.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_upload_host_takes_and_never_shows_it() {
        let id: SessionId = "kwJei9j2-vtQ_1".parse().unwrap();
        assert_eq!(id.expose(), "kwJei9j2-vtQ_1");
        assert_eq!(format!("{id:?}"), "SessionId(**redacted**)");
        for bad in ["", "a b", "a\r\nX: y", "é", "a.b", &"a".repeat(257)] {
            let refused = format!("{:?}", bad.parse::<SessionId>().unwrap_err());
            assert!(bad.is_empty() || !refused.contains(bad), "{bad:?}");
        }
    }
}
