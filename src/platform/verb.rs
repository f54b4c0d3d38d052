//! The HTTP methods that the calls of API v2 know.

use std::str::FromStr;

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Makes another thing each time.
    Post,
    /// Puts something in another's place.
    Put,
    /// Changes a part of something.
    Patch,
    /// Takes something away.
    Delete,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// Its word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl FromStr for Verb {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL
            .into_iter()
            .find(|verb| verb.word().eq_ignore_ascii_case(word));
        found.ok_or_else(|| format!("expected one of: {}", Self::ALL.map(Self::word).join(", ")))
    }
}

impl From<Verb> for reqwest::Method {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Get => Self::GET,
            Verb::Post => Self::POST,
            Verb::Put => Self::PUT,
            Verb::Patch => Self::PATCH,
            Verb::Delete => Self::DELETE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_either_case() {
        for verb in Verb::ALL {
            assert_eq!(verb.word().parse(), Ok(verb));
            assert_eq!(verb.word().to_lowercase().parse(), Ok(verb));
            assert_eq!(reqwest::Method::from(verb).as_str(), verb.word());
        }
        assert!("HEAD".parse::<Verb>().is_err());
    }
}
