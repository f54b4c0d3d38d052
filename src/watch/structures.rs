//! Files that programs make on their way and that have the extension of a video: known by their
//! names alone, each kind by a rule that a watch can leave out. Pure.
//!
//! Only names that such programs give and people do not are taken for these: a rule that fits more
//! would leave a video alone.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::config::{Structure, Watch};

/// The rule of this watch that a file of this name fits.
pub(super) fn of(watch: &Watch, name: &OsStr) -> Option<Structure> {
    // Without the extension, in lower case.
    let stem = Path::new(name).file_stem()?.as_bytes().to_ascii_lowercase();
    let mut rules = watch.watching.structures.iter();
    rules.find(|rule| fits(*rule, &stem))
}

/// The programs that a rule knows, for people.
pub(super) fn makers(rule: Structure) -> &'static str {
    match rule {
        Structure::YtDlpFormat => "yt-dlp gives to one stream of a download",
        Structure::Temporary => "yt-dlp and other programs give to a file until it is complete",
        Structure::Transcoder => "Tdarr or Unmanic gives to a file that it is still making",
        Structure::Export => "Adobe Media Encoder gives to a part of an export",
    }
}

fn fits(rule: Structure, stem: &[u8]) -> bool {
    let (base, last) = split_last(stem, b'.');
    match rule {
        Structure::YtDlpFormat => !base.is_empty() && is_format(last),
        Structure::Temporary => !base.is_empty() && TEMPORARY.contains(&last),
        Structure::Transcoder => {
            let contains = |part: &[u8]| stem.windows(part.len()).any(|found| found == part);
            contains(b"-tdarrcachefile-") || is_working(stem)
        }
        // `clip.mp4._00_.m4v`
        Structure::Export => matches!(last, [b'_', a, b, b'_'] if is_digits(&[*a, *b])),
    }
}

/// What is put before the extension of a file that is renamed when it is complete: `clip.temp.mp4`.
const TEMPORARY: [&[u8]; 5] = [b"temp", b"tmp", b"partial", b"incomplete", b"unfinished"];

/// The id of a format, as in `clip.f137.mp4`, `clip.f251-1.webm` or `clip.fhls-1080.mp4`.
fn is_format(last: &[u8]) -> bool {
    let Some(id) = last.strip_prefix(b"f") else {
        return false;
    };
    let (number, more) = id.split_at(id.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let is_word = |text: &[u8]| {
        let sound = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !text.is_empty() && text.iter().all(sound)
    };
    let streams: [&[u8]; 3] = [b"hls-", b"dash-", b"http-"];
    let is_stream = streams
        .iter()
        .any(|kind| id.strip_prefix(*kind).is_some_and(is_word));
    let is_number = (2..=4).contains(&number.len());
    is_stream || (is_number && (more.is_empty() || more.strip_prefix(b"-").is_some_and(is_word)))
}

/// `clip-a1b2c-WORKING-1-2.mkv`, as Unmanic calls what it works on.
fn is_working(stem: &[u8]) -> bool {
    let (rest, second) = split_last(stem, b'-');
    let (rest, first) = split_last(rest, b'-');
    is_digits(first) && is_digits(second) && rest.ends_with(b"-working")
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// What is before and after the last one of these bytes; all is after it where there is none.
fn split_last(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match text.iter().rposition(|found| *found == byte) {
        Some(at) => (
            text.get(..at).unwrap_or_default(),
            text.get(at + 1..).unwrap_or_default(),
        ),
        None => (&[], text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::tests::support::watch;

    #[test]
    fn what_a_program_makes_on_its_way_is_known_by_its_name() {
        let watch = watch(Path::new("/v"));
        for (name, rule) in [
            ("Show [dQw4w9WgXcQ].f137.mp4", Structure::YtDlpFormat),
            ("clip.f251.webm", Structure::YtDlpFormat),
            ("clip.F140-drc.m4a", Structure::YtDlpFormat),
            ("clip.f251-1.webm", Structure::YtDlpFormat),
            ("clip.fhls-1080.mp4", Structure::YtDlpFormat),
            ("clip.fdash-video_1.mp4", Structure::YtDlpFormat),
            ("clip.fhttp-2176.mp4", Structure::YtDlpFormat),
            ("clip.temp.mp4", Structure::Temporary),
            ("clip.TMP.mkv", Structure::Temporary),
            ("clip.partial.mov", Structure::Temporary),
            ("clip.incomplete.mp4", Structure::Temporary),
            ("clip-TdarrCacheFile-3xYz9.mkv", Structure::Transcoder),
            ("clip-a1b2c-WORKING-1-2.mkv", Structure::Transcoder),
            ("clip.mp4._00_.m4v", Structure::Export),
        ] {
            assert_eq!(of(&watch, OsStr::new(name)), Some(rule), "{name}");
        }
    }

    /// Names that people give, or that cameras and programs give to what is done.
    #[test]
    fn what_people_call_a_video_is_none_of_these() {
        let watch = watch(Path::new("/v"));
        for name in [
            "clip.mp4",
            "f137.mp4",
            "clip f137.mp4",
            "lens.f2.8.mp4",
            "lens.f4.mp4",
            "clip.f4v",
            "clip.f12345.mp4",
            "clip.final.mp4",
            "clip.full-hd.mp4",
            "clip.fhd.mp4",
            "clip.fhls.mp4",
            "temp.mp4",
            ".temp.mp4",
            "tmp.mp4",
            "room temp.mp4",
            "body.temperature.mp4",
            "clip.part1.mp4",
            "clip.part.mp4",
            "working-1-2.mkv",
            "we-are-working-late-1.mkv",
            "tdarr.mp4",
            "clip_00_.mp4",
            "clip._1_.mp4",
            "C0001.MP4",
            "GX010042.MP4",
        ] {
            assert_eq!(of(&watch, OsStr::new(name)), None, "{name}");
        }
        let odd = OsStr::from_bytes(b"caf\xe9.f137.mp4");
        assert_eq!(of(&watch, odd), Some(Structure::YtDlpFormat));
    }
}
