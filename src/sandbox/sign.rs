//! Who may call: the v1 signature, its timestamp and its nonce (JW docs, v1 authentication).
//!
//! The signature is verified over the *decoded* parameters, so how a client encodes them on the
//! wire does not matter, and what it signed does. Replays are the store's to know.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::{Digest, Sha1};

use super::params::Params;
use super::refusal::{Code, Refusal};

/// What a call must be signed with.
pub(super) struct Credentials<'a> {
    pub(super) key: &'a str,
    pub(super) secret: &'a str,
}

/// Checks the four `api_` parameters and the signature; answers the signature, so that the caller
/// can refuse it the next time. `now` is in UNIX seconds.
pub(super) fn verify<'a>(
    params: &'a Params,
    credentials: &Credentials<'_>,
    now: i64,
) -> Result<&'a str, Refusal> {
    let missing = |code, name: &str| Refusal::new(code, format!("{name} is missing"));
    let key = params
        .get("api_key")
        .ok_or_else(|| missing(Code::ApiKeyMissing, "api_key"))?;
    if key != credentials.key {
        return Err(Refusal::new(
            Code::ApiKeyInvalid,
            "There is no such API key",
        ));
    }
    let timestamp = params
        .get("api_timestamp")
        .ok_or_else(|| missing(Code::TimestampMissing, "api_timestamp"))?;
    check_time(timestamp, now)?;
    let nonce = params
        .get("api_nonce")
        .ok_or_else(|| missing(Code::NonceMissing, "api_nonce"))?;
    if !(8..=9).contains(&nonce.len()) || !nonce.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::new(
            Code::NonceInvalid,
            "A nonce has 8 or 9 decimal digits",
        ));
    }
    let given = params
        .get("api_signature")
        .ok_or_else(|| missing(Code::SignatureMissing, "api_signature"))?;
    if given != signature(params.pairs(), credentials.secret) {
        return Err(Refusal::new(
            Code::SignatureInvalid,
            "The signature does not match",
        ));
    }
    Ok(given)
}

/// The 27 hours into the past are documented. How far ahead a clock may be is not; the same span
/// keeps out milliseconds, which are the mistake to expect there.
fn check_time(text: &str, now: i64) -> Result<(), Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let at: i64 = digits.then(|| text.parse().ok()).flatten().ok_or_else(|| {
        Refusal::new(
            Code::TimestampInvalid,
            "The timestamp is not in UNIX seconds",
        )
    })?;
    if now.saturating_sub(at) > TIMESTAMP_LIFE_S {
        return Err(Refusal::new(
            Code::TimestampExpired,
            "The timestamp is too old",
        ));
    }
    if at.saturating_sub(now) > TIMESTAMP_LIFE_S {
        return Err(Refusal::new(
            Code::TimestampInvalid,
            "The timestamp is in the future",
        ));
    }
    Ok(())
}

/// The SHA-1 of the sorted, encoded parameters and the secret, in lower-case hexadecimal.
fn signature(pairs: &[(String, String)], secret: &str) -> String {
    let mut encoded: Vec<(String, String)> = pairs
        .iter()
        .filter(|(name, _)| name != "api_signature")
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    encoded.sort();
    let joined: Vec<String> = encoded
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    hex(&Sha1::digest(format!("{}{secret}", joined.join("&"))))
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            write!(text, "{byte:02x}").ok();
            text
        })
}

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Older timestamps are refused (JW docs: 27 hours), in seconds.
const TIMESTAMP_LIFE_S: i64 = 27 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    // The public sample values of the platform's documentation.
    const KEY: &str = "XOqEAfxj";
    const SECRET: &str = "uA96CFtJa138E2T5GhKfngml";
    const AT: i64 = 1_237_387_851;

    fn params(raw: &str) -> Params {
        let mut params = Params::default();
        params.decode(raw.as_bytes()).unwrap();
        params
    }

    fn plain(extra: &str) -> Params {
        params(&format!(
            "api_format=json&api_key={KEY}&api_nonce=80684843&api_timestamp={AT}&{extra}"
        ))
    }

    #[test]
    fn the_documentations_vector_is_met() {
        let given = params(
            "text=d%C3%A9mo&api_format=xml&api_key=XOqEAfxj&api_nonce=80684843&api_timestamp=1237387851",
        );
        assert_eq!(
            signature(given.pairs(), SECRET),
            "fbdee51a45980f9876834dc5ee1ec5e93f67cb89"
        );
    }

    #[test]
    fn vectors_computed_by_an_independent_program_are_met() {
        for (extra, expected) in [
            (
                "upload_method=s3&title=Harbour",
                "2f5370b579e83b299328bd2489bf0e407664b3a9",
            ),
            (
                "description=two++spaces&title=%C3%89t%C3%A9+%C3%A0%20la%20plage%20%E2%80%93%20%E5%8C%97%E4%BA%AC%20%E2%9B%84",
                "58985baf5b2c0fbc609945f1111c9a19f0142d1f",
            ),
            (
                "tags=one,two's%20(x)!&title=a~b%2Bc*d",
                "666e66afd0fb504abea3aff7ab4180ed846c40e5",
            ),
            (
                "download_url=https://mysite.net/videos/my%20Video.mp4?x%3D1%26y%3D2&title=fetch",
                "851a306883a44d1b9c4f59256e6ffd2f6d4c5d47",
            ),
            (
                "custom.ingest_id=sha256:ab/cd%3D&size=96768273&title=x&upload_method=multipart",
                "ff981ba51cb8bca1c9151be10f304a7aff9795d2",
            ),
            (
                "description=100%25%0Aline2&title=%22q%22%20%3Cb%3E%26amp%3B",
                "ab4aaef8663191ff3accffca4d9f4ac378d40e00",
            ),
            ("", "76af0e3a30448ac16452ca9ad4d86df4adf67148"),
            (
                "video_key=tL17msiU",
                "277bc5ae075be2f8497d174f80469c566744dc87",
            ),
            (
                "search:custom.ingest_id=ing:01HZX:",
                "584d2006940ee219c23a3060ec7a55eb88b67f2a",
            ),
        ] {
            assert_eq!(signature(plain(extra).pairs(), SECRET), expected, "{extra}");
        }
    }

    #[test]
    fn vectors_of_the_platforms_own_client_are_met() {
        for (kit, extra, expected) in [
            (
                "py-1.2.2",
                "title=Harbour&upload_method=s3",
                "2af39019b8b31216b5696a0985767f1e36afdad1",
            ),
            (
                "py-1.2.2",
                "title=a~b%2Bc*d&tags=one,two's+(x)!",
                "567341f1072cbb3751ea26691db4d97e89f124d6",
            ),
            (
                "py-1.2.2",
                "title=&b=2",
                "1967989f2c7bf8f3260b639e820f9e212669d3e0",
            ),
            ("py-1.2.2", "", "2edb333bd31958a3f8dd6ac027b1a9d46b3a56c7"),
            (
                "py-2.2.2",
                "title=Harbour&upload_method=s3",
                "6d96686e62cb67f1d0620fe9b82476539503b814",
            ),
            (
                "py-2.2.2",
                "title=&b=2",
                "d284ef6c42df7a22391b4e51ffd4b46be407a1ad",
            ),
        ] {
            let given = params(&format!(
                "{extra}&api_kit={kit}&api_format=json&api_key={KEY}&api_nonce=080684843&api_timestamp={AT}"
            ));
            assert_eq!(signature(given.pairs(), SECRET), expected, "{kit} {extra}");
        }
    }

    fn code(raw: &str, now: i64) -> Option<Code> {
        let credentials = Credentials {
            key: KEY,
            secret: SECRET,
        };
        verify(&params(raw), &credentials, now)
            .err()
            .map(|refusal| refusal.code)
    }

    #[test]
    fn each_missing_or_wrong_part_has_its_code() {
        let good = format!(
            "api_format=json&api_key={KEY}&api_nonce=80684843&api_timestamp={AT}&api_signature=76af0e3a30448ac16452ca9ad4d86df4adf67148"
        );
        assert_eq!(code(&good, AT), None);
        assert_eq!(code(&good, AT + TIMESTAMP_LIFE_S), None);
        assert_eq!(
            code(&good, AT + TIMESTAMP_LIFE_S + 1),
            Some(Code::TimestampExpired)
        );
        assert_eq!(
            code(&good, AT - TIMESTAMP_LIFE_S - 1),
            Some(Code::TimestampInvalid)
        );
        for (from, to, expected) in [
            ("api_key=", "x=", Code::ApiKeyMissing),
            ("api_key=X", "api_key=Y", Code::ApiKeyInvalid),
            ("api_timestamp=", "x=", Code::TimestampMissing),
            ("api_timestamp=", "api_timestamp=-", Code::TimestampInvalid),
            (
                "api_timestamp=1237387851",
                "api_timestamp=1237387851000",
                Code::TimestampInvalid,
            ),
            ("api_nonce=", "x=", Code::NonceMissing),
            ("api_nonce=8", "api_nonce=", Code::NonceInvalid),
            ("api_nonce=8", "api_nonce=x", Code::NonceInvalid),
            ("api_nonce=8", "api_nonce=9", Code::SignatureInvalid),
            ("api_signature=", "x=", Code::SignatureMissing),
            (
                "api_signature=76af",
                "api_signature=76AF",
                Code::SignatureInvalid,
            ),
            (
                "api_format=json",
                "api_format=json&more=1",
                Code::SignatureInvalid,
            ),
        ] {
            let raw = good.replace(from, to);
            assert_eq!(code(&raw, AT), Some(expected), "{from} -> {to}");
        }
    }
}
