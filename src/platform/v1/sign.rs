//! Signs a call, as JW's v1 documentation asks ("Authentication"): pure, without clock or chance.
//!
//! The encoded and sorted parameters are both what is signed and what is sent. The platform checks
//! over the decoded values, so any encoding would do on the wire; one encoding cannot disagree with
//! itself.

use sha1::{Digest, Sha1};

use crate::hex;
use crate::platform::percent::encode;

/// The form body of a signed call: all `params` sorted by name, and `api_signature` at the end.
///
/// `params` must hold the `api_*` parameters already.
pub(super) fn signed_form<'a>(
    params: impl IntoIterator<Item = (&'a str, &'a str)>,
    secret: &str,
) -> String {
    let mut encoded: Vec<(String, String)> = params
        .into_iter()
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    encoded.sort();
    let mut form = String::new();
    for (name, value) in &encoded {
        form.push_str(name);
        form.push('=');
        form.push_str(value);
        form.push('&');
    }
    let base = form.strip_suffix('&').unwrap_or_default();
    let digest = Sha1::new()
        .chain_update(base)
        .chain_update(secret)
        .finalize();
    form.push_str("api_signature=");
    form.push_str(&hex::lower(&digest));
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    // The sample credentials of JW's public documentation.
    const KEY: &str = "XOqEAfxj";
    const SECRET: &str = "uA96CFtJa138E2T5GhKfngml";

    type Params<'a> = &'a [(&'a str, &'a str)];

    fn signature(api: Params<'_>, extra: Params<'_>) -> String {
        let form = signed_form(api.iter().chain(extra).copied(), SECRET);
        form.rsplit_once("&api_signature=").unwrap().1.to_owned()
    }

    fn plain(extra: Params<'_>) -> String {
        let api = [
            ("api_key", KEY),
            ("api_nonce", "80684843"),
            ("api_timestamp", "1237387851"),
            ("api_format", "json"),
        ];
        signature(&api, extra)
    }

    fn by_sdk(kit: &str, extra: Params<'_>) -> String {
        let api = [
            ("api_kit", kit),
            ("api_key", KEY),
            ("api_nonce", "080684843"),
            ("api_timestamp", "1237387851"),
            ("api_format", "json"),
        ];
        signature(&api, extra)
    }

    #[test]
    fn the_documentation_s_own_example() {
        let params = [
            ("text", "démo"),
            ("api_key", KEY),
            ("api_format", "xml"),
            ("api_nonce", "80684843"),
            ("api_timestamp", "1237387851"),
        ];
        assert_eq!(
            signed_form(params, SECRET),
            "api_format=xml&api_key=XOqEAfxj&api_nonce=80684843&api_timestamp=1237387851\
             &text=d%C3%A9mo&api_signature=fbdee51a45980f9876834dc5ee1ec5e93f67cb89"
        );
    }

    /// Made by the platform's Python clients, 1.2.2 and 2.2.2, with nonce and time held still.
    #[test]
    fn what_the_python_clients_sign() {
        let vectors: [(Params<'_>, &str, &str); 8] = [
            (
                &[("title", "Harbour"), ("upload_method", "s3")],
                "2af39019b8b31216b5696a0985767f1e36afdad1",
                "6d96686e62cb67f1d0620fe9b82476539503b814",
            ),
            (
                &[
                    ("title", "Été à la plage – 北京 ⛄"),
                    ("description", "two  spaces"),
                ],
                "0e4c29afd7cb87860b1949a599602cd41e99e66b",
                "4fee205e343b90131ce2dbc4ab176c53348f0c84",
            ),
            (
                &[("title", "a~b+c*d"), ("tags", "one,two's (x)!")],
                "567341f1072cbb3751ea26691db4d97e89f124d6",
                "70b38c021402aceae13b81636851c4dac92bfb09",
            ),
            (
                &[
                    (
                        "download_url",
                        "https://mysite.net/videos/my Video.mp4?x=1&y=2",
                    ),
                    ("title", "fetch"),
                ],
                "ab352441ce32ececd29a9be3660f2a7a18e8b1aa",
                "ce443c5b20d23d0af08bf49a61159d9e4ed37474",
            ),
            (
                &[
                    ("custom.ingest_id", "sha256:ab/cd="),
                    ("title", "x"),
                    ("upload_method", "multipart"),
                    ("size", "96768273"),
                ],
                "81b68159d41d5d23746b92eff033bf4adaf31883",
                "436b2720b65915b96d203837a02da871c0677faf",
            ),
            (
                &[("title", ""), ("b", "2")],
                "1967989f2c7bf8f3260b639e820f9e212669d3e0",
                "d284ef6c42df7a22391b4e51ffd4b46be407a1ad",
            ),
            (
                &[("description", "100%\nline2"), ("title", "\"q\" <b>&amp;")],
                "ef366783f4618816af06da9e0517fc37ec0adb40",
                "88ab3a37c9cfffe4163e7e3f0368fa759f1fb1b6",
            ),
            (
                &[],
                "2edb333bd31958a3f8dd6ac027b1a9d46b3a56c7",
                "46b8cdc5ddd5a98166c19c64d05b4333cdf342d7",
            ),
        ];
        for (extra, old, new) in vectors {
            assert_eq!(by_sdk("py-1.2.2", extra), old, "{extra:?}");
            assert_eq!(by_sdk("py-2.2.2", extra), new, "{extra:?}");
        }
    }

    /// Without `api_kit`, as this program sends it.
    #[test]
    fn what_this_program_signs() {
        let vectors: [(Params<'_>, &str); 9] = [
            (
                &[("title", "Harbour"), ("upload_method", "s3")],
                "2f5370b579e83b299328bd2489bf0e407664b3a9",
            ),
            (
                &[
                    ("title", "Été à la plage – 北京 ⛄"),
                    ("description", "two  spaces"),
                ],
                "58985baf5b2c0fbc609945f1111c9a19f0142d1f",
            ),
            (
                &[("title", "a~b+c*d"), ("tags", "one,two's (x)!")],
                "666e66afd0fb504abea3aff7ab4180ed846c40e5",
            ),
            (
                &[
                    (
                        "download_url",
                        "https://mysite.net/videos/my Video.mp4?x=1&y=2",
                    ),
                    ("title", "fetch"),
                ],
                "851a306883a44d1b9c4f59256e6ffd2f6d4c5d47",
            ),
            (
                &[
                    ("custom.ingest_id", "sha256:ab/cd="),
                    ("size", "96768273"),
                    ("title", "x"),
                    ("upload_method", "multipart"),
                ],
                "ff981ba51cb8bca1c9151be10f304a7aff9795d2",
            ),
            (
                &[("description", "100%\nline2"), ("title", "\"q\" <b>&amp;")],
                "ab4aaef8663191ff3accffca4d9f4ac378d40e00",
            ),
            (&[], "76af0e3a30448ac16452ca9ad4d86df4adf67148"),
            (
                &[("video_key", "tL17msiU")],
                "277bc5ae075be2f8497d174f80469c566744dc87",
            ),
            (
                &[("search:custom.ingest_id", "ing:01HZX:")],
                "584d2006940ee219c23a3060ec7a55eb88b67f2a",
            ),
        ];
        for (extra, expected) in vectors {
            assert_eq!(plain(extra), expected, "{extra:?}");
        }
    }

    #[test]
    fn equal_names_are_sorted_by_value() {
        assert_eq!(
            plain(&[("t", "b"), ("t", "a")]),
            plain(&[("t", "a"), ("t", "b")])
        );
    }
}
