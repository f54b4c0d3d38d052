//! `[upload]`: how much goes out at once, and which method each size uses.

use std::num::NonZeroU32;
use std::time::Duration;

use toml::de::DeValue;

use super::rates::Rates;
use super::section::Section;
use super::value;

/// `[upload]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upload {
    /// How many files are uploaded at once.
    pub files_at_once: NonZeroU32,
    /// How many parts of one file are uploaded at once.
    pub parts_at_once: NonZeroU32,
    /// The largest file for method `s3`, bytes; never above `size_limit`.
    pub s3_limit: u64,
    /// The largest file for method `direct` of API v2, bytes.
    pub direct_limit: u64,
    /// The largest file at all, bytes.
    pub size_limit: u64,
    /// How long a connection may move no byte before it is given up.
    pub stall_timeout: Duration,
    /// Bytes of one segment of a resumable upload.
    pub segment_size: u64,
    /// How fast all uploads together may go, and when.
    pub rates: Rates,
}

/// The most files, or parts of a file, at once: more connections only share the same line.
pub(super) const MOST_AT_ONCE: u32 = 64;
/// What one PUT may carry (JW docs, v1 S3 uploads: up to 5 GB), bytes.
const S3_MOST: u64 = 5_000_000_000;
/// Up to here JW recommends one PUT ("Single file upload", API v2), bytes.
const DIRECT_DEFAULT: u64 = 100_000_000;
/// What the platform takes at all (JW docs, v1 uploads: up to 25 GB), bytes.
const SIZE_MOST: u64 = 25_000_000_000;

/// A break costs at most one segment, and each costs a round trip; the platform names no limits.
const SEGMENT_DEFAULT: u64 = 8 * 1024 * 1024;
/// Smaller ones would spend the line on round trips.
const SEGMENT_LEAST: u64 = 256 * 1024;
/// Larger ones would make a break as expensive as with a form.
const SEGMENT_MOST: u64 = 1024 * 1024 * 1024;

impl Default for Upload {
    fn default() -> Self {
        Self {
            files_at_once: NonZeroU32::MIN.saturating_add(1),
            parts_at_once: NonZeroU32::MIN.saturating_add(3),
            s3_limit: S3_MOST,
            direct_limit: DIRECT_DEFAULT,
            size_limit: SIZE_MOST,
            stall_timeout: Duration::from_mins(1),
            segment_size: SEGMENT_DEFAULT,
            rates: Rates::default(),
        }
    }
}

impl Upload {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let mut at_once = |key, default| {
            section
                .get(key, |value| value::count(value, MOST_AT_ONCE))
                .unwrap_or(default)
        };
        let files_at_once = at_once("files-at-once", default.files_at_once);
        let parts_at_once = at_once("parts-at-once", default.parts_at_once);
        let (s3_limit, size_limit) = limits(section, &default);
        let direct_limit = section
            .get("direct-limit", parse_direct)
            .unwrap_or(default.direct_limit);
        let bounds = Duration::from_secs(1)..=Duration::from_hours(1);
        let stall_timeout = section
            .get("stall-timeout", |value| value::duration(value, bounds))
            .unwrap_or(default.stall_timeout);
        let segment_size = section
            .get("segment-size", parse_segment)
            .unwrap_or(default.segment_size);
        Self {
            files_at_once,
            parts_at_once,
            s3_limit,
            direct_limit,
            size_limit,
            stall_timeout,
            segment_size,
            rates: Rates::read(section),
        }
    }
}

fn parse_direct(value: &DeValue<'_>) -> Result<u64, String> {
    let size = value::size(value)?;
    if size <= S3_MOST {
        Ok(size)
    } else {
        Err("above \"5 GB\", the most that one PUT can carry; larger files go in parts".to_owned())
    }
}

fn parse_segment(value: &DeValue<'_>) -> Result<u64, String> {
    let size = value::size(value)?;
    if (SEGMENT_LEAST..=SEGMENT_MOST).contains(&size) {
        Ok(size)
    } else {
        Err("expected a size from \"256 KiB\" to \"1 GiB\"".to_owned())
    }
}

/// Both limits; a small `size-limit` alone draws `s3-limit` down with it.
fn limits(section: &mut Section<'_>, default: &Upload) -> (u64, u64) {
    let s3_written = section.get("s3-limit", value::size);
    let size_written = section.get("size-limit", value::size);
    if s3_written.is_some_and(|limit| limit > S3_MOST) {
        let message =
            "above \"5 GB\", the most that one S3 upload can carry; larger files go by form";
        section.fault("s3-limit", message);
    }
    if size_written.is_some_and(|limit| limit > SIZE_MOST) {
        let message = "above \"25 GB\", the most that the platform takes; larger files would fail";
        section.fault("size-limit", message);
    }
    let size_limit = size_written.unwrap_or(default.size_limit);
    let s3_limit = s3_written.unwrap_or(default.s3_limit.min(size_limit));
    if s3_limit > size_limit && s3_limit <= S3_MOST {
        let message = "above size-limit; write at most the same size, or leave it out";
        section.fault("s3-limit", message);
    }
    (s3_limit, size_limit)
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::{Fixture, LEAST};
    use super::*;

    #[test]
    fn the_defaults_are_those_that_are_promised() {
        let upload = Upload::default();
        let at_once = (upload.files_at_once.get(), upload.parts_at_once.get());
        assert_eq!(at_once, (2, 4));
        let limits = (upload.s3_limit, upload.size_limit);
        assert_eq!(limits, (5_000_000_000, 25_000_000_000));
        assert_eq!(upload.stall_timeout, Duration::from_mins(1));
    }

    #[test]
    fn each_fault_is_refused_with_its_line_and_the_way_out() {
        let fixture = Fixture::new();
        for case in [
            (
                "",
                "[upload]\nspeed = 3",
                2,
                "[upload]: unknown key \"speed\"; expected one of: bandwidth-limit, direct-limit, files-at-once, parts-at-once, s3-limit, segment-size, size-limit, stall-timeout, timetable",
            ),
            (
                "",
                "[upload]\nfiles-at-once = 0",
                2,
                "expected a whole number from 1 to 64, not 0",
            ),
            (
                "",
                "[upload]\nfiles-at-once = \"2\"",
                2,
                "files-at-once: expected a whole number from 1 to 64 without quotes, not a text",
            ),
            (
                "",
                "[upload]\nparts-at-once = -1",
                2,
                "from 1 to 64, not -1",
            ),
            (
                "",
                "[upload]\nparts-at-once = 2.5",
                2,
                "expected a whole number",
            ),
            (
                "",
                "[upload]\nstall-timeout = \"0s\"",
                2,
                "\"0s\" is too short; at least 1s",
            ),
        ] {
            fixture.refuses(case);
        }
    }

    #[test]
    fn limits_that_the_platform_would_not_keep_are_refused() {
        let fixture = Fixture::new();
        for case in [
            (
                "",
                "[upload]\ns3-limit = 5000",
                2,
                "s3-limit: 5000 has no unit; write a size like \"5 GB\"",
            ),
            (
                "",
                "[upload]\ns3-limit = \"6 GB\"",
                2,
                "above \"5 GB\", the most that one S3 upload",
            ),
            (
                "",
                "[upload]\nsize-limit = \"26 GB\"",
                2,
                "above \"25 GB\", the most that the platform takes",
            ),
            (
                "",
                "[upload]\nsize-limit = \"1 GB\"\ns3-limit = \"2 GB\"",
                3,
                "s3-limit: above size-limit",
            ),
        ] {
            fixture.refuses(case);
        }
    }

    #[test]
    fn a_small_size_limit_alone_draws_the_s3_limit_down() {
        let text = format!("[upload]\nsize-limit = \"1 GB\"\n{LEAST}");
        let upload = Fixture::new().parse(&text).unwrap().upload;
        assert_eq!(
            (upload.s3_limit, upload.size_limit),
            (1_000_000_000, 1_000_000_000)
        );
    }
}
