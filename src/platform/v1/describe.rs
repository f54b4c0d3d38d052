//! Metadata as parameters of `/videos/create` and `/videos/update` (JW docs, v1 videos/create).

use crate::metadata::Metadata;

/// The parameters; none is empty, as the platform refuses a call with one that is.
pub(super) fn params(metadata: &Metadata) -> Vec<(String, String)> {
    let tags = metadata.tags.join(",");
    let date = metadata.publish_date.map(|at| at.as_second().to_string());
    let plain = [
        ("description", metadata.description.as_deref()),
        ("author", metadata.author.as_deref()),
        ("category", metadata.category.as_deref()),
        ("tags", Some(tags.as_str())),
        ("date", date.as_deref()),
    ];
    let plain = plain
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    let custom = metadata.custom.iter();
    let custom = custom.map(|(name, value)| (format!("custom.{name}"), value.clone()));
    plain
        .chain(custom)
        .filter(|(_, value)| !value.is_empty())
        .collect()
}
