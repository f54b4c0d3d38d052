//! The name that the platform gives to a video.

use std::fmt;
use std::str::FromStr;

use super::Error;

/// A video key: letters and digits only, so that it can stand in a path, a log and a table as it is.
///
/// The platform hands out eight characters; other lengths are taken, because no document promises it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VideoKey(String);

impl VideoKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VideoKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fits = (1..=LONGEST).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::Key)
        }
    }
}

impl fmt::Display for VideoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Far beyond the eight characters in use, and still harmless in a path.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_letters_and_digits_only() {
        assert_eq!(
            "tL17msiU".parse::<VideoKey>().unwrap().to_string(),
            "tL17msiU"
        );
        for bad in ["", "a b", "../x", "tL17msi\n", "é", &"a".repeat(65)] {
            assert!(bad.parse::<VideoKey>().is_err(), "{bad:?}");
        }
    }
}
