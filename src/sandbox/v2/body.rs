//! What the bodies of the v2 API may say: all of it is known here, and all else is refused (JW docs,
//! v2 media: create, update, reupload).

use std::collections::BTreeMap;

use axum::http::header;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Asked;
use super::error::Wrong;
use crate::sandbox::create::is_time_code;
use crate::sandbox::link::{Method, Order, Source};

/// Create, re-upload and update; each has its parts of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    #[serde(default)]
    pub(super) upload: Upload,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

/// The body of a re-upload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reupload {
    pub(super) upload: Upload,
}

/// The body of an update.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Update {
    pub(super) metadata: Metadata,
}

/// How the bytes will come.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upload {
    #[serde(default)]
    method: Word,
    mime_type: Option<String>,
    download_url: Option<Source>,
    #[serde(rename = "source_url")]
    external: Option<String>,
    trim_in_point: Option<String>,
    trim_out_point: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    #[default]
    Direct,
    Multipart,
    Fetch,
    External,
}

/// What is said of a media.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata {
    title: Option<String>,
    description: Option<String>,
    author: Option<String>,
    permalink: Option<String>,
    category: Option<String>,
    external_id: Option<String>,
    tags: Option<Vec<String>>,
    custom_params: Option<BTreeMap<String, String>>,
    publish_start_date: Option<String>,
    publish_end_date: Option<String>,
    /// Of media that are hosted elsewhere; the file tells otherwise.
    #[serde(rename = "duration")]
    _duration: Option<f64>,
}

/// Reads a body that has to be JSON.
pub(super) fn read<T: DeserializeOwned>(asked: &Asked<'_>) -> Result<T, Wrong> {
    let kind = asked.headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Wrong::body("Content-Type has to be application/json"));
    }
    let wrong = |error: serde_json::Error| Wrong::body(error.to_string());
    let value: Value = serde_json::from_slice(&asked.body).map_err(wrong)?;
    // serde would take a list for an object of which nothing is said.
    let objects = value.as_object();
    if !objects.is_some_and(|object| object.values().all(Value::is_object)) {
        return Err(Wrong::body("the body is not an object of objects"));
    }
    if has_null(&value) {
        return Err(Wrong::body("null is not a value"));
    }
    serde_json::from_value(value).map_err(wrong)
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(has_null),
        Value::Object(fields) => fields.values().any(has_null),
        _ => false,
    }
}

impl Upload {
    /// The order that it makes, and the trim points.
    pub(super) fn order(self) -> Result<(Order, BTreeMap<String, String>), Wrong> {
        let method = match self.method {
            Word::Direct => Method::Direct,
            Word::Multipart => Method::Parts,
            Word::Fetch => Method::Fetch,
            Word::External => return Err(Wrong::body("the sandbox hosts no external media")),
        };
        if self.external.is_some() {
            return Err(Wrong::body("'source_url' is for external media only"));
        }
        let fetch = method == Method::Fetch;
        if fetch != self.download_url.is_some() {
            return Err(Wrong::body(
                "'download_url' goes with 'fetch', and only with it",
            ));
        }
        let source = self.download_url.map(|given| {
            Source::read(&given.0).ok_or_else(|| Wrong::body("'download_url' is not http or https"))
        });
        let content_type = self.mime_type.unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if !content_type.is_empty()
            && (!content_type.contains('/') || !content_type.bytes().all(plain))
        {
            return Err(Wrong::body("'mime_type' is not a media type"));
        }
        let mut fields = BTreeMap::new();
        for (name, value) in [
            ("trim_in_point", self.trim_in_point),
            ("trim_out_point", self.trim_out_point),
        ] {
            let Some(value) = value else { continue };
            if !is_time_code(&value) {
                return Err(Wrong::body(format!(
                    "'{name}' is not a time as HH:MM:SS.mmm"
                )));
            }
            fields.insert(name.to_owned(), value);
        }
        let order = Order {
            content_type,
            source: source.transpose()?,
            ..Order::plain(method)
        };
        Ok((order, fields))
    }
}

impl Metadata {
    /// Puts what was said into the fields of a video; they have v1's names.
    pub(super) fn apply(
        self,
        fields: &mut BTreeMap<String, String>,
        custom: &mut BTreeMap<String, String>,
    ) -> Result<(), Wrong> {
        let start = self
            .publish_start_date
            .map(|text| seconds("publish_start_date", &text));
        let end = self
            .publish_end_date
            .map(|text| seconds("publish_end_date", &text));
        let said = [
            ("title", self.title),
            ("description", self.description),
            ("author", self.author),
            ("link", self.permalink),
            ("category", self.category),
            ("external_id", self.external_id),
            ("tags", self.tags.map(|tags| tags.join(","))),
            ("date", start.transpose()?),
            ("expires_date", end.transpose()?),
        ];
        for (name, value) in said {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        }
        if let Some(given) = self.custom_params {
            if given.contains_key("") {
                return Err(Wrong::body("a custom parameter needs a name"));
            }
            *custom = given;
        }
        Ok(())
    }
}

/// A time with its offset, as UNIX seconds.
fn seconds(name: &str, text: &str) -> Result<String, Wrong> {
    let at: Timestamp = text
        .parse()
        .map_err(|_| Wrong::body(format!("'{name}' is not a date in ISO 8601")))?;
    Ok(at.as_second().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn order(upload: Value) -> Option<Order> {
        let upload: Upload = serde_json::from_value(upload).ok()?;
        Some(upload.order().ok()?.0)
    }

    #[test]
    fn methods_and_what_goes_with_them() {
        assert_eq!(order(json!({})).unwrap().method, Method::Direct);
        let parts = order(json!({"method": "multipart"})).unwrap();
        assert_eq!(parts.method, Method::Parts);
        let typed = order(json!({"method": "direct", "mime_type": "video/mp4"})).unwrap();
        assert_eq!(typed.content_type, "video/mp4");
        let url = "https://h/v.mp4";
        let fetch = order(json!({"method": "fetch", "download_url": url})).unwrap();
        assert_eq!(fetch.source, Some(Source(url.to_owned())));
        for wrong in [
            json!({"method": "single"}),
            json!({"method": "external", "source_url": url}),
            json!({"method": "direct", "source_url": url}),
            json!({"method": "direct", "download_url": url}),
            json!({"method": "fetch"}),
            json!({"method": "fetch", "download_url": "file:///etc/passwd"}),
            json!({"method": "fetch", "download_url": 7}),
            json!({"mime_type": "mp4"}),
            json!({"mime_type": "a/b\r\nx"}),
            json!({"trim_in_point": "33"}),
            json!({"size": 7}),
        ] {
            assert!(order(wrong.clone()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_is_said_of_a_media_gets_the_names_of_v1() {
        let said = json!({"title": "T", "tags": ["a", "b"], "permalink": "http://p",
            "publish_start_date": "2020-02-20T08:58:26+00:00", "custom_params": {"k": "v"}});
        let metadata: Metadata = serde_json::from_value(said).unwrap();
        let (mut fields, mut custom) = (BTreeMap::new(), BTreeMap::new());
        custom.insert("old".to_owned(), "x".to_owned());
        metadata.apply(&mut fields, &mut custom).unwrap();
        let told: Vec<String> = fields
            .into_iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        assert_eq!(
            told,
            ["date=1582189106", "link=http://p", "tags=a,b", "title=T"]
        );
        assert_eq!(custom, BTreeMap::from([("k".to_owned(), "v".to_owned())]));
    }

    #[test]
    fn wrong_types_and_unknown_names_are_refused() {
        for wrong in [
            json!({"title": 7}),
            json!({"tags": "a,b"}),
            json!({"custom_params": {"k": 7}}),
            json!({"custom.k": "v"}),
            json!({"language": "en"}),
        ] {
            assert!(
                serde_json::from_value::<Metadata>(wrong.clone()).is_err(),
                "{wrong}"
            );
        }
        let dated: Metadata = serde_json::from_value(json!({"publish_end_date": "2020"})).unwrap();
        let said = dated.apply(&mut BTreeMap::new(), &mut BTreeMap::new());
        assert_eq!(said.unwrap_err().code, "invalid_body");
    }
}
