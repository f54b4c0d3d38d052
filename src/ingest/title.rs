//! What a video is called.

use std::path::Path;

/// The title of a video: the file's name without its ending.
pub(super) fn title(path: &Path) -> String {
    let name = path
        .file_stem()
        .or(path.file_name())
        .unwrap_or_default()
        .to_string_lossy();
    let printable: String = name
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let trimmed = printable.trim();
    // The platform refuses empty parameters.
    if trimmed.is_empty() {
        "untitled".to_owned()
    } else {
        trimmed.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn titles_come_from_any_name() {
        for (name, expected) in [
            (&b"Harbour.mp4"[..], "Harbour"),
            (b"two\nlines.mp4", "two lines"),
            (b"caf\xe9.mp4", "caf\u{fffd}"),
            (b"-rf.mp4", "-rf"),
            (b"a.b.mp4", "a.b"),
            (b" .mp4", "untitled"),
            ("\u{1f3a5} #?%&.mov".as_bytes(), "\u{1f3a5} #?%&"),
        ] {
            assert_eq!(title(Path::new(OsStr::from_bytes(name))), expected);
        }
    }
}
