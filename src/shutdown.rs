//! Signals, as events that the supervisor waits for.
//!
//! TERM and INT ask to stop, a second one ends the process at once; HUP asks to read the
//! configuration again. SIGIO is ignored elsewhere, before any lease is taken.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The exit code of a process that was stopped for the second time: 128 + SIGTERM, as a shell
/// shows a process that the signal killed.
const KILLED: i32 = 143;

/// What the signals ask for.
#[derive(Debug)]
pub(crate) struct Requests {
    /// Cancelled by the first TERM or INT.
    pub stop: CancellationToken,
    /// One message for each HUP.
    pub reload: mpsc::Receiver<()>,
}

/// Starts the thread that turns signals into [`Requests`]. It lives as long as the process.
///
/// # Errors
/// When the handlers or the thread cannot be set up.
pub(crate) fn listen() -> io::Result<Requests> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let stop = CancellationToken::new();
    let (reloads, reload) = mpsc::channel(1);
    let asked = stop.clone();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                match signal {
                    // A reload that waits already will read the newest file as well.
                    SIGHUP => drop(reloads.try_send(())),
                    _ if asked.is_cancelled() => end_now(),
                    _ => asked.cancel(),
                }
            }
        })?;
    Ok(Requests { stop, reload })
}

#[expect(
    clippy::exit,
    reason = "the second signal means at once; the job table survives it by design"
)]
fn end_now() {
    std::process::exit(KILLED);
}
