//! `[[watch]]` `on-replace`: what a file means that takes the place of one that is uploaded.

use toml::de::DeValue;

use super::section::Section;
use super::value;
use super::watch::Method;

/// What is made of other content under the name of a file that is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OnReplace {
    /// Another video.
    #[default]
    New,
    /// The video of the file before gets the new content, and keeps its key.
    Replace,
    /// Nothing, until a person decides.
    Hold,
}

impl OnReplace {
    /// All of them.
    const ALL: [Self; 3] = [Self::New, Self::Replace, Self::Hold];

    /// Its word in the configuration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Replace => "replace",
            Self::Hold => "hold",
        }
    }

    pub(super) fn read(section: &mut Section<'_>) -> Self {
        section.get("on-replace", parse_policy).unwrap_or_default()
    }

    /// Notes what the upload method cannot do.
    pub(super) fn check(self, method: Method, section: &Section<'_>) {
        if self == Self::Replace && method == Method::Ftp {
            let message = "\"replace\" is not possible with method = \"ftp\", by which each file becomes another \
                           video; write \"new\" or \"hold\"";
            section.fault("on-replace", message);
        }
    }
}

fn parse_policy(value: &DeValue<'_>) -> Result<OnReplace, String> {
    let word = value::text(value)?;
    let known = OnReplace::ALL.into_iter().find(|it| it.word() == word);
    known.ok_or_else(|| {
        let expected = OnReplace::ALL.map(OnReplace::word).join(", ");
        format!("{word:?} is not known here; expected one of: {expected}")
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::{Fixture, LEAST};
    use super::*;

    #[test]
    fn a_word_is_taken_and_any_other_refused() {
        let fixture = Fixture::new();
        assert_eq!(
            fixture.parse(LEAST).unwrap().watches[0].on_replace,
            OnReplace::New
        );
        for policy in OnReplace::ALL {
            let written = format!("name = \"news\"\non-replace = \"{}\"", policy.word());
            let config = fixture.parse(&LEAST.replace("name = \"news\"", &written));
            assert_eq!(config.unwrap().watches[0].on_replace, policy);
        }
        for (line, says) in [
            (
                "on-replace = \"keep\"",
                "on-replace: \"keep\" is not known here; expected one of: new, replace, hold",
            ),
            ("on-replace = true", "on-replace: expected a text in quotes"),
        ] {
            let written = format!("name = \"news\"\n{line}");
            fixture.refuses(("name = \"news\"", &written, 7, says));
        }
        let written = "name = \"news\"\nmethod = \"ftp\"\non-replace = \"replace\"";
        let problems = fixture.parse(&LEAST.replace("name = \"news\"", written));
        let shown = problems.unwrap_err().to_string();
        let says = "on-replace: \"replace\" is not possible with method = \"ftp\"";
        assert!(shown.contains(says), "{shown}");
    }
}
