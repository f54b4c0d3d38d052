//! Names, sizes and counts, as people read them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

pub(crate) use crate::text::{line, path, visible, visible_json};

/// A word as a shell takes it: quoted where it must be.
pub(crate) fn shell(word: &OsStr) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+=:@,%".contains(byte);
    let text = word.to_string_lossy();
    if !word.is_empty() && word.as_bytes().iter().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", line(&text).replace('\'', "'\\''"))
}

/// A number of bytes as people say it, in the units of the configuration (1 kB = 1000 bytes).
pub(crate) fn size(bytes: i64) -> String {
    bytesize::ByteSize::b(bytes.try_into().unwrap_or(0))
        .display()
        .si()
        .to_string()
}

/// As [`size`], with the exact number where that says more: "1.2 GB (1200000000 bytes)", "2 bytes".
pub(crate) fn size_in_full(bytes: i64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        ..1000 => format!("{bytes} bytes"),
        _ => format!("{} ({bytes} bytes)", size(bytes)),
    }
}

/// `done` of `all` in whole per cent, rounded down: 100 means all of it.
pub(crate) fn per_cent(done: i64, all: i64) -> i64 {
    let (done, all) = (i128::from(done), i128::from(all.max(1)));
    i64::try_from(done * 100 / all).unwrap_or(100).clamp(0, 100)
}

/// A count with its noun: "1 file", "3 files".
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted() {
        for (word, quoted) in [
            ("/usr/bin/jw-ingest", "/usr/bin/jw-ingest"),
            ("/tmp/a b/c", "'/tmp/a b/c'"),
            ("it's $5", r"'it'\''s $5'"),
            ("", "''"),
        ] {
            assert_eq!(shell(OsStr::new(word)), quoted);
        }
    }

    #[test]
    fn numbers_are_said_as_people_say_them() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1_234_567_890), "1.2 GB");
        assert_eq!(size_in_full(0), "0 bytes");
        assert_eq!(size_in_full(1), "1 byte");
        assert_eq!(size_in_full(38_700), "38.7 kB (38700 bytes)");
        assert_eq!(per_cent(999, 1000), 99);
        assert_eq!(per_cent(0, 0), 0);
        assert_eq!(per_cent(i64::MAX, i64::MAX), 100);
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(0, "file"), "0 files");
    }
}
