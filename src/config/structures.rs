//! `[[watch]]` `structures`: which files that programs make on their way are known by their names.

use std::collections::BTreeSet;

use toml::de::DeValue;

use super::section::Section;
use super::value;

/// A kind of file that a program makes on its way and that has the extension of a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Structure {
    /// One stream of a download, before it is joined with the others.
    YtDlpFormat,
    /// What ffmpeg writes for a program that renames it when it is done.
    Temporary,
    /// A file in the making of a transcoding program.
    Transcoder,
    /// A part of an export, before it is joined with the others.
    Export,
}

/// The rules that a watch uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Structures(BTreeSet<Structure>);

impl Default for Structures {
    fn default() -> Self {
        Self(Structure::ALL.into_iter().collect())
    }
}

impl Structures {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        section.get("structures", structures).unwrap_or_default()
    }

    /// These rules and no other.
    #[cfg(test)]
    pub(crate) fn of(rules: impl IntoIterator<Item = Structure>) -> Self {
        Self(rules.into_iter().collect())
    }

    /// The rules, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Structure> {
        self.0.iter().copied()
    }
}

impl Structure {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [
        Self::YtDlpFormat,
        Self::Temporary,
        Self::Transcoder,
        Self::Export,
    ];

    /// Its word in the configuration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::YtDlpFormat => "yt-dlp-format",
            Self::Temporary => "temporary",
            Self::Transcoder => "transcoder",
            Self::Export => "export",
        }
    }
}

/// `true` for all rules, `false` for none, or a list of those that count.
fn structures(value: &DeValue<'_>) -> Result<Structures, String> {
    let chosen = match value {
        DeValue::Boolean(true) => return Ok(Structures::default()),
        DeValue::Boolean(false) => Vec::new(),
        DeValue::Array(_) => value::texts(value)?,
        other => {
            let found = value::kind(other);
            return Err(format!(
                "expected true, false, or a list of rules, not {found}; {}",
                known()
            ));
        }
    };
    let one = |word: &String| {
        let found = Structure::ALL.into_iter().find(|one| one.word() == word);
        found.ok_or_else(|| format!("{word:?} is not a rule; {}", known()))
    };
    chosen
        .iter()
        .map(one)
        .collect::<Result<_, _>>()
        .map(Structures)
}

fn known() -> String {
    let words = Structure::ALL.map(Structure::word).join(", ");
    format!("the rules are: {words}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::{Fixture, LEAST};
    use super::*;

    fn read(written: &str) -> Vec<&'static str> {
        let keys = format!("name = \"news\"\n{written}");
        let text = LEAST.replace("name = \"news\"", &keys);
        let config = Fixture::new().parse(&text).unwrap();
        let rules = config.watches[0].watching.structures.iter();
        rules.map(Structure::word).collect()
    }

    #[test]
    fn all_none_or_some_rules_count() {
        let all = Structure::ALL.map(Structure::word);
        assert_eq!(read(""), all);
        assert_eq!(read("structures = true"), all);
        assert_eq!(read("structures = false"), [""; 0]);
        assert_eq!(read("structures = []"), [""; 0]);
        assert_eq!(
            read("structures = [\"export\", \"temporary\"]"),
            ["temporary", "export"]
        );
    }

    #[test]
    fn each_fault_is_refused() {
        let fixture = Fixture::new();
        for (line, says) in [
            (
                "structures = \"export\"",
                "structures: expected true, false, or a list of rules, not a text; the rules are: yt-dlp-format, temporary, transcoder, export",
            ),
            (
                "structures = [\"exports\"]",
                "structures: \"exports\" is not a rule; the rules are: yt-dlp-format,",
            ),
            ("structures = [1]", "not a number within it"),
        ] {
            let written = format!("name = \"news\"\n{line}");
            fixture.refuses(("name = \"news\"", &written, 7, says));
        }
    }
}
