//! `[[watch]]`: what is sent to the platform about a video beside its bytes, and the companions
//! that it waits for.

use std::time::Duration;

use regex::Regex;
use toml::de::DeValue;

use super::section::Section;
use super::value;
use super::watching::Marker;
use crate::metadata::Rules;
use crate::metadata::sidecar::custom_name;
use crate::metadata::template::{KNOWN, Template};

/// Title, tags and the like, and the companions that bring more.
#[derive(Debug, Clone)]
pub(crate) struct MetadataOptions {
    /// What a video is sent with, where its sidecar does not say otherwise.
    pub rules: Rules,
    /// The files beside a video that it waits for.
    pub wait_for: Vec<Marker>,
    /// How long it waits for them at most, counted from when it stopped changing.
    pub wait_timeout: Duration,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            wait_for: Vec::new(),
            wait_timeout: Duration::from_hours(1),
        }
    }
}

impl MetadataOptions {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let faults_before = section.has("name-pattern");
        let name_pattern = section.get("name-pattern", parse_pattern);
        // With a pattern that is wrong, it is unknown which groups it should have.
        let known =
            (!faults_before || name_pattern.is_some()).then(|| Groups::of(name_pattern.as_ref()));
        let mut one = |key| {
            let value = |value: &DeValue<'_>| parse_template(value, known.as_ref());
            section.get(key, value).flatten()
        };
        let (title, description, author) = (one("title"), one("description"), one("author"));
        let (category, publish_date) = (one("category"), one("publish-date"));
        let tags = section.get("tags", |value| {
            let texts = value::texts(value)?;
            let tags = texts.iter().map(|text| parse(text, known.as_ref()));
            Ok(tags
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .flatten()
                .collect())
        });
        let custom = section.get("custom", |value| parse_custom(value, known.as_ref()));
        let least = Duration::from_millis(100);
        Self {
            rules: Rules {
                title: title.unwrap_or(default.rules.title),
                description,
                author,
                tags: tags.unwrap_or_default(),
                category,
                publish_date,
                custom: custom.unwrap_or_default(),
                name_pattern,
            },
            wait_for: section.get("wait-for", markers).unwrap_or_default(),
            wait_timeout: section
                .get("wait-timeout", |v| {
                    value::duration(v, least..=Duration::from_hours(24 * 30))
                })
                .unwrap_or(default.wait_timeout),
        }
    }
}

/// The named groups that there are.
struct Groups(Vec<String>);

impl Groups {
    fn of(pattern: Option<&Regex>) -> Self {
        let names = pattern.map(|pattern| pattern.capture_names().flatten().map(str::to_owned));
        Self(names.map(Iterator::collect).unwrap_or_default())
    }
}

fn parse_pattern(value: &DeValue<'_>) -> Result<Regex, String> {
    let text = value::text(value)?;
    let pattern = Regex::new(&text).map_err(|fault| {
        // The last line of several says what is wrong.
        let fault = fault.to_string();
        let last = fault.lines().last().unwrap_or_default().trim();
        let last = last.strip_prefix("error: ").unwrap_or(last);
        format!("{text:?} is not a regular expression: {last}")
    })?;
    let mut names = pattern.capture_names().flatten();
    if let Some(taken) = names.find(|name| KNOWN.contains(name)) {
        return Err(format!(
            "a group cannot be called {taken:?}, as {{{taken}}} means something already"
        ));
    }
    if pattern.capture_names().flatten().next().is_none() {
        return Err(format!(
            "{text:?} has no named group; write one like (?<show>[a-z]+)_(?<date>\\d{{8}})"
        ));
    }
    Ok(pattern)
}

/// Without known groups the text is not judged: the fault is the pattern's.
fn parse(text: &str, known: Option<&Groups>) -> Result<Option<Template>, String> {
    let Some(Groups(names)) = known else {
        return Ok(None);
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Template::parse(text, &names).map(Some)
}

fn parse_template(value: &DeValue<'_>, known: Option<&Groups>) -> Result<Option<Template>, String> {
    parse(&value::text(value)?, known)
}

fn parse_custom(
    value: &DeValue<'_>,
    known: Option<&Groups>,
) -> Result<Vec<(String, Template)>, String> {
    let DeValue::Table(table) = value else {
        let found = value::kind(value);
        return Err(format!(
            "expected fields with their texts like {{ show = \"{{stem}}\" }}, not {found}"
        ));
    };
    let mut fields = Vec::new();
    for (name, value) in table {
        let name: &str = name.get_ref();
        custom_name(name)?;
        let text =
            parse_template(value.get_ref(), known).map_err(|fault| format!("{name}: {fault}"))?;
        fields.extend(text.map(|text| (name.to_owned(), text)));
    }
    Ok(fields)
}

fn markers(value: &DeValue<'_>) -> Result<Vec<Marker>, String> {
    let texts = value::texts(value)?;
    texts.iter().map(|text| Marker::parse(text)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::fixture::{Fixture, LEAST};
    use super::*;

    /// Checks what each of these lines is answered with.
    fn refused(cases: &[(&str, &str)]) {
        let fixture = Fixture::new();
        for (line, says) in cases {
            let written = format!("name = \"news\"\n{line}");
            fixture.refuses(("name = \"news\"", &written, 7, says));
        }
    }

    #[test]
    fn each_fault_of_a_text_is_refused() {
        refused(&[
            (
                "title = \"{show}\"",
                "title: unknown placeholder {show}; expected one of: {stem}, {name}",
            ),
            ("title = \"\"", "title: empty; write a text in quotes"),
            (
                "title = \"{stem\"",
                "title: \"{stem\" has an unpaired brace",
            ),
            (
                "title = 7",
                "title: expected a text in quotes, not a number",
            ),
            (
                "publish-date = \"{mtime:%!}\"",
                "publish-date: {mtime:%!} has no format of a date",
            ),
            ("tags = \"a\"", "tags: expected a list of texts"),
            ("tags = [\"{x}\"]", "tags: unknown placeholder {x}"),
        ]);
    }

    #[test]
    fn each_other_fault_is_refused() {
        refused(&[
            (
                "name-pattern = '(?<show'",
                "name-pattern: \"(?<show\" is not a regular expression: unclosed capture group name",
            ),
            (
                "name-pattern = '[a-z]+'",
                "name-pattern: \"[a-z]+\" has no named group; write one like",
            ),
            (
                "name-pattern = '(?<stem>a)'",
                "a group cannot be called \"stem\", as {stem} means something already",
            ),
            (
                "name-pattern = '(?<show'\ntitle = \"{show}\"",
                "is not a regular expression",
            ),
            (
                "custom = \"x\"",
                "custom: expected fields with their texts like { show = ",
            ),
            (
                "custom = { ingest_id = \"x\" }",
                "custom: the name \"ingest_id\" is jw-ingest's own; choose another one",
            ),
            (
                "custom = { \"a b\" = \"x\" }",
                "\"a b\" is not a valid name for a custom field",
            ),
            (
                "custom = { a = \"{x}\" }",
                "custom: a: unknown placeholder {x}",
            ),
            ("wait-for = [\"json\"]", "wait-for: \"json\" names no video"),
            (
                "wait-for = \"{stem}.json\"",
                "wait-for: expected a list of texts",
            ),
            ("wait-timeout = \"0s\"", "wait-timeout: \"0s\" is too short"),
        ]);
    }

    #[test]
    fn what_is_written_is_taken() {
        let written = "name = \"news\"\nname-pattern = '(?<show>[a-z]+)_(?<date>[0-9]{8})'\n\
            title = \"{show}, {date}\"\ntags = [\"{show}\", \"x\"]\ncategory = \"News\"\n\
            publish-date = \"{date}\"\ncustom = { show = \"{show}\", from = \"{folder}\" }\n\
            description = \"d\"\nauthor = \"a\"\nwait-for = [\"{stem}.json\"]\nwait-timeout = \"5m\"";
        let text = LEAST.replace("name = \"news\"", written);
        let config = Fixture::new().parse(&text).unwrap();
        let options = &config.watches[0].metadata;
        let read = &options.rules;
        let groups = ["show", "date"];
        let template = |text| Template::parse(text, &groups).unwrap();
        assert_eq!(read.title, template("{show}, {date}"));
        assert_eq!(read.tags, [template("{show}"), template("x")]);
        assert_eq!(read.category, Some(template("News")));
        assert_eq!(read.publish_date, Some(template("{date}")));
        assert_eq!(read.description, Some(template("d")));
        assert_eq!(read.author, Some(template("a")));
        let mut custom = read.custom.clone();
        custom.sort_by(|one, other| one.0.cmp(&other.0));
        let field = |name: &str, text| (name.to_owned(), template(text));
        assert_eq!(custom, [field("from", "{folder}"), field("show", "{show}")]);
        assert_eq!(options.wait_timeout, Duration::from_mins(5));
        let companion = options.wait_for[0].of(Path::new("/v/a.mp4"));
        assert_eq!(companion.as_deref(), Some(Path::new("/v/a.json")));
    }
}
