//! The demo's video: four seconds of a test picture, a real MP4.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::commands::bars::{self, Bar};

/// Made with ffmpeg's own test sources, so that no one holds rights to it: `-f lavfi -i testsrc2`,
/// H.264, and a 440 Hz tone, AAC.
const VIDEO: &[u8] = include_bytes!("sample.mp4");

/// How many pieces, with a pause after each.
const PIECES: usize = 30;
const PAUSE: Duration = Duration::from_millis(80);

/// Writes the video piece by piece, the file open all the time, as a recorder or a slow copy does.
pub(super) fn write_slowly(path: &Path, stop: &CancellationToken) -> io::Result<()> {
    let size = u64::try_from(VIDEO.len()).unwrap_or_default();
    let bar = Bar::new("  writing   {bar:24} {wide_msg}", size);
    let mut written = 0;
    let mut file = File::create(path)?;
    let (_never, nothing) = mpsc::channel::<()>();
    for piece in VIDEO.chunks(VIDEO.len().div_ceil(PIECES)) {
        if stop.is_cancelled() {
            break;
        }
        file.write_all(piece)?;
        written += u64::try_from(piece.len()).unwrap_or_default();
        bar.at(written, bars::so_far(written, size));
        // Nothing ever comes: this is a pause.
        if nothing.recv_timeout(PAUSE).is_ok() {
            break;
        }
    }
    Ok(())
}
