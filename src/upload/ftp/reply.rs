//! What the server's words come to, and keeping the password out of everybody's sight.
//!
//! The library writes commands into its log at the `trace` level: so it never sees the password,
//! which is put in where the command is encoded.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use suppaftp::{Encoding, FtpError, ReplyTooLarge};

use super::error::{Error, Refusal};
use crate::text;

/// What an error of the library means.
pub(super) fn translate_error(
    to: &'static str,
    error: FtpError,
    password: &SecretString,
    stall: Duration,
) -> Error {
    match error {
        FtpError::ConnectionError(error) => of_io(to, error, stall),
        FtpError::SecureError(what) => Error::Setup(what),
        FtpError::UnexpectedResponse(answer) => {
            let said = String::from_utf8_lossy(&answer.body);
            let code = said.get(..3).and_then(|code| code.parse().ok());
            match code {
                Some(code @ 400..600) => Error::Refused(Refusal {
                    to,
                    code,
                    text: shown(said.get(4..).unwrap_or_default(), password),
                }),
                _ => Error::Garbled { to },
            }
        }
        FtpError::BadResponse
        | FtpError::InvalidAddress(_)
        | FtpError::DataConnectionAlreadyOpen => Error::Garbled { to },
    }
}

fn of_io(to: &'static str, error: io::Error, stall: Duration) -> Error {
    let inner = error.get_ref();
    if inner.is_some_and(<dyn StdError + Send + Sync>::is::<ReplyTooLarge>) {
        return Error::Garbled { to };
    }
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return match error {
            rustls::Error::InvalidCertificate(why) => Error::Certificate(why.to_string()),
            other => Error::Broken(io::Error::other(other.to_string())),
        };
    }
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Stalled(stall),
        _ => Error::Broken(error),
    }
}

/// A server's words on one line, however long they are, and even if it repeats input in them.
fn shown(said: &str, password: &SecretString) -> String {
    let said = said.replace(password.expose_secret(), HIDDEN);
    let first: String = said.trim().chars().take(LONGEST_TEXT).collect();
    text::line(&first)
}

/// Puts the password in where the library cannot see it.
pub(super) struct Words(pub(super) SecretString);

impl Encoding for Words {
    fn decode(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn encode(&self, text: &str) -> io::Result<Vec<u8>> {
        if text.strip_prefix("PASS ").map(str::trim_end) == Some(HIDDEN) {
            return Ok(format!("PASS {}\r\n", self.0.expose_secret()).into_bytes());
        }
        Ok(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Words")
    }
}

/// Stands for the password wherever it may be seen.
pub(super) const HIDDEN: &str = "********";
/// Of a server's words, characters.
const LONGEST_TEXT: usize = 300;
