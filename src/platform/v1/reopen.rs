//! Finds the way back into a resumable upload whose create answer was lost.
//!
//! The platform reports an upload link once, but of a resumable upload it shows the session
//! (`upload_session_id` of `/videos/show`), and the rest of the link is the same for every video.

use jiff::Timestamp;
use url::Url;

use super::answer::TOKEN_LIFETIME;
use super::client::Client;
use crate::clock;
use crate::platform::error::Error;
use crate::platform::key::VideoKey;
use crate::platform::link::{Link, is_loopback};
use crate::platform::video::{Status, Video};

impl Client {
    /// The link of a draft that was created for a resumable upload, made again from what the
    /// platform shows of it; `None` if it has its file already, or no session is open.
    ///
    /// That the link's key is the video's own is how the platform answers in practice, while one
    /// example in its documents shows two different ones. A link that is wrong in this leads to a
    /// refusal at the upload host, never into another video: the session belongs to this one.
    ///
    /// # Errors
    /// Those of [`Client::show`].
    pub async fn reopen(&self, key: &VideoKey) -> Result<Option<Link>, Error> {
        let video = self.show(key).await?;
        Ok(link(self.base(), video, self.clock().at(clock::now())))
    }
}

fn link(base: &Url, video: Video, now: Timestamp) -> Option<Link> {
    let session = video.upload_session_id?;
    if video.status != Status::Created {
        return None;
    }
    let mut url = if is_loopback(base) {
        base.clone()
    } else {
        Url::parse(UPLOAD_HOST).ok()?
    };
    url.set_path(PATH);
    // A key has letters and digits only: nothing to escape.
    url.set_query(Some(&format!("key={}&api_format=json", video.key)));
    // The date is the one of creation; a later one may have been set since, which prolongs nothing.
    let born = video
        .date
        .and_then(|second| Timestamp::from_second(second).ok())
        .map_or(now, |date| date.min(now));
    let link = Link::new(url, born.checked_add(TOKEN_LIFETIME).ok());
    Some(link.with_session(session))
}

/// Where the v1 API's links point to (JW docs, v1 file uploads). It answers `http` for it, and says
/// elsewhere that HTTPS should be used.
const UPLOAD_HOST: &str = "https://upload.jwplatform.com";
/// JW docs, "Upload videos with a resumable protocol".
const PATH: &str = "/v1/videos/upload/resumable";

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    fn draft() -> Video {
        Video {
            key: "tL17msiU".parse().unwrap(),
            status: Status::Created,
            title: None,
            ingest_id: None,
            size: None,
            md5: None,
            duration: None,
            error: None,
            date: Some(NOW - 60),
            updated: None,
            upload_session_id: "kwJei9j2".parse().ok(),
        }
    }

    fn reopened(base: &str, video: Video) -> Option<Link> {
        let now = Timestamp::from_second(NOW).unwrap();
        link(&Url::parse(base).unwrap(), video, now)
    }

    #[test]
    fn the_link_is_as_the_platform_gives_it() {
        for (base, expected) in [
            (
                "https://api.jwplatform.com/v1",
                "https://upload.jwplatform.com/v1/videos/upload/resumable?key=tL17msiU\
                 &api_format=json",
            ),
            (
                "http://127.0.0.1:8700/v1",
                "http://127.0.0.1:8700/v1/videos/upload/resumable?key=tL17msiU&api_format=json",
            ),
        ] {
            let link = reopened(base, draft()).unwrap();
            assert_eq!(link.expose().as_str(), expected);
            assert_eq!(link.session().unwrap().expose(), "kwJei9j2");
        }
    }

    #[test]
    fn only_an_open_session_of_a_draft_is_reopened() {
        let base = "https://api.jwplatform.com/v1";
        let mut without = draft();
        without.upload_session_id = None;
        assert_eq!(reopened(base, without), None);
        for status in [Status::Processing, Status::Ready, Status::Updating] {
            let mut taken = draft();
            taken.status = status;
            assert_eq!(reopened(base, taken), None);
        }
    }

    #[test]
    fn its_life_counts_from_the_creation_and_never_from_later_than_now() {
        let week = 7 * 86_400;
        for (date, expected) in [
            (Some(NOW - 60), NOW - 60 + week),
            (Some(NOW + 9_999_999), NOW + week),
            (None, NOW + week),
        ] {
            let mut video = draft();
            video.date = date;
            let link = reopened("https://api.jwplatform.com/v1", video).unwrap();
            assert_eq!(
                link.expires_at().map(Timestamp::as_second),
                Some(expected),
                "{date:?}"
            );
        }
    }
}
