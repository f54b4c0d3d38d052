//! The tree, and `find` to compare with.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// Without optimisation it only shows that it runs.
pub(crate) const FILES: u32 = if cfg!(debug_assertions) {
    2_000
} else {
    200_000
};
/// Folders with folders in them, and how many each has.
const OUTER: u32 = FILES / 1000;
const INNER: u32 = 99;

/// Makes the tree: 20,000 folders, and names as long as people give.
pub(crate) fn make(root: &Path) -> Outcome<()> {
    let content = mp4(8);
    let mut left = FILES;
    for outer in 0..OUTER {
        for inner in 0..INNER {
            let folder = root.join(format!("production-{outer:03}/camera-{inner:02}"));
            fs::create_dir_all(&folder).map_err(|error| format!("no folder: {error}"))?;
            let here = (FILES / OUTER).div_ceil(INNER).min(left);
            for number in 0..here {
                let name = format!("clip_2026-11-22_{outer:03}{inner:02}{number:03}.mp4");
                write(&folder.join(name), &content)?;
            }
            left -= here;
        }
    }
    if left > 0 {
        return Err(format!("{left} files have found no folder"));
    }
    Ok(())
}

/// Writes a file, in one go.
pub(crate) fn write(path: &Path, content: &[u8]) -> Outcome<()> {
    fs::write(path, content).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// A whole MP4, as far as boxes go, with so many bytes of media.
pub(crate) fn mp4(media: u32) -> Vec<u8> {
    let part = |kind: &[u8; 4], size: u32| {
        let mut part = (size + 8).to_be_bytes().to_vec();
        part.extend(kind);
        part.extend((0..size).map(|_| 7));
        part
    };
    [part(b"ftyp", 8), part(b"mdat", media), part(b"moov", 8)].concat()
}

/// How long `find` takes for the same questions; the middle of three runs.
pub(crate) fn find(root: &Path) -> Outcome<Duration> {
    let mut times = Vec::new();
    for _ in 0..3 {
        let began = Instant::now();
        let status = Command::new("find")
            .arg(root)
            .args(["-printf", "%s %T@ %C@ %i\n"])
            .stdout(Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            return Err("there is no find here to compare with".to_owned());
        }
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times
        .get(1)
        .copied()
        .ok_or_else(|| "no run of find".to_owned())
}
