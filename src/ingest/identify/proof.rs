//! Whether another job's video has this content, by what is known of it: pure.

use super::samples::WHOLE;
use super::sums::Sums;
use crate::queue::copies::Original;

/// What follows from what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The same content.
    Same,
    /// Other content.
    Other,
    /// Nothing was stored that could tell.
    Open,
}

/// Whether it takes the sums of the whole file to tell. Not where the fingerprint is of all bytes and
/// there is nothing else to compare, as with a file that holds an address.
pub(super) fn takes_sums(original: &Original, size: u64) -> bool {
    original.md5.is_some()
        || original.parts_md5.is_some()
        || !(original.has_fingerprint && size <= WHOLE)
}

/// Compares with what is stored of the other.
pub(super) fn stored(original: &Original, size: u64, sums: Option<&Sums>) -> Proof {
    let is_same = match (&original.md5, &original.parts_md5, sums) {
        (Some(md5), _, Some(sums)) => Some(sums.md5.eq_ignore_ascii_case(md5)),
        (None, Some(parts), Some(sums)) => sums.has_parts(parts),
        (None, None, _) if original.has_fingerprint && size <= WHOLE => Some(true),
        _ => None,
    };
    match is_same {
        Some(true) => Proof::Same,
        Some(false) => Proof::Other,
        None => Proof::Open,
    }
}

/// Whether the content is what the platform has, which says that it is there and is what the other job sent; with
/// the MD5 that it tells.
pub(super) fn with_what_is_there(
    stored: Proof,
    theirs: Option<&str>,
    sums: Option<&Sums>,
) -> Proof {
    match (stored, sums.zip(theirs)) {
        (Proof::Open, Some((sums, theirs))) if sums.md5.eq_ignore_ascii_case(theirs) => Proof::Same,
        (Proof::Open, Some(_)) => Proof::Other,
        (stored, _) => stored,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write;

    use super::*;
    use crate::ingest::identify::sums;
    use crate::queue::JobId;

    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
    const OTHER: &str = "00000000000000000000000000000000";

    /// Of "abc", in parts of two bytes too.
    fn made() -> Sums {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        let sums = sums::read(&file, 3, &BTreeSet::from([2]), &|| false);
        sums.unwrap().unwrap()
    }

    fn original(md5: Option<&str>, parts_md5: Option<&str>, has_fingerprint: bool) -> Original {
        Original {
            id: JobId(1),
            path: "/w/a.mp4".into(),
            mtime_ns: 5,
            is_unconfirmed: false,
            video_key: Some("tL17msiU".to_owned()),
            md5: md5.map(str::to_owned),
            parts_md5: parts_md5.map(str::to_owned),
            has_fingerprint,
        }
    }

    #[test]
    fn the_strongest_sign_that_was_stored_decides() {
        // MD5 over those of "ab" and "c".
        let parts = "2:d833159094d1d7ad96ffcc78414e3682";
        let (small, large) = (WHOLE, WHOLE + 1);
        for (original, size, expected) in [
            (original(Some(MD5), None, true), large, Proof::Same),
            (
                original(Some(&MD5.to_uppercase()), None, false),
                large,
                Proof::Same,
            ),
            (original(Some(OTHER), None, true), large, Proof::Other),
            // The fingerprint may be of what the file was before it was sent.
            (original(Some(OTHER), None, true), small, Proof::Other),
            (
                original(Some(OTHER), Some(parts), true),
                large,
                Proof::Other,
            ),
            (original(None, Some(parts), true), large, Proof::Same),
            (original(None, Some("2:00"), true), small, Proof::Other),
            (original(None, Some("9:00"), true), large, Proof::Open),
            (original(None, Some("nonsense"), true), large, Proof::Open),
            (original(None, None, true), small, Proof::Same),
            (original(None, None, true), large, Proof::Open),
            (original(None, None, false), small, Proof::Open),
        ] {
            let found = stored(&original, size, Some(&made()));
            assert_eq!(found, expected, "{original:?} {size}");
            let takes = takes_sums(&original, size);
            let is_known = original.md5.is_none() && original.parts_md5.is_none();
            assert_eq!(
                takes,
                !(is_known && expected == Proof::Same),
                "{original:?}"
            );
        }
        assert_eq!(stored(&original(None, None, true), 3, None), Proof::Same);
    }

    #[test]
    fn what_nothing_was_stored_of_is_compared_with_what_the_platform_has() {
        let sums = made();
        for (theirs, proof, expected) in [
            (None, Proof::Same, Proof::Same),
            (Some(OTHER), Proof::Same, Proof::Same),
            (Some(MD5), Proof::Open, Proof::Same),
            (Some(OTHER), Proof::Open, Proof::Other),
            // The other may have the same content still.
            (None, Proof::Open, Proof::Open),
            (Some(MD5), Proof::Other, Proof::Other),
        ] {
            let found = with_what_is_there(proof, theirs, Some(&sums));
            assert_eq!(found, expected, "{theirs:?} {proof:?}");
        }
    }
}
