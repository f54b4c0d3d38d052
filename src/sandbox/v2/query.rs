//! The language of `q`: `field:word`, `field:"a phrase"`, `created:[A TO B]`, `AND`, `OR` and
//! brackets (JW docs, v2 "building a request").
//!
//! Texts are searched as a search engine has analysed them: cut into words of letters and digits,
//! in lower case. A word that is cut into several finds any of them, a phrase finds them in a row.
//! So a search finds more than what was asked for, and an exact answer needs a comparison.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::error::Wrong;
use crate::sandbox::video::Video;

/// A query, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Query {
    All(Vec<Self>),
    Any(Vec<Self>),
    Text(Match),
    Time(Range),
}

/// Words in a field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Match {
    field: String,
    words: Vec<String>,
    /// All of them, one behind the other.
    in_a_row: bool,
}

/// A span of time, its ends included, in UNIX milliseconds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    modified: bool,
    from: i64,
    to: i64,
}

impl Query {
    /// Reads a query.
    pub(super) fn read(text: &str) -> Result<Self, Wrong> {
        let mut reader = Reader {
            rest: text,
            depth: 0,
        };
        let query = reader.any()?;
        reader.rest = reader.rest.trim_start();
        if reader.rest.is_empty() {
            Ok(query)
        } else {
            Err(wrong("there is more than a query"))
        }
    }

    /// Whether a video is found at `now` (UNIX milliseconds).
    pub(super) fn takes(&self, video: &Video, now: i64) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.takes(video, now)),
            Self::Any(parts) => parts.iter().any(|part| part.takes(video, now)),
            Self::Text(text) => text.takes(video, now),
            Self::Time(range) => {
                let at = if range.modified {
                    video.updated(now)
                } else {
                    video.created
                };
                (range.from..=range.to).contains(&at)
            }
        }
    }
}

impl Match {
    fn takes(&self, video: &Video, now: i64) -> bool {
        let text = match self.field.as_str() {
            "id" => Some(video.key.clone()),
            "media_type" => Some("video".to_owned()),
            "status" => Some(format!("{:?}", video.status(now))),
            field => video.fields.get(field).cloned(),
        };
        let words = words(&text.unwrap_or_default());
        if self.in_a_row {
            words
                .windows(self.words.len())
                .any(|some| some == self.words)
        } else {
            self.words.iter().any(|word| words.contains(word))
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    /// Parts that are joined by OR; where nothing is said, OR is meant.
    fn any(&mut self) -> Result<Query, Wrong> {
        let mut parts = vec![self.all()?];
        loop {
            if !self.word("OR") && (self.ends() || self.sees("AND")) {
                return Ok(one_or(parts, Query::Any));
            }
            parts.push(self.all()?);
        }
    }

    fn all(&mut self) -> Result<Query, Wrong> {
        let mut parts = vec![self.part()?];
        while self.word("AND") {
            parts.push(self.part()?);
        }
        Ok(one_or(parts, Query::All))
    }

    fn part(&mut self) -> Result<Query, Wrong> {
        if !self.symbol('(') {
            return self.term();
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(wrong("it has too many brackets"));
        }
        let inner = self.any()?;
        if !self.symbol(')') {
            return Err(wrong("a bracket is not closed"));
        }
        self.depth -= 1;
        Ok(inner)
    }

    fn term(&mut self) -> Result<Query, Wrong> {
        self.rest = self.rest.trim_start();
        let (field, rest) = self
            .rest
            .split_once(':')
            .ok_or_else(|| wrong("it is made of field:value"))?;
        self.rest = rest.trim_start();
        if matches!(field, "created" | "last_modified") {
            return self.range(field == "last_modified");
        }
        if !FIELDS.contains(&field) {
            return Err(wrong(&format!("there is no field {field:?} to search")));
        }
        let in_a_row = self.rest.starts_with('"');
        let value = if in_a_row {
            self.phrase()?
        } else {
            self.value()?
        };
        let words = words(&value);
        if words.is_empty() {
            return Err(wrong("there is nothing to look for"));
        }
        Ok(Query::Text(Match {
            field: field.to_owned(),
            words,
            in_a_row,
        }))
    }

    fn phrase(&mut self) -> Result<String, Wrong> {
        let mut text = String::new();
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(text);
                }
                '\\' => text.extend(letters.next().map(|(_, letter)| letter)),
                letter => text.push(letter),
            }
        }
        Err(wrong("a phrase does not end"))
    }

    /// A bare word. What means something in the language has to stand in a phrase.
    fn value(&mut self) -> Result<String, Wrong> {
        let ends = |letter: char| letter.is_whitespace() || matches!(letter, '(' | ')');
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(end);
        if value.contains([':', '"', '[', ']', '{', '}', '/', '*', '?', '~', '^', '!']) {
            return Err(wrong("what is not a plain word has to stand in quotes"));
        }
        self.rest = rest;
        Ok(value.to_owned())
    }

    fn range(&mut self, modified: bool) -> Result<Query, Wrong> {
        let inner = self
            .rest
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'));
        let (inner, rest) = inner.ok_or_else(|| wrong("a time is searched by [A TO B]"))?;
        let ends = inner.split_once(" TO ");
        let (from, to) = ends.ok_or_else(|| wrong("a range is [A TO B]"))?;
        self.rest = rest;
        Ok(Query::Time(Range {
            modified,
            from: time(from.trim(), Edge::First).ok_or_else(|| wrong("a time is not one"))?,
            to: time(to.trim(), Edge::Last).ok_or_else(|| wrong("a time is not one"))?,
        }))
    }

    fn symbol(&mut self, symbol: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(symbol);
        rest.map(|rest| self.rest = rest).is_some()
    }

    /// Takes a word of the language.
    fn word(&mut self, word: &str) -> bool {
        let sees = self.sees(word);
        if sees {
            let rest = self.rest.trim_start().strip_prefix(word);
            self.rest = rest.unwrap_or_default();
        }
        sees
    }

    fn sees(&self, word: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(word);
        rest.is_some_and(|rest| rest.starts_with([' ', '(']) || rest.is_empty())
    }

    fn ends(&self) -> bool {
        let rest = self.rest.trim_start();
        rest.is_empty() || rest.starts_with(')')
    }
}

fn one_or(mut parts: Vec<Query>, many: fn(Vec<Query>) -> Query) -> Query {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

/// Letters and digits in a row, in lower case.
fn words(text: &str) -> Vec<String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    First,
    Last,
}

/// UNIX milliseconds of a day, or of a time with or without its zone; without one it is UTC. The
/// end of a day is its last moment.
fn time(text: &str, edge: Edge) -> Option<i64> {
    if text == "*" {
        return Some(if edge == Edge::First {
            i64::MIN
        } else {
            i64::MAX
        });
    }
    let utc = |at: DateTime| Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp());
    let at = if text.len() == 10 {
        let day = utc(text.parse::<Date>().ok()?.at(0, 0, 0, 0))?;
        if edge == Edge::Last {
            day.checked_add(SignedDuration::from_millis(DAY_MS - 1))
                .ok()?
        } else {
            day
        }
    } else {
        text.parse::<Timestamp>()
            .ok()
            .or_else(|| utc(text.parse().ok()?))?
    };
    Some(at.as_millisecond())
}

fn wrong(why: &str) -> Wrong {
    Wrong::parameter(format!("'q' cannot be understood: {why}"))
}

const FIELDS: [&str; 8] = [
    "id",
    "title",
    "description",
    "author",
    "tags",
    "external_id",
    "status",
    "media_type",
];
const DAY_MS: i64 = 24 * 3600 * 1000;
const DEEPEST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::link::{Link, Method, Order};
    use std::collections::BTreeMap;

    /// Created on 2021-06-01.
    fn video(title: &str, external_id: &str) -> Video {
        let fields = [("title", title), ("external_id", external_id)];
        Video {
            key: "abcd1234".to_owned(),
            number: 1,
            created: 1_622_505_600_000,
            edited: 1_622_505_600_000,
            fields: fields.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
            custom: BTreeMap::new(),
            link: Link::issue(Order::plain(Method::Direct), 9, false),
            media: None,
            received: 0,
            pending: None,
            forced: None,
        }
    }

    #[test]
    fn texts_are_found_by_their_words() {
        let video = video("Harbour at Night", "Ing-01:AB cd");
        for (q, found) in [
            ("title:harbour", true),
            ("title: NIGHT", true),
            ("title:harb", false),
            ("title:\"at night\"", true),
            ("title:\"night at\"", false),
            ("external_id:\"ing-01:ab\"", true),
            ("external_id:\"ing 01 AB CD\"", true),
            ("external_id:\"ing-02\"", false),
            ("external_id:ing-02", true),
            ("external_id:02", false),
            ("id:ABCD1234", true),
            ("status:created", true),
            ("status:ready OR media_type:video", true),
            ("title:harbour AND title:day", false),
            ("title:day title:night", true),
            ("title:day OR title:harbour AND title:night", true),
            ("(title:day OR title:harbour) AND status:ready", false),
            ("description:x", false),
        ] {
            assert_eq!(Query::read(q).unwrap().takes(&video, 9), found, "{q}");
        }
    }

    #[test]
    fn times_are_found_by_ranges() {
        let video = video("x", "y");
        for (q, found) in [
            ("created:[2021-05-01 TO 2021-08-31]", true),
            ("created:[2021-06-01 TO 2021-06-01]", true),
            ("created:[2021-06-02 TO *]", false),
            ("created:[* TO 2021-06-01T00:00:00]", true),
            ("created:[2021-06-01T00:00:01Z TO *]", false),
            ("last_modified:[2021-05-01 TO *] AND title:x", true),
        ] {
            assert_eq!(Query::read(q).unwrap().takes(&video, 9), found, "{q}");
        }
    }

    #[test]
    fn what_is_not_a_query_is_refused() {
        for q in [
            "",
            "harbour",
            "title:",
            "title:\"x",
            "title:a:b",
            "external_id:\"-\"",
            "custom_params.k:x",
            "colour:red",
            "created:2021-06-01",
            "created:[2021-06-01]",
            "created:[yesterday TO *]",
            "(title:x",
            "title:x)",
            "title:x AND",
            "AND title:x",
            "title:wild*",
            "((((((((((((((((((((((title:x",
        ] {
            assert!(Query::read(q).is_err(), "{q}");
        }
    }
}
