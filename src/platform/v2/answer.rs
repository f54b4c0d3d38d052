//! What the calls answer, as types: read leniently where the platform varies, strictly where a wrong
//! reading would lose or double a video.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use url::Url;

use super::link;
use crate::platform::lenient;
use crate::platform::new::{Created, Grant};
use crate::platform::pass::Pass;
use crate::platform::video::{self, Video};
use crate::way::Way;

/// The answer lacks something; the text completes "the answer has …".
pub(super) type Missing = &'static str;

/// One page of a list.
#[derive(Debug)]
pub(super) struct Page {
    /// The videos on it, in the platform's order.
    pub(super) videos: Vec<Video>,
    /// How many there are on all pages together, where the platform says so.
    pub(super) total: Option<u64>,
}

/// Reads the answer to a create (JW docs, v2 "Create media"); `base` is where the API lives.
pub(super) fn created(
    answer: &Map<String, Value>,
    way: Way,
    base: &Url,
) -> Result<Created, Missing> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let key = text("id")
        .and_then(|id| id.parse().ok())
        .ok_or("no media id")?;
    let grant = match way {
        Way::Fetch => Grant::Fetch,
        Way::Multipart => {
            let id = text("upload_id").ok_or("no upload id")?;
            let token = text("upload_token").ok_or("no upload token")?;
            Grant::Parts(make_pass(base, id, token)?)
        }
        Way::Direct | Way::S3 | Way::Form | Way::Resumable | Way::Ftp => {
            let link = text("upload_link").ok_or("no upload link")?;
            Grant::Link(
                link::parse_link(link).ok_or("an upload link that cannot be used as it is")?,
            )
        }
    };
    Ok(Created { key, grant })
}

/// The upload's address is not in the answer: it is known from its id (JW docs, v2 multipart
/// uploads).
fn make_pass(base: &Url, id: &str, token: &str) -> Result<Pass, Missing> {
    let bad = "an upload id that cannot be used";
    // Dots alone would name another place; all else is escaped below.
    if id.is_empty() || id.len() > LONGEST_ID || id.bytes().all(|byte| byte == b'.') {
        return Err(bad);
    }
    let mut upload = base.clone();
    upload
        .path_segments_mut()
        .map_err(|()| bad)?
        .pop_if_empty()
        .extend(["uploads", id]);
    Pass::new(upload, token, link::token_expiry(token))
        .map_err(|_| "an upload token that cannot be used")
}

/// Far beyond any id that was seen.
const LONGEST_ID: usize = 1024;

/// Reads one page of a list.
pub(super) fn listed(answer: &Map<String, Value>) -> Result<Page, Missing> {
    let items = answer.get("media").and_then(Value::as_array);
    let read = |item: &Value| {
        item.as_object()
            .ok_or("a media without fields")
            .and_then(video)
    };
    // One unreadable entry spoils the page: skipping it could hide the video that is looked for.
    let videos = items.ok_or("no list of media")?.iter().map(read);
    Ok(Page {
        videos: videos.collect::<Result<_, _>>()?,
        total: lenient::unsigned(answer.get("total")),
    })
}

/// Reads one media (JW docs, v2 "Media").
pub(super) fn video(media: &Map<String, Value>) -> Result<Video, Missing> {
    let text = |name: &str| lenient::text(media.get(name));
    let metadata = |name: &str| lenient::text(media.get("metadata").and_then(|all| all.get(name)));
    let key = media
        .get("id")
        .and_then(Value::as_str)
        .and_then(|id| id.parse().ok());
    Ok(Video {
        key: key.ok_or("a media without an id")?,
        status: video::status(&text("status").ok_or("a media without a status")?),
        title: metadata("title"),
        ingest_id: text("external_id").or_else(|| metadata("external_id")),
        size: None,
        md5: None,
        duration: lenient::decimal(media.get("duration")),
        error: text("error_message").map(|message| lenient::bound_line(&message)),
        date: text("created").and_then(|at| Some(moment(&at)?.as_second())),
        updated: text("last_modified").and_then(|at| moment(&at)?.as_nanosecond().try_into().ok()),
        upload_session_id: None,
    })
}

/// Reads the size and the MD5 of what was received out of the list of a media's originals. Where there are
/// several (alternate audio), what they do not agree on is not known.
pub(super) fn received(answer: &Map<String, Value>) -> (Option<u64>, Option<String>) {
    let originals = answer.get("originals").and_then(Value::as_array);
    let told = originals.into_iter().flatten().map(|original| {
        let md5 = original.get("md5").and_then(Value::as_str);
        let is_md5 = |text: &&str| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let md5 = md5.filter(is_md5).map(str::to_ascii_lowercase);
        (lenient::unsigned(original.get("size")), md5)
    });
    let agreed = told.reduce(|one, other| {
        (
            one.0.filter(|size| Some(*size) == other.0),
            one.1.filter(|md5| Some(md5) == other.1.as_ref()),
        )
    });
    agreed.unwrap_or_default()
}

/// An ISO 8601 time; one that names no zone is in UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let zoned = text.parse::<Timestamp>().ok();
    zoned.or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::platform::Status;

    fn read(value: &Value, way: Way) -> Result<Created, Missing> {
        let base = Url::parse("https://api.jwplayer.com/v2").unwrap();
        created(value.as_object().unwrap(), way, &base)
    }

    #[test]
    fn the_originals_tell_what_was_received_as_far_as_they_agree() {
        let sum = "900150983cd24fb0d6963f7d28e17f72";
        let one = json!({"md5": sum, "size": 3});
        let known = Some(sum.to_owned());
        for (list, expected) in [
            (json!([one]), (Some(3), known.clone())),
            (
                json!([{"md5": sum.to_uppercase(), "size": "3"}]),
                (Some(3), known.clone()),
            ),
            (json!([{"md5": null, "size": 3}]), (Some(3), None)),
            // An ETag of an upload in parts is no MD5.
            (
                json!([{"md5": format!("{sum}-2"), "size": 3}]),
                (Some(3), None),
            ),
            (json!([{"md5": "zz", "size": -1}]), (None, None)),
            (json!([one, one]), (Some(3), known)),
            (json!([one, {"md5": "00", "size": 4}]), (None, None)),
            (json!([]), (None, None)),
            (json!(7), (None, None)),
        ] {
            let answer = json!({ "originals": list });
            assert_eq!(received(answer.as_object().unwrap()), expected, "{answer}");
        }
        assert_eq!(received(&Map::new()), (None, None));
    }

    #[test]
    fn each_way_has_its_grant() {
        let link = "https://s3.example/k?X-Amz-Date=19700101T000000Z&X-Amz-Expires=9";
        let answer = json!({"id": "aB3dE6gH", "status": "created", "upload_link": link});
        let direct = read(&answer, Way::Direct).unwrap();
        assert_eq!(direct.key.as_str(), "aB3dE6gH");
        assert_eq!(direct.grant.expires_at().map(Timestamp::as_second), Some(9));
        let Grant::Link(read_link) = direct.grant else {
            panic!("{direct:?}")
        };
        assert_eq!(read_link.expose().as_str(), link);
        let answer = json!({"id": "aB3dE6gH", "upload_id": "Up/1?x", "upload_token": "a.e30.b"});
        let parts = read(&answer, Way::Multipart).unwrap();
        assert!(!format!("{parts:?}").contains("a.e30.b"));
        let Grant::Parts(pass) = parts.grant else {
            panic!("{parts:?}")
        };
        let expected = "https://api.jwplayer.com/v2/uploads/Up%2F1%3Fx";
        assert_eq!(pass.expose_upload().as_str(), expected);
        assert_eq!((pass.expose_token(), pass.expires_at()), ("a.e30.b", None));
        let fetch = read(&json!({"id": "aB3dE6gH"}), Way::Fetch).unwrap();
        assert_eq!(fetch.grant, Grant::Fetch);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (answer, way, says) in [
            (json!({}), Way::Fetch, "no media id"),
            (json!({"id": 7}), Way::Fetch, "no media id"),
            (json!({"id": "../x"}), Way::Fetch, "no media id"),
            (json!({"id": "a"}), Way::Direct, "no upload link"),
            (
                json!({"id": "a", "upload_link": "http://s3.example/"}),
                Way::Direct,
                "an upload link that",
            ),
            (
                json!({"id": "a", "upload_link": ["https://s3.example/"]}),
                Way::Direct,
                "no upload link",
            ),
            (
                json!({"id": "a", "upload_token": "t"}),
                Way::Multipart,
                "no upload id",
            ),
            (
                json!({"id": "a", "upload_id": "u"}),
                Way::Multipart,
                "no upload token",
            ),
            (
                json!({"id": "a", "upload_id": "..", "upload_token": "t"}),
                Way::Multipart,
                "an upload id that",
            ),
            (
                json!({"id": "a", "upload_id": "u", "upload_token": "t\n"}),
                Way::Multipart,
                "an upload token that",
            ),
        ] {
            let missing = read(&answer, way).unwrap_err();
            assert!(missing.starts_with(says), "{answer}: {missing}");
        }
    }

    #[test]
    fn a_media_is_a_video() {
        let media = json!({"id": "aB3dE6gH", "type": "media", "status": "failed",
            "created": "2020-02-20T08:58:26+00:00", "last_modified": "2020-02-20T10:58:27.5+02:00",
            "error_message": "no\nvideo in it", "duration": 12.5, "external_id": "ing:1",
            "metadata": {"title": "Été", "external_id": "other"}});
        let read = video(media.as_object().unwrap()).unwrap();
        assert_eq!(
            (read.key.as_str(), read.status),
            ("aB3dE6gH", Status::Failed)
        );
        assert_eq!(
            (read.title.as_deref(), read.duration),
            (Some("Été"), Some(12.5))
        );
        assert_eq!(read.ingest_id.as_deref(), Some("ing:1"));
        assert_eq!(read.error.as_deref(), Some("no video in it"));
        assert_eq!(
            (read.date, read.updated),
            (Some(1_582_189_106), Some(1_582_189_107_500_000_000))
        );
        assert_eq!((read.size, read.md5), (None, None));
        let media = json!({"id": "a", "status": "new word", "external_id": null,
            "created": "2020-02-20T08:58:26", "last_modified": "yesterday", "duration": null,
            "metadata": {"external_id": "ing:2"}});
        let read = video(media.as_object().unwrap()).unwrap();
        assert_eq!(read.status, Status::Other("new word".to_owned()));
        assert_eq!(read.ingest_id.as_deref(), Some("ing:2"));
        assert_eq!((read.date, read.updated), (Some(1_582_189_106), None));
    }

    #[test]
    fn one_unreadable_media_spoils_the_page() {
        for (answer, says) in [
            (json!({"total": 1}), "no list"),
            (json!({"media": {}}), "no list"),
            (
                json!({"media": [{"id": "a", "status": "ready"}, 7]}),
                "without fields",
            ),
            (json!({"media": [{"status": "ready"}]}), "without an id"),
            (json!({"media": [{"id": "a"}]}), "without a status"),
        ] {
            let missing = listed(answer.as_object().unwrap()).unwrap_err();
            assert!(missing.contains(says), "{answer}: {missing}");
        }
    }
}
