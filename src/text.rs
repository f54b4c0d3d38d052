//! Texts that come from outside, made fit for one line of a terminal or a log.
//!
//! A file name is any run of bytes: it must neither move the cursor, nor break a line, nor look
//! like another name. What is escaped here can be read back by a person without doubt.
//!
//! [`path`] and [`line()`] make one text fit. [`visible`] and [`json`] are the gates through which
//! all output goes, so that an unforeseen text does no harm either.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

/// A path on one line: `\n` and its like for control characters, `\xNN` for what is not UTF-8, and
/// a doubled backslash, so that none of these can be mistaken.
pub(crate) fn path(path: &Path) -> String {
    let mut shown = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                shown.push('\\');
            }
            push(&mut shown, character);
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            write!(shown, "\\x{byte:02x}").unwrap_or_default();
        }
    }
    shown
}

/// A message of a server or of the system on one line; a backslash stands for itself.
pub(crate) fn line(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        push(&mut shown, character);
    }
    shown
}

/// A whole output for people, of one line or several: its line breaks stay, and so does ASCII, with
/// which a terminal's colours are written.
pub(crate) fn visible(output: &str) -> Cow<'_, str> {
    escape_beyond_ascii(output, |shown, character| {
        shown.extend(character.escape_default());
    })
}

/// A value as JSON on one line.
///
/// # Errors
/// As for [`serde_json::to_string`].
pub(crate) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(visible_json(&serde_json::to_string(value)?).into_owned())
}

/// A value as JSON over several lines.
///
/// # Errors
/// As for [`serde_json::to_string_pretty`].
pub(crate) fn json_pretty(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(visible_json(&serde_json::to_string_pretty(value)?).into_owned())
}

/// JSON that means the same. Its characters beyond ASCII are all inside of texts, where an escape
/// says the same; those below are escaped by the code that writes JSON.
pub(crate) fn visible_json(json: &str) -> Cow<'_, str> {
    escape_beyond_ascii(json, |shown, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            write!(shown, "\\u{unit:04x}").unwrap_or_default();
        }
    })
}

fn escape_beyond_ascii(text: &str, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let is_hidden = |c: char| c >= '\u{7f}' && (c.is_control() || is_deceptive(c));
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            escape(&mut shown, character);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

fn push(shown: &mut String, character: char) {
    if character.is_control() || is_deceptive(character) {
        shown.extend(character.escape_default());
    } else {
        shown.push(character);
    }
}

/// Characters without a picture that break lines, turn the direction of what follows, or make two names
/// look the same. The joiners (U+200C, U+200D) and the choice between two pictures (U+FE00 to U+FE0F)
/// stay: emoji and several scripts are written with them.
fn is_deceptive(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{034f}'
            | '\u{061c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_name_cannot_leave_its_line_or_look_like_another() {
        for (name, shown) in [
            (&b"plain name.mp4"[..], "plain name.mp4"),
            (b"a\nb\tc\x1b[2Jd.mp4", r"a\nb\tc\u{1b}[2Jd.mp4"),
            (b"caf\xe9 \xff.mp4", r"caf\xe9 \xff.mp4"),
            (br"a\nb.mp4", r"a\\nb.mp4"),
            ("Été 北京 👩‍👩‍👧.mp4".as_bytes(), "Été 北京 👩‍👩‍👧.mp4"),
            ("e\u{301}.mp4".as_bytes(), "e\u{301}.mp4"),
            ("gp\u{202e}4pm.exe".as_bytes(), r"gp\u{202e}4pm.exe"),
            ("a\u{85}\u{2028}b".as_bytes(), r"a\u{85}\u{2028}b"),
            (
                "a\u{ad}b\u{34f}c\u{3164}d".as_bytes(),
                r"a\u{ad}b\u{34f}c\u{3164}d",
            ),
            ("a\u{fff9}b\u{e0041}c".as_bytes(), r"a\u{fff9}b\u{e0041}c"),
            ("❤\u{fe0f}.mp4".as_bytes(), "❤\u{fe0f}.mp4"),
            (b"-rf '\"#?%&", "-rf '\"#?%&"),
        ] {
            assert_eq!(path(Path::new(OsStr::from_bytes(name))), shown);
        }
    }

    #[test]
    fn what_is_hidden_is_shown_in_every_output_and_json_means_the_same() {
        let hidden =
            "\u{7f}\u{80}\u{9b}\u{9f}\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}";
        let text = format!("Été 👩‍👩‍👧\n\x1b[1m{hidden}\"");
        for written in [json(&text).unwrap(), json_pretty(&[&text]).unwrap()] {
            assert!(!written.contains(|c| hidden.contains(c)), "{written}");
            assert!(written.contains("Été 👩‍👩‍👧"), "{written}");
            let read: serde_json::Value = serde_json::from_str(&written).unwrap();
            let read = read.get(0).unwrap_or(&read);
            assert_eq!(read, &serde_json::Value::from(text.as_str()));
        }
        let shown = visible(&text);
        assert!(!shown.contains(|c| hidden.contains(c)), "{shown}");
        assert!(
            shown.starts_with("Été 👩‍👩‍👧\n\x1b[1m\\u{7f}\\u{80}"),
            "{shown}"
        );
    }

    #[test]
    fn a_message_stays_on_one_line_and_keeps_its_backslashes() {
        assert_eq!(line("a\\b\r\nc"), "a\\b\\r\\nc");
    }
}
