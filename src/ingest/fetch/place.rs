//! The web address of a file below the watched folder: pure.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use url::Url;

/// What is not one of the unreserved characters of RFC 3986, section 2.3. Names are bytes: one that
/// is not UTF-8 has its address too, and it is the one that web servers on this system answer to.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The address of the file at `path`, where `folder` is served as `public`, whose path ends in `/`.
/// `None`: it does not lie below that folder.
pub(super) fn address(public: &Url, folder: &Path, path: &Path) -> Option<Url> {
    let relative = path.strip_prefix(folder).ok()?;
    let mut names = Vec::new();
    for component in relative.components() {
        let Component::Normal(name) = component else {
            return None;
        };
        names.push(percent_encode(name.as_bytes(), RESERVED).to_string());
    }
    if names.is_empty() {
        return None;
    }
    Url::parse(&format!("{public}{}", names.join("/"))).ok()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    fn of(name: &[u8]) -> Option<String> {
        let public = Url::parse("https://media.example.org/drop/").unwrap();
        let path = Path::new("/srv/video").join(OsStr::from_bytes(name));
        address(&public, Path::new("/srv/video"), &path).map(Into::into)
    }

    #[test]
    fn every_byte_of_a_name_that_could_mean_something_is_encoded() {
        for (name, expected) in [
            (&b"a.mp4"[..], "a.mp4"),
            (b"news/a b.mp4", "news/a%20b.mp4"),
            (b"#?%&+;=.mp4", "%23%3F%25%26%2B%3B%3D.mp4"),
            (b"%2e%2e/x.mp4", "%252e%252e/x.mp4"),
            (b"a\\b\".mp4", "a%5Cb%22.mp4"),
            (b"caf\xe9.mp4", "caf%E9.mp4"),
            ("Été~.mp4".as_bytes(), "%C3%89t%C3%A9~.mp4"),
            (b"a\nb.mp4", "a%0Ab.mp4"),
            (b"http://x/y.mp4", "http%3A/x/y.mp4"),
        ] {
            let expected = format!("https://media.example.org/drop/{expected}");
            assert_eq!(of(name), Some(expected));
        }
        assert_eq!(of(b""), None);
        assert_eq!(of(b"../x.mp4"), None);
        let public = Url::parse("https://media.example.org/").unwrap();
        let outside = address(
            &public,
            Path::new("/srv/video"),
            Path::new("/srv/video2/a.mp4"),
        );
        assert_eq!(outside, None);
    }

    proptest! {
        #[test]
        fn decoding_gives_the_bytes_back(
            names in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..4),
        ) {
            let is_name = |name: &Vec<u8>| !name.contains(&0) && !name.contains(&b'/') && name != b"." && name != b"..";
            prop_assume!(names.iter().all(is_name));
            let path = names.join(&b'/');
            let url = of(&path).unwrap();
            let relative = url.strip_prefix("https://media.example.org/drop/").unwrap();
            prop_assert_eq!(percent_decode_str(relative).collect::<Vec<_>>(), path);
            prop_assert!(!relative.contains(['?', '#', '&', '+', ' ']));
        }
    }
}
