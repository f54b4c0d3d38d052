//! What a dropped file `NAME.url` asks for: pure, from its bytes to one http(s) address.
//!
//! Two forms are known: plain text with the address in it, and the `[InternetShortcut]` that
//! browsers and Windows save. Anything else in it is a mistake that a person must fix, so each
//! fault says what to write. No fault repeats the address: it may hold a signature.

use std::path::Path;

use url::Url;

/// Bytes that are looked at: more than any address has.
pub(super) const LONGEST: u64 = 64 * 1024;

/// Whether a file is one that holds an address, by its name.
pub(super) fn is_one(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("url"))
}

/// Why there is no address to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It is too long to hold one address.
    #[error("the .url file is longer than {LONGEST} bytes; {WRITE}")]
    TooLong,
    /// Nothing is in it.
    #[error("the .url file is empty; {WRITE}")]
    Empty,
    /// It is no text.
    #[error("the .url file is not text in UTF-8; {WRITE}")]
    NotText,
    /// There is text and no address.
    #[error("there is no address in the .url file; {WRITE}")]
    NoUrl,
    /// There are several.
    #[error("there are {0} addresses in the .url file, and one file is one video; {WRITE}")]
    Several(usize),
    /// It is no address that could be called.
    #[error("the .url file has no complete address ({0}); {WRITE}")]
    Malformed(String),
    /// The platform fetches by http and https alone.
    #[error(
        "the address in the .url file begins with {0}:, which the platform does not fetch; {WRITE}"
    )]
    Scheme(String),
    /// A password would go to the platform, which does not use it.
    #[error(
        "the address in the .url file has a user or password in it, which the platform would not use; {WRITE}"
    )]
    Credentials,
}

/// What fixes it.
const WRITE: &str = "put one line into a new one: the address of the video file, like \
                     https://media.example.org/video.mp4";

/// Reads the address.
///
/// # Errors
/// What is wrong with the file, and what to put into it.
pub(super) fn parse(bytes: &[u8]) -> Result<Url, Fault> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
        return Err(Fault::TooLong);
    }
    let text = decode_text(bytes).ok_or(Fault::NotText)?;
    let lines = || {
        let trimmed = text.split(['\n', '\r']).map(str::trim);
        trimmed.filter(|line| !line.is_empty())
    };
    let first = lines().next().ok_or(Fault::Empty)?;
    let found: Vec<&str> = if first.starts_with('[') {
        list_urls(lines())
    } else {
        lines().flat_map(str::split_whitespace).collect()
    };
    match found.as_slice() {
        [] => Err(Fault::NoUrl),
        [one] => parse_address(one),
        many => Err(
            match many.iter().filter(|word| is_like_a_url(word)).count() {
                0 => Fault::NoUrl,
                1 => Fault::Malformed("there is more text beside it, or a space in it".to_owned()),
                urls => Fault::Several(urls),
            },
        ),
    }
}

/// The text, without a byte order ingest id; UTF-16 as Windows' editor may save it.
fn decode_text(bytes: &[u8]) -> Option<String> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, rest @ ..] => str::from_utf8(rest).ok()?.to_owned(),
        plain => str::from_utf8(plain).ok()?.to_owned(),
    };
    let is_strange = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    (!text.contains(is_strange)).then_some(text)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    let text = char::decode_utf16(units).collect::<Result<String, _>>();
    text.ok().filter(|_| rest.is_empty())
}

/// Each value of `URL` in the section `[InternetShortcut]`; other sections and keys are for the
/// browser.
fn list_urls<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    let mut is_inside = false;
    let mut found = Vec::new();
    for line in lines {
        if line.starts_with('[') {
            is_inside = line.eq_ignore_ascii_case("[InternetShortcut]");
        } else if is_inside
            && let Some((key, value)) = line.split_once('=')
            && key.trim_end().eq_ignore_ascii_case("url")
            && !value.trim().is_empty()
        {
            found.push(value.trim());
        }
    }
    found
}

fn is_like_a_url(word: &str) -> bool {
    Url::parse(word).is_ok()
}

fn parse_address(text: &str) -> Result<Url, Fault> {
    if text.contains(char::is_whitespace) {
        return Err(Fault::Malformed("there is a space in it".to_owned()));
    }
    let mut url = Url::parse(text).map_err(|fault| match fault {
        url::ParseError::RelativeUrlWithoutBase => Fault::NoUrl,
        other => Fault::Malformed(other.to_string()),
    })?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(Fault::Scheme(url.scheme().chars().take(20).collect()));
    }
    // The parser would also complete `http:name`, and take a path for a host: better not to guess.
    let after = text.get(url.scheme().len()..).unwrap_or_default();
    if !after.starts_with("://") || after.starts_with(":///") {
        return Err(Fault::Malformed(
            "it does not continue with :// and a host".to_owned(),
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::Credentials);
    }
    // For the server of the page; no server is ever sent it.
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "https://media.example.org/a.mp4?Signature=s%2Bx";

    fn utf16(text: &str, mark: [u8; 2], unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let units = text.encode_utf16().flat_map(unit);
        mark.into_iter().chain(units).collect()
    }

    #[test]
    fn one_address_is_found_in_either_form() {
        let texts = [
            GOOD.to_owned(),
            format!("{GOOD}\n"),
            format!("\u{feff}{GOOD}\r\n"),
            format!("\r\n \t{GOOD}  \r\n\r\n"),
            format!("{GOOD}#t=10"),
            format!("[InternetShortcut]\r\nURL={GOOD}\r\n"),
            format!(
                "[internetshortcut]\nIDList=\nurl = {GOOD}\nIconFile=C:\\icons\\a.ico\nIconIndex=0\n"
            ),
            format!(
                "[DEFAULT]\nBASEURL=https://other.example/\n[InternetShortcut]\nURL={GOOD}\nURL=\n\
                 [{{000214A0-0000-0000-C000-000000000046}}]\nProp3=19,2\nURL=https://other.example/\n"
            ),
        ];
        for text in texts {
            let url = parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{text:?}: {fault}"));
            assert_eq!(url.as_str(), GOOD, "{text:?}");
        }
        let shortcut = format!("[InternetShortcut]\r\nURL={GOOD}\r\n");
        for bytes in [
            utf16(&shortcut, [0xff, 0xfe], u16::to_le_bytes),
            utf16(&shortcut, [0xfe, 0xff], u16::to_be_bytes),
        ] {
            assert_eq!(parse(&bytes).unwrap().as_str(), GOOD);
        }
        let upper = parse(b"HTTPS://Media.Example.org/A.mp4").unwrap();
        assert_eq!(upper.as_str(), "https://media.example.org/A.mp4");
        let plain = parse(
            "http://b\u{fc}cher.example/\u{e4} b.mp4"
                .replace(' ', "%20")
                .as_bytes(),
        );
        assert_eq!(
            plain.unwrap().as_str(),
            "http://xn--bcher-kva.example/%C3%A4%20b.mp4"
        );
    }

    #[test]
    fn a_file_with_too_much_or_no_text_is_refused_in_words() {
        let ten = format!("{GOOD}\n").repeat(10);
        let ten_in_one = format!("[InternetShortcut]\n{}", format!("URL={GOOD}\n").repeat(10));
        let long = format!("{GOOD}{}", "a".repeat(1 << 16));
        let cut_utf16 = [&b"\xff\xfe"[..], b"h\0t\0t"].concat();
        for (bytes, says) in [
            (&b"\0\0\0\0"[..], "not text"),
            (ten.as_bytes(), "there are 10 addresses"),
            (ten_in_one.as_bytes(), "there are 10 addresses"),
            (b"https://a.example/\0.mp4", "not text"),
            (b"https://a.example/\x1b[2J", "not text"),
            (b"https://a.example/caf\xe9.mp4", "not text"),
            (&cut_utf16, "not text"),
            (b"\xff\xfe\x00\xd8a\0", "not text"),
            (long.as_bytes(), "longer than 65536 bytes"),
        ] {
            refused(bytes, says);
        }
    }

    #[test]
    fn what_is_no_web_address_is_refused_in_words() {
        for (bytes, says) in [
            (&b""[..], "is empty"),
            (b"\xef\xbb\xbf", "is empty"),
            (b" \r\n\t\n", "is empty"),
            (b"file:///etc/passwd", "begins with file:"),
            (
                b"[InternetShortcut]\nURL=file:///C:/a.mp4",
                "begins with file:",
            ),
            (b"javascript:alert(1)", "begins with javascript:"),
            (b"ftp://a.example/a.mp4", "begins with ftp:"),
            (b"data:video/mp4;base64,AAAA", "begins with data:"),
            (b"https://user:pw@a.example/a.mp4", "has a user or password"),
            (b"https://user@a.example/a.mp4", "has a user or password"),
            (b"https://:pw@a.example/a.mp4", "has a user or password"),
            (b"hello", "there is no address"),
            (b"hello world", "there is no address"),
            (b"//a.example/a.mp4", "there is no address"),
            (b"[InternetShortcut]\n", "there is no address"),
            (b"[InternetShortcut]\nURL=\n", "there is no address"),
            (b"[Other]\nURL=https://a.example/", "there is no address"),
            (
                b"[InternetShortcut]\nBASEURL=https://a.example/",
                "there is no address",
            ),
            (b"http:a.example", "does not continue with ://"),
            (b"http:/a.example/", "does not continue with ://"),
            (b"http:///etc/passwd", "does not continue with ://"),
            (b"https://", "no complete address (empty host)"),
            (
                b"https://a.example:99999/",
                "no complete address (invalid port number)",
            ),
            (b"https://a b.example/", "a space in it"),
            (b"see https://a.example/a.mp4", "more text beside it"),
            (
                b"[InternetShortcut]\nURL=https://a.example/a b.mp4",
                "a space in it",
            ),
        ] {
            refused(bytes, says);
        }
    }

    fn refused(bytes: &[u8], says: &str) {
        let said = parse(bytes).unwrap_err().to_string();
        let shown = String::from_utf8_lossy(bytes.get(..60).unwrap_or(bytes));
        assert!(said.contains(says), "{shown:?}: {said}");
        assert!(said.contains("put one line into a new one"), "{said}");
        assert!(
            !said.contains("Signature") && !said.contains("pw@"),
            "{said}"
        );
    }

    #[test]
    fn the_name_decides_whatever_its_case() {
        for (name, expected) in [
            ("a.url", true),
            ("A.URL", true),
            ("a.mp4.url", true),
            ("a.url.mp4", false),
            ("url", false),
            (".url", false),
        ] {
            assert_eq!(is_one(Path::new(name)), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_give_anything_but_a_web_address(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(url) = parse(&bytes) {
                prop_assert!(["http", "https"].contains(&url.scheme()) && url.host().is_some());
            }
        }

        #[test]
        fn no_text_around_one_does(before in "[\\[\\]a-z=:/ \\r\\n]{0,12}", after in "[\\[\\]a-z=:/@ \\r\\n]{0,12}") {
            let text = format!("{before}https://a.example/{after}");
            if let Ok(url) = parse(text.as_bytes()) {
                prop_assert!(["http", "https"].contains(&url.scheme()) && url.username().is_empty());
            }
        }
    }
}
