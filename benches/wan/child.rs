//! Child processes that outlive neither their time nor this program.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// A running child; dropping it ends it.
pub(crate) struct Child(std::process::Child);

impl Child {
    pub(crate) fn start(command: &mut Command) -> Result<Self, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn();
        child
            .map(Self)
            .map_err(|error| format!("cannot start {name}: {error}"))
    }

    /// The first line that it says on its standard error, which was piped, and the rest of it.
    pub(crate) fn first_word(&mut self) -> Result<(String, impl BufRead + use<>), String> {
        let errors = self.0.stderr.take().ok_or("nothing listens to the child")?;
        let mut errors = BufReader::new(errors);
        let mut line = String::new();
        match errors.read_line(&mut line) {
            Ok(1..) => Ok((line, errors)),
            _ => Err("the child ended at once".to_owned()),
        }
    }

    /// Waits until it has ended well; gives its peak of resident memory in KiB.
    pub(crate) fn wait(mut self, at_most: Duration) -> Result<u64, String> {
        let deadline = Instant::now() + at_most;
        let mut peak = 0;
        loop {
            peak = self.memory().unwrap_or(peak);
            match self.0.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(peak),
                Ok(Some(status)) => return Err(format!("a client failed: {status}")),
                Ok(None) if is_told_to_end() => return Err("interrupted".to_owned()),
                Ok(None) if Instant::now() > deadline => {
                    return Err("a client took too long".to_owned());
                }
                Ok(None) => thread::park_timeout(LOOK),
                Err(error) => return Err(format!("cannot wait for a client: {error}")),
            }
        }
    }

    /// Asks it to end, and waits.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        let pid = self.0.id().to_string();
        // One that has ended already was not waited for yet, so the number is still its own.
        Command::new("kill").arg(pid).status().ok()?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Some(status);
            }
            thread::park_timeout(LOOK);
        }
        None
    }

    fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).ok()?;
        let (_, rest) = status.split_once("VmHWM:")?;
        rest.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both only fail for one that is gone.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// From now on INT and TERM only say that it is time to clear up and go.
pub(crate) fn end_when_told() -> Result<(), String> {
    let told = TOLD.get_or_init(Arc::default);
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(told))
            .map_err(|error| format!("cannot wait for signals: {error}"))?;
    }
    Ok(())
}

fn is_told_to_end() -> bool {
    TOLD.get().is_some_and(|told| told.load(Ordering::Relaxed))
}

static TOLD: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// How exactly the end of a run is seen.
const LOOK: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(5);
