//! How answers are written: JSON, or XML where a client asks for it.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use quick_xml::escape::escape;
use serde_json::Value;

use super::params::Params;
use super::refusal::Refusal;

/// `api_format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    /// For create, uploads and errors only.
    Xml,
}

impl Format {
    /// The format that a call asks for. It is mandatory (JW docs, v1 call syntax).
    pub(super) fn read(params: &Params) -> Result<Self, Refusal> {
        match params.need("api_format")? {
            "json" => Ok(Self::Json),
            "xml" => Ok(Self::Xml),
            _ => Err(Refusal::invalid(
                "api_format",
                "The sandbox answers json, and xml in part",
            )),
        }
    }

    /// The format of an upload host. XML is what the platform's page asks for by name; a client
    /// that does not ask gets it too.
    pub(super) fn of_upload(query: &Params) -> Self {
        match query.get("api_format") {
            Some("json") => Self::Json,
            _ => Self::Xml,
        }
    }
}

/// An error page of the web server in front of an upload host.
pub(super) fn page(status: StatusCode) -> Response {
    let reason = format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    );
    let text =
        format!("<html><head><title>{reason}</title></head><body>{reason}</body></html>\r\n");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// A success.
pub(super) fn success(value: &Value, format: Format) -> Response {
    let (kind, text) = match format {
        Format::Json => ("application/json; charset=utf-8", value.to_string()),
        Format::Xml => ("text/xml; charset=utf-8", xml(value)),
    };
    let mut response = Response::new(Body::from(text));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// An error object with the status that belongs to it.
pub(super) fn refusal(refusal: &Refusal, format: Format) -> Response {
    let mut response = success(&refusal.body(), format);
    *response.status_mut() = refusal.code.status();
    response
}

/// In XML, everything about the video hangs under `<video key="…">`; in JSON it is at the top.
fn xml(value: &Value) -> String {
    let mut outer = String::new();
    let mut inner = String::new();
    let mut key = None;
    for (name, field) in value.as_object().into_iter().flatten() {
        match name.as_str() {
            "media" => key = field.get("key").and_then(Value::as_str),
            "file" => inner.push_str(&content(field)),
            "link" | "session_id" => inner.push_str(&element(name, field)),
            _ => outer.push_str(&element(name, field)),
        }
    }
    if let Some(key) = key {
        outer = format!("{outer}<video key=\"{}\">{inner}</video>", escape(key));
    }
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<response>{outer}</response>\n")
}

fn element(name: &str, value: &Value) -> String {
    format!("<{name}>{}</{name}>", content(value))
}

fn content(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escape(text.as_str()).into_owned(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| element(name, value))
            .collect(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_created_video_in_xml_holds_its_link() {
        let value = json!({"status": "ok", "media": {"type": "video", "key": "tL17msiU"},
                           "link": {"path": "/v1/videos/upload", "query": {"token": "a&b"}}});
        assert_eq!(
            xml(&value).lines().nth(1).unwrap(),
            "<response><status>ok</status><video key=\"tL17msiU\"><link>\
             <path>/v1/videos/upload</path><query><token>a&amp;b</token></query></link></video></response>"
        );
    }
}
