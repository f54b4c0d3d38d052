//! Texts made fit for the platform: composed (NFC), without control characters, bounded.
//!
//! What macOS writes as two characters (`e` and an accent) is one here, as the platform's search
//! and every player expect it.

use icu_normalizer::ComposingNormalizerBorrowed;

/// The most characters of a title, a tag, and the like. The platform documents no limit; none that
/// is known to others is lower than this.
pub const LINE: usize = 5000;

/// The most characters of a description.
pub const PARAGRAPHS: usize = 50_000;

/// The most tags.
pub const TAGS: usize = 500;

/// One line; nothing if nothing is left of it, as the platform refuses empty values.
pub fn clean_line(text: &str) -> Option<String> {
    clean_text(text, LINE, |_| false)
}

/// Several lines; nothing if nothing is left of them.
pub fn paragraphs(text: &str) -> Option<String> {
    clean_text(&text.replace("\r\n", "\n"), PARAGRAPHS, |c| c == '\n')
}

/// Tags, each once, in their order. A comma ends a tag: API v1 has all of them in one text, so that
/// none can hold one.
pub fn tags(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    let mut tags = Vec::new();
    for text in texts {
        for tag in text.as_ref().split(',').filter_map(clean_line) {
            if !tags.contains(&tag) && tags.len() < TAGS {
                tags.push(tag);
            }
        }
    }
    tags
}

/// Composed characters.
pub fn composed(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc()
        .normalize(text)
        .into_owned()
}

fn clean_text(text: &str, most: usize, keeps: impl Fn(char) -> bool) -> Option<String> {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() && !keeps(c) { ' ' } else { c })
        .collect();
    // Any part of a composed text is composed.
    let short: String = composed(plain.trim()).chars().take(most).collect();
    let short = short.trim();
    (!short.is_empty()).then(|| short.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_composed_bounded_and_without_control_characters() {
        for (text, cleaned) in [
            ("e\u{301}te\u{301}", Some("\u{e9}t\u{e9}")),
            (" two\nlines\t", Some("two lines")),
            ("\u{0}\r\n ", None),
            ("", None),
            ("\u{1f3a5} #?%&", Some("\u{1f3a5} #?%&")),
        ] {
            assert_eq!(clean_line(text).as_deref(), cleaned, "{text:?}");
        }
        assert_eq!(paragraphs("a\r\nb\u{7}\n").as_deref(), Some("a\nb"));
        let long = clean_line(&"\u{e9}".repeat(LINE + 1)).unwrap();
        assert_eq!(long.chars().count(), LINE);
    }

    #[test]
    fn a_comma_ends_a_tag_and_each_is_there_once() {
        assert_eq!(tags(["a, b,,a", " ", "c d"]), ["a", "b", "c d"]);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_composed_and_stays_so(text in any::<String>()) {
            let cleaned = [clean_line(&text), paragraphs(&text)];
            for text in cleaned.into_iter().flatten() {
                prop_assert!(!text.is_empty() && text.trim() == text);
                prop_assert_eq!(&composed(&text), &text);
                prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
            }
        }
    }
}
