//! Metadata as the `metadata` of a create and of an update (JW docs, v2 "Create media", "Update
//! media"). Unlike API v1, v2 has no prefix before the names of custom parameters.

use serde_json::{Map, Value, json};

use crate::metadata::Metadata;

/// Puts all but the custom parameters into the fields of a call.
pub(super) fn insert(fields: &mut Map<String, Value>, metadata: &Metadata) {
    let tags = (!metadata.tags.is_empty()).then(|| json!(metadata.tags));
    let date = metadata
        .publish_date
        .map(|at| at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string());
    let text = |text: &Option<String>| text.clone().map(Value::from);
    for (name, value) in [
        ("description", text(&metadata.description)),
        ("author", text(&metadata.author)),
        ("category", text(&metadata.category)),
        ("tags", tags),
        ("publish_start_date", date.map(Value::from)),
    ] {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    }
}

/// All custom parameters: those that a media has already, ours in the place of those of the same
/// name, and the ingest id.
///
/// Whether an update replaces all of them or only those it names is not documented; sent whole, both
/// come to the same.
pub(super) fn custom_params(had: Option<&Value>, metadata: &Metadata, ingest_id: &str) -> Value {
    let mut all = had.and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in &metadata.custom {
        all.insert(name.clone(), value.as_str().into());
    }
    all.insert("ingest_id".to_owned(), ingest_id.into());
    // The map is text to text; any other text there would make the platform refuse the call.
    all.retain(|_, value| value.is_string());
    Value::Object(all)
}
