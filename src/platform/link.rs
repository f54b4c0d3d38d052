//! Where a video's bytes go, and until when.
//!
//! The query of such a link is the credential itself (a token or an S3 signature), or else its
//! session is, so a [`Link`] never shows itself: not in `Debug`, not in an error. Only the upload
//! exposes it, and the queue stores it by the explicit [`Link::store`].

use std::fmt;

use jiff::Timestamp;
use url::{Host, Url};

use super::{Error, SessionId};

/// An upload link; a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    url: Url,
    expires_at: Option<Timestamp>,
    session: Option<SessionId>,
}

impl Link {
    /// A link that is already a URL.
    pub fn new(url: Url, expires_at: Option<Timestamp>) -> Self {
        Self {
            url,
            expires_at,
            session: None,
        }
    }

    /// The same link for a resumable upload, which needs its session too.
    #[must_use]
    pub fn with_session(self, session: SessionId) -> Self {
        Self {
            session: Some(session),
            ..self
        }
    }

    /// The session of a resumable upload.
    pub fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// The URL itself, for the request that needs it and nothing else.
    pub fn expose(&self) -> &Url {
        &self.url
    }

    /// When the platform stops to honour it, as far as it said so.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Whether its time is over; a link of unknown lifetime is taken as good.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// The text that the job table keeps: the expiry in UNIX seconds or `-`, a blank, the URL; then
    /// a blank and the session, if there is one.
    pub fn store(&self) -> String {
        let mut text = match self.expires_at {
            Some(at) => format!("{} {}", at.as_second(), self.url),
            None => format!("- {}", self.url),
        };
        if let Some(session) = &self.session {
            text.push(' ');
            text.push_str(session.expose());
        }
        text
    }

    /// Reads what [`Link::store`] wrote.
    ///
    /// # Errors
    /// [`Error::StoredLink`] for any other text; it does not repeat the text.
    pub fn restore(stored: &str) -> Result<Self, Error> {
        let (expiry, rest) = stored.split_once(' ').ok_or(Error::StoredLink)?;
        // A URL as this program writes it has no blank in it: a second one begins the session.
        let (url, session) = match rest.split_once(' ') {
            Some((url, session)) => (url, Some(session.parse()?)),
            None => (rest, None),
        };
        let expires_at = match expiry {
            "-" => None,
            seconds => Some(
                seconds
                    .parse()
                    .ok()
                    .and_then(|seconds| Timestamp::from_second(seconds).ok())
                    .ok_or(Error::StoredLink)?,
            ),
        };
        let url = Url::parse(url).map_err(|_| Error::StoredLink)?;
        Ok(Self {
            url,
            expires_at,
            session,
        })
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(**redacted**)")
    }
}

/// Whether a URL stays on this machine; only there is plain HTTP good enough, and no proxy wanted.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "https://upload.example/x?token=eaf74a";

    #[test]
    fn never_shows_itself() {
        let link = Link::new(Url::parse(SECRET).unwrap(), None);
        assert_eq!(format!("{link:?}"), "Link(**redacted**)");
        assert!(!format!("{:?}", Link::restore(&format!("x {SECRET}"))).contains("eaf74a"));
    }

    #[test]
    fn what_is_stored_comes_back() {
        for at in [None, Timestamp::from_second(1_482_770_374).ok()] {
            let link = Link::new(Url::parse(SECRET).unwrap(), at);
            assert_eq!(Link::restore(&link.store()).unwrap(), link);
            let with_session = link.with_session("kwJei9j2".parse().unwrap());
            assert_eq!(
                Link::restore(&with_session.store()).unwrap(),
                with_session,
                "{at:?}"
            );
            assert!(!format!("{with_session:?}").contains("kwJei9j2"));
        }
        for bad in [
            "",
            "-",
            SECRET,
            "x https://a/",
            "1 nonsense",
            "- https://a/ ",
            "- https://a/ two words",
        ] {
            assert!(Link::restore(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn texts_from_before_there_were_sessions_still_come_back() {
        let link = Link::restore("1482770374 https://upload.example/x?token=eaf74a").unwrap();
        assert_eq!(link.expose().as_str(), SECRET);
        assert!(link.session().is_none() && link.expires_at().is_some());
    }

    #[test]
    fn expires_at_its_second() {
        let at = Timestamp::from_second(100).unwrap();
        let link = Link::new(Url::parse(SECRET).unwrap(), Some(at));
        assert!(!link.is_expired(Timestamp::from_second(99).unwrap()));
        assert!(link.is_expired(at));
        assert!(!Link::new(Url::parse(SECRET).unwrap(), None).is_expired(at));
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for (url, expected) in [
            ("http://127.0.0.1:8700/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]:1/", true),
            ("http://localhost/", true),
            ("http://localhost.example/", false),
            ("http://upload.jwplatform.com/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
