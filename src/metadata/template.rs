//! Templates: texts with `{placeholders}`, read once and filled for each file.

use std::fmt::Write as _;

use jiff::Zoned;
use jiff::fmt::strtime;

use super::facts::Facts;

/// A text with placeholders; one that exists can be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Stem,
    Name,
    Folder,
    Watch,
    /// The time of the last change, in this format (strftime(3)).
    Changed(String),
    /// A named group of `name-pattern`.
    Group(String),
}

/// What can be named without a `name-pattern`; no group may have one of these names.
pub const KNOWN: [&str; 5] = ["stem", "name", "folder", "watch", "mtime"];

impl Template {
    /// The file's name without its ending.
    pub fn stem() -> Self {
        Self {
            pieces: vec![Piece::Stem],
        }
    }

    /// Reads a template; `groups` are the named groups there are.
    ///
    /// # Errors
    /// What is wrong, and what can be written.
    pub fn parse(text: &str, groups: &[&str]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            plain.push_str(before);
            if let Some((doubled, after)) = find_doubled(brace) {
                plain.push(doubled);
                rest = after;
                continue;
            }
            let Some((inside, after)) = brace.strip_prefix('{').and_then(|b| b.split_once('}'))
            else {
                return Err(format!(
                    "{text:?} has an unpaired brace; write {{{{ or }}}} for a literal brace"
                ));
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(parse_placeholder(inside, groups)?);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// The text for one file; a group that found nothing is empty.
    pub fn fill(&self, facts: &Facts) -> String {
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Stem => filled.push_str(&facts.stem),
                Piece::Name => filled.push_str(&facts.name),
                Piece::Folder => filled.push_str(&facts.folder),
                Piece::Watch => filled.push_str(&facts.watch),
                Piece::Changed(format) => {
                    filled.push_str(&format_date(format, &facts.changed).unwrap_or_default());
                }
                Piece::Group(name) => {
                    filled.push_str(facts.groups.get(name).map_or("", String::as_str));
                }
            }
        }
        filled
    }
}

/// `{{` and `}}` stand for one of them.
fn find_doubled(text: &str) -> Option<(char, &str)> {
    [("{{", '{'), ("}}", '}')]
        .into_iter()
        .find_map(|(two, one)| Some((one, text.strip_prefix(two)?)))
}

fn parse_placeholder(inside: &str, groups: &[&str]) -> Result<Piece, String> {
    if let Some(format) = inside.strip_prefix("mtime:") {
        return match format_date(format, &Zoned::default()) {
            Ok(_) if !format.is_empty() => Ok(Piece::Changed(format.to_owned())),
            Ok(_) => Err("{mtime:} has no format; write one like {mtime:%Y-%m-%d}".to_owned()),
            Err(fault) => Err(format!(
                "{{{inside}}} has no format of a date ({fault}); write one like {{mtime:%Y-%m-%d}}"
            )),
        };
    }
    match inside {
        "stem" => Ok(Piece::Stem),
        "name" => Ok(Piece::Name),
        "folder" => Ok(Piece::Folder),
        "watch" => Ok(Piece::Watch),
        "mtime" => Err("{mtime} needs a format; write one like {mtime:%Y-%m-%d}".to_owned()),
        group if groups.contains(&group) => Ok(Piece::Group(group.to_owned())),
        unknown => {
            let mut known = "{stem}, {name}, {folder}, {watch}, {mtime:%Y-%m-%d}".to_owned();
            for group in groups {
                // Writing to a String cannot fail.
                write!(known, ", {{{group}}}").unwrap_or_default();
            }
            let more = if groups.is_empty() {
                ", and the named groups of name-pattern"
            } else {
                ""
            };
            Err(format!(
                "unknown placeholder {{{unknown}}}; expected one of: {known}{more}"
            ))
        }
    }
}

fn format_date(format: &str, at: &Zoned) -> Result<String, String> {
    strtime::format(format, at).map_err(|fault| fault.to_string())
}
