//! What the calls answer, as types: read leniently where the platform varies, strictly where a wrong
//! reading would lose or double a video.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use url::Url;

use crate::platform::key::VideoKey;
use crate::platform::lenient;
use crate::platform::link::{Link, is_loopback};
use crate::platform::new::{Created, Grant};
use crate::platform::percent::encode;
use crate::platform::video::{self, Video};
use crate::way::Way;

/// One page of `/videos/list`.
#[derive(Debug, Clone)]
pub struct Page {
    /// The videos on it, in the platform's order.
    pub videos: Vec<Video>,
    /// How many there are on all pages together, where the platform says so.
    pub total: Option<u64>,
    /// How many lie before this page.
    pub offset: u64,
}

/// The answer lacks something; the text completes "the answer has …".
pub(super) type Missing = String;

/// Reads the answer of `/videos/create` (JW docs, v1 videos/create), asked at `asked_at`.
pub(super) fn created(
    answer: &Map<String, Value>,
    way: Way,
    asked_at: Timestamp,
) -> Result<Created, Missing> {
    // Newer servers answer `media`, older ones `video`.
    let key = ["media", "video"]
        .iter()
        .find_map(|name| answer.get(*name)?.get("key")?.as_str())
        .and_then(|key| key.parse().ok())
        .ok_or("no video key")?;
    granted_for(answer, (key, way), asked_at)
}

/// Reads the answer of `/videos/update` to a re-upload of this video, asked at `asked_at`: "the same
/// link block" (JW docs, v1 videos/update). It need not repeat the key, but must not name another.
pub(super) fn granted(
    answer: &Map<String, Value>,
    (key, way): (&VideoKey, Way),
    asked_at: Timestamp,
) -> Result<Created, Missing> {
    let told = ["media", "video"]
        .iter()
        .find_map(|name| answer.get(*name)?.get("key")?.as_str());
    if told.is_some_and(|told| told != key.as_str()) {
        return Err("the key of another video".to_owned());
    }
    granted_for(answer, (key.clone(), way), asked_at)
}

fn granted_for(
    answer: &Map<String, Value>,
    (key, way): (VideoKey, Way),
    asked_at: Timestamp,
) -> Result<Created, Missing> {
    if way == Way::Fetch {
        return Ok(Created {
            key,
            grant: Grant::Fetch,
        });
    }
    let link = answer.get("link").ok_or("no upload link")?;
    let mut link = upload_link(link, way, asked_at)?;
    if way == Way::Resumable {
        let session = answer.get("session_id").and_then(Value::as_str);
        let session = session.ok_or("no upload session")?.parse();
        link = link.with_session(session.map_err(|_| "an upload session that cannot be used")?);
    }
    Ok(Created {
        key,
        grant: Grant::Link(link),
    })
}

fn upload_link(link: &Value, way: Way, asked_at: Timestamp) -> Result<Link, Missing> {
    let bad = || "an upload link that cannot be read".to_owned();
    let part = |name| link.get(name).and_then(Value::as_str);
    let address = part("address")
        .filter(|address| is_host(address))
        .ok_or_else(bad)?;
    let protocol = part("protocol").filter(|word| ["http", "https"].contains(word));
    let protocol = protocol.ok_or_else(bad)?;
    let mut url = Url::parse(&format!("{protocol}://{address}")).map_err(|_| bad())?;
    // The platform still answers `http` for hosts where, as it says itself, HTTPS should be used.
    if protocol == "http" && !is_loopback(&url) {
        url.set_scheme("https").map_err(|()| bad())?;
    }
    url.set_path(part("path").ok_or_else(bad)?);
    let query = link
        .get("query")
        .and_then(Value::as_object)
        .ok_or_else(bad)?;
    let mut pairs = Vec::with_capacity(query.len() + 1);
    for (name, value) in query {
        // An S3 `Signature` comes as raw base64, so that its `+ / =` must be escaped here.
        let value = lenient::text(Some(value)).ok_or_else(bad)?;
        pairs.push(format!("{}={}", encode(name), encode(&value)));
    }
    let expires_at = match way {
        Way::S3 => lenient::signed(query.get("Expires"))
            .and_then(|second| Timestamp::from_second(second).ok()),
        Way::Form | Way::Resumable | Way::Direct | Way::Multipart | Way::Fetch | Way::Ftp => {
            pairs.push("api_format=json".to_owned());
            asked_at.checked_add(TOKEN_LIFETIME).ok()
        }
    };
    url.set_query(Some(&pairs.join("&")));
    Ok(Link::new(url, expires_at))
}

/// A host with an optional port: nothing that could smuggle a user, a path or a query in.
fn is_host(address: &str) -> bool {
    !address.is_empty()
        && address
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

/// Reads the `video` of `/videos/show`.
pub(super) fn shown(answer: &Map<String, Value>) -> Result<Video, Missing> {
    parse_video(answer.get("video").ok_or("no video")?)
}

/// Reads one page of `/videos/list`; with each video, whether it came with its custom fields.
pub(super) fn listed(
    answer: &Map<String, Value>,
    asked: u64,
) -> Result<(Page, Vec<bool>), Missing> {
    let items = answer
        .get("videos")
        .and_then(Value::as_array)
        .ok_or("no list of videos")?;
    // One unreadable entry spoils the page: skipping it could hide the video that is looked for.
    let videos = items.iter().map(parse_video).collect::<Result<_, _>>()?;
    let has_custom = items
        .iter()
        .map(|item| item.get("custom").is_some())
        .collect();
    let total = lenient::unsigned(answer.get("total"));
    let offset = lenient::unsigned(answer.get("offset")).unwrap_or(asked);
    Ok((
        Page {
            videos,
            total,
            offset,
        },
        has_custom,
    ))
}

fn parse_video(value: &Value) -> Result<Video, Missing> {
    let text = |name: &str| lenient::text(value.get(name));
    let key = value
        .get("key")
        .and_then(Value::as_str)
        .and_then(|key| key.parse().ok());
    let error = value.get("error");
    let message = lenient::text(error.and_then(|error| error.get("message")))
        .or_else(|| lenient::text(error));
    Ok(Video {
        key: key.ok_or("a video without a key")?,
        status: video::status(&text("status").ok_or("a video without a status")?),
        title: text("title"),
        ingest_id: lenient::text(
            value
                .get("custom")
                .and_then(|custom| custom.get("ingest_id")),
        ),
        size: lenient::unsigned(value.get("size")),
        md5: text("md5").map(|md5| md5.to_ascii_lowercase()),
        duration: lenient::decimal(value.get("duration")),
        error: message.map(|message| lenient::bound_line(&message)),
        date: lenient::signed(value.get("date")),
        updated: lenient::signed(value.get("updated")).and_then(|at| at.checked_mul(1_000_000_000)),
        upload_session_id: text("upload_session_id").and_then(|id| id.parse().ok()),
    })
}

/// How long a form upload's token lives (JW docs, v1 file uploads). Nothing is said of a session's
/// life: it is taken to be no longer.
pub(super) const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::platform::Status;

    fn read(value: &Value, way: Way) -> Result<Created, Missing> {
        created(value.as_object().unwrap(), way, Timestamp::UNIX_EPOCH)
    }

    fn link(created: &Created) -> &Link {
        match &created.grant {
            Grant::Link(link) => link,
            other => panic!("{other:?}"),
        }
    }

    fn s3(address: &str, protocol: &str) -> Value {
        json!({"status": "ok", "media": {"type": "video", "key": "tL17msiU"}, "link": {
            "protocol": protocol, "address": address, "path": "/tL17msiU", "query": {
                "AWSAccessKeyId": "AKIAX", "Expires": "1482770374",
                "Signature": "1/l+L6/yOE05dNEbXHW8sw7TGF4="}}})
    }

    #[test]
    fn an_s3_link_keeps_its_signature_and_gets_nothing_added() {
        let created = read(&s3("upload-s3.jwplatform.com", "https"), Way::S3).unwrap();
        assert_eq!(created.key.as_str(), "tL17msiU");
        assert_eq!(
            link(&created).expose().as_str(),
            "https://upload-s3.jwplatform.com/tL17msiU?AWSAccessKeyId=AKIAX&Expires=1482770374\
             &Signature=1%2Fl%2BL6%2FyOE05dNEbXHW8sw7TGF4%3D"
        );
        assert_eq!(
            link(&created).expires_at().map(Timestamp::as_second),
            Some(1_482_770_374)
        );
    }

    #[test]
    fn a_form_link_asks_for_json_over_https_and_lives_seven_days() {
        let answer = json!({"video": {"key": "foHgEGD4"}, "link": {
            "protocol": "http", "address": "upload.jwplatform.com", "path": "/v1/videos/upload",
            "query": {"key": "foHgEGD4", "token": "eaf74a"}}});
        let created = read(&answer, Way::Form).unwrap();
        assert_eq!(
            link(&created).expose().as_str(),
            "https://upload.jwplatform.com/v1/videos/upload?key=foHgEGD4&token=eaf74a\
             &api_format=json"
        );
        assert_eq!(
            link(&created).expires_at().map(Timestamp::as_second),
            Some(7 * 86_400)
        );
        assert!(!format!("{created:?}").contains("eaf74a"));
    }

    #[test]
    fn a_resumable_link_has_its_session_from_beside_the_link() {
        let mut answer = json!({"media": {"type": "video", "key": "tL17msiU"}, "link": {
            "protocol": "http", "address": "upload.jwplatform.com",
            "path": "/v1/videos/upload/resumable", "query": {"key": "vtQmcboj"}},
            "session_id": "kwJei9j2vtQmcbojrlGJY3mbJFMHfzZwPXBwoSQr"});
        let created = read(&answer, Way::Resumable).unwrap();
        assert_eq!(created.key.as_str(), "tL17msiU");
        assert_eq!(
            link(&created).expose().as_str(),
            "https://upload.jwplatform.com/v1/videos/upload/resumable?key=vtQmcboj&api_format=json"
        );
        let session = link(&created).session().unwrap();
        assert_eq!(session.expose(), "kwJei9j2vtQmcbojrlGJY3mbJFMHfzZwPXBwoSQr");
        assert_eq!(
            link(&created).expires_at().map(Timestamp::as_second),
            Some(7 * 86_400)
        );
        assert!(!format!("{created:?}").contains("kwJei9j2"));
        for bad in [json!(null), json!("a b"), json!(""), json!(7)] {
            answer["session_id"] = bad;
            assert!(read(&answer, Way::Resumable).is_err(), "{answer}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        let here = read(&s3("127.0.0.1:8700", "http"), Way::S3).unwrap();
        assert!(
            link(&here)
                .expose()
                .as_str()
                .starts_with("http://127.0.0.1:8700/tL17msiU?")
        );
        let away = read(&s3("upload.example", "http"), Way::S3).unwrap();
        assert_eq!(link(&away).expose().scheme(), "https");
    }

    #[test]
    fn bad_links_are_refused_without_being_repeated() {
        for address in [
            "",
            "user@host",
            "host/path",
            "host?x",
            "host#x",
            "ho st",
            "[::",
            "a:b",
        ] {
            let missing = read(&s3(address, "https"), Way::S3).unwrap_err();
            assert!(!missing.contains("AKIAX"), "{missing}");
        }
        assert!(read(&s3("host", "ftp"), Way::S3).is_err());
        for broken in [
            json!({}),
            json!({"media": {"key": "a"}}),
            json!({"media": [], "link": 3}),
        ] {
            assert!(read(&broken, Way::S3).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_shown_video_in_any_types() {
        let answer = json!({"video": {"key": "tL17msiU", "status": "failed", "size": "904237686",
            "duration": "817.56", "md5": "ABC", "custom": {"ingest_id": "ing:1:"}, "updated": 5,
            "error": {"message": "bad\nfile"}, "title": null, "date": "4",
            "upload_session_id": "kwJei9j2"}});
        let video = shown(answer.as_object().unwrap()).unwrap();
        assert_eq!(
            (video.size, video.duration),
            (Some(904_237_686), Some(817.56))
        );
        assert_eq!((video.date, video.updated), (Some(4), Some(5_000_000_000)));
        assert_eq!(video.error.as_deref(), Some("bad file"));
        assert_eq!(video.ingest_id.as_deref(), Some("ing:1:"));
        assert_eq!(
            video
                .upload_session_id
                .as_ref()
                .map(crate::platform::SessionId::expose),
            Some("kwJei9j2")
        );
        assert!(!format!("{video:?}").contains("kwJei9j2"));
        assert_eq!(
            (video.status, video.md5.as_deref()),
            (Status::Failed, Some("abc"))
        );
    }

    #[test]
    fn a_list_with_an_unreadable_entry_is_no_list() {
        let good = json!({"key": "a", "status": "baking", "custom": [], "error": null});
        let answer = json!({"videos": [good], "total": "7", "offset": 0});
        let (page, has_custom) = listed(answer.as_object().unwrap(), 0).unwrap();
        assert_eq!(page.videos[0].status, Status::Other("baking".to_owned()));
        assert_eq!((page.total, has_custom), (Some(7), vec![true]));
        for bad in [
            json!({"status": "ready"}),
            json!(3),
            json!({"key": "../x", "status": "x"}),
        ] {
            let answer = json!({"videos": [good, bad]});
            assert!(listed(answer.as_object().unwrap(), 0).is_err(), "{bad}");
        }
        assert!(listed(&Map::new(), 0).is_err());
    }
}
