//! What is sent to the platform about a video beside its bytes: by the rules of its watch, and by
//! the sidecar that is beside it. Pure, except for [`sidecar::beside`], which reads that one file.

pub mod clean;
pub mod date;
pub mod facts;
mod fields;
mod rules;
pub(crate) mod sidecar;
pub mod template;

pub use fields::Metadata;
pub use rules::Rules;

use facts::Facts;
use sidecar::Sidecar;
use template::Template;

/// A video's title and all else that is sent about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its title, never empty.
    pub title: String,
    /// All else.
    pub metadata: Metadata,
    /// What the watch's rules gave that could not be sent, in words.
    pub fault: Option<String>,
}

/// What a new video is sent with: what the sidecar says, and by the watch's rules what it does not.
pub(crate) fn describe(rules: &Rules, facts: &Facts, sidecar: &Sidecar) -> Described {
    let (own, bad_date) = by_rules(rules, facts);
    let metadata = sidecar.metadata().or(own);
    let title = sidecar.title();
    let by_rule = || clean::clean_line(&rules.title.fill(facts));
    Described {
        title: title
            .or_else(by_rule)
            .unwrap_or_else(|| facts.fallback_title()),
        // A date that the sidecar brings makes good for a rule that gave none.
        fault: bad_date.filter(|_| metadata.publish_date.is_none()),
        metadata,
    }
}

/// What the rules give, and what is wrong with the date that they gave.
fn by_rules(rules: &Rules, facts: &Facts) -> (Metadata, Option<String>) {
    let line = |template: &Option<Template>| clean::clean_line(&template.as_ref()?.fill(facts));
    let date = line(&rules.publish_date);
    let publish_date = date.as_deref().and_then(date::parse_date);
    let bad_date = date
        .filter(|_| publish_date.is_none())
        .map(|text| format!("publish-date became {text:?}, which is not a date, and was not sent"));
    let description = rules.description.as_ref();
    let custom = rules.custom.iter();
    let metadata = Metadata {
        description: description.and_then(|text| clean::paragraphs(&text.fill(facts))),
        author: line(&rules.author),
        tags: clean::tags(rules.tags.iter().map(|tag| tag.fill(facts))),
        category: line(&rules.category),
        publish_date,
        custom: custom
            .filter_map(|(name, text)| Some((name.clone(), clean::clean_line(&text.fill(facts))?)))
            .collect(),
    };
    (metadata, bad_date)
}

#[cfg(test)]
mod tests;
