//! The jobs that are being worked on in this process: how far each is, and how to stop one.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::queue::claim::Beat;
use crate::queue::{JobId, Lease};
use crate::upload::Progress;

/// The register of running jobs; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    // By lease: a job that was cancelled and queued again may have one worker that ends and one that
    // begins.
    jobs: Arc<Mutex<HashMap<String, Entry>>>,
}

#[derive(Debug)]
struct Entry {
    job: JobId,
    path: PathBuf,
    size: u64,
    stop: CancellationToken,
    transfer: Option<Transfer>,
}

#[derive(Debug)]
struct Transfer {
    progress: Arc<Progress>,
    meter: Meter,
}

/// A running upload, for progress bars.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    /// The job.
    pub job: JobId,
    /// The file.
    pub path: PathBuf,
    /// Bytes in all.
    pub size: u64,
    /// Bytes handed out so far.
    pub sent: u64,
}

/// Removes its job from the register when the worker ends, also by a panic.
#[derive(Debug)]
pub(super) struct Registration {
    live: Live,
    lease_id: String,
}

impl Live {
    /// Registers a claimed job; `stop` is cancelled to end the work on it.
    pub(super) fn register(&self, lease: &Lease, stop: CancellationToken) -> Registration {
        let entry = Entry {
            job: lease.job.id,
            path: lease.job.path.clone(),
            size: lease.job.identity.bytes(),
            stop,
            transfer: None,
        };
        self.with(|jobs| jobs.insert(lease.id.clone(), entry));
        Registration {
            live: self.clone(),
            lease_id: lease.id.clone(),
        }
    }

    /// From now on the job's progress is this.
    pub(super) fn transfers(&self, lease: &Lease, progress: &Arc<Progress>) {
        self.with(|jobs| {
            if let Some(entry) = jobs.get_mut(&lease.id) {
                let progress = Arc::clone(progress);
                entry.transfer = Some(Transfer {
                    progress,
                    meter: Meter::default(),
                });
            }
        });
    }

    /// The heartbeat of all running jobs at this moment.
    pub(super) fn beats(&self, now: Instant) -> Vec<Beat> {
        self.with(|jobs| {
            jobs.iter_mut()
                .map(|(lease_id, entry)| entry.beat(lease_id, now))
                .collect()
        })
    }

    /// The leases held by this process.
    pub(super) fn leases(&self) -> Vec<String> {
        self.with(|jobs| jobs.keys().cloned().collect())
    }

    /// Ends the work under a lease that is lost.
    pub(super) fn stop(&self, lease_id: &str) {
        self.with(|jobs| {
            if let Some(entry) = jobs.get(lease_id) {
                entry.stop.cancel();
            }
        });
    }

    /// The uploads that move bytes now, by job.
    pub(crate) fn uploads(&self) -> Vec<Upload> {
        let mut uploads: Vec<_> = self.with(|jobs| {
            let moving = jobs.values().filter_map(|entry| {
                let transfer = entry.transfer.as_ref()?;
                Some(Upload {
                    job: entry.job,
                    path: entry.path.clone(),
                    size: entry.size,
                    sent: transfer.progress.sent().min(entry.size),
                })
            });
            moving.collect()
        });
        uploads.sort_by_key(|upload: &Upload| upload.job);
        uploads
    }

    /// Whether no job is being worked on.
    pub(crate) fn is_idle(&self) -> bool {
        self.with(|jobs| jobs.is_empty())
    }

    fn with<R>(&self, act: impl FnOnce(&mut HashMap<String, Entry>) -> R) -> R {
        // A panic elsewhere leaves the map whole: every change to it is one call.
        act(&mut self.jobs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Entry {
    fn beat(&mut self, lease_id: &str, now: Instant) -> Beat {
        let size = self.size;
        let progress = self.transfer.as_mut().map(|transfer| {
            let sent = transfer.progress.sent().min(size);
            let rate = transfer.meter.rate(sent, now);
            (signed(sent), signed(rate))
        });
        Beat {
            job: self.job,
            lease_id: lease_id.to_owned(),
            progress,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.live.with(|jobs| jobs.remove(&self.lease_id));
    }
}

/// Bytes a second over the last beats, smoothed so that the time left does not jump about.
#[derive(Debug, Default)]
struct Meter {
    last: Option<(u64, Instant)>,
    rate: Option<f64>,
}

impl Meter {
    fn rate(&mut self, sent: u64, now: Instant) -> u64 {
        let Some((before, then)) = self.last else {
            self.last = Some((sent, now));
            return 0;
        };
        let seconds = now.duration_since(then).as_secs_f64();
        // Beats that come too close (another process changed the table) would give wild figures.
        if seconds >= SHORTEST_SPAN {
            self.last = Some((sent, now));
            let moved = to_float(sent.saturating_sub(before)) / seconds;
            self.rate = Some(
                self.rate
                    .map_or(moved, |rate| rate + SMOOTHING * (moved - rate)),
            );
        }
        from_float(self.rate.unwrap_or_default())
    }
}

/// Seconds between two readings that give a rate.
const SHORTEST_SPAN: f64 = 0.5;

/// The weight of the newest reading.
const SMOOTHING: f64 = 0.3;

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a rate needs no exact bytes"
)]
fn to_float(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, and a rate is never negative"
)]
fn from_float(rate: f64) -> u64 {
    rate as u64
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_rate_follows_the_bytes() {
        let start = Instant::now();
        let mut meter = Meter::default();
        assert_eq!(meter.rate(0, start), 0);
        assert_eq!(meter.rate(1000, start + Duration::from_secs(1)), 1000);
        // Too soon after the last reading: the rate stays.
        assert_eq!(meter.rate(9000, start + Duration::from_millis(1100)), 1000);
        let slowed = meter.rate(1000, start + Duration::from_secs(2));
        assert_eq!(slowed, 700);
    }
}
