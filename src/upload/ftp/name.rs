//! The names that a file has on the server: one while it is on its way, another when it is whole.

use std::ffi::OsStr;

/// Longer ones are refused by most file systems, bytes.
const LONGEST: usize = 255;

/// How much of the ingest id makes a name one of its own.
const SUFFIX: usize = 8;

/// A file's name as any server may take it: what is not UTF-8, ends a line, or leads into another
/// folder is replaced.
pub(crate) fn plain(name: &OsStr) -> String {
    let replaced = |letter: char| {
        if letter.is_control() || matches!(letter, '/' | '\\') {
            '_'
        } else {
            letter
        }
    };
    name.to_string_lossy().chars().map(replaced).collect()
}

/// The name while the bytes are on their way; `mark` is the job's own.
pub(super) fn temporary(mark: &str) -> String {
    format!(".{mark}.part")
}

/// The name for a file whose own is taken: the end of the ingest id is put before the extension.
pub(crate) fn other(name: &str, mark: &str) -> String {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    let count = mark.chars().count();
    let end: String = mark.chars().skip(count.saturating_sub(SUFFIX)).collect();
    let end = format!("-{end}{extension}");
    let room = LONGEST.saturating_sub(end.len());
    let mut stem = stem.to_owned();
    while stem.len() > room && stem.pop().is_some() {}
    format!("{stem}{end}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_name_stays_one_name_on_one_line() {
        for (name, expected) in [
            (&b"Harbour at dawn.mp4"[..], "Harbour at dawn.mp4"),
            (b"a\r\nDELE b\0.mp4", "a__DELE b_.mp4"),
            (b"..\\..\\a.mp4", ".._.._a.mp4"),
            (b"caf\xe9.mp4", "caf\u{fffd}.mp4"),
            ("北京 Été.mp4".as_bytes(), "北京 Été.mp4"),
        ] {
            assert_eq!(plain(OsStr::from_bytes(name)), expected);
        }
    }

    #[test]
    fn a_taken_name_gets_the_end_of_the_mark() {
        const MARK: &str = "0190a6c0-1111-7222-8333-4444deadbeef";
        for (name, expected) in [
            ("a.b.mp4", "a.b-deadbeef.mp4"),
            ("noend", "noend-deadbeef"),
            (".hidden", ".hidden-deadbeef"),
        ] {
            assert_eq!(other(name, MARK), expected);
        }
        let long = format!("{}.mp4", "é".repeat(125));
        let other = other(&long, MARK);
        assert!(
            other.len() <= LONGEST && other.ends_with("é-deadbeef.mp4"),
            "{other}"
        );
        assert_ne!(temporary(MARK), temporary("another"));
    }
}
