//! What a sidecar may say, and what is wrong with one that says it badly.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::super::{clean, date};
use super::{Format, LONGEST};
use crate::metadata::Metadata;

/// What a sidecar says; empty texts and `null` say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sidecar {
    title: Option<String>,
    metadata: Metadata,
}

impl Sidecar {
    /// The title.
    pub(crate) fn title(&self) -> Option<String> {
        self.title.clone()
    }

    /// All else.
    pub(crate) fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    /// Whether it says nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a sidecar is not used. Its text is a clause.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// More than [`LONGEST`].
    #[error("it is longer than {} KiB", LONGEST / 1024)]
    TooLong,
    /// A folder, a link, a pipe.
    #[error("it is not a regular file")]
    NoFile,
    /// The system refused it.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// Another encoding.
    #[error("it is not UTF-8; save it in that encoding")]
    NotUtf8,
    /// It is no JSON, or says what no sidecar says.
    #[error("{0}")]
    Json(String),
    /// It is no TOML, or says what no sidecar says.
    #[error("{0}")]
    Toml(String),
    /// A date that is none.
    #[error("publish-date: {0:?} is not a date; write one like 2026-11-22T18:00:00+01:00")]
    Date(String),
    /// A name of a custom field that the platform may not take.
    #[error("custom: {0}")]
    Custom(String),
}

/// A sidecar as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    title: Option<Word>,
    description: Option<Word>,
    author: Option<Word>,
    tags: Option<Vec<Word>>,
    category: Option<Word>,
    custom: Option<BTreeMap<String, Word>>,
    #[serde(alias = "publish_date")]
    publish_date: Option<Word>,
}

/// A text; numbers, `true` and `false`, which people write without quotes, are taken as texts.
#[derive(Debug)]
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
        Ok(Word(text.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Word, E> {
        Ok(Word(flag.to_string()))
    }
}

/// Reads a sidecar's bytes.
pub(super) fn parse(bytes: &[u8], format: Format) -> Result<Sidecar, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?;
    // Some editors put a byte order ingest id in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let written = match format {
        // A list would be taken for the fields in their order.
        Format::Json if !text.trim_start().starts_with('{') => {
            let expected = "expected an object like {\"title\": \"Harbour\"}";
            return Err(Fault::Json(expected.to_owned()));
        }
        Format::Json => {
            serde_json::from_str(text).map_err(|e| Fault::Json(shorten_message(&e.to_string())))?
        }
        Format::Toml => parse_toml(text)?,
    };
    make_sidecar(written)
}

/// TOML has dates of its own, which are equal to those in quotes.
fn parse_toml(text: &str) -> Result<Written, Fault> {
    let wrong = |fault: &toml::de::Error| {
        let at = fault.span().map(|span| {
            let before = text.get(..span.start).unwrap_or(text);
            format!(" at line {}", before.matches('\n').count() + 1)
        });
        Fault::Toml(shorten_message(fault.message()) + &at.unwrap_or_default())
    };
    let mut table: toml::Table = text.parse().map_err(|e| wrong(&e))?;
    for name in ["publish-date", "publish_date"] {
        if let Some(value) = table.get_mut(name)
            && let toml::Value::Datetime(date) = value
        {
            *value = toml::Value::String(date.to_string());
        }
    }
    Written::deserialize(table).map_err(|e| wrong(&e))
}

/// A field's name, which such messages repeat, may be as long as the file.
fn shorten_message(message: &str) -> String {
    const MOST: usize = 300;
    let mut short: String = message.chars().take(MOST).collect();
    if short.len() < message.len() {
        short.push('…');
    }
    short
}

fn make_sidecar(written: Written) -> Result<Sidecar, Fault> {
    let line = |word: Option<Word>| clean::clean_line(&word?.0);
    let custom = written.custom.unwrap_or_default();
    for name in custom.keys() {
        custom_name(name).map_err(|fault| Fault::Custom(shorten_message(&fault)))?;
    }
    let publish_date = line(written.publish_date)
        .map(|text| date::parse_date(&text).ok_or_else(|| Fault::Date(shorten_message(&text))))
        .transpose()?;
    let tags = written.tags.unwrap_or_default();
    Ok(Sidecar {
        title: line(written.title),
        metadata: Metadata {
            description: written
                .description
                .and_then(|word| clean::paragraphs(&word.0)),
            author: line(written.author),
            tags: clean::tags(tags.iter().map(|tag| &tag.0)),
            category: line(written.category),
            publish_date,
            custom: custom
                .into_iter()
                .filter_map(|(name, word)| Some((name, clean::clean_line(&word.0)?)))
                .collect(),
        },
    })
}

/// Checks the name of a custom field. API v1 signs names, and its own clients disagree on how any
/// but these are sorted; which ones the platform takes is not documented.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn custom_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name == OURS {
        return Err(format!(
            "the name {OURS:?} is jw-ingest's own; choose another one"
        ));
    }
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
        return Err(format!(
            "{name:?} is not a valid name for a custom field; expected up to {LONGEST_NAME} \
             letters (a to z), digits, or _"
        ));
    }
    Ok(())
}

/// The ingest id by which this program knows its videos again.
const OURS: &str = "ingest_id";

/// The most characters of a custom field's name.
const LONGEST_NAME: usize = 100;
