//! Signed links, as the owner of a bucket makes them: AWS signature versions 2 and 4 in the query
//! (AWS docs, "REST authentication" and "Authenticating requests: using query parameters").

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::SignedDuration;
use jw_ingest::clock::now;
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub(super) const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub(super) const SECRET_KEY: &str = "wJalrXUtnFEMI+K7MDENG+bPxRfiCYEXAMPLEKEY";

/// The two ways to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// What v1's `s3` links have.
    V2,
    /// What S3 itself asks for today.
    V4,
}

impl Version {
    pub(super) const ALL: [Self; 2] = [Self::V2, Self::V4];
}

/// A request that anyone who has the link may make.
#[derive(Debug, Clone)]
pub(super) struct Permission<'a> {
    pub(super) method: &'a str,
    /// `/bucket/key`, nothing in it that needs encoding.
    pub(super) path: &'a str,
    /// Parameters besides those of the signature.
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) access_key: &'a str,
    /// How long it is good from now on; negative for a link whose time is over.
    pub(super) seconds: i64,
}

impl<'a> Permission<'a> {
    pub(super) fn new(method: &'a str, path: &'a str) -> Self {
        Self {
            method,
            path,
            query: &[],
            access_key: ACCESS_KEY,
            seconds: 600,
        }
    }

    pub(super) fn link(&self, version: Version, host: SocketAddr) -> String {
        let query = match version {
            Version::V2 => self.version_2(),
            Version::V4 => self.version_4(host),
        };
        format!("http://{host}{}?{query}", self.path)
    }

    fn version_2(&self) -> String {
        let until = now() + SignedDuration::from_secs(self.seconds);
        let expires = until.as_second().to_string();
        let of_resource = pairs(self.query.iter().copied(), str::to_owned);
        let mark = if of_resource.is_empty() { "" } else { "?" };
        // No MD5 and no type: a link for bytes of any kind.
        let (method, path) = (self.method, self.path);
        let text = format!("{method}\n\n\n{expires}\n{path}{mark}{of_resource}");
        let mut mac = Hmac::<Sha1>::new_from_slice(SECRET_KEY.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let own = [
            ("AWSAccessKeyId", self.access_key),
            ("Expires", expires.as_str()),
            ("Signature", signature.as_str()),
        ];
        pairs(self.query.iter().copied().chain(own), encode)
    }

    fn version_4(&self, host: SocketAddr) -> String {
        // The link's time begins when it is signed, so one that is over was signed before.
        let late = self.seconds.min(0);
        let at = now() + SignedDuration::from_secs(2 * late);
        let seconds = self.seconds.abs().to_string();
        let time = at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = at.strftime("%Y%m%d").to_string();
        let scope = format!("{day}/us-east-1/s3/aws4_request");
        let credential = format!("{}/{scope}", self.access_key);
        let own = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", credential.as_str()),
            ("X-Amz-Date", time.as_str()),
            ("X-Amz-Expires", seconds.as_str()),
            ("X-Amz-SignedHeaders", "host"),
        ];
        let sorted: BTreeMap<&str, &str> = self.query.iter().copied().chain(own).collect();
        let query = sorted
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect::<Vec<_>>()
            .join("&");
        let (method, path) = (self.method, self.path);
        let request = format!("{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
        let digest = hex(&Sha256::digest(request));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let mut key = format!("AWS4{SECRET_KEY}").into_bytes();
        for word in [&*day, "us-east-1", "s3", "aws4_request"] {
            key = sha256_mac(&key, word);
        }
        format!("{query}&X-Amz-Signature={}", hex(&sha256_mac(&key, &text)))
    }
}

/// `a=b&c=d`, a name without a value by itself.
fn pairs<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
    encode: impl Fn(&str) -> String,
) -> String {
    let one = |(name, value): (&str, &str)| match value {
        "" => name.to_owned(),
        value => format!("{name}={}", encode(value)),
    };
    pairs.map(one).collect::<Vec<_>>().join("&")
}

fn sha256_mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// RFC 3986, nothing but the unreserved characters plain.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
