//! Files of every kind that ffmpeg writes: whole, cut at many places, and with reserved space.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::*;

/// What should be said about a file, and whether one that is cut is surely noticed.
struct Kind {
    name: &'static str,
    more: &'static [&'static str],
    /// Whether it goes through a pipe, so that nothing is filled in at the end.
    piped: bool,
    whole: Verdict,
    /// The least part of all cuts that must be noticed as such, percent.
    noticed: usize,
}

const fn kind(
    name: &'static str,
    more: &'static [&'static str],
    whole: Verdict,
    noticed: usize,
) -> Kind {
    Kind {
        name,
        more,
        piped: false,
        whole,
        noticed,
    }
}

const fn piped(name: &'static str, more: &'static [&'static str], whole: Verdict) -> Kind {
    Kind {
        name,
        more,
        piped: true,
        whole,
        noticed: 0,
    }
}

const SOUND: &[&str] = &["-f", "lavfi", "-i", "sine=duration=3", "-map", "1:a"];
const BOTH: &[&str] = &[
    "-f",
    "lavfi",
    "-i",
    "sine=duration=3",
    "-map",
    "0:v",
    "-map",
    "1:a",
];
const THEORA: &[&str] = &["-c:v", "libtheora", "-b:v", "300k"];

const REAL: &[Kind] = &[
    kind("end.mp4", &[], Verdict::Complete, 100),
    kind(
        "start.mp4",
        &["-movflags", "+faststart"],
        Verdict::Complete,
        100,
    ),
    kind(
        "fragments.mp4",
        &["-movflags", "frag_keyframe+empty_moov"],
        Verdict::Complete,
        80,
    ),
    kind(
        "live.mp4",
        &["-movflags", "frag_keyframe+empty_moov+skip_trailer"],
        Verdict::Unended,
        80,
    ),
    kind("a.mov", &[], Verdict::Complete, 100),
    kind("a.mkv", &[], Verdict::Complete, 100),
    kind("live.mkv", &["-live", "1"], Verdict::Unended, 80),
    kind("a.ts", &[], Verdict::Unended, 80),
    kind("a.avi", BOTH, Verdict::Complete, 100),
    kind("a.wav", SOUND, Verdict::Complete, 100),
    kind(
        "large.wav",
        &[
            "-f",
            "lavfi",
            "-i",
            "sine=duration=3",
            "-map",
            "1:a",
            "-rf64",
            "always",
        ],
        Verdict::Complete,
        100,
    ),
    kind("a.wmv", BOTH, Verdict::Complete, 100),
    kind("a.flv", &["-c:v", "flv"], Verdict::Complete, 100),
    kind(
        "bare.flv",
        &["-c:v", "flv", "-flvflags", "no_duration_filesize"],
        Verdict::Unended,
        80,
    ),
    kind("a.ogv", THEORA, Verdict::Complete, 80),
    kind("a.mxf", &["-c:v", "mpeg2video"], Verdict::Complete, 100),
    piped("a.avi", BOTH, Verdict::Unended),
    piped("a.wav", SOUND, Verdict::Unended),
    piped("a.asf", BOTH, Verdict::Unended),
    piped("a.flv", &["-c:v", "flv"], Verdict::Unended),
];

/// Makes a clip; `None` without an ffmpeg that can.
fn made(dir: &Path, kind: &Kind) -> Option<PathBuf> {
    let path = dir.join(kind.name);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-nostdin", "-y", "-v", "error", "-f", "lavfi"])
        .args(["-i", "testsrc2=size=160x120:rate=25:duration=3"]);
    let (inputs, outputs): (&[&str], &[&str]) = match kind.more {
        [f, lavfi, i, source, rest @ ..] if *f == "-f" => (&[*f, *lavfi, *i, *source], rest),
        all => (&[], all),
    };
    ffmpeg.args(inputs);
    if !outputs.contains(&"-c:v") {
        ffmpeg.args(["-c:v", "mpeg4"]);
    }
    ffmpeg.args(["-g", "10"]).args(outputs);
    if kind.piped {
        let format = path.extension()?.to_str()?.to_owned();
        let out = ffmpeg
            .args(["-f", &format, "-"])
            .stderr(Stdio::null())
            .output()
            .ok()?;
        if !out.status.success() {
            return None;
        }
        fs::write(&path, out.stdout).unwrap();
        return Some(path);
    }
    let status = ffmpeg.arg(&path).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then_some(path)
}

fn each(mut look: impl FnMut(&Kind, &Path, Vec<u8>)) {
    let dir = tempfile::tempdir().unwrap();
    for kind in REAL {
        if let Some(path) = made(dir.path(), kind) {
            let bytes = fs::read(&path).unwrap();
            look(kind, &path, bytes);
        } else {
            // Written past the test harness, which would hide it.
            let what = format!("LEFT OUT {}: no ffmpeg that makes it", kind.name);
            writeln!(std::io::stderr(), "{what}").unwrap();
        }
    }
}

#[test]
fn real_files_are_judged_whole_and_cut() {
    each(|kind, path, bytes| {
        let name = if kind.piped {
            format!("piped {}", kind.name)
        } else {
            kind.name.to_owned()
        };
        assert_eq!(judged(&bytes), kind.whole, "{name}");
        let size = u64::try_from(bytes.len()).unwrap();
        let read = verdict(fs::File::open(path).unwrap(), size, &[]);
        assert_eq!(read, kind.whole);
        let mut noticed = 0;
        for cut in (1..100).map(|part| bytes.len() * part / 100) {
            let half = judged(&bytes[..cut]);
            assert_ne!(half, Verdict::Complete, "{name} cut at {cut}");
            noticed += usize::from(matches!(half, Verdict::Incomplete(_)));
        }
        assert!(
            noticed * 100 >= kind.noticed * 99,
            "{name}: {noticed} of 99 cuts"
        );
    });
}

#[test]
fn a_real_file_whose_end_is_reserved_space_is_incomplete() {
    each(|kind, _, mut bytes| {
        let there = bytes.len() * 2 / 5;
        bytes[there..].fill(0);
        let found = judged(&bytes);
        // Silence is zeros: only holes tell.
        if kind.more.contains(&"1:a") && !kind.more.contains(&"0:v") {
            let size = u64::try_from(bytes.len()).unwrap();
            let hole = u64::try_from(there).unwrap()..size;
            let found = verdict(Cursor::new(&bytes), size, &[hole]);
            assert!(
                matches!(found, Verdict::Incomplete(_)),
                "{}: {found:?}",
                kind.name
            );
            return;
        }
        assert!(
            matches!(found, Verdict::Incomplete(_)),
            "{}: {found:?}",
            kind.name
        );
    });
}
