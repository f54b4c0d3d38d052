//! The rules of a watch: the texts that its videos are sent with.

use regex::Regex;

use super::template::Template;

/// The title, tags and the like of all videos of one watch.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What a video is called.
    pub title: Template,
    /// Some lines about it.
    pub description: Option<Template>,
    /// The author.
    pub author: Option<Template>,
    /// Its tags.
    pub tags: Vec<Template>,
    /// Its category, of the platform's own list.
    pub category: Option<Template>,
    /// From when on it is published.
    pub publish_date: Option<Template>,
    /// Custom fields, by name.
    pub custom: Vec<(String, Template)>,
    /// What is looked for in a file's name; its named groups can be used in the templates.
    pub name_pattern: Option<Regex>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            title: Template::stem(),
            description: None,
            author: None,
            tags: Vec::new(),
            category: None,
            publish_date: None,
            custom: Vec::new(),
            name_pattern: None,
        }
    }
}
