//! Which bytes of a file are there: a list of ranges, as the upload module of the platform's upload
//! host is taken to keep it (nginx-upload-module, resumable uploads over HTTP). Pure.

use serde::{Deserialize, Serialize};

/// What becomes of a segment of one byte. Releases of the upload module differ in it, and none of
/// what they do is of use to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OneByte {
    /// 2.2.0: the connection is closed without an answer.
    Refused,
    /// Up to 2.3.0: it is taken; but where it touches no other range it spoils the list, and every
    /// further segment of its session fails.
    Poisons,
}

/// Bytes from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) last: u64,
}

/// Spans in ascending order, none of which touches the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ranges(Vec<Span>);

/// The list holds a range of one byte, on which reading it fails.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Poisoned;

impl Ranges {
    /// The list with one more span in it, merged with those that it overlaps or touches.
    pub(super) fn with(&self, mut span: Span) -> Result<Self, Poisoned> {
        if self.0.iter().any(|known| known.first >= known.last) {
            return Err(Poisoned);
        }
        let apart = |known: &Span| {
            known.last.saturating_add(1) < span.first || span.last.saturating_add(1) < known.first
        };
        let (mut merged, touching): (Vec<Span>, Vec<Span>) =
            self.0.iter().copied().partition(apart);
        for known in touching {
            span.first = span.first.min(known.first);
            span.last = span.last.max(known.last);
        }
        merged.push(span);
        merged.sort_unstable_by_key(|span| span.first);
        Ok(Self(merged))
    }

    /// Whether all of a file of `total` bytes is there.
    pub(super) fn whole(&self, total: u64) -> bool {
        matches!(self.0.as_slice(), [only] if only.first == 0 && only.last.saturating_add(1) == total)
    }

    /// The list as the answer has it. What begins beyond 256 bytes is left out without a word.
    pub(super) fn text(&self, total: u64) -> String {
        let mut text = String::new();
        for Span { first, last } in &self.0 {
            if text.len() >= TEXT_LIMIT {
                break;
            }
            let comma = if text.is_empty() { "" } else { "," };
            text = format!("{text}{comma}{first}-{last}/{total}");
        }
        text
    }
}

/// The module's buffer for the list, in bytes (`upload_range_header_buffer_size`).
const TEXT_LIMIT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(spans: &[(u64, u64)]) -> Ranges {
        spans
            .iter()
            .try_fold(Ranges::default(), |ranges, (first, last)| {
                ranges.with(Span {
                    first: *first,
                    last: *last,
                })
            })
            .unwrap()
    }

    #[test]
    fn spans_are_merged_where_they_touch_or_overlap() {
        for (spans, expected) in [
            (&[(0, 1)][..], "0-1/1000"),
            (&[(0, 1), (2, 399)], "0-399/1000"),
            (&[(0, 399), (700, 999)], "0-399/1000,700-999/1000"),
            (&[(700, 999), (0, 399)], "0-399/1000,700-999/1000"),
            (&[(0, 399), (2, 399), (0, 1)], "0-399/1000"),
            (
                &[(0, 399), (700, 999), (300, 499)],
                "0-499/1000,700-999/1000",
            ),
            (
                &[(0, 9), (20, 29), (40, 49), (5, 40), (60, 61)],
                "0-49/1000,60-61/1000",
            ),
            (&[(100, 199), (0, 98)], "0-98/1000,100-199/1000"),
        ] {
            assert_eq!(ranges(spans).text(1000), expected, "{spans:?}");
        }
    }

    #[test]
    fn a_file_is_whole_with_its_first_and_its_last_byte_and_all_between() {
        assert!(ranges(&[(5, 9), (0, 4)]).whole(10));
        assert!(!ranges(&[(0, 4), (5, 8)]).whole(10));
        assert!(!ranges(&[(1, 9)]).whole(10));
        assert!(!ranges(&[(0, 3), (5, 9)]).whole(10));
        assert!(!Ranges::default().whole(10));
    }

    #[test]
    fn one_byte_by_itself_spoils_the_list_and_one_that_touches_does_not() {
        let next = Span { first: 1, last: 5 };
        assert_eq!(ranges(&[(0, 0)]).with(next), Err(Poisoned));
        assert_eq!(ranges(&[(0, 8), (9, 9)]).text(10), "0-9/10");
    }

    #[test]
    fn a_long_list_ends_after_256_bytes() {
        let spans: Vec<(u64, u64)> = (0..50).map(|n| (n * 10, n * 10 + 1)).collect();
        let text = ranges(&spans).text(1000);
        assert!((256..280).contains(&text.len()), "{text}");
        assert!(text.ends_with("/1000"), "{text}");
    }
}
