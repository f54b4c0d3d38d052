//! The S3 side's other signature: AWS signature version 4 in the query string (AWS docs,
//! "Authenticating requests: using query parameters"). The links of v2 carry it.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::keys::Keys;
use super::origin::Origin;
use super::sign::{encode, hex};

/// Everything of a request that the signature covers. The body is not covered.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// The path as sent.
    pub(super) path: &'a str,
    /// All parameters but the signature, decoded.
    pub(super) query: Vec<(String, String)>,
    /// The headers that are signed: names in lower case and sorted.
    pub(super) headers: Vec<(&'a str, &'a str)>,
    /// `X-Amz-Date`
    pub(super) stamp: &'a str,
    /// `<day>/<region>/s3/aws4_request`
    pub(super) scope: &'a str,
}

impl Request<'_> {
    fn canonical(&self) -> String {
        let mut query: Vec<String> = self.query.iter().map(pair).collect();
        query.sort();
        let headers: String = self
            .headers
            .iter()
            .flat_map(|(name, value)| [name, ":", value.trim(), "\n"])
            .collect();
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        format!(
            "{}\n{}\n{}\n{headers}\n{}\nUNSIGNED-PAYLOAD",
            self.method,
            self.path,
            query.join("&"),
            names.join(";")
        )
    }

    /// The text that is signed.
    pub(super) fn to_sign(&self) -> String {
        let hash = hex(&Sha256::digest(self.canonical()));
        format!("{ALGORITHM}\n{}\n{}\n{hash}", self.stamp, self.scope)
    }

    /// The signature, hexadecimal.
    pub(super) fn signature(&self, secret: &str) -> String {
        let start = format!("AWS4{secret}").into_bytes();
        let key = self
            .scope
            .split('/')
            .fold(start, |key, part| mac(&key, part));
        hex(&mac(&key, &self.to_sign()))
    }
}

fn pair((name, value): &(String, String)) -> String {
    format!("{}={}", encode(name), encode(value))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // An HMAC takes a key of any length, so there is always one.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

/// A link to be signed, for a PUT.
pub(super) struct Link<'a> {
    pub(super) keys: &'a Keys,
    pub(super) origin: &'a Origin,
    pub(super) path: &'a str,
    /// Parameters of its own.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// The `Content-Type` that has to be sent; empty means none.
    pub(super) content_type: &'a str,
    /// UNIX seconds.
    pub(super) from: i64,
    /// How long it lives, in seconds.
    pub(super) lifetime: i64,
}

impl Link<'_> {
    /// The link as an address.
    pub(super) fn url(&self) -> String {
        let stamp = stamp(self.from);
        let day = stamp.get(..8).unwrap_or_default();
        let scope = format!("{day}/{REGION}/{SERVICE}");
        let mut headers = vec![("host", self.origin.address.as_str())];
        if !self.content_type.is_empty() {
            headers.insert(0, ("content-type", self.content_type));
        }
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let own = [
            ("X-Amz-Algorithm", ALGORITHM.to_owned()),
            ("X-Amz-Credential", format!("{}/{scope}", self.keys.access)),
            ("X-Amz-Date", stamp.clone()),
            (
                "X-Amz-Expires",
                self.lifetime.clamp(1, LONGEST_S).to_string(),
            ),
            ("X-Amz-SignedHeaders", names.join(";")),
        ];
        let query: Vec<(String, String)> = self
            .query
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .chain(own)
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let mut pairs: Vec<String> = query.iter().map(pair).collect();
        let request = Request {
            method: "PUT",
            path: self.path,
            query,
            headers,
            stamp: &stamp,
            scope: &scope,
        };
        pairs.push(format!(
            "X-Amz-Signature={}",
            request.signature(&self.keys.secret)
        ));
        format!("{}{}?{}", self.origin.text(), self.path, pairs.join("&"))
    }
}

/// UNIX seconds as `20130524T000000Z`.
fn stamp(at: i64) -> String {
    let at = Timestamp::from_second(at).unwrap_or(Timestamp::MAX);
    at.strftime(STAMP).to_string()
}

/// The UNIX seconds of a stamp, if it is one.
pub(super) fn read_stamp(text: &str) -> Option<i64> {
    let at = DateTime::strptime(STAMP, text).ok()?;
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const REGION: &str = "us-east-1";
pub(super) const SERVICE: &str = "s3/aws4_request";
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// The most that `X-Amz-Expires` may say: seven days.
pub(super) const LONGEST_S: i64 = 7 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_awss_documentation_is_met() {
        let scope = "20130524/us-east-1/s3/aws4_request";
        let credential = format!("AKIAIOSFODNN7EXAMPLE/{scope}");
        let query = [
            ("X-Amz-SignedHeaders", "host"),
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", "20130524T000000Z"),
            ("X-Amz-Expires", "86400"),
        ];
        let request = Request {
            method: "GET",
            path: "/test.txt",
            query: query.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
            headers: vec![("host", "examplebucket.s3.amazonaws.com")],
            stamp: "20130524T000000Z",
            scope,
        };
        assert_eq!(
            request.signature("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }

    #[test]
    fn a_stamp_is_read_as_it_is_written() {
        assert_eq!(stamp(1_369_353_600), "20130524T000000Z");
        assert_eq!(read_stamp("20130524T000000Z"), Some(1_369_353_600));
        for text in [
            "20130524T000000",
            "2013-05-24T00:00:00Z",
            "",
            "20131324T000000Z",
        ] {
            assert_eq!(read_stamp(text), None, "{text}");
        }
    }
}
