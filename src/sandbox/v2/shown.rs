//! A media as the v2 API shows it (JW docs, v2 media; types of the official clients). Sizes and
//! checksums are not shown there, but in the list of its originals.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::sandbox::link::Method;
use crate::sandbox::video::Video;

/// The media object at `now` (UNIX milliseconds).
pub(super) fn media(video: &Video, now: i64) -> Value {
    let field = |name: &str| video.fields.get(name);
    let date = |name: &str| {
        let seconds = field(name)?.parse().ok();
        seconds.and_then(|seconds: i64| date(seconds.saturating_mul(1000)))
    };
    let tags = field("tags").map_or("", String::as_str);
    let tags: Vec<&str> = tags.split(',').filter(|tag| !tag.is_empty()).collect();
    let duration = video.noticed(now).and_then(|media| media.duration.as_ref());
    let mime_type = &video.link.order.content_type;
    json!({
        "id": video.key,
        "type": "media",
        "created": self::date(video.created),
        "last_modified": self::date(video.updated(now)),
        "status": video.status(now),
        "error_message": video.failure(now),
        "media_type": "video",
        "hosting_type": "hosted",
        "mime_type": (!mime_type.is_empty()).then_some(mime_type),
        "duration": duration.and_then(|text| text.parse::<f64>().ok()),
        "external_id": field("external_id"),
        "source_url": null,
        "trim_in_point": field("trim_in_point"),
        "trim_out_point": field("trim_out_point"),
        "relationships": {},
        "metadata": {
            "title": field("title"),
            "description": field("description"),
            "author": field("author"),
            "permalink": field("link"),
            "category": field("category"),
            "external_id": field("external_id"),
            "tags": tags,
            "custom_params": video.custom,
            "publish_start_date": date("date").or_else(|| self::date(video.created)),
            "publish_end_date": date("expires_date"),
        },
    })
}

/// The files that the media was made of: the one that is known of at `now`.
pub(super) fn originals(video: &Video, now: i64) -> Vec<Value> {
    let in_parts = video.link.order.method == Method::Parts;
    let known = video.noticed(now).into_iter();
    let original = known.map(|media| {
        json!({
            "id": video.key,
            "type": "original",
            "created": date(media.noticed_at),
            "status": "ready",
            "md5": (!in_parts).then_some(&media.md5),
            "size": media.size,
            "container_format": null,
            "error_message": null,
            "metadata": {"type": "main"},
            "relationships": {},
        })
    });
    original.collect()
}

/// UNIX milliseconds as `2020-02-20T08:58:26.000+00:00`.
fn date(milliseconds: i64) -> Option<String> {
    let at = Timestamp::from_millisecond(milliseconds).ok()?;
    Some(at.strftime("%Y-%m-%dT%H:%M:%S.%3f+00:00").to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_date_has_its_offset() {
        let text = super::date(1_582_189_106_120).unwrap();
        assert_eq!(text, "2020-02-20T08:58:26.120+00:00");
    }
}
