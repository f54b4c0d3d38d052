//! Reading a section key by key, so that one wrong key does not hide the others.
//!
//! A [`Section`] hands out typed values and notes every fault with its line. The keys it was asked
//! for *are* the known keys: the list in "expected one of" cannot fall behind the code.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reader::{Look, Reader};
use super::value;

/// One table of the file, while it is read.
pub(super) struct Section<'a> {
    reader: &'a Reader<'a>,
    /// The table's name without the user's part: `watch`, `account`.
    kind: &'static str,
    /// As a message names it: `[[watch]] "news"`.
    title: String,
    /// Where it begins; none for the file as a whole.
    line: Option<usize>,
    table: &'a DeTable<'a>,
    asked: BTreeSet<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        reader: &'a Reader<'a>,
        kind: &'static str,
        title: String,
        line: Option<usize>,
        table: &'a DeTable<'a>,
    ) -> Self {
        Self {
            reader,
            kind,
            title,
            line,
            table,
            asked: BTreeSet::new(),
        }
    }

    /// What may be looked at outside the file.
    pub(super) fn look(&self) -> &'a Look {
        self.reader.look
    }

    /// Whether the file names this key at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The line of a key, or that of the section where the key is not written.
    pub(super) fn line_of(&self, key: &str) -> Option<usize> {
        self.table
            .get_key_value(key)
            .map_or(self.line, |(name, _)| Some(self.reader.line(&name.span())))
    }

    /// Gives the section the name that its entry bears, for the messages.
    pub(super) fn rename(&mut self, title: String) {
        self.title = title;
    }

    /// The section as messages name it.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// Notes a fault of one key.
    pub(super) fn fault(&self, key: &str, message: impl Into<String>) {
        let line = self.line_of(key);
        self.reader.fault(line, &self.title, Some(key), message);
    }

    /// Notes a fault of the section as a whole.
    pub(super) fn fault_here(&self, message: impl Into<String>) {
        self.reader.fault(self.line, &self.title, None, message);
    }

    /// The raw value of a key; asking makes the key a known one.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.insert(key);
        self.reader.asks(self.kind, key);
        self.table.get(key)
    }

    /// A typed value; none if the key is not written, or wrong (which is noted).
    pub(super) fn get<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(key)?;
        match read(value.get_ref()) {
            Ok(typed) => Some(typed),
            Err(message) => {
                self.fault(key, message);
                None
            }
        }
    }

    /// Like [`Self::get`], but a key that is not written is a fault too; `example` shows how.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        if self.take(key).is_none() {
            self.fault(key, format!("missing; write {key} = {example}"));
            return None;
        }
        self.get(key, read)
    }

    /// The table below a key; a value of another shape is noted.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Self> {
        let value = self.take(key)?;
        let title = format!("[{key}]");
        if let DeValue::Table(table) = value.get_ref() {
            let line = self.line_of(key);
            return Some(Section::new(self.reader, key, title, line, table));
        }
        let found = value::kind(value.get_ref());
        self.fault(key, format!("expected a section {title}, not {found}"));
        None
    }

    /// The tables `[key.NAME]`, with their names.
    pub(super) fn named_tables(&mut self, key: &'static str) -> Vec<(&'a str, Self)> {
        let Some(parent) = self.table(key) else {
            return Vec::new();
        };
        let mut named = Vec::new();
        for (name, value) in parent.table {
            let title = format!("[{key}.{}]", name.get_ref());
            let line = Some(self.reader.line(&name.span()));
            if let DeValue::Table(table) = value.get_ref() {
                let section = Section::new(self.reader, key, title, line, table);
                named.push((name.get_ref().as_ref(), section));
            } else {
                let message = format!(
                    "expected a section with a name of your choice around it, such as [{key}.main]"
                );
                self.reader
                    .fault(line, &parent.title, Some(name.get_ref()), message);
            }
        }
        named
    }

    /// The tables `[[key]]`, in the order of the file.
    pub(super) fn listed_tables(&mut self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let around = self.title.trim_matches(['[', ']']);
        let title = match around {
            "" => format!("[[{key}]]"),
            around => format!("[[{around}.{key}]]"),
        };
        let wrong = |found: &DeValue<'_>| {
            let found = value::kind(found);
            self.fault(
                key,
                format!("expected {title}, with two brackets, not {found}"),
            );
        };
        let DeValue::Array(items) = value.get_ref() else {
            wrong(value.get_ref());
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::Table(table) => {
                    let line = Some(self.reader.line(&item.span()));
                    let section = Section::new(self.reader, key, title.clone(), line, table);
                    sections.push(section);
                }
                other => wrong(other),
            }
        }
        sections
    }

    /// Ends the reading: every key that was not asked for is unknown.
    pub(super) fn finish(self) {
        for (name, _) in self.table {
            let key: &str = name.get_ref();
            if self.asked.contains(key) {
                continue;
            }
            let expected = self.asked.iter().copied().collect::<Vec<_>>().join(", ");
            let what = if self.kind.is_empty() {
                "section"
            } else {
                "key"
            };
            let hint = nearest(key, &self.asked)
                .map(|near| format!("did you mean {near:?}? "))
                .unwrap_or_default();
            let message = format!("unknown {what} {key:?}; {hint}expected one of: {expected}");
            let line = Some(self.reader.line(&name.span()));
            self.reader.fault(line, &self.title, None, message);
        }
    }
}

/// The known key that was most likely meant, if one is close enough.
fn nearest<'k>(key: &str, known: &BTreeSet<&'k str>) -> Option<&'k str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let key = plain(key);
    known
        .iter()
        .map(|candidate| (edit_distance(&key, candidate), *candidate))
        .filter(|(away, candidate)| *away <= (candidate.len() / 2).min(2))
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many characters have to be put in, left out, or changed to turn one text into the other.
fn edit_distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (before, left) in one.chars().enumerate() {
        let mut next = vec![before + 1];
        let mut best = before + 1;
        for ((right, above), pair) in other.iter().zip(row.iter().skip(1)).zip(&row) {
            best = (pair + usize::from(left != *right))
                .min(above + 1)
                .min(best + 1);
            next.push(best);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (one, other, edits) in [
            ("settle", "settle", 0),
            ("setle", "settle", 1),
            ("", "key", 3),
            ("key", "", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(edit_distance(one, other), edits, "{one} -> {other}");
        }
    }

    #[test]
    fn the_nearest_key_is_offered_only_when_it_is_near() {
        let known = BTreeSet::from(["path", "settle", "files-at-once"]);
        assert_eq!(nearest("setle", &known), Some("settle"));
        assert_eq!(nearest("files_at_once", &known), Some("files-at-once"));
        assert_eq!(nearest("Path", &known), Some("path"));
        assert_eq!(nearest("colour", &known), None);
    }
}
