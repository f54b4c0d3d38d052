//! What the platform reports of a video's bytes, compared with what was sent: the one comparison of
//! sizes and checksums. Pure.

use crate::platform::Video;

/// How what the platform reports compares with what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Its MD5 is that of what was sent. The size does not count beside it.
    Checksum,
    /// Its size is that of what was sent, and it has no MD5 to tell.
    Size,
    /// It reports an MD5, of what was sent none is known, and the size does not differ: that proves
    /// nothing.
    Uncompared,
    /// It has other bytes.
    Other,
    /// It reports nothing that could be compared.
    Nothing,
}

/// Compares; `md5` and `size` are those of what was sent, as far as they are known.
pub(super) fn compare((md5, size): (Option<&str>, Option<i64>), video: &Video) -> Told {
    if let (Some(ours), Some(theirs)) = (md5, &video.md5) {
        return if ours.eq_ignore_ascii_case(theirs) {
            Told::Checksum
        } else {
            Told::Other
        };
    }
    let is_same_size = video
        .size
        .zip(size)
        .map(|(theirs, ours)| i64::try_from(theirs) == Ok(ours));
    match (is_same_size, &video.md5) {
        (Some(false), _) => Told::Other,
        (_, Some(_)) => Told::Uncompared,
        (Some(true), None) => Told::Size,
        (None, None) => Told::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Status;

    #[test]
    fn a_checksum_decides_before_the_size_and_one_that_cannot_be_compared_proves_nothing() {
        for (ours, theirs, expected) in [
            ((Some("aa"), Some(5)), (Some("AA"), Some(5)), Told::Checksum),
            ((Some("aa"), Some(5)), (Some("AA"), Some(6)), Told::Checksum),
            ((Some("aa"), Some(5)), (Some("bb"), Some(5)), Told::Other),
            ((Some("aa"), Some(5)), (None, Some(5)), Told::Size),
            ((Some("aa"), Some(5)), (None, Some(6)), Told::Other),
            ((Some("aa"), Some(5)), (None, None), Told::Nothing),
            ((None, Some(5)), (Some("bb"), Some(5)), Told::Uncompared),
            ((None, Some(5)), (Some("bb"), None), Told::Uncompared),
            ((None, Some(5)), (Some("bb"), Some(6)), Told::Other),
            ((None, None), (None, Some(6)), Told::Nothing),
            ((None, None), (Some("bb"), Some(6)), Told::Uncompared),
        ] {
            let video = Video {
                key: "tL17msiU".parse().unwrap(),
                status: Status::Ready,
                title: None,
                ingest_id: None,
                size: theirs.1,
                md5: theirs.0.map(str::to_owned),
                duration: None,
                error: None,
                date: None,
                updated: None,
                upload_session_id: None,
            };
            assert_eq!(compare(ours, &video), expected, "{ours:?} {theirs:?}");
        }
    }
}
