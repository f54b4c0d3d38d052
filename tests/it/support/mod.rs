//! The harness: a platform to upload to, a site with a folder and a configuration, and the real
//! daemon as a child process that can be killed.
//!
//! Every wait is for an event or a state, with a deadline; what a test that fails needs to be
//! understood (the daemon's log, the job table, the platform's requests) is printed by itself.

mod daemon;
mod door;
mod http;
mod look;
mod platform;
mod site;
mod web;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use daemon::Daemon;
pub(crate) use door::Door;
pub(crate) use platform::{KEY, Platform, SECRET, V2_SECRET, listen};
pub(crate) use site::{JobRow, Site, sha1_of};
pub(crate) use web::Web;

/// Longer than anything takes on a loaded machine; a test that gets here has failed.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Waits until `ready` gives a value.
pub(crate) fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "waited without success for: {what}"
        );
        // A state that another process makes has no event to wait for: look often.
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Whether a program is there; tests that need it say that they were left out.
pub(crate) fn have(program: &str) -> bool {
    let there = std::process::Command::new(program)
        .arg(if program == "ffmpeg" {
            "-version"
        } else {
            "--version"
        })
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        left_out(&format!("{program} is not installed"));
    }
    there
}

/// Says that a test, or a part of one, cannot run here; also where the test's output is captured.
pub(crate) fn left_out(why: &str) {
    drop(writeln!(std::io::stderr(), "LEFT OUT: {why}"));
}

/// Writes a whole MP4 of this size at no cost: most of it is a box of padding, which is a hole.
pub(crate) fn write_film(path: &Path, size: u64) {
    let part = |kind: &[u8; 4]| [&[0, 0, 0, 16], &kind[..], &[7; 8]].concat();
    let start = [part(b"ftyp"), part(b"mdat"), part(b"moov")].concat();
    fs::write(path, start).unwrap();
    pad(path, size);
}

/// Makes an MP4 this long by a box of padding at its end, which is a hole.
pub(crate) fn pad(path: &Path, size: u64) {
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    let padding = size - file.metadata().unwrap().len();
    let head = u32::try_from(padding).unwrap().to_be_bytes();
    file.write_all(&head).unwrap();
    file.write_all(b"free").unwrap();
    file.set_len(size).unwrap();
}

/// Random numbers whose seed is printed, so that a run can be repeated: `JW_INGEST_TEST_SEED=N`.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let seed = std::env::var("JW_INGEST_TEST_SEED")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| u64::from(std::process::id()) ^ now_nanos());
        println!("seed of this run: JW_INGEST_TEST_SEED={seed}");
        Self(seed)
    }

    /// With a given seed, which is not printed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// What this one was seeded with, until the first number is drawn.
    pub(crate) fn seed(&self) -> u64 {
        self.0
    }

    /// The next number below `limit` (splitmix64).
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }

    /// How many bytes that no other file has.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count.div_ceil(8))
            .flat_map(|_| self.below(u64::MAX).to_le_bytes())
            .take(count)
            .collect()
    }
}

fn now_nanos() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    since.as_secs().wrapping_mul(1_000_000_007) ^ u64::from(since.subsec_nanos())
}
