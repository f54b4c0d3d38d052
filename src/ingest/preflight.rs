//! What a file is by its first bytes, before anything is created for it: a web page, a document or a
//! block of zeros under a video's name is refused in words, and costs the platform nothing.
//!
//! It errs on the side of taking: only what is surely something else is named. Bytes that no rule
//! knows are a video as far as this program can tell; the platform knows more formats than we do.

use std::sync::Arc;

use super::attempt::Attempt;
use super::end::End;
use super::fetch;
use super::source::Source;
use crate::disposition::Disposition;

/// So much of the start is looked at.
const HEAD: usize = 1024;

/// What a file is that is no video, as a noun with its article.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoVideo(&'static str);

#[derive(Debug, thiserror::Error)]
#[error(
    "the file is not a video: it is {}; nothing was sent. Put the video itself into its place, or \
     set preflight = false for its watch if it must be uploaded as it is",
    .0.0
)]
struct Refusal(NoVideo);

/// Looks at the first bytes of the job's file, unless its watch does not want that.
pub(super) async fn rule_out_others(attempt: &Attempt, source: &Arc<Source>) -> Result<(), End> {
    if !is_wanted(attempt) || fetch::is_address(&attempt.job().path) {
        return Ok(());
    }
    let limit = u64::try_from(HEAD).unwrap_or_default();
    let head = attempt.start(source, limit).await?;
    match judge(&head, source.size()) {
        None => Ok(()),
        Some(other) => Err(End::failed(&Refusal(other), Disposition::Permanent)),
    }
}

/// Whether the job's watch has such things looked at.
pub(super) fn is_wanted(attempt: &Attempt) -> bool {
    let settings = attempt.settings();
    let watch = settings.watch(&attempt.job().watch);
    watch.is_none_or(|watch| watch.watching.preflight)
}

/// What begins like this and is surely no video. The first that fits counts.
const STARTS: &[(&[u8], &str)] = &[
    (
        b"version https://git-lfs.github.com/",
        "a Git LFS pointer, whose video was not checked out (git lfs pull)",
    ),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"8BPS", "a Photoshop image"),
    (b"II*\0", "a TIFF or raw camera image"),
    (b"MM\0*", "a TIFF or raw camera image"),
    (b"\x7fELF", "a program"),
    (b"#EXTM3U", "a playlist, which only names its media files"),
    (b"SQLite format 3\0", "a database"),
];

/// Text that begins like this, in any case and after space, is a web page.
const PAGES: &[&[u8]] = &[b"<!doctype html", b"<html", b"<head", b"<body", b"<script"];

/// Starts of formats that are media, though all of their first bytes may be text.
const MEDIA: &[&[u8]] = &[b"YUV4MPEG2", b"ID3", b"#!AMR", b"FORM", b"RIFF", b"OggS"];

/// Brands of still images in the first box of an MP4.
const STILLS: &[&[u8; 4]] = &[b"heic", b"heix", b"mif1", b"avif"];

/// What a file of this size is that begins so; `None`: a video, or at least nothing else that is
/// known.
fn judge(head: &[u8], size: u64) -> Option<NoVideo> {
    let head = head.get(..HEAD).unwrap_or(head);
    if head.is_empty() {
        return None;
    }
    if head.iter().all(|byte| *byte == 0) {
        return Some(NoVideo(
            "zeros, as where a copy was begun and nothing has arrived",
        ));
    }
    if let Some((_, what)) = STARTS.iter().find(|(start, _)| head.starts_with(start)) {
        return Some(NoVideo(what));
    }
    image(head, size).or_else(|| text(head)).map(NoVideo)
}

/// Images that are told by more than their first bytes.
fn image(head: &[u8], size: u64) -> Option<&'static str> {
    let at = |from: usize, wanted: &[u8]| {
        head.get(from..)
            .is_some_and(|rest| rest.starts_with(wanted))
    };
    // An animation in one of these formats counts as a video with the platform's users.
    if at(0, b"RIFF") && at(8, b"WEBP") && !head.windows(4).any(|four| four == b"ANIM") {
        return Some("a WebP image");
    }
    if at(0, b"BM") && head.get(2..6).is_some_and(|told| is_length(told, size)) {
        return Some("a BMP image");
    }
    let still = STILLS.iter().any(|brand| at(8, *brand));
    (at(4, b"ftyp") && still).then_some("a still image (HEIC or AVIF)")
}

/// Whether four bytes are this length, the low one first.
fn is_length(told: &[u8], size: u64) -> bool {
    let told = <[u8; 4]>::try_from(told).map(u32::from_le_bytes);
    told.is_ok_and(|told| u64::from(told) == size)
}

/// Text of all kinds.
fn text(head: &[u8]) -> Option<&'static str> {
    if MEDIA.iter().any(|start| head.starts_with(start)) || !is_text(head) {
        return None;
    }
    let bare = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let bare = bare.trim_ascii_start();
    let is_page = PAGES.iter().any(|start| {
        bare.get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    });
    Some(match bare.first() {
        _ if is_page => "a web page, as where a download was answered with an error or a login",
        Some(b'<') => "an XML text, as where a download was answered with an error",
        Some(b'{' | b'[') => "a JSON text, as where a download was answered with an error",
        _ => "text, such as a message of an error, a list or source code",
    })
}

/// Whether all of it is text: UTF-8 (which may be cut off at the end) or UTF-16, without other
/// control characters than those of lines.
fn is_text(head: &[u8]) -> bool {
    if let [0xff, 0xfe, rest @ ..] = head {
        return is_wide(rest, u16::from_le_bytes);
    }
    if let [0xfe, 0xff, rest @ ..] = head {
        return is_wide(rest, u16::from_be_bytes);
    }
    let whole = match str::from_utf8(head) {
        Ok(text) => text,
        // Cut within a character.
        Err(fault) if fault.error_len().is_none() && fault.valid_up_to() > 0 => {
            let valid = head.get(..fault.valid_up_to()).unwrap_or_default();
            str::from_utf8(valid).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !whole.chars().any(is_strange)
}

fn is_strange(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}' | '\u{1b}')
}

/// `UTF-16`, by a decoder of its units. The sync bytes of MPEG sound begin in the same way.
fn is_wide(rest: &[u8], unit: fn([u8; 2]) -> u16) -> bool {
    let (pairs, _) = rest.as_chunks::<2>();
    let ascii = pairs.iter().filter(|pair| unit(**pair) < 0x80).count();
    let mut all = char::decode_utf16(pairs.iter().map(|pair| unit(*pair)));
    let is_sound = all.all(|one| one.is_ok_and(|c| !is_strange(c)));
    !pairs.is_empty() && ascii * 4 >= pairs.len() * 3 && is_sound
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(head: &[u8]) -> Option<&'static str> {
        let size = u64::try_from(head.len()).unwrap();
        judge(head, size).map(|other| other.0)
    }

    fn wide(text: &str) -> Vec<u8> {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect()
    }

    #[test]
    fn what_is_surely_no_video_is_named() {
        let long = "<p>Sign in \u{fc}ber</p>".repeat(400);
        let bmp = [&b"BM\x0a\0\0\0"[..], b"\0\0\x01\x02"].concat();
        for (head, says) in [
            (
                &b"<!DOCTYPE html><html><body>403</body></html>\n"[..],
                "a web page",
            ),
            (b"\xef\xbb\xbf\r\n  <HTML lang=de>", "a web page"),
            (long.as_bytes(), "an XML text"),
            (
                b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>",
                "an XML text",
            ),
            (b"{\"message\":\"Not Found\"}", "a JSON text"),
            (b"404 page not found\n", "text"),
            (
                b"import { Video } from './video';\nexport const a = 1;\n",
                "text",
            ),
            (&wide("Die Datei wurde nicht gefunden\r\n"), "text"),
            (b"#EXTM3U\n#EXT-X-VERSION:3\n", "a playlist"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
                "a Git LFS pointer",
            ),
            (b"PK\x03\x04\x14\0\0\0", "a ZIP archive"),
            (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG"),
            (b"RIFF\x24\0\0\0WEBPVP8 \0\0", "a WebP"),
            (&bmp, "a BMP"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "a still image"),
            (&[0; 4096], "zeros"),
            (&[0; 3], "zeros"),
        ] {
            let said = judged(head);
            let shown = String::from_utf8_lossy(head.get(..20).unwrap_or(head));
            assert!(
                said.is_some_and(|said| said.starts_with(says)),
                "{shown:?}: {said:?}"
            );
        }
    }

    #[test]
    fn every_format_that_may_be_media_passes() {
        let mut packet = [0x20; 188];
        packet[0] = 0x47;
        packet[1] = 0x40;
        packet[3] = 0x10;
        let mut stream = packet.repeat(10);
        stream[4] = 0;
        let y4m = [&b"YUV4MPEG2 W2 H2 F25:1\n"[..], b"FRAME\n      "].concat();
        for head in [
            &b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"[..],
            b"\0\0\0\x18ftypavis\0\0\0\0",
            b"\0\0\0\x08wide\0\0\x10\0mdat",
            b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01",
            &stream,
            b"\0\0\x01\xba\x44\0\x04",
            b"\0\0\x01\xb3\x14\0\xf0",
            b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02",
            b"RIFF\x24\x08\0\0AVI LIST",
            b"RIFF\xff\xff\xff\xffWAVEfmt ",
            b"RF64\xff\xff\xff\xffWAVEds64",
            b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0ANIM\x06",
            b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9",
            b"FLV\x01\x05\0\0\0\x09",
            b"OggS\0\x02\0\0",
            b"ID3\x04\0\0\0\0\x02\x01",
            b"ID3 and text only, as where its tag is long",
            b"\xff\xfb\x90\x64\0\0",
            b"\xff\xf1\x50\x80\x02\x1f\xfc",
            b"\xff\xfe\x90\x64\0\0\0\0",
            b"fLaC\0\0\0\x22",
            b"BM is no bitmap of this length\x01",
            &y4m,
            b"\x01\x02\x03\x04 something that no rule knows",
            &[&[0; 900][..], &[7; 200]].concat(),
            b"",
        ] {
            let shown = String::from_utf8_lossy(head.get(..20).unwrap_or(head));
            assert_eq!(judged(head), None, "{shown:?}");
        }
    }

    #[test]
    fn no_more_than_the_head_is_looked_at_and_a_cut_character_is_no_fault() {
        let text = "\u{fc}".repeat(600);
        assert_eq!(judged(&text.as_bytes()[..1023]), judged(b"text"));
        let late = [&b"text ".repeat(300)[..], &[0, 1, 2]].concat();
        assert_eq!(judged(&late), judged(b"text"));
    }
}
