//! The right to upload one file in parts: where its parts are listed, and the token for that.

use std::fmt;

use jiff::Timestamp;
use url::Url;

use super::Error;

/// A multipart upload of API v2; a secret, because anyone who has it can write into the video.
#[derive(Clone, PartialEq, Eq)]
pub struct Pass {
    upload: Url,
    token: String,
    expires_at: Option<Timestamp>,
}

impl Pass {
    /// The upload at this address, `…/v2/uploads/ID`, with its own token.
    ///
    /// # Errors
    /// [`Error::StoredLink`] for a token that no HTTP header can carry.
    pub fn new(upload: Url, token: &str, expires_at: Option<Timestamp>) -> Result<Self, Error> {
        // RFC 6750: what a bearer token may consist of.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if token.is_empty() || !token.bytes().all(fits) {
            return Err(Error::StoredLink);
        }
        Ok(Self {
            upload,
            token: token.to_owned(),
            expires_at,
        })
    }

    /// The address of the upload, for the requests that need it and nothing else.
    pub fn expose_upload(&self) -> &Url {
        &self.upload
    }

    /// The bearer token of the upload, for the requests that need it and nothing else.
    pub fn expose_token(&self) -> &str {
        &self.token
    }

    /// When the platform stops to honour the token, as far as it can be told.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// The text that the job table keeps: the expiry in UNIX seconds or `-`, the address, the token,
    /// with a blank between them.
    pub fn store(&self) -> String {
        let at = self
            .expires_at
            .map_or_else(|| "-".to_owned(), |at| at.as_second().to_string());
        format!("{at} {} {}", self.upload, self.token)
    }

    /// Reads what [`Pass::store`] wrote.
    ///
    /// # Errors
    /// [`Error::StoredLink`] for any other text; it does not repeat the text.
    pub fn restore(stored: &str) -> Result<Self, Error> {
        let mut words = stored.split(' ');
        let (Some(expiry), Some(upload), Some(token), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Error::StoredLink);
        };
        let expires_at = match expiry {
            "-" => None,
            seconds => Some(
                seconds
                    .parse()
                    .ok()
                    .and_then(|seconds| Timestamp::from_second(seconds).ok())
                    .ok_or(Error::StoredLink)?,
            ),
        };
        let upload = Url::parse(upload).map_err(|_| Error::StoredLink)?;
        Self::new(upload, token, expires_at)
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pass(**redacted**)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back_and_is_never_shown() {
        let upload = Url::parse("https://api.example/v2/uploads/UpId1234").unwrap();
        for at in [None, Timestamp::from_second(1_482_770_374).ok()] {
            let pass = Pass::new(upload.clone(), "eyJ0.eyJl-_.c2ln", at).unwrap();
            assert_eq!(Pass::restore(&pass.store()).unwrap(), pass);
            let shown = format!("{pass:?}");
            assert!(
                !shown.contains("eyJ0") && !shown.contains("UpId1234"),
                "{shown}"
            );
        }
        for bad in [
            "",
            "- https://a/",
            "- https://a/ t t",
            "x https://a/ t",
            "- nonsense t",
            "- https://a/ t\u{e9}",
        ] {
            assert!(Pass::restore(bad).is_err(), "{bad:?}");
        }
    }
}
