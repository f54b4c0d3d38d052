//! The file name that goes along: short, plain ASCII, with its extension.
//!
//! It is a courtesy for people who look at the platform; the title carries the real name. The
//! upload host cuts a part's headers at 512 bytes, ends a name at a quote, and once stumbled over
//! four-byte characters (JW docs, release notes), so nothing but the plainest characters goes
//! through.

/// Turns any name into one that no server stumbles over.
pub(super) fn plain(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && is_extension(extension) => {
            (stem, Some(extension))
        }
        _ => (name, None),
    };
    let stem: String = stem.chars().map(harmless).take(LONGEST_STEM).collect();
    let stem = stem.trim_start_matches(['.', '-']);
    let stem = if stem.chars().any(|c| c.is_ascii_alphanumeric()) {
        stem
    } else {
        "video"
    };
    extension.map_or_else(
        || stem.to_owned(),
        |extension| format!("{stem}.{extension}"),
    )
}

/// The MIME type by the extension of a name; servers look at the bytes anyway.
pub(super) fn content_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(extension))
        .map_or("application/octet-stream", |(_, kind)| kind)
}

fn is_extension(text: &str) -> bool {
    (1..=LONGEST_EXTENSION).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn harmless(c: char) -> char {
    if c.is_ascii_alphanumeric() || "-._".contains(c) {
        c
    } else {
        '_'
    }
}

const LONGEST_STEM: usize = 80;
const LONGEST_EXTENSION: usize = 10;

const TYPES: [(&str, &str); 16] = [
    ("mp4", "video/mp4"),
    ("m4v", "video/x-m4v"),
    ("mov", "video/quicktime"),
    ("mkv", "video/x-matroska"),
    ("webm", "video/webm"),
    ("ts", "video/mp2t"),
    ("mts", "video/mp2t"),
    ("m2ts", "video/mp2t"),
    ("mpg", "video/mpeg"),
    ("mpeg", "video/mpeg"),
    ("avi", "video/x-msvideo"),
    ("wmv", "video/x-ms-wmv"),
    ("flv", "video/x-flv"),
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("wav", "audio/wav"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_plain_and_replaces_the_rest() {
        for (name, expected) in [
            ("news.mp4", "news.mp4"),
            ("a \"b\"\r\n.MOV", "a__b___.MOV"),
            ("Été 北京.mkv", "_t____.mkv"),
            ("../../etc/x.ts", "x.ts"),
            ("-rf.mp4", "rf.mp4"),
            (".hidden", "hidden"),
            ("⛄.mp4", "video.mp4"),
            ("", "video"),
            ("a.b c", "a.b_c"),
        ] {
            assert_eq!(plain(name), expected, "{name:?}");
        }
        let long = plain(&format!("{}.mpeg", "x".repeat(300)));
        assert!(long.len() < 100 && long.ends_with("x.mpeg"), "{long}");
    }

    #[test]
    fn knows_the_usual_types() {
        assert_eq!(content_type("a.MP4"), "video/mp4");
        assert_eq!(content_type("a.xyz"), "application/octet-stream");
        assert_eq!(content_type("noextension"), "application/octet-stream");
    }
}
